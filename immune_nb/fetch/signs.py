"""What an answer says about the rest of its list: in the objects around the records, and in headers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from immune_nb.errors import quoted
from immune_nb.frames.envelopes import About
from immune_nb.frames.names import (
    CUTS,
    FAULTS,
    LAST,
    MORE,
    NEXT_LINKS,
    PAGES,
    TOKENS,
    TOTALS,
    WEAK_TOKENS,
    plain,
)

__all__ = ["Said", "Signs"]

FALSE = frozenset({"", "false", "none", "null", "no", "ok", "0"})
STRONG = frozenset({*TOKENS, *NEXT_LINKS}) - WEAK_TOKENS
OF_LISTS = frozenset({"nextpagetoken", "nexttoken", "nextcursor", "continuationtoken", "hasmore", "hasnextpage"})
SURE_TOKENS = tuple(name for name in TOKENS if name not in WEAK_TOKENS)
HEADER = re.compile(r"(?:x-)?(?:pagination-|wp-)?(next[\w-]*|total[\w-]*|continuation[\w-]*|cursor|has[\w-]*)$")
X_HEADER = re.compile(r"x-(?:pagination-)?(page|per-page|page-size|limit|offset|current-page|last-page|count|more)$")
RANGE = re.compile(r"\s*(?:\w+\s+)?(?:\d+-\d+|\*)/(\d+)")
DEEPEST = 3


class Said(NamedTuple):
    """A field that says something, by its own name."""

    name: str
    value: Any


class Signs:
    """What one answer says.

    Args:
        about: What stands around its records.
        headers: The answer's headers.
        rows: How many records it has.
    """

    def __init__(self, about: About, headers: Mapping[str, str], rows: int) -> None:
        self._about = about
        self._rows = rows
        self._headers = headers
        places = list(_places(about.asides))
        if not about.is_list:  # one record, whose fields are its own, but for those that only a list has
            places = [{name: said for name, said in place.items() if name in OF_LISTS} for place in places]
        self._places = [*places, _of_headers(headers) if about.is_list else {}]

    def first(self, names: tuple[str, ...], is_fit: Callable[[Any], bool]) -> Said | None:
        """The first field of these names, in their order, whose value will do; the outermost object first."""
        for place in self._places:
            for name in names:
                if (said := place.get(name)) and is_fit(said.value):
                    return said
        return None

    def at(self, field: str) -> Any:
        """The value at a path of field names, or of a header; None when there is none."""
        kind, _, header = field.partition(":")
        if kind == "header":
            return self._headers.get(header.strip().lower())
        for aside in self._about.asides:
            value: Any = aside
            for key in field.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                return value
        return None

    def number(self, names: tuple[str, ...]) -> int | None:
        """A whole number under one of these names."""
        said = self.first(names, lambda value: _whole(value) is not None)
        return _whole(said.value) if said else None

    @cached_property
    def more(self) -> Said | None:
        """The field that says whether there is more, with True or False for its value."""
        if said := self.first(MORE, lambda value: _truth(value) is not None or _whole(value) is not None):
            return Said(said.name, bool(_whole(said.value)) if _truth(said.value) is None else _truth(said.value))
        if said := self.first(LAST, lambda value: _truth(value) is not None):
            return Said(said.name, not _truth(said.value))
        return self.first(CUTS, lambda value: _truth(value) is True)

    @cached_property
    def is_over(self) -> bool:
        """Whether a field that would say what is next is there and says nothing."""
        fields = [said.value for place in self._places for name, said in place.items() if name in STRONG]
        return bool(fields) and not any(fields)

    @cached_property
    def total(self) -> int | None:
        """How many records the list has, as the service states it."""
        said = self.first(TOTALS, lambda value: _total(value) is not None)
        if not self._about.counts or (said and _is_lower_bound(said.value)):
            return None
        if said:
            return _total(said.value) or (None if self._rows else 0)
        count = self.number(("count",))
        if count is not None and count != self._rows:
            return count  # of the list, since it is not of the page
        span = RANGE.match(self._headers.get("content-range", "")) if self._about.is_list else None
        return int(span[1]) if span else None

    @cached_property
    def least(self) -> int | None:
        """How many records the list has at least."""
        said = self.first(TOTALS, lambda value: _total(value) is not None)
        number = _total(said.value) if said and self._about.counts else self.total
        return number or (None if self._rows else number)  # none at all, beside some, says nothing

    @cached_property
    def token(self) -> Said | None:
        """A token for the next page, and where it is from."""
        said = self.first(SURE_TOKENS, _is_token) or self.first(
            ("lastevaluatedkey",), lambda value: isinstance(value, dict)
        )
        has_strong = any(name in STRONG for place in self._places for name in place)
        return said or (None if has_strong else self.first(tuple(WEAK_TOKENS), _is_token))

    @cached_property
    def fault(self) -> str:
        """What the service says is wrong with the records it sent; "" when all is well."""
        for place in self._places[:-1]:
            for name in FAULTS:
                if (said := place.get(name)) and _is_true(said.value):
                    return f"the service says {quoted(said.name, 40)}"
        shards = [aside.get("_shards") for aside in self._about.asides]
        failed = any(isinstance(shard, dict) and shard.get("failed") for shard in shards)
        return "the service says that shards failed" if failed else ""

    def links(self) -> Iterator[Mapping[str, Any]]:
        """The entries of lists of links."""
        for aside in self._about.asides if self._about.is_list else ():
            for name, value in aside.items():
                if plain(name) in ("links", "link") and isinstance(value, list):
                    yield from (link for link in value if isinstance(link, dict))


def _places(asides: tuple[Mapping[str, Any], ...]) -> Iterator[dict[str, Said]]:
    """The objects in which something may be said, fields by their plain names."""
    level: list[Mapping[str, Any]] = list(asides)
    for _ in range(DEEPEST):
        deeper: list[Mapping[str, Any]] = []
        for node in level:
            said: dict[str, Said] = {}
            for name, value in node.items():
                said.setdefault(plain(name), Said(name, value))
                if isinstance(value, dict) and plain(name) in PAGES:
                    deeper.append(value)
            yield said
        level = deeper


def _of_headers(headers: Mapping[str, str]) -> dict[str, Said]:
    """Headers that say something of the list; one of them may hold JSON (``X-Pagination``)."""
    said = {}
    for name, text in headers.items():
        if bare := _sign_in(name):
            said[plain(bare)] = Said(bare, text)
        elif name == "x-pagination" and text.startswith("{"):
            try:
                inner = json.loads(text)
            except ValueError:
                continue
            said |= {plain(key): Said(key, value) for key, value in inner.items()}
    return said


@lru_cache(256)
def _sign_in(header: str) -> str:
    """The part of a header's name that says something; "" when it is about something else."""
    match = HEADER.match(header) or X_HEADER.match(header)
    return match[1] if match else ""


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:  # noqa: PLR2004
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _total(value: Any) -> int | None:
    """A number, or Elasticsearch's, which may be a lower bound only."""
    number = _whole(value.get("value") if isinstance(value, dict) else value)
    return None if number is None or number < 0 else number


def _is_lower_bound(value: Any) -> bool:
    return isinstance(value, dict) and value.get("relation", "eq") != "eq"


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _is_true(value: Any) -> bool:
    return value.lower() not in FALSE if isinstance(value, str) else bool(value)


def _is_token(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and bool(value)
