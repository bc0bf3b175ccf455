"""What the gauntlet's groups share: a canary, and a service that takes it, in a header or in the query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.scripted import Answer, error, scripted, token

from gauntlet.canaries import canary
from gauntlet.services import PLACES, Service


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
