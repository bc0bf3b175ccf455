"""The log of widget messages, without what was typed into the panel.

The library that carries widget messages logs each one whole, at DEBUG, before we see it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

__all__ = ["CommLogGuard"]

TYPED = ("secret", "address")
HIDDEN = "(hidden)"


class CommLogGuard(logging.Filter):
    """Hides what is typed into the panel from the logger ``Comm``."""

    def start(self) -> None:
        """Begin; a second time changes nothing."""
        logging.getLogger("Comm").addFilter(self)

    def stop(self) -> None:
        """End."""
        logging.getLogger("Comm").removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with its messages cleaned."""
        if isinstance(record.args, tuple):
            record.args = tuple(map(_clean, record.args))
        return True


def _clean(message: Any) -> Any:
    try:
        typed = message["content"]["data"]["content"]
        if not any(typed.get(name) for name in TYPED):
            return message
    except (TypeError, KeyError, AttributeError):
        return message
    hidden = {name: HIDDEN if name in TYPED and value else value for name, value in typed.items()}
    return _with(message, ("content", "data", "content"), hidden)


def _with(tree: Mapping[str, Any], path: tuple[str, ...], leaf: object) -> dict[str, Any]:
    """A copy of a tree with another leaf; what is delivered must stay as it is."""
    head, *rest = path
    return {**tree, head: _with(tree[head], tuple(rest), leaf) if rest else leaf}
