"""What a JWT claims: whose it is, and whether an ID token is of this login (RFC 7519, OpenID Core 3.1.3.7)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from immune_nb.errors import quoted

__all__ = ["account_in", "claims", "misfit"]

ACCOUNT_CLAIMS = ("email", "preferred_username", "upn", "name", "sub")
LEEWAY_SECONDS = 60.0


def claims(text: object) -> dict[str, Any]:
    """What a JWT claims (RFC 7519 4), unverified; nothing when it is none.

    It came from the token endpoint over TLS, or from the user, and nothing is allowed because of it.
    """
    try:
        payload = str(text).split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def account_in(claimed: Mapping[str, Any], *secrets: str) -> str:
    """Whom claims name, as people know them: by address, name, or else number; never by a secret they repeat."""
    named = (claimed.get(name) for name in ACCOUNT_CLAIMS)
    return quoted(next((one for one in named if one and not any(s in str(one) for s in secrets)), ""), 120)


def misfit(identity: Mapping[str, Any], *, issuer: str | None, client_id: str, nonce: str, now: float) -> str:
    """What in an ID token is of another login (OpenID Connect Core 3.1.3.7); "" when it fits, or there is none.

    Its signature is not looked at: it came from the token endpoint over TLS.

    Args:
        identity: What it claims.
        issuer: Who must have made it, where that is known.
        client_id: Whom it must be for.
        nonce: What was sent along; "" for nothing.
        now: Unix seconds, by the server's clock.
    """
    audience, expiry = identity.get("aud"), identity.get("exp")
    if not identity:
        return ""
    if identity.get("nonce", "") != nonce:
        return "its nonce is not ours" if "nonce" in identity else "it lacks our nonce"
    if issuer and "iss" in identity and _bare(identity["iss"]) != _bare(issuer):
        return f"{quoted(identity['iss'], 120)} made it"
    if "aud" in identity and client_id not in (audience if isinstance(audience, list) else [audience]):
        return f"it is for {quoted(audience, 120)}"
    if isinstance(expiry, int | float) and expiry < now - LEEWAY_SECONDS:
        return "it has expired"
    return ""


def _bare(issuer: object) -> str:
    """An issuer as it is compared: Google leaves out the scheme, and others write a slash at the end."""
    return str(issuer).removeprefix("https://").rstrip("/")
