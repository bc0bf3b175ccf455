"""What an error answer says: the words of the service, found in whichever shape it uses.

IMMUNE's envelope (api-contract 1.5), iiniit's nested and flat ones (2), OAuth's (RFC 6750 3), problem details
(RFC 9457), the common ``detail`` and ``message``, and the lists of validators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from immune_nb.errors import quoted

__all__ = ["Problem"]

VALIDATED = ("detail", "errors", "messages")  # where validators list what they refuse
MESSAGE_FIELDS = ("message", "error_description", "detail", "title", "error")
OF_NO_FIELD = frozenset(
    {"query", "querystring", "params", "json", "body", "non_field_errors", "errors", "error", "detail"}
)


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
        message = _message(error)
        listed = next((error[name] for name in VALIDATED if isinstance(error.get(name), dict | list)), None)
        if listed is None and not message:
            listed = {name: said for name, said in body.items() if isinstance(said, list | dict)}
        said, at = _first_said(listed) if listed else ("", "")
        return cls(_code(error), said or message, field or at)

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
    """The first field that holds a message."""
    return next(filter(None, (_text(error.get(name)) for name in MESSAGE_FIELDS)), "")


def _first_said(listed: object, field: str = "") -> tuple[str, str]:
    """What a validator says first, and of which field: FastAPI, Django REST framework, marshmallow, JSON:API."""
    if isinstance(listed, str):
        return listed, field
    if isinstance(listed, list):
        return _first_said(listed[0], field) if listed else ("", "")
    if not isinstance(listed, dict):
        return "", ""
    for name in ("msg", *MESSAGE_FIELDS):
        if text := _text(listed.get(name)):
            return text, _place(listed) or field
    inner = ((name, said) for name, said in listed.items() if isinstance(said, list | dict))
    found = (_first_said(said, field if name in OF_NO_FIELD else str(name)) for name, said in inner)
    return next((pair for pair in found if pair[0]), ("", ""))


def _place(entry: dict[str, Any]) -> str:
    """The field that an entry is about: FastAPI's ``loc``, JSON:API's ``source``."""
    loc, source = entry.get("loc"), entry.get("source")
    if isinstance(loc, list) and loc and loc[-1] not in OF_NO_FIELD:
        return str(loc[-1])
    if isinstance(source, dict):
        return _text(source.get("parameter")) or _text(source.get("pointer")).rpartition("/")[2]
    return _text(entry.get("field")) or _text(entry.get("param"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
