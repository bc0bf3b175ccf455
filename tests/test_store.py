"""Keeping days: only what is missing is fetched, what is damaged is fetched anew, and the frame is the same."""

import stat
import subprocess
import sys

import httpx
import pandas as pd
import pytest
from test_windows import BEGIN, DAY, SECOND, Plant, iso, micros

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.auth.secrets import Secret
from immune_nb.frames.decode import Part, assemble, decode, part_of
from immune_nb.frames.parquet import joined, read_part, write_part
from immune_nb.frames.schemas import READINGS
from immune_nb.frames.sheets import Sheet
from immune_nb.frames.store import Store
from immune_nb.session import Session

NOW = (BEGIN + 10 * DAY) / SECOND
STEP = 600 * SECOND


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A store of its own."""
    monkeypatch.setenv("IMMUNE_NB_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def session(plant, clock, key="k"):
    profile = im.Profile("lab", "https://api.example/v1")
    made = find_credentials(profile, {}, api_key=key)
    return Session(profile, made, transport=httpx.MockTransport(plant), clock=clock, sleep=lambda s: None)


def plant(days=10, **how):
    return Plant([BEGIN + n * STEP for n in range(days * 144)], page=50, **how)


def days(asked):
    return sorted({query.get("start_time", "")[:10] for query in asked})


def test_the_second_time_nothing_is_fetched_and_the_frame_is_the_same():
    """Nine whole days of the past: the first query keeps them, the second asks for nothing, and tells their age."""
    server, clock = plant(), Clock()
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 9 * DAY), "cache": True}
    first = session(server, clock).readings("s0", **ask)
    plain = session(server, clock).readings("s0", start=ask["start"], end=ask["end"])
    server.asked.clear()
    clock.now += 60
    second = session(server, clock).readings("s0", **ask)
    assert server.asked == []
    pd.testing.assert_frame_equal(first, plain)
    pd.testing.assert_frame_equal(second, plain)
    paper = second.attrs["immune"]
    assert (paper["complete"], paper["pages"], paper["cache_age"]) == (True, 0, 60)
    assert first.attrs["immune"]["cache_age"] is None


def test_nobody_gets_what_was_kept_for_another_key(folder):
    """Two keys may see different plants: each has its own days; no key is written down."""
    here, there, clock = plant(), plant(5), Clock()
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 9 * DAY), "cache": True}
    first, other = "imk_of_one_plant", "imk_of_another_plant"
    assert len(session(here, clock, first).readings("s0", **ask)) == 9 * 72
    assert len(session(there, clock, other).readings("s0", **ask)) == 5 * 72
    here.asked.clear()
    assert len(session(here, clock, first).readings("s0", **ask)) == 9 * 72
    assert here.asked == []
    mark = Secret(first).mark("https://api.example/v1")
    told = "".join(f"{file} {file.read_bytes()}" for file in folder.rglob("*") if file.is_file())
    assert "s0" in told
    assert not [text for text in (first, other, mark) if text in told]


def test_a_session_that_goes_on_with_another_key_keeps_its_days_apart():
    """Rotated to another key it has another shelf; back again, it has the first key's days."""
    clock = Clock()
    here = session(plant(), clock, "imk_one")
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 9 * DAY), "cache": True}
    whole = here.readings("s0", **ask)
    marks = [here._mark()]
    for key in ("imk_two", "imk_one"):
        here.rotate(api_key=key)
        marks.append(here._mark())
    assert marks[0] == marks[2] != marks[1]
    pd.testing.assert_frame_equal(here.readings("s0", **ask), whole)


def test_one_day_more_fetches_one_day():
    """The range grows by a day: that day is asked for, and no other."""
    server, clock = plant(), Clock()
    session(server, clock).readings("s0", start=iso(BEGIN), end=iso(BEGIN + 5 * DAY), cache=True)
    server.asked.clear()
    longer = session(server, clock).readings("s0", start=iso(BEGIN), end=iso(BEGIN + 6 * DAY), cache=True)
    assert len(longer) == 6 * 72
    assert {text for query in server.asked for text in days([query])} <= {"2026-03-05", "2026-03-06"}


def test_today_is_never_kept():
    """What may still change is asked for every time; the days before it are not."""
    server, clock = plant(11), Clock()
    clock.now += 3600 * 12
    for _ in range(2):
        server.asked.clear()
        frame = session(server, clock).readings("s0", start=iso(BEGIN + 8 * DAY), cache=True)
        assert len(frame) == 3 * 72
    assert days(server.asked) == ["2026-03-10"]


