"""Politeness: when to wait, how long, and when to give up.

One `Gate` holds back all threads of a client while the service asks for a pause. `Retries` repeats what may be
repeated, with exponential backoff and full jitter, inside one budget of seconds.
"""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC

import tenacity

from immune_nb.errors import RateLimitedError, UnreachableError

__all__ = ["Gate", "calls_left", "pause_asked", "retries"]

ATTEMPTS = 5  # after a fault
ATTEMPTS_WHEN_TOLD = 20  # when the service itself says how long to wait
BUDGET_SECONDS = 120.0
EPOCH_MS = 1e11  # a reset beyond this, in seconds the year 5138, is in milliseconds
EPOCH_S = 1e9  # one below this is a number of seconds from now


class Gate:
    """Holds back every thread until an instant, and counts nothing.

    Args:
        clock: Seconds, as `time.time` gives.
        sleep: Waits that many seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._opens_at = 0.0

    def hold(self, seconds: float) -> None:
        """Keep the gate shut for at least `seconds` from now."""
        with self._lock:
            self._opens_at = max(self._opens_at, self._clock() + seconds)

    def wait(self) -> None:
        """Return when the gate is open.

        Raises:
            RateLimitedError: It stays shut longer than a query may take.
        """
        seconds = self._opens_at - self._clock()
        if seconds > BUDGET_SECONDS:
            raise RateLimitedError(
                f"The service allows no more calls for {seconds:,.0f} s.", hint="Try again then.", retry_after=seconds
            )
        if seconds > 0:
            self._sleep(seconds)


def retries(sleep: Callable[[float], None] = time.sleep) -> tenacity.Retrying:
    """Repeat a safe request while its failure may pass, within `ATTEMPTS` and `BUDGET_SECONDS`."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=_wait,
        stop=_is_enough,
        sleep=sleep,
        reraise=True,
    )


def pause_asked(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the service asks us to pause; None when it does not ask.

    Reads ``Retry-After`` (RFC 9110 10.2.3: seconds or a date), else ``X-RateLimit-Reset`` when no calls remain, in
    Unix seconds, milliseconds, or seconds from now. What is malformed is not an instruction.
    """
    text = headers.get("retry-after", "").strip()
    if text:
        seconds = _number(text)
        if seconds is None:
            return _seconds_until(text, now)
        return seconds if seconds >= 0 else None
    if calls_left(headers) != 0:
        return None
    reset = _number(headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or "")
    if reset is None:
        return None
    if reset >= EPOCH_S:
        reset = (reset / 1000 if reset > EPOCH_MS else reset) - now
    return max(0.0, reset)


def calls_left(headers: Mapping[str, str]) -> int | None:
    """``X-RateLimit-Remaining``, or None when the service does not say."""
    left = _number(headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining") or "")
    return None if left is None or left < 0 else int(left)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < EPOCH_MS * 1e4 else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, RateLimitedError) or (isinstance(error, UnreachableError) and error.transient)


def _asked(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, RateLimitedError) else None


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=20)


def _wait(state: tenacity.RetryCallState) -> float:
    return _asked(state) or _backoff(state)  # told to wait 0 s, wait a little all the same


def _is_enough(state: tenacity.RetryCallState) -> bool:
    attempts = ATTEMPTS if _asked(state) is None else ATTEMPTS_WHEN_TOLD
    seconds = (state.seconds_since_start or 0.0) + state.upcoming_sleep
    return state.attempt_number >= attempts or seconds >= BUDGET_SECONDS
