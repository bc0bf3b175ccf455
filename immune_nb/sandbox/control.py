"""``/_sandbox``: break things at run time, and see what was asked. On loopback, for tests, off unless switched on."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .bodies import read_json
from .faults import Breaker, Faults, read_faults
from .instants import SECOND, iso
from .problems import Problem
from .webhooks import EVENTS, Courier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .sign_ins import SignIns

__all__ = ["Control", "Journal", "Notes"]

KEPT: Final = 20_000
SECRETS: Final = frozenset(
    (
        *("access_token", "api_key", "client_secret", "code", "code_verifier"),
        *("device_code", "password", "refresh_token", "token", "user_code"),
    )
)


class Notes:
    """The request log: the last requests, and a file when there is one.

    Args:
        path: A file that gets one JSON line per request.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._file = path.open("a", encoding="utf-8", buffering=1) if path else None

    def add(self, note: dict[str, Any]) -> None:
        """Keep one request."""
        self.kept.append(note)
        if self._file:
            self._file.write(json.dumps(note) + "\n")

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()


class Journal:
    """The middleware that notes every request: what was asked and answered, never with what secret.

    Args:
        app: What answers.
        clock: Seconds since 1970.
        notes: The log.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], float], notes: Notes) -> None:
        self.app = app
        self._clock = clock
        self._notes = notes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note it when it is answered."""
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def watching(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, watching)
        finally:
            self._note(scope, status, (time.perf_counter() - began) * 1000)

    def _note(self, scope: Scope, status: int, millis: float) -> None:
        self._notes.add(
            {
                "at": iso(int(self._clock() * SECOND)),
                "method": scope["method"],
                "path": scope["path"],
                "query": _redacted(scope["query_string"]),
                "status": status,
                "ms": round(millis, 2),
                "caller": scope.get("caller", ""),
            }
            | ({"grant": scope["grant"]} if "grant" in scope else {})
        )


class Control:
    """The endpoints.

    Args:
        breaker: Holds the faults.
        notes: The request log.
        courier: Delivers events.
        start: The faults the sandbox was started with.
        end_tokens: Expires or revokes every token.
        reset: Forgets what was submitted and counted.
        sign_ins: Stands in for people and for whoever registers clients.
    """

    def __init__(
        self,
        *,
        breaker: Breaker,
        notes: Notes,
        courier: Courier,
        start: Faults,
        end_tokens: Callable[[str], int],
        reset: Callable[[], None],
        sign_ins: SignIns,
    ) -> None:
        self._breaker = breaker
        self._notes = notes
        self._courier = courier
        self._start = start
        self._end_tokens = end_tokens
        self._reset = reset
        self._sign_ins = sign_ins

    def routes(self) -> list[Route]:
        """What answers where."""
        return [
            Route("/_sandbox/faults", self.show_faults, methods=["GET"]),
            Route("/_sandbox/faults", self.set_faults, methods=["POST"]),
            Route("/_sandbox/tokens", self.end_tokens, methods=["POST"]),
            Route("/_sandbox/events", self.announce, methods=["POST"]),
            Route("/_sandbox/reset", self.reset, methods=["POST"]),
            Route("/_sandbox/log", self.show_log, methods=["GET"]),
            *self._sign_ins.routes(),
        ]

    async def show_faults(self, _request: Request) -> Response:
        """``GET /_sandbox/faults``: every switch as it is now."""
        return JSONResponse(dataclasses.asdict(self._breaker.faults))

    async def set_faults(self, request: Request) -> Response:
        """``POST /_sandbox/faults``: these switches, the others as at the start; counting begins anew."""
        try:
            faults = read_faults(await read_json(request), self._start)
        except ValueError as error:
            raise Problem("INVALID_PARAMETER", str(error)) from None
        self._breaker.set(faults)
        return JSONResponse(dataclasses.asdict(faults))

    async def end_tokens(self, request: Request) -> Response:
        """``POST /_sandbox/tokens`` ``{"action"}``: ``revoke`` all, or ``expire`` every access token."""
        action = (await read_json(request)).get("action")
        if action not in ("expire", "revoke"):
            raise Problem("INVALID_PARAMETER", "action is expire or revoke.", field="action", constraint="known")
        return JSONResponse({"tokens": self._end_tokens(action)})

    async def announce(self, request: Request) -> Response:
        """``POST /_sandbox/events`` ``{"type", "data"}``: deliver an event to its webhooks."""
        body = await read_json(request)
        if body.get("type") not in EVENTS:
            raise Problem(
                "INVALID_PARAMETER", "type is one of " + ", ".join(EVENTS), field="type", constraint="known"
            )
        return JSONResponse({"webhooks": self._courier.announce(body["type"], body.get("data") or {})}, 202)

    async def reset(self, _request: Request) -> Response:
        """``POST /_sandbox/reset``: as at the start, but for keys, clients and tokens; sign-ins under way end."""
        self._breaker.set(self._start)
        self._notes.kept.clear()
        self._reset()
        return JSONResponse({"reset": True})

    async def show_log(self, _request: Request) -> Response:
        """``GET /_sandbox/log``: the last requests, oldest first."""
        return JSONResponse({"data": list(self._notes.kept)})


def _redacted(query: bytes) -> str:
    """A query string without its secrets."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return urlencode([(name, "***" if name in SECRETS else value) for name, value in pairs], safe="*:,")
