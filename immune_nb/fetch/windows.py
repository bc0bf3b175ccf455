"""Cutting time into windows, so that a long list is fetched side by side.

Nothing about a server is assumed that the contract leaves open: the order of rows is seen in the page, and whether
either bound is inclusive does not matter, as what is asked for is a little wider at the start than what is kept. A
window keeps the rows whose instant lies in its half-open range, so that windows share none and miss none. How many
rows are left is what the service counts, or what the page's own density promises, whichever is less; a wrong guess
costs a request and is made again on every page, which is how windows adapt to a sensor silent for weeks.

Instants are whole microseconds since 1970.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from immune_nb.fetch.client import Params
from immune_nb.frames.instants import MISSING, Span

__all__ = ["EVER", "Window", "asked", "cut", "is_outside"]

SECOND = 1_000_000
FOREVER = 2**63 - 1
LONG = 100 * SECOND  # in which a second more brings few rows more
GUARD = 1_000  # asked for before the start, for servers that exclude it
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 and 9999
STRAY = 2 * SECOND  # rows this far outside show a server that does not filter by time
FILL = 0.97  # part of a page to aim at per window: the rest is for chance
EDGES = 4  # rows to leave free where nothing is left to chance: bounds may bring a row more at either end
MOST = 256  # windows cut at once
UNKNOWN = 16  # pages taken for left where nothing says how many rows
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """A half-open range ``[start, end)``; None for no bound."""

    start: int | None = None
    end: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no instant can lie in it."""
        return self.start is not None and self.end is not None and self.start >= self.end

    def wider(self, by: int) -> Window:
        """The same with so many microseconds more at either end."""
        start, end = self.start, self.end
        return Window(start if start is None else start - by, end if end is None else end + by)

    def keeps(self, instants: Any) -> Any:
        """A mask over an array of instants: those in the window, and those that are missing."""
        late = instants >= (MISSING if self.start is None else self.start)
        return (late & (instants < (FOREVER if self.end is None else self.end))) | (instants == MISSING)

    def holds(self, span: Span) -> bool:
        """Whether every row of a page lies in it."""
        is_late = self.start is None or span.least >= self.start
        return is_late and (self.end is None or span.greatest < self.end)


EVER = Window()


def asked(window: Window, *, fractions: bool = True) -> Params:
    """The time filters that bring at least the rows of a window (api-contract 1.3).

    Args:
        window: The window.
        fractions: Whether the server takes fractions of a second.
    """
    grain, params = GUARD if fractions else SECOND, {}
    if window.start is not None:
        params["start_time"] = _text(-(-window.start // grain) * grain - grain)
    if window.end is not None:
        is_long = window.start is None or window.end - window.start >= LONG
        grain = SECOND if is_long else grain  # a server that drops or misreads a fraction would leave rows out
        params["end_time"] = _text(-(-window.end // grain) * grain)
    return params


def _text(instant: int) -> str:
    moment = EPOCH + timedelta(microseconds=min(max(instant, EARLIEST), LATEST))
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def is_outside(span: Span, window: Window) -> bool:
    """Whether rows lie so far outside a window that the server cannot have filtered by it."""
    early = window.start is not None and span.least < window.start - STRAY
    late = window.end is not None and span.greatest > window.end + STRAY
    return early or late


def cut(window: Window, span: Span, total: int | None) -> tuple[Window, list[Window]] | None:
    """Divide a window after its first page.

    Args:
        window: The window, of which one page came and more is to come.
        span: The instants of that page's rows.
        total: Rows in the window, as the service counts; None when it does not.

    Returns:
        The part that the page holds whole, and the windows still to be asked for; None when following the cursor is
        as quick, or when the page shows no order to cut by, rows that lie outside, or nothing that would be less.
    """
    if not span.order or is_outside(span, window):
        return None
    if span.order > 0:
        done, rest = Window(window.start, span.last), Window(span.last, window.end)
    else:
        done, rest = Window(span.last + 1, window.end), Window(window.start, span.last + 1)
    pages = _pages(rest, span, total)
    if done.is_empty or rest.is_empty:
        return None
    if pages < 2 or span.least == span.greatest:  # noqa: PLR2004
        return None
    windows = list(_shares(rest, span, pages))
    return (done, windows) if len(windows) > 1 else None


def _pages(rest: Window, span: Span, total: int | None) -> int:
    """How many pages are left, as far as one can tell."""
    counted = math.inf if total is None else float(max(0, total - span.rows))
    promised = math.inf
    if rest.start is not None and rest.end is not None:
        promised = span.rows * (rest.end - rest.start) / (span.greatest - span.least or 1)
        promised = promised if math.isinf(counted) else 1.5 * promised
    rows = min(counted, promised)
    if rows <= span.rows:
        return 1
    pages = UNKNOWN if math.isinf(rows) else math.ceil(rows / _aim(span))
    return min(pages, UNKNOWN) if total is None else pages  # where a page's density is all one knows, it may mislead


def _aim(span: Span) -> float:
    """How many rows a window is to have."""
    return max(FILL * span.rows, span.rows - EDGES if span.is_even else 0)


def _shares(rest: Window, span: Span, pages: int) -> Iterator[Window]:
    """Even shares of what is left; beyond an open end, as far as the density says, and one window more."""
    count = math.ceil(pages / math.ceil(pages / MOST))
    reach = int(pages * _aim(span) / span.rows * (span.greatest - span.least))
    start = rest.start if rest.start is not None else (rest.end or 0) - reach
    end = rest.end if rest.end is not None else start + reach
    edges = sorted({_even(start + (end - start) * number // count, start, end, count) for number in range(1, count)})
    open_start: list[int | None] = [None] if rest.start is None else []
    open_end: list[int | None] = [None] if rest.end is None else []
    inner = [start, *(edge for edge in edges if start < edge < end), end]
    for first, last in pairwise([*open_start, *inner, *open_end]):
        yield Window(first, last)


def _even(edge: int, start: int, end: int, count: int) -> int:
    """The edge on a whole second, as the documentation writes instants, where windows are long enough for that."""
    rounded = round(edge / SECOND) * SECOND
    return rounded if end - start > 4 * count * SECOND and start < rounded < end else edge
