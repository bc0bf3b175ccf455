"""What an error answer says: the words of the service, found in whichever shape it uses.

IMMUNE's envelope (api-contract 1.5), iiniit's nested and flat ones (2), OAuth's (RFC 6750 3), problem details
(RFC 9457) and the common ``detail`` and ``message``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from immune_nb.errors import quoted

__all__ = ["Problem"]

MESSAGE_FIELDS = ("message", "error_description", "detail", "title", "error")


@dataclass(frozen=True)
class Problem:
    """An error as the service states it: a code to branch on, a message and a field to show."""

    code: str = ""
    message: str = ""
    field: str = ""

    @classmethod
    def read(cls, body: object) -> Problem:
        """Read a decoded error body, of whatever shape; what is not understood is left empty."""
        if not isinstance(body, dict):
            return cls()
        inner = body.get("error")
        error: dict[str, Any] = inner if isinstance(inner, dict) else body
        details = error.get("details")
        field = _text(details.get("field")) if isinstance(details, dict) else ""
        return cls(_code(error), _message(error), field)

    def __str__(self) -> str:
        said = quoted(self.message or self.code).rstrip(".")
        return f"{said} (field {quoted(self.field, 60)})" if self.field else said


def _code(error: dict[str, Any]) -> str:
    """The deepest code: iiniit nests finer ones in ``innererror``."""
    code = _text(error.get("code")) or _text(error.get("error"))
    inner = error.get("innererror")
    while isinstance(inner, dict):
        code = _text(inner.get("code")) or code
        inner = inner.get("innererror")
    return code


def _message(error: dict[str, Any]) -> str:
    """The first field that holds a message; a list is a validator's, whose first entry tells."""
    for name in MESSAGE_FIELDS:
        value = error.get(name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0].get("msg") or value[0].get("message")
        if text := _text(value):
            return text
    return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
