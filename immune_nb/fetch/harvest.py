"""Whole lists: every page of them, side by side where that helps, and the truth about whether they are whole.

Each page is one errand, and says what follows from it: nothing, the next page behind the cursor, or windows of
time to fetch side by side (`windows`). It never loops: a cursor seen before, an empty page that promises more, or
paging it does not understand ends a list with a reason. Where a server turns out not to filter by time, what the
windows brought is dropped and the list is followed by its cursor, from where windows began.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from immune_nb.errors import BadReplyError, ImmuneError, QueryError
from immune_nb.fetch.client import Client, Params, Reply
from immune_nb.fetch.crew import Crew
from immune_nb.fetch.crops import Crop, Kept, Leaf, Listing, Progress, Tally
from immune_nb.fetch.errands import READ, Errand
from immune_nb.fetch.limits import Halt
from immune_nb.fetch.pages import Page, again, fetch
from immune_nb.fetch.paging import Turn, onward
from immune_nb.fetch.piles import Pile
from immune_nb.fetch.retreat import Retreat
from immune_nb.fetch.width import Load, Width
from immune_nb.fetch.windows import Window, cut
from immune_nb.frames.decode import Part
from immune_nb.frames.folder import ROWS, Folder
from immune_nb.frames.schemas import ANY
from immune_nb.frames.sheets import Reader
from immune_nb.frames.stacks import Stacker, Unread

__all__ = ["Harvest"]


NOT_FOUND = 404
AT_ONCE = 2**22  # bytes to read at once, some thirty pages: every call waits for the interpreter


class Harvest:
    """The pages of some lists.

    Args:
        client: What sends.
        listings: The lists, whose pages are of one kind.
        progress: Told now and then how far it has come, by the calling thread.
        folder: Where rows go as they come, when they are not to be kept in memory.

    Attributes:
        crops: What came, a crop per list. A failure after the first page is in it, not raised.
    """

    def __init__(
        self,
        client: Client,
        listings: Sequence[Listing],
        *,
        progress: Progress | None = None,
        folder: Folder | None = None,
    ) -> None:
        self.crops = [Crop() for _ in listings]
        self._client = client
        self._listings = listings
        self._progress = progress
        self._width, self._load = Width(), Load()
        self._folder = folder
        self._halt = Halt()
        self._lock = threading.Lock()
        how = listings[0].reading if listings else {"schema": ANY}
        self._reader, self._stacker = Reader(**how), Stacker(**how)
        self._unread: Pile[tuple[Errand, Page]] = Pile(_size, AT_ONCE)
        self._retreat = Retreat(self.crops, folder, self._lock)
        self._known: set[int] = set()  # lists of which is known what their filter of time is worth

    def reap(self) -> list[Crop]:
        """Follow every list to its end.

        Raises:
            ImmuneError: No page came at all, or the service says that a question is wrong.
        """
        return self._reap([Errand(of, one.within, one.trail(one.within)) for of, one in enumerate(self._listings)])

    def reap_without_windows(self, of: int) -> bool:
        """Follow a list again, by its cursor, from where windows began; False when it had none."""
        again = self._retreat.without_windows(of)
        if again:
            self._reap(again)
        return bool(again)

    def _reap(self, errands: Sequence[Errand]) -> list[Crop]:
        crew = Crew(self._work, width=self._width, halt=self._halt, cut=self._client.cut, tick=self._tell)
        try:
            crew.run(errands)
        finally:
            while not self._unread.is_done():  # when it was broken off
                with contextlib.suppress(ImmuneError):
                    self._read()
        for of, crop in enumerate(self.crops):
            if crop.awaited:
                crop.stop("pages that were not fetched any more")
            if self._folder and (rest := crop.pour(self._listings[of])):
                self._folder.write(of, rest, self._folder.epoch(of))
        return self.crops

    def _tell(self) -> None:
        if self._progress is not None:
            with self._lock:
                told = Tally.of(self.crops)
            self._progress(told)

    def _work(self, errand: Errand) -> Sequence[Errand]:
        """Fetch a page, keep its rows, and say what follows. A page that can be read with others waits for them."""
        if errand is READ:
            more = self._read()
            return more if self._unread.is_done() else [READ, *more]
        if self._retreat.is_late(errand):
            return ()
        began, own = time.perf_counter(), time.thread_time()
        refusals = self._client.refusals
        try:
            expected = errand.place(self.crops[errand.of], self._listings[errand.of])
            page = fetch(self._ask, errand.trail.step, self._stacker, **expected)
        except ImmuneError as error:
            return self._failed(errand, error)
        seconds = time.perf_counter() - began
        own = (time.thread_time() - own) / seconds
        self._width.note(seconds, refused=self._client.refusals > refusals, load=self._load.now, own=own)
        if isinstance(page.sheet, Unread):
            return [READ] if self._unread.add((errand, page)) else ()
        return self._gather(errand, page)

    def _read(self) -> list[Errand]:
        """Read the pages that came, as one where that can be, and say what follows."""
        taken = self._unread.take()
        if not taken:  # another thread was quicker
            return []
        together, reader = self._stacker.read_all([page.sheet for _, page in taken]), self._reader
        more: list[Errand] = []
        for (errand, page), one in zip(taken, together, strict=True):
            try:
                whole = replace(page, sheet=one[0]) if one else fetch(again(page.reply), errand.trail.step, reader)
            except ImmuneError as error:
                more += self._failed(errand, error)
            else:
                more += self._gather(errand, whole, one[1] if one else None)
        return more

    def _ask(self, path: str, params: Params, check: Callable[[Reply], object]) -> Reply:
        return self._client.send("GET", path, params=params, check=check, halt=self._halt)

    def _failed(self, errand: Errand, error: ImmuneError) -> Sequence[Errand]:
        """What to do instead; a failure with no remedy ends the harvest and is kept, or raised when nothing came."""
        crop = self.crops[errand.of]
        if isinstance(error, QueryError) and errand.trail.is_hopeful and not self._retreat.is_late(errand):
            return self._over(errand, error.status)
        is_of_windows = isinstance(error, QueryError) or (isinstance(error, BadReplyError) and error.is_no_page)
        if self._retreat.is_late(errand) or (is_of_windows and crop.windows):
            return self._retreat.without_windows(errand.of)
        if isinstance(error, QueryError) and (other := errand.otherwise(self._listings[errand.of], str(error))):
            return [other]
        with self._lock:
            nothing_came = not any(crop.pages for crop in self.crops)
            if nothing_came or (isinstance(error, QueryError) and not crop.pages):
                raise error
            crop.error = crop.error or error
            crop.stop(f"{type(error).__name__} on page {crop.pages + 1}")
        self._halt.set()
        return ()

    def _over(self, errand: Errand, status: int | None) -> Sequence[Errand]:
        """A page that may not be there is not there, or is to be asked for otherwise."""
        if status != NOT_FOUND and (other := errand.trail.otherwise()):
            return [errand.onward(other)]
        crop = self.crops[errand.of]
        with self._lock:
            crop.awaited -= 1
            crop.done.append(errand.window)
        return ()

    def _gather(self, errand: Errand, page: Page, part: Part | None = None) -> Sequence[Errand]:
        listing = self._listings[errand.of]
        turn = onward(page, errand.trail)
        if not turn.is_new:
            return self._came_before(errand, page, turn)
        if unsized := errand.without_size(page, listing):
            return [unsized]
        leaf = Leaf.of(page.sheet, listing, part)
        kept, done, windows = self._planned(errand, leaf, page, turn)
        if (instead := self._instead(errand, leaf, kept, page, turn)) is not None:
            return instead
        with self._lock:
            if self._retreat.is_late(errand):
                return ()
            crop = self.crops[errand.of]
            if windows and not crop.windows:
                self._retreat.remember(errand, turn, page, Kept.of(leaf, listing, errand.window))
            skips = errand.trail.skips if errand.window == listing.within else None
            crop.add(errand.window, page, kept, skips=skips, turn=turn)
            more = windows or self._further(errand, turn, kept.part.rows)
            crop.windows += len(windows)
            crop.awaited += len(more) - 1
            crop.done += done
            full = crop.pour(listing, ROWS) if self._folder else []
            epoch = self._folder.epoch(errand.of) if self._folder else 0
        if self._folder and full:
            self._folder.write(errand.of, full, epoch)
        return more

    def _instead(self, errand: Errand, leaf: Leaf, kept: Kept, page: Page, turn: Turn) -> Sequence[Errand] | None:
        """What to ask where time is filtered in another way than windows, or the question, have it; else None."""
        listing, is_astray = self._listings[errand.of], leaf.is_astray(errand.window)
        if errand.lacks(leaf, kept, turn) or (is_astray and errand.window != listing.within):
            return self._retreat.without_windows(errand.of)
        if not (is_astray and leaf.span) or errand.of in self._known or self._passes_over_time(errand, page):
            return None
        return self._retreat.anew(errand.wider(listing))

    def _passes_over_time(self, errand: Errand, page: Page) -> bool:
        """Whether a list begins with the same page where more time is asked for: then it is not filtered at all."""
        self._known.add(errand.of)
        try:
            wide = fetch(self._ask, errand.wider(self._listings[errand.of]).trail.step, self._reader)
        except QueryError:
            return True  # nobody knows
        return wide.sheet.mark in errand.trail.seen | {page.sheet.mark}

    def _planned(self, errand: Errand, leaf: Leaf, page: Page, turn: Turn) -> tuple[Kept, list[Window], list[Errand]]:
        """What a page brings, the windows that are whole by it, and those that follow from it.

        Unless it is one sensor's list and its rows are counted, the page's own stretch is asked for again, too: rows
        of others may lie in it, or the service may not filter by time at all. What was seen there has to come again.
        """
        listing, crop = self._listings[errand.of], self.crops[errand.of]
        fixed = errand.plainly or listing.limit or (crop.poured and not crop.windows)
        if turn.trail and turn.trail.is_hopeful and page.sheet.rows != turn.trail.size:
            fixed = True  # nothing says that there is more
        plan = cut(errand.window, leaf.span, page.total) if leaf.span and turn.trail and not fixed else None
        parts = replace(errand, trail=turn.trail).divided(plan, leaf, listing) if plan and turn.trail else []
        if not plan or not parts:
            is_over = turn.trail is None and turn.why == "end"
            return Kept.of(leaf, listing, errand.window), [errand.window] if is_over else [], []
        if page.total is not None and not parts[0].is_fine and leaf.is_of(listing.sensor):
            return Kept.of(leaf, listing, plan[0]), [plan[0]], parts[1:]
        return Kept(leaf.part.between(0, 0)), [], parts

    def _came_before(self, errand: Errand, page: Page, turn: Turn) -> Sequence[Errand]:
        """A page whose records are there already: count them and go on."""
        with self._lock:
            if self._retreat.is_late(errand):
                return ()
            crop = self.crops[errand.of]
            crop.pages += 1
            crop.overlap += page.sheet.rows
            more = self._further(errand, turn)
            crop.awaited += len(more) - 1
            return more

    def _further(self, errand: Errand, turn: Turn, came: int = 0) -> list[Errand]:
        """The next page behind the cursor, if there is to be one."""
        limit, crop = self._listings[errand.of].limit, self.crops[errand.of]
        if limit is not None and crop.rows >= limit:
            crop.stop("limit" if turn.trail or crop.rows > limit else turn.why)
            return []
        if turn.trail is None:
            crop.stop(turn.why)
            return []
        return [errand.onward(turn.trail, came=came)]


def _size(item: tuple[Errand, Page]) -> int:
    return len(item[1].reply.content)
