"""The authorization server of a profile: its addresses, given or found in the metadata it publishes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from immune_nb.addresses import check_url
from immune_nb.auth.bodies import MAX_LOGIN_BODY
from immune_nb.auth.transport import QuietTransport, Transport, asking
from immune_nb.errors import BadReplyError, ConfigError, ImmuneError, UnreachableError, quoted
from immune_nb.profiles import Profile
from immune_nb.settings import REGISTERED_AUTH

__all__ = ["Server", "find_server"]

ENDPOINTS = {
    "token_url": "token_endpoint",
    "authorize_url": "authorization_endpoint",
    "device_url": "device_authorization_endpoint",
    "revoke_url": "revocation_endpoint",
}
WELL_KNOWN = re.compile(r"/\.well-known/(?:oauth-authorization-server|openid-configuration)")
ANY_TENANT = "{tenantid}"  # in the issuer of Microsoft's metadata for several tenants at once


@dataclass(frozen=True)
class Server:
    """Where one authorization server does what.

    Args:
        token_url: Token endpoint (RFC 6749 3.2).
        authorize_url: Authorization endpoint (RFC 6749 3.1).
        device_url: Device authorization endpoint (RFC 8628 3.1).
        revoke_url: Revocation endpoint (RFC 7009).
        issuer: Its name for itself.
        sends_issuer: Whether it promises ``iss`` in authorization answers (RFC 9207).
        wants_pushed: Whether it takes none but pushed authorization requests (RFC 9126 5).
        takes_s256: Whether it takes PKCE's S256, as far as it says.
        client_auth: How it lets clients authenticate (RFC 8414 2), as far as it says: ``basic``, ``body``, and others
            by their registered names.
        userinfo_url: Where a token tells whose it is (OpenID Connect Core 5.3).
    """

    token_url: str | None = None
    authorize_url: str | None = None
    device_url: str | None = None
    revoke_url: str | None = None
    issuer: str | None = None
    sends_issuer: bool = False
    wants_pushed: bool = False
    takes_s256: bool = True
    client_auth: tuple[str, ...] = ()
    userinfo_url: str | None = None

    def url(self, endpoint: str, profile: Profile) -> str:
        """The address of ``token_url``, ``authorize_url``, ``device_url`` or ``revoke_url``.

        Raises:
            ConfigError: It is neither in the profile nor in the metadata.
        """
        found: str | None = getattr(self, endpoint)
        if found is None:
            where = "neither in it nor in its issuer's metadata" if profile.issuer else "not in it"
            raise ConfigError(
                f"Profile {profile.name!r} needs {endpoint}, which is {where}.",
                hint=f"Set {endpoint}, or {profile.env_prefix}_{endpoint.upper()}.",
            )
        return found


def find_server(profile: Profile, transport: Transport | None = None) -> Server:
    """The profile's own addresses, completed from its issuer's metadata.

    Args:
        profile: Names the addresses, or the issuer.
        transport: What sends, instead of a connection pool.

    Raises:
        ConfigError: The metadata is another issuer's, or names an unsafe address.
        UnreachableError: The issuer does not answer, or with a server error.
        BadReplyError: The issuer publishes no metadata.

    Source:
        RFC 8414 3, OpenID Connect Discovery 1.0 section 4
    """
    given = {name: getattr(profile, name) for name in ENDPOINTS}
    if profile.issuer is None:
        return Server(**given)
    issuer = WELL_KNOWN.sub("", profile.issuer)  # some write the address of the metadata
    quiet = QuietTransport(issuer, transport, most=MAX_LOGIN_BODY)
    try:
        url, metadata = _metadata(issuer, quiet)
    finally:
        quiet.close()
    found = {name: _address(url, profile, metadata, field) for name, field in ENDPOINTS.items()}
    challenges, ways = (
        metadata.get(f"{name}_methods_supported") for name in ("code_challenge", "token_endpoint_auth")
    )
    return Server(
        **{name: given[name] or found[name] for name in ENDPOINTS},
        issuer=None if ANY_TENANT in metadata["issuer"] else metadata["issuer"],
        sends_issuer=metadata.get("authorization_response_iss_parameter_supported") is True,
        wants_pushed=metadata.get("require_pushed_authorization_requests") is True,
        takes_s256=not isinstance(challenges, list) or "S256" in challenges,
        client_auth=tuple(REGISTERED_AUTH.get(str(way), quoted(way, 40)) for way in ways)
        if isinstance(ways, list)
        else (),
        userinfo_url=_address(url, profile, metadata, "userinfo_endpoint"),
    )


def _well_known(issuer: str) -> list[str]:
    """Where metadata may lie: RFC 8414 puts the word before the issuer's path, OpenID behind it."""
    parts = urlsplit(issuer)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    places = [
        f"{root}/.well-known/oauth-authorization-server{path}",
        f"{root}{path}/.well-known/openid-configuration",
        f"{root}{path}/.well-known/oauth-authorization-server",
        f"{root}/.well-known/openid-configuration{path}",
    ]
    return list(dict.fromkeys(places))


