"""A connection without TLS that asks the system for nothing but what it needs: to send, to wait, to receive."""

from __future__ import annotations

import select
import ssl
from typing import Any

import httpcore

__all__ = ["quick"]

LONGEST_WAIT = 2**31 - 1  # milliseconds; more than poll takes
HAS_POLL = hasattr(select, "poll")  # not on Windows


def quick(stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
    """The same connection, quicker where that can be."""
    return _Plain(stream) if HAS_POLL else stream


class _Plain(httpcore.NetworkStream):
    """Why not httpcore's own: it sets a timeout before every step and waits before it sends.

    Each of these calls gives Python's lock away, to a thread that does not give it back at once: at no latency, those
    that are saved here are a twentieth of the time that a query of many pages takes.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._socket = stream.get_extra_info("socket")
        self._socket.settimeout(0)
        self._incoming, self._outgoing = select.poll(), select.poll()
        self._incoming.register(self._socket, select.POLLIN)
        self._outgoing.register(self._socket, select.POLLOUT)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What came, once something has; nothing at the end."""
        self._check_open()
        if not self._incoming.poll(_milliseconds(timeout)):
            raise httpcore.ReadTimeout("Nothing came in time.")
        try:
            data: bytes = self._socket.recv(max_bytes)
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        rest = memoryview(buffer)
        self._check_open()
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                if not self._outgoing.poll(_milliseconds(timeout)):
                    raise httpcore.WriteTimeout("Nothing could be sent in time.") from None
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error

    def _check_open(self) -> None:
        """Refuse where another thread has closed it: its number may be another's by now."""
        if self._socket.fileno() < 0:
            raise httpcore.ReadError("The connection was closed.")

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Encrypt what follows, as httpcore does it."""
        return self._stream.start_tls(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore knows of it."""
        if info == "is_readable":
            return self._socket.fileno() < 0 or bool(self._incoming.poll(0))
        return self._stream.get_extra_info(info)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else min(seconds * 1000, LONGEST_WAIT)
