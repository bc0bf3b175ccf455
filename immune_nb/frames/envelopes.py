"""Where the records of an answer are, whatever it is wrapped in.

Names first (`names`), then form (`series`, `trees`), then what is left when everything that belongs to paging is
taken away. What is found by name or by an unmistakable form is sure; the rest says that it is a guess. An answer in
which nothing speaks for a list is one record, with nothing lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from immune_nb.errors import BadReplyError, quoted
from immune_nb.frames.names import (
    ASIDES,
    CONTAINERS,
    IDENTITIES,
    LABELS,
    MORE,
    NEXT_LINKS,
    POINT_LISTS,
    TOKENS,
    TOTALS,
    is_of_paging,
    plain,
)
from immune_nb.frames.records import lists_as_objects, spread, unwrapped
from immune_nb.frames.seek import Hit, is_of_objects, seek
from immune_nb.frames.series import Rows, table_of, units_in
from immune_nb.frames.trees import branches, leaves

__all__ = ["CSV", "NOTHING", "About", "Found", "find"]

CSV, NOTHING = "rows of CSV", "nothing"  # where records are, that are in no list

Node = Mapping[str, Any]


@dataclass(frozen=True)
class About:
    """What is known of the records of an answer beside themselves.

    Attributes:
        where: Their place, such as ``data.items[]``.
        sure: Whether that was told by name or form, not guessed.
        asides: The objects around them without them, the outermost first.
        units: By column, where the answer states them.
        left: Other lists of the answer, which are not in the frame.
        is_list: Whether there may be more of them.
        counts: Whether it is they that a total counts.
    """

    where: str = "[]"
    sure: bool = True
    asides: tuple[Node, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    is_list: bool = True
    counts: bool = True


class Found(NamedTuple):
    """Records, and what is known of them.

    Attributes:
        records: Decoded values.
        about: What is known.
        labels: Fields that the answer says once for all of them.
        as_sent: Whether `records` is a list of the answer, as it came.
        key: The field that holds it.
    """

    records: list[Any]
    about: About
    labels: Mapping[str, Any] = {}
    as_sent: bool = False
    key: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether nothing but plain fields stand around the list, none of which says anything of the records."""
        about = self.about
        fields = [field for aside in about.asides for field in aside.items()]
        is_said = any(plain(name) in LABELS | IDENTITIES or isinstance(value, dict | list) for name, value in fields)
        return self.as_sent and len(about.asides) <= 1 and not (is_said or about.units or about.left)


def find(body: Any, *, at: str = "", must: bool = True, named: str = "") -> Found:
    """The records of a decoded body.

    Args:
        body: What the answer holds.
        at: Where the records are, as a path of field names, when somebody knows.
        must: Whether it is an error when there is nothing at `at`; else they are sought.
        named: What was asked for, e.g. ``sensors``: a list of that name is meant.

    Raises:
        BadReplyError: There is nothing at `at`.
    """
    if at and (found := _stated(body, at.removesuffix("[]"), must=must)):
        return found
    if body is None:
        return Found([], About(NOTHING))
    if isinstance(body, list):
        return _listed(body, About(), {})
    if not isinstance(body, dict):
        return Found([body], About("one value", is_list=False))
    hit = seek(body, named)
    return _taken(body, hit) if hit else _from_object(body, named)


def _stated(body: Any, at: str, *, must: bool) -> Found | None:
    target, keys = body, [key for key in at.split(".") if key not in ("", "$")]
    for key in keys:
        if not isinstance(target, dict) or key not in target:
            if not must:
                return None
            raise BadReplyError(f"The answer has no {quoted(at, 60)!r}.", hint="Is records= right?")
        target = target[key]
    if isinstance(target, list) or (table := table_of(target)) is None:
        records = target if isinstance(target, list) else [] if target is None else [target]
        return _taken(body, Hit(tuple(keys), records)) if keys else _listed(records, About(), {})
    return _taken(body, Hit(tuple(keys), table))


def _taken(body: Any, hit: Hit) -> Found:
    """The records of a hit, with what the objects around them say."""
    asides = _asides(body, hit.keys)
    place = ".".join(quoted(key, 40) for key in hit.keys)
    about = About(place, hit.sure, left=tuple(quoted(name, 40) for name in hit.left))
    if isinstance(hit.target, Rows):
        asides = (*asides, hit.target.rest)
        about = replace(about, where=f"{place} ({hit.target.how})".strip(), asides=asides)
        labels = _labels(asides, is_series=True)
        return Found(_labelled(hit.target.rows, labels), _with_units(about, hit.target.units))
    about = replace(about, where=f"{place}[]", asides=asides)
    labels = _labels(asides, is_series=plain(hit.keys[-1]) in POINT_LISTS)
    return _listed(hit.target, _with_units(about, {}), labels)._replace(key=hit.keys[-1])


