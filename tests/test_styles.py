"""Any answer to a frame: real servers in the style of many services, each giving the right rows, types and end."""

import json

import pandas as pd
import pytest
from servers.styles import KEY, STYLES, serving

import immune_nb as im
from immune_nb.connecting import connect

ROWS = [
    {
        "id": f"r{n}",
        "n": n,
        "sensor_id": f"{n % 2:05}",  # an id that looks like a number
        "timestamp": (pd.Timestamp("2026-01-01") + pd.Timedelta(minutes=n)).isoformat() + "Z",
        "value": n / 8,
        "unit": "mm/s",
    }
    for n in range(37)
]
TIMES = pd.date_range("2026-01-01", periods=37, freq="min", tz="UTC", unit="us")
SURE = set(STYLES) - {"elastic", "esri", "total_header"}  # there a parameter is guessed
ON_ONE_PAGE = {name for name, style in STYLES.items() if style.size == 1000}


@pytest.fixture(scope="module")
def server():
    with serving(ROWS) as served:
        yield served


@pytest.fixture
def session(server):
    server.asked.clear()
    with_key = connect(im.Profile("lab", f"{server.origin}/v1"), api_key=KEY)
    yield with_key
    with_key.logout()


def column(frame, *names):
    """The one column that has this name, or ends in it."""
    found = [c for c in frame if c in names or c.rpartition(".")[2] in names]
    assert len(found) == 1, (names, list(frame))
    return frame[found[0]]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_rows_the_types_and_the_end(server, session, style):
    """Rows once each and in order, values as numbers, instants in UTC, ids as they are, complete, and said how."""
    frame = session.get(f"/{style}")
    paper = frame.attrs["immune"]
    assert (len(frame), paper["complete"], paper["stopped_by"]) == (37, True, "end")
    instants = column(frame, "timestamp", "@timestamp", "time", "timestamps", "phenomenonTime")
    values = column(frame, "value", "result", "vib")
    moved = pd.Timedelta("250ms") if style == "prometheus" else pd.Timedelta(0)
    got = pd.DataFrame({"at": (instants - moved).dt.as_unit("us"), "value": values}).sort_values(
        "at", ignore_index=True
    )
    assert str(instants.dtype) == "datetime64[us, UTC]"
    assert values.dtype == "float64"
    pd.testing.assert_frame_equal(
        got, pd.DataFrame({"at": TIMES, "value": [n / 8 for n in range(37)]}), check_freq=False
    )
    for ids in (frame[name] for name in frame if name.endswith("sensor_id")):
        assert set(ids) == {"00000", "00001"}
    assert paper["detected"]["sure"] is (style in SURE)
    assert ("paging" in paper["detected"]) is (style not in ON_ONE_PAGE)
    assert KEY not in json.dumps(paper)
    assert len(server.asked) < 25
