"""What the magic shows besides frames: notes, footers, logins and profiles, as text with HTML beside it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from IPython.display import display

from immune_nb.errors import ImmuneWarning

__all__ = [
    "Note",
    "Table",
    "as_notes",
    "counted",
    "dimensions",
    "duration",
    "footer",
    "login_line",
    "login_parts",
    "marked",
    "profiles_table",
    "show",
    "size",
    "status_card",
]

FAINT = "color:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,GrayText));font-size:90%"
LITERAL = "tex2jax_ignore mathjax_ignore"  # a dollar is a dollar, and begins no formula
LAID_OUT = "margin:0.3em 0;white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere"
SHORT = 24  # characters of a word that is not broken
VERBOSE = (
    "account",
    "path",
    "parameters",
    "fetched_at",
    "reported_total",
    "duplicates",
    "outside",
    "coerced",
    "detected",
    "units",
    "versions",
)


def show(thing: object) -> None:
    """Show something in the running cell's output."""
    display(thing)  # type: ignore[no-untyped-call] # IPython types most, not this


@contextmanager
def as_notes() -> Iterator[None]:
    """Show our own warnings as notes: Python's way names a file and a line that are nobody's here."""
    usual = warnings.showwarning

    def told(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, ImmuneWarning):
            show(Note(str(message)))
        else:
            usual(message, category, *place)

    with warnings.catch_warnings():
        warnings.showwarning = told  # type: ignore[assignment] # takes all of the place as one
        yield


class Note:
    """A line or more of plain text, set back a little where HTML can be shown.

    Text with indented lines is in columns, or is code: it is in a font of one width, in full strength.

    Args:
        text: The text.
        css_class: A class for stylesheets to find it by.
    """

    def __init__(self, text: str, css_class: str = "") -> None:
        self.text = text
        self._class = css_class

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        names = f"{LITERAL} {self._class}".rstrip()
        tag, style = ("pre", LAID_OUT) if "\n  " in self.text else ("div", f"{FAINT};white-space:pre-wrap")
        return f'<{tag} class="{escape(names)}" style="{style}">{escape(self.text)}</{tag}>'


