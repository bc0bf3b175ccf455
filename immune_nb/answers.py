"""From a question to a frame that knows whether it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immune_nb.errors import IncompleteError, Interrupted, QueryError
from immune_nb.fetch.client import Client, Params
from immune_nb.fetch.crops import Crop, Listing, Progress
from immune_nb.fetch.harvest import Harvest
from immune_nb.fetch.pages import PAGE_SIZE
from immune_nb.fetch.reconcile import agrees, followed, joined, total, why_broken
from immune_nb.fetch.stock import Stock, left_behind
from immune_nb.fetch.windows import Window
from immune_nb.frames.decode import assemble
from immune_nb.frames.folder import Dataset, Folder
from immune_nb.frames.instants import Range, micros
from immune_nb.frames.receipt import Receipt
from immune_nb.frames.schemas import ANY, Schema
from immune_nb.frames.store import Shelf
from immune_nb.frames.wide import widen
from immune_nb.hints import Hints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Manner", "Question", "answer", "answer_to"]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Args:
        path: Path of the list.
        schema: Columns to expect.
        each: Query parameters, one set per list to follow: the API takes one sensor at a time.
        limit: Rows wanted at most.
        within: Keep only rows whose ``timestamp`` lies in this half-open range; None where rows have none.
        hints: What is known of the answers.
    """

    path: str
    schema: Schema
    each: tuple[Params, ...]
    limit: int | None = None
    within: Range | None = None
    hints: Hints = field(default_factory=Hints)

    def __post_init__(self) -> None:
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise QueryError(f"limit is {self.limit!r}.", hint="Give a whole number above 0.")

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
                hints=self.hints,
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


@dataclass(frozen=True)
class Manner:
    """How it is asked, and how the answer is wanted.

    Args:
        profile: Name of the profile, for the receipt.
        account: Who asks, for the receipt.
        clock: Unix seconds.
        partial: Return what came when something did not.
        progress: Told now and then how far it has come.
        wide: A column per sensor.
        shelf: Gives the store's shelf of some parameters; None keeps nothing.
    """

    profile: str
    account: str = ""
    clock: Callable[[], float] = time.time
    partial: bool = False
    progress: Progress | None = None
    wide: bool = False
    shelf: Callable[[Listing], Shelf] | None = None


def answer(question: Question, client: Client, manner: Manner) -> pd.DataFrame:
    """Follow every list of a question, and make one frame of them.

    Args:
        question: What is asked.
        client: What sends.
        manner: How.

    Returns:
        The frame, with its receipt in ``attrs["immune"]``.

    Raises:
        IncompleteError: Something did not come, and `manner.partial` is False; `.frame` holds the rest.
        ImmuneError: The very first page failed.
    """
    began, now = time.perf_counter(), manner.clock()
    stocks = [_stock(listing, manner, now) for listing in question.listings]
    listings = [listing for stock in stocks for listing in stock.missing]
    harvest = Harvest(client, listings, progress=manner.progress)
    try:
        fetched = followed(harvest, listings, client)
    except BaseException as error:
        kept = _keep(stocks, harvest.crops, now)  # the next query goes on from here
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(left_behind(harvest.crops, kept if manner.shelf else None)) from None
        if not (isinstance(error, QueryError) and any(stock.whole for stock in stocks)):
            raise
        fetched = None
    if fetched is None:  # whole days may be more than the service lets one ask for
        return answer(question, client, replace(manner, shelf=None))
    crops = [crop for stock, mine in _apart(stocks, fetched) for crop in stock.crops(mine)]
    frame, coerced, twice = joined(crops, question.schema)
    broken = why_broken(fetched, listings, _of_fetched(stocks, twice), client)
    _keep(
        stocks, [crop if not broken or crop.stopped_by != "end" or agrees(crop) else Crop() for crop in fetched], now
    )
    frame, cut = _cut(frame, question.limit)
    frame = widen(frame) if manner.wide else frame
    receipt = _receipt(question, client, manner, fetched, broken or ("limit" if cut else ""))
    receipt = replace(
        receipt,
        fetched_at=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - began, 3),
        rows=len(frame),
        coerced=coerced,
        duplicates=sum(twice),
        cache_age=_age(stocks, now),
        reported_total=None if any(stock.held or stock.whole for stock in stocks) else total(fetched),
    )
    receipt.attach(frame)
    if broken and not manner.partial:
        raise _incomplete(receipt, frame, fetched)
    return frame


