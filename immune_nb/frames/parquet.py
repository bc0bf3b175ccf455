"""Parts as Parquet files, exactly: what Arrow has no column for is kept as the JSON it was, and marked so."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from immune_nb.frames.columns import WORDS
from immune_nb.frames.decode import Part

__all__ = ["joined", "read_part", "write_part"]

ABOUT = b"immune_nb"
DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


def joined(parts: Sequence[Part]) -> Part:
    """Several parts as one."""
    rows = sum(part.rows for part in parts)
    coerced: dict[str, int] = {}
    for part in parts:
        for name, lost in part.coerced.items():
            coerced[name] = coerced.get(name, 0) + lost
    paths = dict.fromkeys(path for part in parts for path in part.columns)
    columns = {path: _chunk([part.columns.get(path, pa.nulls(part.rows)) for part in parts]) for path in paths}
    return Part(rows, columns, coerced)


def _chunk(pieces: Sequence[Any]) -> Any:
    kinds = {piece.type for piece in pieces if not isinstance(piece, list) and not pa.types.is_null(piece.type)}
    if any(isinstance(piece, list) for piece in pieces) or (len(kinds) > 1 and not all(map(_is_words, kinds))):
        return [value for piece in pieces for value in (piece if isinstance(piece, list) else piece.to_pylist())]
    if any(map(_is_words, kinds)):
        return pa.chunked_array([p.cast(WORDS) for p in pieces], WORDS).unify_dictionaries().combine_chunks()
    kind = kinds.pop() if kinds else pa.null()
    return pa.concat_arrays([piece.cast(kind) for piece in pieces])


def _is_words(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind))


def write_part(part: Part, path: Path, about: Mapping[str, Any]) -> None:
    """Write a part, whole or not at all, readable by its owner only.

    Args:
        part: The rows.
        path: The file; one of that name is replaced.
        about: What to note beside them, JSON-safe.
    """
    columns, told = {}, []
    for number, (name, chunk) in enumerate(part.columns.items()):
        told.append([list(name), isinstance(chunk, list)])
        columns[str(number)] = [json.dumps(v) for v in chunk] if isinstance(chunk, list) else chunk
    note = {**about, "columns": told, "rows": part.rows, "coerced": part.coerced}
    table = pa.table(columns).replace_schema_metadata({ABOUT: json.dumps(note).encode()})
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True, **_encodings(table.schema))
    draft.replace(path)


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """A dictionary where words repeat, and differences of instants: half the size, and quicker to read."""
    words = [column.name for column in schema if _is_words(column.type)]
    instants = {column.name: "DELTA_BINARY_PACKED" for column in schema if pa.types.is_timestamp(column.type)}
    return {"use_dictionary": words, "column_encoding": instants}


def read_part(path: Path) -> tuple[Part, dict[str, Any]] | None:
    """A part and what was noted beside it; None when the file is not there, or not whole."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)
        about: dict[str, Any] = json.loads(table.schema.metadata[ABOUT])
        columns: dict[tuple[str, ...], Any] = {}
        for (name, is_json), chunk in zip(about["columns"], table.columns, strict=True):
            values = chunk.combine_chunks()
            columns[tuple(name)] = [json.loads(v) for v in values.to_pylist()] if is_json else _one(values)
        if columns and table.num_rows != about["rows"]:
            return None
        return Part(about["rows"], columns, about["coerced"]), about
    except DAMAGE:
        return None


def _one(values: Any) -> pa.Array:
    return values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