def test_edges_within_a_day_are_exact():
    """Whole days are kept, and only the rows asked for are given."""
    server, clock = plant(), Clock()
    for start, end in ((BEGIN + DAY // 3, BEGIN + 3 * DAY + DAY // 3), (BEGIN + DAY // 2, BEGIN + DAY)):
        frame = session(server, clock).readings(start=iso(start), end=iso(end), cache=True)
        assert sorted(frame["id"]) == server.truth(start, end)


def test_a_damaged_file_is_fetched_again(folder):
    """Cut short, overwritten, or a flipped bit: each is as good as no file, and is replaced."""
    server, clock = plant(), Clock()
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 4 * DAY), "cache": True}
    whole = session(server, clock).readings("s0", **ask)
    files = sorted(folder.glob("*/*.parquet"))
    files[0].write_bytes(files[0].read_bytes()[:-20])
    files[1].write_bytes(b"junk")
    flipped = bytearray(files[2].read_bytes())
    flipped[len(flipped) // 8] ^= 0xFF
    files[2].write_bytes(bytes(flipped))
    server.asked.clear()
    pd.testing.assert_frame_equal(session(server, clock).readings("s0", **ask), whole)
    assert server.asked
    server.asked.clear()
    session(server, clock).readings("s0", **ask)
    assert server.asked == []


def test_refresh_forgets():
    """Asked anew, and kept anew."""
    server, clock = plant(), Clock()
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 2 * DAY)}
    session(server, clock).readings("s0", **ask, cache=True)
    server.asked.clear()
    session(server, clock).readings("s0", **ask, refresh=True)
    assert server.asked
    server.asked.clear()
    session(server, clock).readings("s0", **ask, cache=True)
    assert server.asked == []


def test_a_query_that_broke_off_resumes_where_it_stopped():
    """F27, F28: the service fails half way; what came whole is kept, and the next query asks for less."""
    server, clock = plant(), Clock()
    seen = []

    def failing(request):
        seen.append(request)
        return httpx.Response(503) if len(seen) > 12 else server(request)

    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 9 * DAY), "cache": True}
    with pytest.raises(im.IncompleteError):
        session(failing, clock).readings(**ask)
    cold = len(seen)
    server.asked.clear()
    frame = session(server, clock).readings(**ask)
    assert sorted(frame["id"]) == server.truth(BEGIN, BEGIN + 9 * DAY)
    assert len(server.asked) < 26 < cold + 26


def test_a_miscounted_list_is_not_kept(folder):
    """Days whose number the service contradicts are no truth to keep."""
    server = plant()
    lie = server.rows.pop(3)

    def lying(request):
        answer = server(request).json()
        wanted = request.url.params
        counts = wanted["start_time"] <= lie["timestamp"] < wanted["end_time"]
        return httpx.Response(200, json={**answer, "total_count": answer["total_count"] + counts})

    with pytest.raises(im.IncompleteError):
        session(lying, Clock()).readings(start=iso(BEGIN), end=iso(BEGIN + DAY), cache=True)
    assert not list(folder.glob("*/*.parquet"))


@pytest.mark.parametrize("fails_at", [3, 5, 9, 20, 28])
def test_what_broke_off_behind_the_cursor_keeps_no_holes(fails_at):
    """A server that does not filter is followed by its cursor, and fails there: nothing false is left behind."""
    unfiltered, server, seen = plant(filters=False), plant(), []

    def failing(request):
        seen.append(request)
        return httpx.Response(503) if len(seen) > fails_at else unfiltered(request)

    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 9 * DAY), "cache": True}
    with pytest.raises(im.IncompleteError):
        session(failing, Clock()).readings(**ask)
    frame = session(server, Clock()).readings(**ask)
    assert sorted(frame["id"]) == server.truth(BEGIN, BEGIN + 9 * DAY)


def test_rows_without_an_instant_are_not_lost_to_the_store():
    """They belong to no day: such a list is not kept, and is whole every time."""
    rows = [{"id": "a", "timestamp": iso(BEGIN)}, {"id": "b", "timestamp": None}]
    server = lambda request: httpx.Response(200, json={"data": rows, "has_more": False, "total_count": 2})  # noqa: E731
    for _ in range(2):
        frame = session(server, Clock()).readings(start=iso(BEGIN), end=iso(BEGIN + DAY), cache=True)
        assert sorted(frame["id"]) == ["a", "b"]


