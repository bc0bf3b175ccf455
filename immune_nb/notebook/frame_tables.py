"""How a fetched frame looks in a notebook: units, times without needless parts, digits that tell values apart.

Only frames with a receipt look so, and only as HTML; the frames, their text, and every other frame are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from .show import LITERAL, counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FrameTables", "as_text", "frame_html"]

NAMES = (
    ("pandas", "DataFrame"),
    ("pandas.core.frame", "DataFrame"),
)  # the class calls itself the first since pandas 3
DIGITS = 6  # significant ones
HUGE = 1e15  # numbers as great have an exponent
LONGEST = 60  # characters of a cell
STYLE = (
    "<style>.immune-table table{font-variant-numeric:tabular-nums}.immune-table :is(td,th){white-space:nowrap}"
    ".immune-table :is(.faint,caption){color:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,GrayText))}"
    ".immune-table .faint{font-weight:400}.immune-table caption{caption-side:bottom;text-align:left;padding:4px 0}"
    ".immune-table td.text,.immune-table th.text{text-align:left}.immune-table{overflow-x:auto}</style>"
)


class FrameTables:
    """Shows frames that have a receipt as `frame_html` makes them, from `start` to `stop`.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self._formatter = shell.display_formatter.formatters["text/html"]
        self._former: dict[tuple[str, str], Any] = {}

    def start(self) -> None:
        """Begin. pandas need not be loaded yet."""
        for name in NAMES:
            former = self._formatter.pop(".".join(name), None)
            if former is not None and former != self._html:
                self._former[name] = former
            self._formatter.for_type_by_name(*name, self._html)

    def stop(self) -> None:
        """Show them as before, unless something else shows them by now."""
        for name in NAMES:
            if self._formatter.for_type_by_name(*name) == self._html:
                self._formatter.pop(".".join(name))
                if name in self._former:
                    self._formatter.for_type_by_name(*name, self._former[name])

    def _html(self, frame: pd.DataFrame) -> str | None:
        if isinstance(frame.attrs.get("immune"), Mapping) and (html := frame_html(frame)):
            return html
        former = next(iter(self._former.values()), None)
        usual: str | None = former(frame) if former else frame._repr_html_()  # type: ignore[operator]
        return usual


def frame_html(frame: pd.DataFrame) -> str | None:
    """A frame with a receipt as an HTML table; None where pandas' own settings or a nested header ask for its own."""
    import pandas as pd

    if not pd.get_option("display.notebook_repr_html") or frame.columns.nlevels > 1 or frame.index.nlevels > 1:
        return None
    if not frame.columns.is_unique:
        return None
    shown, cut = _shown(frame, pd.get_option("display.max_rows"), pd.get_option("display.min_rows"))
    names = [name for name in shown if not (name == "unit" and "value" in shown)]
    most = pd.get_option("display.max_columns")
    names, left = (names, 0) if not most or len(names) <= most else (names[:most], len(names) - most)
    units = _units(frame)
    head = "".join(_head(frame, name, units) for name in names)
    columns = [_cells(shown, name, units) for name in names]
    index = [f"<th>{escape(text)}</th>" for text in map(str, shown.index)]
    rows = ["".join(cells) for cells in zip(index, *columns, strict=True)]
    if cut is not None:
        more = counted(len(frame) - len(shown), "row")
        rows.insert(cut, f'<td colspan="{len(names) + 1}" class="text faint">⋮ {more} not shown</td>')
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    caption = f"<caption>{escape(said)}</caption>" if (said := _caption(frame, left)) else ""
    return (
        f'<div class="immune-table {LITERAL}">{STYLE}<table border="1" class="dataframe">{caption}'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def as_text(column: pd.Series[Any]) -> list[str]:
    """A column as the table writes it, a text per value."""
    missing = column.isna().to_numpy()
    if column.dtype.kind == "M":
        texts = _times(column)
    elif column.dtype.kind == "f":
        texts = _numbers(column.to_numpy("float64"))
    else:
        texts = [str(value) for value in column.astype(object)]
    return ["" if gone else text for gone, text in zip(missing, texts, strict=True)]


def _shown(frame: pd.DataFrame, most: int | None, least: int | None) -> tuple[pd.DataFrame, int | None]:
    """The rows to show, and where some are left out."""
    import pandas as pd

    if not most or len(frame) <= most:
        return frame, None
    half = min(least or most, most) // 2
    return pd.concat([frame.head(half), frame.tail(half)]), half


def _units(frame: pd.DataFrame) -> list[str]:
    """The units of ``value``."""
    if "value" not in frame or "unit" not in frame:
        return []
    return [str(unit) for unit in frame["unit"].dropna().unique()]


def _head(frame: pd.DataFrame, name: Any, units: Sequence[str]) -> str:
    beside = ""
    if name == "value" and len(units) == 1:
        beside = units[0]
    elif frame[name].dtype.kind == "M" and str(getattr(frame[name].dtype, "tz", None)) == "UTC":
        beside = "UTC"
    faint = f' <span class="faint">{escape(beside)}</span>' if beside else ""
    return f"<th{_side(frame[name])}>{escape(str(name))}{faint}</th>"


def _cells(frame: pd.DataFrame, name: Any, units: Sequence[str]) -> list[str]:
    texts, side = [escape(_short(text)) for text in as_text(frame[name])], _side(frame[name])
    if name == "value" and len(units) > 1:
        beside = [escape(text) for text in as_text(frame["unit"])]
        texts = [f'{text} <span class="faint">{unit}</span>' for text, unit in zip(texts, beside, strict=True)]
    return [f"<td{side}>{text}</td>" for text in texts]


def _side(column: pd.Series[Any]) -> str:
    return "" if column.dtype.kind in "fiu" else ' class="text"'


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _times(column: pd.Series[Any]) -> list[str]:
    """Instants to the second, or as far as any of them goes; the zone stands in the header, if it is UTC."""
    local = column.dt.tz_localize(None) if str(getattr(column.dtype, "tz", None)) == "UTC" else column
    texts = [str(value) for value in local]
    return [text.rstrip("0") if "." in text else text for text in texts]


def _numbers(values: Any) -> list[str]:
    """Numbers with the same decimals: those they have, up to six significant digits of the greatest."""
    import numpy as np

    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    greatest = sizes.max() if len(sizes) else 1.0
    room = max(0, DIGITS - 1 - math.floor(math.log10(greatest)))
    enough = (places for places in range(room) if np.allclose(sizes, sizes.round(places), rtol=1e-12, atol=0))
    decimals = next(enough, room)
    if greatest >= HUGE or (len(sizes) and sizes.min() < 10.0**-decimals):
        return [f"{value:.{DIGITS}g}" for value in values]
    return [f"{value:.{decimals}f}" for value in values]


def _caption(frame: pd.DataFrame, left: int) -> str:
    """What the footer under a fetched frame does not say, or said when it was fetched and must not be forgotten."""
    receipt: Mapping[str, Any] = frame.attrs["immune"]
    broken = len(frame) == receipt["rows"] and not receipt["complete"]
    parts = ["NOT complete" if broken else "", f"{counted(left, 'column')} not shown" if left else ""]
    return " · ".join(filter(None, parts))
