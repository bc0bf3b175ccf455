"""What an answer's headers say of time and of limits: the service's clock, how long to wait, how many calls are left.

Retry-After (RFC 9110 10.2.3); X-RateLimit-Limit, -Remaining and -Reset (api-contract 1.5), also spelled without the X
or as X-Rate-Limit; and the one RateLimit field of draft-ietf-httpapi-ratelimit-headers, in both its grammars. What is
malformed is not an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["ahead", "calls_allowed", "calls_left", "pause_asked", "reset_in"]

EPOCH_MS = 1e11  # a reset beyond this, in seconds the year 5138, is in milliseconds
EPOCH_S = 1e9  # one below this is a number of seconds from now
NAMES = {
    name: (f"x-ratelimit-{name}", f"ratelimit-{name}", f"x-rate-limit-{name}")
    for name in ("limit", "remaining", "reset")
}
POLICY = re.compile(r'"[^"]*"')  # its name, before its numbers
SHORT = {"q": "limit", "r": "remaining", "t": "reset"}
NUMBER = re.compile(r"\b(limit|remaining|reset|[qrt])\s*=\s*(\d+)", re.IGNORECASE)


def ahead(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the service's clock is ahead of `now`, in Unix seconds; None when it does not say."""
    there = _instant(headers.get("date", ""))
    return None if there is None else there - now


def pause_asked(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the service asks us to pause; None when it does not ask.

    ``Retry-After`` says so, in seconds or as a date; else the reset does when no calls remain.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return reset_in(headers, now) if calls_left(headers) == 0 else None
    seconds = _number(text)
    if seconds is not None:
        return seconds if seconds >= 0 else None
    until = _instant(text)
    return None if until is None else max(0.0, until - _its_now(headers, now))


def calls_left(headers: Mapping[str, str]) -> int | None:
    """Calls the service still allows in this period; None when it does not say."""
    return _count(_stated(headers, "remaining"))


def calls_allowed(headers: Mapping[str, str]) -> int | None:
    """Calls it allows in a period; None when it does not say."""
    return _count(_stated(headers, "limit"))


def reset_in(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the next period, stated in Unix seconds, milliseconds, or seconds from now; None when not."""
    reset = _number(_stated(headers, "reset"))
    if reset is None:
        return None
    if reset >= EPOCH_S:
        reset = (reset / 1000 if reset > EPOCH_MS else reset) - _its_now(headers, now)
    return max(0.0, reset)


def _its_now(headers: Mapping[str, str], now: float) -> float:
    """The time by the service's own clock, where it shows it: ours may be minutes off."""
    there = _instant(headers.get("date", ""))
    return now if there is None else there


def _instant(date: str) -> float | None:
    """An HTTP date in Unix seconds; one without a zone is UTC."""
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _stated(headers: Mapping[str, str], name: str) -> str:
    said = next(filter(None, map(headers.get, NAMES[name])), "")
    return _in_one_field(headers["ratelimit"]).get(name, "") if not said and "ratelimit" in headers else said


def _in_one_field(text: str) -> Mapping[str, str]:
    """The numbers of the policy with the fewest calls left."""
    policies = [
        {SHORT.get(name, name): number for name, number in NUMBER.findall(part.lower())}
        for part in POLICY.split(text)
    ]
    return min((p for p in policies if "remaining" in p), key=lambda p: int(p["remaining"]), default={})


def _count(text: str) -> int | None:
    number = _number(text)
    return None if number is None or number < 0 else int(number)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < EPOCH_MS * 1e4 else None