def _metadata(issuer: str, quiet: QuietTransport) -> tuple[str, dict[str, Any]]:
    """The issuer's own metadata, and where they lie. Some hosts give another issuer's for any path."""
    poor, others, failures = None, [], []
    for url in _well_known(issuer):
        # Straight to the transport: a redirect could lead to another issuer's.
        try:
            reply = quiet.handle_request(asking(url))
        except BadReplyError:
            continue  # too much, or unreadable: the next may do
        body = _document(reply)
        if body is None:
            failures.append(reply)
        elif not _is_of(issuer, body["issuer"]):
            others.append(body["issuer"])
        elif body.get("token_endpoint"):
            return url, body
        else:
            poor = poor or (url, body)  # the next may be the whole of it
    if poor:
        return poor
    raise _no_metadata(quoted(issuer), others, failures)


def _document(reply: httpx.Response) -> dict[str, Any] | None:
    """The metadata of some issuer; None for anything else."""
    if reply.status_code != httpx.codes.OK:
        return None
    try:
        body = json.loads(reply.content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) and isinstance(body.get("issuer"), str) else None


def _no_metadata(issuer: str, others: list[str], failures: list[httpx.Response]) -> ImmuneError:
    """Why there are none: an outage, another issuer's, or none at all."""
    by_hand = "set token_url and the other addresses in the profile."
    down = [r.status_code for r in failures if r.is_server_error or r.status_code == httpx.codes.TOO_MANY_REQUESTS]
    if down:
        return UnreachableError(
            f"{issuer} does not give its OAuth metadata now: it answered {down[0]}.",
            hint=f"Try again later, or {by_hand}",
        )
    if others:
        return ConfigError(
            f"{issuer} publishes metadata of another issuer: {quoted(others[0])}.",
            hint="Set issuer to that name, if you trust it; or set token_url and the others, and no issuer.",
        )
    leads = next((r.headers["location"].partition("?")[0] for r in failures if r.has_redirect_location), "")
    if leads:
        return BadReplyError(
            f"{issuer} publishes no OAuth metadata: it points to {quoted(leads)}.",
            hint=f"Set issuer to who publishes them there, if you trust that; or {by_hand}",
        )
    return BadReplyError(f"{issuer} publishes no OAuth metadata.", hint=by_hand.capitalize())


def _is_of(configured: str, said: str) -> bool:
    """Whether metadata are the configured issuer's own (RFC 8414 3.3), but for a slash at the end."""
    pattern = re.escape(said.rstrip("/")).replace(re.escape(ANY_TENANT), "[^/]+")
    return bool(re.fullmatch(pattern, configured.rstrip("/")))


def _address(base: str, profile: Profile, metadata: Mapping[str, Any], field: str) -> str | None:
    """An address of the metadata: resolved where it is relative, and held to the rule of the profile's own."""
    value = metadata.get(field)
    if not isinstance(value, str) or not value:
        return None
    try:
        url = urljoin(base, value)
    except ValueError:
        url = value  # which is refused
    check_url(f"{field} in {profile.name}'s metadata", url)
    return url
