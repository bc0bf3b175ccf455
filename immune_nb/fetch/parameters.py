"""Filters as people give them, and query parameters as they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from immune_nb.errors import QueryError, quoted

__all__ = ["Filter", "as_ids", "as_params", "ids_in"]

Filter = str | int | float | bool | datetime | Sequence[str] | None
ID_COLUMNS = ("sensor_id", "id")  # of readings and alerts, whose own id is another; of sensors
SECRET_WORDS = frozenset({"api_key", "apikey", "access_token", "token", "client_secret", "password", "authorization"})


def as_params(given: Mapping[str, Filter]) -> dict[str, str | list[str]]:
    """Query parameters as they are sent. A credential among them is refused: it belongs to the login."""
    for name in given:
        if name.lower().replace("-", "_") in SECRET_WORDS:
            raise QueryError(f"{name} is a credential, not a parameter.", hint="Log in with it instead.")
    return {name: _param(name, value) for name, value in given.items() if value is not None}


def _param(name: str, value: Any) -> str | list[str]:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime():
            utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return utc.isoformat().replace("+00:00", "Z")
        case Mapping():
            raise QueryError(f"{name} is a mapping, which no query parameter can be.")
        case Iterable():
            return [text for item in value if isinstance(text := _param(name, item), str)]
    raise QueryError(f"{name} is {quoted(value, 60)}, which cannot be sent.", hint="Give text, a number or a list.")


def as_ids(given: Any) -> list[str]:
    """One id or several, each once, in their order; of a frame as `ids_in`."""
    given = ids_in(given)
    ids = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not ids or not all(isinstance(name, str) and name for name in ids):
        raise QueryError(f"{quoted(given, 60)!r} holds no ids.", hint="Give an id or a list of them.")
    return list(dict.fromkeys(ids))


def ids_in(given: Any) -> Any:
    """What names sensors in a frame: its column ``sensor_id``, else ``id``. Anything else is returned as it is."""
    columns = getattr(given, "columns", None)
    if columns is None:
        return given
    for name in ID_COLUMNS:
        if name in columns:
            return given[name].dropna().tolist()
    raise QueryError(
        f"The frame has no column {' or '.join(ID_COLUMNS)}.", hint="Give the column that holds the ids."
    )
