"""Whether what came is what the service says there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from immune_nb.fetch.client import Client
from immune_nb.fetch.crops import Crop, Listing
from immune_nb.fetch.harvest import Harvest
from immune_nb.fetch.totals import counts_everything, stated_now
from immune_nb.frames.decode import Part, assemble
from immune_nb.frames.duplicates import copies
from immune_nb.frames.schemas import Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["agrees", "followed", "joined", "total", "why_broken"]


def joined(crops: Sequence[Crop], schema: Schema) -> tuple[pd.DataFrame, dict[str, int], list[int]]:
    """One frame of all rows, each once, what was coerced, and how many of each list came more than once."""
    parts = [crop.ordered() for crop in crops]
    ends = list(accumulate(sum(part.rows for part in some) for some in parts))
    whole = assemble([part for some in parts for part in some], schema)
    again = copies(whole.frame, schema)
    if not len(again):
        return whole.frame, whole.coerced, [0] * len(crops)
    came = again if whole.order is None else whole.order[again]
    twice = [int(((came >= start) & (came < end)).sum()) for start, end in zip([0, *ends], ends, strict=False)]
    return whole.frame.drop(index=again).reset_index(drop=True), whole.coerced, twice


def followed(harvest: Harvest, listings: Sequence[Listing], client: Client) -> list[Crop]:
    """Reap, by the cursor where windows brought another number of rows than the service counts; without strangers."""
    harvest.reap()
    for of, listing in enumerate(listings):
        crop = harvest.crops[of]
        if not crop.windows or crop.stopped_by != "end" or agrees(crop):
            continue
        if _miscount(crop, listing, _twice(crop, listing.schema), client):
            harvest.reap_without_windows(of)
    for crop, listing in zip(harvest.crops, listings, strict=True):
        crop.leave_strangers(listing)
    return harvest.crops


def _twice(crop: Crop, schema: Schema) -> int:
    shallow = {place: Part(part.rows, dict(part.columns)) for place, part in crop.parts.items()}
    return sum(joined([replace(crop, parts=shallow)], schema)[2])


def why_broken(crops: Sequence[Crop], listings: Sequence[Listing], twice: Sequence[int], client: Client) -> str:
    """What broke it off, or why the counts of the service cannot be met; "" when all is well."""
    for crop in crops:
        if crop.stopped_by not in ("end", "limit"):
            return crop.stopped_by
    for crop, listing, copied in zip(crops, listings, twice, strict=True):
        if crop.stopped_by == "end" and (why := _miscount(crop, listing, copied, client)):
            return why
    return ""


def agrees(crop: Crop, twice: int = 0) -> bool:
    """Whether as many records came as the service stated, at one time or another while they came.

    Where the question passes over some, the service may count them or not.
    """
    came = crop.rows + crop.outside - twice
    return not crop.totals or any(
        max(0, min(crop.totals) - skips) <= came <= max(0, max(crop.totals) - skips) for skips in {0, crop.skips}
    )


def _miscount(crop: Crop, listing: Listing, twice: int, client: Client) -> str:
    if agrees(crop, twice):
        return ""
    params = listing.first(listing.within).params
    if crop.windows and (now := stated_now(client, listing.path, params)):  # not 0, where rows came
        crop.totals.append(now)  # windows ask for the whole once only, and rows come and go meanwhile
        if agrees(crop, twice):
            return ""
    if counts_everything(client, listing.path, params, crop.totals[-1]):
        return ""
    skipped = f", {crop.skips:,} of them before the first that was asked for" if crop.skips else ""
    return f"{crop.rows + crop.outside - twice:,} rows came and the service counts {crop.totals[-1]:,}{skipped}"


def total(crops: Sequence[Crop]) -> int | None:
    """Rows the service states for all lists; None when it does not for one of them."""
    totals = [crop.totals[-1] for crop in crops if crop.totals]
    return sum(totals) if len(totals) == len(crops) else None
