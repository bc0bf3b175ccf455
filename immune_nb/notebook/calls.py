"""A line that asks, as the call it stands for: which method of a session, and with what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from immune_nb.errors import QueryError
from immune_nb.fetch.parameters import ids_in
from immune_nb.hints import FORMS, Paging

if TYPE_CHECKING:
    from immune_nb.session import Session

    from .arguments import Request

__all__ = ["Call", "call_of", "ids_of"]

HINTS = ("records", "paging")
OURS = frozenset({"self", "path", "progress"})  # names that Python takes before the API could


@dataclass(frozen=True)
class Call:
    """A call of a session's method.

    Args:
        method: Which.
        words: What it is given by position.
        named: What it is given by name.
    """

    method: str
    words: tuple[Any, ...]
    named: Mapping[str, Any]

    def on(self, session: Session, **more: Any) -> Any:
        """Make the call; `more` is of no concern to the service, such as who is told of its progress."""
        return getattr(session, self.method)(*self.words, **self.named, **more)


def call_of(request: Request) -> Call:
    """The call that a line of ``sensors``, ``readings``, ``alerts``, ``predictions`` or ``get`` stands for.

    Raises:
        QueryError: A filter has a name that Python cannot pass on.
    """
    assert request.command is not None  # noqa: S101 - a line without one asks nothing
    question = _question(request, *(HINTS if request.command.name == "get" else ()))
    match request.command.name:
        case "readings":  # words, lists of words and ``sensor=`` are one list of sensors
            named = question.pop("sensor", None)
            keeps = {"cache": False} if request.given("no_cache") else {}
            ids = ids_of(request.words if named is None else (*request.words, named))
            return Call("readings", () if ids is None else (ids,), {**question, **keeps})
        case "get":
            return Call("get", (str(request.words[0]),), {**question, **_hints(request)})
    return Call(request.command.name, (), question)


def ids_of(words: tuple[object, ...]) -> list[Any] | None:
    """Sensor ids: none, one, or the words and lists of them in one list."""
    if not words:
        return None  # all sensors; an empty list of ids is not the same
    ids: list[Any] = []
    for word in map(ids_in, words):
        ids.extend(word if isinstance(word, Iterable) and not isinstance(word, str) else [word])
    return ids


def _hints(request: Request) -> dict[str, str]:
    """What the line says of the answer's ways."""
    found = {name: text for name in HINTS if (text := request.text(name))}
    if "paging" in found and not Paging.is_form(found["paging"]):
        raise UsageError(f"--paging wants {FORMS}.")
    return found


def _question(request: Request, *ours: str) -> dict[str, Any]:
    """The part of a line that goes to the session."""
    options = request.command.options if request.command else ()
    asked = {option.key for option in options if option.asks}
    for name in (OURS | {*ours}) & request.filters.keys():
        raise QueryError(f"{name}=… cannot be a filter here.", hint=f"Write it in the path: get '/…?{name}=…'.")
    return {**request.filters, **{key: value for key, value in request.options.items() if key in asked}}
