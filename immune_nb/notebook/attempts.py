"""What somebody asks for when they log in, and what has come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immune_nb.auth.secrets import Secret
    from immune_nb.session import Session

__all__ = ["Arrival", "Attempt"]


@dataclass(frozen=True)
class Attempt:
    """One try to log in.

    Args:
        profile: Name of the profile.
        method: ``key``, ``token``, ``client``, ``browser`` or ``device``; None takes what there is.
        client_id: The OAuth client, where the profile's own is not meant.
        secret: The key, token or client secret; None leaves it to the chain, or to our own sandbox.
        scopes: Scopes to ask for, instead of the profile's.
        remember: Keep the login beyond this kernel.
        origin: Where the secret comes from, or how the person signs in, in words; empty when the chain finds it.
        before: What the chain said when it had nothing.
    """

    profile: str
    method: str | None = None
    client_id: str = ""
    secret: Secret | None = None
    scopes: tuple[str, ...] | None = None
    remember: bool = False
    origin: str = ""
    before: str = ""


@dataclass(frozen=True)
class Arrival:
    """A login that was made.

    Args:
        session: The login.
        remarks: What its owner should hear about it: another account, where it is kept, what overrides it.
    """

    session: Session
    remarks: tuple[str, ...] = ()
