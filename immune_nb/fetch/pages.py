"""One page of a list: asked for, and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl

from immune_nb.errors import BadReplyError
from immune_nb.fetch.client import Params, Reply
from immune_nb.fetch.problems import Problem
from immune_nb.fetch.signs import Signs
from immune_nb.frames.envelopes import CSV, NOTHING
from immune_nb.frames.names import is_of_paging, plain
from immune_nb.frames.sheets import Reader, Sheet

__all__ = ["PAGE_SIZE", "Ask", "Page", "Step", "again", "fetch"]

NO_CONTENT = 204
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

    def continues(self, where: str) -> bool:
        """Whether it is a page of a list whose records were at a place; of some list, where `where` is empty."""
        about, (place, _, _) = self.sheet.about, where.partition("[")
        if self.reply.status == NO_CONTENT:
            return not where
        if not about.is_list:  # where a list has one record, some leave its brackets out
            return about.where == place if where else self._is_record
        if about.where == NOTHING or not where:
            return about.where != NOTHING
        is_like = about.where.partition("[")[0] == place
        return is_like or (bool(self.sheet.rows) and CSV not in (about.where, where))

    @property
    def _is_record(self) -> bool:
        """Whether its only object says more than an envelope does."""
        record = self.sheet.record(0) if self.sheet.rows else None
        return isinstance(record, dict) and not all(map(is_of_paging, record))

    @cached_property
    def total(self) -> int | None:
        """How many records the list has, as the service states it."""
        return self.signs.total


def fetch(ask: Ask, step: Step, reader: Reader, *, where: str | None = None) -> Page:
    """Ask for a page and read it; an answer that was cut short, or is no page, is asked for again.

    Args:
        ask: What asks.
        step: The page.
        reader: What reads it.
        where: Where the records of the list were before; "" for its first page; None where any answer will do.

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
        if where is not None and not pages[-1].continues(where):
            raise _no_page(pages[-1])

    try:
        ask(step.path, step.params, read)
    except BadReplyError as error:
        if where or not error.is_no_page or pages[-1].sheet.about.where != NOTHING:
            raise  # else it says nothing again and again: that there is nothing
    return pages[-1]


def _no_page(page: Page) -> BadReplyError:
    record = page.sheet.record(0) if page.sheet.rows and not page.sheet.about.is_list else None
    said = str(Problem.read(record))
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