def _with_units(about: About, units: Mapping[str, str]) -> About:
    known: dict[str, str] = {}
    for aside in about.asides:
        for name, value in aside.items():
            if plain(name).endswith(("units", "columns", "fields")) and isinstance(value, dict | list):
                known |= units_in(value)
    return replace(about, units=known | dict(units))


def _labels(asides: Sequence[Node], *, is_series: bool) -> dict[str, Any]:
    """What is said once for all records: the unit, the sensor; of a single series its name as well."""
    labels = {}
    for number, aside in enumerate(asides, 1):
        own = IDENTITIES if is_series and number == len(asides) else frozenset[str]()
        for name, value in aside.items():
            holds = plain(name) in LABELS or (name.lower() in own and not is_of_paging(name))
            if holds and value is not None and not isinstance(value, dict | list):
                labels[name] = value
    return labels


def _labelled(records: list[Any], labels: Mapping[str, Any]) -> list[Any]:
    if not labels:
        return records
    return [_with(labels, record) if isinstance(record, dict) else record for record in records]


def _with(labels: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in record.items() if value is not None or name not in labels}
    return {**labels, **own}


def _listed(records: list[Any], about: About, labels: Mapping[str, Any]) -> Found:
    """Records of a list: tables within them laid out, wrappers around them taken off."""
    if records and all(isinstance(record, list) and all(isinstance(r, dict) for r in record) for record in records):
        return _listed([r for record in records for r in record], replace(about, where=f"{about.where}[]"), labels)
    if records and all(isinstance(record, list) for record in records):
        made, how, sure = lists_as_objects(records)
        about = replace(about, where=f"{about.where} ({how})", sure=about.sure and sure)
        return Found(_labelled(made, labels), about)
    if laid_out := spread(records):
        where = f"{about.where}.{laid_out.how}".rstrip(".")
        asides = (*about.asides, laid_out.faults)
        about = replace(about, where=where, asides=asides, counts=False, units={**about.units, **laid_out.units})
        return Found(_labelled(laid_out.rows, labels), about)
    bare = unwrapped(records)
    return Found(_labelled(bare, labels), about, labels, as_sent=bare is records)


def _from_object(body: Node, named: str) -> Found:
    """An answer without a list: a tree, a map of records, or one record, in an envelope or not."""
    if _is_empty(body, named):
        return Found([], About(f"{named}[]", asides=(body,)))
    node, keys = body, list[str]()
    while (key := _only_object(node)) and plain(key) in (CONTAINERS | {plain(named)}):
        keys.append(key)
        node = node[key]
    content = _without_paging(node)
    if (rows := leaves(content)) is not None:
        return _formed(body, keys, rows, "tree")
    if (rows := branches(content, wrapped=bool(keys))) is not None:
        return _formed(body, keys, rows, "map")
    if key and (rows := branches(node[key], wrapped=True)) is not None:
        return _formed(body, [*keys, key], rows, "map")
    place = ".".join(quoted(key, 40) for key in keys)
    sure = not any(is_of_objects(value) and value and plain(name) not in ASIDES for name, value in node.items())
    sure = sure or any(plain(name) in IDENTITIES for name in node)
    return Found([node], About(place or "one record", sure, _asides(body, keys) or (body,), is_list=False))


def _is_empty(body: Node, named: str) -> bool:
    """Whether it is a page without records: its list is null or left out, and it says that there is no more."""
    said = {plain(name): value for name, value in body.items()}
    lists = [name for name in said if not is_of_paging(name) or name in CONTAINERS]
    holds_none = all(name in CONTAINERS | {plain(named)} and not said[name] for name in lists)
    counts = [said[name] for name in TOTALS if name in said]
    ends = [said[name] for name in (*TOKENS, *NEXT_LINKS) if name in said]
    is_over = any(said.get(name) in (False, 0) for name in MORE) or (bool(lists) and (counts == [0] or bool(ends)))
    return holds_none and is_over and not any([*counts, *ends])


def _formed(body: Node, keys: list[str], rows: list[Any], form: str) -> Found:
    place, asides, node = ".".join(quoted(key, 40) for key in keys), _asides(body, keys), body
    for key in keys:
        node = node[key]
    said = {name: value for name, value in node.items() if is_of_paging(name)}
    return Found(rows, About(f"{place} ({form})".strip(), sure=bool(keys) or form == "tree", asides=(*asides, said)))


def _asides(body: Node, keys: Sequence[str]) -> tuple[Node, ...]:
    """What stands beside each step of the way."""
    asides, node = [], body
    for key in keys:
        asides.append({name: value for name, value in node.items() if name != key})
        node = node[key]
    return tuple(asides)


def _without_paging(node: Node) -> Node:
    return {key: value for key, value in node.items() if not is_of_paging(key)}


def _only_object(node: Node) -> str:
    """The one field that is not of paging, where it is an object; "" when there is none such."""
    content = [key for key in node if not is_of_paging(key) or plain(key) in CONTAINERS]
    key = content[0] if len(content) == 1 else ""
    return key if key and isinstance(node[key], dict) and node[key] else ""
