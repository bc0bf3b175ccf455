"""The one table that turns answers which are no success into errors."""

from __future__ import annotations

import httpx

from immune_nb.errors import (
    BadReplyError,
    ImmuneError,
    LoginRejectedError,
    QueryError,
    RateLimitedError,
    SessionExpiredError,
    UnreachableError,
)
from immune_nb.fetch.limits import pause_asked
from immune_nb.fetch.problems import Problem

__all__ = ["failure"]


def failure(response: httpx.Response, where: str, *, is_proven: bool, now: float) -> ImmuneError:
    """The error for an answer.

    Args:
        response: Its status is none of success.
        where: Method and path that it answers.
        is_proven: Whether the service has accepted this login before.
        now: Unix seconds, for a ``Retry-After`` that is a date.
    """
    problem = Problem.read(_json_or_none(response))
    status = response.status_code
    said = f"{where}: {problem}" if str(problem) else f"{where}: HTTP {status}"
    if status == httpx.codes.UNAUTHORIZED or problem.code == "AUTHENTICATION_ERROR":
        return _login_failure(said, is_proven=is_proven)
    match status:
        case 403:
            return LoginRejectedError(
                f"{said}. This login may not do that, or has run out.", hint="Check its scopes."
            )
        case 429:
            wait = pause_asked(response.headers, now)
            return RateLimitedError(f"{said}. Too many requests.", hint="Try again later.", retry_after=wait)
        case 408 | 500 | 502 | 503 | 504:
            return UnreachableError(f"{said} (status {status}).", hint="Try again later.")
    if response.is_client_error:
        return QueryError(f"{said} (status {status}).", status=status)
    return BadReplyError(f"{said} (status {status}).")


def _login_failure(said: str, *, is_proven: bool) -> ImmuneError:
    if is_proven:
        return SessionExpiredError(f"{said}. The login is no longer valid.", hint="Log in again.")
    return LoginRejectedError(f"{said}. The login was refused.", hint="Check the credential and the profile.")


def _json_or_none(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
