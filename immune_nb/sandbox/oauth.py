"""The OAuth side, on authlib's server classes: client credentials, bearer tokens, revocation (RFC 6749, 6750, 7009).

Authlib decides; this module connects it to Starlette and to the store. Another grant is one class and one
`register_grant`; another endpoint is one class and one `register_endpoint`.
"""

from __future__ import annotations

import secrets
from base64 import b64decode
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from authlib.oauth2 import OAuth2Error, OAuth2Request, ResourceProtector
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, InvalidRequestError, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator, BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from .store import Account, Store, StoredToken, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from .faults import Faults

__all__ = ["SCOPES", "TokenServer", "protector"]

SCOPES: Final = ("read", "write")
AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post")


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc] # authlib ships no types
    """An account, as authlib wants to ask about it."""

    account: Account

    @property
    def client_id(self) -> str:
        """Its id."""
        return self.account.id

    def get_client_id(self) -> str:
        """Its id."""
        return self.account.id

    def get_allowed_scope(self, scope: str | None) -> str:
        """What it gets when it asks for `scope`; everything it may have when it does not ask (RFC 6749, 3.3)."""
        allowed = self.account.scope.split()
        return " ".join(s for s in (scope.split() if scope else allowed) if s in allowed)

    def check_client_secret(self, client_secret: str) -> bool:
        """Compared by digest, in constant time."""
        return secrets.compare_digest(self.account.digest, digest(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - authlib's signature
        """Basic and body, at every endpoint."""
        return method in AUTH_METHODS

    def check_grant_type(self, grant_type: str) -> bool:
        """Client credentials only."""
        return bool(grant_type == ClientCredentialsGrant.GRANT_TYPE)


@dataclass(frozen=True)
class Credential(TokenMixin):  # type: ignore[misc] # authlib ships no types
    """A token or an API key, as authlib wants to ask about it."""

    client_id: str
    scope: str
    expired: bool = False
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        """Whether it was given to that client."""
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        """Its scopes."""
        return self.scope

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expired

    def is_revoked(self) -> bool:
        """Whether it was taken back."""
        return self.revoked


class FormRequest(OAuth2Request):  # type: ignore[misc] # authlib ships no types
    """A Starlette request, its form already read, as authlib wants to see it.

    Raises:
        InvalidRequestError: A parameter is repeated (RFC 6749, 3.2).
    """

    def __init__(self, request: Request, form: FormData) -> None:
        super().__init__(request.method, str(request.url), headers=request.headers)
        self._fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        self.payload = BasicOAuth2Payload(self._fields)
        if len(form.multi_items()) > len(self._fields):
            raise InvalidRequestError("A parameter is repeated.")

    @property
    def args(self) -> Mapping[str, str]:
        """The token endpoint takes none from the URL."""
        return {}

    @property
    def form(self) -> Mapping[str, str]:
        """The form's fields."""
        return self._fields


class ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc] # authlib ships no types
    """RFC 6749, 4.4, with the client's secret in the header or in the body."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS  # type: ignore[assignment,unused-ignore] # authlib's name for it


class Revocation(RevocationEndpoint):  # type: ignore[misc] # authlib ships no types
    """RFC 7009: a client takes its own token back; a token nobody knows is fine too.

    Args:
        store: Tokens.
    """

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def query_token(self, token_string: str, token_type_hint: str | None) -> Credential | None:  # noqa: ARG002 - authlib's signature
        """Look a token up, whatever the client says it is."""
        held = self._store.token(token_string)
        return Credential(held.client_id, held.scope) if held else None

    def revoke_token(self, token: Credential, request: FormRequest) -> None:  # noqa: ARG002 - authlib's signature
        """Take it back."""
        self._store.revoke_token(request.form["token"])


class TokenServer(AuthorizationServer):  # type: ignore[misc] # authlib ships no types
    """The authorization server.

    Args:
        store: Clients and tokens.
        clock: Seconds since 1970.
        faults: Token lifetime and how it is announced, now.
    """

    def __init__(self, store: Store, clock: Callable[[], float], faults: Callable[[], Faults]) -> None:
        super().__init__(scopes_supported=SCOPES)
        self._store = store
        self._clock = clock
        self._faults = faults
        self.register_token_generator("default", BearerTokenGenerator(lambda **_: secrets.token_urlsafe(32)))
        self.register_client_auth_method("client_secret_basic", _authenticate_basic)
        self.register_grant(ClientCredentials)
        self.register_endpoint(Revocation(store))

    async def answer_token(self, request: Request) -> Response:
        """``POST /oauth/token`` (RFC 6749, 3.2)."""
        return await self._answer(request, "grant_type", self.create_token_response)

    async def answer_revocation(self, request: Request) -> Response:
        """``POST /oauth/revoke`` (RFC 7009, 2)."""
        revoke = partial(self.create_endpoint_response, Revocation.ENDPOINT_NAME)
        return await self._answer(request, "token", revoke)

    async def _answer(self, request: Request, field: str, answer: Callable[[FormRequest], Response]) -> Response:
        """Read the form, which authlib cannot, and let authlib answer."""
        form = await request.form() if _is_form(request) else FormData()
        try:
            asked = FormRequest(request, form)
            if not asked.form.get(field):
                raise InvalidRequestError(f"{field} is missing; the body must be form-encoded.")
        except OAuth2Error as error:
            return self.handle_response(*error())
        return answer(asked)

    def query_client(self, client_id: str) -> Client | None:
        """Authlib's question to the store."""
        account = self._store.client(client_id)
        return Client(account) if account else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Keep a token, then dress its lifetime as the faults want it announced."""
        faults = self._faults()
        ends = self._clock() + faults.token_lifetime_s
        stored = StoredToken(request.client.client_id, token.get("scope", ""), ends, revoked=False)
        self._store.add_token(token["access_token"], stored)
        token |= {"expires_in": _announced(faults)}
        if faults.expires_in == "missing":
            del token["expires_in"]

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """Already made: reading a form is asynchronous, authlib is not."""
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        """Authlib's answer as Starlette's."""
        kept = {name: value for name, value in headers if name.lower() != "content-type"}
        return JSONResponse(body, status, kept)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""


class TokenValidator(BearerTokenValidator):  # type: ignore[misc] # authlib ships no types
    """RFC 6750: a bearer token is good while the store says so."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        super().__init__(realm="immune")
        self._store = store
        self._clock = clock

    def authenticate_token(self, token_string: str) -> Credential | None:
        """Look a token up."""
        held = self._store.token(token_string)
        if held is None:
            return None
        return Credential(held.client_id, held.scope, held.expires_at <= self._clock(), held.revoked)


class KeyValidator(BearerTokenValidator):  # type: ignore[misc] # authlib ships no types
    """``Authorization: ApiKey <key>`` (api-contract 1.1): like a bearer token that never expires."""

    TOKEN_TYPE = "apikey"  # noqa: S105 - the scheme's name

    def __init__(self, store: Store) -> None:
        super().__init__(realm="immune")
        self._store = store

    def authenticate_token(self, token_string: str) -> Credential | None:
        """Look a key up."""
        account = self._store.account_of_key(token_string)
        return Credential(account.id, account.scope) if account else None


def protector(store: Store, clock: Callable[[], float]) -> ResourceProtector:
    """What judges every request under ``/v1``."""
    judge = ResourceProtector()
    judge.register_token_validator(TokenValidator(store, clock))
    judge.register_token_validator(KeyValidator(store))
    return judge


def _authenticate_basic(query_client: Callable[[str], Client | None], request: OAuth2Request) -> Client | None:
    """HTTP Basic with id and secret form-encoded first (RFC 6749, 2.3.1); authlib's own leaves ``+`` alone."""
    scheme, _, blob = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = b64decode(blob, validate=True).decode().partition(":")
    except ValueError:
        return None
    client = query_client(unquote_plus(name))
    return client if client and client.check_client_secret(unquote_plus(secret)) else None


def _announced(faults: Faults) -> object:
    """``expires_in`` as the faults want it."""
    seconds = faults.token_lifetime_s
    forms = {"string": str(int(seconds)), "float": seconds + 0.5, "zero": 0, "negative": -1}
    return forms.get(faults.expires_in, int(seconds))


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/x-www-form-urlencoded"
