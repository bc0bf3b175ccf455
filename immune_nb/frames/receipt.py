"""The receipt every frame carries in ``df.attrs["immune"]``: where it came from, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

import pandas as pd

__all__ = ["Receipt"]

ATTRIBUTE = "immune"


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("immune_nb", "pandas")}  # read from files, which takes a while


@dataclass(frozen=True)
class Receipt:
    """How a frame came about. JSON-safe, small, and free of secrets.

    Args:
        profile: Name of the profile.
        account: Who asked, where the login says.
        path: What was asked.
        parameters: How, as sent, times in UTC.
        fetched_at: When, ISO 8601 in UTC.
        rows: Rows in the frame.
        pages: Answers received.
        reported_total: Rows the service says there are; None when it does not say.
        complete: Whether the frame is all the service has for the question.
        stopped_by: ``end``; ``limit`` for the caller's limit; else what broke it off.
        seconds: How long it took.
        calls_left: Calls the service still allows; None when it does not say.
        duplicates: Rows dropped because the very same one had come before.
        outside: Rows dropped because they lie outside ``[start, end)``.
        overlap: Rows that came twice, as windows of time overlap at their edges, and were kept once.
        coerced: By column, values that did not fit its dtype and are missing or rounded.
        detected: Where the records were found in the answers, how the list pages, and whether both are sure.
        units: By column, where the service states them beside the records.
        cache_age: Seconds since the oldest stored part was fetched; None when all is fresh.
        versions: Of this package and of pandas.
    """

    profile: str
    account: str
    path: str
    parameters: Mapping[str, Any]
    fetched_at: str
    rows: int
    pages: int
    reported_total: int | None
    complete: bool
    stopped_by: str
    seconds: float
    calls_left: int | None = None
    duplicates: int = 0
    outside: int = 0
    overlap: int = 0
    coerced: Mapping[str, int] = field(default_factory=dict)
    detected: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    cache_age: float | None = None
    versions: Mapping[str, str] = field(default_factory=_versions)

    def attach(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Put this receipt on `frame`, and return it."""
        frame.attrs[ATTRIBUTE] = asdict(self)
        return frame
