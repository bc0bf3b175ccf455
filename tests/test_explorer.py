"""The explorer without a browser: what is drawn, counted and handed over, and the code for it."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from immune_nb.errors import QueryError
from immune_nb.frames.schemas import READINGS
from immune_nb.notebook import stills
from immune_nb.notebook.arguments import parse
from immune_nb.notebook.exploration import Exploration, limits_of
from immune_nb.notebook.explorer import Explorer
from immune_nb.notebook.recipe import Recipe
from immune_nb.notebook.surroundings import shows_widgets
from immune_nb.notebook.traces import Trace, traces_of

MINUTE = 60_000_000
DAY = 86_400
BEGIN = pd.Timestamp("2026-11-01", tz="UTC")


def trace(values, *, missing=(), step=MINUTE) -> Trace:
    """A trace of these values, one a minute, without the ones at some positions."""
    kept = np.setdiff1d(np.arange(len(values)), list(missing))
    values = np.asarray(values, np.float64)[kept]
    return Trace("s", "mm/s", kept * step, values, np.zeros(len(kept), np.int8), ("good",), step)


def readings(rows) -> pd.DataFrame:
    """A frame of readings from (minute, sensor, value, unit, quality)."""
    frame = pd.DataFrame(rows, columns=["timestamp", "sensor_id", "value", "unit", "quality"])
    frame["timestamp"] = (BEGIN + pd.to_timedelta(frame["timestamp"], unit="min")).astype("datetime64[us, UTC]")
    frame["equipment_id"], frame["id"] = "pump", [f"r{number}" for number in range(len(frame))]
    return frame.astype({column.name: column.dtype for column in READINGS.columns})


@given(
    st.integers(0, 1_000),
    st.dictionaries(st.integers(0, 4_999), st.floats(-1e6, 1e6), max_size=5),
    st.sets(st.integers(10, 4_900), max_size=6),
    st.integers(500, 2_500),
)
def test_a_thinned_line_keeps_extremes_and_gaps(seed, spikes, starts, points):
    """Whatever the values: least and greatest are drawn, and the line breaks at each gap, at its very edges."""
    values = np.random.default_rng(seed).normal(size=5_000)
    values[list(spikes)] = list(spikes.values())
    missing = {place for start in starts for place in range(start, start + 5)}
    whole = trace(values, missing=missing)
    times, drawn = whole.thinned(points)
    assert len(times) < points + 3 + 3 * len(whole.gaps)
    assert np.nanmin(drawn) == whole.values.min()
    assert np.nanmax(drawn) == whole.values.max()
    assert np.isnan(drawn).sum() == len(whole.gaps)
    edges = whole.times[np.concatenate([whole.gaps, whole.gaps + 1])] / 1000
    assert set(edges) <= set(times)
    assert (np.diff(times) > 0).all()


def test_a_plain_downsampling_loses_what_ours_keeps():
    """Positive control: every n-th value misses the extreme and draws straight across the gap."""
    values = np.zeros(10_001)
    values[5_003] = 9.0
    whole = trace(values, missing=range(7_000, 7_100))
    naive = whole.values[::5]
    assert naive.max() == 0.0
    assert not np.isnan(naive).any()
    assert np.nanmax(whole.thinned()[1]) == 9.0
    assert np.isnan(whole.thinned()[1]).sum() == 1


@pytest.mark.slow
def test_a_million_points_become_some_thousand_in_no_time():
    """A day's worth of screens out of a million points, and the same of any stretch."""
    whole = trace(np.random.default_rng(1).normal(size=1_000_000))
    assert len(whole.thinned()[0]) < 2_010
    part = whole.between(1_000 * MINUTE, 3_000 * MINUTE)
    assert (len(part.times), len(part.thinned()[0])) == (2_000, 2_000)


def test_many_gaps_break_the_line_and_do_not_swell_it():
    """Thousands of gaps: all break the line where it has points on both sides, the longest at their edges."""
    missing = [place for start in range(10, 60_000, 20) for place in range(start, start + 4)]
    times, drawn = trace(np.zeros(60_000), missing=missing).thinned()
    assert np.isnan(drawn).sum() > 1_000
    assert len(times) < 2 * (2_000 + 2 * 200) + 10


