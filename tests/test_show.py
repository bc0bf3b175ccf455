"""How texts and tables look in a notebook; in a terminal they are as they are written."""

from __future__ import annotations

import pytest

from immune_nb.notebook import manual
from immune_nb.notebook.code import Code
from immune_nb.notebook.show import Note, Table, footer
from immune_nb.notebook.subcommands import COMMANDS


@pytest.mark.parametrize("text", [manual.overview(), *map(manual.page, COMMANDS)])
def test_help_is_in_a_font_of_one_width(text):
    """Its columns are made of spaces, which only such a font keeps in line; the text itself is untouched."""
    assert Note(text)._repr_html_().startswith("<pre ")
    assert repr(Note(text)) == text


@pytest.mark.parametrize("shown", [Note("$a and $b"), Note("$a\n  $b"), Code("$a $b"), Table([("$a", "$b")])])
def test_dollars_begin_no_formula(shown):
    """What typesets formulas leaves alone what has this class."""
    assert 'class="tex2jax_ignore mathjax_ignore"' in shown._repr_html_()


def test_a_sentence_is_in_the_usual_font():
    """Lines that are not indented are no columns."""
    assert Note("One.\nTwo.")._repr_html_().startswith("<div ")


def test_cells_wrap_between_words_and_addresses_anywhere():
    """A phrase that may not be broken would push the table's end out of sight; an instant stays in one piece."""
    html = Table([("records on a page", "2024-01-20T00:00:00Z", "https://sensors.example/v1")])._repr_html_()
    assert 'left;">records on a page' in html
    assert 'nowrap">2024' in html
    assert 'anywhere">https' in html


def test_what_is_between_backticks_is_code():
    """In HTML only, and after it is escaped."""
    table = Table([("value", "in `<unit>`, not `")])
    assert "in <code>&lt;unit&gt;</code>, not `" in table._repr_html_()
    assert "in `<unit>`, not `" in repr(table)


@pytest.mark.parametrize(
    ("rows", "asked", "said"),
    [
        (
            0,
            {"start_time": "2030-01-01T00:00:00Z"},
            "0 rows × 7 columns · nothing from 2030-01-01T00:00:00Z to now · complete",
        ),
        (0, {"status": "offline"}, "0 rows × 7 columns · complete"),
        (3, {"start_time": "2030-01-01T00:00:00Z"}, "3 rows × 7 columns · complete"),
    ],
)
def test_where_nothing_is_the_footer_says_when(rows, asked, said):
    """An empty range of time is named, for it may be a mistake; others are what they are."""
    assert footer({"rows": rows, "parameters": asked, "complete": True, "profile": ""}, 7) == said
