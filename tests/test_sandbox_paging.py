"""The sandbox's list of readings: whatever way it is cut, it is the same list."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immune_nb.sandbox.census import Census
from immune_nb.sandbox.cursors import Position
from immune_nb.sandbox.instants import DAY, SECOND, iso, parse
from immune_nb.sandbox.plant import RANKS, SENSORS
from immune_nb.sandbox.readings import Query, Readings, Window
from immune_nb.sandbox.render import Renderer, Selection
from immune_nb.sandbox.signals import Signal
from immune_nb.sandbox.store import Store

NOW = parse("2024-01-20T15:30:00Z") // SECOND
START = NOW - 90 * DAY
EVERY = Selection(tuple(range(len(SENSORS))))


def plant(store: Store, seed: int = 7, now: int = NOW) -> Readings:
    """A plant whose clock stands still."""
    signals = [Signal(sensor, seed, NOW) for sensor in SENSORS]
    return Readings(Renderer(signals), Census(signals, START), store, START, lambda: now)


@pytest.fixture(scope="module")
def quiet():
    """A plant nobody submitted to."""
    store = Store()
    yield plant(store)
    store.close()


@pytest.fixture(scope="module")
def busy():
    """A plant with submitted readings: between others, at the same instant, twice, and before history."""
    store = Store()
    times = [0, 30, 60, 60, 61, 3_600, DAY, DAY, -40 * DAY * 9]
    for number, ago in enumerate(times):
        for sensor in ("vib_001", "temp_003", "vib_002"):
            micros = (NOW - ago) * SECOND + number * 1_000
            row = {"sensor_id": sensor, "value": number, "timestamp": iso(micros), "quality": "good"}
            store.add_reading(row, micros, RANKS[sensor], number % 3)
    yield plant(store)
    store.close()


def rows_of(page):
    """A page's rows as records."""
    return json.loads(b"[" + page.rows + b"]")


def walk(readings, query, cursor):
    """Follow a cursor to the end; returns the rows in the list's order."""
    found = []
    while True:
        page = readings.page(query)
        rows = rows_of(page)
        assert len(rows) == query.limit or not page.has_more
        found = found + rows if cursor == "after" else rows + found
        if not page.has_more:
            return found
        query = replace(query, **{cursor: readings.locate(rows[-1 if cursor == "after" else 0]["id"])})


def backwards(readings, query):
    """The same list from its end."""
    whole = Position(readings.everything().end) if not query.newest_first else Position(-(2**62))
    return walk(readings, replace(query, before=whole), "before")


sensors = st.lists(st.sampled_from(["vib_001", "vib_002", "temp_003", "hum_002", "pump_001"]), min_size=1, max_size=3)
selections = st.builds(
    Selection,
    sensors.map(lambda names: tuple(sorted({RANKS[name] for name in names}))),
    st.sampled_from([(0, 1, 2), (0,), (1, 2), (2,)]),
)
windows = st.builds(
    lambda ago, length: Window((NOW - ago) * SECOND, (NOW - ago + length) * SECOND),
    st.integers(-600, 2 * DAY),
    st.integers(0, 9_000),
)


@settings(max_examples=40, deadline=None)
@given(selections, windows, st.integers(7, 1000), st.booleans())
def test_both_cursors_give_the_same_list_whatever_the_limit(busy, selection, window, limit, newest_first):
    """Any limit, forwards or backwards, ascending or descending: one list, of exactly total_count rows."""
    query = Query(selection, window, limit, newest_first=newest_first)
    forwards = walk(busy, query, "after")
    assert forwards == backwards(busy, query)
    assert len(forwards) == busy.page(query).total == busy.count(selection, window)
    ascending = forwards[::-1] if newest_first else forwards
    keys = [(parse(row["timestamp"]), row["sensor_id"]) for row in ascending]
    assert keys == sorted(keys)
    assert len({row["id"] for row in forwards}) == len(forwards)
    assert all(window.start <= instant < window.end for instant, _ in keys)


