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
from immune_nb.frames.names import is_of_paging, plain
from immune_nb.frames.sheets import Reader, Sheet

__all__ = ["PAGE_SIZE", "Ask", "Page", "Step", "again", "fetch"]

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

    @cached_property
    def total(self) -> int | None:
        """How many records the list has, as the service states it."""
        return self.signs.total


def fetch(ask: Ask, step: Step, reader: Reader) -> Page:
    """Ask for a page and read it; an answer that was cut short is asked for again.

    Raises:
        BadReplyError: The answer is nothing that can be read.
        ImmuneError: There is no answer.
    """
    sheets = []

    def read(reply: Reply) -> None:
        try:
            sheets.append(reader.read(reply.content, reply.headers.get("content-type", "")))
            _refuse_a_failure(sheets[-1], reply)
        except (ValueError, RecursionError):
            reply.json()  # which says where it stops
            raise BadReplyError(f"{reply.where}: the answer cannot be read.", hint="Is base_url right?") from None

    reply = ask(step.path, step.params, read)
    return Page(sheets[-1], reply)


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
