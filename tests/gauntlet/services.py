"""A service that takes one secret, in a header or in the query, and remembers what it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from servers.scripted import Answer, Asked, Scripted, reply

__all__ = ["PLACES", "Service"]

PLACES = {"header": "X-API-Key: {key}", "prefixed": "Authorization: ApiKey {key}", "query": "?api_key={key}"}


@dataclass
class Service:
    """A service that takes one secret, and what it has seen.

    Attributes:
        server: The server behind it.
        secret: What it takes: as a key, as a token, as a client's secret.
        config: A profile file that names it ``lab``.
    """

    server: Scripted
    secret: str
    config: Path

    @property
    def base_url(self) -> str:
        return f"{self.server.origin}/v1"

    def has(self, request: Asked) -> bool:
        """Whether a request carries the secret."""
        sent = [*request.headers.values(), *(value for values in request.query.values() for value in values)]
        return any(value.removeprefix("ApiKey ").removeprefix("Bearer ") == self.secret for value in sent)

    def sensors(self, request: Asked) -> Answer:
        """Two sensors for who has the secret."""
        if not self.has(request):
            return reply({"error": {"code": "AUTHENTICATION_ERROR", "message": "no"}}, 401)
        rows = [{"id": "vib_001", "status": "online"}, {"id": "vib_002", "status": "error"}]
        return reply({"data": rows, "has_more": False, "total_count": 2})

    def was_used(self) -> bool:
        """Whether the service was asked with the secret at least once; else a clean run proves nothing."""
        return any(self.has(request) for request in self.server.requests)
