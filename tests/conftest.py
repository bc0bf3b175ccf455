"""What the tests share: a clean environment, and the sandbox as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.session import Session

settings.register_profile("untimed", deadline=None, max_examples=40)  # speed is for the benchmark
settings.load_profile("untimed")
REAL_PARTS = tuple(
    f"test_{name}"
    for name in (
        *(
            "audit",
            "callback",
            "completion",
            "conformance",
            "doctor",
            "dot",
            "explore_lab",
            "faults",
            "flows",
            "folder",
        ),
        *("history", "hub", "iiniit", "kernel", "lab", "login_attacks", "login_faults", "magic", "oidc", "panel"),
        *("login_answers", "odd_servers", "papermill", "refusals", "sandbox", "server_proxy", "servers", "sharing"),
        *("signin_ui", "store", "styles", "writes"),
    )
)
REAL_PARTS += tuple(path.stem for path in (Path(__file__).parent / "gauntlet").glob("test_*.py"))
CONTROL = httpx.Client(trust_env=False, verify=False)  # loopback: no proxy, and no certificates to load
TODAY = datetime.now(UTC).date()
LOGIN_VARIABLES = ("_API_KEY", "_TOKEN", "_CLIENT_ID", "_CLIENT_SECRET", "_BASE_URL", "_TOKEN_URL")


def day(back: int) -> str:
    """The date so many days ago: the sandbox has ninety days of readings, up to now."""
    return str(TODAY - timedelta(days=back))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only fast tests are wanted, what has none is not even read."""
    return (config.option.markexpr == "not slow" and collection_path.stem.startswith(REAL_PARTS)) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs real processes, servers, shells or disks is slow, whether it says so or not."""
    for item in items:
        if "sandbox_process" in getattr(item, "fixturenames", ()) or item.path.stem.startswith(REAL_PARTS):
            item.add_marker(pytest.mark.slow)


def pytest_unconfigure() -> None:
    """Leave no connection open."""
    CONTROL.close()


@dataclass(frozen=True)
class Sandbox:
    """A sandbox process: where it is, what logs in to it, and the handle that breaks it."""

    base_url: str
    issuer: str | None
    token_url: str
    authorize_url: str
    device_url: str | None
    revoke_url: str | None
    redirect_uri: str
    api_key: str
    client_id: str
    client_secret: str
    public_client_id: str
    user: str
    password: str
    pid: int

    @property
    def profile(self) -> im.Profile:
        return replace(im.SANDBOX, base_url=self.base_url, token_url=self.token_url)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SANDBOX_BASE_URL": self.base_url,
            "SANDBOX_TOKEN_URL": self.token_url,
            "SANDBOX_API_KEY": self.api_key,
        }

    def control(self, method: str, path: str, /, **body: Any) -> Any:
        url = f"{self.base_url.removesuffix('/v1')}/_sandbox/{path}"
        return CONTROL.request(method, url, json=body).raise_for_status().json()

    def breaks(self, **switches: Any) -> None:
        self.control("POST", "faults", **switches)

    def log(self, path: str = "/") -> list[dict[str, Any]]:
        return [entry for entry in self.control("GET", "log")["data"] if entry["path"].startswith(path)]


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    command = [sys.executable, "-m", "immune_nb.sandbox", "--port", "0", "--until-eof", "--control"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Sandbox(**json.loads(process.stdout.readline()))
        process.stdin.close()


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, whole, with an empty log."""
    yield sandbox_process
    sandbox_process.control("POST", "reset")


@pytest.fixture(autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No login of the person who runs the tests, and none of their folders."""
    for name in list(os.environ):
        if name.endswith(LOGIN_VARIABLES):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IMMUNE_NB_CONFIG"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MPLCONFIGDIR", str(home))
    return home


class Skipping:
    """A clock that goes on by itself, and skips what somebody would sleep."""

    def __init__(self) -> None:
        self.skipped = 0.0
        self.lock = threading.Lock()

    def __call__(self) -> float:
        return time.time() + self.skipped

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.skipped += seconds


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    """A session logged in with the sandbox's API key, that never really waits."""
    credentials, clock = find_credentials(sandbox.profile, {}, api_key=sandbox.api_key), Skipping()
    session = Session(sandbox.profile, credentials, clock=clock, sleep=clock.sleep)
    yield session
    session.logout()


@pytest.fixture
def ring() -> Iterator[Any]:
    """A keyring in memory, in use."""
    import keyring
    from rings import Ring

    before, made = keyring.get_keyring(), Ring()
    made.priority = 5
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)
