"""What is fetched and what came of it: a `Listing` is a list to follow, a `Crop` its rows and their truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from immune_nb.errors import ImmuneError, quoted
from immune_nb.fetch.client import Params
from immune_nb.fetch.pages import Page, Step
from immune_nb.fetch.paging import Turn
from immune_nb.fetch.trails import Trail
from immune_nb.fetch.windows import EVER, Window, asked, is_outside
from immune_nb.frames.decode import Part, instants_of, part_of
from immune_nb.frames.instants import Span
from immune_nb.frames.meaning import without_zone
from immune_nb.frames.schemas import Schema
from immune_nb.frames.sheets import Sheet
from immune_nb.frames.strangers import names_in, strangers
from immune_nb.hints import Hints

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

    @classmethod
    def of(cls, crops: Sequence[Crop]) -> Tally:
        """Of several lists; the total is known where it is of each."""
        totals = [max(0, crop.totals[0] - crop.skips) for crop in crops if crop.totals]
        total = sum(totals) if len(totals) == len(crops) else None
        return cls(sum(crop.rows for crop in crops), sum(crop.pages for crop in crops), total)


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
        hints: What a person knows of the answers.
    """

    path: str
    params: Params
    schema: Schema
    within: Window = EVER
    timed: bool = False
    limit: int | None = None
    page_size: int | None = None
    hints: Hints = field(default_factory=Hints)

    @property
    def name(self) -> str:
        """What is asked for: the last word of the path."""
        return self.path.partition("?")[0].rstrip("/").rpartition("/")[2]

    @property
    def sensor(self) -> str | None:
        """The one sensor that it is of, where it is of one."""
        wanted = self.params.get("sensor_id")
        return wanted if isinstance(wanted, str) and "sensor_id" in self.schema.by_name else None

    @property
    def reading(self) -> dict[str, Any]:
        """How its pages are to be read, as `Reader` wants it."""
        hints = self.hints
        return {"schema": self.schema, "at": hints.records, "must": hints.is_said_now, "named": self.name}

    def trail(
        self, window: Window, *, fractions: bool = True, sized: bool = True, is_doubted: bool | None = None
    ) -> Trail:
        """The way through a window, from its first page."""
        step, size = self.first(window, fractions=fractions, sized=sized), self._size
        is_doubted = size > 0 if is_doubted is None else is_doubted
        return Trail(step, self.hints.paging, size if sized else 0, is_documented=size > 0, is_doubted=is_doubted)

    def first(self, window: Window, *, fractions: bool = True, sized: bool = True) -> Step:
        """The step to the first page of a window."""
        bounds = asked(window, fractions=fractions) if self.timed else {}
        size = self._size if sized else 0
        return Step(self.path, {**self.params, **bounds, **({"limit": str(size)} if size else {})})

    @property
    def _size(self) -> int:
        """Records to ask for per page; 0 for as many as the service likes."""
        return min(self.page_size, self.limit or self.page_size) if self.page_size else 0


