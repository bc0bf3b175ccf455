"""Values to columns: the dtype a schema pins, else the narrowest that holds every value exactly.

The same twice: for Arrow arrays, a column at a time, and for Python values, one at a time. The second is the
definition; the first must agree with it wherever it applies, and steps aside where it does not.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from immune_nb.frames.meaning import meant
from immune_nb.frames.numbers import EXACT
from immune_nb.frames.schemas import CATEGORY, NUMBER, TEXT, TIME, Column
from immune_nb.frames.sheets import POOL

__all__ = ["Chunk", "inferred", "pinned", "text_array"]

LARGEST = int(sys.float_info.max)  # whole numbers beyond it are no floats
Chunk = Any  # a pyarrow.Array, or a list of Python values where Arrow has no type for them
INSTANT = pa.timestamp("us", "UTC")
INT64 = range(-(2**63), 2**63)
FINER = re.compile(r"([.,]\d{6})(\d+)", re.ASCII)  # digits beyond the microsecond
EPOCH_UNITS = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))  # below each bound, a number of these since 1970


def pinned(values: Chunk, column: Column) -> tuple[Chunk, int]:
    """Values as a documented column holds them, and how many did not fit and are missing or rounded.

    Args:
        values: An Arrow array as `sheets.Reader` gives it, or Python values.
        column: The column.
    """
    if isinstance(values, list):
        return _pinned_values(values, column)
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), _kept_as(column)), 0
    if column.dtype == TIME:
        return _instants(values)
    return (_words(values) if column.dtype == CATEGORY else values), 0


def _kept_as(column: Column) -> pa.DataType:
    kinds = {TIME: INSTANT, NUMBER: pa.float64(), TEXT: pa.string()}
    return kinds.get(column.dtype, pa.dictionary(pa.int8(), pa.string()))


def _instants(texts: pa.Array) -> tuple[pa.Array, int]:
    """Instants from ISO 8601 texts. Arrow wants all of them with a zone, or all without."""
    for zone in ("UTC", None):
        try:
            return pc.cast(texts, pa.timestamp("us", zone), memory_pool=POOL).cast(INSTANT, memory_pool=POOL), 0
        except pa.ArrowInvalid:
            continue
    return _times(texts.to_pylist())


def _words(texts: pa.Array) -> pa.Array:
    """Words that repeat, each kept once."""
    words = pc.dictionary_encode(texts, memory_pool=POOL)
    few = len(words.dictionary) < 2**7
    return words.cast(pa.dictionary(pa.int8(), pa.string()), memory_pool=POOL) if few else words


def _pinned_values(values: list[Any], column: Column) -> tuple[Chunk, int]:
    match column.dtype:
        case "category":
            texts = text_array(map(_as_text, values))
            return (texts if isinstance(texts, list) else _words(texts)), 0
        case "string":
            return text_array(map(_as_text, values)), 0
        case "float64":
            finite = [None if type(v) is int and abs(v) > LARGEST else v for v in values]
            numbers = pd.to_numeric(pd.Series(finite, dtype=object), errors="coerce").astype("float64")
            changed = sum(type(v) is bool or (type(v) is int and int(float(v)) != v) for v in finite)
            return pa.array(numbers, from_pandas=True), _present(values) - int(numbers.notna().sum()) + changed
    return _times(values)


def _present(values: list[Any]) -> int:
    return sum(value is not None and value == value for value in values)  # noqa: PLR0124 - NaN is not itself


def _times(values: list[Any]) -> tuple[pa.Array, int]:
    """UTC instants to the microsecond, and how many were finer than that or none at all."""
    found = [_epoch(value) if type(value) in (int, float) else _trimmed(value) for value in values]
    instants = pd.Series([instant for instant, _ in found], dtype=object)
    series = pd.to_datetime(instants, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
    finer = sum(lost for (_, lost), known in zip(found, series.notna(), strict=True) if known)
    return pa.array(series, type=INSTANT), _present(values) - int(series.notna().sum()) + finer


def _trimmed(value: Any) -> tuple[Any, bool]:
    """A text without digits beyond the microsecond, and whether they said anything."""
    if not isinstance(value, str) or not (match := FINER.search(value)):
        return value, False
    return value.replace(match[0], match[1], 1), bool(match[2].strip("0"))


def _epoch(value: float) -> tuple[Any, bool]:
    """A number of seconds, milliseconds, microseconds or nanoseconds since 1970, told by its size."""
    unit = next((unit for bound, unit in EPOCH_UNITS if abs(value) < bound), "ns")
    try:
        instant = pd.Timestamp(value, unit=unit, tz="UTC")
        return instant.as_unit("us"), instant != instant.as_unit("us")
    except (ValueError, OverflowError):
        return None, False


def text_array(values: Iterable[str | None]) -> Chunk:
    """Texts as Arrow has them; a list where one is a lone surrogate, which no text encoding has."""
    texts = list(values)
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return texts


def _as_text(value: Any) -> str | None:
    """Text as it is; an id sent as a number, or anything else, as the JSON it was."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def inferred(chunks: list[Chunk], name: str = "", *, is_text: bool = False) -> Chunk:
    """Values nobody documented, in the narrowest type that holds every one of them exactly.

    Args:
        chunks: The column in pieces; how it is cut makes no difference.
        name: The field's name: numbers are instants only where it says so and their size agrees.
        is_text: Whether the answer has no types, so that text may stand for numbers (CSV).

    Returns:
        An Arrow array, or a list where the values are of several kinds.
    """
    pieces = [_narrowed(chunk) if isinstance(chunk, list) else chunk for chunk in chunks]
    kinds = {piece.type for piece in pieces if not isinstance(piece, list) and not pa.types.is_null(piece.type)}
    if any(isinstance(piece, list) for piece in pieces) or len(kinds) > 1:
        found = _narrowed([value for piece in pieces for value in _as_list(piece)])
    elif not kinds:
        return [None] * sum(map(len, chunks))
    else:
        kind = kinds.pop()
        found = pa.concat_arrays([piece.cast(kind) for piece in pieces])
    return found if isinstance(found, list) else meant(found, name, is_text=is_text)


def _as_list(chunk: Chunk) -> list[Any]:
    if isinstance(chunk, list):
        return chunk
    values: list[Any] = [None] * len(chunk) if pa.types.is_null(chunk.type) else chunk.to_pylist()
    return values


def _narrowed(values: list[Any]) -> Chunk:
    """Values in the narrowest type; those of several kinds as they are, but for what JSON does not tell apart."""
    kinds = set(map(type, values)) - {type(None)}
    present = [value for value in values if value is not None]
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {str}:
        return text_array(values)
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value in INT64 for value in present):
        return pa.array(values, pa.int64())
    if kinds <= {int, float} and float in kinds and all(_is_exact(value) for value in present):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return [_whole(value) for value in values] if float in kinds else values


def _is_exact(number: int | float) -> bool:  # noqa: PYI041 - the difference is the point
    return isinstance(number, float) or abs(number) <= EXACT


def _whole(value: Any) -> Any:
    """JSON does not tell 1.0 from 1; beside values of other kinds a whole number is an integer."""
    is_whole = type(value) is float and value.is_integer() and abs(value) < EXACT
    return int(value) if is_whole else value
