"""The OAuth grants: what each sends, and what its answers mean. Protocol only: nothing waits, prints or stores.

The one for devices is in `devices`.
"""

from __future__ import annotations

import hmac
import secrets
import string
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlencode

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from immune_nb.auth.claims import claims, misfit
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.oauth_errors import is_over, json_object, oauth_error
from immune_nb.auth.secrets import Secret, unframed
from immune_nb.auth.tokens import Token
from immune_nb.errors import (
    ConfigError,
    LoginRejectedError,
    ServiceError,
    SessionExpiredError,
    quoted,
)

__all__ = ["CodeGrant", "client_credentials", "refresh", "revoke", "sealed"]

ABOUT_A_PERSON = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
LATER = "Try again later."
NOT_PUSHED = "Those (RFC 9126) are not supported: use another method."
NOT_BY_A_PERSON = {  # RFC 6749 4.1.2.1, RFC 8707 2
    "invalid_request": "Check redirect_uri and auth_params.",
    "invalid_scope": "Check the scopes.",
    "invalid_target": "Check the resources.",
    "unauthorized_client": "Check the client: it must be registered for a browser sign-in.",
    "unsupported_response_type": "Check the client: it must be registered for the authorization code.",
    "server_error": LATER,
    "temporarily_unavailable": LATER,
}


def client_credentials(client: OAuthClient, *, known: bool = False) -> Token:
    """A token for the client itself (RFC 6749 4.4); see `OAuthClient.read` for `known`, and for what is raised."""
    return client.read(client.ask("client_credentials", scope=client.profile.scopes), known=known)


def refresh(client: OAuthClient, token: Token | None) -> Token:
    """The next token of the same login (RFC 6749 6).

    A rotated refresh token replaces the old one; where none comes, the old one is kept.

    Raises:
        SessionExpiredError: The login is over, or the answer is somebody else's or a wider one.
        LoginRejectedError: The server refuses for another reason, which may pass: the client, say.
        ServiceError: It does not answer as it should.
    """
    if token is None or token.refresh is None:
        raise SessionExpiredError("This login cannot be renewed.", hint="Log in again.")
    new = _refreshed(client, token.refresh)
    if token.is_anothers(new):
        raise SessionExpiredError("The renewed token is another user's.", hint="Log in again.")
    granted = (*(token.scopes or ()), *client.profile.scopes)
    more = _beyond(new.scopes or (), granted) if granted else []
    if more:
        raise SessionExpiredError(
            f"The renewed token has scopes that were not granted: {quoted(' '.join(more), 80)}.", hint="Log in again."
        )
    return replace(
        new,
        refresh=new.refresh or token.refresh,
        scopes=token.scopes if new.scopes is None else new.scopes,
        account=token.account or new.account,
        subject=new.subject or token.subject,
    )


def _refreshed(client: OAuthClient, secret: Secret) -> Token:
    reply = client.ask("refresh_token", refresh_token=secret)
    try:
        return client.read(reply, known=True)
    except LoginRejectedError as error:
        refusal = SessionExpiredError(error.message, hint=error.hint) if is_over(reply) else error
    raise refusal


def _beyond(scopes: Iterable[str], granted: Iterable[str]) -> list[str]:
    """The scopes that were not granted; those that only say who somebody is are nothing more."""
    known = {*granted, *ABOUT_A_PERSON}
    return [scope for scope in scopes if not any(_same(scope, one) for one in known)]


def _same(one: str, other: str) -> bool:
    """Whether two scopes are the same. Some servers write one now with its API before it, now without."""
    bare = (one.rpartition("/")[2].lower(), other.rpartition("/")[2].lower())
    return one == other or (("/" in one) != ("/" in other) and bare[0] == bare[1])


def revoke(client: OAuthClient, token: Token) -> str:
    """Revoke a login (RFC 7009): the refresh token first, then the access token.

    Returns:
        What came of it, in words: never more than the server said.
    """
    url = client.server.revoke_url
    if url is None:
        return "the server offers no revocation"
    if token.refresh and (failed := _revoke(client, url, "refresh_token", token.refresh)):
        return failed
    failed = _revoke(client, url, "access_token", token.access)
    return f"revoked; {failed}" if failed and token.refresh else failed or "revoked"


def _revoke(client: OAuthClient, url: str, kind: str, secret: Secret) -> str:
    """Revoke one token; why that failed, or "" when the server will not take it any more."""
    try:
        reply = client.post(url, urlencode({"token": secret.reveal(), "token_type_hint": kind}))
    except ServiceError:
        return "revocation failed: no answer"
    word = oauth_error(reply)
    if reply.is_success or word == "invalid_token":  # it is none any more, some say with an error
        return ""
    if word == "unsupported_token_type" and kind == "access_token":  # RFC 7009 2.2.1: a JWT, say, that nobody keeps
        return "the access token stays valid until it expires"
    return f"revocation failed: status {reply.status_code}"


