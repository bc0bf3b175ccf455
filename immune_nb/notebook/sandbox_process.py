"""A sandbox of this kernel's own: started when asked for, gone with the kernel.

It runs ``--until-eof``: its standard input is a pipe that we hold, so even a killed kernel takes it along.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlowError
from dataclasses import replace
from importlib.util import find_spec
from typing import IO, Any

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError, UnreachableError, quoted
from immune_nb.profiles import SANDBOX, Profile

__all__ = ["SandboxProcess"]

PASSWORD = "sandbox"  # noqa: S105 - no secret: whoever signs in must know it, and there is nothing behind it
COMMAND = (sys.executable, "-m", "immune_nb.sandbox", "--port", "0", "--until-eof", "--password", PASSWORD)
NEEDS = ("starlette", "uvicorn", "python_multipart")
PATIENCE = 30.0  # seconds until its first line; it is there in one or two


class SandboxProcess:
    """A running sandbox: where it is, and what logs in to it.

    Args:
        process: The process, whose standard input we hold.
        facts: What it says of itself: addresses and credentials.

    Attributes:
        profile: Its profile.
        person: Who can sign in to it, and with what.
        api_key: A key that it takes.
        client_id: A client that it knows.
        client_secret: That client's secret.
    """

    def __init__(self, process: subprocess.Popen[str], facts: dict[str, Any]) -> None:
        self._process = process
        self.profile: Profile = replace(
            SANDBOX,
            base_url=facts["base_url"],
            token_url=facts["token_url"],
            issuer=facts["issuer"],
            client_id=facts["public_client_id"],
        )
        self.person = f"{facts['user']}, password {PASSWORD}"
        self.api_key = Secret(facts["api_key"], "API key")
        self.client_id = str(facts["client_id"])
        self.client_secret = Secret(facts["client_secret"], "client secret")
        atexit.register(self.stop)

    @classmethod
    def start(cls, patience: float = PATIENCE) -> SandboxProcess:
        """Start one, and wait until it serves.

        Raises:
            ConfigError: The sandbox is not installed.
            UnreachableError: It did not start.
        """
        if any(find_spec(module) is None for module in NEEDS):
            raise ConfigError("The sandbox is not installed.", hint='Run: pip install "immune_nb[sandbox]"')
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
            process = subprocess.Popen(  # noqa: S603 - our own module, by a fixed command
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C in a terminal is meant for the cell
            )
            facts = _first_line(process, patience)
            if facts:
                return cls(process, facts)
            _end(process)
            raise UnreachableError("The sandbox did not start.", hint=_last_words(complaints))

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop it; again is no harm."""
        atexit.unregister(self.stop)
        _end(self._process)


def _first_line(process: subprocess.Popen[str], patience: float) -> dict[str, Any] | None:
    """What the process says first; None if that is nothing, or late."""
    assert process.stdout is not None  # noqa: S101 - asked for a pipe
    with ThreadPoolExecutor(1) as pool:
        line = pool.submit(process.stdout.readline)
        try:
            facts: dict[str, Any] = json.loads(line.result(patience))
        except (TooSlowError, ValueError):
            process.kill()  # which also ends the reading
            return None
    return facts


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(complaints: IO[str]) -> str:
    complaints.seek(0)
    lines = complaints.read().strip().splitlines()
    return f"It said: {quoted(lines[-1])}" if lines else ""
