"""Who asks for tokens: clients with a secret, with a key pair, or public ones; and the request they ask with."""

from __future__ import annotations

import re
import secrets
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit

from authlib.oauth2 import OAuth2Error, OAuth2Request
from authlib.oauth2.base import invalid_error_characters
from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, InvalidRequestError, TokenMixin
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from .store import Account, Store, StoredToken, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.datastructures import FormData, QueryParams
    from starlette.requests import Request

__all__ = [
    "AUTH_METHODS",
    "Client",
    "Credential",
    "FormRequest",
    "InvalidTargetError",
    "KeyAssertion",
    "authenticate_basic",
]

SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post", "private_key_jwt")
AUTH_METHODS: Final = (*SECRET_METHODS, "none")
LOOPBACK_PORT: Final = re.compile(r"^(http://(?:127\.0\.0\.1|\[::1\])):\d{1,5}(?=/)")


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc] # authlib ships no types
    """An account, as authlib wants to ask about it.

    Args:
        account: Its id, secret and scopes.
        redirect_uris: Where it may ask to be led back to.
        any_port: A loopback one of them matches with any port (RFC 8252, 7.3).
        keys: Its public keys, a JWK set (RFC 7517).
    """

    account: Account
    redirect_uris: tuple[str, ...] = ()
    any_port: bool = False
    keys: Mapping[str, Any] | None = None

    @property
    def client_id(self) -> str:
        """Its id."""
        return self.account.id

    @property
    def is_public(self) -> bool:
        """Whether it has no secret (RFC 6749, 2.1)."""
        return self.account.kind == "public"

    def get_client_id(self) -> str:
        """Its id."""
        return self.account.id

    def get_allowed_scope(self, scope: str | None) -> str:
        """What it gets when it asks for `scope`; everything it may have when it does not ask (RFC 6749, 3.3)."""
        allowed = self.account.scope.split()
        return " ".join(s for s in (scope.split() if scope else allowed) if s in allowed)

    def get_default_redirect_uri(self) -> None:
        """There is none: a client always says where it wants to be led back to."""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compared exactly (RFC 9700, 2.1), but for the port of a loopback address.

        Raises:
            InvalidRequestError: It is not registered. Authlib's own text would quote it, and fail at some characters.
        """
        bare = LOOPBACK_PORT.sub(r"\1", redirect_uri) if self.any_port else redirect_uri
        if bare not in self.redirect_uris and redirect_uri not in self.redirect_uris:
            raise InvalidRequestError("The redirect_uri is not registered for this client.")
        return True

    def check_client_secret(self, client_secret: str) -> bool:
        """Compared by digest, in constant time."""
        return not self.is_public and secrets.compare_digest(self.account.digest, digest(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - authlib's signature
        """A public client says who it is; the others prove it."""
        return method == "none" if self.is_public else method in SECRET_METHODS

    def check_response_type(self, response_type: str) -> bool:
        """The code flow only; the implicit one is history (RFC 9700, 2.1.2)."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Every grant, but a client without a secret has no credentials to get a token for."""
        return not self.is_public or grant_type != "client_credentials"


@dataclass(frozen=True)
class Credential(TokenMixin):  # type: ignore[misc] # authlib ships no types
    """A token or an API key, as authlib wants to ask about it."""

    held: StoredToken
    now: float = 0.0

    @property
    def client_id(self) -> str:
        """Who got it."""
        return self.held.client_id

    @property
    def user(self) -> str:
        """Who allowed it."""
        return self.held.user

    @property
    def family(self) -> str:
        """The sign-in it came of."""
        return self.held.family

    @property
    def audience(self) -> tuple[str, ...]:
        """What it is for."""
        return self.held.audience

    def check_client(self, client: Client) -> bool:
        """Whether it was given to that client."""
        return self.held.client_id == client.client_id

    def get_scope(self) -> str:
        """Its scopes."""
        return self.held.scope

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.held.expires_at <= self.now

    def is_revoked(self) -> bool:
        """Whether it was taken back."""
        return self.held.revoked


class InvalidTargetError(OAuth2Error):  # type: ignore[misc] # authlib ships no types
    """The resource is malformed, or not one this sign-in is for (RFC 8707, 2)."""

    error = "invalid_target"
    description = "The resource is not an absolute URI, or beyond what was allowed at first."


class FormRequest(OAuth2Request):  # type: ignore[misc] # authlib ships no types
    """A Starlette request, its form already read, as authlib wants to see it.

    Attributes:
        resources: What the token shall be for; the one parameter that may be repeated (RFC 8707, 2).

    Raises:
        InvalidRequestError: A parameter is repeated (RFC 6749, 3.2).
        InvalidTargetError: A resource is not an absolute URI without a fragment.
    """

    def __init__(self, request: Request, form: FormData | QueryParams) -> None:
        super().__init__(request.method, str(request.url), headers=request.headers)
        pairs = [(name, text) for name, text in form.multi_items() if isinstance(text, str)]
        self.resources = tuple(dict.fromkeys(text for name, text in pairs if name == "resource"))
        self._fields = dict(pairs)
        self.payload = BasicOAuth2Payload(self._fields)
        once = [name for name, _ in form.multi_items() if name != "resource"]
        if len(once) > len(set(once)) or len(pairs) < len(form.multi_items()):
            raise InvalidRequestError("A parameter is repeated.")
        if invalid_error_characters(self._fields.get("response_type", "")):
            raise InvalidRequestError("The response_type is not a word.")
        if not all(_is_absolute(uri) for uri in self.resources):
            raise InvalidTargetError

    @property
    def args(self) -> Mapping[str, str]:
        """The token endpoint takes none from the URL."""
        return {}

    @property
    def form(self) -> Mapping[str, str]:
        """The form's fields."""
        return self._fields


class KeyAssertion(JWTBearerClientAssertion):  # type: ignore[misc] # authlib ships no types
    """``private_key_jwt`` (RFC 7523, 2.2): a client proves itself by a signature, each good for one time.

    Args:
        store: Signatures that were used.
        audiences: What they may be addressed to.
    """

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, store: Store, audiences: list[str]) -> None:
        super().__init__(validate_jti=True)
        self._store = store
        self._audiences = audiences

    def get_audiences(self) -> list[str]:
        """The token endpoint or the issuer."""
        return self._audiences

    def validate_jti(self, claims: Mapping[str, Any], jti: object) -> bool:
        """Whether this signature is new."""
        used = digest(f"{claims['sub']} {jti}")
        if self._store.get("assertion", used):
            return False
        self._store.put("assertion", {"id": used})
        return True

    def resolve_client_public_key(self, client: Client) -> KeySet:
        """The keys the client registered.

        Raises:
            InvalidClientError: There are none, or they are not keys.
        """
        try:
            return KeySet.import_key_set(dict(client.keys or {"keys": []}))  # type: ignore[arg-type] # theirs is a TypedDict
        except (JoseError, KeyError, TypeError, ValueError):
            raise InvalidClientError(description="The client has no usable key.") from None

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> Any:
        """Authlib's check; what joserfc says of a key that does not fit is a refusal too."""
        try:
            return super().process_assertion_claims(assertion, resolve_key)
        except ValueError:
            raise InvalidClientError(description="The signature is not one of this client.") from None


def authenticate_basic(query_client: Callable[[str], Client | None], request: OAuth2Request) -> Client | None:
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


def _is_absolute(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) and not parts.fragment and " " not in uri
