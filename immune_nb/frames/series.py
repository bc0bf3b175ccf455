"""Rows that are not written as one object each: columns, tables, pairs of instant and value, maps by instant.

The forms of InfluxDB, Prometheus, Graphite, OpenTSDB, Open-Meteo, ERDDAP, SensorThings' data arrays, pandas'
``split`` and their like, told by their form and the names of their fields. What a node says beside its rows holds
for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from immune_nb.frames.names import (
    COLUMN_LISTS,
    POINT_LISTS,
    ROW_LISTS,
    UNITS,
    is_time_name,
    is_value_name,
    plain,
)
from immune_nb.frames.numbers import as_measured, epoch_unit

__all__ = [
    "Rows",
    "is_instant",
    "is_timed",
    "keyed_by_time",
    "objects",
    "rows_by_time",
    "rows_of",
    "table_of",
    "units_in",
]

ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d.*)?)?$", re.ASCII)
NAME_KEYS = ("name", "columnname", "id", "key", "field", "label", "title", "text")
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Rows:
    """Rows found in a node.

    Attributes:
        rows: One object each.
        how: The form, in words.
        rest: The other fields of the node.
        units: By column.
    """

    rows: list[dict[str, Any]]
    how: str
    rest: dict[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


def rows_of(node: Any) -> Rows | None:
    """The rows of a node of any of the forms; None when it is a record itself."""
    if not isinstance(node, dict):
        return None
    readings: tuple[Callable[[Node], Rows | None], ...] = (_table, _columns, _pairs, _mapped, _points)
    return next((rows for read in readings if (rows := read(node))), None)


def table_of(node: Any) -> Rows | None:
    """The rows of a node that is a table, in columns or rows, or one series; None otherwise."""
    if not isinstance(node, dict):
        return None
    return _table(node) or _columns(node) or _all_columns(node) or _pairs(node)


def is_instant(value: Any) -> bool:
    """Whether a value looks like an instant: ISO 8601, or a number of the size that instants have."""
    if isinstance(value, str):
        return bool(ISO.match(value)) or (value.isdecimal() and epoch_unit([int(value[:20])]) is not None)
    return isinstance(value, int | float) and not isinstance(value, bool) and epoch_unit([value]) is not None


def is_timed(record: Any) -> bool:
    """Whether a value is an object that says when."""
    return isinstance(record, dict) and any(is_time_name(n) and is_instant(v) for n, v in record.items())


def _is_point(record: Any) -> bool:
    """Whether an object says what was measured when."""
    return is_timed(record) and any(is_value_name(n) or type(v) in (int, float) for n, v in record.items())


def keyed_by_time(node: Node) -> bool:
    """Whether every key is an instant."""
    return bool(node) and all(is_instant(key) for key in node)


def rows_by_time(node: Node) -> list[dict[str, Any]]:
    """The rows of a map from instants to values or objects."""
    return [{"timestamp": at, **(v if isinstance(v, dict) else {"value": v})} for at, v in node.items()]


def units_in(specs: Any) -> dict[str, str]:
    """Units by column, of a list of column descriptions or a map of units."""
    if isinstance(specs, dict):
        return {name: unit for name, unit in specs.items() if isinstance(unit, str) and not is_time_name(name)}
    found = {}
    for spec in specs if isinstance(specs, list) else ():
        unit = next((v for k, v in spec.items() if plain(k) in UNITS), None) if isinstance(spec, dict) else None
        if isinstance(unit, str) and (name := _name(spec)):
            found[name] = unit
    return found


def _without(node: Node, *taken: str) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name not in taken}


def _name(spec: Any) -> str:
    """The name of a column, given as text or described."""
    if isinstance(spec, list):
        spec = spec[0] if spec else ""
    if not isinstance(spec, dict):
        return spec if isinstance(spec, str) else ""
    said = {plain(key): value for key, value in spec.items() if isinstance(value, str)}
    return next((said[key] for key in NAME_KEYS if key in said), "")


def _table(node: Node) -> Rows | None:
    """Names of columns, and rows as lists."""
    for head, specs in node.items():
        if plain(head) not in COLUMN_LISTS or not isinstance(specs, list):
            continue
        names = [_name(spec) for spec in specs]
        for body, rows in node.items():
            if body == head or plain(body) not in ROW_LISTS or not isinstance(rows, list):
                continue
            if names and all(names) and all(isinstance(row, list) for row in rows):
                units = units_in(specs) | _listed_units(node, names)
                return Rows(objects(names, rows), f"{head} + {body}", _without(node, head, body), units)
    return None


def _listed_units(node: Node, names: Sequence[str]) -> dict[str, str]:
    """Units in a list beside the columns', in their order (ERDDAP)."""
    lists = [v for k, v in node.items() if plain(k) in UNITS and isinstance(v, list) and len(v) == len(names)]
    return {
        name: unit
        for units in lists
        for name, unit in zip(names, units, strict=True)
        if isinstance(unit, str) and not is_time_name(name)
    }


