"""What an authorization server answers, and which of its refusals is about the login (RFC 6749 5.2).

A refusal says a word. An answer without one, as a proxy on the way gives, may refuse a login that is tried for the
first time, and is no more than an outage for one that worked before.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import httpx

from immune_nb.allowances import pause_asked
from immune_nb.errors import BadReplyError, LoginRejectedError, RateLimitedError, UnreachableError, quoted

__all__ = ["FORM_TYPE", "check_reply", "is_over", "is_page", "json_object", "may_be_the_method", "oauth_error"]

FORM_TYPE = "application/x-www-form-urlencoded"
NOT_A_REFUSAL = frozenset({404, 405, 407, 408, 410, 413, 421, 425, 429, 451})  # whatever they say
NOWHERE = frozenset({404, 405, 410})
ASKS_FOR_PATIENCE = frozenset({429, 503})  # RFC 6585 4, RFC 9110 15.6.4
LONGEST_WAIT = 30 * 86_400.0  # seconds; what asks for more is no instruction
PASSING = frozenset({408, 425})
TEMPORARY = frozenset({"server_error", "temporarily_unavailable", "slow_down"})
OVER = frozenset({"invalid_grant", "invalid_token", "bad_refresh_token"})  # bad_… are GitHub's
# What a server may answer that knows only another way of client authentication.
MAY_BE_THE_METHOD = frozenset({"invalid_client", "invalid_request", "unauthorized_client", ""})
HINTS = {
    **dict.fromkeys((*OVER, "bad_verification_code"), "Log in again."),
    "invalid_client": "Check the client and its secret.",
    "unauthorized_client": "Check the client, its secret and what it is registered for.",
    "invalid_scope": "Check the scopes.",
    "invalid_target": "Check the resources.",
    "": "Check the client, its secret and scopes.",
}
HINTS_WITHOUT_SECRET = {
    **HINTS,
    "invalid_client": "Check the client: it was sent without a secret.",
    "unauthorized_client": "Check the client and what it is registered for.",
    "": "Check the client, which was sent without a secret, and the scopes.",
}


def oauth_error(reply: httpx.Response, field: str = "error") -> str:
    """`field` of an OAuth error answer (RFC 6749 5.2), flat or in an envelope; "" when there is none."""
    error = (_fields(reply) or {}).get(field)
    if isinstance(error, dict):
        error = error.get("code") or error.get("message")
    return error if isinstance(error, str) else ""


def json_object(reply: httpx.Response, where: str) -> dict[str, Any]:
    """The body as a JSON object, or as the form that some servers send instead.

    Raises:
        BadReplyError: It is something else.
    """
    body = _fields(reply)
    if body is not None:
        return body
    raise BadReplyError(f"{where} did not answer with a JSON object.", hint="Is that address right?")


def _fields(reply: httpx.Response) -> dict[str, Any] | None:
    """The fields of an answer; None when it has none."""
    try:
        body = reply.json()
    except (ValueError, RecursionError):
        is_form = FORM_TYPE in reply.headers.get("content-type", "")
        body = dict(parse_qsl(reply.content.decode("utf-8", errors="replace"))) if is_form else None
    return body if isinstance(body, dict) else None


def is_page(reply: httpx.Response) -> bool:
    """Whether a yes is none of a token endpoint, but a page, as a portal on the way shows."""
    return reply.is_success and _fields(reply) is None


def may_be_the_method(reply: httpx.Response) -> bool:
    """Whether a refusal may be about the way of client authentication: a 401 always, else by its word."""
    if not reply.is_client_error or reply.status_code in NOT_A_REFUSAL:
        return False
    return reply.status_code == httpx.codes.UNAUTHORIZED or oauth_error(reply) in MAY_BE_THE_METHOD


def is_over(reply: httpx.Response) -> bool:
    """Whether a refusal is about the login itself, so that asking again will not help."""
    return oauth_error(reply) in OVER


def check_reply(
    reply: httpx.Response,
    where: str,
    now: float,
    *,
    setting: str = "token_url",
    known: bool = False,
    is_public: bool = False,
) -> None:
    """Raise unless the server said yes.

    Args:
        reply: The answer of the token endpoint, or of one with the same errors.
        where: That endpoint.
        now: Unix seconds, for a date that says how long to wait.
        setting: Its name in a profile.
        known: Whether this login has worked before.
        is_public: Whether the client was sent without a secret.

    Raises:
        LoginRejectedError: The server refuses.
        RateLimitedError: It says how long to wait.
        UnreachableError: It answers with a server error, asks for patience, or somebody on the way answers for it.
        BadReplyError: It answers something else.
    """
    status, word = reply.status_code, oauth_error(reply)
    if reply.is_success and not word:
        return
    said = quoted(oauth_error(reply, "error_description") or oauth_error(reply, "errorSummary") or word).rstrip(".")
    answered = f"{where} answered {status}{said and f': {said}'}"
    seconds = pause_asked(reply.headers, now) if status in ASKS_FOR_PATIENCE else None
    if seconds is not None and seconds < LONGEST_WAIT:
        raise RateLimitedError(f"{answered}. Wait for {seconds:,.0f} s.", hint="Try again then.", retry_after=seconds)
    if reply.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS or word in TEMPORARY:
        raise UnreachableError(f"{answered}.", hint="Try again later.")
    if (reply.is_success or reply.is_client_error) and status not in NOT_A_REFUSAL and (word or not known):
        hints = HINTS_WITHOUT_SECRET if is_public else HINTS
        hint = hints.get(word, "Log in again." if known else hints[""])
        raise LoginRejectedError(f"{where} refused this login: {said or f'HTTP {status}'}.", hint=hint)
    if reply.is_client_error and status not in NOWHERE:
        hint = "Try again later, or log in again." if known else "Try again later."
        passes = status in PASSING
        raise UnreachableError(f"{answered}, perhaps for a proxy on the way.", hint=hint, transient=passes)
    raise BadReplyError(f"{answered}.", hint=f"Is {setting} right?")
