"""What to break, and how: one value with a field per switch, and one ASGI middleware that does it.

Two kinds of switches. *Standing* ones hold for every request: latency, the rate limit, tokens. *Selected* ones hit
only the requests chosen by `path`, `after`, `every` and `next`: "a 503 with ``Retry-After: 2``, twice, on the seventh
page" is ``Faults(after=6, next=2, status=503, retry_after="2")``.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Breaker", "Faults", "read_faults", "switch_choices"]


@dataclass(frozen=True)
class Faults:
    """Every switch; the text beside a type is the flag's help. The defaults break nothing."""

    path: Annotated[str, "selected faults hit paths that begin like this; without it, the whole API"] = ""
    after: Annotated[int, "let this many matching requests pass first"] = 0
    every: Annotated[int, "then hit every k-th one"] = 1
    next: Annotated[int, "at most this many hits; -1 is no end"] = -1

    status: Annotated[int, "answer with this status instead; 0 is off"] = 0
    retry_after: Annotated[str | None, "raw Retry-After beside that status"] = None
    location: Annotated[str | None, "raw Location beside that status"] = None
    body: Annotated[str | None, "answer with this body instead"] = None
    body_type: Annotated[str, "its content type"] = "application/json"
    cut: Annotated[
        Literal["", "length", "chunked", "gzip", "json"],
        "send part of what Content-Length says, of a chunked body, of a gzip stream, of the JSON",
    ] = ""
    cut_at: Annotated[float, "the part that is sent"] = 0.6
    page: Annotated[
        Literal["", "repeat", "repeat-new-ids", "empty"],
        "the page before again; again with new ids; no rows but has_more",
    ] = ""
    count_off: Annotated[int, "added to total_count"] = 0
    count_varies: Annotated[bool, "total_count grows by one with every hit"] = False
    drip_ms: Annotated[float, "wait between twenty pieces of the body"] = 0.0
    tokens: Annotated[Literal["", "expire", "revoke"], "end every token before the hit is looked at"] = ""

    latency_ms: Annotated[float, "wait before every answer, the token endpoint's too"] = 0.0
    rate_limit: Annotated[int, "requests per window and key"] = 10_000
    rate_window_s: Annotated[float, "the window; undocumented, and short so that benchmarks never meet it"] = 10.0
    rate_announced: Annotated[bool, "say so in headers; otherwise only a bare 429"] = True
    rate_reset: Annotated[Literal["seconds", "milliseconds", "delta"], "form of X-RateLimit-Reset"] = "seconds"
    token_lifetime_s: Annotated[float, "how long an access token lives"] = 3600.0
    expires_in: Annotated[
        Literal["number", "string", "float", "missing", "zero", "negative"], "how its lifetime is announced"
    ] = "number"
    refresh_rotates: Annotated[bool, "every refresh brings a new refresh token, and an old one ends the login"] = True
    refresh_lifetime_s: Annotated[float, "how long a refresh token lives"] = 30 * 86_400.0
    device_interval_s: Annotated[int, "seconds a device waits between polls; -1 leaves it out"] = 5
    device_lifetime_s: Annotated[float, "how long a device's codes live"] = 600.0


def switch_choices(name: str) -> tuple[str, ...]:
    """The words a switch takes; empty when it takes a number or free text."""
    return tuple(word for word in get_args(get_type_hints(Faults)[name]) if isinstance(word, str))


def read_faults(changes: Mapping[str, Any], start: Faults) -> Faults:
    """Faults from JSON: `start` with some fields changed.

    Raises:
        ValueError: A field is unknown, or its value is not of the field's kind.
    """
    for name, value in changes.items():
        _check_switch(name, value)
    return dataclasses.replace(start, **changes)


def _check_switch(name: str, value: Any) -> None:
    hints = get_type_hints(Faults)
    if name not in hints:
        raise ValueError(f"there is no switch {name!r}; there are {', '.join(hints)}")
    choices = switch_choices(name)
    if choices and value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}, not {value!r}")
    if not choices and type(value) not in _kinds(hints[name]):
        raise ValueError(f"{name} does not take {value!r}")


def _kinds(hint: Any) -> tuple[type, ...]:
    """The exact types a switch takes; a whole number will do for a float, a bool will not for an int."""
    return (int, float) if hint is float else get_args(hint) or (hint,)


