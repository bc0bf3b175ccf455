"""Where one stands in a list, and what a page says of whether it goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl, urlencode

from immune_nb.fetch.pages import Page, Step
from immune_nb.fetch.trails import Trail
from immune_nb.frames.names import OFFSETS, PAGE_COUNTS, PAGE_NUMBERS, PAGE_PARAMS, PAGE_SIZES, POSITIONS, plain

__all__ = ["Stand", "goes_on", "goes_on_by_size"]


@dataclass(frozen=True)
class Stand:
    """Where one stands in a list.

    Args:
        page: The page that came.
        trail: How far the list was followed, with it.
    """

    page: Page
    trail: Trail

    @cached_property
    def given(self) -> dict[str, str]:
        """The parameters of the question itself."""
        return dict(self.trail.start.pairs)

    @property
    def has_position(self) -> bool:
        """Whether the question says itself where in the list to begin."""
        return any(plain(name) in POSITIONS for name in self.given)

    def asking(self, param: str, value: object) -> Step:
        """The step with a parameter that says which page, in place of all others that do."""
        params = {n: v for n, v in self.trail.start.params.items() if plain(n) not in POSITIONS or n == param}
        path, has_query, query = self.trail.start.path.partition("?")
        inline = [(n, v) for n, v in parse_qsl(query, keep_blank_values=True) if plain(n) not in POSITIONS]
        path += f"?{urlencode(inline)}" if has_query and inline else ""
        return Step(path, {**params, param: str(value)})

    @property
    def is_full(self) -> bool:
        """Whether the page has as many records as were asked for, so that there may be more."""
        return bool(self.trail.size) and self.page.sheet.rows == self.trail.size

    @property
    def own_page(self) -> tuple[str, int] | None:
        """The parameter by which the question itself asks for a page, and the number of the page that came."""
        for name, value in self.given.items():
            if plain(name) in PAGE_PARAMS and value.isdecimal():
                return name, int(value) + self.trail.pages - 1
        return None

    def first_of(self, names: Iterable[str]) -> list[str]:
        """Names of parameters, the one that was used in the question first."""
        ordered = list(dict.fromkeys(names))
        return sorted(ordered, key=lambda name: name not in self.given)


def goes_on(stand: Stand) -> bool | None:
    """Whether there is more, as the page's counts and flags say; None when they say nothing."""
    page, signs, trail = stand.page, stand.page.signs, stand.trail
    if more := signs.more:
        return bool(more.value)
    if signs.is_over:
        return False
    number, count = signs.number(PAGE_NUMBERS), signs.number(PAGE_COUNTS)
    if number is None and stand.own_page:
        number = stand.own_page[1]
    if count is not None and (number is not None or not stand.has_position):
        return (trail.pages if number is None else number + trail.is_zero_based) < count
    if (least := signs.least) is not None or stand.is_full:
        return stand.is_full or _offset_of(stand) + trail.rows < (least or 0)
    size = signs.number(PAGE_SIZES)
    if size and (number is not None or signs.number(OFFSETS) is not None):
        return page.sheet.rows >= size
    return bool(page.sheet.rows) if trail.is_documented and trail.way else None  # it has gone on without a word


def goes_on_by_size(stand: Stand) -> bool:
    """Whether nothing but a full page speaks for more."""
    signs = stand.page.signs
    return not (signs.more or stand.page.total is not None or signs.number(PAGE_COUNTS) is not None)


def _offset_of(stand: Stand) -> int:
    """Records before the first page, where the question skipped some."""
    given = [value for name, value in stand.given.items() if plain(name) in OFFSETS and value.isdecimal()]
    return int(given[0]) if given and len(given[0]) < 10 else 0  # noqa: PLR2004 - longer ones are instants
