"""How a token is come by: authlib's grant classes, each connected to the store (RFC 6749, 7636).

A *sign-in under way* is a small record in the store, under the digest of its code: what a user allowed, or has yet to
allow, a client. `Pending` shows it to authlib.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCredentialMixin

from .clients import AUTH_METHODS, SECRET_METHODS, Client, Credential, FormRequest
from .store import digest

__all__ = [
    "Approval",
    "AuthorizationCode",
    "ClientCredentials",
    "Pending",
    "ProofKey",
    "Refresh",
]

CODE_LIFETIME: Final = 60.0


@dataclass(frozen=True)
class Approval:
    """What a person allowed."""

    user: str
    scope: str


@dataclass(frozen=True)
class Pending(AuthorizationCodeMixin, DeviceCredentialMixin):  # type: ignore[misc] # authlib ships no types
    """A sign-in under way, as authlib wants to ask about it."""

    record: dict[str, Any]
    now: float

    @property
    def user(self) -> str:
        """Who allowed it, so far."""
        return str(self.record["user"])

    @property
    def family(self) -> str:
        """What its tokens will have in common."""
        return str(self.record["family"])

    @property
    def audience(self) -> tuple[str, ...]:
        """What it is for."""
        return tuple(self.record["audience"])

    @property
    def code_challenge(self) -> str | None:
        """RFC 7636, 4.2."""
        return self.record.get("challenge")

    @property
    def code_challenge_method(self) -> str:
        """The only one there is."""
        return "S256"

    def get_client_id(self) -> str:
        """Who asks."""
        return str(self.record["client_id"])

    def get_redirect_uri(self) -> str:
        """Where the code was sent."""
        return str(self.record["redirect_uri"])

    def get_scope(self) -> str:
        """What was asked for or, once a person has decided, allowed."""
        return str(self.record["scope"])

    def get_user_code(self) -> str:
        """What the person types."""
        return str(self.record["user_code"])

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return bool(self.record["ends"] <= self.now)


class ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc] # authlib ships no types
    """RFC 6749, 4.4: a client on its own behalf."""

    TOKEN_ENDPOINT_AUTH_METHODS = SECRET_METHODS  # type: ignore[assignment,unused-ignore] # authlib's name for it


class ProofKey(CodeChallenge):  # type: ignore[misc] # authlib ships no types
    """RFC 7636: S256 and never ``plain``; a public client must."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)  # type: ignore[assignment,unused-ignore] # authlib's is a list

    def validate_code_challenge(self, grant: AuthorizationCode, redirect_uri: str) -> None:
        """At the authorization endpoint, so that the mistake is seen before a person signs in."""
        asked = grant.request.payload.data
        if grant.request.client.is_public and not asked.get("code_challenge"):
            raise InvalidRequestError("A public client must send a code_challenge.")
        if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("The code_challenge_method must be S256.")
        super().validate_code_challenge(grant, redirect_uri)


class AuthorizationCode(AuthorizationCodeGrant):  # type: ignore[misc] # authlib ships no types
    """RFC 6749, 4.1: a code that is good once, for a minute."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS  # type: ignore[assignment,unused-ignore] # authlib's name for it

    def save_authorization_code(self, code: str, request: FormRequest) -> None:
        """Keep what was allowed until the code comes back."""
        approval: Approval = request.user
        self.server.store.put(
            "code",
            {
                "id": digest(code),
                "client_id": request.client.client_id,
                "redirect_uri": request.payload.redirect_uri,
                "challenge": request.payload.data.get("code_challenge"),
                "scope": approval.scope,
                "user": approval.user,
                "audience": request.resources,
                "family": secrets.token_hex(8),
                "ends": self.server.now() + CODE_LIFETIME,
                "used": False,
            },
        )

    def query_authorization_code(self, code: str, client: Client) -> Pending | None:
        """Look a code up; a second use takes back what came of the first (RFC 6749, 4.1.2)."""
        record = self.server.store.get("code", digest(code))
        if record is None or record["client_id"] != client.client_id:
            return None
        if record["used"]:
            self.server.store.revoke_family(record["family"])
        found = Pending(record, self.server.now())
        return None if record["used"] or found.is_expired() else found

    def authenticate_user(self, authorization_code: Pending) -> str:
        """Who allowed it."""
        return authorization_code.user

    def delete_authorization_code(self, authorization_code: Pending) -> None:
        """Remember that it was used."""
        self.server.store.put("code", authorization_code.record | {"used": True})


class Refresh(RefreshTokenGrant):  # type: ignore[misc] # authlib ships no types
    """RFC 6749, 6: rotating unless switched off; an old one that comes back ends the sign-in (RFC 9700, 4.14.2)."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS  # type: ignore[assignment,unused-ignore] # authlib's name for it

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:  # noqa: N802 - authlib's name
        """Whether refresh tokens rotate, now."""
        return bool(self.server.faults().refresh_rotates)

    def authenticate_refresh_token(self, refresh_token: str) -> Credential | None:
        """Look a refresh token up."""
        held = self.server.store.token(refresh_token)
        if held is None or held.kind != "refresh":
            return None
        if held.revoked:
            self.server.store.revoke_family(held.family)
        found = Credential(held, self.server.now())
        return None if held.revoked or found.is_expired() else found

    def authenticate_user(self, refresh_token: Credential) -> str:
        """Who allowed it."""
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Credential) -> None:  # noqa: ARG002 - authlib's signature
        """The old one is over when there is a new one."""
        if self.INCLUDE_NEW_REFRESH_TOKEN:
            self.server.store.revoke_token(self.request.form["refresh_token"])