class Breaker:
    """The middleware: decides whether a request is hit, and breaks its answer.

    Args:
        faults: What to break at first.
        end_tokens: Expires or revokes every token.
        is_api: Whether a path is the API's.

    Attributes:
        faults: What holds now; `set` replaces it and starts counting anew.
    """

    def __init__(self, faults: Faults, end_tokens: Callable[[str], object], is_api: Callable[[str], bool]) -> None:
        self.app: ASGIApp = _nowhere
        self._is_api = is_api
        self._end_tokens = end_tokens
        self.set(faults)

    def set(self, faults: Faults) -> None:
        """Break these from now on."""
        self.faults = faults
        self._matched = 0
        self._hits = 0
        self._pages: dict[str, dict[str, Any]] = {}

    def around(self, app: ASGIApp) -> Breaker:
        """Stand in front of `app`; Starlette calls this where it would make a middleware."""
        self.app = app
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it is hit."""
        faults = self.faults
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self.app(scope, receive, send)
            return
        if faults.latency_ms:
            await asyncio.sleep(faults.latency_ms / 1000)
        if self._is_hit(scope["path"]):
            await self._break(faults, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _is_hit(self, path: str) -> bool:
        """Count the request, and say whether a selected fault hits it."""
        faults = self.faults
        if not (path.startswith(faults.path) if faults.path else self._is_api(path)):
            return False
        self._matched += 1
        turn = self._matched - faults.after
        if turn <= 0 or turn % max(1, faults.every) or 0 <= faults.next <= self._hits:
            return False
        self._hits += 1
        return True

    async def _break(self, faults: Faults, scope: Scope, receive: Receive, send: Send) -> None:
        if faults.tokens:
            self._end_tokens(faults.tokens)
        if faults.status or faults.body is not None:
            await _send(_instead(faults), send, faults)
        elif faults.cut or faults.page or faults.count_off or faults.count_varies or faults.drip_ms:
            answer = await _answer(self.app, scope, receive)
            await _send(self._bend(answer, faults, scope), send, faults)
        else:
            await self.app(scope, receive, send)

    def _bend(self, answer: Answer, faults: Faults, scope: Scope) -> Answer:
        """Change what a list says, where the answer is one."""
        if not (faults.page or faults.count_off or faults.count_varies) or answer.status != 200:  # noqa: PLR2004
            return answer
        page = json.loads(answer.body)
        if "has_more" not in page:
            return answer
        page = self._bend_rows(page, faults, scope)
        if "total_count" in page:
            page["total_count"] += faults.count_off + (self._hits if faults.count_varies else 0)
        return answer.with_body(json.dumps(page, ensure_ascii=False).encode())

    def _bend_rows(self, page: dict[str, Any], faults: Faults, scope: Scope) -> dict[str, Any]:
        if faults.page == "empty":
            return page | {"data": [], "has_more": True}
        if not faults.page:
            return page
        question = re.sub(rb"&?(starting_after|ending_before)=[^&]*", b"", scope["query_string"]).decode()
        before = self._pages.get(scope["path"] + "?" + question)
        self._pages[scope["path"] + "?" + question] = page
        if before is None:
            return page
        if faults.page == "repeat-new-ids":
            return before | {"data": [row | {"id": f"{row['id']}~{self._hits}"} for row in before["data"]]}
        return before


@dataclass(frozen=True)
class Answer:
    """A whole response, held back so that it can be changed."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def with_body(self, body: bytes, **headers: str) -> Answer:
        """The same response with another body; ``content_encoding="gzip"`` adds that header."""
        replaced = {b"content-length": str(len(body)).encode()}
        replaced |= {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        kept = tuple(pair for pair in self.headers if pair[0] not in replaced)
        return Answer(self.status, kept + tuple(replaced.items()), body)


async def _answer(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """Run the app and hold its response back."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    body = b"".join(bytes(message.get("body", b"")) for message in messages[1:])
    return Answer(messages[0]["status"], tuple(messages[0]["headers"]), body)


def _instead(faults: Faults) -> Answer:
    """The answer of `status` and `body`."""
    status = faults.status or 200
    kind, code = ("rate_limit_error", "RATE_LIMIT_EXCEEDED") if status == 429 else ("api_error", "INJECTED")  # noqa: PLR2004
    envelope = {"error": {"type": kind, "message": "The sandbox was told to fail.", "code": code}}
    body = json.dumps(envelope) if faults.body is None else faults.body
    headers = {"content-type": faults.body_type, "retry-after": faults.retry_after, "location": faults.location}
    pairs = tuple((name.encode(), text.encode("latin-1")) for name, text in headers.items() if text is not None)
    return Answer(status, pairs, b"").with_body(b"" if status in {204, 304} else body.encode())


async def _send(answer: Answer, send: Send, faults: Faults) -> None:
    """Send an answer, whole or cut, at once or dripping."""
    body = answer.body
    kept = round(len(body) * faults.cut_at)
    if faults.cut == "gzip":
        packed = gzip.compress(body, mtime=0)
        answer = answer.with_body(packed[: round(len(packed) * faults.cut_at)], content_encoding="gzip")
    elif faults.cut == "json":
        answer = answer.with_body(body[:kept])
    headers = [pair for pair in answer.headers if faults.cut != "chunked" or pair[0] != b"content-length"]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    # An ASGI server that never hears the end of a body closes the connection: that is the cut.
    unfinished = faults.cut in {"length", "chunked"}
    pieces = _pieces(answer.body[:kept] if unfinished else answer.body, 20 if faults.drip_ms else 1)
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(faults.drip_ms / 1000)
    if not unfinished:
        await send({"type": "http.response.body", "body": b""})


def _pieces(body: bytes, count: int) -> list[bytes]:
    size = max(1, -(-len(body) // count))
    return [body[at : at + size] for at in range(0, len(body), size)]


async def _nowhere(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Where a breaker leads before it is put in front of an app."""
    raise RuntimeError("the breaker is not in front of an app")
