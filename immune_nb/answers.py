"""From a question to a frame that knows whether it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from immune_nb.errors import ImmuneError, IncompleteError, QueryError
from immune_nb.fetch.client import Client, Params, Reply
from immune_nb.fetch.pages import PAGE_SIZE, Harvest, harvest
from immune_nb.fetch.totals import counts_everything
from immune_nb.frames.decode import decode
from immune_nb.frames.instants import Range, clip
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
        within: Keep only rows whose ``timestamp`` lies in this half-open range.
    """

    path: str
    schema: Schema
    each: tuple[Params, ...]
    limit: int | None = None
    within: Range = (None, None)

    @property
    def page_size(self) -> int | None:
        """Records per page to ask for, where the documentation says that one may ask."""
        return None if self.schema is ANY else PAGE_SIZE

    @property
    def parameters(self) -> Params:
        """All parameters in one, for the receipt."""
        names = dict.fromkeys(name for params in self.each for name in params)
        merged: dict[str, str | list[str]] = {}
        for name in names:
            values = list(dict.fromkeys(str(params[name]) for params in self.each if name in params))
            merged[name] = values[0] if len(values) == 1 else values
        return merged


def answer(
    question: Question,
    client: Client,
    profile: str,
    account: str,
    clock: Callable[[], float] = time.time,
    *,
    partial: bool = False,
) -> pd.DataFrame:
    """Follow every list of a question, and make one frame of them.

    Args:
        question: What is asked.
        client: What sends.
        profile: Name of the profile, for the receipt.
        account: Who asks, for the receipt.
        clock: Unix seconds.
        partial: Return what came when something did not.

    Returns:
        The frame, with its receipt in ``attrs["immune"]``.

    Raises:
        IncompleteError: Something did not come, and `partial` is False; `.frame` holds the rest.
        ImmuneError: The very first page failed.
    """
    began, fetched_at = time.perf_counter(), datetime.fromtimestamp(clock(), UTC)
    crops = _follow(question, client)
    broken = next(filter(None, map(_broken_off, crops)), "") or _miscounted(question, crops, client)
    frame, coerced = decode((record for crop in crops for record in crop.records), question.schema)
    frame, outside = clip(frame, question.within)
    frame, cut = _cut(frame, question.limit)
    complete = not (broken or cut) and all(crop.stopped_by == "end" for crop in crops)
    receipt = Receipt(
        profile=profile,
        account=account,
        path=question.path,
        parameters=question.parameters,
        fetched_at=fetched_at.isoformat(timespec="seconds"),
        rows=len(frame),
        pages=sum(crop.pages for crop in crops),
        reported_total=_total(crops),
        complete=complete,
        stopped_by="end" if complete else broken or "limit",
        seconds=round(time.perf_counter() - began, 3),
        calls_left=client.calls_left,
        duplicates=sum(crop.duplicates for crop in crops),
        outside=outside,
        coerced=coerced,
    )
    receipt.attach(frame)
    if broken and not partial:
        raise _incomplete(receipt, frame, crops)
    return frame


def _follow(question: Question, client: Client) -> list[Harvest]:
    """The lists, one after the other; a failure after rows have come ends them."""

    def ask(path: str, params: Params) -> Reply:
        return client.send("GET", path, params=params)

    crops: list[Harvest] = []
    for params in question.each:
        try:
            crops.append(harvest(ask, question.path, params, limit=question.limit, page_size=question.page_size))
        except QueryError:
            raise
        except ImmuneError as error:
            if not crops:
                raise
            crops.append(Harvest(stopped_by=f"{type(error).__name__} on the next list", error=error))
        if crops[-1].error:
            break
    return crops


def _broken_off(crop: Harvest) -> str:
    return "" if crop.stopped_by in ("end", "limit") else crop.stopped_by


def _miscounted(question: Question, crops: list[Harvest], client: Client) -> str:
    """Why the counts of the service cannot be met; "" when they are, or when they count something else."""
    for params, crop in zip(question.each, crops, strict=False):
        if crop.stopped_by != "end" or crop.counts_agree:
            continue
        if params and counts_everything(client, question.path, params, crop.totals[-1]):
            continue
        return f"{len(crop.records):,} rows came and the service counts {crop.totals[-1]:,}"
    return ""


def _cut(frame: pd.DataFrame, limit: int | None) -> tuple[pd.DataFrame, bool]:
    """At most `limit` rows: each list brought as many."""
    return (frame, False) if limit is None or len(frame) <= limit else (frame.head(limit), True)


def _total(crops: list[Harvest]) -> int | None:
    """Rows the service states for all lists; None when it does not for one of them."""
    totals = [crop.totals[-1] for crop in crops if crop.totals]
    return sum(totals) if len(totals) == len(crops) else None


def _incomplete(receipt: Receipt, frame: pd.DataFrame, crops: list[Harvest]) -> IncompleteError:
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
