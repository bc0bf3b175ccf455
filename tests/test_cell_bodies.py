"""The body of a `%%immune` cell: JSON and YAML alike, what they cannot say, and Python variables in it."""

import json
import math
import sys
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

import immune_nb as im
from immune_nb.notebook.arguments import parse
from immune_nb.notebook.bodies import read_body

CANARY = "kT9xW2qLm8ZrB4"


def refused(text, namespace=None):
    with pytest.raises(UsageError) as caught:
        read_body(text, namespace or {})
    assert type(caught.value) is UsageError
    assert "\n" not in str(caught.value)
    assert CANARY not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('{"name": "hot", "conditions": {"value": 80}}', {"name": "hot", "conditions": {"value": 80}}),
        ("name: hot\nin:\n  n: 80\n  limits: [1, 2.5]\n", {"name": "hot", "in": {"n": 80, "limits": [1, 2.5]}}),
        ("- a\n- {b: c}", ["a", {"b": "c"}]),
        ('{"a": 1, "b": [1, 2,],}', {"a": 1, "b": [1, 2]}),
        ("{name: hot, on: no}", {"name": "hot", "on": "no"}),
        ("at: 2026-01-20\nlasts: 12:30:00", {"at": "2026-01-20", "lasts": "12:30:00"}),
        ("at: 2026-01-20T15:30:00Z", {"at": "2026-01-20T15:30:00Z"}),
        ("at: !!timestamp 2026-01-20", {"at": "2026-01-20"}),
        ("id: 00123\nhex: 0x10\nold: 1_000", {"id": "00123", "hex": "0x10", "old": "1_000"}),
        ("big: 12345678901234567890", {"big": 12345678901234567890}),
        ("a: true\nb: null\nc: ~\nd:\ne: 'null'", {"a": True, "b": None, "c": None, "d": None, "e": "null"}),
        ("f: 1e3\ng: .5\nh: -7", {"f": 1000.0, "g": 0.5, "h": -7}),
        ("2026: x\ntrue: y", {"2026": "x", "true": "y"}),
        ("text: |\n  two\n  lines\nunit: °C", {"text": "two\nlines\n", "unit": "°C"}),
        ("events[]: [alert.triggered, prediction.created]", {"events[]": ["alert.triggered", "prediction.created"]}),
        ("", None),
        ("   \n\t\n", None),
        ("{}", {}),
    ],
)  # fmt: skip
def test_a_body_is_what_json_would_say(text, body):
    """YAML gives no dates, times of day, octals or yes-and-no: what JSON cannot tell from text stays text."""
    assert read_body(text, {}) == body
    assert repr(read_body(text, {})) == repr(body)  # 1 is not True


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f'{{"a": 1,\n "{CANARY}": 2,\n "{CANARY}": 3}}', "twice"),
        (f"a: 1\n{CANARY}: 2\n{CANARY}: 3", "line 4 of the cell"),
        (f"a: 1\nb: [1, {CANARY}\nc: 2", "line 4 of the cell"),
        (f"a:\n\t- {CANARY}", "line 3 of the cell"),
        (f"a: &x {CANARY}\nb: *x", "line 3 of the cell"),
        (f"a: !!python/object/apply:os.system ['{CANARY}']", "line 2 of the cell"),
        ("a: !!binary aGVsbG8=", "JSON cannot say"),
        ("? [a]\n: 1", "odd one"),
        ("a: 1\n---\nb: 2", "line 3 of the cell"),
        ('{"a": NaN}', "no NaN"),
        ('{"a": -Infinity}', "no NaN"),
        ('{"a": 1e999}', "beyond"),
        ("a: .inf", "JSON cannot say"),
        ("a: .nan", "JSON cannot say"),
        ("a: 1e999", "JSON cannot say"),
        ("a: " + "9" * 5000, "cannot be sent"),
        ("[" * 100_000, "too deeply"),
        ("a: \x07", "cannot be sent"),
        (CANARY, "single value"),
        ('"text"', "single value"),
        ("7", "single value"),
    ],
    ids=range(21),
)
def test_what_cannot_be_read_names_the_line_and_not_what_is_there(text, word):
    """One line, the place as a person counts it, and nothing of the text: it may hold a secret."""
    assert word in refused(text)


