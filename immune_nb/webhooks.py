"""Webhooks: what a registration gives, and whether a delivery is the service's own (api-contract 1.7)."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError
from immune_nb.replies import sealed

__all__ = ["EVENTS", "Webhook", "verify_webhook"]

EVENTS = ("prediction.created", "alert.triggered", "sensor.status_changed", "maintenance.scheduled")


@dataclass(frozen=True)
class Webhook:
    """A registered webhook. It shows no secret.

    Args:
        url: Where events go.
        events: Which.
        id: Its id, where the service gives one.
        secret: What signs the deliveries, where the answer has it: most services show it this once.
        details: The rest of the answer.
    """

    url: str
    events: tuple[str, ...]
    id: str = ""
    secret: Secret | None = None
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, url: str, events: tuple[str, ...], body: object) -> Webhook:
        """Out of the answer to a registration, whatever its shape."""
        safe = sealed(body)
        fields = dict(_fields(safe))
        secret = next((value for value in fields.values() if isinstance(value, Secret)), None)
        name = fields.get("id") or fields.get("webhook_id") or ""
        return cls(url, events, str(name), secret, safe if isinstance(safe, dict) else {})


def verify_webhook(payload: bytes, signature: str | None, secret: str | bytes | Secret) -> bool:
    """Whether a delivery comes from who holds the secret, and is unchanged.

    The signature says nothing of when: keep the ``id`` of each event, and refuse one that comes again.

    Args:
        payload: The raw body, as it came. Decoded and encoded again it may be other bytes.
        signature: The header ``x-immune-signature``: hexadecimal HMAC-SHA256 of the payload. None when it is missing.
        secret: What the registration gave.

    Returns:
        True for a good signature. A missing, malformed or wrong one is False, told in constant time.

    Raises:
        TypeError: The payload is no bytes, or the signature no text.
        ConfigError: The secret is empty: anybody could sign with that.

    Source:
        ``x-immune-signature`` (api-contract 1.7; RFC 2104)
    """
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise TypeError("The payload must be the raw body, in bytes, as it came.")
    if signature is not None and not isinstance(signature, str):
        raise TypeError("The signature must be the text of the header x-immune-signature, or None.")
    key = secret.reveal() if isinstance(secret, Secret) else secret
    if not key:
        raise ConfigError("The webhook's secret is empty.", hint="Register the webhook, or set its secret.")
    digest = hmac.new(key.encode() if isinstance(key, str) else key, payload, "sha256").hexdigest()
    given = (signature or "").lower().encode("utf-8", "surrogatepass")
    return hmac.compare_digest(digest.encode(), given)


def _fields(tree: object) -> Iterator[tuple[str, Any]]:
    """Every named value of an answer; the innermost of a name comes first, so that the outermost wins."""
    for value in tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ():
        yield from _fields(value)
    if isinstance(tree, Mapping):
        yield from tree.items()
