"""Errors the way the contract writes them: one exception, one envelope per API (api-contract 1.5, 2).

The documentation names five codes and no statuses; the statuses and the remaining codes are our assumption,
and this table is their only home.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

__all__ = ["Envelope", "Problem", "handlers", "immune_envelope", "nested_envelope"]

KINDS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "AUTHENTICATION_ERROR": (401, "authentication_error"),
        "INSUFFICIENT_SCOPE": (403, "permission_error"),
        "INTERNAL_ERROR": (500, "api_error"),
        "INVALID_CURSOR": (422, "validation_error"),
        "INVALID_PARAMETER": (422, "validation_error"),
        "INVALID_READING": (422, "validation_error"),
        "INVALID_TIMESTAMP": (422, "validation_error"),
        "MALFORMED_BODY": (400, "invalid_request_error"),
        "METHOD_NOT_ALLOWED": (405, "invalid_request_error"),
        "NOT_FOUND": (404, "not_found_error"),
        "RATE_LIMIT_EXCEEDED": (429, "rate_limit_error"),
        "SENSOR_NOT_FOUND": (404, "not_found_error"),
        "UNSUPPORTED_MEDIA_TYPE": (415, "invalid_request_error"),
    }
)


class Problem(Exception):  # noqa: N818 - what RFC 9457 calls it; the name says it is an answer, not a crash
    """A request that is answered with the error envelope.

    Args:
        code: One of the contract's codes, or of ours beside them.
        message: For the person who reads it.
        field: The parameter or body field at fault.
        constraint: The rule it breaks.
        headers: Extra response headers, e.g. ``WWW-Authenticate``.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str = "",
        constraint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = {"field": field, "constraint": constraint} if field else None
        self.headers = dict(headers or {})
        self.status, self.kind = KINDS[code]

    def response(self, envelope: Envelope) -> Response:
        """The answer itself, its body in the shape of the API that is played."""
        return JSONResponse(envelope(self), self.status, self.headers)


Envelope = Callable[[Problem], dict[str, object]]
Handler = Callable[[Request, Exception], Awaitable[Response]]


def immune_envelope(problem: Problem) -> dict[str, object]:
    """IMMUNE's body; ``details`` is absent when there are none (1.5)."""
    error = {"type": problem.kind, "message": problem.message, "code": problem.code}
    return {"error": error | ({"details": problem.details} if problem.details else {})}


def nested_envelope(problem: Problem) -> dict[str, object]:
    """The body of iiniit: the deepest ``innererror.code`` a client knows is the one that counts (2)."""
    details = (
        [{"target": problem.details["field"], "message": problem.details["constraint"]}] if problem.details else []
    )
    inner = {"code": problem.code.lower()}
    return {"error": {"code": problem.kind, "message": problem.message, "innererror": inner, "details": details}}


def handlers(envelope: Envelope) -> dict[type[Exception] | int, Handler]:
    """Starlette's hooks: for a `Problem` an endpoint raises, for its own 404 and 405, and for our own bugs."""

    async def answer_problem(_request: Request, error: Exception) -> Response:
        if not isinstance(error, Problem):
            raise error
        return error.response(envelope)

    async def answer_http(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        codes = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
        code = codes.get(error.status_code, "MALFORMED_BODY")
        return Problem(code, error.detail, headers=error.headers).response(envelope)

    async def answer_crash(_request: Request, _error: Exception) -> Response:
        return Problem("INTERNAL_ERROR", "Something broke inside the sandbox.").response(envelope)

    return {Problem: answer_problem, HTTPException: answer_http, 500: answer_crash}
