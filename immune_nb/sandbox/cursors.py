"""Record ids of readings: opaque to the client, a position in the sorted list to us (api-contract 1.4).

Readings are ordered by instant, then sensor, then arrival. Generated readings are the plant's and never stored, so
their id must carry their place: second and sensor, scrambled by a multiplication that is undone by its inverse.
A submitted reading's id carries its row in the store.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["RANK_LIMIT", "SCRAMBLE", "SPACE", "Position", "second_and_rank", "submitted_id", "submitted_row"]

RANK_LIMIT: Final = 256
SPACE: Final = 2**48
SCRAMBLE: Final = 0x5DEECE66D25B
UNSCRAMBLE: Final = pow(SCRAMBLE, -1, SPACE)
DIGITS: Final = 12


class Position(NamedTuple):
    """A place in the sorted list of all readings. Generated readings have `row` 0."""

    micros: int
    rank: int = 0
    row: int = 0

    def after(self) -> Position:
        """The first place behind this one."""
        return self._replace(row=self.row + 1)


def _number(prefix: str, text: str) -> int | None:
    """The number behind an id of that prefix; a ``~suffix`` (a page repeated on purpose) does not count."""
    digits = text.partition("~")[0].removeprefix(prefix)
    if not text.startswith(prefix) or len(digits) != DIGITS:
        return None
    try:
        return int(digits, 16) * UNSCRAMBLE % SPACE
    except ValueError:
        return None


def second_and_rank(text: str) -> tuple[int, int] | None:
    """Decode the id of a generated reading; None when it is not one."""
    number = _number("rd_", text)
    return None if number is None else divmod(number, RANK_LIMIT)


def submitted_id(row: int) -> str:
    """The id of a submitted reading."""
    return f"rs_{row * SCRAMBLE % SPACE:012x}"


def submitted_row(text: str) -> int | None:
    """Decode the id of a submitted reading; None when it is not one."""
    return _number("rs_", text)
