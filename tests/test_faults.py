"""The gauntlet's faults on the fetch path: a frame is the truth, or an error says so and holds true rows."""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter

import httpx
import pandas as pd
import pytest
from conftest import day
from test_windows import BEGIN, DAY, SECOND, Plant, iso

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.session import Session

ASK = {"start": day(20), "end": day(17)}
READINGS = "/v1/readings"


@pytest.fixture(scope="module")
def truth(sandbox_process):
    """Three days of `vib_001`, in peace."""
    session = Session(
        sandbox_process.profile, find_credentials(sandbox_process.profile, {}, api_key=sandbox_process.api_key)
    )
    frame = session.readings("vib_001", **ASK)
    session.logout()
    assert frame.attrs["immune"]["complete"]
    return frame


class Time:
    """A clock that only waiting moves, for many threads."""

    def __init__(self):
        self.now = 1_700_000_000.0
        self.lock = threading.Lock()

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        with self.lock:
            self.now += seconds


class Limited(Plant):
    """So many requests a minute, and a 429 for each beyond; it notes when each came."""

    def __init__(self, *args, clock, most, announced=True, **how):
        super().__init__(*args, **how)
        self.clock, self.most, self.announced = clock, most, announced
        self.spent, self.refused, self.early, self.gate = Counter(), 0, 0, threading.Lock()

    def __call__(self, request):
        with self.gate:
            minute = int(self.clock() // 60)
            self.spent[minute] += 1
            left = self.most - self.spent[minute]
            told = {"X-RateLimit-Remaining": str(max(0, left)), "X-RateLimit-Reset": str((minute + 1) * 60)}
        if left < 0:
            self.refused += 1
            return httpx.Response(429, headers=told if self.announced else {})
        answer = super().__call__(request)
        return httpx.Response(200, content=answer.content, headers=told if self.announced else {})


def logged_in(transport, clock=None):
    profile = im.Profile("lab", "https://api.example/v1")
    made = find_credentials(profile, {}, api_key="k")
    rest = clock or Time()
    return Session(profile, made, transport=httpx.MockTransport(transport), clock=rest, sleep=rest.sleep)


@pytest.mark.parametrize("announced", [True, False])
def test_a_limit_is_kept_when_announced_and_survived_when_not(announced):
    """F04: 300 pages at 100 requests a minute: told so, no request is ever refused; not told, it still ends whole."""
    clock = Time()
    server = Limited(
        [BEGIN + n * 60 * SECOND for n in range(3000)], page=10, clock=clock, most=100, announced=announced
    )
    frame = logged_in(server, clock).readings(start=iso(BEGIN), end=iso(BEGIN + 3000 * 60 * SECOND))
    assert (len(frame), frame.attrs["immune"]["complete"]) == (3000, True)
    assert (server.refused == 0) is announced
    assert sum(server.spent.values()) - server.refused < 340


def test_nobody_asks_before_the_pause_is_over():
    """F01, F04: a 429 with Retry-After in the middle: from then on no thread asks until it is allowed."""
    clock, answers, early = Time(), [], []
    server = Plant([BEGIN + n * 60 * SECOND for n in range(1000)], page=10)
    lock, opens = threading.Lock(), [0.0]

    def pausing(request):
        with lock:
            answers.append(clock())
            if len(answers) in (30, 31, 32):
                opens[0] = clock() + 7
                return httpx.Response(429, headers={"Retry-After": "7"})
            early.append(clock() < opens[0])
        return server(request)

    frame = logged_in(pausing, clock).readings(start=iso(BEGIN), end=iso(BEGIN + DAY))
    assert len(frame) == 1000
    assert sum(early) <= 32  # those under way when it was said


@pytest.mark.parametrize(
    "switches",
    [
        {"after": 2, "next": 3, "status": 503},
        {"after": 1, "next": 2, "status": 429, "retry_after": "0"},
        {"every": 3, "next": 3, "cut": "length"},
        {"every": 2, "next": 3, "cut": "chunked"},
        {"every": 2, "next": 2, "cut": "gzip"},
        {"every": 2, "next": 2, "cut": "json"},
        {"every": 2, "next": 2, "cut": "json", "cut_at": 0.01},
        {"after": 2, "page": "repeat"},
        {"drip_ms": 1},
    ],
    ids=str,
)
def test_faults_that_pass_leave_no_trace(sandbox, session, truth, switches):
    """F01, F05, F08 to F10, F12, F13, F17: the frame is the truth, and no page that came is asked for again."""
    sandbox.control("POST", "reset")
    sandbox.breaks(path=READINGS, **switches)
    pd.testing.assert_frame_equal(session.readings("vib_001", **ASK), truth)
    good = Counter(e["query"] for e in sandbox.log(READINGS) if e["status"] == 200)
    if "cut" not in switches:  # an answer that was cut is a 200 too
        assert max(good.values()) == 1


@pytest.mark.parametrize(
    ("switches", "kind"),
    [
        ({"status": 503}, im.UnreachableError),
        ({"status": 429, "retry_after": "86400"}, im.RateLimitedError),
        ({"status": 404}, im.QueryError),
        ({"body": "<html>Please log in</html>", "body_type": "text/html"}, im.BadReplyError),
        ({"body": '{"data": [{"id": "é'}, im.BadReplyError),
        ({"cut": "gzip"}, im.BadReplyError),
        ({"status": 302, "location": "https://elsewhere.example/"}, im.BadReplyError),
    ],
    ids=str,
)
def test_faults_that_stay_are_errors_when_nothing_came(sandbox, session, switches, kind):
    """F03, F05, F07, F10, F13, F14, F30: the error of its kind, and never an empty frame."""
    sandbox.breaks(path=READINGS, **switches)
    with pytest.raises(kind):
        session.readings("vib_001", **ASK)


@pytest.mark.parametrize(
    "switches",
    [
        {"after": 2, "status": 503},
        {"after": 3, "status": 403},
        {"after": 2, "status": 429, "retry_after": "86400"},
        {"after": 2, "body": "<html>"},
        {"after": 2, "cut": "json"},
        {"page": "empty", "after": 1},
        {"count_off": 1},
        {"count_off": -1},
    ],
    ids=str,
)
def test_faults_that_stay_hold_what_came(sandbox, session, truth, switches):
    """F03, F05, F06, F13, F14, F18, F19: IncompleteError; its rows are true, once each, and marked as not whole."""
    sandbox.breaks(path=READINGS, **switches)
    with pytest.raises(im.IncompleteError) as caught:
        session.readings("vib_001", **ASK)
    assert_true(caught.value.frame, truth)
    assert caught.value.frame.attrs["immune"]["complete"] is False


@pytest.mark.parametrize(
    "body", ["null", "[]", '{"data": []}', '{"data": [], "has_more": false, "total_count": 0}', ""]
)
def test_nothing_is_an_empty_frame(sandbox, session, body):
    """F15: every form of nothing is no rows, with all columns."""
    sandbox.breaks(path=READINGS, body=body)
    frame = session.readings("vib_001", **ASK)
    assert (len(frame), "value" in frame) == (0, True)


def assert_true(frame, truth):
    """Every row is one of the truth, as it is there, and none is there twice."""
    assert frame["id"].is_unique
    held = truth[truth["id"].isin(frame["id"])].reset_index(drop=True)
    got = frame.assign(**{n: frame[n].astype(object) for n in frame if str(frame[n].dtype) == "category"})
    held = held.assign(**{n: held[n].astype(object) for n in held if str(held[n].dtype) == "category"})
    pd.testing.assert_frame_equal(got, held, check_dtype=False)


def test_a_frame_that_is_not_true_is_seen():
    """Positive control: a changed value and a doubled row each fail the comparison above."""
    truth = Plant([BEGIN, BEGIN + SECOND]).session().readings()
    assert_true(truth.head(1), truth)
    for wrong in (truth.assign(value=9.0), pd.concat([truth, truth], ignore_index=True)):
        with pytest.raises(AssertionError):
            assert_true(wrong, truth)


def random_fault(dice):
    """Some fault, somewhere, for a while or for ever."""
    what = dice.choice(
        [
            {"status": dice.choice([429, 500, 502, 503, 504])},
            {"cut": dice.choice(["length", "chunked", "gzip", "json"])},
        ]
        + [{"page": dice.choice(["repeat", "empty"])}, {"count_off": dice.choice([-2, -1, 1, 5])}]
        + [{"count_varies": True}, {"body": dice.choice(["", "<p>", '{"data": [', "[]"])}, {}]
    )
    where = {"after": dice.randrange(6), "every": dice.randrange(1, 4), "next": dice.choice([-1, 1, 2, 5])}
    return {**what, **where, "cut_at": dice.random() if "cut" in what else 0.6}


def soak(sandbox, session, truth, queries, seed):
    """Ask under random faults, and count how it went."""
    dice, went = random.Random(seed), Counter()
    for _ in range(queries):
        fault = random_fault(dice)
        sandbox.breaks(path=READINGS, **fault)
        try:
            frame = session.readings("vib_001", **ASK)
        except im.IncompleteError as error:
            assert_true(error.frame, truth)
            went["incomplete"] += 1
        except im.ServiceError:
            went["nothing"] += 1
        else:
            whole = len(frame) == len(truth)
            assert whole or fault.get("body") in ("", "[]"), fault  # a service that says there is nothing is believed
            assert_true(frame, truth)
            went["whole" if whole else "empty"] += 1
    return went


def test_a_short_soak_of_random_faults(sandbox, session, truth):
    """Some queries: every frame is the truth, or an error with true rows; all outcomes occur."""
    went = soak(sandbox, session, truth, 25, seed=4)
    assert min(went["whole"], went["incomplete"], went["nothing"]) > 0


@pytest.mark.slow
def test_a_long_soak_of_random_faults(sandbox, session, truth):
    """A hundred queries of the same, or as many as `SOAK_QUERIES` says: a thousand take some minutes."""
    queries = int(os.environ.get("SOAK_QUERIES", "100"))
    assert sum(soak(sandbox, session, truth, queries, seed=2026).values()) == queries


@pytest.fixture
def silent():
    """A server that takes every request and answers none until it is told to."""
    import socket

    listener, held = socket.create_server(("127.0.0.1", 0)), []
    reached, answers = threading.Event(), threading.Event()
    body = b'{"data":[],"has_more":false,"total_count":0}'

    def talk(connection):
        with connection, contextlib.suppress(OSError):
            while connection.recv(65536):
                reached.set()
                answers.wait()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=talk, args=[connection], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1], reached, answers
    listener.close()
    answers.set()
    for connection in held:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # which ends the talk, and that closes it


