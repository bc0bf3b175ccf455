"""One page of a list, read: its records as columns where Arrow can, as Python values where it cannot.

`Reader` lets `pyarrow.json` read a body without building one Python object per row. It does so only for a page that
is flat (objects of text, numbers, booleans and nulls in one list) and in which nothing is in doubt; whatever Arrow
would round, guess at or refuse is read by `json`, which is slower and exact. Why flatness is checked on the bytes:
Arrow's parser recurses, and a body of a hundred thousand brackets would end the process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from immune_nb.frames.schemas import CATEGORY, NUMBER, TEXT, TIME, Schema

__all__ = ["EXACT_IN_FLOAT", "RECORD_FIELDS", "Reader", "Sheet", "is_utf8", "records_of"]

RECORD_FIELDS = ("data", "items", "results", "records", "value", "values", "features")
EXACT_IN_FLOAT = 2**53
ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
SCALAR_FIELD = rb'\s*"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[-+.\w]+)\s*,'
HEAD = re.compile(rb"\s*\{(?:%s)*\s*\"(%s)\"\s*:\s*\[" % (SCALAR_FIELD, "|".join(RECORD_FIELDS).encode()))
BARE = re.compile(rb"\s*\[")
READ_AS = {TIME: pa.string(), NUMBER: pa.float64(), CATEGORY: pa.string(), TEXT: pa.string()}


@dataclass(frozen=True)
class Sheet:
    """The records of one page, and what the page says beside them.

    Attributes:
        rows: How many records.
        columns: The records by field, each an Arrow array; None when `records` holds them.
        records: The records as Python values.
        beside: The other fields of the body, where it is an object.
    """

    rows: int
    columns: Mapping[str, pa.Array] | None = None
    records: list[Any] = field(default_factory=list)
    beside: Mapping[str, Any] = field(default_factory=dict)

    def key(self, row: int) -> str | int | None:
        """The ``id`` of a record, where it has one that names it."""
        if not self.rows:
            return None
        if self.columns is not None:
            key = self.columns["id"][row].as_py() if "id" in self.columns else None
        else:
            record = self.records[row]
            key = record.get("id") if isinstance(record, dict) else None
        return key if isinstance(key, str | int) and not isinstance(key, bool) else None

    def each(self) -> Iterator[Any]:
        """The records as Python values."""
        if self.columns is None:
            return iter(self.records)
        values = {name: column.to_pylist() for name, column in self.columns.items()}
        return ({name: column[row] for name, column in values.items()} for row in range(self.rows))

    def take(self, keep: Sequence[bool]) -> Sheet:
        """The records that a mask keeps."""
        kept = [record for record, wanted in zip(self.records, keep, strict=False) if wanted]
        if self.columns is None:
            return Sheet(len(kept), None, kept, self.beside)
        mask = pa.array(keep)
        columns = {name: column.filter(mask) for name, column in self.columns.items()}
        return Sheet(pc.sum(mask).as_py() or 0, columns, [], self.beside)


def records_of(body: Any) -> list[Any]:
    """The records of a decoded body: a list, the list in an envelope, or the body itself as the one record."""
    if isinstance(body, dict):
        lists = (body[name] for name in RECORD_FIELDS if isinstance(body.get(name), list))
        return next(lists, [body])
    return body if isinstance(body, list) else [] if body is None else [body]


class Reader:
    """Reads the pages of one list. Threads may share it.

    Args:
        schema: The columns to expect: a documented field is read as what it is, never as what it looks like.
    """

    def __init__(self, schema: Schema) -> None:
        self._fields = {column.name: READ_AS[column.dtype] for column in schema.columns}
        self._pinned = frozenset(self._fields)

    def read(self, body: bytes) -> Sheet:
        """Read one body.

        Raises:
            ValueError: It is not JSON.
            RecursionError: It is nested beyond reason.
        """
        return self._quickly(body) or self._exactly(body)

    @staticmethod
    def _exactly(body: bytes) -> Sheet:
        data = json.loads(body) if body.strip() else None
        records = records_of(data)
        return Sheet(len(records), None, records, data if isinstance(data, dict) else {})

    def _quickly(self, body: bytes) -> Sheet | None:
        """The page as Arrow reads it; None when something about it is in doubt."""
        name, document = _framed(body)
        if not name or not (body.isascii() or is_utf8(body)):
            return None
        return self.read_flat(document, name)

    def read_flat(self, document: bytes, name: str = RECORD_FIELDS[0]) -> Sheet | None:
        """Read a page known to be one flat object in UTF-8; None when something about it is in doubt.

        Args:
            document: The page.
            name: The field that holds its list.
        """
        try:
            table, named = self._parse(document, name)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
        beside = {field.name: field.type for field in table.schema if field.name != name}
        if table.num_rows != 1 or not all(map(_is_sure, beside.values())) or not named:
            return None
        records = table[name].combine_chunks().values
        columns = self._columns(records, named)
        if columns is None:
            return None
        return Sheet(len(records), columns, [], {side: table[side][0].as_py() for side in beside})

    def _parse(self, document: bytes, name: str) -> tuple[pa.Table, list[str]]:
        """The table of the document, and the fields its records have, in the order they came."""
        table = self._arrow(document, name)
        fields = _fields(table.schema.field(name).type)
        taken_for_times = [n for n, kind in fields.items() if pa.types.is_timestamp(kind)]
        if taken_for_times:  # Arrow guesses that from the look of them: read them as the text they are, from now on
            self._fields = {**self._fields, **dict.fromkeys(taken_for_times, pa.string())}
            table = self._arrow(document, name)
        return table, list(fields)

    def _arrow(self, document: bytes, name: str) -> pa.Table:
        schema = pa.schema([(name, pa.list_(pa.struct(list(self._fields.items()))))]) if self._fields else None
        return arrow_json.read_json(
            pa.BufferReader(document),
            arrow_json.ReadOptions(use_threads=False, block_size=len(document) + 1),
            arrow_json.ParseOptions(explicit_schema=schema, newlines_in_values=True),
        )

    def _columns(self, records: pa.Array, named: list[str]) -> dict[str, pa.Array] | None:
        if pa.types.is_null(records.type):  # an empty list
            return {} if not len(records) else None
        if not pa.types.is_struct(records.type) or records.null_count:
            return None
        columns = {}
        for name in named:
            column = records.field(name)
            if not _is_sure_column(column):
                return None
            if column.null_count < len(column) or name not in self._fields:
                columns[name] = column  # a field of ours that is nowhere set may not have come at all
        return columns


def _framed(body: bytes) -> tuple[str, bytes]:
    """The name of the list in a flat page, and the page as one JSON object; no name when it is not flat."""
    shape = body.translate(None, ALL_BUT_BRACKETS).replace(b"{}", b"")
    if shape == b"{[]}" and (head := HEAD.match(body)):
        return head[1].decode(), body
    if shape == b"[]" and BARE.match(body):
        return RECORD_FIELDS[0], b'{"%s":%s}' % (RECORD_FIELDS[0].encode(), body)
    return "", b""


def is_utf8(body: bytes) -> bool:
    """Whether it is valid UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fields(kind: pa.DataType) -> dict[str, pa.DataType]:
    """The fields of a list of objects, in their order; none for any other list."""
    inner = kind.value_type if pa.types.is_list(kind) else None
    return {f.name: f.type for f in inner} if inner is not None and pa.types.is_struct(inner) else {}


def _is_sure(kind: pa.DataType) -> bool:
    """Whether Arrow's reading of a value beside the list is certainly what the JSON says."""
    return kind in (pa.bool_(), pa.int64(), pa.string(), pa.null())


def _is_sure_column(column: pa.Array) -> bool:
    """The same of a field; a float must be so small that an integer read as one was not rounded."""
    if not pa.types.is_floating(column.type):
        return _is_sure(column.type)
    bounds = pc.min_max(column, skip_nulls=True).as_py()
    low, high = bounds["min"], bounds["max"]
    return (low is None or max(-low, high) < EXACT_IN_FLOAT) and not _has_nan(column)


def _has_nan(column: pa.Array) -> bool:
    return bool(pc.any(pc.is_nan(column)).as_py())