def test_another_sensor_filter_or_login_is_another_shelf():
    """What one question kept is no answer to another."""
    server, clock = plant(), Clock()
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + DAY), "cache": True}
    session(server, clock).readings("s0", **ask)
    for more in ({"sensor": "s1"}, {"sensor": "s0", "quality": "good"}):
        server.asked.clear()
        session(server, clock).readings(**more, **ask)
        assert server.asked


def test_what_is_kept_is_private_and_can_be_listed_and_cleared(folder):
    """0700 and 0600, no credential in names or bytes, and gone when cleared."""
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 2 * DAY), "cache": True}
    session(plant(), Clock(), key="canary-key").readings("s0", **ask)
    kept = [path for path in folder.rglob("*") if path.name != ".lock"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept if path.is_file()} == {0o600}
    assert not any(b"canary" in path.read_bytes() or "canary" in str(path) for path in kept if path.is_file())
    store = Store(folder)
    (shelf,) = store.shelves()
    assert (shelf["profile"], shelf["params"]["sensor_id"], shelf["days"]) == ("lab", "s0", 2)
    assert store.clear() == 2
    assert store.shelves() == []


WRITER = """
import sys
from pathlib import Path
from immune_nb.frames.decode import Part
from immune_nb.frames.store import Store
shelf = Store(Path(sys.argv[1])).shelf(of="x")
for day in range(40):
    shelf.put(day % 4, Part(day), 0.0)
"""


