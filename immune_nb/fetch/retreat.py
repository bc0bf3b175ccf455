"""The way back: lists that are followed by their cursor, or begun anew, where windows or the question were no use."""

from __future__ import annotations

from collections.abc import MutableSequence
from dataclasses import replace
from threading import Lock

from immune_nb.fetch.crops import Crop, Kept
from immune_nb.fetch.errands import Errand
from immune_nb.fetch.pages import Page
from immune_nb.fetch.paging import Turn
from immune_nb.frames.folder import Folder

__all__ = ["Retreat"]


class Retreat:
    """Gives up what came of a list, and says how to go on. Threads share it.

    Args:
        crops: What came, which it replaces.
        folder: Where rows went, which it takes back.
        lock: Guards the crops; held by who calls `remember`.
    """

    def __init__(self, crops: MutableSequence[Crop], folder: Folder | None, lock: Lock) -> None:
        self._crops = crops
        self._folder = folder
        self._lock = lock
        self._before: dict[int, tuple[Crop, Errand]] = {}  # by list, how things stood before windows
        self._plain: set[int] = set()  # lists that gave windows up

    def is_late(self, errand: Errand) -> bool:
        """Whether it belongs to windows that were given up."""
        return errand.of in self._plain and not errand.plainly

    def remember(self, errand: Errand, turn: Turn, page: Page, kept: Kept) -> None:
        """Note how to go on if windows fail: every page so far as it came, and the step to the next."""
        crop = self._crops[errand.of]
        plain = replace(crop, parts=dict(crop.parts), totals=list(crop.totals), done=list(crop.done))
        plain.add(errand.window, page, kept, skips=0, turn=turn)
        assert turn.trail is not None  # noqa: S101 - windows are cut of what goes on
        self._before[errand.of] = plain, replace(errand.onward(turn.trail), plainly=True)

    def without_windows(self, of: int) -> list[Errand]:
        """Give windows up for a list. The first errand to find out goes back to where they began."""
        with self._lock:
            if of not in self._before or of in self._plain:
                return []
            crop, errand = self._before[of]
            return self._begin(crop, errand, self._crops[of].pages)

    def anew(self, errand: Errand) -> list[Errand]:
        """Drop what came of a list, and begin with another question."""
        with self._lock:
            return self._begin(Crop(), errand, self._crops[errand.of].pages + 1)

    def _begin(self, crop: Crop, errand: Errand, pages: int) -> list[Errand]:
        if self._folder:
            self._folder.forget(errand.of)
        crop.pages = pages
        self._crops[errand.of] = crop
        self._before.pop(errand.of, None)
        self._plain.add(errand.of)
        return [errand]
