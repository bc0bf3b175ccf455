"""One page to fetch: of which list and window, behind what, and in which words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from immune_nb.fetch.crops import Crop, Kept, Leaf, Listing
from immune_nb.fetch.pages import Page, Step
from immune_nb.fetch.paging import Turn
from immune_nb.fetch.trails import Trail
from immune_nb.fetch.windows import EVER, Window

__all__ = ["READ", "Errand"]

DAY = 86_400_000_000  # microseconds
REFUSES_SIZE = re.compile(r"limit|param|unknown|unexpected|not allowed", re.IGNORECASE)


@dataclass(frozen=True)
class Errand:
    """One page to fetch, of a window of a list.

    Args:
        of: The number of the list.
        window: The window.
        trail: How far it was followed.
        plainly: Whether the list is followed behind its cursor only.
        fractions: Whether fractions of a second are written.
        sized: Whether a page's size is asked for.
        owes: Rows that were seen in this window, and have to come again.
        seen_at: An instant in it at which so many rows were seen, which have to come again on its first page.
    """

    of: int
    window: Window
    trail: Trail
    plainly: bool = False
    fractions: bool = True
    sized: bool = True
    owes: int = 0
    seen_at: tuple[int, int] | None = None

    def place(self, crop: Crop, listing: Listing) -> dict[str, Any]:
        """What `fetch` is to expect of its page: records as before, if any came; anything, where it is a guess."""
        guess = self.trail.guess
        if self.trail.is_hopeful or (guess and not guess.way.is_sure):
            return {}
        where = crop.detected.get("records", "" if listing.page_size else None)
        return {"where": where, "may_end": not where or bool(self.trail.pages and not self.trail.is_promised)}

    def onward(self, trail: Trail, *, came: int = 0) -> Errand:
        """The next page of the window, behind one that brought so many of its rows."""
        return replace(self, trail=trail, owes=max(0, self.owes - came), seen_at=None)

    def to(self, window: Window, listing: Listing, *, owes: int = 0) -> Errand:
        """The first page of another window."""
        how = {"fractions": self.fractions, "sized": self.sized, "is_doubted": self.trail.is_doubted}
        return replace(self, window=window, trail=listing.trail(window, **how), owes=owes, seen_at=None)

    def wider(self, listing: Listing) -> Errand:
        """All of the list from its first page, with more time at either end than any offset of a clock."""
        trail = listing.trail(listing.within.wider(DAY), fractions=self.fractions, sized=self.sized)
        return replace(self, window=listing.within, trail=trail, plainly=True)

    def divided(self, plan: tuple[Window, Sequence[Window]], leaf: Leaf, listing: Listing) -> list[Errand]:
        """An errand for each part of the window, the first for what its page was of; none where one asks the same."""
        done, rest = plan
        own = self.to(done, listing, owes=int(done.keeps(leaf.instants).sum()))
        windows = [self.to(window, listing) for window in rest]
        if leaf.span:
            nearest = 0 if leaf.span.order > 0 else -1
            seen_at = (leaf.span.last, leaf.count_at(leaf.span.last))
            windows[nearest] = replace(windows[nearest], seen_at=seen_at)
        names = [one.trail.start.name for one in (self, own, *windows)]
        return [own, *windows] if len(set(names)) == len(names) else []

    @property
    def is_fine(self) -> bool:
        """Whether a fraction of a second says where it ends."""
        return "." in str(self.trail.start.params.get("end_time", ""))

    def lacks(self, leaf: Leaf, kept: Kept, turn: Turn) -> bool:
        """Whether a page is without rows that were seen before, so that the window is not what was asked for."""
        if turn.trail is None and kept.part.rows < self.owes:
            return True
        return self.seen_at is not None and leaf.count_at(self.seen_at[0]) < self.seen_at[1]

    def otherwise(self, listing: Listing, said: str) -> Errand | None:
        """The same question in other words, where it may be the words that the service refuses."""
        if other := self.trail.otherwise():
            return self.onward(other)
        if self.trail.pages:
            return None
        again = self
        if self.fractions and listing.timed and "time" in said:
            again = replace(again, fractions=False)
        if self.sized and listing.page_size and REFUSES_SIZE.search(said):
            again = replace(again, sized=False)
        return None if again == self else again.to(self.window, listing)

    def without_size(self, page: Page, listing: Listing) -> Errand | None:
        """The same without the size of a page, where that may be why a list is empty: some take it for a filter.

        A service that says in so many words whether there is more speaks the documented contract, and has the size.
        """
        is_empty = not page.sheet.rows and page.sheet.about.is_list and page.signs.more is None
        is_first = not self.trail.pages and self.window == listing.within
        if not (is_empty and is_first and self.sized and listing.page_size):
            return None
        return replace(self, sized=False).to(self.window, listing)


READ = Errand(-1, EVER, Trail(Step("", {})))  # not a page to fetch: read those that came
