"""One page of a list: what it holds, and where the next one is.

The only place that knows cursors. It follows the last record's id (api-contract 1.4), a ``next`` link in the body,
and a ``Link`` header (RFC 8288).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from immune_nb.errors import BadReplyError
from immune_nb.fetch.client import Params, Reply
from immune_nb.frames.sheets import Reader, Sheet

__all__ = ["PAGE_SIZE", "Ask", "Page", "Step", "fetch", "onward"]

PAGE_SIZE = 1000  # the documented maximum (api-contract 1.4)
TOTAL_FIELDS = ("total_count", "totalCount", "total")
NEXT_TOKENS = ("next_cursor", "nextCursor", "next_token", "nextToken", "next_page_token", "nextPageToken")
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


@dataclass(frozen=True)
class Page:
    """One answer, read as a part of a list."""

    sheet: Sheet
    reply: Reply

    def says(self, *names: str) -> Any:
        """The first of these fields beside the list that is there and not null."""
        fields = self.sheet.beside
        return next((fields[name] for name in names if fields.get(name) is not None), None)

    @property
    def total(self) -> int | None:
        """How many records the list has, as the service states it."""
        total = self.says(*TOTAL_FIELDS)
        if total is None and (count := self.says("count")) != self.sheet.rows:
            total = count  # of the list, since it is not of the page
        return total if isinstance(total, int) and not isinstance(total, bool) else None

    @property
    def next_url(self) -> str | None:
        """The link to the next page, absolute."""
        links = self.says("links", "_links")
        link = self.says("next") or (links.get("next") if isinstance(links, dict) else None)
        link = link.get("href") if isinstance(link, dict) else link
        if not (isinstance(link, str) and re.match(r"https?://|[/?]", link)):
            match = re.search(r'<([^>]*)>[^<,]*;\s*rel="?next\b', self.reply.headers.get("link", ""))
            link = match[1] if match else None
        return urljoin(self.reply.url, link) if link else None

    def cursor(self, params: Params) -> dict[str, str] | None:
        """The documented cursor to the next page, in the direction `params` set out in."""
        name, record = ("starting_after", -1) if "ending_before" not in params else ("ending_before", 0)
        key = self.sheet.key(record)
        return None if key is None else {name: str(key)}


def fetch(ask: Ask, step: Step, reader: Reader) -> Page:
    """Ask for a page and read it; an answer that was cut short is asked for again.

    Raises:
        BadReplyError: The answer is no JSON.
        ImmuneError: There is no answer.
    """
    sheets = []

    def read(reply: Reply) -> None:
        try:
            sheets.append(reader.read(reply.content))
        except (ValueError, RecursionError):
            reply.json()  # which says where it stops
            raise BadReplyError(f"{reply.where}: the answer cannot be read.", hint="Is base_url right?") from None

    reply = ask(step.path, step.params, read)
    return Page(sheets[-1], reply)


def onward(page: Page, start: Step) -> tuple[Step | None, str]:
    """The step to the next page, and where there is none, why.

    Args:
        page: The page that came.
        start: The step the list began with, whose parameters hold for every page.

    Returns:
        The next step; or None and ``end``, or None and what is wrong.
    """
    more = page.says("has_more", "hasMore")
    if more is False:
        return None, "end"
    if page.next_url:
        return Step(page.next_url, {}), "end"
    if not more and page.says(*NEXT_TOKENS) is None:
        return None, "end"
    if not page.sheet.rows:
        return None, "an empty page that promises more"
    cursor = page.cursor(start.params) if more else None
    if cursor is None:
        return None, "more pages, in a way not understood"
    return Step(start.path, {"limit": str(PAGE_SIZE), **start.params, **cursor}), "end"
