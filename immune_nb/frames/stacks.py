"""Flat pages read together: Arrow reads one long list much quicker than as many short ones.

A page is first only taken apart, which is cheap: where its records are, how many, and what stands around them. The
records of several pages with the same fields, joined, are then read as one list. Where anything is in doubt (another
number of records than was counted, a field that only some pages have) each page is read by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from immune_nb.frames.decode import Part, instants_of, part_of
from immune_nb.frames.envelopes import About, Found
from immune_nb.frames.instants import Span
from immune_nb.frames.schemas import Schema
from immune_nb.frames.sheets import LIST, Flat, Reader, Sheet

__all__ = ["Stacker", "Unread"]


@dataclass(frozen=True)
class Unread(Sheet):
    """A flat page that was taken apart and not read.

    Attributes:
        text: Its records, with commas between them.
        fields: The fields of its first record, in their order, and the types of their values; none where a brace in a
            text hides its end.
    """

    text: memoryview = field(default_factory=lambda: memoryview(b""))
    fields: Mapping[str, type] = field(default_factory=dict)


class Stacker(Reader):
    """Reads the pages of lists of one kind, many at a time. Threads may share it; see `Reader` for the arguments."""

    def __init__(self, schema: Schema, *, at: str = "", must: bool = True, named: str = "") -> None:
        super().__init__(schema, at=at, must=must, named=named)
        self._schema = schema

    def _quickly(self, body: bytes, flat: Flat) -> Sheet | None:
        """The page taken apart, where it may be read with others."""
        if flat.found.labels or not flat.found.about.is_list:
            return super()._quickly(body, flat)
        text = memoryview(body)[flat.start + 1 : flat.end - 1]
        return Unread(flat.braces, about=flat.found.about, text=text, fields=_first_fields(body, flat.start))

    def read_all(self, sheets: Sequence[Sheet]) -> list[tuple[Sheet, Part] | None]:
        """Read pages as one where they have the same fields; None for each that is to be read by itself."""
        alike: dict[tuple[tuple[str, type], ...], dict[int, Unread]] = {}
        for place, sheet in enumerate(sheets):
            if isinstance(sheet, Unread):
                others = self._undocumented(sheet.fields)
                alike.setdefault(tuple((name, sheet.fields[name]) for name in others), {})[place] = sheet
        read: list[tuple[Sheet, Part] | None] = [None] * len(sheets)
        for pages in alike.values():
            for place, one in zip(pages, self._as_one(list(pages.values())), strict=False):
                read[place] = one
        return read

    def _as_one(self, pages: Sequence[Unread]) -> Iterable[tuple[Sheet, Part]]:
        """Read pages as one list; nothing where that is in doubt."""
        ends = list(accumulate(page.rows for page in pages))
        whole = self.read_flat(_as_document(pages), LIST, Found([], About()))
        if whole is None or whole.columns is None or whole.rows != ends[-1]:
            return ()
        part = part_of(whole, self._schema)
        if part.coerced or self._undocumented(whole.columns) != self._undocumented(pages[0].fields):
            return ()  # else a page would get, or lack, fields that it does not have
        timed = "timestamp" in self._schema.by_name
        spans = Span.of_each(instants_of(part), ends) if timed else [None] * len(pages)
        return (
            (_sheet(whole, page, start, end), replace(part.between(start, end), span=span))
            for page, span, (start, end) in zip(pages, spans, pairwise([0, *ends]), strict=True)
        )

    def _undocumented(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in self._schema.by_name]


def _as_document(pages: Sequence[Unread]) -> bytes:
    """The records of all pages in one list, copied once."""
    pieces: list[bytes | memoryview] = [b'{"%s":[' % LIST.encode()]
    for page in pages:
        pieces += page.text, b","
    pieces[-1] = b"]}"
    return b"".join(pieces)


def _first_fields(body: bytes, start: int) -> dict[str, type]:
    first = body.index(b"{", start)
    try:
        record = json.loads(body[first : body.index(b"}", first) + 1])
    except ValueError:
        return {}
    return {name: type(value) for name, value in record.items()}


def _sheet(whole: Sheet, page: Unread, start: int, end: int) -> Sheet:
    columns = {name: column.slice(start, end - start) for name, column in (whole.columns or {}).items()}
    return Sheet(page.rows, columns, [], page.about)
