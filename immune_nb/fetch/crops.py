"""What is fetched and what came of it: a `Listing` is a list to follow, a `Crop` its rows and their truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from immune_nb.errors import ImmuneError
from immune_nb.fetch.client import Params
from immune_nb.fetch.pages import Page, Step
from immune_nb.fetch.windows import EVER, Window, asked
from immune_nb.frames.decode import Part, instants_of, part_of
from immune_nb.frames.schemas import Schema
from immune_nb.frames.sheets import Sheet

__all__ = ["Crop", "Kept", "Leaf", "Listing", "Place", "Progress", "Tally"]

Place = tuple[float, int]  # of a page: where its window starts, and how many came before it


class Tally(NamedTuple):
    """How far a fetch has come.

    Attributes:
        rows: Rows received.
        pages: Answers received.
        total: Rows the service says there are; None when it does not.
    """

    rows: int
    pages: int
    total: int | None


Progress = Callable[[Tally], None]


@dataclass(frozen=True)
class Listing:
    """One list to follow.

    Args:
        path: Where it starts.
        params: Query parameters of every page, but for the bounds of time.
        within: Keep only rows in this window, where they have an instant.
        schema: Columns to expect.
        timed: Whether it takes ``start_time`` and ``end_time``, and may be cut into windows.
        limit: Stop after this many rows.
        page_size: Records to ask for per page; None leaves that to the service until it shows how it pages.
    """

    path: str
    params: Params
    schema: Schema
    within: Window = EVER
    timed: bool = False
    limit: int | None = None
    page_size: int | None = None

    def first(self, window: Window, *, fractions: bool = True) -> Step:
        """The step to the first page of a window."""
        bounds = asked(window, fractions=fractions) if self.timed else {}
        size = {"limit": str(min(self.page_size, self.limit or self.page_size))} if self.page_size else {}
        return Step(self.path, {**self.params, **bounds, **size})


@dataclass
class Crop:
    """What came of following a list.

    Attributes:
        parts: Its rows; the keys sort them into the order of time, or of the service.
        pages: Answers received.
        totals: Every total the service stated for the whole list.
        outside: Rows that came and lie outside the range of time asked for.
        overlap: Rows that came twice, at the edges of windows, and were kept once.
        stopped_by: ``end`` when the service has no more, ``limit`` when the caller wants no more, else what broke
            it off, in words.
        error: The failure that broke it off, if one did.
        windows: How many windows the list was cut into.
        awaited: Pages that are known of and have not come.
        poured: Rows that were taken out of `parts` and written elsewhere.
        done: Windows of which every row came.
    """

    parts: dict[Place, Part] = field(default_factory=dict)
    pages: int = 0
    totals: list[int] = field(default_factory=list)
    outside: int = 0
    overlap: int = 0
    stopped_by: str = "end"
    error: ImmuneError | None = None
    windows: int = 0
    awaited: int = 1
    poured: int = 0
    done: list[Window] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows kept so far."""
        return self.poured + sum(part.rows for part in list(self.parts.values()))

    def pour(self, least: int = 1) -> list[Part]:
        """Take the parts out, once they hold so many rows; they stay counted."""
        if self.rows - self.poured < least:
            return []
        parts = self.ordered()
        self.poured += sum(part.rows for part in parts)
        self.parts.clear()
        return parts

    def ordered(self) -> list[Part]:
        """The parts, in order."""
        return [part for _, part in sorted(self.parts.items(), key=lambda item: item[0])]

    def add(self, window: Window, page: Page, kept: Kept, *, counts: bool) -> None:
        """Take in a page; `counts` when its total is the whole list's."""
        self.pages += 1
        self.parts[float("-inf") if window.start is None else float(window.start), self.pages] = kept.part
        self.outside += kept.outside
        self.overlap += kept.overlap
        if counts and page.total is not None:
            self.totals.append(page.total)

    def stop(self, why: str) -> None:
        """Note why it ended; the first reason that is not the end stands."""
        self.stopped_by = why if self.stopped_by == "end" else self.stopped_by


class Leaf(NamedTuple):
    """A page that was read.

    Attributes:
        sheet: Its records, and what stands beside them.
        part: The same rows, in columns.
        instants: The instant of each, in microseconds since 1970; None where the list has no times.
    """

    sheet: Sheet
    part: Part
    instants: Any = None

    @classmethod
    def of(cls, sheet: Sheet, listing: Listing, part: Part | None = None) -> Leaf:
        """A page of a list; `part` where its columns are there already."""
        part = part_of(sheet, listing.schema) if part is None else part
        return cls(sheet, part, instants_of(part) if listing.timed else None)


class Kept(NamedTuple):
    """The rows of a page that belong to a window, and how many do not.

    Attributes:
        part: The rows in the window, and those without an instant.
        outside: Rows outside the whole range asked for.
        overlap: Rows of another window.
    """

    part: Part
    outside: int = 0
    overlap: int = 0

    @classmethod
    def of(cls, leaf: Leaf, listing: Listing, window: Window) -> Kept:
        """Divide the rows of a page."""
        part = leaf.part
        if not listing.timed:
            return cls(part)
        keep = window.keeps(leaf.instants)
        dropped = part.rows - int(keep.sum())
        if not dropped:
            return cls(part)
        outside = int((~keep & ~listing.within.keeps(leaf.instants)).sum())
        kept = part_of(leaf.sheet.take(keep), listing.schema) if part.coerced else part.take(keep)
        return cls(kept, outside, dropped - outside)
