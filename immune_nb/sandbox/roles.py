"""Which API the sandbox plays: its addresses, its scopes, the shape of its errors.

IMMUNE documents the client credentials grant alone (api-contract 1.1); everything else the server offers beside it is
assumed, and what RFCs say. iiniit documents an authorization page, a token endpoint and exact redirect URIs, and no
discovery, device flow, revocation or ``iss`` (2): playing it, the sandbox has none of them either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .problems import Problem, immune_envelope, nested_envelope

__all__ = ["ROLES", "Role"]

OPEN: Final = (".well-known", "_sandbox", "auth", "oauth2")


@dataclass(frozen=True)
class Role:
    """One API to play; a path that is empty does not exist.

    Attributes:
        name: What ``--as`` takes.
        title: What its pages call it.
        api: What every API path begins with.
        authorize: The authorization endpoint (RFC 6749, 3.1).
        token: The token endpoint (RFC 6749, 3.2).
        scopes: Every scope, and what it allows, in words for the consent page.
        redirect_uris: Where a sign-in may lead back to, unless the settings say otherwise.
        envelope: An API error's body.
        device: The device authorization endpoint (RFC 8628, 3.1).
        verify: Where a person enters a device's code (RFC 8628, 3.3).
        revoke: The revocation endpoint (RFC 7009).
        introspect: The introspection endpoint (RFC 7662).
        any_loopback_port: A loopback redirect URI matches with any port (RFC 8252, 7.3).
        documentation: Added to OAuth errors as ``documentation_url``, beside a ``request_id``.
        scope_of_path: The scope an API path asks for; without it, ``read`` and ``write`` go by method.
        key_in_query: ``?api_key=`` is documented.
    """

    name: str
    title: str
    api: str
    authorize: str
    token: str
    scopes: Mapping[str, str]
    redirect_uris: tuple[str, ...]
    envelope: Callable[[Problem], dict[str, object]]
    device: str = ""
    verify: str = ""
    revoke: str = ""
    introspect: str = ""
    any_loopback_port: bool = False
    documentation: str = ""
    scope_of_path: Mapping[str, str] | None = None
    key_in_query: bool = False

    @property
    def announces_itself(self) -> bool:
        """Whether it publishes metadata (RFC 8414) and puts ``iss`` into redirects (RFC 9207)."""
        return bool(self.device)

    def guards(self, path: str) -> bool:
        """Whether a path needs a credential."""
        return path.startswith(self.api + "/") and path.split("/")[1] not in OPEN

    def scopes_for(self, method: str, path: str) -> list[str]:
        """What a credential must be good for."""
        if self.scope_of_path is None:
            return ["read" if method in {"GET", "HEAD"} else "write"]
        return [scope for start, scope in self.scope_of_path.items() if path.startswith(start)]


IMMUNE: Final = Role(
    name="immune",
    title="IMMUNE sandbox",
    api="/v1",
    authorize="/oauth/authorize",
    token="/oauth/token",  # noqa: S106 - a path
    device="/oauth/device_authorization",
    verify="/device",
    revoke="/oauth/revoke",
    introspect="/oauth/introspect",
    scopes=MappingProxyType(
        {
            "read": "See sensors, readings, alerts and predictions",
            "write": "Send readings, acknowledge alerts, change rules",
        }
    ),
    redirect_uris=("http://127.0.0.1/callback", "http://127.0.0.1/", "http://[::1]/callback", "http://[::1]/"),
    envelope=immune_envelope,
    any_loopback_port=True,
)
IIINIT: Final = Role(
    name="iiniit",
    title="iiniit sandbox",
    api="",
    authorize="/auth/login",
    token="/oauth2/token",  # noqa: S106 - a path
    scopes=MappingProxyType({"read:user": "See who you are", "read:projects": "See your projects"}),
    redirect_uris=("http://127.0.0.1:8976/callback",),
    envelope=nested_envelope,
    documentation="https://www.iiniit.com/docs/errors",
    scope_of_path=MappingProxyType({"/user": "read:user", "/projects": "read:projects"}),
    key_in_query=True,
)
ROLES: Final[Mapping[str, Role]] = MappingProxyType({role.name: role for role in (IMMUNE, IIINIT)})