def sealed(query: str | Secret) -> Secret:
    """A query string as a secret; what no header could carry is percent-encoded, which means the same there."""
    if isinstance(query, Secret):
        return query
    return Secret(quote(query, safe=string.punctuation) or "&", "answer")


class CodeGrant:
    """The authorization code grant with PKCE (RFC 6749 4.1, RFC 7636), from the address to open to the token.

    Args:
        client: Who asks.
        redirect_uri: Where the answer is to go, exactly as sent twice.

    Attributes:
        url: The address a person must open.

    Raises:
        ConfigError: The profile has no authorization endpoint, or the server wants what we do not offer.
    """

    def __init__(self, client: OAuthClient, redirect_uri: str) -> None:
        address = client.server.url("authorize_url", client.profile)
        if not client.server.takes_s256:
            raise ConfigError("This server does not take PKCE with S256.", hint="Use another method.")
        if client.server.wants_pushed:
            raise ConfigError("This server wants pushed authorization requests.", hint=NOT_PUSHED)
        self._client = client
        self._redirect_uri = redirect_uri
        self._state = Secret(secrets.token_urlsafe(32), "state")
        self._verifier = Secret(secrets.token_urlsafe(48), "code verifier")
        self._nonce = secrets.token_urlsafe(32) if "openid" in client.profile.scopes else ""
        self.url: str = prepare_grant_uri(
            address,
            client.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=client.profile.scopes,
            state=self._state.reveal(),
            code_challenge=create_s256_code_challenge(self._verifier.reveal()),
            code_challenge_method="S256",
            resource=list(client.profile.resources),
            **({"nonce": self._nonce} if self._nonce else {}),
            **client.profile.auth_params,
        )

    def is_answer(self, query: str | Secret) -> bool:
        """Whether a query string answers this very request: one `state`, and ours."""
        states = [value for name, value in parse_qsl(sealed(query).reveal()) if name == "state"]
        return len(states) == 1 and hmac.compare_digest(states[0].encode(), self._state.reveal().encode())

    def redeem(self, query: str | Secret) -> Token:
        """Exchange the answer for a token.

        Args:
            query: Query string of the address the browser was sent to.

        Raises:
            LoginRejectedError: It is no answer to this request, or the person or the server declined.
            ServiceError: The token endpoint does not answer as it should.
        """
        answer = sealed(query)
        del query  # a traceback would show it
        return unframed(lambda: self._redeemed(answer))

    def _redeemed(self, answer: Secret) -> Token:
        client, back = self._client, self._redirect_uri
        code = self._code(answer)
        reply = client.ask("authorization_code", code=code, redirect_uri=back, code_verifier=self._verifier)
        token = client.read(reply)
        fault = misfit(
            claims(json_object(reply, "").get("id_token")),  # a server without OpenID sends none
            issuer=client.server.issuer,
            client_id=client.client_id,
            nonce=self._nonce,
            now=client.clock() + client.skew(reply),
        )
        if fault:
            raise LoginRejectedError(f"The token is of another login: {fault}.", hint="Try again.")
        return token

    def _code(self, query: Secret) -> Secret:
        """The code of the answer, once it is known to be ours (RFC 6749 10.12, RFC 9207 2.4)."""
        pairs = parse_qsl(query.reveal())
        answer = dict(pairs)
        if not self.is_answer(query) or len(answer) != len(pairs):
            raise LoginRejectedError("That is not the answer to this login.", hint="Open the link again.")
        server, issuer = self._client.server, answer.get("iss")
        if (issuer is None and server.sends_issuer) or (issuer and server.issuer and issuer != server.issuer):
            by = f"is from {quoted(issuer, 80)}" if issuer else "does not say whose it is"
            fault = f"The answer of the login {by}, not from {quoted(server.issuer, 80)}."
            raise LoginRejectedError(fault, hint="Try again.")
        if "error" in answer:
            raise _declined(answer)
        with suppress(ConfigError):
            return Secret(answer.get("code", ""), "authorization code")
        raise LoginRejectedError("The answer of the login holds no code.", hint="Try again.")


def _declined(answer: Mapping[str, str]) -> LoginRejectedError:
    """The error for an answer that has one. Anybody may have made its address: the words are short, with no link."""
    said = quoted(answer.get("error_description") or answer["error"], 120).rstrip(".")
    if hint := NOT_PUSHED if "pushed auth" in said.lower() else NOT_BY_A_PERSON.get(answer["error"]):
        return LoginRejectedError(f"The server refused the login: {said}.", hint=hint)
    return LoginRejectedError(f"The login was declined: {said}.", hint="Try again.")
