"""An authorization server that answers what a test tells it to, and keeps everything it was asked.

For the attacks and faults no decent server shows: one queue of answers per path, raw bytes where they matter. It runs
on a thread of the test's process, on 127.0.0.1::

    with scripted() as server:
        server.says("/token", server.token("at_1"), error("invalid_grant", 400), html("<h1>Log in</h1>"))
        …
        assert [asked.form["grant_type"] for asked in server.asked("/token")] == ["refresh_token", "refresh_token"]

The last answer of a queue is given for ever; a path without one is 404. An answer may wait for an event, so that a
test needs no sleep to meet a client in the middle of a request.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Answer", "Asked", "Scripted", "error", "html", "redirect", "reply", "scripted", "token"]

PATIENCE = 30.0
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        method: As sent.
        path: Without the query.
        query: Parameters; a repeated one keeps every value.
        headers: Names in lower case.
        fields: Form fields; a repeated one keeps every value.
        body: As sent.
    """

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    fields: Mapping[str, list[str]]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """Form fields, each of which must have come once."""
        repeated = [name for name, values in self.fields.items() if len(values) > 1]
        assert not repeated, f"sent more than once: {repeated}"
        return {name: value for name, (value,) in self.fields.items()}


@dataclass(frozen=True)
class Answer:
    """One response.

    Attributes:
        status: 0 closes the connection without a word.
        headers: As they go out, in this order; ``Date`` replaces the server's own, and a missing ``Content-Length``
            is added unless the body is cut.
        body: As it goes out.
        cut: Announce the whole body, send this many bytes of it and close.
        after: Wait for this event first.
        arrived: Set when the request is there.
    """

    status: int = 200
    headers: Pairs = ()
    body: bytes = b""
    cut: int | None = None
    after: threading.Event | None = None
    arrived: threading.Event | None = None


def reply(body: Any, status: int = 200, **headers: str) -> Answer:
    """JSON; ``date="…"`` and the like are headers."""
    pairs = [(name.replace("_", "-").title(), text) for name, text in headers.items()]
    return Answer(status, [("Content-Type", "application/json"), *pairs], json.dumps(body).encode())


def token(access_token: str = "at_1", **fields: Any) -> Answer:
    """A token answer (RFC 6749, 5.1); a field that is None is left out."""
    body = {"access_token": access_token, "token_type": "Bearer", "expires_in": 3600} | fields
    return reply({name: value for name, value in body.items() if value is not None}, cache_control="no-store")


def error(word: str, status: int = 400, **fields: Any) -> Answer:
    """An error answer (RFC 6749, 5.2)."""
    return reply({"error": word} | fields, status)


def html(text: str, status: int = 200) -> Answer:
    """A page where something else was expected."""
    return Answer(status, [("Content-Type", "text/html; charset=utf-8")], text.encode())


def redirect(url: str, status: int = 302) -> Answer:
    """Elsewhere."""
    return Answer(status, [("Location", url)])


@dataclass
class Scripted:
    """The server, as a test holds it.

    Attributes:
        origin: Where it answers.
        requests: Everything it was asked, in the order it came.
        drops_kept: Whether a second request on one connection is dropped without a word, as a balancer does that has
            given the connection up.
    """

    origin: str = ""
    requests: list[Asked] = field(default_factory=list)
    drops_kept: bool = False
    _queues: dict[str, list[Answer | Callable[[Asked], Answer]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def says(self, path: str, *answers: Answer | Callable[[Asked], Answer]) -> None:
        """Answer a path with these, one after the other, the last for ever; a function is asked for its answer."""
        with self._lock:
            self._queues[path] = list(answers)

    def publishes(self, path: str = "/.well-known/oauth-authorization-server", **changes: Any) -> dict[str, Any]:
        """Serve metadata (RFC 8414) with every endpoint at its usual place; a field that is None is left out."""
        endpoints = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "device_authorization_endpoint": "/device_authorization",
            "revocation_endpoint": "/revoke",
        }
        said: dict[str, Any] = {"issuer": self.origin} | {n: self.origin + at for n, at in endpoints.items()}
        said |= {"response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"]} | changes
        said = {name: value for name, value in said.items() if value is not None}
        self.says(path, reply(said))
        return said

    def asked(self, path: str) -> list[Asked]:
        """What a path was asked."""
        with self._lock:
            return [request for request in self.requests if request.path == path]

    def answer(self, request: Asked) -> Answer:
        """Note a request, and take the next answer of its path."""
        with self._lock:
            self.requests.append(request)
            queue = self._queues.get(request.path) or [Answer(404)]
            said = queue.pop(0) if len(queue) > 1 else queue[0]
        return said if isinstance(said, Answer) else said(request)


@contextmanager
def scripted() -> Iterator[Scripted]:
    """A scripted server for as long as the block lasts."""
    script = Scripted()

    class Handler(_Handler):
        server_script = script

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.origin = f"http://127.0.0.1:{server.server_port}"
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, args=[0.01], name="scripted")
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_script: Scripted
    protocol_version = "HTTP/1.1"
    is_kept = False

    def _answer(self) -> None:
        self.close_connection = self.is_kept and self.server_script.drops_kept
        if self.close_connection:
            return
        self.is_kept = True
        answer = self.server_script.answer(self._asked())
        if answer.arrived:
            answer.arrived.set()
        if answer.after:
            answer.after.wait(PATIENCE)
        self.close_connection = answer.cut is not None or not answer.status
        try:
            self._send(answer)
        except ConnectionError:
            self.close_connection = True  # the client had enough: that is its right, and often the test

    def _asked(self) -> Asked:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): text for name, text in self.headers.items()}
        is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        fields = parse_qs(body.decode(), keep_blank_values=True) if is_form else {}
        return Asked(self.command, url.path, parse_qs(url.query, keep_blank_values=True), headers, fields, body)

    def _send(self, answer: Answer) -> None:
        if not answer.status:
            return
        names = {name.lower() for name, _ in answer.headers}
        self.send_response_only(answer.status)
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        for name, text in answer.headers:
            # Raw, past `send_header`: a test may want a header no decent server sends.
            self._headers_buffer.append(f"{name}: {text}\r\n".encode("latin-1"))
        if not names & {"content-length", "transfer-encoding"}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])

    do_GET = do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815 - theirs

    def log_message(self, *args: Any) -> None:
        pass
