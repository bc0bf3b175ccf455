"""One connection to one origin, over httpcore, the library beneath httpx.

Why not httpx's own transport: it keeps a pool, of which one connection would be used, and asks the network for
64 KiB at a time, each of which goes through all of the protocol's state. Here a page takes a third less of the CPU.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

__all__ = ["Wire"]

PIECE = 2**18  # bytes to ask the network for at once: a page of 1,000 readings is about 160 kB
FAULTS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


class Wire(httpx.BaseTransport):
    """A connection, opened when it is needed, and again when it was lost. One request uses it at a time.

    Args:
        verify: Whom to trust.
        idle_seconds: How long it is kept when nothing goes over it.
    """

    def __init__(self, verify: ssl.SSLContext, idle_seconds: float) -> None:
        self._verify = verify
        self._idle_seconds = idle_seconds
        self._connection: httpcore.HTTPConnection | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; the body is still to be read.

        Raises:
            httpx.TransportError: The errors of httpx, as its own transport raises them.
        """
        url = request.url
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"{url.scheme!r} is neither http nor https.")
        asked = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = self._to(asked.url.origin).handle_request(asked)
        except FAULTS as error:
            raise _as_httpx(error) from error
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def _to(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        """The connection, or a new one where the last leads elsewhere, broke, or was idle too long."""
        last = self._connection
        if last and last.can_handle_request(origin) and last.is_idle() and not last.has_expired():
            return last
        self.close()
        self._connection = httpcore.HTTPConnection(
            origin, ssl_context=self._verify, keepalive_expiry=self._idle_seconds, network_backend=_Backend()
        )
        return self._connection

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()


class _Body(httpx.SyncByteStream):
    """The body of an answer, as httpx wants it."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.iter_stream()
        except FAULTS as error:
            raise _as_httpx(error) from error

    def close(self) -> None:
        self._answer.close()


def _as_httpx(error: Exception) -> Exception:
    """The error of httpx that has the same name."""
    found: Exception = getattr(httpx, type(error).__name__)(str(error))
    return found


class _Backend(httpcore.SyncBackend):
    """Sockets from which much is read at once."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max(max_bytes, PIECE), timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return self._inner.start_tls(ssl_context, server_hostname, timeout)  # which gives 16 KiB at a time anyway

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
