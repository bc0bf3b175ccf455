"""Short lists by the page: filters, cursors and the envelope for everything but readings (api-contract 1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.datastructures import QueryParams

    from .settings import Settings

__all__ = ["envelope", "keep", "limit_of", "one", "words"]

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
Record = dict[str, Any]


def limit_of(params: QueryParams, settings: Settings) -> int:
    """The page size: 100 unless asked, at most 1,000.

    Raises:
        Problem: It is no whole number from 1, or above the most and the settings do not clamp.
    """
    text = params.get("limit", str(DEFAULT_LIMIT))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004
    if settings.over_limit == "clamp":
        limit = min(limit, MAX_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        rule = f"a whole number from 1 to {MAX_LIMIT}"
        raise Problem("INVALID_PARAMETER", f"limit must be {rule}.", field="limit", constraint=rule)
    return limit


def words(params: QueryParams, name: str) -> tuple[str, ...]:
    """A parameter that may be repeated, comma-separated, or both."""
    parts = ",".join(params.getlist(name)).split(",")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def keep(records: Iterable[Record], params: QueryParams, fields: Sequence[str]) -> list[Record]:
    """The records that match every filter given; words within one filter are alternatives."""
    wanted = {name: words(params, name) for name in fields}
    return [r for r in records if all(not w or r.get(name) in w for name, w in wanted.items())]


def envelope(records: Sequence[Record], params: QueryParams, settings: Settings) -> Record:
    """One page of a short list.

    Raises:
        Problem: The limit is wrong, or a cursor is not the id of a record.
    """
    limit = limit_of(params, settings)
    ids = [record["id"] for record in records]
    start, end = 0, len(ids)
    if "starting_after" in params:
        start = _place(ids, params, "starting_after") + 1
    if "ending_before" in params:
        end = _place(ids, params, "ending_before")
        page, has_more = records[max(start, end - limit) : end], end - limit > start
    else:
        page, has_more = records[start : start + limit], start + limit < end
    return {"data": list(page), "has_more": has_more, "total_count": len(records)}


def one(records: Iterable[Record], record_id: str, what: str) -> Record:
    """The record of that id.

    Raises:
        Problem: There is none.
    """
    for record in records:
        if record["id"] == record_id:
            return record
    code = "SENSOR_NOT_FOUND" if what == "sensor" else "NOT_FOUND"
    raise Problem(code, f"There is no {what} {record_id!r}.", field="id", constraint=f"an existing {what}")


def _place(ids: list[str], params: QueryParams, name: str) -> int:
    try:
        return ids.index(params[name])
    except ValueError:
        rule = "the id of a record in this list"
        raise Problem("INVALID_CURSOR", f"{name} must be {rule}.", field=name, constraint=rule) from None
