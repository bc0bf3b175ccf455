"""Records as one object each: without wrappers, with the rows within them laid out, from lists with a header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from immune_nb.frames.names import FAULTS, POINT_LISTS, WRAPPERS, plain
from immune_nb.frames.numbers import as_measured
from immune_nb.frames.series import Rows, is_instant, objects, rows_of

__all__ = ["LaidOut", "lists_as_objects", "spread", "unwrapped"]

NO_RESULT = {"statement_id"}  # what InfluxDB answers for nothing
DEEPEST = 3


@dataclass
class LaidOut:
    """The rows within some nodes.

    Attributes:
        rows: Each with what its node says of it.
        how: Their place in a node, and their form.
        units: By column.
        faults: What a node says is wrong with its rows.
    """

    rows: list[Any] = field(default_factory=list)
    how: str = ""
    units: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Any] = field(default_factory=dict)

    def add(self, found: Rows) -> None:
        """Take in the rows of a node."""
        labels = {}
        for name, value in found.rest.items():
            if plain(name) in FAULTS and value:
                self.faults[name] = value
            elif plain(name) not in FAULTS:
                labels[name] = value
        fields = {name for row in found.rows for name in row}
        clashing = {name: labels.pop(name) for name in fields & labels.keys()}
        if clashing:
            labels["series"] = {**clashing, **({"series": labels["series"]} if "series" in labels else {})}
        self.rows.extend({**labels, **row} for row in found.rows)
        self.how = self.how or found.how
        self.units |= found.units


def spread(nodes: Sequence[Any]) -> LaidOut | None:
    """The rows within the nodes of a list; None where they are records themselves.

    Each node is judged by itself, so that it does not matter in whose company it comes. One without rows is a row
    with what it says: a sensor that measured nothing is not lost.
    """
    laid_out = LaidOut()
    for node in nodes:
        found = _found(node, 0) if node.__class__ is dict and _may_hold_rows(node) else None
        for rows in found or ():
            laid_out.add(rows)
        if found is None and (node.__class__ is not dict or node.keys() != NO_RESULT):
            laid_out.rows.append(node)
    return laid_out if laid_out.how or len(laid_out.rows) < len(nodes) else None


def _may_hold_rows(node: Mapping[str, Any]) -> bool:
    """Told quickly, for most records hold none."""
    for name, value in node.items():
        if value and (value.__class__ is list or (value.__class__ is dict and plain(name) in POINT_LISTS)):
            return True
    return False


def _found(node: Any, depth: int) -> list[Rows] | None:
    """The rows of a node, or those of the nodes in its one list."""
    if rows := rows_of(node):
        return [rows]
    lists = [k for k, v in node.items() if isinstance(v, list) and v and all(isinstance(inner, dict) for inner in v)]
    if len(lists) != 1 or depth == DEEPEST:
        return None
    key, rest = lists[0], {name: value for name, value in node.items() if name != lists[0]}
    found = [_found(inner, depth + 1) for inner in node[key]]
    if not all(found):
        return None
    return [_under(key, rest, row) for rows in found for row in rows or ()]


def _under(key: str, rest: Mapping[str, Any], found: Rows) -> Rows:
    """Rows of an inner node, with what the outer one says too."""
    clash = {name: rest[name] for name in rest.keys() & found.rest.keys()}
    said = {**rest, **found.rest, **({"outer": clash} if clash else {})}
    return Rows(found.rows, f"{key}[].{found.how}", said, found.units)


def unwrapped(records: list[Any]) -> list[Any]:
    """Records without the wrapper that GeoJSON, JSON:API, Elasticsearch and others put around each.

    A field inside that has the name of one that may stand outside keeps its whole path, in every record alike.
    """
    if not any(isinstance(record, dict) and _wrapper(record) for record in records):
        return records
    return [_bare(record) for record in records]


def _wrapper(record: Mapping[str, Any]) -> str:
    if WRAPPERS.keys().isdisjoint(record):
        return ""
    for name, beside in WRAPPERS.items():
        inner = record.get(name)
        if inner.__class__ is dict and inner and record.keys() - {name} <= beside:
            return name
    return ""


def _bare(record: Any) -> Any:
    name = _wrapper(record) if isinstance(record, dict) else ""
    if not name:
        return record
    outer = {key: value for key, value in record.items() if key != name}
    reserved = WRAPPERS[name] | {name}
    inner = {key: value for key, value in record[name].items() if key not in reserved}
    clashing = {key: value for key, value in record[name].items() if key in reserved}
    return {**outer, **inner, **({name: clashing} if clashing else {})}


def lists_as_objects(rows: Sequence[Sequence[Any]]) -> tuple[list[dict[str, Any]], str, bool]:
    """Lists as objects, how their columns got their names, and whether that is sure."""
    width = max(len(row) for row in rows)
    if names := _header(rows):
        sure = any(not isinstance(value, str) for value in rows[1])
        return objects(names, rows[1:]), "rows under a header", sure
    at = next((n for n in (0, 1) if width == 2 and all(len(r) == 2 and is_instant(r[n]) for r in rows)), None)  # noqa: PLR2004
    if at is not None:
        pairs = [{"timestamp": row[at], "value": as_measured(row[1 - at])} for row in rows]
        return pairs, "pairs", False
    return objects([f"column_{n}" for n in range(1, width + 1)], rows), "rows without names", False


def _header(rows: Sequence[Sequence[Any]]) -> list[str]:
    """The names in the first row, where they are names."""
    first = rows[0]
    if len(rows) < 2 or not first or len(set(map(str, first))) < len(first):  # noqa: PLR2004
        return []
    is_header = all(
        isinstance(name, str) and name and as_measured(name) is name and not is_instant(name) for name in first
    )
    return list(first) if is_header and len(rows[1]) == len(first) else []
