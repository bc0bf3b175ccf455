"""One page to fetch: of which list and window, behind what, and in which words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from immune_nb.fetch.crops import Listing
from immune_nb.fetch.pages import Page, Step
from immune_nb.fetch.paging import Trail
from immune_nb.fetch.windows import EVER, Window

__all__ = ["READ", "Errand"]

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
    """

    of: int
    window: Window
    trail: Trail
    plainly: bool = False
    fractions: bool = True
    sized: bool = True
    owes: int = 0

    def onward(self, trail: Trail) -> Errand:
        """The next page of the window."""
        return replace(self, trail=trail, owes=0)

    def to(self, window: Window, listing: Listing, *, owes: int = 0) -> Errand:
        """The first page of another window."""
        trail = listing.trail(window, fractions=self.fractions, sized=self.sized)
        return replace(self, window=window, trail=trail, owes=owes)

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
