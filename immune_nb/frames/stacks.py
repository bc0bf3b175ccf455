"""Flat pages read together: Arrow reads one long list much quicker than as many short ones.

A page is first only taken apart, which is cheap: where its records are, how many, and what stands around them. The
records of several pages, joined, are then read as one list. Where anything is in doubt (another number of records
than was counted, a field that only some pages have) there is no answer, and each page is read by itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from immune_nb.frames.decode import Part, instants_of, part_of
from immune_nb.frames.envelopes import About, Found
from immune_nb.frames.schemas import Schema
from immune_nb.frames.sheets import ALL_BUT_BRACKETS, LIST, Reader, Sheet

__all__ = ["Stacker", "Unread"]


@dataclass(frozen=True)
class Unread(Sheet):
    """A flat page that was taken apart and not read.

    Attributes:
        text: Its records, with commas between them.
    """

    text: bytes = b""


class Stacker(Reader):
    """Reads the pages of lists of one kind, many at a time. Threads may share it; see `Reader` for the arguments."""

    def __init__(self, schema: Schema, *, at: str = "", must: bool = True, named: str = "") -> None:
        super().__init__(schema, at=at, must=must, named=named)
        self._schema = schema

    def read(self, body: bytes, kind: str = "") -> Sheet:
        """Take a page apart where it is flat; read it where it is not; see `Reader.read`."""
        return (None if "csv" in kind else self._apart(body)) or super().read(body, kind)

    def _apart(self, body: bytes) -> Unread | None:
        flat = self.flat(body)
        if flat is None:
            return None
        start, end, found, _ = flat
        if found.labels or not found.about.is_list:
            return None
        rows = body[start:end].translate(None, ALL_BUT_BRACKETS).count(b"{")
        return Unread(rows, about=found.about, text=body[start + 1 : end - 1])

    def read_all(self, sheets: Sequence[Sheet]) -> list[tuple[Sheet, Part]] | None:
        """Read pages as one, and give each its rows; None when they are to be read one by one."""
        pages = [sheet for sheet in sheets if isinstance(sheet, Unread)]
        told = {self._undocumented(_first_fields(page)) for page in pages if page.rows}
        if len(told) > 1:  # else a page would get, or lack, fields that it does not have
            return None
        ends = list(accumulate(page.rows for page in pages))
        document = b'{"%s":[%s]}' % (LIST.encode(), b",".join(page.text for page in pages))
        whole = self.read_flat(document, LIST, Found([], About()))
        if whole is None or whole.columns is None or whole.rows != ends[-1] or len(pages) < len(sheets):
            return None
        part = part_of(whole, self._schema)
        others = self._undocumented(tuple(whole.columns))
        if part.coerced or (others and told != {others}):
            return None
        if "timestamp" in self._schema.by_name:
            instants_of(part)  # once for all
        spans = pairwise([0, *ends])
        return [
            (_sheet(whole, page, start, end), part.between(start, end))
            for page, (start, end) in zip(pages, spans, strict=True)
        ]

    def _undocumented(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in self._schema.by_name)


def _first_fields(page: Unread) -> tuple[str, ...]:
    """The fields of the first record, in their order; none where a brace in a text hides its end."""
    try:
        return tuple(json.loads(page.text[: page.text.index(b"}") + 1]))
    except ValueError:
        return ()


def _sheet(whole: Sheet, page: Unread, start: int, end: int) -> Sheet:
    columns = {name: column.slice(start, end - start) for name, column in (whole.columns or {}).items()}
    return Sheet(page.rows, columns, [], page.about)
