"""Where the browser brings the answer of a login: a listener on loopback, for one answer.

It is silent, serves one fixed page, and tells nobody anything. What is not the expected answer is a 404 and leaves it
waiting: junk cannot end a login, and cannot pass for one. A browser on another machine cannot reach it, but through
jupyter-server-proxy; without that, the address that the browser shows is pasted instead.
"""

from __future__ import annotations

import errno
import os
import queue
import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from immune_nb.addresses import LAST_PORT, Origin, is_loopback, origin
from immune_nb.errors import ConfigError
from immune_nb.settings import FREE_PORT, OWN_SERVER

__all__ = ["Callback", "answer_in", "leads_here", "resolved"]

HOST = "127.0.0.1"  # not "localhost", unless it is registered so: somebody else may hold [::1]
BOTH = ("127.0.0.1", "::1")  # what "localhost" may mean to a browser
PATH = "/callback"
TRIES = 8  # to find a port that is free at both
HALF_OPEN_SECONDS = 5
PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>immune_nb</title><style>body{font:1.1rem system-ui,sans-serif;margin:18vh auto;max-width:30rem;padding:0 1rem;
text-align:center;color-scheme:light dark}</style><h1>Back to your notebook</h1>
<p>The answer has arrived there. You can close this tab.</p></html>"""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


class Callback:
    """A listener for the answer of one login.

    Args:
        redirect_uri: The redirect URI as registered, when the server wants a fixed one. On loopback without a port,
            a free one is taken (RFC 8252 7.3); ``https://hub…/proxy/PORT/path`` is jupyter-server-proxy's way here.
        environ: Says where ``{server}`` is; see `Profile.redirect_uri`.

    Attributes:
        redirect_uri: The address to send with the login.

    Raises:
        ConfigError: `redirect_uri` leads elsewhere, or its port is taken.
    """

    def __init__(self, redirect_uri: str | None = None, environ: Mapping[str, str] = os.environ) -> None:
        wanted = resolved(redirect_uri, environ) or f"http://{HOST}{PATH}"
        place = _place(wanted)
        if place is None:
            raise ConfigError(f"{redirect_uri} does not lead here.", hint="Paste the address you land on instead.")
        hosts, port, path = place
        self._accepts: Callable[[str], bool] = lambda _query: False
        self._answers: queue.Queue[str] = queue.Queue(1)
        self._is_serving = False
        self._servers = _listeners(hosts, port, lambda address: _Server(address, self, path))
        taken = self._servers[0].server_address[1]
        self.redirect_uri = _with_port(wanted, taken)
        sent = urlsplit(self.redirect_uri)
        for server in self._servers:
            server.scheme = sent.scheme
            server.origins = {_origin(sent.scheme, at) for at in (f"{HOST}:{taken}", sent.netloc)}

    def listen(self, accepts: Callable[[str], bool]) -> None:
        """Begin to listen.

        Args:
            accepts: Whether a query string is the answer; the first that is, is it.
        """
        self._accepts = accepts
        self._is_serving = True  # before the thread runs: `close` may come first
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()

    def take(self, timeout: float = 0.0) -> str | None:
        """The answer's query string; None when it has not come within `timeout` seconds."""
        with suppress(queue.Empty):
            return self._answers.get(timeout=timeout) if timeout else self._answers.get_nowait()
        return None

    def offer(self, query: str) -> bool:
        """Take `query` for the answer if it is the first that is one."""
        if not self._accepts(query):
            return False
        with suppress(queue.Full):
            self._answers.put_nowait(query)
            return True
        return False

    def close(self) -> None:
        """Stop listening, and free the port."""
        for server in self._servers:
            if self._is_serving:
                server.shutdown()
            server.server_close()
        self._is_serving = False


def leads_here(redirect_uri: str | None) -> bool:
    """Whether a listener can take the answer for that redirect URI; None, for any, can be taken."""
    return redirect_uri is None or _place(resolved(redirect_uri)) is not None


