"""One page of a list, read: its records as columns where Arrow can, as Python values where it cannot.

`Reader` lets `pyarrow.json` read a list without building one Python object per record. It does so only for a list
that is flat (objects of text, numbers, booleans and nulls) and in which nothing is in doubt; whatever Arrow would
round, guess at or refuse is read by `json`, which is slower and exact. What stands around the list is read by `json`
in any case, with one record in the list's place, so that both readers find the records in the same way. Why flatness
is checked on the bytes: Arrow's parser recurses, and a body of a hundred thousand brackets would end the process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.json as arrow_json

from immune_nb.frames.bodies import decoded, table_rows
from immune_nb.frames.envelopes import CSV, About, Found, find
from immune_nb.frames.flat import ALL_BUT_BRACKETS, flat_lists, is_utf8
from immune_nb.frames.numbers import EXACT
from immune_nb.frames.schemas import CATEGORY, NUMBER, TEXT, TIME, Schema

__all__ = ["POOL", "Reader", "Sheet"]

LIST = "records"  # what the list is called in the document that Arrow reads
MARK = "\ue000 and so on"  # stands for all records but the first
POOL = pa.system_memory_pool()  # for what is read: Arrow's own keeps what is freed, half as much again
READ_AS = {TIME: pa.string(), NUMBER: pa.float64(), CATEGORY: pa.string(), TEXT: pa.string()}


@dataclass(frozen=True)
class Sheet:
    """The records of one page, and what the page says beside them.

    Attributes:
        rows: How many records.
        columns: The records by field, each an Arrow array; None when `records` holds them.
        records: The records as Python values.
        about: Where they were, and what stands around them.
        is_text: Whether every value is text for want of types.
    """

    rows: int
    columns: Mapping[str, pa.Array] | None = None
    records: list[Any] = field(default_factory=list)
    about: About = field(default_factory=About)
    is_text: bool = False

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

    def has(self, key: str | int) -> bool:
        """Whether a record has this ``id``."""
        return any(self.key(row) == key for row in range(self.rows))

    def record(self, row: int) -> Any:
        """One record as a Python value."""
        if self.columns is None:
            return self.records[row]
        return {name: column[row].as_py() for name, column in self.columns.items()}

    @cached_property
    def mark(self) -> str:
        """What tells this page from another, without reading all of it; "" for a page without records."""
        if not self.rows:
            return ""
        places = (0, self.rows // 2, self.rows - 1)
        ids = [self.key(row) for row in places]
        if None not in ids:
            return repr([self.rows, *ids])
        return repr([self.rows, *(_told(self.record(row)) for row in places)])

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
            return Sheet(len(kept), None, kept, self.about, self.is_text)
        mask = pa.array(keep, pa.bool_())
        columns = {name: column.filter(mask) for name, column in self.columns.items()}
        return Sheet(mask.true_count, columns, [], self.about)


class Flat(NamedTuple):
    """A list of flat records in a body.

    Attributes:
        start: Where its bracket opens.
        end: Behind the one that closes it.
        found: What is around it.
        braces: How many open in it: so many records, where none is in a text.
        is_all: Whether Arrow can read the body as it is.
    """

    start: int
    end: int
    found: Found
    braces: int
    is_all: bool


class Reader:
    """Reads the pages of one list. Threads may share it.

    Args:
        schema: The columns to expect: a documented field is read as what it is, never as what it looks like.
        at: Where the records are, as a path of field names; "" to find them.
        must: Whether an answer without that place is an error.
        named: What is asked for: a list of that name is meant.
    """

    def __init__(self, schema: Schema, *, at: str = "", must: bool = True, named: str = "") -> None:
        self._fields = {column.name: READ_AS[column.dtype] for column in schema.columns}
        self._pinned = frozenset(self._fields)
        self._find = partial(find, at=at, must=must, named=named)
        self._last: tuple[bytes, Found] | None = None
        self._known: tuple[str, Mapping[str, Any], Any] | None = None  # how Arrow was told to read, and of what

    def read(self, body: bytes, kind: str = "") -> Sheet:
        """Read one body.

        Args:
            body: The body.
            kind: Its content type, which only matters for CSV.

        Raises:
            ValueError: It is not JSON, JSON lines or CSV.
            RecursionError: It is nested beyond reason.
            BadReplyError: The records are not where they were said to be.
        """
        if "csv" in kind:
            rows = table_rows(body)
            return Sheet(len(rows), None, rows, About(CSV), is_text=True)
        flat = self.flat(body)
        return (flat and self._quickly(body, flat)) or self._exactly(body)

    def _exactly(self, body: bytes) -> Sheet:
        found = self._find(decoded(body))
        return Sheet(len(found.records), None, found.records, found.about)

    def _quickly(self, body: bytes, flat: Flat) -> Sheet | None:
        """The page as Arrow reads it; None when something about it is in doubt."""
        if flat.is_all:  # no copy where Arrow can read all of it
            return self.read_flat(body, flat.found.key, flat.found)
        return self.read_flat(b'{"%s":%s}' % (LIST.encode(), body[flat.start : flat.end]), LIST, flat.found)

    def flat(self, body: bytes) -> Flat | None:
        """The list of records in a body; None when it is not flat, or not in UTF-8."""
        brackets = body.translate(None, ALL_BUT_BRACKETS)  # numpy is quicker, and gives the interpreter away thrice
        shape = brackets.replace(b"{}", b"")
        for start, end in flat_lists(body, shape):
            if found := self._framed(body, start, end):
                braces = brackets.count(b"{") - body.count(b"{", 0, start) - body.count(b"{", end)
                return Flat(start, end, found, braces, is_all=shape == b"{[]}") if is_utf8(body) else None
        return None

    def read_flat(self, document: bytes, name: str, found: Found) -> Sheet | None:
        """Read a list known to be flat and in UTF-8; None when something about it is in doubt.

        Args:
            document: An object with the list.
            name: The field that holds it.
            found: What is around it.
        """
        try:
            table, named = self._parse(document, name)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError):
            return None
        if table.num_rows != 1 or not named:
            return None
        records = table[name].chunk(0).values  # of one row: `combine_chunks` would copy it
        columns = self._columns(records, named)
        if columns is None or found.labels.keys() & columns.keys():
            return None
        try:
            labels = {name: pa.repeat(value, len(records)) for name, value in found.labels.items()}
        except OverflowError:  # a whole number of more than 64 bits
            return None
        is_text = [column.type == pa.string() for name, column in labels.items() if name in self._pinned]
        if not all(is_text) or not all(map(_is_sure_column, labels.values())):
            return None
        return Sheet(len(records), labels | columns, [], found.about)

    def _framed(self, body: bytes, start: int, end: int) -> Found | None:
        """What stands around a list; None when it is not the list of the records."""
        head, tail = body[:start], body[end:]
        first = body[start + 1 : body.index(b"}", start) + 1]
        try:
            if found := self._like_the_last(head, tail):
                return found
            found = self._find(json.loads(b'%s[%s,"%s"]%s' % (head, first, MARK.encode(), tail)))
        except ValueError:
            return None
        if not found.as_sent or found.records[1:] != [MARK]:
            return None
        self._last = (head, found) if found.is_plain else None
        return found

    def _like_the_last(self, head: bytes, tail: bytes) -> Found | None:
        """The same place as on the page before, where the page has the same plain fields around its list."""
        last = self._last  # once: another thread may set it
        if last is None or last[0] != head:
            return None
        fields, found = json.loads(b"%s[]%s" % (head, tail)), last[1]
        if isinstance(fields, list):
            return found
        fields.pop(found.key)
        is_same = fields.keys() == found.about.asides[0].keys() and not any(map(_is_nested, fields.values()))
        return found._replace(about=About(found.about.where, found.about.sure, (fields,))) if is_same else None

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
        fields, known = self._fields, self._known
        if known is None or known[:2] != (name, fields):
            schema = pa.schema([(name, pa.list_(pa.struct(list(fields.items()))))]) if fields else None
            known = name, fields, arrow_json.ParseOptions(explicit_schema=schema, newlines_in_values=True)
            self._known = known
        options = arrow_json.ReadOptions(use_threads=False, block_size=len(document) + 1)
        return arrow_json.read_json(pa.BufferReader(document), options, known[2], POOL)

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


def _told(record: Any) -> Any:
    """A record as far as it says something: a field that is null may as well not be there."""
    return sorted(item for item in record.items() if item[1] is not None) if isinstance(record, dict) else record


def _is_nested(value: Any) -> bool:
    return value.__class__ is dict or value.__class__ is list


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
    values = column.drop_null().to_numpy()
    return not len(values) or bool(max(-values.min(), values.max()) < EXACT)  # which no NaN is
