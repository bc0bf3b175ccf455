"""What the gauntlet's groups share: a canary, and a service that takes it, in a header or in the query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from canaries import canary
from servers.scripted import Answer, Asked, Scripted, error, reply, scripted, token

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


@pytest.fixture(params=["header", "query"])
def place(request: pytest.FixtureRequest) -> str:
    """Where the key goes."""
    return str(request.param)


@pytest.fixture
def service(place: str, tmp_path: Path) -> Iterator[Service]:
    """The service, whole."""
    with scripted() as server:
        config = tmp_path / "profiles.toml"
        lines = [
            "[lab]",
            f'base_url = "{server.origin}/v1"',
            f'token_url = "{server.origin}/token"',
            f'revoke_url = "{server.origin}/revoke"',
            f"api_key_in = '{PLACES[place]}'",
            'check = "/sensors"',
        ]
        config.write_text("\n".join(lines), encoding="utf-8")
        made = Service(server, canary(), config)
        server.says("/v1/sensors", made.sensors)
        server.says("/v1/broken", Answer(0))
        server.says("/v1/junk", Answer(200, body=b"<html>"))
        server.says("/v1/refused", error("no", 403))
        server.says("/token", token(made.secret, refresh_token=f"r{made.secret}"))
        server.says("/revoke", Answer(200))
        yield made


@pytest.fixture
def lab(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service, known in this process as the profile ``lab``."""
    monkeypatch.setenv("IMMUNE_NB_CONFIG", str(service.config))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return service
