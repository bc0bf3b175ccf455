"""Politeness: when to wait, how long, and when to give up.

One `Gate` stands before all threads of a client. It is shut while the service asks for a pause, and where the service
announces how many calls are left it lets no more through than that: requests under way count as spent, for nobody
knows whether the service has counted them. After a reset one request goes ahead as a scout. `retries` repeats
what may be repeated, with exponential backoff and full jitter, inside one budget of seconds.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import tenacity

from immune_nb.allowances import calls_left, pause_asked, reset_in
from immune_nb.errors import BadReplyError, RateLimitedError, UnreachableError

__all__ = [
    "ATTEMPTS",
    "BUDGET_SECONDS",
    "Gate",
    "Halt",
    "Halted",
    "may_pass",
    "retries",
    "seconds_for",
]

ATTEMPTS = 5  # after a fault
ATTEMPTS_AT_NONSENSE = 3  # when an answer is cut short
ATTEMPTS_WHEN_LIMITED = 20  # when the service says that it is too much now
BUDGET_SECONDS = 120.0  # for all attempts and the waits between them
GRACE_SECONDS = BUDGET_SECONDS / 10  # for the last attempt at least
BREATH = 1.0  # seconds of a first pause after a 429 that names none
PLENTY = 1000  # calls left, of which no query can have so many under way that they would matter
LOOK = 0.05  # seconds between looks at what other threads did


class Halted(Exception):  # noqa: N818 - no error: somebody wants no more
    """The query this request belongs to was broken off."""


class Halt(threading.Event):
    """The wish of a query to stop, which every wait of its threads heeds."""

    def nap(self, seconds: float, sleep: Callable[[float], None]) -> None:
        """Wait, unless and until nobody wants the answer any more.

        Raises:
            Halted: Nobody does.
        """
        if sleep is time.sleep:  # an injected one is a test's, which waits for nothing
            self.wait(seconds)
        elif not self.is_set():
            sleep(seconds)
        if self.is_set():
            raise Halted


class Gate:
    """Holds back every thread of a client while the service wants fewer calls.

    Args:
        clock: Seconds, as `time.time` gives.
        sleep: Waits that many seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Condition()
        self._opens_at = 0.0
        self._under_way = 0
        self._floor: int | None = None  # the least calls left that the service stated since the last reset
        self._resets_at = 0.0
        self._scouting = True
        self._refusals = 0

    def hold(self, seconds: float) -> None:
        """Keep the gate shut for at least `seconds` from now."""
        with self._lock:
            self._opens_at = max(self._opens_at, self._clock() + seconds)

    @contextmanager
    def passage(self, halt: Halt | None = None) -> Iterator[None]:
        """Wait until one more request may go, and count it as under way meanwhile.

        Raises:
            RateLimitedError: The gate stays shut longer than a query may take.
            Halted: `halt` was set while we waited.
        """
        while not self._admits():
            self.wait(halt)
        try:
            if halt and halt.is_set():
                raise Halted
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                self._lock.notify_all()

    def wait(self, halt: Halt | None = None) -> None:
        """Wait for the opening, or a moment for other requests to return.

        Raises:
            RateLimitedError: It stays shut longer than a query may take.
            Halted: `halt` was set while we waited.
        """
        seconds = self._opens_at - self._clock()
        if seconds > BUDGET_SECONDS:
            limited = RateLimitedError(
                f"The service allows no more calls for {seconds:,.0f} s.", hint="Try again then.", retry_after=seconds
            )
            limited.reached = False
            raise limited
        if seconds > 0:
            (halt or Halt()).nap(seconds, self._sleep)
        else:
            with self._lock:
                if self._under_way:
                    self._lock.wait(LOOK)
            if halt and halt.is_set():
                raise Halted

    def heed(self, headers: Mapping[str, str], status: int) -> None:
        """Take in what an answer says of the service's limits."""
        now, left = self._clock(), calls_left(headers)
        pause = pause_asked(headers, now) if left == 0 or status in (429, 503) else None
        with self._lock:
            self._scouting = status == 429  # noqa: PLR2004
            self._refusals = self._refusals + 1 if status == 429 else 0  # noqa: PLR2004
            if left is not None:
                self._count(left, now, reset_in(headers, now) if left < PLENTY else None)
        if status == 429 and pause is None:  # noqa: PLR2004
            pause = random.uniform(0.5, 1) * BREATH * 2 ** min(self._refusals, 5)  # noqa: S311 - no secret
        if pause:
            self.hold(pause)

    def _count(self, left: int, now: float, reset_in: float | None) -> None:
        if reset_in is None:
            self._floor = None  # calls left of what, nobody says
            return
        same = now < self._resets_at and abs(now + reset_in - self._resets_at) < max(1.5, reset_in / 2)
        self._floor = min(left, self._floor) if same and self._floor is not None else left
        self._resets_at = now + reset_in

    def _admits(self) -> bool:
        with self._lock:
            now = self._clock()
            if now < self._opens_at:
                return False
            if self._floor is not None and now >= self._resets_at:
                self._floor, self._scouting = None, True
            if self._under_way and (self._scouting or (self._floor is not None and self._under_way >= self._floor)):
                return False
            self._under_way += 1
            return True


def retries(sleep: Callable[[float], None] = time.sleep, spent: float = 0.0) -> tenacity.Retrying:
    """Repeat a safe request while its failure may pass, within its attempts and `BUDGET_SECONDS`.

    Args:
        sleep: Waits that many seconds.
        spent: Seconds of the budget that are gone.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        wait=_wait,
        stop=partial(_is_enough, spent),
        sleep=sleep,
        reraise=True,
    )


def may_pass(error: BaseException) -> bool:
    """Whether asking again may help."""
    if isinstance(error, BadReplyError):
        return error.cut_short
    return isinstance(error, RateLimitedError) or (isinstance(error, UnreachableError) and error.transient)


def _asked(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, RateLimitedError) else None


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=20)


def _wait(state: tenacity.RetryCallState) -> float:
    return _asked(state) or _backoff(state)  # told to wait 0 s, wait a little all the same


def seconds_for(left: float) -> float:
    """How long the next attempt may take at most, of what is left of the budget."""
    return max(left, GRACE_SECONDS)


def _is_enough(spent: float, state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    match error:
        case RateLimitedError():
            attempts = ATTEMPTS_WHEN_LIMITED
        case BadReplyError():
            attempts = ATTEMPTS_AT_NONSENSE
        case _:
            attempts = ATTEMPTS
    seconds = spent + max(state.seconds_since_start or 0.0, state.idle_for) + state.upcoming_sleep
    return state.attempt_number >= attempts or seconds >= BUDGET_SECONDS
