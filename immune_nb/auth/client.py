"""An OAuth client at its authorization server: how it says who it is, and how it reads the answers.

The forms and signatures are authlib's, the transport is ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote_plus

import httpx
from authlib.common.urls import add_params_to_qs
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from immune_nb.auth.echoes import without_echoes
from immune_nb.auth.secrets import Secret
from immune_nb.auth.server import TIMEOUT, Server, find_server
from immune_nb.auth.tokens import Token
from immune_nb.auth.transport import QuietTransport, Transport, origin_of
from immune_nb.errors import BadReplyError, LoginRejectedError, UnreachableError, quoted
from immune_nb.profiles import Profile

__all__ = ["OAuthClient", "oauth_error"]

FORM = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "User-Agent": "immune_nb",
    "Connection": "close",  # a kept connection may be dead, and a token request cannot be sent twice
}
TOLD = frozenset({"refresh_token", "code", "code_verifier", "device_code", "token"})
# What a server may answer that knows only the other way of client authentication.
MAY_BE_THE_METHOD = frozenset({"invalid_client", "invalid_request", "unauthorized_client", ""})


class OAuthClient:
    """One client of one authorization server.

    Args:
        profile: Names the server, the scopes and the way to authenticate.
        client_id: The client's id.
        secret: Its secret, or its private key in PEM form (RFC 7523); None for a public client.
        transport: What sends, instead of connection pools.
        clock: Unix seconds.
        server: The server, when it is known already.

    Raises:
        ConfigError: The server's metadata cannot be trusted.
        ServiceError: They cannot be had.
    """

    def __init__(
        self,
        profile: Profile,
        client_id: str,
        secret: Secret | None = None,
        *,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.time,
        server: Server | None = None,
    ) -> None:
        self.profile = profile
        self.client_id = client_id
        self.clock = clock
        self.server = server or find_server(profile, transport)
        self._secret = secret
        self._ways = _ways(profile, secret)
        self._transport = transport
        self._pools: dict[object, QuietTransport] = {}

    def token(self, grant_type: str, **fields: object) -> Token:
        """Ask the token endpoint for a token.

        Args:
            grant_type: The grant (RFC 6749 4, RFC 8628 3.4).
            fields: Its parameters; empty ones are left out.

        Raises:
            LoginRejectedError: The server refuses.
            UnreachableError: It does not answer, or with a server error.
            BadReplyError: It answers something that is not a token.
        """
        return self.read(self.ask(grant_type, **fields))

    def ask(self, grant_type: str, **fields: object) -> httpx.Response:
        """Send a token request, and return whatever comes."""
        url = self.server.url("token_url", self.profile)
        form = prepare_token_request(grant_type, **fields)
        return self.post(url, add_params_to_qs(form, [("resource", r) for r in self.profile.resources]))

    def post(self, url: str, form: str) -> httpx.Response:
        """Send a form as this client; where the way to authenticate is not fixed, the other one after a refusal."""
        reply = self._send(url, form)
        while reply.is_client_error and oauth_error(reply) in MAY_BE_THE_METHOD and len(self._ways) > 1:
            self._ways.pop(0)
            reply = self._send(url, form)
        return reply

    def read(self, reply: httpx.Response) -> Token:
        """The token in an answer; see `token` for what is raised."""
        where = self.server.url("token_url", self.profile).partition("?")[0]
        _check(reply, where)
        return Token.from_reply(json_object(reply, where), self.clock())

    def close(self) -> None:
        """Close the connections to the server, and let go of the secret."""
        self._secret = None
        for pool in self._pools.values():
            pool.close()

    def _send(self, url: str, form: str) -> httpx.Response:
        # Straight to the transport: no redirects, cookies or logs, and no local that holds the signed request.
        origin = origin_of(url)
        if origin not in self._pools:
            self._pools[origin] = QuietTransport(url, self._transport)
        reply = self._pools[origin].handle_request(self._signed(url, form))
        return reply if reply.is_success else without_echoes(reply, self._sent(form))

    def _sent(self, form: str) -> list[str]:
        """The secrets of a request; a refusal may quote them."""
        told = [text for name, text in parse_qsl(form) if name in TOLD]
        return [*told, self._secret.reveal()] if self._secret else told

    def _signed(self, url: str, form: str) -> httpx.Request:
        signer = _signer(self.client_id, self._secret, self._ways[0], url)
        url, headers, form = signer.prepare("POST", url, dict(FORM), form)
        return httpx.Request("POST", url, headers=headers, content=form, extensions={"timeout": TIMEOUT})

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A login cannot be pickled or copied.")


def _ways(profile: Profile, secret: Secret | None) -> list[str]:
    if secret is None:
        return ["none"]
    if secret.is_pem:
        return ["jwt"]
    return ["basic", "body"] if profile.client_auth == "auto" else [profile.client_auth]


def _signer(client_id: str, secret: Secret | None, way: str, url: str) -> ClientAuth:
    """Client authentication by authlib, set up (RFC 6749 2.3, RFC 7523 2.2)."""
    if secret is None or way == "none":
        return ClientAuth(client_id, "", "none")
    if way == "body":
        return ClientAuth(client_id, secret.reveal(), "client_secret_post")
    if way == "jwt":
        return _jwt_signer(client_id, secret, url)
    # RFC 6749 2.3.1: form-encode both before they are joined. authlib leaves that to its caller.
    return ClientAuth(quote_plus(client_id), quote_plus(secret.reveal()), "client_secret_basic")


def _jwt_signer(client_id: str, secret: Secret, url: str) -> ClientAuth:
    from authlib.oauth2.rfc7523 import PrivateKeyJWT
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    for kind, algorithm in ((RSAKey, "RS256"), (ECKey, "ES256")):
        try:
            return ClientAuth(client_id, kind.import_key(secret.reveal()), PrivateKeyJWT(url, alg=algorithm))
        except (JoseError, ValueError):
            continue
    raise LoginRejectedError("The private key is neither an RSA nor an EC key in PEM form.", hint="Check the key.")


def oauth_error(reply: httpx.Response, field: str = "error") -> str:
    """`field` of an OAuth error answer (RFC 6749 5.2), flat or in an envelope; "" when there is none."""
    try:
        body = reply.json()
    except (ValueError, RecursionError):
        return ""
    error = body.get(field) if isinstance(body, dict) else None
    if isinstance(error, dict):
        error = error.get("code") or error.get("message")
    return error if isinstance(error, str) else ""


def json_object(reply: httpx.Response, where: str) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        BadReplyError: It is something else.
    """
    try:
        body = reply.json()
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    raise BadReplyError(f"{where} did not answer with a JSON object.", hint="Is that address right?")


def _check(reply: httpx.Response, where: str) -> None:
    """Raise unless the token endpoint said yes (RFC 6749 5.2)."""
    status, refusal = reply.status_code, oauth_error(reply)
    if reply.is_success and not refusal:
        return
    refuses = reply.is_client_error and status not in (httpx.codes.NOT_FOUND, httpx.codes.TOO_MANY_REQUESTS)
    if refuses or (reply.is_success and refusal):  # some say no with a 200
        said = oauth_error(reply, "error_description") or refusal or f"HTTP {status}"
        raise LoginRejectedError(
            f"{where} refused this login: {quoted(said).rstrip('.')}.",
            hint="Check the client, its secret and scopes.",
        )
    if reply.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS:
        raise UnreachableError(f"{where} answered {status}.", hint="Try again later.")
    raise BadReplyError(f"{where} answered {status}, not a token.", hint="Is token_url right?")
