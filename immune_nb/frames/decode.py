"""Records to a DataFrame: the same columns and dtypes whatever the service left out, added or mixed.

Documented columns get the dtype their schema pins; others the narrowest dtype that holds every value exactly. Nested
objects become columns named by their path (``limits.max``). Nothing is lost in silence: a value that does not fit a
pinned dtype becomes missing and is counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from immune_nb.frames.schemas import NUMBER, TEXT, Column, Schema

__all__ = ["decode"]

Path = tuple[str, ...]
EXACT_IN_FLOAT = 2**53
array: Any = pd.array  # its overloads know the values' types; here they are known at run time only
INT64 = range(-(2**63), 2**63)
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,6})?)?([Zz]|[+-]\d\d:?\d\d)")
EPOCH_UNITS = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))  # below each bound, a number of these since 1970


def decode(records: Iterable[Any], schema: Schema) -> tuple[pd.DataFrame, dict[str, int]]:
    """Build the frame of some records.

    Args:
        records: Decoded JSON values; one that is no object becomes a row with the one column ``value``.
        schema: The columns to expect, and the order of rows.

    Returns:
        The frame, with a fresh `RangeIndex`, and by column how many values did not fit its pinned dtype.
    """
    rows = [dict(_leaves(record if isinstance(record, dict) else {"value": record})) for record in records]
    known = schema.by_name
    paths: dict[Path, None] = dict.fromkeys((name,) for name in known)
    for row in rows:
        paths.update(dict.fromkeys(row))
    columns, coerced = {}, {}
    for path, name in _names(paths).items():
        values = [row.get(path) for row in rows]
        column = known.get(name)
        columns[name], lost = _pinned(values, column) if column else (_inferred(values), 0)
        if lost:
            coerced[name] = lost
    frame = pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))
    return _sorted(frame, schema), coerced


def _leaves(record: dict[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values of nested objects, with their paths; an empty object is a value itself."""
    for key, value in record.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


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


def _pinned(values: list[Any], column: Column) -> tuple[Any, int]:
    """A column of the schema's dtype, and how many values did not fit."""
    match column.dtype:
        case "category":
            return _category(values, column.words), 0
        case "string":
            return _text(_as_text(value) for value in values), 0
        case "float64":
            series = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").astype("float64")
            rounded = sum(type(v) is int and abs(v) > EXACT_IN_FLOAT and int(float(v)) != v for v in values)
        case _:
            series, rounded = _times(values)
    present = sum(value is not None and value == value for value in values)  # noqa: PLR0124 - NaN is not itself
    return series, present - int(series.notna().sum()) + rounded


def _times(values: list[Any]) -> tuple[pd.Series[Any], int]:
    """UTC instants to the microsecond, and how many were finer than that."""
    instants = pd.Series([_epoch(value) for value in values], dtype=object)
    series = pd.to_datetime(instants, format="ISO8601", utc=True, errors="coerce")
    exact = series.dt.as_unit("us")
    return exact, int((series.notna() & (series != exact)).sum())


def _epoch(value: Any) -> Any:
    """A number of seconds, milliseconds, microseconds or nanoseconds since 1970, told by its size."""
    if type(value) not in (int, float):
        return value
    unit = next((unit for bound, unit in EPOCH_UNITS if abs(value) < bound), "ns")
    try:
        return pd.Timestamp(value, unit=unit, tz="UTC")
    except (ValueError, OverflowError):
        return None


def _category(values: list[Any], words: tuple[str, ...]) -> pd.Categorical:
    texts = [_as_text(value) for value in values]
    new = sorted({text for text in texts if text is not None}.difference(words))
    return pd.Categorical(_objects(texts), categories=pd.Index([*words, *new], dtype=object))


def _text(values: Iterable[str | None]) -> Any:
    texts = list(values)
    try:
        return array(texts, dtype=TEXT)
    except UnicodeEncodeError:  # a lone surrogate, which no text encoding has
        return _objects(texts)


def _objects(values: list[Any]) -> pd.Series[Any]:
    """Values as they are: pandas guesses at a bare array, and not at a Series."""
    return pd.Series(values, dtype=object)


def _as_text(value: Any) -> str | None:
    """Text as it is; an id sent as a number, or anything else, as the JSON it was."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _inferred(values: list[Any]) -> Any:
    """The narrowest dtype that holds every value exactly."""
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if kinds == {str}:
        if all(ISO_TIME.fullmatch(text) for text in present):
            times, _ = _times(values)
            if int(times.notna().sum()) == len(present):
                return times
        return _text(values)
    if kinds == {bool}:
        return array(values, dtype="boolean")
    if kinds == {int} and all(value in INT64 for value in present):
        return array(values, dtype="Int64")
    if kinds and kinds <= {int, float} and float in kinds and all(_is_exact(value) for value in present):
        return array(values, dtype=NUMBER)
    return _objects(values)


def _is_exact(number: int | float) -> bool:  # noqa: PYI041 - the difference is the point
    return isinstance(number, float) or abs(number) <= EXACT_IN_FLOAT


def _sorted(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    if not schema.sort_by:
        return frame
    return frame.sort_values(list(schema.sort_by), kind="stable", ignore_index=True)
