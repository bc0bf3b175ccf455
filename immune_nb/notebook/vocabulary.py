"""What a subcommand of `%immune` is, as data, and the options that several of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["HELP", "KEEPING", "PROFILE", "QUERY", "RANGE", "WRITE", "Command", "Option"]


@dataclass(frozen=True)
class Option:
    """One option of a subcommand.

    Args:
        name: As typed, e.g. ``--limit``.
        help: What it does, in a few words.
        metavar: What its value is called; empty for a switch.
        short: A one-letter form, e.g. ``-q``.
        choices: The only values it takes, when they are few; ``env:NAME`` stands for any name after ``env:``.
        kind: How its value is read.
        asks: Whether it is part of the question, and so may also be written ``name=value``.
        suggests: Values worth offering, where any others do as well.
    """

    name: str
    help: str
    metavar: str = ""
    short: str = ""
    choices: tuple[str, ...] = ()
    kind: Literal["value", "count", "variable"] = "value"
    asks: bool = False
    suggests: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in Python: ``--limit`` is ``limit``."""
        return self.name.lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class Command:
    """One subcommand.

    Args:
        name: The word after ``%immune``.
        help: What it does, in one line.
        words: What its positional words are called; empty when it takes none.
        least: Fewest positional words.
        most: Most positional words; None for any number.
        choices: The only positional words it takes, when they are few.
        options: Its own options; every subcommand also takes ``--help``.
        filters: Whether it takes ``name=value``, sent to the API as they stand.
        examples: Lines that work.
        is_plain: Whether its words are text as typed, braces included.
        also: A shorter name.
        body: Whether it takes a cell body, as ``%%immune``.
    """

    name: str
    help: str
    words: str = ""
    least: int = 0
    most: int | None = 0
    choices: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    filters: bool = False
    examples: tuple[str, ...] = ()
    is_plain: bool = False
    also: str = ""
    body: bool = False


HELP = Option("--help", "show this", short="-h")
PROFILE = Option("--profile", "the API to ask, instead of the current one", "P")
SPANS = ("15m", "1h", "6h", "12h", "1d", "7d", "30d")
DAYS = ("today", "yesterday")
RANGE = (
    Option("--last", "the newest stretch: 90s, 15m, 12h, 7d, 2 weeks", "SPAN", asks=True, suggests=SPANS),
    Option(
        "--start",
        "first instant, included; naive times are UTC; or today, yesterday",
        "TIME",
        asks=True,
        suggests=DAYS,
    ),
    Option("--end", "last instant, not included", "TIME", asks=True, suggests=DAYS),
)
KEEPING = (
    Option("--wide", "a row per instant and a column per sensor", asks=True),
    Option("--cache", "keep whole days of the past on this machine, and take them from there", asks=True),
    Option("--no-cache", "ask the service for everything, whatever the profile says"),
    Option("--refresh", "forget what is kept of these sensors, and keep it anew", asks=True),
    Option("--to", "write Parquet files to this new folder instead of making a frame", "FOLDER", asks=True),
)
SHOWN = (
    Option("--out", "put the frame into this variable, and show nothing but the footer", "NAME", kind="variable"),
    Option("--quiet", "no footer", short="-q"),
    Option("--verbose", "a longer footer: account, parameters, versions", short="-v"),
)
QUERY = (
    Option("--limit", "at most so many rows", "N", kind="count", asks=True),
    Option("--partial", "accept an answer that is not whole", asks=True),
    PROFILE,
    *SHOWN,
    Option("--dry-run", "show what would be sent, and send nothing"),
    Option("--count", "with --dry-run: ask how many rows there are, for pages and time"),
    Option("--show-code", "show the same query as Python and as curl, and send nothing"),
)
WRITE = (
    Option("--yes", "do not ask: for scripts"),
    Option("--dry-run", "show what would be sent, and send nothing"),
    PROFILE,
    *SHOWN,
)
