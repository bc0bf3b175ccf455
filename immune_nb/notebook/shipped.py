"""Widgets made of the package's own scripts and stylesheets, and what a reader finds where one is not alive."""

from __future__ import annotations

import importlib.resources
from typing import Any, ClassVar

import anywidget

from .show import Note

__all__ = ["Shipped", "shipped"]


class Shipped(anywidget.AnyWidget):
    """A widget that leaves a sentence where it cannot be.

    Attributes:
        INSTEAD: The sentence: what was here, and which line brings it again.
    """

    INSTEAD: ClassVar[str] = ""

    @classmethod
    def reader_note(cls) -> Note:
        """The sentence as a note beside the widget; the panel's stylesheet hides it where the widget lives."""
        return Note(cls.INSTEAD, css_class="immune-note")

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": self.INSTEAD}, metadata


def shipped(*names: str) -> str:
    """Files of this folder, one after the other; scripts share one scope."""
    folder = importlib.resources.files(__package__)
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