@dataclass
class Crop:
    """What came of following a list.

    Attributes:
        parts: Its rows; the keys sort them into the order of time, or of the service.
        pages: Answers received.
        totals: Every total the service stated for the whole list.
        skips: How many records of those the question itself passes over.
        outside: Rows that came and lie outside the range of time asked for.
        overlap: Rows that came twice, at the edges of windows, and were kept once.
        stopped_by: ``end`` when the service has no more, ``limit`` when the caller wants no more, else what broke
            it off, in words.
        error: The failure that broke it off, if one did.
        windows: How many windows the list was cut into.
        awaited: Pages that are known of and have not come.
        poured: Rows that were taken out of `parts` and written elsewhere.
        done: Windows of which every row came.
        detected: What was found out of how the service answers.
        units: By column, where the service states them.
    """

    parts: dict[Place, Part] = field(default_factory=dict)
    pages: int = 0
    totals: list[int] = field(default_factory=list)
    skips: int = 0
    outside: int = 0
    overlap: int = 0
    stopped_by: str = "end"
    error: ImmuneError | None = None
    windows: int = 0
    awaited: int = 1
    poured: int = 0
    done: list[Window] = field(default_factory=list)
    detected: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows kept so far."""
        return self.poured + sum(part.rows for part in list(self.parts.values()))

    def leave_strangers(self, listing: Listing) -> None:
        """Leave out rows of other sensors than the list is of: then the service has passed over the filter."""
        if listing.sensor is None:
            return
        masks = strangers(self.parts.values(), "sensor_id", listing.sensor)
        if masks is None:
            self.stop(f"rows of other sensors, and none of {quoted(listing.sensor, 60)!r}")
            masks = [np.ones(part.rows, dtype=bool) for part in self.parts.values()]
        for (place, part), mask in zip([*self.parts.items()] if masks else [], masks, strict=True):
            if mask.any():
                self.outside += int(mask.sum())
                self.parts[place] = part.take(~mask)

    def pour(self, listing: Listing, least: int = 1) -> list[Part]:
        """Take the parts out, once they hold so many rows; they stay counted."""
        if self.rows - self.poured < least:
            return []
        self.leave_strangers(listing)
        parts = self.ordered()
        self.poured += sum(part.rows for part in parts)
        self.parts.clear()
        return parts

    def ordered(self) -> list[Part]:
        """The parts, in order."""
        return [part for _, part in sorted(self.parts.items(), key=lambda item: item[0])]

    def add(self, window: Window, page: Page, kept: Kept, *, skips: int | None, turn: Turn) -> None:
        """Take in a page; `skips` is how many records stand before the list; None: its total is not the list's."""
        self._note(page, turn)
        self.pages += 1
        kept.part.instants = None  # they would keep memory that `assemble` gives back
        self.parts[float("-inf") if window.start is None else float(window.start), self.pages] = kept.part
        self.outside += kept.outside
        self.overlap += kept.overlap
        if skips is not None and page.total is not None and (page.sheet.rows or not self.totals):  # else of nothing
            is_own = page.total == page.sheet.rows and (self.pages > 1 or turn.trail is not None)
            self.totals += [] if is_own else [page.total]  # that of a page is none of the list
            self.skips = skips

    def _note(self, page: Page, turn: Turn) -> None:
        about, way = page.sheet.about, turn.way
        self.units |= {quoted(name, 60): quoted(unit, 30) for name, unit in about.units.items()}
        if page.sheet.rows or not self.detected:
            self.detected["records"] = about.where
            self.detected["sure"] = self.detected.get("sure", True) and about.sure
            if self.pages == 0 and page.sheet.rows and (naive := without_zone(page.sheet.record(0))):
                self.detected["taken_for_utc"] = [quoted(name, 60) for name in naive]
        if about.left:
            self.detected["left"] = list(about.left)
        if way:
            self.detected["paging"] = f"{way.kind} in {quoted(way.param, 40)}" if way.param else way.kind
            self.detected["sure"] = self.detected["sure"] and way.is_sure
        if turn.fault:
            self.stop(turn.fault)

    def stop(self, why: str) -> None:
        """Note why it ended; the first reason that is not the end stands."""
        self.stopped_by = why if self.stopped_by == "end" else self.stopped_by


class Leaf(NamedTuple):
    """A page that was read.

    Attributes:
        sheet: Its records, and what stands beside them.
        part: The same rows, in columns.
        instants: The instant of each, in microseconds since 1970; None where the list has no times.
        span: Of the instants, where every row has one.
    """

    sheet: Sheet
    part: Part
    instants: Any = None
    span: Span | None = None

    @classmethod
    def of(cls, sheet: Sheet, listing: Listing, part: Part | None = None) -> Leaf:
        """A page of a list; `part` where its columns are there already."""
        part = part_of(sheet, listing.schema) if part is None else part
        if not listing.timed:
            return cls(sheet, part)
        return cls(sheet, part, instants := instants_of(part), part.span or Span.of(instants))

    def is_of(self, sensor: str | None) -> bool:
        """Whether its rows are of one sensor, and of no other."""
        return sensor is not None and names_in(self.part, "sensor_id") <= {sensor}

    def count_at(self, instant: int) -> int:
        """How many of its rows are of an instant."""
        return 0 if self.instants is None else int((self.instants == instant).sum())

    def is_astray(self, window: Window) -> bool:
        """Whether its rows are not those of the window that was asked for."""
        is_timed = self.instants is not None and bool(self.part.rows)
        return is_timed and (self.span is None or is_outside(self.span, window))


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
        if not listing.timed or (leaf.span and window.holds(leaf.span)):
            return cls(part)
        keep = window.keeps(leaf.instants)
        dropped = part.rows - int(keep.sum())
        if not dropped:
            return cls(part)
        outside = int((~keep & ~listing.within.keeps(leaf.instants)).sum())
        kept = part_of(leaf.sheet.take(keep), listing.schema) if part.coerced else part.take(keep)
        return cls(kept, outside, dropped - outside)