def test_variables_are_values_not_text():
    """`$name` alone is the object; within text, doubled, or unknown it is what it is."""
    names = {
        "n": 5,
        "t": datetime(2026, 1, 2, tzinfo=UTC),
        "ids": ["a", "b"],
        "d": date(2026, 1, 2),
        "x": np.float64(1.5),
    }
    names |= {
        "i": np.int64(7),
        "s": pd.Series([1, 2]),
        "p": pd.Timestamp("2026-01-02T03:04", tz="Europe/Berlin"),
        "m": {"k": (1,)},
    }
    assert read_body("a: $n\nb: $t\nc: [$ids, $d]\nd: cost $n\ne: $$n\nf: $x", names) == {
        "a": 5,
        "b": "2026-01-02T00:00:00Z",
        "c": [["a", "b"], "2026-01-02"],
        "d": "cost $n",
        "e": "$n",
        "f": 1.5,
    }
    assert read_body('{"a": "$i", "b": "$s", "c": "$p", "d": "$m"}', names) == {
        "a": 7,
        "b": [1, 2],
        "c": "2026-01-02T02:04:00Z",
        "d": {"k": [1]},
    }
    assert "There is no variable 'nothing'" in refused("a: $nothing", names)


@pytest.mark.parametrize(
    "value", [math.nan, np.float64("inf"), pd.NaT, object(), b"x", {1, 2}, im.Secret("abcdefgh"), 1j]
)
def test_a_variable_that_json_cannot_say_is_refused(value):
    """Its type is named, never its value."""
    assert "JSON cannot say" in refused("a: $v", {"v": value})
    assert "JSON cannot say" in refused("a: [{b: $v}]", {"v": [value]})


TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(TREE, max_size=4) | st.dictionaries(st.text(), TREE, max_size=4))
def test_json_is_read_as_json(tree):
    """Any JSON comes back as it is, but for a text that begins with a dollar."""
    text = json.dumps(tree)
    if "$" not in text:
        assert read_body(text, {}) == json.loads(text)


@given(st.text())
def test_no_text_crashes(text):
    """Whatever is typed, it is read or it is one line."""
    try:
        body = read_body(text, {})
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        json.dumps(body, allow_nan=False)


def test_without_the_yaml_library_json_is_read_and_yaml_is_told_what_to_install(monkeypatch):
    """JSON needs nothing; what is none names its line and the extra."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert read_body('{"a": 1}', {}) == {"a": 1}
    said = refused(f"a: 1\n{CANARY}: 2")
    assert 'see line 2 of the cell, column 1. To write YAML: pip install "immune_nb[yaml]"' in said


def test_only_what_takes_a_body_takes_one():
    """`%%immune post` has its body; `%%immune readings` is told where to write; `--help` needs none."""
    assert parse("post /x", {}, "a: 1").body == {"a": 1}
    assert parse("delete /x", {}, None).body is None
    assert parse("post --help", {}, "a: 1: 2").given("help")
    for line in ("readings vib_001", "submit x", "login"):
        with pytest.raises(UsageError, match="takes no cell body"):
            parse(line, {}, "a: 1")


@pytest.mark.parametrize(
    "body", [f"password: {CANARY}", f'{{"api_key": "{CANARY}"}}', f"a: Bearer {CANARY}", f"- token: {CANARY}"]
)
def test_a_secret_in_the_body_is_refused(body):
    """In words that do not repeat it, before anything else is said."""
    with pytest.raises(UsageError, match="No secret belongs in the body of a cell") as caught:
        parse("post /x", {}, body)
    assert CANARY not in str(caught.value)
    assert parse("post /x", {}, "name: hot\nseverity: critical\nnotifications: {channels: [email]}").body
