"""How a fetched frame looks: units, times, digits, what is cut, and that no other frame is touched."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from immune_nb.notebook.frame_tables import FrameTables, as_text, frame_html

RECEIPT = {"rows": 3, "complete": True}


def frame(units=("mm/s", "mm/s", "mm/s"), **more) -> pd.DataFrame:
    """Three readings with a receipt."""
    made = pd.DataFrame(
        {
            "timestamp": pd.to_datetime(["2026-11-01T05:00Z", "2026-11-01T05:01Z", "2026-11-01T05:02Z"]),
            "value": [11.3303, 2.5, np.nan],
            "unit": pd.Categorical(units),
            "note": ["<b>bold</b>", "x" * 100, None],
            **more,
        }
    )
    made.attrs["immune"] = RECEIPT
    return made


class Cells(HTMLParser):
    """The texts of a table's cells, and of its caption."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag in {"td", "th", "caption"}:
            self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data


def texts(made: pd.DataFrame) -> list[str]:
    return Cells(frame_html(made)).texts


def test_one_unit_stands_in_the_header():
    """The unit and the zone beside the names; the column of units is not repeated."""
    shown = texts(frame())
    assert shown[:4] == ["", "timestamp UTC", "value mm/s", "note"]
    assert shown[4:8] == ["0", "2026-11-01 05:00:00", "11.3303", "<b>bold</b>"]
    assert shown[9:11] == ["2026-11-01 05:01:00", "2.5000"]


def test_several_units_stand_beside_their_values():
    """Each value has its own."""
    shown = texts(frame(("mm/s", "°C", None)))
    assert "11.3303 mm/s" in shown
    assert "2.5000 °C" in shown
    assert "value" in shown


def test_what_came_from_elsewhere_is_escaped_and_cut():
    """Markup is text, and a long text ends in an ellipsis."""
    html = frame_html(frame())
    assert "<b>" not in html
    assert "x" * 61 not in html
    assert "…" in html


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([11.3303, 2.1], ["11.3303", "2.1000"]),
        ([3.0, 4.0], ["3", "4"]),
        ([0.1 + 0.2, 1 / 3], ["0.300000", "0.333333"]),
        ([1e-9, 2.0], ["1e-09", "2"]),
        ([1e20, 1.0], ["1e+20", "1"]),
        ([-1234.5678, 0.0], ["-1234.57", "0.00"]),
        ([np.inf, 1.5], ["inf", "1.5"]),
        ([0.0], ["0"]),
    ],
)
def test_digits_tell_values_apart(values, shown):
    """The decimals there are, up to six significant digits, and no value becomes zero."""
    assert as_text(pd.Series(values)) == shown


def test_fractions_of_a_second_are_shown_where_there_are_some():
    """As many as it takes, and no more."""
    assert as_text(pd.Series(pd.to_datetime(["2026-11-01T05:00:00.25Z", None]))) == ["2026-11-01 05:00:00.25", ""]


def test_long_and_wide_frames_are_cut_and_say_so():
    """Rows as pandas cuts them, columns too, and both say how many are left out."""
    made = pd.concat([frame()] * 100, ignore_index=True)
    made = made.assign(**{f"c{number}": number for number in range(40)})
    made.attrs["immune"] = {"rows": 300, "complete": False}
    with pd.option_context("display.max_columns", 20):  # as in a notebook
        shown = texts(made)
    assert shown[0] == "NOT complete · 23 columns not shown"
    assert "⋮ 290 rows not shown" in shown
    assert len(shown) < 400


def test_what_the_footer_says_is_not_said_again():
    """A whole frame has no caption; one that is not whole says so wherever it is shown; a part claims nothing."""
    broken = frame()
    broken.attrs["immune"] = RECEIPT | {"complete": False}
    assert "<caption>" not in frame_html(frame())
    assert texts(broken)[0] == "NOT complete"
    assert "<caption>" not in frame_html(broken.head(2))


@pytest.mark.parametrize(
    "odd",
    [
        lambda made: made.set_index(["timestamp", "unit"]),
        lambda made: made.set_axis(list("aabc"), axis=1),
        lambda made: made.set_axis(pd.MultiIndex.from_product([["x"], list("abcd")]), axis=1),
    ],
)
def test_what_we_cannot_draw_is_left_to_pandas(odd):
    """Nested headers, an index of several levels, names that repeat."""
    made = odd(frame())
    made.attrs["immune"] = RECEIPT
    assert frame_html(made) is None


@pytest.fixture
def shell():
    """A shell of IPython, and no other test's."""
    made = InteractiveShell()
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def html_of(shell, made):
    return shell.display_formatter.format(made)[0].get("text/html")


def test_only_fetched_frames_look_so_and_only_while_loaded(shell):
    """Other frames, texts and the frame itself are as pandas has them; afterwards all are."""
    tables, made, other = FrameTables(shell), frame(), pd.DataFrame({"value": [1.0]})
    before = made.copy(deep=True)
    for _ in range(2):
        tables.start()
        assert "immune-table" in html_of(shell, made)
        assert html_of(shell, other) == other._repr_html_()
        assert shell.display_formatter.format(made)[0]["text/plain"] == repr(made)
        tables.stop()
        assert html_of(shell, made) == made._repr_html_()
    pd.testing.assert_frame_equal(made, before)


def test_a_formatter_that_was_there_before_goes_on(shell):
    """Frames that are not ours are still shown by it, and ours again once we are gone."""
    formatter = shell.display_formatter.formatters["text/html"]
    formatter.for_type(pd.DataFrame, lambda made: "theirs")
    tables = FrameTables(shell)
    tables.start()
    assert "immune-table" in html_of(shell, frame())
    assert html_of(shell, pd.DataFrame()) == "theirs"
    tables.stop()
    assert html_of(shell, frame()) == "theirs"


def test_a_formatter_that_came_later_stays(shell):
    """Whoever registers after us is not removed by us."""
    tables = FrameTables(shell)
    tables.start()
    shell.display_formatter.formatters["text/html"].for_type(pd.DataFrame, lambda made: "later")
    tables.stop()
    assert html_of(shell, frame()) == "later"


def test_pandas_may_forbid_html():
    """The person's own setting holds."""
    with pd.option_context({"display.notebook_repr_html": False}):
        assert frame_html(frame()) is None
    assert re.search("<table", frame_html(frame()))
