"""The one table that turns answers which are no success into errors."""

from __future__ import annotations

import httpx

from immune_nb.allowances import pause_asked
from immune_nb.challenges import Challenge, read_challenge
from immune_nb.errors import (
    BadReplyError,
    ImmuneError,
    LoginRejectedError,
    QueryError,
    RateLimitedError,
    SessionExpiredError,
    UnreachableError,
    quoted,
)
from immune_nb.fetch.problems import Problem

__all__ = ["failure"]

HINTS = {  # by the codes of api-contract 1.5
    "SENSOR_NOT_FOUND": "`sensors` lists those there are.",
    "INVALID_TIMESTAMP": "Write it as 2024-01-20T15:30:00Z.",
}


def failure(response: httpx.Response, where: str, host: str, *, is_proven: bool, now: float) -> ImmuneError:
    """The error for an answer.

    Args:
        response: Its status is none of success.
        where: Method and path that it answers.
        host: Whose answer it is.
        is_proven: Whether the service has accepted this login before.
        now: Unix seconds, for a ``Retry-After`` that is a date.
    """
    problem, status = Problem.read(_json_or_none(response)), response.status_code
    challenge = read_challenge(response.headers.get("www-authenticate", ""))
    words = str(problem) or quoted(challenge.error, 60) or f"HTTP {status}"
    said = f"{where}: {words}"
    match status:
        case _ if challenge.error == "insufficient_scope":
            error: ImmuneError = _lacks_scope(said, challenge)
        case _ if status == httpx.codes.UNAUTHORIZED or problem.code == "AUTHENTICATION_ERROR":
            error = _login_failure(where, host, words, challenge, is_proven=is_proven)
        case 403:
            fault = f"{where}: this login may not do that, or has run out. The service says: {words}."
            error = LoginRejectedError(fault, hint="Check its scopes.")
        case 429:
            wait = pause_asked(response.headers, now)
            error = RateLimitedError(f"{said}. Too many requests.", hint="Try again later.", retry_after=wait)
        case 408 | 500 | 502 | 503 | 504:
            error = UnreachableError(f"{said} (status {status}).", hint="Try again later.")
        case _ if response.is_client_error:
            gone = status in (httpx.codes.NOT_FOUND, httpx.codes.GONE)
            astray = "" if _names_a_record(problem, where) else "Is base_url right, and the path?"
            hint = HINTS.get(problem.code, astray if gone else "Check the parameters.")
            error = QueryError(f"{said} (status {status}).", hint=hint, status=status)
        case _:
            error = BadReplyError(f"{said} (status {status}).", hint="Is base_url right?")
    return error


def _lacks_scope(said: str, challenge: Challenge) -> ImmuneError:
    """RFC 6750 3.1: the login is good, and not for this."""
    wanted = quoted(challenge.scope, 120)
    if not wanted:
        return LoginRejectedError(f"{said}. This login lacks a scope.", hint="Log in with more scopes.")
    return LoginRejectedError(
        f"{said}. This needs the scope {wanted!r}.", hint=f'Log in with it: %immune login --scopes "… {wanted}".'
    )


def _names_a_record(problem: Problem, where: str) -> bool:
    """Whether it is clear that the endpoint exists, and what it was asked for does not."""
    path = where.partition(" ")[2]
    named = path.rpartition("/")[2]
    return bool(problem.field) or (bool(named) and named in problem.message and path not in problem.message)


def _login_failure(where: str, host: str, words: str, challenge: Challenge, *, is_proven: bool) -> ImmuneError:
    """The service's words come last: they may speak of a token where an API key was sent."""
    if is_proven:
        return SessionExpiredError(
            f"{where}: the login is no longer valid. The service says: {words}.", hint="Log in again."
        )
    asks = f"It asks for {quoted(' or '.join(challenge.schemes), 60)}. " if challenge.schemes else ""
    return LoginRejectedError(
        f"{where}: the login was refused by {host}. The service says: {words}.",
        hint=f"{asks}Check the credential and the profile.",
    )


def _json_or_none(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
