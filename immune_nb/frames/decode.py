"""Records to a DataFrame: the same columns and dtypes whatever the service left out, added or mixed.

Documented columns get the dtype their schema pins; others the narrowest dtype that holds every value exactly. Nested
objects become columns named by their path (``limits.max``). Nothing is lost in silence: a value that does not fit a
pinned dtype becomes missing and is counted.

A page becomes a `Part`, compact columns that no longer need the page; `assemble` makes one frame of any number of
them. How rows are cut into pages, and which of the two readers read a page, makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.arrays import DatetimeArray

from immune_nb.frames.columns import column_of, found, give_back, ticks
from immune_nb.frames.instants import MISSING, Span
from immune_nb.frames.schemas import Column, Schema
from immune_nb.frames.sheets import Sheet
from immune_nb.frames.turned import Path, turned
from immune_nb.frames.values import Chunk, pinned

__all__ = ["Part", "Whole", "assemble", "decode", "instants_of", "part_of"]

Loss = dict[str, int]


@dataclass
class Part:
    """Some rows, as columns.

    Attributes:
        rows: How many.
        columns: By path: documented columns as their dtype has them, others as they came. One that is not here is
            missing in every row.
        coerced: By column, values that did not fit.
        is_text: Whether the answer had no types, only text.
        instants: See `instants_of`; None until somebody asks.
        span: Of the instants, where it is known.
    """

    rows: int = 0
    columns: dict[Path, Chunk] = field(default_factory=dict)
    coerced: Loss = field(default_factory=dict)
    is_text: bool = False
    instants: Any = None
    span: Span | None = None

    def take(self, keep: Any) -> Part:
        """The rows that a boolean mask keeps; what was coerced is not told apart by row."""
        mask = pa.array(keep)
        columns = {path: _masked(chunk, keep, mask) for path, chunk in self.columns.items()}
        return Part(int(keep.sum()), columns, self.coerced, self.is_text)

    def between(self, start: int, end: int) -> Part:
        """The rows ``[start, end)``, which share this part's memory; of a part in which nothing was coerced."""
        columns = {path: chunk[start:end] for path, chunk in self.columns.items()}
        return Part(end - start, columns, instants=None if self.instants is None else self.instants[start:end])


class Whole(NamedTuple):
    """Parts made one.

    Attributes:
        frame: The frame, with a fresh `RangeIndex`.
        coerced: By column, how many values did not fit its pinned dtype.
        order: Which row of the parts each row of the frame was; None when they are in the same order.
    """

    frame: pd.DataFrame
    coerced: Loss
    order: Any


def decode(records: Iterable[Any], schema: Schema) -> tuple[pd.DataFrame, Loss]:
    """Build the frame of some records.

    Args:
        records: Decoded JSON values; one that is no object becomes a row with the one column ``value``.
        schema: The columns to expect, and the order of rows.

    Returns:
        The frame, with a fresh `RangeIndex`, and by column how many values did not fit its pinned dtype.
    """
    values = list(records)
    whole = assemble([part_of(Sheet(len(values), None, values), schema)], schema)
    return whole.frame, whole.coerced


def part_of(sheet: Sheet, schema: Schema) -> Part:
    """The rows of a page, in columns."""
    columns: dict[Path, Chunk]
    if sheet.columns is not None:
        columns = {(name,): column for name, column in sheet.columns.items()}
    else:
        columns = turned(sheet.records)
    part, known = Part(sheet.rows, is_text=sheet.is_text), schema.by_name
    for path, values in columns.items():
        column = known.get(path[0]) if len(path) == 1 else None
        part.columns[path], lost = pinned(values, column) if column else (values, 0)
        if lost:
            part.coerced[path[0]] = lost
    return part


def instants_of(part: Part) -> Any:
    """The ``timestamp`` of every row, in microseconds since 1970; `instants.MISSING` where there is none."""
    if part.instants is None:
        column = part.columns.get(("timestamp",))
        part.instants = np.full(part.rows, MISSING) if column is None else ticks(column)
    return part.instants


def _masked(chunk: Chunk, keep: Any, mask: pa.Array) -> Chunk:
    return [v for v, k in zip(chunk, keep, strict=True) if k] if isinstance(chunk, list) else chunk.filter(mask)


def assemble(parts: Sequence[Part], schema: Schema) -> Whole:
    """One frame of parts, in their order; they are emptied on the way, for memory's sake.

    Args:
        parts: The parts.
        schema: The columns to expect, and the order of rows.
    """
    known, coerced, rows = schema.by_name, Loss(), sum(part.rows for part in parts)
    give_back(rows)
    for name in known:
        if lost := sum(part.coerced.get(name, 0) for part in parts):
            coerced[name] = lost
    paths: dict[Path, None] = dict.fromkeys((name,) for name in known)
    for part in parts:
        paths.update(dict.fromkeys(part.columns))
    keys = {name: _key(parts, known[name]) for name in schema.sort_by}
    order = _order(keys)
    columns = {}
    is_text = bool(parts) and all(part.is_text for part in parts)
    for path, name in _names(paths).items():
        if order is None and name in keys:
            columns[name] = keys.pop(name)
            for part in parts:
                part.columns.pop(path, None)
            give_back(rows)
            continue
        whole = [_nulls(part) if (chunk := part.columns.pop(path, None)) is None else chunk for part in parts]
        column = known.get(path[0]) if len(path) == 1 else None
        columns[name] = column_of(whole, column, order) if column else found(whole, path[-1], order, is_text=is_text)
        give_back(rows)
    return Whole(pd.DataFrame(columns, index=pd.RangeIndex(rows), copy=False), coerced, order)


def _nulls(part: Part) -> pa.Array:
    return pa.nulls(part.rows)


def _names(paths: Iterable[Path]) -> dict[Path, str]:
    """A column name per path: joined by dots, with an underscore more where a plainer path has that name."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in sorted(paths, key=len):
        name = ".".join(path).encode("utf-8", "backslashreplace").decode()  # a lone surrogate names no column
        while name in taken:
            name += "_"
        taken.add(name)
        names[path] = name
    return {path: names[path] for path in paths}


def _order(keys: Mapping[str, Any]) -> Any:
    """The positions of the rows in the order of some columns; None when they are in it already."""
    if not keys or _is_rising(*keys.values()):
        return None
    told = {name: _sortable(key) for name, key in keys.items()}
    return pd.DataFrame(told, copy=False).sort_values(list(told), kind="stable").index.to_numpy()


def _sortable(key: Any) -> Any:
    """A key as pandas can sort it: texts of which one is a lone surrogate as bytes, which have the same order."""
    if not isinstance(key, pd.Series):
        return key
    return pd.Series([text if text is None else text.encode("utf-8", "surrogatepass") for text in key], dtype=object)


def _key(parts: Sequence[Part], column: Column) -> Any:
    chunks = ((part, part.columns.get((column.name,))) for part in parts)
    return column_of([_nulls(part) if chunk is None else chunk for part, chunk in chunks], column, None)


def _is_rising(first: Any, *others: Any) -> bool:
    """Whether rows are in order by these keys already, told cheaply; False when in doubt."""
    if not isinstance(first, DatetimeArray) or first.isna().any():
        return False
    steps = np.diff(np.asarray(first.view("i8")))
    if not others or (steps > 0).all():
        return bool((steps >= 0).all())
    if len(others) > 1 or not isinstance(others[0], pd.Categorical):
        return False
    codes = others[0].codes
    return bool((codes >= 0).all() and ((steps > 0) | ((steps == 0) & (np.diff(codes) >= 0))).all())
