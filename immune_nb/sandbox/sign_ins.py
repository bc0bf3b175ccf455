"""Signing in without a browser, for tests: a person's decision, and what a client would register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .bodies import read_json
from .devices import decide_device, find_device
from .grants import Approval
from .problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from .app import Credentials
    from .store import Store

__all__ = ["SignIns"]


class SignIns:
    """More endpoints of the control.

    Args:
        store: Sign-ins under way, and registrations.
        credentials: The user, and the client whose registration changes.
    """

    def __init__(self, store: Store, credentials: Credentials) -> None:
        self._store = store
        self._credentials = credentials

    def routes(self) -> list[Route]:
        """What answers where."""
        return [
            Route("/_sandbox/device", self.decide, methods=["POST"]),
            Route("/_sandbox/clients", self.register, methods=["POST"]),
        ]

    async def decide(self, request: Request) -> Response:
        """``POST /_sandbox/device`` ``{"user_code", "action": "approve" | "deny" | "expire"}``."""
        body = await read_json(request)
        record = find_device(self._store, str(body.get("user_code", "")))
        if record is None:
            raise Problem("NOT_FOUND", "There is no such code.", field="user_code", constraint="known")
        match body.get("action"):
            case "approve":
                decide_device(self._store, record, Approval(self._credentials.user, record["scope"]))
            case "deny":
                decide_device(self._store, record, None)
            case "expire":
                self._store.put("device", record | {"ends": 0})
            case _:
                raise Problem(
                    "INVALID_PARAMETER", "action is approve, deny or expire.", field="action", constraint="known"
                )
        return JSONResponse({"user_code": record["user_code"]})

    async def register(self, request: Request) -> Response:
        """``POST /_sandbox/clients`` ``{"redirect_uris", "jwks"}``: more redirect URIs and keys for both clients."""
        body = await read_json(request)
        changes = {name: body[name] for name in ("redirect_uris", "jwks") if name in body}
        for client_id in (self._credentials.client_id, self._credentials.public_client_id):
            known = self._store.get("registration", client_id) or {"id": client_id}
            self._store.put("registration", known | changes)
        return JSONResponse(changes)
