"""Signed delivery of events to whoever registered for them, on loopback only (api-contract 1.7)."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .instants import SECOND, iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from .store import Store

__all__ = ["EVENTS", "Courier", "is_loopback", "sign"]

EVENTS: Final = ("prediction.created", "alert.triggered", "sensor.status_changed", "maintenance.scheduled")
PAUSES: Final = (0.0, 0.2, 1.0)
TIMEOUT: Final = 5.0
SUCCESS: Final = range(200, 300)


def sign(secret: str, body: bytes) -> str:
    """The value of ``x-immune-signature``: hex HMAC-SHA256 of the raw body (assumed: of exactly these bytes)."""
    return hmac.new(secret.encode(), body, "sha256").hexdigest()


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine. A sandbox must never be a way to send requests elsewhere."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"}:
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Courier:
    """Delivers events in the background, each up to three times.

    Args:
        store: Who registered.
        clock: Seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    def announce(self, event: str, data: dict[str, Any]) -> int:
        """Start delivering an event; returns to how many webhooks."""
        hooks = [hook for hook in self._store.all("webhook") if event in hook["events"]]
        created = iso(int(self._clock()) * SECOND)
        envelope = {"id": f"evt_{secrets.token_hex(8)}", "type": event, "created_at": created, "data": data}
        body = json.dumps(envelope, ensure_ascii=False).encode()
        for hook in hooks:
            task = asyncio.get_running_loop().create_task(_deliver(hook["url"], hook["secret"], body))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return len(hooks)

    async def stop(self) -> None:
        """Give up what is still on its way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def _deliver(url: str, secret: str, body: bytes) -> None:
    """Post one event until somebody says 2xx."""
    import httpx

    headers = {"content-type": "application/json", "x-immune-signature": sign(secret, body)}
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT) as client:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                reply = await client.post(url, content=body, headers=headers)
            except httpx.HTTPError:
                continue
            if reply.status_code in SUCCESS:
                return
