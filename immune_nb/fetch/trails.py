"""How far a list was followed, and in which way."""

from __future__ import annotations

from dataclasses import dataclass, replace

from immune_nb.fetch.pages import Page, Step
from immune_nb.frames.names import PAGE_NUMBERS, POSITIONS, SHARES, SKIPS, plain
from immune_nb.hints import Paging

__all__ = ["Option", "Trail", "Way"]

MOST_DIGITS = 15  # of a number of records
ZERO_BASED = frozenset({"number", "pageindex"})  # what Spring and .NET count from zero


@dataclass(frozen=True)
class Way:
    """How a list pages.

    Args:
        kind: In words.
        param: The query parameter that asks for a page.
        base: What is added to the number of pages, or of rows, to ask for the next.
        is_sure: Whether the answer says so, and nothing is guessed but the name of `param`.
        is_sized: Whether larger pages may be asked for; not where the service refused them.
    """

    kind: str
    param: str = ""
    base: int = 0
    is_sure: bool = True
    is_sized: bool = True


@dataclass(frozen=True)
class Option:
    """One way to ask for the next page.

    Args:
        way: How.
        step: What to ask.
        expects: The number that the answer should state, where it states one.
    """

    way: Way
    step: Step
    expects: int | None = None


@dataclass(frozen=True)
class Trail:
    """How far a list was followed.

    Args:
        start: The step it began with.
        size: Records it asks for per page; 0 where that is left to the service.
        is_documented: Whether it is a list that the documentation names, with its cursor.
        is_doubted: Whether a page that says nothing of more may have been cut short.
        stated: How it pages, as a person says.
        rows: Records so far.
        pages: Pages so far.
        way: How it was found to page.
        asked: How the page under way was asked for; None for the first.
        doubt: Other ways to ask for it.
        promise: Why the list is not over, if none of them is right; ``end`` if it may be.
        seen: Steps and pages so far, by what tells them apart.
        head: The ``id`` of the very first record.
        idle: Pages in a row that brought nothing.
        longest: Records of the first page.
        is_zero_based: Whether pages are numbered from zero.
        is_hopeful: Whether the page under way may not exist: it is asked for because the last one was full.
        is_promised: Whether the last page said in so many words that there is another.
    """

    start: Step
    stated: Paging | None = None
    size: int = 0
    is_documented: bool = False
    is_doubted: bool = False
    rows: int = 0
    pages: int = 0
    way: Way | None = None
    asked: Option | None = None
    doubt: tuple[Option, ...] = ()
    promise: str = "end"
    seen: frozenset[str] = frozenset()
    head: str | int | None = None
    idle: int = 0
    longest: int = 0
    is_zero_based: bool = False
    is_hopeful: bool = False
    is_promised: bool = False

    @property
    def step(self) -> Step:
        """The page under way."""
        return self.asked.step if self.asked else self.start

    @property
    def guess(self) -> Option | None:
        """How the page under way was asked for, where nothing has shown yet that it is right."""
        return self.asked if self.way is None else None

    @property
    def skips(self) -> int | None:
        """How many records the question itself passes over; None where it asks for a part that nobody can tell."""
        if self.stated and self.stated.kind == "none":
            return None  # one answer is all that is wanted
        parts = {plain(name): value for name, value in self.start.pairs if plain(name) in POSITIONS | SHARES}
        if len(parts) == 1 and (number := next(iter(parts.values()))).isdecimal() and parts.keys() <= SKIPS:
            return int(number[:MOST_DIGITS])
        return None if parts else 0

    def otherwise(self) -> Trail | None:
        """The same page, asked for in the next way; None when no way is left."""
        if not self.doubt:
            return None
        return replace(self, asked=self.doubt[0], doubt=self.doubt[1:], seen=self.seen | {self.step.name})

    def past(self, page: Page, *, again: bool) -> Trail:
        """With a page taken in, or one that had come before."""
        number, rows = page.signs.first(PAGE_NUMBERS, lambda value: type(value) is int), page.sheet.rows
        trail = replace(
            self,
            rows=self.rows + (0 if again else rows),
            pages=self.pages + 1,
            way=self.asked.way if self.asked else None,
            doubt=(),
            seen=self.seen | {self.step.name},
            idle=self.idle + 1 if again or not rows else 0,
        )
        if self.pages:
            return trail
        by_name = number is not None and number.value and self.skips != 0 and plain(number.name) in ZERO_BASED
        zero = bool(number is not None and number.value == 0) or bool(by_name)
        return replace(trail, longest=rows, is_zero_based=zero, head=page.sheet.key(0))
