"""The open connections of a client, so that a wish to stop reaches a thread that waits for bytes.

A thread in a blocking read hears nothing: not an event, not Ctrl-C, and closing the pool beside it wakes nobody.
Shutting its socket down does. httpcore tells of each new connection through the ``trace`` extension of a request, and
`wires.Wire` does as well.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Mapping
from typing import Any

__all__ = ["Lines"]


class Lines:
    """The connections that requests carrying `watching` have opened.

    Attributes:
        watching: Request extensions.
    """

    def __init__(self) -> None:
        self.watching: Mapping[str, Any] = {"trace": self._heard}
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def _heard(self, event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._open.add(info["return_value"])

    def cut(self) -> None:
        """Shut every one of them down. Whoever waits on one gets a network error at once."""
        with self._lock:
            streams = list(self._open)
        for stream in streams:
            sock = stream.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
