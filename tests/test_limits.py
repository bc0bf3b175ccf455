"""Waiting: what the service asks for, and for how long we go along."""

import pytest

from immune_nb.allowances import calls_allowed, calls_left, pause_asked, reset_in
from immune_nb.errors import QueryError, RateLimitedError, UnreachableError
from immune_nb.fetch.limits import (
    ATTEMPTS,
    BUDGET_SECONDS,
    Gate,
    Halt,
    Halted,
    retries,
    seconds_for,
)
from immune_nb.fetch.width import Width

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
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT", "date": "Tue, 14 Nov 2023 22:13:23 GMT"}, 7),
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
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "7"}, 7),
        ({"ratelimit": "limit=100, remaining=0, reset=7"}, 7),
        ({"ratelimit": '"100-in-1min"; r=0; t=7'}, 7),
        ({"ratelimit": '"r=0;t=9";r=3;t=7'}, None),
    ],
)
def test_what_the_service_asks_for(headers, seconds):
    """F01 to F04: seconds, three forms of date, reset in s, ms or delta; junk is no instruction."""
    assert pause_asked(headers, NOW) == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@pytest.mark.parametrize(("text", "left"), [("12", 12), ("", None), ("x", None), ("-3", None)])
def test_calls_left_are_read_or_unknown(text, left):
    """A header that is missing or malformed is not a zero."""
    assert calls_left({"x-ratelimit-remaining": text}) == left


@pytest.mark.parametrize(
    ("headers", "limit", "left", "reset"),
    [
        ({"ratelimit": "limit=100, remaining=98, reset=60"}, 100, 98, 60),
        ({"ratelimit": '"hour"; r=9; t=3000, "minute";r=2;t=50'}, None, 2, 50),
        ({"ratelimit-limit": "100", "ratelimit-remaining": "98", "ratelimit-reset": "60"}, 100, 98, 60),
        ({"x-rate-limit-limit": "100", "x-rate-limit-remaining": "98", "x-rate-limit-reset": "60"}, 100, 98, 60),
        ({"ratelimit": "nonsense;r"}, None, None, None),
    ],
)
def test_limits_are_read_in_every_spelling(headers, limit, left, reset):
    """Three families of names, and the draft's one field: of several policies, the one that ends first counts."""
    assert (calls_allowed(headers), calls_left(headers), reset_in(headers, NOW)) == (limit, left, reset)


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


def test_all_attempts_share_one_budget():
    """F12: what was spent before counts; the last attempt gets what is left, and a tenth of all of it at least."""
    naps = Naps()
    with pytest.raises(UnreachableError):
        retries(naps, BUDGET_SECONDS - 0.01)(failing(*(UnreachableError("503") for _ in range(9))))
    assert sum(naps.taken) < 0.01
    assert [seconds_for(left) for left in (120, 61, 59, 13, 1, -5)] == [120, 61, 59, 13, 12, 12]


def width_after(*answers, load=0.1, own=0.5):
    width = Width()
    for seconds, refused in answers:
        width.note(seconds, refused=refused, load=load, own=own)
    return width.now


def test_width_grows_while_answers_stay_quick_and_no_further():
    """Eight at first, up to 32; answers that take as long as before let it grow."""
    assert width_after() == 8
    assert width_after(*[(0.02, False)] * 10) == 18
    assert width_after(*[(0.02, False)] * 100) == 32


def test_width_eases_off_when_answers_queue_and_halves_on_a_refusal():
    """What takes thrice as long waits somewhere; a 429 or 503 is told to all; one at a time is the least."""
    grown = [(0.02, False)] * 24
    assert width_after(*grown, *[(0.1, False)] * 8) == 30
    assert width_after(*grown, *[(0.1, False)] * 800) == 8
    assert width_after(*grown, (0.02, True)) == 16
    assert width_after(*[(0.02, True)] * 20) == 1