@pytest.mark.parametrize("sensors", [["a"], ["a", "b", "c", "d"]])
def test_ctrl_c_ends_a_query_at_once_and_leaves_nothing_behind(silent, sensors):
    """F27: one request or several hang; the interrupt ends them, no thread stays, and the session goes on working."""
    port, reached, answers = silent
    profile = im.Profile("lab", f"http://127.0.0.1:{port}")
    session = Session(profile, find_credentials(profile, {}, api_key="k"))

    def interrupt():
        reached.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        session.readings(sensors)
    assert time.monotonic() - began < 5  # a hung read alone would last 30 s
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("immune_nb")]
    answers.set()
    assert len(session.readings(sensors)) == 0


QUERIES = {
    "readings": lambda session, **how: session.readings(start=iso(BEGIN), end=iso(BEGIN + DAY), **how),
    "sensors": lambda session, **how: session.sensors(**how),
    "alerts": lambda session, **how: session.alerts(**how),
    "predictions": lambda session, **how: session.predictions(**how),
    "get": lambda session, **how: session.get("/machines", **how),
}


@pytest.mark.parametrize("query", QUERIES)
def test_progress_is_told_in_the_calling_thread(query):
    """Rows and pages only grow, the last telling is the whole, and a widget may be touched from there."""
    told, threads = [], set()

    def progress(tally):
        told.append(tally)
        threads.add(threading.current_thread())

    server = Plant([BEGIN + n * 60 * SECOND for n in range(500)])
    QUERIES[query](logged_in(server), progress=progress)
    assert threads == {threading.main_thread()}
    assert told[-1] == (500, len(server.asked), 500)
    assert [tally.rows for tally in told] == sorted(tally.rows for tally in told)
