"""Instants: ISO 8601 text to microseconds since 1970, exactly, and back.

Integers, because a float loses microseconds and `datetime` is slow to compare by the million.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["DAY", "SECOND", "iso", "parse"]

SECOND: Final = 1_000_000
DAY: Final = 86_400
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse(text: str) -> int:
    """Read an instant that says its offset, as the contract's ``2024-01-20T15:30:00Z`` does.

    A naive time is refused rather than guessed at: a client that forgets the ``Z`` is a client with a bug.

    Args:
        text: ISO 8601 with ``Z`` or a numeric offset, up to microseconds.

    Returns:
        Microseconds since 1970-01-01T00:00:00Z.

    Raises:
        ValueError: `text` is no ISO 8601 instant, has no offset, or lies outside the years 1 to 9999.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no UTC offset")
    try:
        return (moment.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
    except OverflowError:
        raise ValueError("outside the years 1 to 9999 in UTC") from None


def iso(micros: int) -> str:
    """Write an instant as the contract does: UTC, ``Z``, a fraction only when there is one."""
    moment = EPOCH + timedelta(microseconds=micros)
    return moment.replace(tzinfo=None).isoformat() + "Z"