def answer_to(question: Question, client: Client, manner: Manner, path: str | Path) -> Dataset:
    """Follow every list of a question, and write the rows to a folder as they come.

    Args:
        question: What is asked.
        client: What sends.
        manner: How.
        path: The folder, empty or new.

    Returns:
        A handle on the folder.

    Raises:
        QueryError: The folder is not empty.
        IncompleteError: Something did not come, and `manner.partial` is False; the folder holds the rest.
        ImmuneError: The very first page failed.
    """
    began, now, listings = time.perf_counter(), manner.clock(), question.listings
    folder = Folder(path, question.schema)
    try:
        crops = followed(Harvest(client, listings, progress=manner.progress, folder=folder), listings, client)
    except KeyboardInterrupt:
        raise Interrupted(f"what had come is in {str(path)!r}, and is not whole; start again elsewhere.") from None
    twice = [folder.twice(of) for of in range(len(crops))]
    broken = why_broken(crops, listings, twice, client)
    receipt = replace(
        _receipt(question, client, manner, crops, broken),
        fetched_at=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - began, 3),
        rows=sum(crop.rows for crop in crops) - sum(twice),
        coerced=folder.coerced,
        duplicates=sum(twice),
    )
    dataset = folder.close(asdict(receipt))
    if broken and not manner.partial:
        raise _incomplete(receipt, receipt.attach(assemble([], question.schema).frame), crops, str(path))
    return dataset


def _receipt(question: Question, client: Client, manner: Manner, crops: Sequence[Crop], stopped: str) -> Receipt:
    """What does not depend on where the rows go."""
    complete = not stopped and all(crop.stopped_by == "end" for crop in crops)
    return Receipt(
        profile=manner.profile,
        account=manner.account,
        path=question.path,
        parameters=question.parameters,
        fetched_at="",
        rows=0,
        pages=sum(crop.pages for crop in crops),
        reported_total=total(crops),
        complete=complete,
        stopped_by="end" if complete else stopped or "limit",
        seconds=0.0,
        calls_left=client.meter.left,
        outside=sum(crop.outside for crop in crops),
        overlap=sum(crop.overlap for crop in crops),
        detected=_detected(crops),
        units={name: unit for crop in crops for name, unit in crop.units.items()},
    )


def _detected(crops: Sequence[Crop]) -> dict[str, Any]:
    """What was found out of how the service answers, of all lists in one: sure where it is of each."""
    merged: dict[str, Any] = {}
    for crop in crops:
        sure = merged.get("sure", True) and crop.detected.get("sure", True)
        merged |= {**crop.detected, "sure": sure} if crop.detected else {}
    return merged


def _stock(listing: Listing, manner: Manner, now: float) -> Stock:
    if manner.shelf is None:
        return Stock(listing, None, {}, [listing], 0)
    return Stock.of(listing, manner.shelf(listing), int(now * 1_000_000))


def _apart(stocks: Sequence[Stock], fetched: Sequence[Crop]) -> Iterator[tuple[Stock, list[Crop]]]:
    """Each stock with the crops that were fetched for it."""
    crops = iter(fetched)
    for stock in stocks:
        yield stock, list(islice(crops, len(stock.missing)))


def _keep(stocks: Sequence[Stock], fetched: Sequence[Crop], now: float) -> int:
    """Keep the days that came whole, and say how many."""
    return sum(stock.keep(mine, now) for stock, mine in _apart(stocks, fetched))


def _of_fetched(stocks: Sequence[Stock], twice: Sequence[int]) -> list[int]:
    """The counts of the crops that were fetched: before those of each stock stands that of what was held."""
    counts = iter(twice)
    return [count for stock in stocks for count in list(islice(counts, len(stock.missing) + 1))[1:]]


def _age(stocks: Sequence[Stock], now: float) -> float | None:
    times = [stored.fetched_at for stock in stocks for stored in stock.held.values()]
    return round(now - min(times), 1) if times else None


def _cut(frame: pd.DataFrame, limit: int | None) -> tuple[pd.DataFrame, bool]:
    """At most `limit` rows: each list brought as many."""
    return (frame, False) if limit is None or len(frame) <= limit else (frame.head(limit), True)


def _incomplete(receipt: Receipt, frame: pd.DataFrame, crops: Sequence[Crop], folder: str = "") -> IncompleteError:
    cause = next((crop.error for crop in crops if crop.error), None)
    total = receipt.reported_total
    of = f" of {total:,}" if total is not None and total > receipt.rows else ""
    why = cause.message.rstrip(".") if cause else receipt.stopped_by
    where = folder or ".frame of this error; partial=True (on a line, --partial) returns them"
    unknown = (
        " If you know how it pages, say so with paging= (on a line, --paging)." if "not understood" in why else ""
    )
    error = IncompleteError(
        f"{receipt.path}: only {receipt.rows:,}{of} rows arrived: {why}.",
        hint=f"They are in {where}.{unknown}",
        frame=frame,
    )
    error.__cause__ = cause
    return error
