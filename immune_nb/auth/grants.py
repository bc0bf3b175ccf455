"""The OAuth protocol: what is sent to a token endpoint, and what its answers mean.

Protocol only: no printing, no storage, no waiting. The forms are authlib's, the transport is ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import quote_plus

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.auth.transport import QuietTransport
from immune_nb.errors import BadReplyError, ConfigError, LoginRejectedError, UnreachableError, quoted
from immune_nb.profiles import Profile

__all__ = ["ClientCredentials"]

TIMEOUT = httpx.Timeout(30, connect=10).as_dict()
FORM = "application/x-www-form-urlencoded"
# What a server may answer that knows only the other way of client authentication.
MAY_BE_THE_METHOD = frozenset({"invalid_client", "invalid_request", "unauthorized_client", ""})


class ClientCredentials:
    """The client credentials grant (RFC 6749 4.4): call it for a new token.

    Args:
        profile: Names the token endpoint, the scopes and how the client authenticates.
        client_id: The client's id.
        client_secret: The client's secret.
        transport: What sends; a quiet pool of its own by default.
        clock: Seconds, as `time.time` gives.

    Raises:
        ConfigError: The profile has no token endpoint.
    """

    def __init__(
        self,
        profile: Profile,
        client_id: str,
        client_secret: Secret,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not profile.token_url:
            raise ConfigError(
                f"Profile {profile.name!r} has no token_url.",
                hint=f"Set it in the profile, or {profile.env_prefix}_TOKEN_URL.",
            )
        self._url = profile.token_url
        self._where = profile.token_url.partition("?")[0]
        self._scopes = profile.scopes
        self._ways = ["basic", "body"] if profile.client_auth == "auto" else [profile.client_auth]
        self._id = client_id
        self._secret = client_secret
        self._transport = QuietTransport(self._url, transport)
        self._clock = clock

    def __call__(self) -> Token:
        """Ask the token endpoint.

        Returns:
            A new access token.

        Raises:
            LoginRejectedError: The server refuses this client.
            UnreachableError: It does not answer, or with a server error.
            BadReplyError: It answers something that is not a token.
        """
        reply = self._ask()
        while reply.is_client_error and _oauth_error(reply) in MAY_BE_THE_METHOD and len(self._ways) > 1:
            self._ways.pop(0)
            reply = self._ask()
        _check(reply, self._where)
        return Token.from_reply(_json_object(reply, self._where), self._clock())

    def close(self) -> None:
        """Close the connections to the token endpoint."""
        self._transport.close()

    def _ask(self) -> httpx.Response:
        # Straight to the transport: no redirects, cookies or logs, and no local that holds the signed request.
        return self._transport.handle_request(self._request(self._ways[0]))

    def _request(self, way: str) -> httpx.Request:
        form = prepare_token_request("client_credentials", scope=self._scopes)
        headers = {"Content-Type": FORM, "Accept": "application/json", "User-Agent": "immune_nb"}
        url, headers, form = _client_auth(self._id, self._secret, way).prepare("POST", self._url, headers, form)
        return httpx.Request("POST", url, headers=headers, content=form, extensions={"timeout": TIMEOUT})

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A login cannot be pickled or copied.")


def _client_auth(client_id: str, secret: Secret, way: str) -> ClientAuth:
    if way == "body":
        return ClientAuth(client_id, secret.reveal(), "client_secret_post")
    # RFC 6749 2.3.1: form-encode both before they are joined. authlib leaves that to its caller.
    return ClientAuth(quote_plus(client_id), quote_plus(secret.reveal()), "client_secret_basic")


def _check(reply: httpx.Response, where: str) -> None:
    """Raise unless the token endpoint said yes (RFC 6749 5.2)."""
    status = reply.status_code
    if status == httpx.codes.OK:
        return
    if reply.is_client_error and status not in (httpx.codes.NOT_FOUND, httpx.codes.TOO_MANY_REQUESTS):
        said = _oauth_error(reply, "error_description") or _oauth_error(reply) or f"HTTP {status}"
        raise LoginRejectedError(
            f"{where} refused this client: {quoted(said).rstrip('.')}.",
            hint="Check the client id, secret and scopes.",
        )
    if reply.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS:
        raise UnreachableError(f"{where} answered {status}.", hint="Try again later.")
    raise BadReplyError(f"{where} answered {status}, not a token.", hint="Is token_url right?")


def _oauth_error(reply: httpx.Response, field: str = "error") -> str:
    """`field` of an OAuth error answer, flat or in an envelope; "" when there is none."""
    try:
        body = reply.json()
    except ValueError:
        return ""
    error = body.get(field) if isinstance(body, dict) else None
    if isinstance(error, dict):
        error = error.get("code") or error.get("message")
    return error if isinstance(error, str) else ""


def _json_object(reply: httpx.Response, where: str) -> dict[str, Any]:
    try:
        body = reply.json()
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    raise BadReplyError(f"{where} did not answer with a JSON object.", hint="Is token_url right?")
