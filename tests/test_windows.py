"""Windows of time: cut so that nothing is missed and nothing comes twice, whatever the server leaves open."""

import json
import threading
from bisect import bisect_left, bisect_right
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import httpx
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.fetch.windows import Window, asked, cut
from immune_nb.frames.instants import MISSING, Span
from immune_nb.session import Session

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGIN = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 10**6
SECOND, DAY = 10**6, 86_400 * 10**6


def iso(micros):
    return (EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def micros(text):
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


class Plant:
    """A list of readings over HTTP, in every way the contract leaves open; it remembers what it was asked."""

    def __init__(self, instants, *, page=10, order="asc", bounds="[)", total="filtered", filters=True, whole=False):
        self.rows = [
            {"id": f"r{n}", "sensor_id": f"s{n % 2}", "value": float(n), "timestamp": iso(t), "unit": "mm/s"}
            for n, t in enumerate(sorted(instants))
        ]
        self.page, self.order, self.bounds = page, order, bounds
        self.total, self.filters, self.whole = total, filters, whole
        self.asked, self.lock = [], threading.Lock()

    def __call__(self, request):
        query = dict(request.url.params)
        with self.lock:
            self.asked.append(query)
        if self.whole and "." in query.get("start_time", "") + query.get("end_time", ""):
            return httpx.Response(400, json={"error": {"message": "start_time must have whole seconds"}})
        rows = self.of(query)
        begin = next((n + 1 for n, row in enumerate(rows) if row["id"] == query.get("starting_after")), 0)
        end = begin + min(self.page, int(query.get("limit", 100)))
        body = {"data": rows[begin:end], "has_more": end < len(rows)}
        if self.total != "absent":
            body["total_count"] = len(rows) if self.total == "filtered" else len(self.rows)
        return httpx.Response(200, content=json.dumps(body))

    def of(self, query):
        rows = [row for row in self.rows if query.get("sensor_id") in (None, row["sensor_id"])]
        if self.filters:
            times = [micros(row["timestamp"]) for row in rows]
            first = bisect_left if self.bounds[0] == "[" else bisect_right
            last = bisect_right if self.bounds[1] == "]" else bisect_left
            low = first(times, micros(query["start_time"])) if "start_time" in query else 0
            high = last(times, micros(query["end_time"])) if "end_time" in query else len(rows)
            rows = rows[low:high]
        if self.order == "by sensor":
            rows = sorted(rows, key=lambda row: row["sensor_id"])
        return rows[::-1] if self.order == "desc" else rows

    def session(self):
        profile = im.Profile("lab", "https://api.example/v1")
        transport = httpx.MockTransport(self)
        return Session(profile, find_credentials(profile, {}, api_key="k"), transport=transport, sleep=lambda s: None)

    def truth(self, start, end):
        inside = [r for r in self.rows if (start is None or micros(r["timestamp"]) >= start)]
        return sorted(r["id"] for r in inside if end is None or micros(r["timestamp"]) < end)


def following(answering):
    """The same, with a link to the next page in the place of a flag."""

    def answer(request):
        found = answering(request).json()
        if found["next"]:
            found["next"] = str(request.url.copy_set_param("starting_after", found["data"][-1]["id"]))
        return httpx.Response(200, json=found)

    return answer


steps = st.sampled_from([0, 0, 1, 1000, SECOND, 60 * SECOND, 60 * SECOND, 3600 * SECOND, 7 * DAY])
instants = st.lists(steps, min_size=0, max_size=150).map(
    lambda gaps: [BEGIN + sum(gaps[: n + 1]) for n in range(len(gaps))]
)


@settings(max_examples=60, deadline=None)
@given(
    instants,
    st.sampled_from(["asc", "desc", "by sensor"]),
    st.sampled_from(["[)", "[]", "(]", "()"]),
    st.sampled_from(["filtered", "unfiltered", "absent"]),
    st.tuples(st.booleans(), st.booleans()),
    st.data(),
)
@example([BEGIN + n for n in [0] * 30 + [SECOND] * 30], "asc", "()", "absent", (True, False), None)
def test_any_server_and_any_range_give_exactly_the_rows(times, order, bounds, total, ways, data):  # noqa: PLR0917
    """Skew, ties, silence, open ranges; each order, each kind of bound, each total, filters ignored: the truth."""
    filters, whole = ways
    plant = Plant(times, order=order, bounds=bounds, total=total, filters=filters, whole=whole)
    edges = st.one_of(st.none(), st.sampled_from(times or [BEGIN]), st.integers(BEGIN - DAY, BEGIN + 60 * DAY))
    start, end = (data.draw(edges), data.draw(edges)) if data else (BEGIN, None)
    if start is not None and end is not None and start >= end:
        start, end = end, start + 1
    if whole:  # such a server cannot be asked for a fraction, so it is not
        start, end = (None if t is None else t // SECOND * SECOND for t in (start, end))
        end = end if start is None or end is None or end > start else start + SECOND
    frame = plant.session().readings(start=start and iso(start), end=end and iso(end))
    assert sorted(frame["id"]) == plant.truth(start, end)
    assert frame["timestamp"].is_monotonic_increasing
    assert frame.attrs["immune"]["complete"]
    assert frame.attrs["immune"]["duplicates"] == 0


@pytest.mark.parametrize(("rows", "requests"), [(0, 1), (9, 1), (10, 1), (11, 2), (20, 2)])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_short_list_costs_no_request_more(rows, requests, order):
    """One or two pages: as many requests as pages, and no thread."""
    plant = Plant([BEGIN + n * 60 * SECOND for n in range(rows)], order=order)
    before = threading.active_count()
    assert len(plant.session().readings(start=iso(BEGIN), end=iso(BEGIN + DAY))) == rows
    assert len(plant.asked) == requests
    assert threading.active_count() == before


def test_an_even_list_is_cut_into_about_as_many_windows_as_it_has_pages():
    """A hundred pages: side by side, and at most a tenth more requests than pages."""
    plant = Plant([BEGIN + n * 60 * SECOND for n in range(10_000)], page=100)
    frame = plant.session().readings(start=iso(BEGIN), end=iso(BEGIN + 10_000 * 60 * SECOND))
    assert (len(frame), frame.attrs["immune"]["complete"]) == (10_000, True)
    assert len(plant.asked) <= 110
    assert sum("starting_after" in query for query in plant.asked) < 20


def test_a_sensor_silent_for_weeks_and_busy_for_an_hour_is_cut_again_where_it_is_busy():
    """Skew: nearly all rows lie in one window of the first cut, and it is cut in its turn."""
    times = [BEGIN + n * DAY for n in range(60)] + [BEGIN + 30 * DAY + n * SECOND for n in range(3000)]
    plant = Plant(times, page=50)
    frame = plant.session().readings(start=iso(BEGIN), end=iso(BEGIN + 61 * DAY))
    assert len(frame) == len(times)
    assert len(plant.asked) < 4 * len(times) / 50
    assert sum("starting_after" in query for query in plant.asked) < len(plant.asked) / 2


def test_a_server_that_does_not_filter_is_followed_by_its_cursor():
    """Windows bring rows from elsewhere: they are dropped, and the list is gone through page by page."""
    plant = Plant([BEGIN + n * 60 * SECOND for n in range(300)], filters=False)
    frame = plant.session().readings()
    assert (len(frame), frame.attrs["immune"]["complete"]) == (300, True)
    assert 29 <= sum("starting_after" in query for query in plant.asked) <= 31


@pytest.mark.parametrize("total", ["filtered", "unfiltered", "absent"])
def test_a_list_that_is_sorted_by_sensor_first_loses_no_row(total):
    """The first page rises in time, and is one sensor's: those of the other in the same stretch come as well."""
    plant = Plant([BEGIN + n * 60 * SECOND for n in range(600)], order="by sensor", total=total)
    for start, end in ((None, None), (BEGIN + 3600 * SECOND, BEGIN + 9 * 3600 * SECOND)):
        frame = plant.session().readings(start=start and iso(start), end=end and iso(end))
        assert sorted(frame["id"]) == plant.truth(start, end)
        assert frame.attrs["immune"]["complete"]


@pytest.mark.parametrize("unknown", [("limit",), ("start_time", "end_time")])
def test_a_service_that_takes_what_it_does_not_know_for_a_filter_loses_no_row(unknown):
    """Feathers, Datasette: nothing has such a value, so nothing is found, and it is asked without."""
    plant = Plant([BEGIN + n * 60 * SECOND for n in range(300)], total="absent")

    def strict(request):
        answer = Plant.__call__(plant, request)
        if not any(name in request.url.params for name in unknown):
            return httpx.Response(
                200, json={"data": answer.json()["data"], "next": answer.json()["has_more"] and "…"}
            )
        return httpx.Response(200, json={"data": [], "next": None})

    transport = httpx.MockTransport(following(strict))
    profile = im.Profile("lab", "https://api.example/v1")
    frame = Session(profile, find_credentials(profile, {}, api_key="k"), transport=transport).readings()
    assert (len(frame), frame.attrs["immune"]["complete"]) == (300, True)


def test_rows_that_come_while_windows_are_fetched_are_no_fault():
    """F20: a row is added after the first page; the service counts again, and the counts agree."""
    plant = Plant([BEGIN + n * 60 * SECOND for n in range(300)])
    late = {**plant.rows[0], "id": "late", "timestamp": iso(BEGIN + 299 * 60 * SECOND + 1)}

    def growing(request):
        answer = Plant.__call__(plant, request)
        if late not in plant.rows:
            plant.rows.append(late)
        return answer

    profile = im.Profile("lab", "https://api.example/v1")
    session = Session(profile, find_credentials(profile, {}, api_key="k"), transport=httpx.MockTransport(growing))
    frame = session.readings(start=iso(BEGIN), end=iso(BEGIN + DAY))
    assert len(frame) == 301
    assert frame.attrs["immune"]["complete"]


@pytest.mark.parametrize(
    ("window", "fractions", "wanted"),
    [
        (Window(), True, {}),
        (Window(BEGIN, None), True, {"start_time": "2026-02-28T23:59:59.999Z"}),
        (Window(BEGIN, None), False, {"start_time": "2026-02-28T23:59:59Z"}),
        (Window(BEGIN + 1, BEGIN + 1), True, {"start_time": iso(BEGIN), "end_time": "2026-03-01T00:00:00.001Z"}),
        (Window(BEGIN + 1, BEGIN + 1), False, {"start_time": iso(BEGIN), "end_time": "2026-03-01T00:00:01Z"}),
    ],
)
def test_what_is_asked_for_holds_the_window_whatever_the_bounds(window, fractions, wanted):
    """Strictly earlier than the start, no earlier than the end, in the documented form."""
    assert asked(window, fractions=fractions) == wanted


@given(
    st.integers(2, 10**6),
    st.integers(1, 10**12),
    st.sampled_from([1, -1]),
    st.none() | st.integers(0, 10**7),
    st.tuples(st.booleans(), st.booleans()),
)
def test_windows_cover_what_is_left_once(rows, length, order, total, ways):
    """Half-open, in order, each begins where the one before ends, and the page's own part is the rest."""
    span = Span(rows, BEGIN + length if order > 0 else BEGIN, BEGIN, BEGIN + length, order)
    open_start, open_end = ways
    window = Window(None if open_start else BEGIN - 5, None if open_end else BEGIN + 50 * length)
    plan = cut(window, span, total)
    if plan is None:
        return
    done, windows = plan
    edges = [*windows, done] if order < 0 else [done, *windows]
    assert (edges[0].start, edges[-1].end) == (window.start, window.end)
    assert all(one.end == other.start for one, other in pairwise(edges))
    assert all(w.start is None or w.end is None or w.start < w.end for w in edges)
    assert len(windows) <= 258


def test_evenly_spaced_rows_leave_less_to_chance():
    """Pages that are sure to be full are asked for nearly full: 200 windows for 199,000 rows, 206 where rows vary."""
    window = Window(BEGIN, BEGIN + 200_000 * SECOND)
    even = Span.of(BEGIN + np.arange(1000) * SECOND)
    assert even.is_even
    assert [len(cut(window, span, 200_000)[1]) for span in (even, replace(even, is_even=False))] == [200, 206]
    assert not Span.of(BEGIN + np.array([0, 1, 3]) * SECOND).is_even


def test_several_sensors_and_an_open_end_are_one_frame():
    """Each sensor is a list of its own, cut on its own, and the frame is sorted by time, then sensor."""
    plant = Plant([BEGIN + n // 2 * 60 * SECOND for n in range(600)])
    frame = plant.session().readings(["s0", "s1"], start=iso(BEGIN))
    assert len(frame) == 600
    assert frame.equals(frame.sort_values(["timestamp", "sensor_id"], ignore_index=True))
    assert frame.attrs["immune"]["reported_total"] == 600
    pd.testing.assert_frame_equal(frame, plant.session().readings(["s1", "s0"], start=iso(BEGIN)))


def span_told_plainly(instants):
    """What `Span.of` says, by Python's own means."""
    rows = [int(instant) for instant in instants]
    if not rows or MISSING in rows:
        return None
    steps = {after - before for before, after in pairwise(rows)}
    rises, falls = all(step >= 0 for step in steps), all(step <= 0 for step in steps)
    order = (rises and rows[0] < rows[-1]) - (falls and rows[0] > rows[-1])
    return Span(len(rows), rows[-1], min(rows), max(rows), order, len(steps) < 2 and (rises or falls))


pages_of_instants = st.lists(
    st.one_of(
        st.lists(st.sampled_from([MISSING, -5, 0, 3, 7, 2**60, -(2**60)]), max_size=6),
        st.integers(1, 9).map(lambda size: [BEGIN + n * SECOND for n in range(size)]),
        st.integers(1, 9).map(lambda size: [BEGIN - n * SECOND for n in range(size)]),
    ),
    min_size=1,
    max_size=6,
)


@given(pages_of_instants)
def test_a_span_is_the_same_by_itself_and_told_of_many_pages_at_once(pages):
    """Rising, falling, neither, even or not, with an instant missing anywhere: as plain Python tells it."""
    told = [span_told_plainly(page) for page in pages]
    arrays = [np.array(page, dtype=np.int64) for page in pages]
    assert [Span.of(page) for page in arrays] == told
    assert Span.of_each(np.concatenate(arrays), list(accumulate(map(len, pages)))) == told