def resolved(redirect_uri: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """A registered redirect URI with ``{server}`` filled in; where there is none, the same path on loopback."""
    if redirect_uri is None or OWN_SERVER not in redirect_uri:
        return redirect_uri or ""
    public, origin = (environ.get(f"JUPYTERHUB_{name}", "") for name in ("PUBLIC_URL", "HOST"))
    prefix = environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    server = public or (f"{origin}{prefix}" if origin and prefix else "")
    if server:
        return redirect_uri.replace(OWN_SERVER, server.rstrip("/"))
    return f"http://{HOST}{re.sub(r'^.*?/proxy/[^/]+', '', redirect_uri.replace(OWN_SERVER, ''))}"


def _place(redirect_uri: str) -> tuple[tuple[str, ...], int, str] | None:
    """Hosts, port and path to listen at: loopback, or behind jupyter-server-proxy; port 0 is any."""
    try:
        parts = urlsplit(redirect_uri.replace(FREE_PORT, "0"))
        port = parts.port or 0
    except ValueError:
        return None
    is_here = parts.scheme == "http" and is_loopback(parts.hostname)
    proxied = re.fullmatch(r".*/proxy/(\d{1,5})(/.*)", parts.path)
    if proxied and int(proxied[1]) <= LAST_PORT and (parts.scheme == "https" or is_here):
        return (HOST,), int(proxied[1]), proxied[2]
    host = str(parts.hostname)
    return (BOTH if host == "localhost" else (host,), port, parts.path or "/") if is_here else None


def _origin(scheme: str, place: str) -> Origin | None:
    """The origin of a host and port, as browsers write them in other words than people; None for anything else."""
    try:
        parts = urlsplit(f"//{place}")
        return origin(scheme, parts.hostname, parts.port) if parts.netloc == place and "@" not in place else None
    except ValueError:
        return None


def _with_port(redirect_uri: str, port: int) -> str:
    """The redirect URI to send: the registered one to the letter, but for a port that is free to choose."""
    if FREE_PORT in redirect_uri:
        return redirect_uri.replace(FREE_PORT, str(port))
    parts = urlsplit(redirect_uri)
    if parts.port or not is_loopback(parts.hostname):
        return redirect_uri
    return parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{port}").geturl()


def _listeners(hosts: tuple[str, ...], port: int, listen: Callable[[tuple[str, int]], _Server]) -> list[_Server]:
    """A server at each host, all at one port; at one host less where the machine has no IPv6.

    Raises:
        ConfigError: Somebody else listens at that port.
    """
    for _ in range(1 if port else TRIES):
        servers: list[_Server] = []
        try:
            for host in hosts:
                servers += _listener(host, servers[0].server_address[1] if servers else port, listen)
        except OSError:
            for server in servers:
                server.server_close()
            continue
        return servers
    raise ConfigError(
        f"Port {port} is taken.",
        hint="Is an earlier sign-in still open? Cancel it. Else end what listens there, or use another method.",
    )


def _listener(host: str, port: int, listen: Callable[[tuple[str, int]], _Server]) -> list[_Server]:
    try:
        return [listen((host, port))]
    except OSError as error:
        if host == BOTH[1] and error.errno not in (errno.EADDRINUSE, errno.EACCES):
            return []  # no IPv6 here, so nobody can hold it either
        raise


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Nobody may share the port, which on Windows this would allow; elsewhere it takes one that was closed just now.
    allow_reuse_address = os.name == "posix"
    allow_reuse_port = False

    def __init__(self, address: tuple[str, int], callback: Callback, path: str) -> None:
        self.callback = callback
        self.path = path
        self.scheme = "http"
        self.origins: set[Origin | None] = set()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: the default prints the request into the cell."""


class _Handler(BaseHTTPRequestHandler):
    timeout = HALF_OPEN_SECONDS
    server_version = "immune_nb"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        """Answer the one GET that counts."""
        path, _, query = self.path.partition("?")
        asked = _origin(self.server.scheme, self.headers.get("Host", ""))
        ours = asked is not None and asked in self.server.origins and path == self.server.path
        if "Origin" in self.headers:
            self._reply(403)
        elif ours and self.server.callback.offer(query):
            self._reply(200, PAGE)
        else:
            self._reply(404)

    def send_error(self, code: int, *_: Any) -> None:
        """Every other method and every malformed request: nothing to see here."""
        self._reply(code if code in (408, 414) else 404)

    def _reply(self, status: int, body: bytes = b"") -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing: the line would hold the code."""


def answer_in(pasted: str) -> str:
    """The query string in an address a person pasted, or what they pasted when it is one already."""
    address, _, query = pasted.strip().strip("<>\"'").partition("#")[0].partition("?")
    return query or address