class Table:
    """A few rows of text, aligned.

    Args:
        rows: The rows; all as long as the first.
        header: The columns' names; without it the first column names its row.
    """

    def __init__(self, rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
        self.rows = [tuple(row) for row in rows]
        self.header = tuple(header)

    def __repr__(self) -> str:
        lines = [self.header, *self.rows] if self.header else self.rows
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def _repr_html_(self) -> str:
        head = "".join(_cell('th scope="col"', name) for name in self.header)
        body = "".join(f"<tr>{self._row(row)}</tr>" for row in self.rows)
        head = f"<thead><tr>{head}</tr></thead>" if head else ""
        return f'<div class="{LITERAL}" style="overflow-x:auto"><table>{head}<tbody>{body}</tbody></table></div>'

    def _row(self, row: Sequence[str]) -> str:
        first = "td" if self.header else 'th scope="row"'
        return _cell(first, row[0]) + "".join(_cell("td", cell) for cell in row[1:])


def _cell(tag: str, text: str) -> str:
    return f'<{tag} style="text-align:left;{_wrapping(text)}">{marked(text)}</{tag[:2]}>'


def _wrapping(text: str) -> str:
    """Words are broken only where they are very long, such as addresses."""
    longest = max(map(len, text.split()), default=0)
    if longest > SHORT:
        return "min-width:9em;overflow-wrap:anywhere"
    return "" if longest < len(text) else "white-space:nowrap"


def marked(text: str) -> str:
    """Text as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(text))


def footer(receipt: Mapping[str, Any], columns: int, *, name: str = "", verbose: bool = False) -> str:
    """One line on a result: rows and columns, whole or not, profile, pages, seconds, calls left.

    Args:
        receipt: The frame's receipt.
        columns: Number of its columns.
        name: The variable that took it, if any.
        verbose: Add what else the receipt knows, a line each.
    """
    parts = [
        f"{name}: {dimensions(receipt['rows'], columns)}".removeprefix(": "),
        _range_of_nothing(receipt),
        "complete" if receipt["complete"] else _not_complete(receipt),
        str(receipt["profile"]),
        counted(receipt.get("pages"), "page"),
        "" if receipt.get("cache_age") is None else f"from cache ({duration(receipt['cache_age'])} old)",
        "" if receipt.get("seconds") is None else f"{receipt['seconds']:.1f} s",
        "" if receipt.get("calls_left") is None else f"{receipt['calls_left']:,} calls left",
    ]
    line = " · ".join(filter(None, parts))
    return "\n".join([line, *_more(receipt)]) if verbose else line


def _range_of_nothing(receipt: Mapping[str, Any]) -> str:
    """The range of time in which there is nothing: it may not be the one that was meant."""
    asked = receipt.get("parameters") or {}
    start, end = asked.get("start_time"), asked.get("end_time")
    if receipt["rows"] or not (start or end):
        return ""
    return f"nothing from {start or 'the beginning'} to {end or 'now'}"


def _not_complete(receipt: Mapping[str, Any]) -> str:
    reason, total = str(receipt.get("stopped_by") or "unknown"), receipt.get("reported_total")
    reason = "stopped by --limit" if reason == "limit" else reason
    return f"NOT complete ({reason}{f', {total:,} reported' if total is not None else ''})"


def _more(receipt: Mapping[str, Any]) -> list[str]:
    known = [(key, receipt[key]) for key in VERBOSE if receipt.get(key) not in (None, "", {}, [])]
    return [f"  {key.replace('_', ' ')}: {_plain(value)}" for key, value in known]


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return str(value)


def counted(count: int | None, thing: str) -> str:
    """So many things: ``1 page``, ``12 pages``; empty when nobody counted."""
    return "" if count is None else f"{count:,} {thing}" + ("" if count == 1 else "s")


def dimensions(rows: int, columns: int) -> str:
    """How large a frame is: ``60 rows × 7 columns``."""
    return f"{counted(rows, 'row')} × {counted(columns, 'column')}"


def duration(seconds: float) -> str:
    """A stretch of time in its largest sensible unit: ``59 min``."""
    for size, unit in ((172_800, "d"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'d': 86_400, 'h': 3_600, 'min': 60}[unit]:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def size(amount: int) -> str:
    """Bytes in the largest sensible unit: ``3.2 MB``."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= power:
            return f"{amount / power:.1f} {unit}"
    return f"{amount} B"


def login_parts(status: Any) -> tuple[str, str]:
    """Who is logged in, and how, with which scopes."""
    who = f"Logged in to {status.profile}" + (f" as {status.account}" if status.account else "")
    parts = [status.method, " ".join(status.scopes), "" if status.verified else status.standing]
    return who, " · ".join(filter(None, parts))


def login_line(status: Any) -> str:
    """A login in one line."""
    return " · ".join(filter(None, login_parts(status)))


def status_card(status: Any, *, current: bool, origin: str = "") -> Table:
    """Everything worth knowing about one login; `origin` says better than its source where it comes from."""
    expires = "does not say" if status.expires_in is None else f"in {duration(status.expires_in)}"
    rows = [
        ("profile", status.profile + (" (current)" if current else "")),
        ("address", status.base_url),
        ("login", f"{status.method}, {origin or status.source}"),
        ("account", status.account or ("unknown: the server does not say" if "sign-in" in status.method else "")),
        ("scopes", " ".join(status.scopes)),
        ("expires", "" if status.method == "API key" or status.refused else expires),
        ("remembered", status.remembered),
        ("standing", status.standing),
        ("calls left", "" if status.calls_left is None else f"{status.calls_left:,}"),
    ]
    return Table(row for row in rows if row[1])


def profiles_table(rows: Iterable[tuple[str, str, str]]) -> Table:
    """The known profiles: name, address, and whether they are logged in."""
    return Table(rows, ("profile", "address", "login"))
