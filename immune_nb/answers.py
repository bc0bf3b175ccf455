"""From a question to a frame that knows whether it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from immune_nb.errors import IncompleteError
from immune_nb.fetch.client import Client, Params
from immune_nb.fetch.crops import Crop, Listing, Progress
from immune_nb.fetch.harvest import Harvest
from immune_nb.fetch.pages import PAGE_SIZE
from immune_nb.fetch.totals import counts_everything, stated_now
from immune_nb.fetch.windows import Window
from immune_nb.frames.decode import Part, assemble
from immune_nb.frames.duplicates import copies
from immune_nb.frames.instants import Range, micros
from immune_nb.frames.receipt import Receipt
from immune_nb.frames.schemas import ANY, Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Question", "answer"]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Args:
        path: Path of the list.
        schema: Columns to expect.
        each: Query parameters, one set per list to follow: the API takes one sensor at a time.
        limit: Rows wanted at most.
        within: Keep only rows whose ``timestamp`` lies in this half-open range; None where rows have none.
    """

    path: str
    schema: Schema
    each: tuple[Params, ...]
    limit: int | None = None
    within: Range | None = None

    @property
    def listings(self) -> list[Listing]:
        """The lists to follow."""
        start, end = self.within or (None, None)
        return [
            Listing(
                self.path,
                {name: value for name, value in params.items() if self.within is None or name not in BOUNDS},
                self.schema,
                Window(micros(start), micros(end)),
                timed=self.within is not None,
                limit=self.limit,
                page_size=None if self.schema is ANY else PAGE_SIZE,  # where the documentation says one may ask
            )
            for params in self.each
        ]

    @property
    def parameters(self) -> Params:
        """All parameters in one, for the receipt."""
        names = dict.fromkeys(name for params in self.each for name in params)
        merged: dict[str, str | list[str]] = {}
        for name in names:
            values = list(dict.fromkeys(str(params[name]) for params in self.each if name in params))
            merged[name] = values[0] if len(values) == 1 else values
        return merged


BOUNDS = frozenset({"start_time", "end_time"})


def answer(
    question: Question,
    client: Client,
    profile: str,
    account: str,
    clock: Callable[[], float] = time.time,
    *,
    partial: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Follow every list of a question, and make one frame of them.

    Args:
        question: What is asked.
        client: What sends.
        profile: Name of the profile, for the receipt.
        account: Who asks, for the receipt.
        clock: Unix seconds.
        partial: Return what came when something did not.
        progress: Told now and then how far it has come.

    Returns:
        The frame, with its receipt in ``attrs["immune"]``.

    Raises:
        IncompleteError: Something did not come, and `partial` is False; `.frame` holds the rest.
        ImmuneError: The very first page failed.
    """
    began, listings = time.perf_counter(), question.listings
    fetched_at = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
    crops = _followed(Harvest(client, listings, progress=progress), listings, client)
    frame, coerced, twice = _joined(crops, question.schema)
    broken = _why_broken(crops, listings, twice, client)
    frame, cut = _cut(frame, question.limit)
    complete = not (broken or cut) and all(crop.stopped_by == "end" for crop in crops)
    receipt = Receipt(
        profile=profile,
        account=account,
        path=question.path,
        parameters=question.parameters,
        fetched_at=fetched_at,
        seconds=round(time.perf_counter() - began, 3),
        rows=len(frame),
        pages=sum(crop.pages for crop in crops),
        reported_total=_total(crops),
        complete=complete,
        stopped_by="end" if complete else broken or "limit",
        calls_left=client.calls_left,
        duplicates=sum(twice),
        outside=sum(crop.outside for crop in crops),
        overlap=sum(crop.overlap for crop in crops),
        coerced=coerced,
    )
    receipt.attach(frame)
    if broken and not partial:
        raise _incomplete(receipt, frame, crops)
    return frame


def _joined(crops: Sequence[Crop], schema: Schema) -> tuple[pd.DataFrame, dict[str, int], list[int]]:
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


def _followed(harvest: Harvest, listings: Sequence[Listing], client: Client) -> list[Crop]:
    """The crops; where windows brought another number of rows than the service counts, by the cursor."""
    harvest.reap()
    for of, listing in enumerate(listings):
        crop = harvest.crops[of]
        if not crop.windows or crop.stopped_by != "end" or _agrees(crop, 0):
            continue
        if _miscount(crop, listing, _twice(crop, listing.schema), client):
            harvest.reap_without_windows(of)
    return harvest.crops


def _twice(crop: Crop, schema: Schema) -> int:
    shallow = {place: Part(part.rows, dict(part.columns)) for place, part in crop.parts.items()}
    return sum(_joined([replace(crop, parts=shallow)], schema)[2])


def _why_broken(crops: Sequence[Crop], listings: Sequence[Listing], twice: Sequence[int], client: Client) -> str:
    """What broke it off, or why the counts of the service cannot be met; "" when all is well."""
    for crop in crops:
        if crop.stopped_by not in ("end", "limit"):
            return crop.stopped_by
    for crop, listing, copied in zip(crops, listings, twice, strict=True):
        if crop.stopped_by == "end" and (why := _miscount(crop, listing, copied, client)):
            return why
    return ""


def _agrees(crop: Crop, twice: int) -> bool:
    """Whether as many records came as the service stated, at one time or another while they came."""
    return not crop.totals or min(crop.totals) <= crop.rows + crop.outside - twice <= max(crop.totals)


def _miscount(crop: Crop, listing: Listing, twice: int, client: Client) -> str:
    if _agrees(crop, twice):
        return ""
    params = listing.first(listing.within).params
    if crop.windows and (now := stated_now(client, listing.path, params)) is not None:
        crop.totals.append(now)  # windows ask for the whole once only, and rows come and go meanwhile
        if _agrees(crop, twice):
            return ""
    if counts_everything(client, listing.path, params, crop.totals[-1]):
        return ""
    return f"{crop.rows + crop.outside - twice:,} rows came and the service counts {crop.totals[-1]:,}"


def _cut(frame: pd.DataFrame, limit: int | None) -> tuple[pd.DataFrame, bool]:
    """At most `limit` rows: each list brought as many."""
    return (frame, False) if limit is None or len(frame) <= limit else (frame.head(limit), True)


def _total(crops: Sequence[Crop]) -> int | None:
    """Rows the service states for all lists; None when it does not for one of them."""
    totals = [crop.totals[-1] for crop in crops if crop.totals]
    return sum(totals) if len(totals) == len(crops) else None


def _incomplete(receipt: Receipt, frame: pd.DataFrame, crops: Sequence[Crop]) -> IncompleteError:
    cause = next((crop.error for crop in crops if crop.error), None)
    of = f" of {receipt.reported_total:,}" if receipt.reported_total is not None else ""
    why = cause.message.rstrip(".") if cause else receipt.stopped_by
    error = IncompleteError(
        f"{receipt.path}: only {receipt.rows:,}{of} rows arrived: {why}.",
        hint="They are in .frame of this error; partial=True returns them.",
        frame=frame,
    )
    error.__cause__ = cause
    return error
