"""Numbers that mean more than they say: instants as seconds since 1970, measurements written as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

__all__ = ["EPOCH_SCALES", "EXACT", "as_measured", "as_number", "epoch_unit", "runs"]

EPOCH_SCALES = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SINCE, UNTIL = 978_307_200, 4_102_444_800  # the years 2001 and 2100: what a plausible instant lies between
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
NO_NUMBER = frozenset({"nan", "inf", "-inf", "+inf"})
EXACT = 2**53  # whole numbers up to here are all float64s
DIGITS = 17  # as many as a float can be told apart by


def epoch_unit(numbers: Iterable[float]) -> str | None:
    """The unit in which every one of these numbers is a plausible instant; None when there is none.

    The ranges of the four units do not meet, so that a number is an instant in one of them at most.
    """
    units = set()
    for number in numbers:
        unit = next((u for u, scale in EPOCH_SCALES.items() if SINCE * scale <= number < UNTIL * scale), None)
        units.add(unit)
        if unit is None or len(units) > 1:
            return None
    return units.pop() if units else None


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of numbers that follow each other, of rising ones."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        follow = [number for _, number in run]
        yield follow[0], follow[-1]


def as_number(text: str) -> float | int | None:
    """The number that a text is, without loss; None for ``00123``, ``1,5`` and whatever a float would round."""
    match = NUMBER.fullmatch(text)
    if match is None:
        return None
    if match[2] or match[3]:
        number = float(text)
        return number if abs(number) < EXACT and len(text) <= DIGITS + 2 else None
    whole = int(text) if len(text) < 20 else EXACT + 1  # noqa: PLR2004 - int() of a long text is slow
    return whole if abs(whole) <= EXACT else None


def as_measured(value: Any) -> Any:
    """A sample's value, which Prometheus and others write as text; what is no number stays as it is."""
    if not isinstance(value, str):
        return value
    if value.lower() in NO_NUMBER:
        return float(value)
    number = as_number(value)
    return value if number is None else float(number)
