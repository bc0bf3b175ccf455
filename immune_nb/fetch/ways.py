"""The ways in which the next page might be asked for, the surest first, from what a page says.

Each way is a function that gives the options it sees; the first that sees any is taken. An option names the parameter
it guesses, so that a list which was found to page that way goes on that way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from immune_nb.errors import quoted
from immune_nb.fetch.links import address, header_links, missing_from, next_in_body, next_parameters
from immune_nb.fetch.pages import PAGE_SIZE, Page, Step
from immune_nb.fetch.stand import Stand, goes_on
from immune_nb.fetch.trails import Option, Way
from immune_nb.frames.names import OFFSETS, PAGE_COUNTS, PAGE_NUMBERS, POSITIONS, TOKENS, plain
from immune_nb.hints import Paging

__all__ = ["BY_ID", "COUNTED", "LINKS", "options"]

PAGE_PARAMS = (
    "page",
    "pageNumber",
    "page_number",
    "pageNo",
    "pageIndex",
    "p",
    "page[number]",
    "pagination[page]",
    "_page",
)
OFFSET_PARAMS = ("offset", "skip", "$skip", "start", "from", "startIndex", "startAt", "resultOffset")
BY_ID = "id of the last record"
ID_PARAMS = ("starting_after", "after", "since_id")
STATED_ONLY = frozenset({"currentpage", "number"})  # which are seldom names of parameters


def options(stand: Stand) -> list[Option]:
    """What to ask next, the best first; none when the list is over, or no way is seen.

    Raises:
        StrayLinkError: The page has a link that is not followed.
    """
    if stand.trail.stated and stand.page.sheet.about.is_list:
        return list(_stated(stand, stand.trail.stated))
    if not stand.page.sheet.about.is_list or ((more := stand.page.signs.more) and not more.value):
        return []
    if stand.trail.way and stand.trail.way.kind in COUNTED:
        return list(_counted(stand, stand.trail.way)) if goes_on(stand) else []
    if stand.trail.way and stand.trail.way.kind in LINKS:
        return list(_links(stand))  # what else the last page holds is no way on
    ways: Sequence[Callable[[Stand], Iterator[Option]]] = (_links, _tokens, _numbers, _offsets, _guesses)
    return next((found for way in ways if (found := list(way(stand)))), [])


def _links(stand: Stand) -> Iterator[Option]:
    """A next link: with what we asked for and it leaves out, or as it stands where that is refused."""
    if link := next_in_body(stand.page.signs):
        yield from _link("next link in body", link, stand)
        return
    if params := next_parameters(stand.page.signs):
        kept = {name: value for name, value in stand.trail.start.params.items() if plain(name) not in POSITIONS}
        yield Option(Way("parameters in body"), Step(stand.trail.start.path, {**kept, **params}))
        return
    for link, pairs in header_links(stand.page.reply.headers.get("link", "")):
        if "next" in pairs.get("rel", "").lower().split() and "anchor" not in pairs:
            yield from _link("Link header", link, stand)
            return


def _link(kind: str, link: str, stand: Stand) -> Iterator[Option]:
    url = address(link, stand.page.reply.url)
    mended, missing = missing_from(url, stand.trail.start.pairs)
    yield Option(Way(kind), Step(mended, missing))
    if missing:
        yield Option(Way(kind), Step(mended, {}))


def _tokens(stand: Stand) -> Iterator[Option]:
    """A token in the body or a header, under the parameters that usually go with a field of its name."""
    token = stand.page.signs.token
    if token is None:
        return
    value = json.dumps(token.value) if isinstance(token.value, dict) else token.value
    if stand.trail.way:
        params: Sequence[str] = (stand.trail.way.param,)
    else:
        skips = value == stand.trail.rows  # a number that says how many records to skip
        known = sorted(TOKENS[plain(token.name)], key=lambda name: skips and name not in OFFSET_PARAMS)
        own = [name for name in stand.given if plain(name) in POSITIONS and _follows(value, stand.given[name])]
        params = stand.first_of([*own, *known, token.name])
    for param in params:
        yield Option(Way(f"token {quoted(token.name, 40)}", param), stand.asking(param, value))


def _follows(value: object, given: str) -> bool:
    """Whether a token is the number of the page after the one that was asked for."""
    return given.isdecimal() and str(value) == str(int(given) + 1)


def _numbers(stand: Stand) -> Iterator[Option]:
    """The answer states its page's number; some servers count otherwise in parameters than in answers."""
    number, said = stand.page.signs.number(PAGE_NUMBERS), stand.page.signs.first(PAGE_NUMBERS, _is_number)
    if number is None or said is None or not goes_on(stand):
        return
    names = (*PAGE_PARAMS, said.name) if plain(said.name) in STATED_ONLY else (said.name, *PAGE_PARAMS)
    following = [(param, number + 1) for param in stand.first_of(names)]
    shifted = [("page", number + 2), ("page", number)]
    for param, value in (*following, *(pair for pair in shifted if pair[1])):
        yield Option(Way("page number", param, value - stand.trail.pages), stand.asking(param, value), number + 1)


