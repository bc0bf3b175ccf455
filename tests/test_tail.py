"""Following new readings: what is new, what is late, how politely, and how it ends."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from IPython.core.error import UsageError

from immune_nb.errors import LoginError, QueryError, ServiceError
from immune_nb.notebook.tail import Follower, seconds_of
from immune_nb.notebook.tailing import Tail, as_line, print_lines

PATIENCE = 30


def submit(session, value: float, *, ago: float = 0.0, sensor: str = "temp_003") -> None:
    """Send a reading, of some seconds ago."""
    when = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    body = {"sensor_id": sensor, "value": value, "unit": "°C", "timestamp": when}
    session.request("POST", "/readings", json=body)


def values(readings) -> list[float]:
    return [reading["value"] for reading in readings]


def test_each_reading_is_told_once_late_ones_too(session):
    """What is new since the last look, one that is dated earlier included, and nothing twice."""
    follower = Follower(session, ["temp_003"], 1.0)
    assert len(follower.look()) >= 10
    submit(session, 1234.5)
    assert 1234.5 in values(follower.look())
    submit(session, 99.25, ago=45)
    assert 99.25 in values(follower.look())
    assert not {1234.5, 99.25} & set(values(follower.look()))


def test_a_look_is_one_request_per_sensor(session, sandbox):
    """Following is cheap: what is known is not asked for again."""
    follower = Follower(session, ["temp_003", "vib_001"], 1.0)
    follower.look()
    before = len(sandbox.log("/v1/readings"))
    follower.look()
    assert len(sandbox.log("/v1/readings")) - before == 2


def test_few_calls_left_are_made_to_last(session, sandbox):
    """Where the service says that hardly any calls are left, looks become rare."""
    follower = Follower(session, ["temp_003"], 2.0)
    follower.look()
    assert follower.pause == 2.0
    sandbox.breaks(rate_limit=40, rate_window_s=60)
    follower.look()
    assert follower.pause >= 20.0


def test_failures_are_told_and_at_last_end_it(session, sandbox):
    """A service that fails is asked again, a few times; then the failure is raised."""
    follower = Follower(session, ["temp_003"], 1.0)
    follower.every = follower.pause = 0.0
    sandbox.breaks(status=400, path="/v1/readings")
    with pytest.raises(QueryError):
        follower.follow(lambda news, said: None)
    sandbox.breaks(status=503, path="/v1/readings")
    told: list[str] = []
    with pytest.raises(ServiceError):
        follower.follow(lambda news, said: told.append(said))
    assert len(told) == 4
    assert all(told)


def test_a_logout_ends_it(session):
    """Without its login nothing is looked for."""
    follower = Follower(session, ["temp_003"], 1.0)
    follower.look()
    session.logout()
    with pytest.raises(LoginError):
        follower.look()


def test_it_ends_when_its_time_is_over(session):
    """The bound is kept, and what came is printed, a line each."""
    lines: list[str] = []
    print_lines(Follower(session, ["temp_003"], 60.0, bound=0.2), lines.append)
    assert len(lines) >= 10
    assert "temp_003" in lines[0]
    assert "°C" in lines[0]


def test_ctrl_c_ends_it_without_a_traceback(session):
    """The terminal's way to stop."""

    def write(text: str) -> None:
        lines.append(text)
        if len(lines) == 1:
            raise KeyboardInterrupt

    lines: list[str] = []
    print_lines(Follower(session, ["temp_003"], 60.0), write)
    assert lines[-1] == "Stopped."


class Events:
    """A shell's events, as far as a tail needs them."""

    def __init__(self) -> None:
        self.called: list = []

    def register(self, name, function) -> None:
        self.called.append(function)

    def unregister(self, name, function) -> None:
        self.called.remove(function)


class Held(Follower):
    """One that begins when it is told to."""

    def __init__(self, *asked) -> None:
        super().__init__(*asked)
        self.begins = threading.Event()

    def follow(self, tell) -> None:
        self.begins.wait(PATIENCE)
        super().follow(tell)


@pytest.fixture
def tail(session):
    """A tail that has not looked yet."""
    widget = Tail(Held(session, ["temp_003"], 60.0), Events())
    yield widget
    widget.stop("")
    widget._follower.begins.set()
    widget._thread.join(PATIENCE)
    widget.close()


def ended(widget: Tail) -> bool:
    widget._follower.begins.set()
    widget._thread.join(PATIENCE)
    return not widget._thread.is_alive() and not widget._events.called


def test_stop_stops_the_thread(tail):
    """The button's message ends it, and leaves no thread and no callback behind."""
    tail.hear({"do": "stop"})
    assert ended(tail)


def test_an_interrupted_cell_stops_it_and_another_does_not(tail):
    """Whoever interrupts the kernel means this, too."""
    (after,) = tail._events.called
    after(SimpleNamespace(error_in_exec=ValueError()))
    assert not tail._follower.stopped.is_set()
    after(SimpleNamespace(error_in_exec=KeyboardInterrupt()))
    assert ended(tail)
    assert tail._said == "Stopped by an interrupt."


def test_a_view_that_opens_late_is_told_everything(tail):
    """What was read before is sent again, to show; nothing of it is state."""
    sent, seen = [], threading.Event()
    tail.send = lambda content, buffers=(): (sent.append(content), seen.set())
    tail._follower.begins.set()
    assert seen.wait(PATIENCE)
    news = sent[0]["readings"]
    assert len(news) >= 10
    tail.hear({"do": "open"})
    assert sent[-1]["kind"] == "all"
    assert sent[-1]["readings"] == news
    assert {key for key in tail.keys if not key.startswith("_")} <= {"layout", "tabbable", "tooltip"}


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5), ("0.5 m", 30), ("1h", 3600), ("2min", 120), ("7", 7)])
def test_spans_are_read(text, seconds):
    """Seconds, minutes and hours."""
    assert seconds_of("--every", text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "0s", "5 days"])
def test_what_is_no_span_is_refused(text):
    """The message names the option and repeats nothing."""
    with pytest.raises(UsageError, match="--every wants a span"):
        seconds_of("--every", text)


def test_a_reading_without_much_is_a_line_all_the_same():
    """Missing value, unit and quality."""
    reading = {"at": 0.0, "sensor_id": "a", "value": None, "unit": None, "quality": None}
    assert as_line(reading) == "1970-01-01 00:00:00 UTC  a  –"