def test_statistics_are_pandas_own():
    """Counts, extremes, mean, deviation, gaps and the longest of them."""
    rows = [(minute, "a", float(minute % 7), "mm/s", "good") for minute in range(100) if not 40 <= minute < 50]
    rows += [(200, "a", np.inf, "mm/s", "bad"), (201, "a", np.nan, "mm/s", "bad"), (202, "a", -3.0, "mm/s", "odd")]
    frame = readings(rows)
    drawn = traces_of(frame)["a"]
    found = drawn.summary()
    finite = frame["value"][np.isfinite(frame["value"])]
    assert (found["rows"], drawn.undrawn, found["decimals"]) == (91, 2, 4)
    assert (found["min"], found["max"], found["last"]) == (-3.0, 6.0, -3.0)
    assert found["mean"] == pytest.approx(finite.mean())
    assert found["std"] == pytest.approx(finite.std())
    assert found["doubts"] == {"odd": 1}
    assert (found["gaps"], found["longest_gap"]) == (2, 103 * 60.0)
    assert json.loads(json.dumps(found)) == found


def test_what_is_marked_bad_is_counted_and_not_computed_with():
    """A sensor's own word that a reading is wrong keeps it out of the statistics, though not out of the plot."""
    rows = [(1, "a", 1.0, "K", "good"), (2, "a", 2.0, "K", "questionable"), (3, "a", 9e9, "K", "bad")]
    found = traces_of(readings(rows))["a"].summary()
    assert (found["min"], found["mean"], found["max"], found["last"]) == (1.0, 1.5, 2.0, 2.0)
    assert (found["rows"], found["doubts"]) == (3, {"questionable": 1, "bad": 1})
    nothing = traces_of(readings(rows[2:]))["a"].summary()
    assert (nothing["rows"], nothing["mean"], nothing["last"]) == (1, None, None)


@pytest.mark.parametrize(("greatest", "decimals"), [(12.804, 3), (-987.0, 2), (123456.0, 0), (0.5, 5), (0.0, 4)])
def test_a_sensor_has_one_number_of_decimals(greatest, decimals):
    """Five digits of its greatest number, and as many decimals in the others."""
    assert trace([0.0, greatest]).summary()["decimals"] == decimals


def test_an_empty_stretch_has_statistics_too():
    """No reading: no number, no line, no failure."""
    nothing = traces_of(readings([(1, "a", 1.0, "mm/s", "good")]))["a"].between(0, 1)
    assert nothing.summary()["mean"] is None
    assert len(nothing.thinned()[0]) == len(nothing.averaged(MINUTE).times) == 0
    assert traces_of(readings([])) == {}


def test_units_and_doubts_are_told_apart():
    """Each sensor has its unit, two units are both named, and what is not good is marked by its word."""
    found = traces_of(
        readings([(1, "a", 1.0, "°C", "good"), (2, "a", 2.0, "K", "bad"), (3, "b", 3.0, None, "questionable")])
    )
    assert [one.unit for one in found.values()] == ["K, °C", ""]
    assert {word: list(line[1]) for word, line in found["a"].marks().items()} == {"bad": [2.0]}
    assert list(found["b"].marks()) == ["questionable"]


def test_readings_that_name_no_sensor_are_of_the_one_asked_for():
    """A service need not repeat the sensor; of several, nobody could tell."""
    nameless = readings([(1, None, 1.0, "K", "good")])
    assert list(traces_of(nameless, "mine")) == ["mine"]
    assert traces_of(nameless) == {}


def test_averages_are_those_that_pandas_makes():
    """What is drawn as the mean of an hour is what the code for it gives."""
    rows = [(minute, "a", float(minute**2 % 97), "mm/s", "good") for minute in (*range(150), *range(400, 500))]
    frame = readings(rows)
    recipe = Recipe(("a",), BEGIN, BEGIN + pd.Timedelta("1D"), every="1h")
    drawn = traces_of(frame)["a"].averaged(60 * MINUTE)
    expected = recipe.averaged(frame).dropna()
    assert drawn.values == pytest.approx(expected["value"].to_numpy())
    assert (pd.to_datetime(drawn.times, unit="us", utc=True) == expected["timestamp"]).all()
    names = {"df": frame}
    exec(recipe.line("df").splitlines()[1], names)
    pd.testing.assert_frame_equal(names["df"], recipe.averaged(frame))


