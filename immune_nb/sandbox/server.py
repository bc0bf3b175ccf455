"""A sandbox behind a real HTTP server: as this process, or on a thread of it for a test.

uvicorn with httptools, and uvloop where there is one; on 127.0.0.1 and nothing else.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from .app import Credentials, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .roles import Role
    from .settings import Settings

__all__ = ["Address", "Server", "running"]


@dataclass(frozen=True)
class Address:
    """Where a sandbox answers, and to what; an address that it does not have is empty."""

    origin: str
    role: Role
    credentials: Credentials
    redirect_uri: str

    @property
    def base_url(self) -> str:
        """Where its API begins."""
        return self.origin + self.role.api

    @property
    def token_url(self) -> str:
        """Its token endpoint."""
        return self.origin + self.role.token

    @property
    def control_url(self) -> str:
        """Where ``/_sandbox`` is, when it is switched on."""
        return self.origin + "/_sandbox"

    def announcement(self) -> dict[str, object]:
        """What the command prints."""
        role = self.role
        return {
            "base_url": self.base_url,
            "issuer": self.origin if role.announces_itself else None,
            "token_url": self.token_url,
            "authorize_url": self._at(role.authorize),
            "device_url": self._at(role.device),
            "revoke_url": self._at(role.revoke),
            "redirect_uri": self.redirect_uri,
            **dataclasses.asdict(self.credentials),
            "pid": os.getpid(),
        }

    def _at(self, path: str) -> str | None:
        return self.origin + path if path else None


class Server(uvicorn.Server):
    """uvicorn that says when it accepts connections.

    Args:
        settings: What the sandbox is like.
        port: 0 takes any free one.
        ready: Called once, with the address.
    """

    def __init__(self, settings: Settings, port: int, ready: Callable[[Address], None]) -> None:
        self._ready = ready
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        self._origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._sandbox = Sandbox(settings, self._origin)
        super().__init__(
            uvicorn.Config(
                self._sandbox.app,
                log_config=None,
                log_level="critical",  # a body cut on purpose would be logged as an error
                access_log=False,
                proxy_headers=False,
                ws="none",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=1,
            )
        )

    @property
    def address(self) -> Address:
        """Where it answers."""
        sandbox = self._sandbox
        return Address(self._origin, sandbox.role, sandbox.credentials, sandbox.redirect_uris[0])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting, then say so."""
        await super().startup(sockets)
        self._ready(self.address)

    def serve_until_stopped(self) -> None:
        """Answer until a signal or `stop`."""
        try:
            self.run([self._socket])
        finally:
            self._sandbox.close()
            self._socket.close()

    def stop(self) -> None:
        """Finish what is being answered, then end."""
        self.should_exit = True


@contextmanager
def running(settings: Settings) -> Iterator[Address]:
    """A sandbox on a thread, for as long as the block lasts."""
    accepting = threading.Event()
    server = Server(settings, 0, lambda _: accepting.set())
    thread = threading.Thread(target=server.serve_until_stopped, name="sandbox", daemon=True)
    thread.start()
    accepting.wait(10)
    try:
        yield server.address
    finally:
        server.stop()
        thread.join(10)
