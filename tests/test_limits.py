"""Waiting: what the service asks for, and for how long we go along."""

import pytest

from immune_nb.errors import QueryError, RateLimitedError, UnreachableError
from immune_nb.fetch.limits import ATTEMPTS, BUDGET_SECONDS, Gate, calls_left, pause_asked, retries

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "86400"}, 86400),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10),
        ({"retry-after": "Tuesday, 14-Nov-23 22:13:30 GMT"}, 10),
        ({"retry-after": "Tue Nov 14 22:13:30 2023"}, 10),
        ({"retry-after": "Tue, 14 Nov 2000 22:13:30 GMT"}, 0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW + 7)}, 7),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str((NOW + 7) * 1000)}, 7),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "7"}, 7),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW - 7)}, 0),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": str(NOW + 7)}, None),
        ({"x-ratelimit-remaining": "0"}, None),
    ],
)
def test_what_the_service_asks_for(headers, seconds):
    """F01 to F04: seconds, three forms of date, reset in s, ms or delta; junk is no instruction."""
    assert pause_asked(headers, NOW) == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@pytest.mark.parametrize(("text", "left"), [("12", 12), ("", None), ("x", None), ("-3", None)])
def test_calls_left_are_read_or_unknown(text, left):
    """A header that is missing or malformed is not a zero."""
    assert calls_left({"x-ratelimit-remaining": text}) == left


class Naps:
    """Remembers how long it was asked to sleep, and does not."""

    def __init__(self):
        self.taken = []

    def __call__(self, seconds):
        self.taken.append(seconds)


def test_the_gate_holds_for_the_longest_pause_asked():
    """All threads wait for the latest opening; a shorter request does not open it."""
    naps = Naps()
    gate = Gate(lambda: 10.0, naps)
    gate.wait()
    gate.hold(5)
    gate.hold(2)
    gate.wait()
    assert naps.taken == [5]


def test_a_gate_shut_for_too_long_fails_at_once():
    """F03: `86400` is an error that names the wait, not a day's sleep."""
    naps = Naps()
    gate = Gate(lambda: 0.0, naps)
    gate.hold(86400)
    with pytest.raises(RateLimitedError, match="86,400 s") as caught:
        gate.wait()
    assert caught.value.retry_after == 86400
    assert naps.taken == []


def failing(*faults):
    """A call that raises these, one after the other, and then answers."""
    left = list(faults)

    def call():
        if left:
            raise left.pop(0)
        return "answer"

    return call


def test_a_fault_that_passes_is_survived():
    """F05: two 503s and then an answer."""
    naps = Naps()
    assert retries(naps)(failing(UnreachableError("503"), UnreachableError("503"))) == "answer"
    assert len(naps.taken) == 2


def test_backoff_is_jittered_and_grows():
    """F05: full jitter: every wait lies in [0, 0.5 * 2^n], and they are not all the same."""
    naps = Naps()
    for _ in range(50):
        with pytest.raises(UnreachableError):
            retries(naps)(failing(*(UnreachableError("503") for _ in range(9))))
    rounds = [naps.taken[i::4] for i in range(ATTEMPTS - 1)]
    assert all(0 <= nap <= 0.5 * 2**n for n, round_ in enumerate(rounds) for nap in round_)
    assert len(set(naps.taken)) > 100
    assert sum(rounds[-1]) > sum(rounds[0])


def test_what_the_service_asks_for_is_what_is_waited():
    """F01: 429 with Retry-After 2, twice: two waits of two seconds."""
    naps = Naps()
    assert retries(naps)(failing(*(RateLimitedError("slow", retry_after=2) for _ in range(2)))) == "answer"
    assert naps.taken == [2, 2]


@pytest.mark.parametrize(
    "fault",
    [
        QueryError("404"),
        UnreachableError("certificate", transient=False),
        RateLimitedError("tomorrow", retry_after=BUDGET_SECONDS + 1),
    ],
)
def test_what_cannot_pass_is_not_waited_for(fault):
    """F03, F07, F29: a wrong question, a bad certificate, a wait over budget: once, and no sleep."""
    naps = Naps()
    with pytest.raises(type(fault)):
        retries(naps)(failing(fault))
    assert naps.taken == []
