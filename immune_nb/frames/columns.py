"""The pieces of a column made one, as pandas has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from immune_nb.frames.instants import MISSING
from immune_nb.frames.schemas import CATEGORY, NUMBER, TEXT, TIME, Column
from immune_nb.frames.sheets import POOL
from immune_nb.frames.values import Chunk, inferred

__all__ = ["WORDS", "column_of", "found", "give_back", "ticks"]

WORDS = pa.dictionary(pa.int32(), pa.string())
MANY = 1_000_000  # rows


def give_back(rows: int) -> None:
    """Let the system have what Arrow has let go, where that is much: the next column wants it."""
    for pool in (pa.default_memory_pool(), POOL) if rows > MANY else ():
        pool.release_unused()


def found(chunks: list[Chunk], name: str, order: Any, *, is_text: bool) -> Any:
    """A column that nobody documented, its pieces joined and its rows in order."""
    return _for_pandas(_reordered(inferred(chunks, name, is_text=is_text), order))


def column_of(chunks: list[Chunk], column: Column, order: Any) -> Any:
    """A documented column of the frame."""
    joined = _joined(chunks, column)
    chunks.clear()
    if column.dtype == CATEGORY:
        return _categories(joined, column.words, order)
    return _for_pandas(_reordered(joined, order))


def _joined(chunks: list[Chunk], column: Column) -> Chunk:
    if any(isinstance(chunk, list) for chunk in chunks):
        return [value for chunk in chunks for value in (chunk if isinstance(chunk, list) else chunk.to_pylist())]
    if column.dtype == CATEGORY:
        return _with_one_dictionary(_like(chunks, WORDS))
    if column.dtype == TEXT:
        return _texts(chunks)
    return _like(chunks, {TIME: pa.timestamp("us", "UTC"), NUMBER: pa.float64()}[column.dtype]).combine_chunks()


def _texts(chunks: list[Chunk]) -> pa.Array:
    """Texts in one, with large numbers for their places; joined first, as the characters are shared from then on."""
    try:
        joined = _like(chunks, pa.string()).combine_chunks()
    except pa.ArrowInvalid:  # more characters than small numbers count
        return _like(chunks, pa.large_string()).combine_chunks()
    chunks.clear()  # before there is more
    give_back(len(joined))
    return joined.cast(pa.large_string())


def _like(chunks: list[Chunk], kind: pa.DataType) -> pa.ChunkedArray:
    """The pieces in one, as one type; a call for all of them where they agree already. Dictionaries may be small."""
    if len({chunk.type for chunk in chunks}) > 1:
        chunks = [chunk.cast(kind) for chunk in chunks]
    joined = pa.chunked_array(chunks) if chunks else pa.chunked_array([], kind)
    return joined if joined.type == kind or pa.types.is_dictionary(joined.type) else joined.cast(kind)


def _with_one_dictionary(words: pa.ChunkedArray) -> pa.Array:
    try:
        return words.unify_dictionaries().combine_chunks()
    except pa.ArrowInvalid:  # more words than its small numbers count
        return words.cast(WORDS).unify_dictionaries().combine_chunks()


def _categories(values: Chunk, words: tuple[str, ...], order: Any) -> pd.Categorical:
    """A categorical: the documented words, then new ones by name. Only words that occur are new."""
    if isinstance(values, list):
        texts = _reordered(values, order)
        new = sorted({text for text in texts if text is not None}.difference(words))
        return pd.Categorical(pd.Series(texts, dtype=object), categories=pd.Index([*words, *new], dtype=object))
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    met = values.dictionary.to_pylist()
    used = {met[code] for code in values.indices.unique().to_pylist() if code is not None}
    categories = [*words, *sorted(used.difference(words))]
    places = dict.fromkeys(met, -1) | {word: number for number, word in enumerate(categories)}
    small = np.int8 if len(categories) < 2**7 else np.int32
    target = np.array([*(places[word] for word in met), -1], dtype=small)
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    is_same = (target[:-1] == np.arange(len(met))).all()
    codes = codes.astype(small) if is_same else target[codes]
    return pd.Categorical.from_codes(
        codes if order is None else codes[order], categories=pd.Index(categories, dtype=object)
    )


def _reordered(values: Chunk, order: Any) -> Chunk:
    if order is None:
        return values
    return [values[row] for row in order] if isinstance(values, list) else values.take(pa.array(order))


def _for_pandas(values: Chunk) -> Any:
    """An Arrow array as the pandas array of its dtype; Python values as they are, for pandas guesses at a list."""
    if isinstance(values, list):
        return pd.Series(values, dtype=object)
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _extension(pd.StringDtype(), values)
    if pa.types.is_timestamp(kind):
        return pd.Series(ticks(values).view(f"M8[{kind.unit}]"), copy=False).dt.tz_localize("UTC").array
    if pa.types.is_floating(kind):
        return values.to_numpy(zero_copy_only=False)
    return _extension(pd.BooleanDtype() if pa.types.is_boolean(kind) else pd.Int64Dtype(), values)


def _extension(dtype: Any, values: pa.Array) -> Any:
    """Through the protocol that pandas gives its dtypes for this."""
    return dtype.__from_arrow__(values)


def ticks(column: pa.Array) -> Any:
    """Instants as microseconds since 1970; `instants.MISSING` where there is none."""
    return column.cast(pa.int64()).fill_null(MISSING).to_numpy(zero_copy_only=False)
