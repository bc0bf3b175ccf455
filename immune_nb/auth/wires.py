"""One connection to one origin: httpcore's sockets carry, llhttp reads the answers (`incoming`).

Why not httpx's own transport: it keeps a pool, of which one connection would be used, makes objects of every step,
and asks the network for 64 KiB at a time, each of which goes through all of the protocol's state.
"""

from __future__ import annotations

import base64
import math
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress

import httpcore
import httpx

from immune_nb.addresses import PORTS, Origin, origin
from immune_nb.auth.incoming import Incoming
from immune_nb.auth.sockets import quick

__all__ = ["Wire", "origin_of"]

# Bytes to ask the network for at once. A page of 1,000 readings is about 160 kB; TLS gives a record at most.
PIECES = {"http": 2**18, "https": 2**14}
FAULTS = (httpcore.NetworkError, httpcore.ProxyError, httpcore.TimeoutException, httpcore.ProtocolError)
FIRST_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.1").fullmatch  # RFC 9112 3
HEADER_LINE = re.compile(rb"[\w!#$%&'*+.^`|~-]+: [\t -~\x80-\xff]*", re.ASCII).fullmatch  # RFC 9110 5.1, 5.5


class Wire(httpx.BaseTransport):
    """A connection, opened when it is needed, and again when it was lost. One request uses it at a time.

    The extension ``until`` of a request says when its answer must be whole, in seconds of `time.monotonic`: a server
    that sends a byte now and then would keep any timeout of httpx waiting for ever.

    Args:
        verify: Whom to trust.
        idle_seconds: How long it is kept when nothing goes over it.
        proxy: What it goes through, in a tunnel (RFC 9110 9.3.6); name and password in it are the proxy's.
    """

    def __init__(self, verify: ssl.SSLContext, idle_seconds: float, proxy: httpx.URL | None = None) -> None:
        verify.set_alpn_protocols(["http/1.1"])
        self._verify = verify
        self._idle_seconds = idle_seconds
        self._proxy = proxy
        self._line: _Line | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; the body is still to be read.

        Raises:
            httpx.TransportError: The errors of httpx, as its own transport raises them.
        """
        url = request.url
        if url.scheme not in PORTS:
            raise httpx.UnsupportedProtocol(f"{url.scheme!r} is neither http nor https.")
        try:
            line = self._to(origin_of(url), request)
            line.ask(request)
            answer = line.head()
        except BaseException as error:
            self.close()
            if isinstance(error, FAULTS):
                raise _as_httpx(error) from error
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(line))

    def _to(self, origin: Origin, request: httpx.Request) -> _Line:
        """The connection, or a new one where the last leads elsewhere, broke, or was idle too long."""
        if not self._line or self._line.origin != origin or not self._line.is_free(self._idle_seconds):
            self.close()
            self._line = _Line(origin, self._open(origin, request))
        return self._line

    def _open(self, origin: Origin, request: httpx.Request) -> httpcore.NetworkStream:
        """A new connection, through the proxy where there is one."""
        if not self._proxy:
            return self._encrypted(self._reached(origin, request), origin, request)
        proxy = origin_of(self._proxy)
        try:
            stream = self._encrypted(self._reached(proxy, request), proxy, request)
        except httpcore.ConnectError as error:
            raise httpcore.ConnectError(f"the proxy {_named(proxy)}: {error}") from error
        self._tunnel(_Line(proxy, stream), origin, request)
        return self._encrypted(stream, origin, request)

    def _reached(self, origin: Origin, request: httpx.Request) -> httpcore.NetworkStream:
        stream = httpcore.SyncBackend().connect_tcp(origin[1], origin[2], _timeout(request, "connect"))
        return quick(_told(request, "connect_tcp", stream))

    def _encrypted(
        self, stream: httpcore.NetworkStream, origin: Origin, request: httpx.Request
    ) -> httpcore.NetworkStream:
        if origin[0] != "https":
            return stream
        return _told(request, "start_tls", stream.start_tls(self._verify, origin[1], _timeout(request, "connect")))

    def _tunnel(self, line: _Line, origin: Origin, request: httpx.Request) -> None:
        """Ask the proxy to pass on what follows."""
        target = _named(origin)
        headers = {"Host": target}
        if self._proxy and self._proxy.userinfo:
            known = base64.b64encode(f"{self._proxy.username}:{self._proxy.password}".encode()).decode()
            headers["Proxy-Authorization"] = f"Basic {known}"
        try:
            line.ask(
                httpx.Request("CONNECT", "http://proxy", headers=headers, extensions=request.extensions),
                target.encode(),
            )
            _expect_a_tunnel(line.head(), line.origin)
        except BaseException:
            line.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._line:
            self._line.close()


class _Line:
    """An open connection, and how far the talk over it has come."""

    def __init__(self, origin: Origin, stream: httpcore.NetworkStream) -> None:
        self.origin = origin
        self._stream = stream
        self._answer: Incoming | None = None
        self._is_last = False  # whether we said that no other request follows
        self._since = time.monotonic()
        self._patience = self._until = math.inf

    def is_free(self, idle_seconds: float) -> bool:
        """Whether another request may go over it: the last is over, nothing more came, and not long has passed."""
        if self._answer is not None or time.monotonic() - self._since > idle_seconds:
            return False
        return not self._stream.get_extra_info("is_readable")

    def ask(self, request: httpx.Request, target: bytes = b"") -> None:
        """Send a request; `target` where that is not its URL's path and query."""
        self._answer = Incoming(request.method)
        self._is_last = "close" in request.headers.get("connection", "").lower()  # RFC 9112 9.6
        self._patience = _timeout(request, "read") or math.inf
        self._until = request.extensions.get("until", math.inf)
        with suppress(httpcore.WriteError):  # the server may have said no before it heard all: the answer tells
            self._stream.write(_written(request, target or request.url.raw_path), _timeout(request, "write"))

    def head(self) -> Incoming:
        """The beginning of the answer."""
        answer = self._answer or Incoming("")
        while not answer.is_headed:
            self._listen(answer)
        return answer

    def body(self) -> Iterator[bytes]:
        """What follows it."""
        answer = self._answer or Incoming("")
        yield from answer.taken()
        while not answer.is_whole:
            self._listen(answer)
            yield from answer.taken()

    def _listen(self, answer: Incoming) -> None:
        seconds = min(self._patience, self._until - time.monotonic())
        if seconds <= 0:
            raise httpcore.ReadTimeout("The answer was not whole in time.")
        answer.feed(self._stream.read(PIECES[self.origin[0]], None if seconds == math.inf else seconds))

    def end(self) -> None:
        """Keep the connection where the answer came to its end, else close it."""
        if self._answer and self._answer.is_whole and not (self._is_last or self._answer.is_last):
            self._answer, self._since = None, time.monotonic()
        else:
            self.close()

    def close(self) -> None:
        self._stream.close()