def test_a_busy_process_asks_for_less_at_once_until_it_has_time_again():
    """Answers that queue for this process's CPU are not helped by more requests; an idle process is not held back."""
    queueing = [(0.001, False), *[(0.01, False)] * 20]
    assert width_after(*queueing[:3], load=1.3) == 2
    assert width_after(*queueing, load=0.1) == 8
    assert width_after(*[(0.001, False)] * 20, load=1.3) == 8
    assert width_after(*[(0.02, False)] * 20, load=1.3, own=0.03) == 28
    assert width_after(*queueing[:3], load=1.3, own=0.03) == 2
    width = Width()
    for seconds, _ in queueing:
        width.note(seconds, refused=False, load=1.3)
    for _ in range(12):
        width.note(0.05, refused=False, load=0.1)
    assert width.now == 8


def test_a_service_whose_answers_vary_is_no_busy_process():
    """Answers of 3 to 40 ms from an uneven service keep eight under way, though each meets a busy moment of ours."""

    def after(*loads):
        width = Width()
        for seconds, load in zip([0.003, 0.04, 0.01, 0.04, 0.01, 0.03] * 30, loads * 180, strict=False):
            width.note(seconds, refused=False, load=load)
        return width.now

    assert after(0.9) == after(0.2, 1.6, 0.9) == 8
    assert after(1.3) == 2


def told(left, reset, status=200):
    return {"x-ratelimit-remaining": str(left), "x-ratelimit-reset": str(reset)}, status


def test_requests_under_way_count_as_spent():
    """F04: three calls left and three under way: the fourth waits until one is back, and goes when it may."""
    gate = Gate(lambda: NOW, lambda seconds: None)
    gate.heed(*told(3, NOW + 60))
    first, second, third = gate.passage(), gate.passage(), gate.passage()
    for passage in (first, second, third):
        passage.__enter__()
    assert not gate._admits()
    gate.heed(*told(5, NOW + 60))  # out of turn: what was stated later counts
    third.__exit__(None, None, None)
    assert gate._admits()
    assert not gate._admits()


def test_after_a_reset_one_goes_ahead():
    """Nobody knows the new allowance until one request has asked."""
    now = [NOW]
    gate = Gate(lambda: now[0], lambda seconds: None)
    gate.heed(*told(1, NOW + 60))
    now[0] += 60
    assert gate._admits()
    assert not gate._admits()
    gate.heed(*told(9, NOW + 120))
    assert gate._admits()


def test_a_limit_without_a_reset_or_headers_holds_nobody():
    """Positive control of the above: what is not understood is no instruction."""
    gate = Gate(lambda: NOW, lambda seconds: None)
    gate.heed({"x-ratelimit-remaining": "1"}, 200)
    assert all(gate._admits() for _ in range(10))


def test_the_clock_of_the_service_counts():
    """A reset in Unix seconds is measured from the service's Date, for our clock may be minutes off."""
    headers = {**told(0, NOW + 7)[0], "date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    assert pause_asked(headers, NOW + 600) == pytest.approx(7)
    assert pause_asked(told(0, NOW + 7)[0], NOW + 600) == 0


def test_a_bare_429_holds_everybody_longer_each_time():
    """No Retry-After and no reset: all wait, and longer after each refusal."""
    gate = Gate(lambda: NOW, lambda seconds: None)
    opens = []
    for _ in range(5):
        gate.heed({}, 429)
        opens.append(gate._opens_at - NOW)
    assert 0.5 <= opens[0] <= 2
    assert opens == sorted(opens)
    assert opens[-1] > 8


def test_a_halt_ends_every_wait():
    """Who wants no more waits for nothing: not at the gate, not between attempts."""
    halt = Halt()
    halt.set()
    with pytest.raises(Halted):
        halt.nap(1000, lambda seconds: None)
    gate = Gate(lambda: 0.0, lambda seconds: None)
    gate.hold(50)
    with pytest.raises(Halted):
        gate.wait(halt)
    with pytest.raises(Halted), Gate().passage(halt):
        pass
