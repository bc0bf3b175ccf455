"""A sandbox behind a real HTTP server: as this process, or on a thread of it for a test.

uvicorn with httptools, and uvloop where there is one; on 127.0.0.1 and nothing else.
"""

from __future__ import annotations

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

    from .settings import Settings

__all__ = ["Address", "Server", "running"]


@dataclass(frozen=True)
class Address:
    """Where a sandbox answers, and to what."""

    base_url: str
    token_url: str
    credentials: Credentials

    @property
    def control_url(self) -> str:
        """Where ``/_sandbox`` is, when it is switched on."""
        return self.base_url.removesuffix("/v1") + "/_sandbox"

    def announcement(self) -> dict[str, object]:
        """What the command prints."""
        opens = self.credentials
        return {
            "base_url": self.base_url,
            "token_url": self.token_url,
            "api_key": opens.api_key,
            "client_id": opens.client_id,
            "client_secret": opens.client_secret,
            "pid": os.getpid(),
        }


class Server(uvicorn.Server):
    """uvicorn that says when it accepts connections.

    Args:
        settings: What the sandbox is like.
        port: 0 takes any free one.
        ready: Called once, with the address.
    """

    def __init__(self, settings: Settings, port: int, ready: Callable[[Address], None]) -> None:
        self._sandbox = Sandbox(settings)
        self._ready = ready
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
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
        origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return Address(f"{origin}/v1", f"{origin}/oauth/token", self._sandbox.credentials)

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