@settings(max_examples=25, deadline=None)
@given(selections, windows, st.floats(0, 1))
def test_a_window_split_anywhere_is_the_same_window(busy, selection, window, where):
    """Two adjacent half-open windows hold what their union holds: nothing twice, nothing missing."""
    middle = window.start + int((window.end - window.start) * where)
    parts = [Window(window.start, middle), Window(middle, window.end)]
    pieces = [walk(busy, Query(selection, part, 1000), "after") for part in parts]
    assert pieces[0] + pieces[1] == walk(busy, Query(selection, window, 1000), "after")
    assert sum(busy.count(selection, part) for part in parts) == busy.count(selection, window)


def test_all_sensors_are_the_sum_of_each(quiet):
    """The whole plant's list is every sensor's list, merged by instant and sensor."""
    window = Window((NOW - 1_200) * SECOND, NOW * SECOND)
    alone = [walk(quiet, Query(Selection((r,)), window, 1000), "after") for r in EVERY.ranks]
    merged = sorted((row for rows in alone for row in rows), key=lambda row: (row["timestamp"], row["sensor_id"]))
    assert walk(quiet, Query(EVERY, window, 333), "after") == merged


def test_the_plant_is_as_big_as_promised(quiet):
    """16 machines, at least 64 sensors and over 8 million readings in 90 days, some of them missing."""
    assert len({sensor.machine.id for sensor in SENSORS}) == 16
    assert len(SENSORS) >= 64
    assert {s.trait.name for s in SENSORS} == {
        "vibration",
        "temperature",
        "pressure",
        "flow",
        "current",
        "humidity",
    }
    whole = quiet.everything()
    assert 8_000_000 < quiet.count(EVERY, whole) < sum(90 * DAY // s.interval for s in SENSORS)
    assert quiet.count(Selection((RANKS["hum_002"],)), Window((NOW - 14 * DAY) * SECOND, NOW * SECOND)) == 0


def test_the_same_seed_gives_the_same_bytes():
    """Two plants of one seed are equal byte for byte, in any order of asking; another seed is another plant."""
    query = Query(Selection((RANKS["vib_001"], RANKS["temp_003"])), Window((NOW - DAY) * SECOND, NOW * SECOND), 500)
    stores = Store(), Store(), Store()
    first, second, other = plant(stores[0]), plant(stores[1]), plant(stores[2], seed=8)
    second.page(Query(EVERY, query.window, 100))
    assert first.page(query).rows == second.page(query).rows
    assert first.page(query).rows != other.page(query).rows
    for store in stores:
        store.close()


def test_a_later_clock_adds_readings_and_changes_none():
    """What was once measured stays; time only appends."""
    store = Store()
    window = Window((NOW - 600) * SECOND, (NOW + 600) * SECOND)
    query = Query(Selection((RANKS["vib_001"],)), window, 1000)
    before, after = rows_of(plant(store).page(query)), rows_of(plant(store, now=NOW + 300).page(query))
    store.close()
    assert after[: len(before)] == before
    assert len(after) == len(before) + 5


def test_the_bearing_wears_out(quiet):
    """`vib_001` is below its warning limit for eighty days and above its critical one at the end."""

    def mean(ago: int) -> float:
        window = Window((NOW - ago * DAY) * SECOND, (NOW - ago * DAY + DAY) * SECOND)
        rows = walk(quiet, Query(Selection((RANKS["vib_001"],)), window, 1000), "after")
        return sum(row["value"] for row in rows) / len(rows)

    limits = SENSORS[RANKS["vib_001"]].trait
    assert max(mean(ago) for ago in (80, 50, 20, 11)) < limits.warning < mean(3) < limits.critical < mean(1)


@pytest.mark.parametrize("record_id", ["", "x", "rd_", "rd_zzzzzzzzzzzz", "rd_000000000000", "rs_000000000001", "~"])
def test_an_unknown_id_is_nowhere(busy, record_id):
    """Only ids of readings that exist are cursors."""
    assert busy.locate(record_id) is None
