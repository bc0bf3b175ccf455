"""One page of a list: asked for, and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from immune_nb.errors import BadReplyError
from immune_nb.fetch.client import Params, Reply
from immune_nb.fetch.problems import Problem
from immune_nb.fetch.signs import Signs
from immune_nb.frames.envelopes import CSV, NOTHING, About
from immune_nb.frames.names import is_of_paging, plain
from immune_nb.frames.sheets import Reader, Sheet

__all__ = ["PAGE_SIZE", "Ask", "Page", "Step", "again", "fetch"]

NO_CONTENT = 204
EMPTY: tuple[Any, ...] = (None, {}, [], "", False, 0)
PAGE_SIZE = 1000  # the documented maximum (api-contract 1.4)
Ask = Callable[..., Reply]  # of a path, its parameters, and a check the answer must pass


@dataclass(frozen=True)
class Step:
    """One page to ask for."""

    path: str
    params: Params

    @property
    def name(self) -> str:
        """What tells it from other steps."""
        return f"{self.path}?{sorted(self.params.items())}"

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every parameter, those in the path too; one with several values comes several times."""
        _, has_query, query = self.path.partition("?")
        inline = parse_qsl(query, keep_blank_values=True) if has_query else []
        given: Sequence[tuple[str, str | Sequence[str]]] = [*inline, *self.params.items()]
        return [(name, text) for name, value in given for text in ([value] if isinstance(value, str) else value)]


@dataclass(frozen=True)
class Page:
    """One answer, read as a part of a list."""

    sheet: Sheet
    reply: Reply

    @cached_property
    def signs(self) -> Signs:
        """What it says about the rest of the list."""
        return Signs(self.sheet.about, self.reply.headers, self.sheet.rows)

    def continues(self, where: str, *, may_end: bool) -> bool:
        """Whether it is a page of a list whose records were at a place; of some list, where `where` is empty."""
        about, (place, _, _) = self.sheet.about, where.partition("[")
        if self.reply.status == NO_CONTENT or about.where == NOTHING:
            return may_end and self.reply.status == NO_CONTENT
        if not about.is_list:  # where a list has one record, some leave its brackets out
            return about.where == place if where else self._is_record
        mine = about.where.partition("[")[0]
        return not where or mine == place or (CSV not in (about.where, where) if self.sheet.rows else bool(mine))

    @property
    def only(self) -> dict[str, Any]:
        """Its only object, where it is no list; else one without fields."""
        record = self.sheet.record(0) if self.sheet.rows and not self.sheet.about.is_list else None
        return record if isinstance(record, dict) else {}

    @property
    def _is_record(self) -> bool:
        """Whether its only object says more than an envelope does."""
        return any(value not in EMPTY and not is_of_paging(name) for name, value in self.only.items())

    @property
    def is_nothing(self) -> bool:
        """Whether it says nothing at all: no body, or an object of nothing."""
        is_object = self.sheet.rows == 1 and not self.sheet.about.is_list and self.sheet.record(0) == self.only
        return self.sheet.about.where == NOTHING or (is_object and all(v in EMPTY for v in self.only.values()))

    @cached_property
    def total(self) -> int | None:
        """How many records the list has, as the service states it."""
        return self.signs.total


def fetch(ask: Ask, step: Step, reader: Reader, *, where: str | None = None, may_end: bool = True) -> Page:
    """Ask for a page and read it; an answer that was cut short, or is no page, is asked for again.

    Args:
        ask: What asks.
        step: The page.
        reader: What reads it.
        where: Where the records of the list were before; "" for its first page; None where any answer will do.
        may_end: Whether nobody said that there is such a page.

    Raises:
        BadReplyError: The answer is nothing that can be read, or no page of the list.
        ImmuneError: There is no answer.
    """
    pages: list[Page] = []

    def read(reply: Reply) -> None:
        try:
            pages.append(Page(reader.read(reply.content, reply.headers.get("content-type", "")), reply))
        except (ValueError, RecursionError):
            reply.json()  # which says where it stops
            raise BadReplyError(f"{reply.where}: the answer cannot be read.", hint="Is base_url right?") from None
        _refuse_a_failure(pages[-1].sheet, reply)
        if where is not None and not pages[-1].continues(where, may_end=may_end):
            raise _no_page(pages[-1])

    try:
        ask(step.path, step.params, read)
    except BadReplyError as error:
        if not (may_end and error.is_no_page and pages[-1].is_nothing):
            raise
        return replace(pages[-1], sheet=Sheet(0, about=About(NOTHING)))  # as it says again and again
    return pages[-1]


def _no_page(page: Page) -> BadReplyError:
    said = str(Problem.read(page.only))
    error = BadReplyError(
        f"{page.reply.where}: the answer is no page of a list{said and f': {said}'}.", hint="Is base_url right?"
    )
    error.cut_short = error.is_no_page = True
    return error


def _refuse_a_failure(sheet: Sheet, reply: Reply) -> None:
    """Some services answer 200 and say in the body that it went wrong.

    Raises:
        BadReplyError: That is all there is.
    """
    record = sheet.record(0) if sheet.rows == 1 and not sheet.about.is_list else None
    if not isinstance(record, dict) or not all(map(is_of_paging, record)):
        return
    said = {plain(name): value for name, value in record.items()}
    if said.get("error") or said.get("errors") or False in (said.get("ok"), said.get("success")):
        raise BadReplyError(f"{reply.where}: {str(Problem.read(record)) or 'the service says that it failed'}.")


def again(reply: Reply) -> Ask:
    """What asks nobody, for the answer is there."""

    def ask(_path: str, _params: Params, check: Callable[[Reply], object]) -> Reply:
        check(reply)
        return reply

    return ask
