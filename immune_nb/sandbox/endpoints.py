"""What the server offers beside tokens: revocation, introspection, ``iss``, metadata (RFC 7009, 7662, 9207, 8414)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9207 import IssuerParameter

from .clients import AUTH_METHODS, SECRET_METHODS, Client, Credential, FormRequest
from .devices import DeviceCode
from .grants import AuthorizationCode, ClientCredentials, Refresh

if TYPE_CHECKING:
    from authlib.oauth2.rfc6749 import AuthorizationServer

    from .roles import Role

__all__ = ["Introspection", "Issuer", "Revocation", "metadata"]

GRANTS = (AuthorizationCode, ClientCredentials, Refresh, DeviceCode)


class Revocation(RevocationEndpoint):  # type: ignore[misc] # authlib ships no types
    """RFC 7009: a client takes its own token back; with a refresh token, all that came of the sign-in (2.1)."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Credential | None:  # noqa: ARG002 - authlib's signature
        """Look a token up, whatever the client says it is."""
        held = self.server.store.token(token_string)
        return Credential(held) if held else None

    def revoke_token(self, token: Credential, request: FormRequest) -> None:
        """Take it back."""
        self.server.store.revoke_token(request.form["token"])
        if token.held.kind == "refresh":
            self.server.store.revoke_family(token.family)


class Introspection(IntrospectionEndpoint):  # type: ignore[misc] # authlib ships no types
    """RFC 7662: what a client's own token is good for."""

    CLIENT_AUTH_METHODS = SECRET_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Credential | None:  # noqa: ARG002 - authlib's signature
        """Look a token up."""
        held = self.server.store.token(token_string)
        return Credential(held, self.server.now()) if held else None

    def check_permission(self, token: Credential, client: Client, request: FormRequest) -> bool:  # noqa: ARG002 - authlib's signature
        """A client may ask about tokens of users, too: one that is public cannot ask itself."""
        return bool(token.check_client(client) or token.user)

    def introspect_token(self, token: Credential) -> dict[str, Any]:
        """What there is to know."""
        held = token.held
        known = {"client_id": held.client_id, "scope": held.scope, "exp": int(held.expires_at)}
        known |= {"username": held.user, "sub": held.user} if held.user else {}
        return known | ({"aud": list(held.audience)} if held.audience else {}) | {"iss": self.server.issuer}


class Issuer(IssuerParameter):  # type: ignore[misc] # authlib ships no types
    """RFC 9207: the redirect says who sent it."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._issuer = str(server.issuer)
        self(server)

    def get_issuer(self) -> str:
        """Who."""
        return self._issuer


def metadata(role: Role, issuer: str) -> dict[str, Any]:
    """What the server says of itself (RFC 8414, 2)."""
    at = issuer.__add__
    return {
        "issuer": issuer,
        "authorization_endpoint": at(role.authorize),
        "token_endpoint": at(role.token),
        "device_authorization_endpoint": at(role.device),
        "revocation_endpoint": at(role.revoke),
        "introspection_endpoint": at(role.introspect),
        "scopes_supported": list(role.scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
        "introspection_endpoint_auth_methods_supported": list(SECRET_METHODS),
        "introspection_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }
