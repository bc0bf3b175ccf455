"""An OAuth client at its authorization server: how it says who it is, and how it reads the answers.

The forms and signatures are authlib's, the transport is ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote_plus

import httpx
from authlib.common.urls import add_params_to_qs
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from immune_nb.allowances import ahead
from immune_nb.auth.bodies import MAX_LOGIN_BODY
from immune_nb.auth.claims import account_in
from immune_nb.auth.echoes import without_echoes
from immune_nb.auth.oauth_errors import FORM_TYPE, check_reply, json_object, may_be_the_method, oauth_error
from immune_nb.auth.secrets import Secret, Unshared
from immune_nb.auth.server import Server, find_server
from immune_nb.auth.tokens import Token
from immune_nb.auth.transport import TIMEOUT, QuietTransport, Transport, asking
from immune_nb.auth.wires import origin_of
from immune_nb.errors import BadReplyError, ConfigError, ImmuneError, ServiceError, UnreachableError, quoted
from immune_nb.profiles import Profile

__all__ = ["OAuthClient"]

FORM = {
    "Content-Type": FORM_TYPE,
    "Accept": "application/json",
    "User-Agent": "immune_nb",
    "Connection": "close",  # a kept connection may be dead, and a token request cannot be sent twice
}
TOLD = frozenset({"refresh_token", "code", "code_verifier", "device_code", "token"})
SPENDING = {  # a server may take what these send but once; and what to do when its answer was lost
    "refresh_token": "Try again; if that is refused, log in again.",
    "authorization_code": "Start again.",
}
TOLD |= {"client_secret", "client_assertion"}


class OAuthClient(Unshared):
    """One client of one authorization server.

    Args:
        profile: Names the server, the scopes and the way to authenticate.
        client_id: The client's id.
        secret: Its secret, or its private key in PEM form (RFC 7523); None for a public client.
        transport: What sends, instead of connection pools.
        clock: Unix seconds.
        server: The server, when it is known already.

    Raises:
        ConfigError: The server's metadata cannot be trusted, or take no client secret.
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
        self._ways = _ways(profile, client_id, secret, self.server.client_auth)
        self._transport = transport
        self._pools: dict[object, QuietTransport] = {}

    def ask(self, grant_type: str, **fields: object) -> httpx.Response:
        """Send a request to the token endpoint, and return whatever comes.

        Args:
            grant_type: The grant (RFC 6749 4, RFC 8628 3.4).
            fields: Its parameters, those that are secret as a `Secret`; empty ones are left out.

        Raises:
            UnreachableError: It does not answer.
            BadReplyError: Its answer cannot be read.
        """
        url = self.server.url("token_url", self.profile)
        try:
            return self.post(url, _form(grant_type, fields), asks=True)
        except ServiceError as error:
            if error.reached and grant_type in SPENDING:
                _settle(error, SPENDING[grant_type])
            raise

    def post(self, url: str, form: str, *, asks: bool = False) -> httpx.Response:
        """Send a form as this client; where the way to authenticate is not fixed, another one after a refusal.

        Args:
            url: Where to.
            form: What, form-encoded.
            asks: Whether it asks for a token, and so says for which APIs (RFC 8707) and what else the profile adds.

        Raises:
            UnreachableError: It does not answer.
        """
        outcome = self._outcome(url, form, asks=asks)
        del form  # it may hold a code or a token, and a traceback would keep it, here and in any frame below
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _outcome(self, url: str, form: str, *, asks: bool) -> httpx.Response | BaseException:
        try:
            return self._answer(url, form, asks=asks)
        except (ImmuneError, KeyboardInterrupt) as error:
            return error.with_traceback(None)

    def _answer(self, url: str, form: str, *, asks: bool) -> httpx.Response:
        if asks:
            more = [*self.profile.auth_params.items(), *(("resource", r) for r in self.profile.resources)]
            form = add_params_to_qs(form, more)
        reply, ways = self._send(url, form), self._ways
        while len(self._ways) > 1 and may_be_the_method(reply):
            self._ways = self._ways[1:]
            reply = self._send(url, form)
        # One that has worked is kept to; where none has, it may not have been the reason.
        self._ways = self._ways[:1] if reply.is_success and not oauth_error(reply) else ways
        return reply

    def read(self, reply: httpx.Response, *, known: bool = False) -> Token:
        """The token in an answer.

        Args:
            reply: What the token endpoint answered.
            known: Whether this login has worked before.

        Raises:
            LoginRejectedError: The server refuses.
            ServiceError: It answers something that is not a token; see `check_reply`.
        """
        where = self.server.url("token_url", self.profile).partition("?")[0]
        now = self.clock()
        check_reply(reply, where, now, known=known, is_public=self._ways == ["none"])
        return Token.from_reply(json_object(reply, where), now, ahead=self.skew(reply))

    def skew(self, reply: httpx.Response) -> float:
        """Seconds that the server's clock was ahead of ours when it answered; 0 when it does not say."""
        return ahead(reply.headers, self.clock()) or 0.0

    def account_of(self, token: Token) -> str:
        """Whose token it is, from the server's userinfo endpoint (OpenID Connect Core 5.3); "" when it does not say.

        The token goes to the server that gave it, and nowhere else.
        """
        url, token_url = self.server.userinfo_url, self.server.token_url
        asked = "openid" in (token.scopes or self.profile.scopes)
        if not asked or url is None or token_url is None or origin_of(url) != origin_of(token_url):
            return ""
        try:
            reply = self._pool(url).handle_request(asking(url, f"Bearer {token.access.reveal()}"))
            claimed = json_object(reply, url) if reply.is_success else {}
        except ServiceError:
            return ""
        is_theirs = not token.subject or claimed.get("sub") == token.subject  # 5.3.2
        return account_in(claimed, token.access.reveal()) if is_theirs else ""

    def close(self) -> None:
        """Close the connections to the server, and let go of the secret."""
        self._secret = None
        for pool in self._pools.values():
            pool.close()

    def _send(self, url: str, form: str) -> httpx.Response:
        # Straight to the transport: no redirects, cookies or logs, and no local that holds the signed request.
        reply, told = self._exchanged(self._signed(url, form))
        if reply.is_success and not oauth_error(reply):
            return reply  # it may well repeat the refresh token
        return without_echoes(reply, (secret.reveal() for secret in told), in_part=True)

    def _exchanged(self, request: httpx.Request) -> tuple[httpx.Response, list[Secret]]:
        """The answer to a signed request, and the secrets of that: a refusal may quote them."""
        fields = parse_qsl(request.content.decode())
        told = [Secret(text) for name, text in fields if name in TOLD and text.strip()]
        told += [Secret(header.partition(" ")[2]) for header in request.headers.get_list("authorization")]
        if self._secret and not self._secret.is_pem:
            told.append(self._secret)
        return self._pool(str(request.url)).handle_request(request), told

    def _pool(self, url: str) -> QuietTransport:
        origin = origin_of(url)
        if origin not in self._pools:
            self._pools[origin] = QuietTransport(url, self._transport, most=MAX_LOGIN_BODY)
        return self._pools[origin]

    def _signed(self, url: str, form: str) -> httpx.Request:
        signer = _signer(self.client_id, self._secret, self._ways[0], url)
        url, headers, form = signer.prepare("POST", url, dict(FORM), form)
        return httpx.Request("POST", url, headers=headers, content=form, extensions={"timeout": TIMEOUT})


