"""Readings by the page: windows, cursors, counts, and submitted rows merged in (api-contract 1.3, 1.4).

The list is one sorted sequence of `Position`. A window is a slice of it, a cursor moves one edge of the slice, and a
page is the first or the last rows of what remains, whichever lies next to the cursor. Nothing else is special.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .cursors import Position, second_and_rank, submitted_row
from .instants import SECOND
from .plant import SENSORS
from .render import JOINT, Chunk, Renderer, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .census import Census

__all__ = ["Page", "Query", "Readings", "Submitted", "Window"]


class Window(NamedTuple):
    """Instants ``[start, end)`` in microseconds."""

    start: int
    end: int


@dataclass(frozen=True)
class Query:
    """One request for a page.

    Attributes:
        after: Rows behind this place in the list's own order, ``starting_after``.
        before: Rows in front of it, ``ending_before``.
        newest_first: The list runs backwards.
    """

    selection: Selection
    window: Window
    limit: int
    after: Position | None = None
    before: Position | None = None
    newest_first: bool = False


class Page(NamedTuple):
    """One page: its rows as bytes, and the two facts beside them."""

    rows: bytes
    has_more: bool
    total: int


class Slice(NamedTuple):
    """Rows ``[first, last)`` of a chunk."""

    chunk: Chunk
    first: int
    last: int


class Submitted(Protocol):
    """Where submitted readings are kept."""

    def count_readings(self, selection: Selection, window: Window) -> int:
        """How many there are."""

    def list_readings(
        self, selection: Selection, start: Position, end: Position, limit: int, *, from_end: bool
    ) -> list[tuple[Position, bytes]]:
        """The first or last `limit` of them, in ascending order."""

    def find_reading(self, row: int) -> Position | None:
        """Where one of them is in the list."""


class Readings:
    """The list of all readings.

    Args:
        renderer: Generated rows.
        census: How many of them there are.
        submitted: Rows that clients sent.
        start: First second of the plant's history.
        now: The plant's clock, in whole seconds.
    """

    def __init__(
        self, renderer: Renderer, census: Census, submitted: Submitted, start: int, now: Callable[[], int]
    ) -> None:
        self._renderer = renderer
        self._census = census
        self._submitted = submitted
        self._start = start
        self._now = now

    def page(self, query: Query) -> Page:
        """Answer a query."""
        start, end = Position(query.window.start), Position(query.window.end)
        lower, upper = (query.before, query.after) if query.newest_first else (query.after, query.before)
        if lower:
            start = max(start, lower.after())
        if upper:
            end = min(end, upper)
        from_end = query.newest_first != (query.before is not None)
        rows, has_more = self._rows(query, start, end, from_end=from_end)
        return Page(rows, has_more, self.count(query.selection, query.window))

    def count(self, selection: Selection, window: Window) -> int:
        """Rows in a window, whatever the cursor."""
        seen = self._seen(window)
        generated = self._census.count(selection, -(-seen.start // SECOND), -(-seen.end // SECOND))
        return generated + self._submitted.count_readings(selection, window)

    def everything(self) -> Window:
        """A window that leaves nothing out."""
        return Window(-(2**62), 2**62)

    def locate(self, record_id: str) -> Position | None:
        """The place of a record, from its id; None when there is no such record."""
        row = submitted_row(record_id)
        if row is not None:
            return self._submitted.find_reading(row)
        place = second_and_rank(record_id)
        if place is None or place[1] >= len(SENSORS):
            return None
        second, rank = place
        known = self._start <= second <= self._now() and self._census.count(Selection((rank,)), second, second + 1)
        return Position(second * SECOND, rank) if known else None

    def is_warm(self, query: Query) -> bool:
        """Whether the page needs no long computation (and may be made on the event loop)."""
        selection, seen = query.selection, self._seen(query.window)
        edge = query.after or query.before or Position(seen.end if query.newest_first else seen.start)
        chunk = edge.micros // SECOND // selection.stretch
        return self._census.knows(selection) and self._renderer.holds(selection, chunk)

    def _seen(self, window: Window) -> Window:
        """The part of a window in which the plant has measured."""
        return Window(max(window.start, self._start * SECOND), min(window.end, self._now() * SECOND + 1))

    def _rows(self, query: Query, start: Position, end: Position, *, from_end: bool) -> tuple[bytes, bool]:
        """Up to `limit` rows of ``[start, end)`` and whether there are more that way."""
        wanted = query.limit + 1
        slices = list(self._slices(query.selection, start, end, wanted, from_end=from_end))
        extra = self._submitted.list_readings(query.selection, start, end, wanted, from_end=from_end)
        if extra:
            rows = _merge(slices, extra)
            found = len(rows)
            kept = rows[-query.limit :] if from_end else rows[: query.limit]
            text = JOINT.join(kept)
        else:
            found = sum(part.last - part.first for part in slices)
            text = _cut(slices, query.limit, from_end=from_end)
        if query.newest_first:
            text = JOINT.join(reversed(text.split(JOINT)))
        return text, found > query.limit

    def _slices(
        self, selection: Selection, start: Position, end: Position, wanted: int, *, from_end: bool
    ) -> Iterator[Slice]:
        """Enough slices of chunks for `wanted` rows, nearest to the cursor first."""
        seen = self._seen(Window(start.micros, end.micros + 1))
        stretch = selection.stretch * SECOND
        if not selection.ranks:
            return
        numbers = range(seen.start // stretch, -(-seen.end // stretch))
        start, end = max(start, Position(seen.start)), min(end, Position(seen.end))
        for number in reversed(numbers) if from_end else numbers:
            chunk = self._renderer.chunk(selection, number)
            first, last = chunk.find(start), chunk.find(end)
            if last > first:
                yield Slice(chunk, first, last)
                wanted -= last - first
            if wanted <= 0:
                return


def _cut(slices: list[Slice], limit: int, *, from_end: bool) -> bytes:
    """The `limit` rows of the slices that lie nearest to the cursor, in ascending order."""
    pieces = []
    for chunk, first, last in slices:
        if limit <= 0:
            break
        count = min(limit, last - first)
        limit -= count
        pieces.append(chunk.rows(last - count, last) if from_end else chunk.rows(first, first + count))
    return JOINT.join(reversed(pieces) if from_end else pieces)


def _merge(slices: list[Slice], extra: list[tuple[Position, bytes]]) -> list[bytes]:
    """Generated and submitted rows in one ascending order."""
    rows = list(extra)
    for chunk, first, last in slices:
        rows += zip(chunk.positions(first, last), chunk.rows(first, last).split(JOINT), strict=True)
    return [row for _, row in sorted(rows)]
