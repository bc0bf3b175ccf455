"""Ranges of time as people write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from immune_nb.errors import QueryError
from immune_nb.frames.instants import time_range, to_api

NOW = 1_705_764_600.25  # 2024-01-20T15:30:00.25Z


def sent(*args):
    return tuple(None if instant is None else to_api(instant) for instant in time_range(*args, NOW))


@pytest.mark.parametrize(
    "start",
    [
        "2024-01-20",
        "2024-01-20T00:00Z",
        "2024-01-20T02:00:00+02:00",
        date(2024, 1, 20),
        datetime(2024, 1, 20),
        datetime(2024, 1, 20, 2, tzinfo=timezone(timedelta(hours=2))),
        pd.Timestamp("2024-01-20", tz="UTC"),
        np.datetime64("2024-01-20"),
    ],
)
def test_every_way_to_write_an_instant(start):
    """Text, date, datetime, pandas and numpy; naive is UTC."""
    assert sent(start, None, None) == ("2024-01-20T00:00:00Z", None)


@pytest.mark.parametrize(
    ("last", "start"),
    [("7d", "13T15:30:01Z"), ("12h", "20T03:30:01Z"), ("90min", "20T14:00:01Z"), ("15m", "20T15:15:01Z")]
    + [
        ("1d 12h", "19T03:30:01Z"),
        ("1.5h", "20T14:00:01Z"),
        ("2w", "06T15:30:01Z"),
        ("7days", "13T15:30:01Z"),
        ("1 day", "19T15:30:01Z"),
        ("24H", "19T15:30:01Z"),
        ("2 hours 30 Minutes", "20T13:00:01Z"),
        (timedelta(days=1), "19T15:30:01Z"),
    ],
)
def test_last_ends_with_the_present_second(last, start):
    """A span counts back from now, and includes what was measured this second."""
    assert sent(None, None, last) == (f"2024-01-{start}", "2024-01-20T15:30:01Z")


def test_last_may_end_elsewhere():
    """`last` with `end` is the span before it."""
    assert sent(None, "2024-01-10", "1d") == ("2024-01-09T00:00:00Z", "2024-01-10T00:00:00Z")


@pytest.mark.parametrize(
    ("words", "range_"),
    [
        (("today", None), ("20T00:00:00Z", None)),
        (("yesterday", "Today"), ("19T00:00:00Z", "20T00:00:00Z")),
        (("yesterday", "now"), ("19T00:00:00Z", "20T15:30:00.250000Z")),
    ],
)
def test_days_have_names(words, range_):
    """`today` and `yesterday` begin at 00:00 UTC of their day; only `now` is now."""
    assert sent(*words, None) == tuple(text and f"2024-01-{text}" for text in range_)


def test_fractions_are_sent_to_the_microsecond():
    """What is asked for is not rounded."""
    assert sent(datetime(2024, 1, 20, 0, 0, 0, 5, UTC), None, None)[0] == "2024-01-20T00:00:00.000005Z"


@pytest.mark.parametrize("bad", ["yesterday-ish", "20/01/2024", "", 5, 1.5, float("nan"), pd.NaT, [1], "2024-02-30"])
def test_what_is_no_instant_is_named(bad):
    """The message quotes the value and shows the form; a bare number does not say of what."""
    with pytest.raises(QueryError, match="start .* is not a time"):
        sent(bad, None, None)


@pytest.mark.parametrize(
    "bad", ["7", "d", "-7d", "0d", "5M", "7dd", "1 dayy", "7 fortnights", "", 7, timedelta(0), timedelta(-1)]
)
def test_what_is_no_span_is_named(bad):
    """A span has a unit and is not empty."""
    with pytest.raises(QueryError, match="last .* is not a span"):
        sent(None, None, bad)


def test_ranges_that_contradict_themselves():
    """Empty, backwards, or with two starts."""
    with pytest.raises(QueryError, match="not before"):
        sent("2024-01-20", "2024-01-20", None)
    with pytest.raises(QueryError, match="Both start and last"):
        sent("2024-01-20", None, "7d")