class _Body(httpx.SyncByteStream):
    """The body of an answer, as httpx wants it."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._line.body()
        except FAULTS as error:
            raise _as_httpx(error) from error

    def close(self) -> None:
        self._line.end()


def origin_of(url: httpx.URL | str) -> Origin:
    """Scheme, host and port of a URL."""
    url = httpx.URL(url)
    return origin(url.scheme, url.raw_host.decode("ascii"), url.port)


def _written(request: httpx.Request, target: bytes) -> bytes:
    """A request as it goes over a line (RFC 9112 3), its body with it.

    Raises:
        httpcore.LocalProtocolError: It would be read as something else. What, is not said: it may be a secret.
    """
    headers = [b"%s: %s" % header for header in request.headers.raw]
    first = b"%s %s HTTP/1.1" % (request.method.encode(), target)
    if "transfer-encoding" in request.headers or not FIRST_LINE(first) or not all(map(HEADER_LINE, headers)):
        raise httpcore.LocalProtocolError("The request is no HTTP.")
    return b"\r\n".join([first, *headers, b"", request.read()])


def _named(origin: Origin) -> str:
    """Host and port, as a proxy and a person are told."""
    return f"[{origin[1]}]:{origin[2]}" if ":" in origin[1] else f"{origin[1]}:{origin[2]}"


def _expect_a_tunnel(answer: Incoming, proxy: Origin) -> None:
    """Raise where the proxy says no: a `ProxyError` where it would say so again."""
    if not 200 <= answer.status < 300:  # noqa: PLR2004
        fault = httpcore.ProxyError if answer.status < 500 else httpcore.ConnectError  # noqa: PLR2004
        raise fault(f"the proxy {_named(proxy)} says {answer.status} {answer.reason.decode('latin-1')}")


def _told(request: httpx.Request, step: str, stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
    """The stream, after `trace` of the request was told of it, as httpcore would."""
    if trace := request.extensions.get("trace"):
        trace(f"connection.{step}.complete", {"return_value": stream})
    return stream


def _timeout(request: httpx.Request, kind: str) -> float | None:
    """Seconds to wait for a step of a request; None for as long as it takes."""
    seconds: float | None = request.extensions.get("timeout", {}).get(kind)
    return seconds


def _as_httpx(error: Exception) -> Exception:
    """The error of httpx that has the same name."""
    found: Exception = getattr(httpx, type(error).__name__)(str(error))
    return found
