"""What of a list is in the store already, what is still to be fetched, and what of that is worth keeping.

Only whole days of the past are kept. A list that begins or ends within such a day fetches all of it, so that the next
question, an hour later, finds it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from immune_nb.errors import ImmuneWarning
from immune_nb.fetch.crops import Crop, Listing
from immune_nb.fetch.windows import Window
from immune_nb.frames.decode import Part, instants_of
from immune_nb.frames.instants import MISSING
from immune_nb.frames.numbers import runs
from immune_nb.frames.parquet import joined
from immune_nb.frames.store import DAY, Shelf, Store, Stored, days_of
from immune_nb.profiles import Profile, cache_folder

__all__ = ["Stock", "left_behind", "shelf_of"]

SETTLED = 3_600_000_000  # microseconds after its end in which a day may still get late rows


@dataclass(frozen=True)
class Stock:
    """A list, divided into what is kept and what is to be fetched.

    Attributes:
        listing: The list.
        shelf: Where its days are kept.
        held: The days that are.
        missing: Lists that bring the rest; those of whole days first.
        whole: How many of `missing` are whole days.
    """

    listing: Listing
    shelf: Shelf | None
    held: Mapping[int, Stored]
    missing: Sequence[Listing]
    whole: int

    @classmethod
    def of(cls, listing: Listing, shelf: Shelf, now: int) -> Stock:
        """Look up a list; `now` in microseconds since 1970."""
        start, end = listing.within.start, listing.within.end
        if not listing.timed or listing.limit or start is None:
            return cls(listing, shelf, {}, [listing], 0)
        settled = (now - SETTLED) // DAY
        last = settled if end is None else min(settled, -(-end // DAY))
        days = range(start // DAY, max(last, start // DAY))
        held = shelf.get(days)
        runs = [replace(listing, within=run) for run in _runs([day for day in days if day not in held])]
        live = max(start, last * DAY)
        if end is None or live < end:
            return cls(listing, shelf, held, [*runs, replace(listing, within=Window(live, end))], len(runs))
        return cls(listing, shelf, held, runs, len(runs))

    def crops(self, fetched: Sequence[Crop]) -> list[Crop]:
        """What there is of the list, held and fetched, without rows not asked for; the parts are copies."""
        if self.shelf is None:
            return [Crop(awaited=0), *fetched]
        parts = {(float(day), 0): stored.part for day, stored in self.held.items()}
        return [replace(crop, parts=self._within(crop.parts)) for crop in (Crop(parts=parts, awaited=0), *fetched)]

    def keep(self, fetched: Sequence[Crop], now: float) -> int:
        """Keep the days that came whole, and say how many; where they cannot be kept, the query is none the worse."""
        kept = 0
        if self.shelf is None:
            return kept
        try:
            for listing, crop in zip(self.missing[: self.whole], fetched, strict=False):
                for day, part in _whole_days(listing, crop):
                    self.shelf.put(day, part, now)
                    kept += 1
        except OSError as error:
            warnings.warn(f"Not all that came could be kept: {error}.", ImmuneWarning, stacklevel=4)
        return kept

    def _within(self, parts: Mapping[tuple[float, int], Part]) -> dict[tuple[float, int], Part]:
        keeps = self.listing.within.keeps
        masks = {place: keeps(instants_of(part)) for place, part in parts.items()}
        return {
            place: Part(p.rows, dict(p.columns), p.coerced) if masks[place].all() else p.take(masks[place])
            for place, p in parts.items()
        }


def shelf_of(profile: Profile, account: str, mark: str, *, refresh: bool) -> Callable[[Listing], Shelf]:
    """What gives the store's shelf of a list: nobody else's, and of nothing else; emptied when it is to be anew."""
    store = Store(cache_folder(os.environ))

    def shelf(listing: Listing) -> Shelf:
        found = store.shelf(
            profile=profile.name,
            base_url=profile.base_url,
            account=account,
            mark=mark,
            path=listing.path,
            params=dict(listing.params),
        )
        if refresh:
            found.drop()
        return found

    return shelf


def left_behind(crops: Sequence[Crop], days: int | None) -> str:
    """What an interrupted query leaves; `days` were kept, where any are to be."""
    rows = sum(crop.rows for crop in crops)
    if days is None:
        return f"{rows:,} rows had come, and nothing is kept; with cache=True (on a line, --cache) whole days are."
    if not days:
        return f"{rows:,} rows had come, but no whole day, so nothing is kept."
    return f"kept {days:,} day{'' if days == 1 else 's'}; run it again to go on."


def _runs(days: Sequence[int]) -> Iterator[Window]:
    """Days that follow each other, as one window each."""
    for first, last in runs(days):
        yield Window(first * DAY, (last + 1) * DAY)


def _whole_days(listing: Listing, crop: Crop) -> Iterator[tuple[int, Part]]:
    """The days that came whole, with their rows."""
    if any((instants_of(part) == MISSING).any() for part in crop.parts.values()):
        return  # a row without an instant is of no day, and must not get lost
    by_day: dict[int, list[Part]] = {day: [] for day in _covered(listing.within, crop)}
    for part in crop.ordered():
        for day, rows in days_of(part):
            if day in by_day:
                by_day[day].append(rows)
    yield from ((day, joined(parts)) for day, parts in by_day.items())


def _covered(within: Window, crop: Crop) -> Iterator[int]:
    """The days of a window of which every row came."""
    if within.start is None or within.end is None:
        return
    spans = sorted((w.start, w.end) for w in crop.done if w.start is not None and w.end is not None)
    for day in range(within.start // DAY, within.end // DAY):
        reached = day * DAY
        for start, end in spans:
            reached = max(reached, end) if start <= reached else reached
        if reached >= (day + 1) * DAY:
            yield day