def objects(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Lists as objects; a name that repeats and a value without a name get one of their own."""
    unique: dict[str, None] = {}
    for name in names:
        while name in unique:
            name += "_"  # noqa: PLW2901
        unique[name] = None
    made = []
    for row in rows:
        more = [f"column_{number}" for number in range(len(unique) + 1, len(row) + 1)]
        made.append(dict(zip_longest([*unique, *more], row)))
    return made


def _columns(node: Node) -> Rows | None:
    """A list per column, all as long as the list of instants among them."""
    lists = {name: v for name, v in node.items() if isinstance(v, list) and v and not _has_nodes(v)}
    axis = next((n for n, v in lists.items() if is_time_name(n) and is_instant(v[0])), None)
    if axis is None:
        return None
    length = len(lists[axis])
    columns = {name: v for name, v in lists.items() if len(v) == length}
    units: dict[str, str] = {}
    taken = list(columns)
    for name, value in node.items():
        inner, said = _inner_columns(value, length)
        if inner:
            taken.append(name)
            units |= said
            columns |= {(f"{name}.{n}" if n in columns else n): v for n, v in inner.items()}
    if not any(_has_numbers(v) for n, v in columns.items() if n != axis):
        return None
    return Rows(_turned(columns), "columns", _without(node, *taken), units)


def _all_columns(node: Node) -> Rows | None:
    """Nothing but lists of one length."""
    lists = {name: v for name, v in node.items() if isinstance(v, list) and v and not _has_nodes(v)}
    if len(lists) < 2 or len(lists) < len(node) or len({len(v) for v in lists.values()}) > 1:  # noqa: PLR2004
        return None
    return Rows(_turned(lists), "columns")


def _turned(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _inner_columns(value: Any, length: int) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Columns one level down: ``{"a": […]}``, or ``[{"name": "a", "values": […], "unit": "C"}]``."""
    if isinstance(value, dict):
        fits = bool(value) and all(_is_column(v, length) for v in value.values())
        return (value, {}) if fits else ({}, {})
    columns = {}
    for series in value if isinstance(value, list) else ():
        lists = [v for v in series.values() if _is_column(v, length)] if isinstance(series, dict) else []
        if len(lists) != 1 or not (name := _name(series)):
            return {}, {}
        columns[name] = lists[0]
    return columns, units_in(value) if columns else {}


def _is_column(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and not _has_nodes(value)


def _has_nodes(values: Iterable[Any]) -> bool:
    return any(isinstance(value, dict | list) for value in values)


def _has_numbers(values: Iterable[Any]) -> bool:
    return all(value is None or isinstance(value, int | float) or as_measured(value) is not value for value in values)


def _pairs(node: Node) -> Rows | None:
    """Instant and value, or value and instant, in a list each; Prometheus' instant vector has a single pair."""
    for name, value in node.items():
        if plain(name) == "value" and _is_pair(value):
            return Rows(_pointed([value]), f"{name} (pair)", _without(node, name))
        if plain(name) in POINT_LISTS and isinstance(value, list) and value and all(map(_is_pair, value)):
            return Rows(_pointed(value), f"{name} (pairs)", _without(node, name))
    return None


def _is_pair(value: Any) -> bool:
    is_pair = isinstance(value, list) and len(value) == 2 and not _has_nodes(value)  # noqa: PLR2004
    return is_pair and (is_instant(value[0]) or is_instant(value[1]))


def _pointed(pairs: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    at = 0 if all(is_instant(pair[0]) for pair in pairs) else 1
    return [{"timestamp": pair[at], "value": as_measured(pair[1 - at])} for pair in pairs]


def _mapped(node: Node) -> Rows | None:
    """A map from instants to values or objects."""
    for name, value in node.items():
        if plain(name) in POINT_LISTS and isinstance(value, dict) and keyed_by_time(value):
            return Rows(rows_by_time(value), f"{name} (by time)", _without(node, name))
    return None


def _points(node: Node) -> Rows | None:
    """The one list of points."""
    lists = [n for n, v in node.items() if plain(n) in POINT_LISTS and isinstance(v, list) and v and _is_point(v[0])]
    if len(lists) != 1 or not all(isinstance(point, dict) for point in node[lists[0]]):
        return None
    return Rows(node[lists[0]], f"{lists[0]}[]", _without(node, lists[0]))
