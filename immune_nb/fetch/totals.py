"""What a stated total counts: the filtered list, or everything. The contract leaves it open, so it is found out."""

from __future__ import annotations

from immune_nb.errors import ImmuneError
from immune_nb.fetch.client import Client, Params, Reply
from immune_nb.fetch.pages import PAGE_SIZE, Page, Step, fetch
from immune_nb.frames.schemas import ANY
from immune_nb.frames.sheets import Reader

__all__ = ["counts_everything", "stated_now"]

LONG_AGO = {"start_time": "1970-01-01T00:00:00Z", "end_time": "1970-01-01T00:00:01Z"}


def counts_everything(client: Client, path: str, params: Params, total: int) -> bool:
    """Whether `total` is stated whatever the filters are, and so says nothing about this list.

    It takes proof: the same total where the filter leaves nothing (a second of 1970), or beside records that the
    filter would have left out. A service that ignores the filter itself proves nothing.

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
    page = _page(client, path, {**filters, **LONG_AGO} if timed else {}, PAGE_SIZE)
    if page is None or page.total != total:
        return False
    return not page.sheet.rows if timed else any(_is_left_out(record, filters) for record in page.sheet.each())


def stated_now(client: Client, path: str, params: Params) -> int | None:
    """The total the service states at this moment, for one request of one row."""
    page = _page(client, path, params, 1)
    return page.total if page else None


def _page(client: Client, path: str, params: Params, size: int) -> Page | None:
    def ask(path: str, params: Params, check: object) -> Reply:
        return client.send("GET", path, params=params, check=check)  # type: ignore[arg-type]

    try:
        return fetch(ask, Step(path, {**params, "limit": str(size)}), Reader(ANY))
    except ImmuneError:
        return None


def _is_left_out(record: object, params: Params) -> bool:
    return isinstance(record, dict) and any(
        isinstance(record.get(name), str)
        and record[name] not in ([*wanted] if not isinstance(wanted, str) else wanted.split(","))
        for name, wanted in params.items()
    )
