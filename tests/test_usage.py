"""What was asked of a service and what it allows is counted, per profile, for as long as the kernel lives."""

import threading

import httpx
import pytest

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.fetch.meters import Meter
from immune_nb.session import Session
from immune_nb.sessions import Sessions
from immune_nb.status import Usage

NOW = 1_700_000_000.0
EMPTY = b'{"data": [], "has_more": false}'
SAYS = {"X-RateLimit-Limit": "10000", "X-RateLimit-Remaining": "9990", "X-RateLimit-Reset": str(int(NOW) + 60)}


class Clock:
    """A clock that only waiting moves."""

    now = NOW

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def session(answer, name="lab"):
    profile = im.Profile(name, "https://api.example/v1")
    made = find_credentials(profile, {}, api_key="k")
    clock = Clock()
    return Session(profile, made, transport=httpx.MockTransport(answer), clock=clock, sleep=clock.sleep)


def test_calls_bytes_and_limits_are_counted():
    """Two answers, and what the last one said."""
    one = session(lambda request: httpx.Response(200, content=EMPTY, headers=SAYS))
    assert one.usage() == Usage("lab")
    one.sensors()
    one.sensors()
    assert one.usage() == Usage("lab", 2, 2 * len(EMPTY), 0, 10_000, 9_990, NOW + 60)


def test_refusals_and_repeated_calls_count():
    """Two refusals before the answer are calls, and refusals; a service that says nothing is not made to."""
    answers = iter([httpx.Response(503), httpx.Response(429), httpx.Response(200, content=EMPTY)])
    one = session(lambda request: next(answers))
    one.sensors()
    used = one.usage()
    assert (used.calls, used.refusals, used.limit, used.left, used.resets_at) == (3, 2, None, None, None)


def test_a_request_without_an_answer_counts():
    """It was sent, after all."""

    def broken(request):
        raise httpx.ConnectError("no")

    one = session(broken)
    with pytest.raises(im.UnreachableError):
        one.sensors()
    assert one.usage().calls == one.usage().refusals > 1


def test_usage_outlives_a_login():
    """A second login to a profile, and a logout, go on counting; profiles are counted apart."""
    kernel = Sessions()
    for name in ("lab", "lab", "other"):
        kernel.add(session(lambda request: httpx.Response(200, content=EMPTY, headers=SAYS), name))
        kernel.current().sensors()
    assert [(used.profile, used.calls) for used in kernel.usage()] == [("lab", 2), ("other", 1)]
    kernel.drop("lab")
    assert [(used.profile, used.calls, used.left) for used in kernel.usage()] == [
        ("lab", 2, 9_990),
        ("other", 1, 9_990),
    ]


def test_threads_lose_no_count():
    """Many at once are counted exactly."""
    meter = Meter()

    def work():
        for _ in range(500):
            meter.answered({}, 200, 3, NOW)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.calls, meter.received) == (4000, 12_000)
