"""What can be said of a login without telling its secret."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Status"]


@dataclass(frozen=True)
class Status:
    """What can be said of a login without telling its secret.

    Args:
        profile: Name of the profile.
        base_url: The API it is for.
        method: ``API key``, ``access token``, ``client credentials``, ``browser sign-in`` or ``device sign-in``.
        account: Who is logged in, where that is known.
        scopes: Scopes granted, or asked for when the server does not say.
        source: Where the credential came from.
        expires_in: Seconds until the access token expires; None when unknown or not applicable.
        renewable: Whether it renews itself.
        verified: Whether the service has accepted it.
        calls_left: Calls the service still allows; None when it does not say.
        remembered: Where it is kept beyond this kernel; empty when it is not.
        skipped: The links of the chain before this one, and why they had nothing.
    """

    profile: str
    base_url: str
    method: str
    account: str
    scopes: tuple[str, ...]
    source: str
    expires_in: float | None
    renewable: bool
    verified: bool
    calls_left: int | None
    remembered: str = ""
    skipped: tuple[tuple[str, str], ...] = ()
