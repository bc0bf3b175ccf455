"""Flat pages read together: Arrow reads one long page much quicker than as many short ones.

A page is first only taken apart, which is cheap: where its records begin and end, how many they are, and what stands
beside them. The records of several pages, joined, are then read as one. Where anything is in doubt (another number of
records than was counted, a field that only some pages have) there is no answer, and each page is read by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from immune_nb.frames.decode import Part, part_of
from immune_nb.frames.schemas import Schema
from immune_nb.frames.sheets import ALL_BUT_BRACKETS, BARE, HEAD, RECORD_FIELDS, Reader, Sheet, is_utf8

__all__ = ["Stacker", "Unread"]

NAME = RECORD_FIELDS[0].encode()


@dataclass(frozen=True)
class Unread(Sheet):
    """A flat page that was taken apart and not read.

    Attributes:
        text: Its records, with commas between them.
    """

    text: bytes = b""


class Stacker(Reader):
    """Reads the pages of lists of one schema, many at a time. Threads may share it.

    Args:
        schema: The columns to expect.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self._schema = schema

    def read(self, body: bytes) -> Sheet:
        """Take a page apart where it is flat; read it where it is not.

        Raises:
            ValueError: It is not JSON.
            RecursionError: It is nested beyond reason.
        """
        return _apart(body) or super().read(body)

    def read_all(self, sheets: Sequence[Sheet]) -> list[tuple[Sheet, Part]] | None:
        """Read pages as one, and give each its rows; None when they are to be read one by one."""
        pages = [sheet for sheet in sheets if isinstance(sheet, Unread)]
        joined = b",".join(page.text for page in pages if page.rows)
        whole = self.read_flat(b'{"%s":[%s]}' % (NAME, joined))
        ends = list(accumulate(page.rows for page in pages))
        if whole is None or whole.columns is None or whole.rows != ends[-1] or len(pages) < len(sheets):
            return None
        part = part_of(whole, self._schema)
        others = [name for name in whole.columns if name not in self._schema.by_name]
        if part.coerced or not all(_agrees(page, others) for page in pages):
            return None
        spans = pairwise([0, *ends])
        return [
            (_sheet(whole, page, start, end), part.between(start, end))
            for page, (start, end) in zip(pages, spans, strict=True)
        ]


def _agrees(page: Unread, others: list[str]) -> bool:
    """Whether the first record has all fields that nobody documented, in that order; else it would hang on chance."""
    if not page.rows or not others:
        return True
    first = json.loads(page.text[: page.text.index(b"}") + 1])
    return [name for name in first if name in others] == others


def _sheet(whole: Sheet, page: Unread, start: int, end: int) -> Sheet:
    columns = {name: column.slice(start, end - start) for name, column in (whole.columns or {}).items()}
    return Sheet(page.rows, columns, [], page.beside)


def _apart(body: bytes) -> Unread | None:
    """The page taken apart; None when it is not flat."""
    shape = body.translate(None, ALL_BUT_BRACKETS)
    rows = shape.count(b"{}")
    for name, opening, closing, head in _frames(body, shape):
        if shape != opening + b"{}" * rows + closing or not (body.isascii() or is_utf8(body)):
            continue
        end = body.rindex(b"]")
        text, beside = body[head:end], _beside(body[:head] + body[end:], name)
        if beside is not None and (rows or not text.strip()):
            return Unread(rows, None, [], beside, text)
    return None


def _frames(body: bytes, shape: bytes) -> Iterator[tuple[str, bytes, bytes, int]]:
    """The name of the list, what opens and closes the page, and where its records begin."""
    if shape[:1] == b"{" and (named := HEAD.match(body)):
        yield named[1].decode(), b"{[", b"]}", named.end()
    elif shape[:1] == b"[" and (bare := BARE.match(body)):
        yield "", b"[", b"]", bare.end()


def _beside(frame: bytes, name: str) -> dict[str, object] | None:
    """The fields beside the list, of a page without its records."""
    try:
        fields = json.loads(frame)
    except ValueError:
        return None
    if not name:
        return {} if fields == [] else None
    return fields if fields.pop(name, None) == [] else None
