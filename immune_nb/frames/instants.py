"""Instants and spans of time, as people write them and as the API wants them. Naive times are UTC."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from immune_nb.errors import QueryError, quoted

__all__ = ["MISSING", "Instant", "Range", "Span", "micros", "time_range", "to_api"]

UNITS = {
    1: ("s", "sec", "secs", "second", "seconds"),
    60: ("m", "min", "mins", "minute", "minutes"),
    3600: ("h", "hr", "hrs", "hour", "hours"),
    86400: ("d", "day", "days"),
    604800: ("w", "week", "weeks"),
}
SECONDS = {unit: seconds for seconds, units in UNITS.items() for unit in units}
PART = rf"(\d+(?:\.\d+)?)\s*(?!M(?![A-Za-z]))((?i:{'|'.join(sorted(SECONDS, key=len, reverse=True))}))"  # M: months?
MISSING = np.iinfo(np.int64).min  # how numpy writes no instant
FAR = 2**62  # microseconds: a longer step leads to, or from, an instant that is missing
Instant = Any  # str, datetime, date, numpy.datetime64 or pandas.Timestamp
Range = tuple[pd.Timestamp | None, pd.Timestamp | None]


def time_range(start: Instant, end: Instant, last: str | timedelta | None, now: float) -> Range:
    """The half-open range ``[start, end)`` that a query means.

    Args:
        start: First instant, inclusive; None for no bound. ``"today"`` and ``"yesterday"`` begin at 00:00 UTC.
        end: Last instant, exclusive; None for no bound, or now when `last` is given.
        last: A span that ends at `end`, such as ``"7d"``, ``"12h"``, ``"90min"``, ``"1d12h"`` or ``"2 days"``.
        now: Unix seconds.

    Raises:
        QueryError: One cannot be read, or the range is empty.
    """
    first, final = _instant("start", start, now), _instant("end", end, now)
    if last is not None:
        if first is not None:
            raise QueryError("Both start and last are given.", hint="Give one of them.")
        final = final if final is not None else pd.Timestamp(math.ceil(now), unit="s", tz="UTC")
        first = final - _span(last)
    if first is not None and final is not None and first >= final:
        raise QueryError(f"start {to_api(first)} is not before end {to_api(final)}.")
    return first, final


@dataclass(frozen=True)
class Span:
    """The instants of a page's rows, in microseconds since 1970.

    Attributes:
        rows: How many rows.
        last: The last row's instant.
        least: The earliest.
        greatest: The latest.
        order: 1 when no row is earlier than the one before it, -1 when none is later, 0 when neither or both.
        is_even: Whether rows are as far from each other as the first two.
    """

    rows: int
    last: int
    least: int
    greatest: int
    order: int
    is_even: bool = False

    @classmethod
    def of(cls, instants: Any) -> Span | None:
        """Of an array of instants; None when there is none, or one is missing."""
        if len(instants) < 2:  # noqa: PLR2004 - without a step
            only = int(instants[0]) if len(instants) else MISSING
            return None if only == MISSING else cls(1, only, only, only, 0, is_even=True)
        steps = np.diff(instants)
        ends, reach = (int(instants[0]), int(instants[-1])), (int(steps.min()), int(steps.max()))
        if found := cls._ordered(len(instants), ends, reach):
            return found
        least = int(instants.min())
        return None if least == MISSING else cls(len(instants), ends[1], least, int(instants.max()), 0)

    @classmethod
    def of_each(cls, instants: Any, ends: Sequence[int]) -> list[Span | None]:
        """Of the pages that lie behind one another in an array, each up to its end.

        The steps of all are looked at in one go: each call of numpy lets another thread have the interpreter.
        """
        stretches = list(pairwise([0, *ends]))
        if any(end - start < 2 for start, end in stretches):  # noqa: PLR2004 - without a step
            return [cls.of(instants[start:end]) for start, end in stretches]
        steps = np.diff(instants, append=0)
        edges = [edge for start, end in stretches for edge in (start, end - 1)]
        reaches = [way.reduceat(steps, edges)[::2].tolist() for way in (np.minimum, np.maximum)]
        firsts, lasts = instants[edges[::2]].tolist(), instants[edges[1::2]].tolist()
        return [
            cls._ordered(end - start, (first, last), reach) or cls.of(instants[start:end])
            for (start, end), first, last, reach in zip(
                stretches, firsts, lasts, zip(*reaches, strict=True), strict=True
            )
        ]

    @classmethod
    def _ordered(cls, rows: int, ends: tuple[int, int], reach: tuple[int, int]) -> Span | None:
        """Of rows in order, by the first and last of them and the least and greatest step; None of others."""
        (first, last), (small, large) = ends, reach
        if first == MISSING:
            return None
        if 0 <= small <= large < FAR:
            return cls(rows, last, first, last, int(first < last), small == large)
        if -FAR < small <= large <= 0:
            return cls(rows, last, last, first, -1, small == large)
        return None


def to_api(instant: pd.Timestamp) -> str:
    """ISO 8601 in UTC with a ``Z``, as api-contract 1.3 has it."""
    return instant.isoformat().replace("+00:00", "Z")


def micros(instant: pd.Timestamp | None) -> int | None:
    """Microseconds since 1970; None for None."""
    return None if instant is None else int(instant.to_datetime64().astype("M8[us]").astype("i8"))


def _instant(name: str, value: Instant, now: float) -> pd.Timestamp | None:
    if value is None:
        return None
    try:
        instant = _written(value, now) if isinstance(value, str) else _moment(value)
        if isinstance(instant, pd.Timestamp):
            return (instant.tz_localize("UTC") if instant.tz is None else instant.tz_convert("UTC")).as_unit("us")
    except (ValueError, TypeError, OverflowError):
        pass
    raise QueryError(
        f"{name} {quoted(value, 60)!r} is not a time.", hint='Write "2026-01-20", "2026-01-20T15:30Z" or "yesterday".'
    )


def _written(text: str, now: float) -> Any:
    """A day by its name, else ISO 8601: pandas takes "today" for this very moment."""
    present = pd.Timestamp(now, unit="s", tz="UTC")
    match text.strip().lower():
        case "now":
            return present
        case "today":
            return present.floor("D")
        case "yesterday":
            return present.floor("D") - pd.Timedelta(days=1)
    return pd.to_datetime(text, format="ISO8601")


def _moment(value: Instant) -> pd.Timestamp:
    if isinstance(value, int | float):
        raise TypeError("a bare number does not say of what")
    return pd.Timestamp(value)


def _span(value: str | timedelta) -> pd.Timedelta:
    if isinstance(value, timedelta):
        span = pd.Timedelta(value)
    elif isinstance(value, str) and re.fullmatch(rf"(?:{PART}\s*)+", value.strip()):
        parts = re.findall(PART, value)
        span = sum((pd.Timedelta(float(n) * SECONDS[unit.lower()], "s") for n, unit in parts), pd.Timedelta(0))
    else:
        span = pd.Timedelta(0)
    if span > pd.Timedelta(0):
        return span
    raise QueryError(f"last {quoted(value, 60)!r} is not a span of time.", hint='Write "7d", "12h" or "90min".')
