"""Request bodies: JSON objects and forms, or the error that says what is wrong with them (api-contract 1.9)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .problems import Problem

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

__all__ = ["FORM", "content_type", "is_number", "read_form", "read_json"]

FORM = "application/x-www-form-urlencoded"


async def read_json(request: Request) -> dict[str, Any]:
    """A JSON object; a missing content type is taken for JSON, as the documentation's samples send none.

    Raises:
        Problem: Another content type, no JSON, or no object.
    """
    kind = content_type(request)
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise Problem("UNSUPPORTED_MEDIA_TYPE", f"The body must be application/json, not {kind}.")
    try:
        body = json.loads(await request.body())
        # Python reads NaN, 1e999 and lone surrogates, which no JSON can say; what cannot be sent back is refused.
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Problem("MALFORMED_BODY", "The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Problem("MALFORMED_BODY", "The body must be a JSON object.")
    return body


async def read_form(request: Request) -> FormData:
    """Form fields.

    Raises:
        Problem: Another content type.
    """
    kind = content_type(request)
    if kind not in {FORM, "multipart/form-data"}:
        raise Problem("UNSUPPORTED_MEDIA_TYPE", "The body must be a form (application/x-www-form-urlencoded).")
    return await request.form()


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; Python counts `True` as one."""
    return type(value) in {int, float}


def content_type(request: Request) -> str:
    """What kind of body it says it has, without parameters; "" when it does not say."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