def test_the_line_says_what_is_shown():
    """The magic reads it back: the sensors, both bounds, the variable, and the profile where it matters."""
    recipe = Recipe(("vib_001", "temp_001"), BEGIN, BEGIN + pd.Timedelta("90min"), profile="lab")
    request = parse(recipe.line("week").removeprefix("%immune "), {})
    assert request.command.name == "readings"
    assert request.words == ("vib_001", "temp_001")
    assert request.options == {"start": "2026-11-01T00:00:00Z", "end": "2026-11-01T01:30:00Z", "profile": "lab"}
    assert request.target == "week"
    compile(recipe.python("week"), "<code>", "exec")


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_ids_that_fit_on_no_line_are_written_in_python(ids):
    """Spaces, braces, quotes, options, secrets in an id: the code has exactly these ids, in one form or the other."""
    code = Recipe(tuple(ids), BEGIN, BEGIN + pd.Timedelta("1h")).line("df")
    if code.startswith("%immune "):
        assert parse(code.removeprefix("%immune "), {}).words == tuple(ids)
    else:
        asked = []
        session = SimpleNamespace(readings=lambda sensors, **_: asked.append(sensors))
        exec("\n".join(code.split("\n")[3:]), {"session": session})
        assert asked == [ids[0] if len(ids) == 1 else ids]


def test_blocks_show_the_course():
    """A line of blocks for a terminal: rising values rise, a gap is empty, a constant is flat."""
    assert stills.blocks(trace(range(80)), 8) == "▁▂▃▄▅▆▇█"
    assert " " in stills.blocks(trace(range(80), missing=range(20, 40)), 8)
    assert stills.blocks(trace([1.0] * 8), 4) == "▁▁▁▁"


def test_points_are_below_each_other():
    """Numbers with other decimals get space on both sides, as wide as the digits they lack."""
    texts = stills.aligned([(1_234.5, 1), (2.125, 3), (None, 0)])
    assert [text.replace("\u2007", "_") for text in texts] == ["1,234.5__", "____2.125", "_________"]


@pytest.mark.slow
def test_the_picture_says_what_its_marks_mean():
    """Two units without a display; an alert is in its sensors' panels only, and the legend names all."""
    odd = np.array([0, 1, 2] * 10, np.int8)
    marked = replace(trace(range(30)), sensor="a", quality=odd, words=("good", "questionable", "bad"))
    alert = {"at": 60_000.0, "severity": "critical", "sensors": ["a"]}
    other = replace(trace([2.0, 3.0]), sensor="b", unit="K")
    figure = stills.drawing([marked, other], [alert])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["questionable", "bad", "critical alert"]
    assert [len(panel.lines) for panel in figure.axes] == [4, 1]
    assert stills.picture([marked, other], [alert]).startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_picture_has_the_limits():
    """A near one is a line with its words; one far away is named at the edge; whose it is, where it is not all's."""
    both = [replace(trace([1.0, 2.0]), sensor="a"), replace(trace([1.5, 3.0]), sensor="b")]
    limits = {"a": {"warning": 3.5, "critical": 90.0}, "b": {"warning": 3.5, "low": -7.25}}
    (panel,) = stills.drawing(both, (), limits).axes
    assert {text.get_text() for text in panel.texts} == {"warning 3.5", "↑ a critical 90", "↓ b low -7.25"}
    assert [line.get_ydata()[0] for line in panel.lines[2:]] == [3.5]


@pytest.fixture
def shell():
    """What takes the frame."""
    return SimpleNamespace(user_ns={})


@pytest.fixture
def explorer(session, shell):
    """An explorer, and what it sends."""
    widget = Explorer(Exploration(session, ["vib_001"], last="1d"), shell)
    widget.sent = []
    widget.send = lambda content, buffers=(): widget.sent.append((content, [bytes(part) for part in buffers]))
    yield widget
    widget.close()


def last(explorer, kind):
    """The last message of a kind, and its arrays."""
    content, buffers = next(pair for pair in reversed(explorer.sent) if pair[0]["kind"] == kind)
    return content, [np.frombuffer(part) for part in buffers] if kind == "picture" else buffers


def test_the_frame_is_what_the_code_fetches(explorer, session, shell):
    """Two sensors, one added later, zoomed: the frame handed over is the one the code fetches, to the dtype."""
    explorer.hear({"do": "open"})
    explorer.hear({"do": "load", "chosen": ["vib_001", "temp_001"], "last": "1d"})
    shown = last(explorer, "picture")[0]["shown"]
    middle = sum(shown) / 2
    explorer.hear({"do": "look", "start": middle, "end": shown[1]})
    explorer.hear({"do": "frame", "name": "mine"})
    names = {}
    session_line = last(explorer, "picture")[0]["code"]["python"].replace("im.current()", "given")
    exec(session_line, {"given": session}, names)
    pd.testing.assert_frame_equal(shell.user_ns["mine"], names["df"])
    assert 1_300 < len(names["df"]) < 1_500
    receipt = shell.user_ns["mine"].attrs["immune"]
    assert (receipt["rows"], receipt["complete"]) == (len(names["df"]), True)