def _ways(profile: Profile, client_id: str, secret: Secret | None, offered: tuple[str, ...]) -> list[str]:
    """The ways to authenticate that may work, the likeliest first."""
    if secret is None:
        return ["none"]
    if secret.is_pem:
        return ["jwt"]
    ways = [profile.client_auth] if profile.client_auth != "auto" else _offered(offered)
    both = client_id + secret.reveal()
    # Not a few servers do not decode what RFC 6749 2.3.1 has encoded.
    return [*ways, "basic, as it is"] if "basic" in ways and quote_plus(both) != both else ways


def _offered(offered: tuple[str, ...]) -> list[str]:
    """The ways that a server offers to a client with a secret; where it takes public clients only, without it.

    Raises:
        ConfigError: It takes a secret in no way that we know, and is not sent it in vain.
    """
    ways = [way for way in ("basic", "body") if way in offered or not offered]
    if not ways and "none" not in offered:
        raise ConfigError(
            f"This server takes no client secret, but {quoted(' or '.join(offered), 120)}.",
            hint="Give a private key in PEM form; or set client_auth in the profile, where that is not so.",
        )
    return ways or ["none"]


def _settle(error: ServiceError, hint: str) -> None:
    """Keep a query from repeating what may have been done: what it would send may be spent, and end the login."""
    if isinstance(error, UnreachableError):
        error.transient = False
    if isinstance(error, BadReplyError):
        error.cut_short = False
    error.hint = hint


def _form(grant_type: str, fields: Mapping[str, object]) -> str:
    plain = {name: value.reveal() if isinstance(value, Secret) else value for name, value in fields.items()}
    form: str = prepare_token_request(grant_type, **plain)
    return form


def _signer(client_id: str, secret: Secret | None, way: str, url: str) -> ClientAuth:
    """Client authentication by authlib, set up (RFC 6749 2.3, RFC 7523 2.2)."""
    if secret is None or way == "none":
        return ClientAuth(client_id, "", "none")
    if way == "body":
        return ClientAuth(client_id, secret.reveal(), "client_secret_post")
    if way == "jwt":
        return _jwt_signer(client_id, secret, url)
    if way == "basic, as it is":
        return ClientAuth(client_id, secret.reveal(), "client_secret_basic")
    # RFC 6749 2.3.1: form-encode both before they are joined. authlib leaves that to its caller.
    return ClientAuth(quote_plus(client_id), quote_plus(secret.reveal()), "client_secret_basic")


def _jwt_signer(client_id: str, secret: Secret, url: str) -> ClientAuth:
    from authlib.oauth2.rfc7523 import PrivateKeyJWT

    from immune_nb.auth.private_keys import signing_key

    key, algorithm = signing_key(secret)
    return ClientAuth(client_id, key, PrivateKeyJWT(url, alg=algorithm))
