"""Access tokens: what one is, whose, and how long it may be used."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from immune_nb.auth.claims import account_in, claims
from immune_nb.auth.secrets import Secret
from immune_nb.errors import BadReplyError, ConfigError, quoted

__all__ = ["Token", "differ"]

LEEWAY_SECONDS = 60.0
LEEWAY_SHARE = 0.1


@dataclass(frozen=True)
class Token:
    """One access token (RFC 6749 5.1).

    Args:
        access: What is sent as the bearer token (RFC 6750).
        received_at: When it arrived, in seconds of the keeper's clock.
        expires_in: Its lifetime in seconds; None when the server did not say, or said nonsense.
        scopes: Scopes granted; None when the server did not say: then they are as asked.
        refresh: What gets the next one (RFC 6749 1.5), where the server gives that.
        account: Whose it is, for people to read, where the server says so.
        subject: The same for machines: the ``sub`` of the ID token that came with it.
    """

    access: Secret
    received_at: float = 0.0
    expires_in: float | None = None
    scopes: tuple[str, ...] | None = None
    refresh: Secret | None = None
    account: str = ""
    subject: str = ""

    @classmethod
    def from_reply(cls, reply: dict[str, Any], now: float, ahead: float = 0.0) -> Token:
        """Read a token endpoint's reply.

        Args:
            reply: Its fields.
            now: When it arrived, by our clock.
            ahead: Seconds that the server's clock is ahead of ours; for a life that only the token itself tells.

        Raises:
            BadReplyError: It holds no usable bearer token. No value of it is quoted but `token_type`.
        """
        kind = reply.get("token_type") or "Bearer"
        if str(kind).lower() != "bearer":
            raise BadReplyError(f"The token endpoint gave a token of type {quoted(kind, 40)!r}, not Bearer.")
        access, identity = _secret(reply, "access_token"), claims(reply.get("id_token"))
        renewal = _secret(reply, "refresh_token") if reply.get("refresh_token") else None
        life = _lifetime(reply.get("expires_in")) or _life_by_claim(access, now + ahead)
        held = [secret.reveal() for secret in (access, renewal) if secret]
        account = account_in(identity, *held) or account_in(claims(access.reveal()), *held)
        scopes = _scopes(reply.get("scope"), held)
        subject = str(identity.get("sub") or "")
        return cls(access, now, life, scopes, renewal, account, subject)

    @classmethod
    def found(cls, access: Secret, now: float, ahead: float = 0.0) -> Token:
        """An access token that came from somewhere else than the token endpoint; see `from_reply`.

        It lasts as long as it says of itself, if it is a JWT (RFC 9068 2.2).
        """
        return cls(access, now, _life_by_claim(access, now + ahead), account=account_in(claims(access.reveal())))

    def is_anothers(self, other: Token) -> bool:
        """Whether another token is somebody else's, as far as both say whose they are."""
        subs = (claims(token.access.reveal()).get("sub") for token in (self, other))
        return differ(self.subject, other.subject) or differ(*subs)

    def seconds_left(self, now: float) -> float | None:
        """Seconds until it expires, never below 0; None when its lifetime is unknown."""
        return None if self.expires_in is None else max(0.0, self.received_at + self.expires_in - now)

    def is_due(self, now: float) -> bool:
        """Whether to renew it now: within the lesser of 60 s and a tenth of its life from expiry."""
        left = self.seconds_left(now)
        if left is None or self.expires_in is None:
            return False
        return left <= min(LEEWAY_SECONDS, LEEWAY_SHARE * self.expires_in)


def differ(one: object, other: object) -> bool:
    """Whether two names are of two people; one that is not known is nobody's."""
    return bool(one and other) and str(one) != str(other)


def _secret(reply: dict[str, Any], field: str) -> Secret:
    text = reply.get(field)
    fault = BadReplyError(f"The token endpoint's answer holds no usable {field}.")
    if not isinstance(text, str) or not text.strip():
        raise fault
    try:
        return Secret(text, field.replace("_", " "))
    except ConfigError:
        pass
    raise fault


def _scopes(value: object, held: list[str]) -> tuple[str, ...] | None:
    """`scope` as servers really send it: words, a list, or, as GitHub does, with commas; no secret it repeats."""
    words = value.replace(",", " ").split() if isinstance(value, str) else value
    return tuple(word for word in map(str, words) if word not in held) if isinstance(words, list) else None


def _life_by_claim(access: Secret, now: float) -> float | None:
    """Seconds that a JWT has left by its own word; None when it says nothing, or is over already."""
    expiry = _lifetime(claims(access.reveal()).get("exp"))
    return _lifetime(expiry - now) if expiry else None


def _lifetime(value: object) -> float | None:
    """`expires_in` as servers really send it: number, text, missing, zero, negative, or beyond any number."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