def test_an_added_sensor_is_fetched_alone(explorer, sandbox):
    """What is held is not asked for again, unless another range is."""
    explorer.hear({"do": "open"})
    held = len(sandbox.log("/v1/readings"))
    explorer.hear({"do": "load", "chosen": ["vib_001", "temp_001"], "last": "1d"})
    asked = [entry["query"] for entry in sandbox.log("/v1/readings")[held:]]
    assert asked
    assert all("temp_001" in query and "vib_001" not in query for query in asked)
    before = len(sandbox.log("/v1/readings"))
    explorer.hear({"do": "load", "chosen": ["temp_001"], "last": "1d"})
    assert len(sandbox.log("/v1/readings")) == before
    explorer.hear({"do": "load", "chosen": ["temp_001"], "last": "6h"})
    assert len(sandbox.log("/v1/readings")) > before


def test_without_a_view_nothing_is_held(explorer):
    """When the cell's output goes, so do the readings; a view that comes back fetches them again."""
    explorer.hear({"do": "open"})
    explorer.hear({"do": "leave"})
    explorer.hear({"do": "frame", "name": "df"})
    assert "no readings of vib_001 to make a frame of" in last(explorer, "say")[0]["text"]
    explorer.hear({"do": "open"})
    assert last(explorer, "picture")[0]["statistics"][0]["rows"] > 1_000


def test_voila_shows_widgets_though_it_forbids_input():
    """People sit in front of Voilà and not of nbclient; a terminal shows none."""
    silent = SimpleNamespace(kernel=1, get_parent=lambda: {"content": {"allow_stdin": False}})
    asking = SimpleNamespace(kernel=1, get_parent=lambda: {"content": {"allow_stdin": True}})
    assert shows_widgets(silent, {"SERVER_SOFTWARE": "voila/0.5.8"})
    assert shows_widgets(asking, {})
    assert not shows_widgets(silent, {})
    assert not shows_widgets(SimpleNamespace(), {"SERVER_SOFTWARE": "voila/0.5.8"})


def test_much_is_fetched_only_when_one_says_so(explorer):
    """Ninety days of a fast sensor: first how many readings that is, then, when told, the readings."""
    explorer.hear({"do": "load", "chosen": ["vib_002"], "last": "90d"})
    rows = last(explorer, "ask")[0]["rows"]
    assert 777_000 < rows < 778_000
    assert last(explorer, "picture")[0]["lines"] == []


def test_alerts_of_the_chosen_sensors_are_marked(explorer):
    """Those of the sensor within the range, and none of another's."""
    explorer.hear({"do": "open"})
    explorer.hear({"do": "load", "chosen": ["vib_001"], "last": "7d"})
    alerts = last(explorer, "picture")[0]["alerts"]
    assert all(alert["sensors"] == ["vib_001"] for alert in alerts)
    assert {alert["severity"] for alert in alerts} == {"critical", "warning", "info"}
    assert all(alert["sensor_id"] == "vib_001" or not alert["sensor_id"] for alert in alerts)


def test_an_alert_raised_meanwhile_shows_when_the_range_is_chosen_again(explorer, session, sandbox):
    """Choosing a range asks for alerts anew, the same range included; looking elsewhere in it does not."""
    explorer.hear({"do": "open"})
    explorer.hear({"do": "load", "chosen": ["vib_001"], "last": "1h"})
    session.create_alert_rule(
        "shaken", equipment_id="pump_001", parameter="value", operator=">", value=1e6, severity="critical"
    )
    now = pd.Timestamp.now("UTC").isoformat()
    session.submit([{"sensor_id": "vib_001", "value": 2e6, "unit": "mm/s", "timestamp": now}])
    before = len(sandbox.log("/v1/alerts"))
    explorer.hear({"do": "look", "every": "5min"})
    assert len(sandbox.log("/v1/alerts")) == before
    explorer.hear({"do": "load", "chosen": ["vib_001"], "last": "1h", "again": True})
    assert last(explorer, "picture")[0]["alerts"][-1]["message"].startswith("shaken")


def test_an_alert_that_names_a_machine_is_about_its_sensors(session):
    """The picture and the widget ask one question: a machine's alert is with the chosen sensors on it."""
    exploration = Exploration(session, ["vib_001", "temp_001", "vib_002"])
    exploration.sensors()
    at_large = [alert for alert in exploration.alerts() if not alert["sensor_id"]]
    assert {(alert["equipment_id"], *alert["sensors"]) for alert in at_large} == {("pump_001", "vib_001", "temp_001")}