def _is_number(value: object) -> bool:
    return str(value).isdecimal()


def _offsets(stand: Stand) -> Iterator[Option]:
    """The answer states how many records it skipped."""
    said = stand.page.signs.first(
        OFFSETS, lambda value: _is_number(value) and str(value) in {"0", "1", *stand.given.values()}
    )
    if said is None or not goes_on(stand):
        return
    base = int(said.value)
    for param in stand.first_of([said.name, *OFFSET_PARAMS]):
        value = base + stand.trail.rows
        yield Option(Way("offset", param, base), stand.asking(param, value), value)


def _guesses(stand: Stand) -> Iterator[Option]:
    """More is promised, and how is not: the question's own page and one, the last record's id, or what is usual.

    Where a documented list says nothing at all, only the documented cursor is tried: it may have been cut short.
    """
    sheet, more, going = stand.page.sheet, stand.page.signs.more, goes_on(stand)
    if not sheet.rows or going is False or not (going or stand.trail.is_doubted):
        return
    if stand.own_page:
        param, number = stand.own_page
        yield Option(Way("page number", param, number), stand.asking(param, number + 1))
        return
    backwards = "ending_before" in stand.given
    key = sheet.key(0 if backwards else -1)
    if (more or stand.trail.is_documented) and key is not None:
        for number, param in enumerate(("ending_before",) if backwards else ID_PARAMS[: None if going else 1]):
            yield from _after(stand, Way(BY_ID, param, is_sure=not number), key)
    if not going:
        return
    by_pages = stand.page.signs.number(PAGE_COUNTS)
    for way in (_guessed_pages, _guessed_offsets) if by_pages else (_guessed_offsets, _guessed_pages):
        yield from way(stand)


def _guessed_offsets(stand: Stand) -> Iterator[Option]:
    for param in dict.fromkeys((_style(stand.page), *stand.first_of(OFFSET_PARAMS))):
        base = int(text) if (text := stand.given.get(param, "0")).isdecimal() else 0
        yield Option(Way("offset", param, base, is_sure=False), stand.asking(param, base + stand.trail.rows))


def _guessed_pages(stand: Stand) -> Iterator[Option]:
    """From zero or from one: the page that comes again was the first."""
    for param, value in (("page", 1), ("page", 2), ("_page", 2), ("pageNumber", 2), ("p", 2)):
        yield Option(Way("page number", param, value - 1, is_sure=False), stand.asking(param, value))


def _style(page: Page) -> str:
    """The offset's name in a family of servers that the answer shows."""
    if (more := page.signs.more) and plain(more.name) == "exceededtransferlimit":
        return "resultOffset"
    names = set(chain.from_iterable(page.sheet.about.asides))
    if any(name.startswith(("@odata", "odata", "@iot")) for name in names):
        return "$skip"
    return "from" if "_shards" in names else OFFSET_PARAMS[0]


def _after(stand: Stand, way: Way, key: str | int) -> Iterator[Option]:
    """Behind a record; by the documented cursor in pages of the documented size, once it has worked."""
    step = stand.asking(way.param, key)
    if stand.trail.way and way.is_sized and way.param in DOCUMENTED and "limit" not in stand.given:
        yield Option(way, Step(step.path, {"limit": str(PAGE_SIZE), **step.params}))
        way = replace(way, is_sized=False)  # where that is refused
    yield Option(way, step)


def _counted(stand: Stand, way: Way) -> Iterator[Option]:
    """The next step of a way that was found to work."""
    match way.kind:
        case "page number":
            yield Option(way, stand.asking(way.param, way.base + stand.trail.pages))
        case "offset":
            yield Option(way, stand.asking(way.param, way.base + stand.trail.rows))
        case _:
            key = stand.page.sheet.key(0 if way.param == "ending_before" else -1)
            if key is not None:
                yield from _after(stand, way, key)


def _stated(stand: Stand, paging: Paging) -> Iterator[Option]:
    """As a person says that the list pages: until its counts say the end, or a page is short or empty."""
    signs, rows = stand.page.signs, stand.page.sheet.rows
    if paging.kind == "link":
        value = signs.at(paging.field) if paging.field else None
        yield from _link("link, as stated", value, stand) if isinstance(value, str) and value else ()
        yield from _links(stand) if not paging.field else ()
    elif paging.kind == "cursor" and (value := signs.at(paging.field)):
        yield Option(Way("cursor, as stated", paging.param), stand.asking(paging.param, value))
    elif paging.kind in STATED and rows and goes_on(stand) is not False and rows >= stand.trail.longest:
        begin = stand.given.get(paging.param, "")
        number = signs.number(PAGE_NUMBERS)
        from_one = paging.kind == "page" and number != stand.trail.pages - 1
        base = int(begin) if begin.isdecimal() else int(from_one)
        yield from _counted(stand, Way(STATED[paging.kind], paging.param, base))


LINKS = frozenset({"next link in body", "parameters in body", "Link header", "link, as stated"})
DOCUMENTED = frozenset({"starting_after", "ending_before"})
STATED = {"page": "page number", "offset": "offset", "id": BY_ID}
COUNTED = frozenset(STATED.values())