@pytest.mark.slow
def test_several_kernels_may_write_at_once(folder):
    """Three processes keep the same days: every file is whole at the end."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder)]) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert sorted(Store(folder).shelf(of="x").get(range(5))) == [0, 1, 2, 3]


def test_parts_survive_a_file_exactly(tmp_path):
    """Mixed values, nesting, surrogates, nulls, categories and what was coerced: as if they had never been away."""
    records = [
        {"id": "a", "value": 1, "quality": "new", "x": 1, "n": {"m": [1, {"k": None}]}},
        {"id": "\ud800", "value": "n/a", "timestamp": "2026-03-01T00:00:00Z", "x": "one", "big": 2**70},
        {},
    ]
    part = part_of(Sheet(3, None, records), READINGS)
    write_part(part, tmp_path / "p.parquet", {"fetched_at": 5.0})
    back, about = read_part(tmp_path / "p.parquet")
    assert about["fetched_at"] == 5.0
    got, wanted = assemble([back], READINGS), decode(records, READINGS)
    pd.testing.assert_frame_equal(got.frame, wanted[0])
    assert got.coerced == wanted[1] == {"value": 1}


def test_joined_parts_are_what_they_were_apart():
    """Pieces of a day, of one type and of several, become one part with the same frame."""
    pages = [[{"id": "a", "x": 1}], [{"id": "b", "x": "t"}, {"y": 2.5}], [{"id": None, "quality": "good"}]]
    parts = [part_of(Sheet(len(page), None, page), READINGS) for page in pages]
    whole = assemble([joined([Part(p.rows, dict(p.columns)) for p in parts])], READINGS).frame
    pd.testing.assert_frame_equal(whole, assemble(parts, READINGS).frame)
    assert joined([]).rows == 0


class Interrupting:
    """Answers for a while; then Ctrl-C."""

    def __init__(self, server, after):
        self.server, self.left = server, after

    def __call__(self, request):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.server(request)


def test_an_interrupt_says_how_many_days_are_kept(folder):
    """F27: as many as there are files; the next query asks for the rest, and Ctrl-C is still `KeyboardInterrupt`."""
    server, clock = plant(), Clock()
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 9 * DAY), "cache": True}
    with pytest.raises(KeyboardInterrupt) as caught:
        session(Interrupting(server, 16), clock).readings(**ask)
    kept = len(list(folder.glob("*/*.parquet")))
    assert kept > 1
    assert str(caught.value) == f"kept {kept} days; run it again to go on."
    assert caught.value._render_traceback_() == [f"KeyboardInterrupt: {caught.value}"]
    server.asked.clear()
    frame = session(server, clock).readings(**ask)
    assert sorted(frame["id"]) == server.truth(BEGIN, BEGIN + 9 * DAY)
    assert len(days(server.asked)) <= 10 - kept


def test_an_interrupt_says_that_nothing_is_kept(folder, tmp_path):
    """Without the store, before a day is whole, and in a folder: each says what is true of it."""
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 9 * DAY)}
    with pytest.raises(
        im.Interrupted, match=r"\d+ rows had come, and nothing is kept; with cache=True \(on a line, --cache\) whole"
    ):
        session(Interrupting(plant(), 1), Clock()).readings(**ask)
    with pytest.raises(im.Interrupted, match=r"\d+ rows had come, but no whole day"):
        session(Interrupting(plant(), 1), Clock()).readings(**ask, cache=True)
    with pytest.raises(im.Interrupted, match=r"is in '.*out', and is not whole"):
        session(Interrupting(plant(), 1), Clock()).readings(**ask, to=tmp_path / "out")
    assert not list(folder.glob("*/*.parquet"))


def test_a_profile_may_say_that_readings_are_kept(folder):
    """`cache = true` in a profile keeps, unless a query says otherwise or writes to a folder."""
    server = plant()
    profile = im.Profile("lab", "https://api.example/v1", cache=True)
    made = find_credentials(profile, {}, api_key="k")
    one = Session(profile, made, transport=httpx.MockTransport(server), clock=Clock(), sleep=lambda s: None)
    ask = {"start": iso(BEGIN), "end": iso(BEGIN + 2 * DAY)}
    one.readings(**ask, cache=False)
    one.readings(**ask, to=folder.parent / "out")
    assert not list(folder.glob("*/*.parquet"))
    one.readings(**ask)
    assert len(list(folder.glob("*/*.parquet"))) == 2


def test_one_profile_is_cleared_and_a_damaged_shelf_too(folder):
    """`clear` of a profile leaves the others; what cannot be told whose it is goes with everything."""
    for name in ("a", "b"):
        shelf = Store(folder).shelf(profile=name, path="/readings")
        shelf.put(1, Part(1, {}), 5.0)
        shelf.put(2, Part(1, {}), 5.0)
    next(folder.glob("*/about.json")).write_text("{")
    whole = next(shelf["profile"] for shelf in Store(folder).shelves() if "profile" in shelf)
    assert sorted(shelf["days"] for shelf in Store(folder).shelves()) == [2, 2]
    assert Store(folder).clear("neither") == 0
    assert Store(folder).clear(whole) == 2
    assert Store(folder).clear() == 2
    assert Store(folder).shelves() == []


def test_a_plan_of_a_query_to_a_folder_makes_none(tmp_path):
    """What would be sent is told, and nothing is written or asked."""
    server = plant()
    one = session(server, Clock())
    assert one.plan("readings", "s0", last="1d", to=tmp_path / "out", progress=print).requests
    assert (server.asked, list(tmp_path.glob("out"))) == ([], [])


def test_where_nothing_can_be_kept_the_rows_come_all_the_same(monkeypatch):
    """A folder that cannot be written costs a warning, not what was fetched."""
    monkeypatch.setenv("IMMUNE_NB_CACHE", "/dev/null/kept")
    server, ask = plant(), {"start": iso(BEGIN), "end": iso(BEGIN + 9 * DAY), "cache": True}
    with pytest.warns(im.ImmuneWarning, match="Not all that came could be kept: .*/dev/null"):
        frame = session(server, Clock()).readings(**ask)
    assert sorted(frame["id"]) == server.truth(BEGIN, BEGIN + 9 * DAY)


def test_a_service_that_refuses_long_spans_is_asked_for_no_whole_days():
    """Half a day on either side of midnight, where a day is the most: two whole days are refused, and not needed."""
    server = plant()

    def answer(request):
        start, end = (micros(request.url.params[name]) for name in ("start_time", "end_time"))
        if end - start > DAY + SECOND:
            return httpx.Response(422, json={"message": "at most 24 hours"})
        return server(request)

    ask = {"start": iso(BEGIN + DAY // 2), "end": iso(BEGIN + DAY + DAY // 2), "cache": True}
    for _ in range(2):
        frame = session(answer, Clock()).readings(**ask)
        assert sorted(frame["id"]) == server.truth(BEGIN + DAY // 2, BEGIN + DAY + DAY // 2)
