"""What a stated total counts: the filtered list, or everything. The contract leaves it open, so it is found out."""

from __future__ import annotations

from contextlib import suppress

from immune_nb.errors import ImmuneError
from immune_nb.fetch.client import Client, Params, Reply
from immune_nb.fetch.pages import PAGE_SIZE, Page, Step, fetch
from immune_nb.frames.schemas import ANY
from immune_nb.frames.sheets import Reader

__all__ = ["counts_everything", "stated_now"]

NEVER = (  # a second before there were sensors, and one that is far off, where one of the bounds is passed over
    {"start_time": "1970-01-01T00:00:00Z", "end_time": "1970-01-01T00:00:01Z"},
    {"start_time": "2999-01-01T00:00:00Z", "end_time": "2999-01-01T00:00:01Z"},
)


def counts_everything(client: Client, path: str, params: Params, total: int) -> bool:
    """Whether `total` is stated whatever the filters are, and so says nothing about this list.

    It takes proof: the same total where the filter leaves nothing (a second of 1970 or 2999), or beside records that
    the filter would have left out. A service that ignores the filter itself proves nothing.

    Args:
        client: What sends.
        path: Path of the list.
        params: The filters that were used.
        total: The total in question.
    """
    filters = {name: wanted for name, wanted in params.items() if name != "limit"}
    if not filters:
        return False
    timed = "start_time" in filters or "end_time" in filters or "sensor_id" in filters
    if timed:
        empty = (_page(client, path, {**filters, **bounds}, PAGE_SIZE) for bounds in NEVER)
        return any(page is not None and page.total == total and not page.sheet.rows for page in empty)
    page = _page(client, path, {}, PAGE_SIZE)
    return bool(page and page.total == total and any(_is_left_out(r, filters) for r in page.sheet.each()))


def stated_now(client: Client, path: str, params: Params) -> int | None:
    """The total the service states at this moment, for one request of one row."""
    page = _page(client, path, params, 1)
    return page.total if page else None


def _page(client: Client, path: str, params: Params, size: int) -> Page | None:
    def ask(path: str, params: Params, check: object) -> Reply:
        return client.send("GET", path, params=params, check=check)  # type: ignore[arg-type]

    for sized in ({"limit": str(size)}, {}):  # which some refuse
        with suppress(ImmuneError):
            return fetch(ask, Step(path, {**params, **sized}), Reader(ANY))
    return None


def _is_left_out(record: object, params: Params) -> bool:
    return isinstance(record, dict) and any(
        isinstance(record.get(name), str)
        and record[name] not in ([*wanted] if not isinstance(wanted, str) else wanted.split(","))
        for name, wanted in params.items()
    )
