"""What can be said of a login without telling its secret, and of what it was used for."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

__all__ = ["Status", "Usage"]


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
        expires_in: Seconds until the access token expires; None when unknown, not applicable, or refused before.
        renewable: Whether it renews itself.
        verified: Whether the service has accepted it, and not refused it since.
        calls_left: Calls the service still allows; None when it does not say.
        remembered: Where it is kept beyond this kernel; empty when it is not.
        skipped: The links of the chain before this one, and why they had nothing.
        refused: Whether the service accepted it once, and does not any more.
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
    refused: bool = False

    @property
    def standing(self) -> str:
        """What the service thinks of it, in words."""
        return (
            "accepted" if self.verified else "no longer accepted: log in again" if self.refused else "not tried yet"
        )

    def __repr__(self) -> str:
        said = {field.name: _said(getattr(self, field.name)) for field in fields(self)}
        return "\n".join(f"{name:<10}  {text}" for name, text in said.items() if text)


@dataclass(frozen=True)
class Usage:
    """What was asked of a service, and what it allows.

    Args:
        profile: Name of the profile.
        calls: Requests sent, repeated ones too.
        received: Bytes of the answers' bodies, unpacked.
        refusals: Answers that asked for patience, and requests that got none.
        limit: Calls the service allows in a period; None when it does not say.
        left: Calls it still allows in this one; None when it does not say.
        resets_at: When the next period begins, in Unix seconds; None when it does not say.
    """

    profile: str
    calls: int = 0
    received: int = 0
    refusals: int = 0
    limit: int | None = None
    left: int | None = None
    resets_at: float | None = None

    def after(self, earlier: Usage) -> Usage:
        """This one and an earlier one of the same profile in one; what the service says is the latest."""
        return replace(
            self,
            calls=earlier.calls + self.calls,
            received=earlier.received + self.received,
            refusals=earlier.refusals + self.refusals,
            limit=earlier.limit if self.limit is None else self.limit,
            left=earlier.left if self.left is None else self.left,
            resets_at=earlier.resets_at if self.resets_at is None else self.resets_at,
        )


def _said(value: object) -> str:
    """A value in words; empty for what is not known."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f} s"
        case tuple():
            return ", ".join(item if isinstance(item, str) else ": ".join(item) for item in value)
    return "" if value is None else str(value)