def test_limits_that_the_service_names_come_with_the_line(explorer):
    """A sensor's record has them; a service that has no such fields, or no numbers in them, has no limits."""
    explorer.hear({"do": "open"})
    assert last(explorer, "picture")[0]["lines"][0]["limits"] == {"warning": 4.5, "critical": 7.1}
    odd = pd.DataFrame({"id": ["a", "b"], "warning_limit": ["high", 3]})
    assert limits_of(odd) == {"b": {"warning": 3.0}}


def test_the_tables_instants_have_a_zone(explorer):
    """The header says which."""
    explorer.hear({"do": "open"})
    explorer.hear({"do": "rows", "offset": 0})
    assert last(explorer, "rows")[0]["columns"][:2] == ["timestamp UTC", "sensor_id"]


def test_another_range_that_cannot_be_had_leaves_the_former(explorer, sandbox, shell):
    """The service refuses: what was shown is still what is handed over and looked at, and can be chosen again."""
    explorer.hear({"do": "open"})
    shown = last(explorer, "picture")[0]["shown"]
    sandbox.breaks(status=403, path="/v1/readings")
    explorer.hear({"do": "load", "chosen": ["vib_001"], "last": "6h"})
    assert last(explorer, "say")[0]["tone"] == "error"
    explorer.hear({"do": "look"})
    assert last(explorer, "picture")[0]["shown"] == shown
    explorer.hear({"do": "frame", "name": "df"})
    assert 1_400 < len(shell.user_ns["df"]) < 1_450
    sandbox.breaks()
    explorer.hear({"do": "load", "chosen": ["vib_001"], "last": "6h"})
    assert last(explorer, "picture")[0]["statistics"][0]["rows"] < 400


def test_a_mistake_is_said_and_loses_nothing(explorer, shell):
    """A name that is none, a sensor that is none, a range that is none: one line, and the picture stays."""
    explorer.hear({"do": "open"})
    before = last(explorer, "picture")[0]
    for message, said in [
        ({"do": "frame", "name": "2x"}, "Python name"),
        ({"do": "load", "chosen": ["vib_001"], "start": "yesteryear"}, "is not a time"),
        ({"do": "load", "chosen": ["vib_001", "no_such"], "last": "1d"}, "no_such"),
    ]:
        explorer.hear(message)
        assert said in last(explorer, "say")[0]["text"]
        assert last(explorer, "say")[0]["tone"] == "error"
    assert last(explorer, "picture")[0] == before
    assert shell.user_ns == {}


def test_what_does_not_arrive_is_remarked(explorer, sandbox, shell):
    """A page that keeps failing: the rest is drawn, and the explorer and the frame both say it is not whole."""
    sandbox.breaks(status=503, path="/v1/readings", after=4)
    explorer.hear({"do": "load", "chosen": ["vib_001"], "last": "7d", "sure": True})
    picture = last(explorer, "picture")[0]
    assert "NOT complete" in " ".join(picture["remarks"])
    assert 0 < picture["statistics"][0]["rows"] < 10_080
    explorer.hear({"do": "frame", "name": "part"})
    assert not shell.user_ns["part"].attrs["immune"]["complete"]


def test_nothing_is_in_the_state(explorer):
    """After readings, library and frame the widget's state is its own script, and small."""
    explorer.hear({"do": "plotly"})
    explorer.hear({"do": "open"})
    library = gzip.decompress(last(explorer, "plotly")[1][0])
    assert b"Plotly" in library
    assert len(library) > 3_000_000
    state = json.dumps(ipywidgets.Widget.get_manager_state(widgets=[explorer]))
    assert len(state) < 100_000
    assert "rd_" not in state
    own = {key for key in explorer.keys if not key.startswith("_")} - set(ipywidgets.DOMWidget().keys)
    assert own == set()


def test_nothing_is_loaded_from_elsewhere(explorer):
    """Script and stylesheet name no other place; what is imported is made of bytes from the kernel."""
    assert "import " not in explorer._esm.replace("await import(url)", "")
    assert "http" not in explorer._esm.replace("http://www.w3.org", "") + explorer._css
    assert "url(" not in explorer._css


def test_a_range_without_a_start_is_refused(session):
    """An end alone would mean everything there ever was."""
    with pytest.raises(QueryError, match="start"):
        Exploration(session, ["vib_001"], last="", end="2026-11-01")


def test_a_name_is_checked_before_anything_is_made(explorer):
    """The variable's name is Python's rule, and the code takes it."""
    with pytest.raises(UsageError):
        explorer._do({"do": "name", "name": "not a name"})
    explorer.hear({"do": "name", "name": "week"})
    assert last(explorer, "code")[0]["code"]["line"].endswith("--out week")
