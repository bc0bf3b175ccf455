"""A whole list: every page of it, and the truth about whether it is whole.

The only place that knows cursors. It follows the last record's id (api-contract 1.4), a ``next`` link in the body,
and a ``Link`` header (RFC 8288), and never loops: a cursor seen before, an empty page that promises more, or paging
it does not understand ends the harvest with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from immune_nb.errors import ImmuneError
from immune_nb.fetch.client import Params, Reply

__all__ = ["PAGE_SIZE", "Harvest", "harvest"]

PAGE_SIZE = 1000  # the documented maximum (api-contract 1.4)
RECORD_FIELDS = ("data", "items", "results", "records", "value", "values", "features")
TOTAL_FIELDS = ("total_count", "totalCount", "total")
NEXT_TOKENS = ("next_cursor", "nextCursor", "next_token", "nextToken", "next_page_token", "nextPageToken")
Ask = Callable[[str, Params], Reply]


@dataclass
class Harvest:
    """What came of following a list.

    Attributes:
        records: The records, in the order they came.
        pages: Answers received.
        totals: Every total the service stated.
        duplicates: Records dropped because the very same one had come before.
        stopped_by: ``end`` when the service has no more, ``limit`` when the caller wants no more, else what broke
            it off, in words.
        error: The failure that broke it off, if one did.
    """

    records: list[Any] = field(default_factory=list)
    pages: int = 0
    totals: list[int] = field(default_factory=list)
    duplicates: int = 0
    stopped_by: str = "end"
    error: ImmuneError | None = None

    @property
    def counts_agree(self) -> bool:
        """Whether as many records came as the service stated, at one time or another while they came."""
        return not self.totals or min(self.totals) <= len(self.records) <= max(self.totals)


def harvest(
    ask: Ask, path: str, params: Params, *, limit: int | None = None, page_size: int | None = None
) -> Harvest:
    """Follow a list to its end.

    Args:
        ask: Sends one GET to a path or URL, with query parameters.
        path: Where the list starts.
        params: Query parameters of every page.
        limit: Stop after this many records.
        page_size: Records to ask for per page; None leaves that to the service until it shows how it pages.

    Returns:
        What came, and why it ended. A failure after the first page is in it, not raised.

    Raises:
        ImmuneError: The first page failed.
    """
    crop, seen, walked = Harvest(), dict[str | int, Any](), list[_Step]()
    step: _Step | None = _Step(
        path, {**params, "limit": str(min(page_size, limit or page_size))} if page_size else params
    )
    while step is not None:
        walked.append(step)
        page = _fetch(ask, step, crop)
        if page is None:
            return crop
        _gather(page, crop, seen)
        step, crop.stopped_by = _onward(page, path, params)
        if limit is not None and len(crop.records) >= limit:
            return _cut(crop, limit, has_more=step is not None)
        if step in walked:
            crop.stopped_by = "a cursor that repeats"
            return crop
    return crop


@dataclass(frozen=True)
class _Step:
    """One page to ask for."""

    path: str
    params: Params


@dataclass(frozen=True)
class _Page:
    """One answer, read as a part of a list."""

    records: list[Any]
    body: Any
    reply: Reply

    @classmethod
    def read(cls, reply: Reply) -> _Page:
        body = reply.json() if reply.content.strip() else None
        return cls(_records(body), body, reply)

    def says(self, *names: str) -> Any:
        """The first of these envelope fields that is there and not null."""
        fields = self.body if isinstance(self.body, dict) else {}
        return next((fields[name] for name in names if fields.get(name) is not None), None)

    @property
    def total(self) -> int | None:
        total = self.says(*TOTAL_FIELDS)
        if total is None and (count := self.says("count")) != len(self.records):
            total = count  # of the list, since it is not of the page
        return total if isinstance(total, int) and not isinstance(total, bool) else None

    @property
    def next_url(self) -> str | None:
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
        last = self.records[record] if self.records else None
        key = last.get("id") if isinstance(last, dict) else None
        return {name: str(key)} if isinstance(key, str | int) else None


def _fetch(ask: Ask, step: _Step, crop: Harvest) -> _Page | None:
    """The next page; None when it failed after others had come, which the harvest then says."""
    try:
        page = _Page.read(ask(step.path, step.params))
    except ImmuneError as error:
        if not crop.pages:
            raise
        crop.error, crop.stopped_by = error, f"{type(error).__name__} on page {crop.pages + 1}"
        return None
    crop.pages += 1
    return page


def _gather(page: _Page, crop: Harvest, seen: dict[str | int, Any]) -> None:
    """Add a page's records, without those that came before just as they are."""
    if page.total is not None:
        crop.totals.append(page.total)
    for record in page.records:
        key = record.get("id") if isinstance(record, dict) else None
        if not isinstance(key, str | int):
            crop.records.append(record)
        elif seen.get(key) == record:
            crop.duplicates += 1
        else:
            seen[key] = record
            crop.records.append(record)


def _onward(page: _Page, path: str, params: Params) -> tuple[_Step | None, str]:
    """The step to the next page, and where there is none, why."""
    more = page.says("has_more", "hasMore")
    if more is False:
        return None, "end"
    if page.next_url:
        return _Step(page.next_url, {}), "end"
    if not more and page.says(*NEXT_TOKENS) is None:
        return None, "end"
    if not page.records:
        return None, "an empty page that promises more"
    cursor = page.cursor(params) if more else None
    if cursor is None:
        return None, "more pages, in a way not understood"
    return _Step(path, {"limit": str(PAGE_SIZE), **params, **cursor}), "end"


def _cut(crop: Harvest, limit: int, *, has_more: bool) -> Harvest:
    if has_more or len(crop.records) > limit:
        crop.stopped_by = "limit"
    del crop.records[limit:]
    return crop


def _records(body: Any) -> list[Any]:
    """The records of a body: a list, the list in an envelope, or the body itself as the one record."""
    if isinstance(body, dict):
        lists = (body[name] for name in RECORD_FIELDS if isinstance(body.get(name), list))
        return next(lists, [body])
    return body if isinstance(body, list) else [] if body is None else [body]
