"""What a login is answered, and what that must be before it counts: the browser's answer, and the ID token.

Whatever holds a code is sealed: a traceback shows the locals of every frame that it passes.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from immune_nb.auth.secrets import Secret
from immune_nb.errors import LoginRejectedError, quoted

__all__ = ["misfit", "refusal", "sealed"]

LEEWAY_SECONDS = 60.0
AGAIN = "Try again."
LATER = "Try again later."
NOT_BY_A_PERSON = {  # RFC 6749 4.1.2.1, RFC 8707 2
    "invalid_request": "Check redirect_uri and auth_params.",
    "invalid_scope": "Check the scopes.",
    "invalid_target": "Check the resources.",
    "unauthorized_client": "Check the client: it must be registered for a browser sign-in.",
    "unsupported_response_type": "Check the client: it must be registered for the authorization code.",
    "server_error": LATER,
    "temporarily_unavailable": LATER,
}


def sealed(query: str | Secret) -> Secret:
    """A query string as a secret; what no header could carry is percent-encoded, which means the same there."""
    if isinstance(query, Secret):
        return query
    return Secret(quote(query, safe=string.punctuation) or "&", "answer")


def refusal(answer: Mapping[str, str]) -> LoginRejectedError:
    """The error for an answer that has one. Anybody may have made its address: the words are short, with no link."""
    said = quoted(answer.get("error_description") or answer["error"], 120).rstrip(".")
    if hint := NOT_BY_A_PERSON.get(answer["error"]):
        return LoginRejectedError(f"The server refused the login: {said}.", hint=hint)
    return LoginRejectedError(f"The login was declined: {said}.", hint=AGAIN)


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
    if isinstance(expiry, int | float) and expiry + LEEWAY_SECONDS < now:
        return "it has expired"
    return ""


def _bare(issuer: object) -> str:
    """An issuer as it is compared: Google leaves out the scheme, and others write a slash at the end."""
    return str(issuer).removeprefix("https://").rstrip("/")
