"""What a stated total counts: the filtered list, or everything. The contract leaves it open, so it is found out."""

from __future__ import annotations

from typing import Any

from immune_nb.errors import ImmuneError
from immune_nb.fetch.client import Client, Params
from immune_nb.fetch.pages import PAGE_SIZE, harvest

__all__ = ["counts_everything"]

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
    timed = "start_time" in params or "end_time" in params or "sensor_id" in params
    probe = {**params, **LONG_AGO} if timed else {}
    try:
        crop = harvest(
            lambda p, q: client.send("GET", p, params=q), path, probe, limit=PAGE_SIZE, page_size=PAGE_SIZE
        )
    except ImmuneError:
        return False
    if not crop.totals or crop.totals[0] != total:
        return False
    return not crop.records if timed else any(_is_left_out(record, params) for record in crop.records)


def _is_left_out(record: Any, params: Params) -> bool:
    return isinstance(record, dict) and any(
        isinstance(record.get(name), str)
        and record[name] not in ([*wanted] if not isinstance(wanted, str) else wanted.split(","))
        for name, wanted in params.items()
    )
