"""From one page to the next, to an honest end.

How a parameter is called is often a guess (`ways`). A guess that is wrong shows: the server refuses it, or sends a
page that it sent before; then that page is dropped and the next guess has its turn. A list ends, with a
reason, where no way is left, where a page or a step comes again, and where empty pages go on promising more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from immune_nb.errors import quoted
from immune_nb.fetch.links import StrayLinkError
from immune_nb.fetch.pages import Page
from immune_nb.fetch.stand import Stand, goes_on, goes_on_by_size
from immune_nb.fetch.trails import Option, Trail, Way
from immune_nb.fetch.ways import BY_ID, COUNTED, LINKS, options
from immune_nb.frames.names import CUTS, OFFSETS, PAGE_NUMBERS, plain

__all__ = ["Turn", "onward"]

NOT_UNDERSTOOD = "more pages, in a way not understood"
PATIENCE = 3  # empty or repeated pages in a row that lead on, before it is enough


class Turn(NamedTuple):
    """What follows from a page.

    Attributes:
        trail: How to go on; its step is the next page. None when the list ends.
        why: ``end``, or what is wrong.
        is_new: Whether the page's records are to be kept: not where they came before.
        way: How the list pages, as far as is known.
        fault: What the service says is wrong with the page's records.
    """

    trail: Trail | None
    why: str = "end"
    is_new: bool = True
    way: Way | None = None
    fault: str = ""


def onward(page: Page, trail: Trail) -> Turn:
    """What follows from a page.

    Args:
        page: The page that came.
        trail: How far the list was followed before.
    """
    if not (trail.pages or trail.stated) and (more := page.signs.more) and not more.value:
        return Turn(None, fault=page.signs.fault)  # the whole of a list or window, as a glance tells
    again = bool(trail.seen) and page.sheet.mark in trail.seen
    if trail.guess and _is_wrong(page, trail, trail.guess, again=again):
        other = trail.otherwise()
        return Turn(other, "end" if other else trail.promise, is_new=False)
    here = trail.past(page, again=again)
    stand = Stand(page, here)
    try:
        found = options(stand)
    except StrayLinkError as stray:
        return Turn(None, str(stray), not again, here.way, page.signs.fault)
    new = tuple(option for option in found if option.step.name not in here.seen)
    promise = _promise(stand, found)
    is_met = page.total is not None and here.skips is not None and here.skips + here.rows >= page.total
    is_behind = (again and trail.is_hopeful) or (not page.sheet.rows and (promise == "end" or is_met))
    if not new or here.idle >= PATIENCE or (is_behind and (is_met or new[0].way.kind in COUNTED)):
        why = "end" if is_behind else _why_over(page, found, new, promise, again=again)
        return Turn(None, why, not again, here.way, page.signs.fault)
    is_hopeful = new[0].way.kind in COUNTED and goes_on_by_size(stand)
    seen = here.seen | {page.sheet.mark} - {""}
    speaks = page.total is not None or page.signs.more is not None
    ahead = replace(here, seen=seen, asked=new[0], doubt=new[1:], promise=promise, is_hopeful=is_hopeful)
    ahead = replace(ahead, is_promised=bool(page.signs.more), is_doubted=here.is_doubted and not speaks)
    return Turn(ahead, "end", not again, here.way or _supposed(stand, new[0].way), page.signs.fault)


def _supposed(stand: Stand, way: Way) -> Way | None:
    """A way that has yet to work, as it is told of: not where it is no more than a try."""
    if goes_on(stand) is None:
        return None
    return way if way.kind != BY_ID or stand.page.signs.more else replace(way, is_sure=False)


def _why_over(page: Page, found: Sequence[Option], new: Sequence[Option], promise: str, *, again: bool) -> str:
    """Why a list ends that was not followed to its end, or that there is no more."""
    if found and not new:
        return "a cursor that repeats"
    if found and again:
        return "the same page again"
    return "an empty page that promises more" if promise == NOT_UNDERSTOOD and not page.sheet.rows else promise


def _is_wrong(page: Page, trail: Trail, asked: Option, *, again: bool) -> bool:
    """Whether a page is not the one that was asked for, so that the way was guessed wrong.

    The very first record comes again where a server passes over what it was asked, whatever else is on the page.
    """
    if asked.way.kind in LINKS:
        return False  # which says itself what to ask
    if again or (trail.head is not None and page.sheet.has(trail.head)):
        return True
    is_open = not asked.way.is_sure and asked.expects is None
    if is_open and (not page.sheet.rows or _is_of_another_size(page, trail)):
        return True
    stated = page.signs.number(PAGE_NUMBERS if asked.way.kind == "page number" else OFFSETS)
    return None not in (asked.expects, stated) and stated != asked.expects


def _is_of_another_size(page: Page, trail: Trail) -> bool:
    """Whether a page is shorter than the first and not the last: its number or offset counts other pages."""
    signs, rows = page.signs, trail.rows + page.sheet.rows
    goes_on = signs.more.value if signs.more else (signs.least or 0) > rows
    return bool(goes_on) and page.sheet.rows < trail.longest


def _promise(stand: Stand, found: Sequence[Option]) -> str:
    """What to say of a list that goes on and cannot be followed; ``end`` where nothing but a count says so."""
    signs = stand.page.signs
    more = signs.more
    if more and more.value and plain(more.name) in CUTS:
        return f"the service says {quoted(more.name, 40)}"
    if more:
        promised = more.value
    elif stand.trail.way and stand.trail.way.kind in LINKS:
        promised = found
    else:
        promised = signs.token or (stand.page.total is None and goes_on(stand))
    return NOT_UNDERSTOOD if promised else "end"
