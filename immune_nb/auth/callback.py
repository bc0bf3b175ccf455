"""Where the browser brings the answer of a login: a listener on loopback, for one answer.

It is silent, serves one fixed page, and tells nobody anything. What is not the expected answer is a 404 and leaves it
waiting: junk cannot end a login, and cannot pass for one. A browser on another machine cannot reach it; then the
address that the browser shows is pasted instead.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from immune_nb.errors import ConfigError
from immune_nb.profiles import is_loopback

__all__ = ["Callback", "answer_in", "leads_here"]

HOST = "127.0.0.1"  # not "localhost": somebody else may hold [::1]
PATH = "/callback"
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

    Attributes:
        redirect_uri: The address to send with the login.

    Raises:
        ConfigError: `redirect_uri` leads elsewhere, or its port is taken.
    """

    def __init__(self, redirect_uri: str | None = None) -> None:
        place = _place(redirect_uri)
        if place is None:
            raise ConfigError(f"{redirect_uri} does not lead here.", hint="Paste the address you land on instead.")
        port, path = place
        self._accepts: Callable[[str], bool] = lambda _query: False
        self._answers: queue.Queue[str] = queue.Queue(1)
        self._is_serving = False
        try:
            self._server = _Server((HOST, port), self, path)
        except OSError:
            raise ConfigError(f"Port {port} is taken.", hint="Free it, or paste the address instead.") from None
        here = f"{HOST}:{self._server.server_address[1]}"
        self.redirect_uri = redirect_uri if redirect_uri and port else f"http://{here}{path}"
        self._server.hosts = {here, urlsplit(self.redirect_uri).netloc}

    def listen(self, accepts: Callable[[str], bool]) -> None:
        """Begin to listen.

        Args:
            accepts: Whether a query string is the answer; the first that is, is it.
        """
        self._accepts = accepts
        self._is_serving = True  # before the thread runs: `close` may come first
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

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
        if self._is_serving:
            self._server.shutdown()
        self._is_serving = False
        self._server.server_close()


def leads_here(redirect_uri: str | None) -> bool:
    """Whether a listener can take the answer for that redirect URI; None, for any, can be taken."""
    return _place(redirect_uri) is not None


def _place(redirect_uri: str | None) -> tuple[int, str] | None:
    """Port and path to listen at: on loopback, or behind jupyter-server-proxy's ``…/proxy/PORT/…``; 0 is any port."""
    if redirect_uri is None:
        return 0, PATH
    parts = urlsplit(redirect_uri)
    if parts.scheme == "http" and is_loopback(parts.hostname):
        return parts.port or 0, parts.path or "/"
    proxied = re.fullmatch(r".*/proxy/(\d{1,5})(/.*)", parts.path)
    return (int(proxied[1]), proxied[2]) if proxied and parts.scheme == "https" else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False  # nobody may share the port
    allow_reuse_port = False

    def __init__(self, address: tuple[str, int], callback: Callback, path: str) -> None:
        self.callback = callback
        self.path = path
        self.hosts: set[str] = set()
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
        ours = self.headers.get("Host") in self.server.hosts and path == self.server.path
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
    text = pasted.strip().strip("<>\"'")
    return urlsplit(text).query if "?" in text else text
