"""Records to frames: columns, dtypes, and nothing lost in silence."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immune_nb.frames.decode import assemble, decode, part_of
from immune_nb.frames.schemas import ALERTS, ANY, PREDICTIONS, READINGS, SENSORS
from immune_nb.frames.sheets import Reader

READING = {
    "id": "r1",
    "sensor_id": "vib_001",
    "equipment_id": "pump_001",
    "value": 2.5,
    "unit": "mm/s",
    "timestamp": "2024-01-20T15:30:00Z",
    "quality": "good",
}


def frame(*records, schema=ANY):
    return decode(records, schema)[0]


def same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize("schema", [READINGS, SENSORS, ALERTS, PREDICTIONS])
def test_an_empty_frame_has_the_columns_and_dtypes_of_a_full_one(schema):
    """No rows is not a special case."""
    empty = frame(schema=schema)
    assert list(empty.columns) == [column.name for column in schema.columns]
    assert [str(dtype) for dtype in empty.dtypes] == [column.dtype for column in schema.columns]
    assert len(empty) == 0


def test_a_reading_has_its_dtypes():
    """The dtypes the documentation of `readings` promises."""
    got = frame(READING, schema=READINGS)
    assert [str(dtype) for dtype in got.dtypes] == [column.dtype for column in READINGS.columns]
    assert got.timestamp[0] == pd.Timestamp("2024-01-20T15:30:00", tz="UTC")
    assert list(got["quality"].cat.categories) == ["good", "questionable", "bad"]


@pytest.mark.parametrize("words", [1, 127, 128, 200])
def test_pages_of_ever_new_words_are_one_category(words):
    """However many words a page has, and all pages together, each row keeps its own, and a missing one is missing."""
    pages = [[{**READING, "unit": f"u{page}_{n}"} for n in range(words)] for page in range(3)]
    pages[1].append({**READING, "unit": None})
    parts = [part_of(Reader(READINGS).read(json.dumps(page).encode()), READINGS) for page in pages]
    units = assemble(parts, READINGS).frame["unit"]
    assert units.astype(object).where(units.notna(), None).tolist() == [r["unit"] for page in pages for r in page]
    assert len(units.cat.categories) == 3 * words


def test_a_reading_with_only_the_sure_fields_is_a_row():
    """Contract 1.3: every field but four is optional on read."""
    got = frame({k: READING[k] for k in ("id", "sensor_id", "value", "timestamp")}, READING, schema=READINGS)
    assert got["unit"].isna().tolist() == [True, False]
    assert str(got["unit"].dtype) == "category"


def test_unknown_words_and_fields_survive():
    """Open enums and open records: a new word is a category, a new field a column behind the known ones."""
    got = frame({**READING, "quality": "excellent", "batch": 7}, READING, schema=READINGS)
    assert got["quality"].tolist() == ["excellent", "good"]
    assert list(got.columns) == [*(c.name for c in READINGS.columns), "batch"]
    assert got["batch"].dtype == "Int64"


def test_rows_are_sorted_by_time_and_then_sensor():
    """Whatever order the server has, ours is one."""
    late = {**READING, "timestamp": "2024-01-20T15:31:00Z"}
    other = {**READING, "sensor_id": "temp_001"}
    got = frame(late, READING, other, schema=READINGS)
    assert list(zip(got.timestamp.dt.minute, got.sensor_id, strict=True)) == [
        (30, "temp_001"),
        (30, "vib_001"),
        (31, "vib_001"),
    ]
    assert isinstance(got.index, pd.RangeIndex)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-01-20T15:30:00.123456Z", "2024-01-20T15:30:00.123456"),
        ("2024-01-20T15:30:00+02:00", "2024-01-20T13:30:00"),
        ("2024-01-20T15:30", "2024-01-20T15:30:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59"),
        (1705764600, "2024-01-20T15:30:00"),
        (1705764600000, "2024-01-20T15:30:00"),
        (1705764600000000, "2024-01-20T15:30:00"),
        (1705764600000000000, "2024-01-20T15:30:00"),
        (1705764600.5, "2024-01-20T15:30:00.5"),
    ],
)
def test_times_in_every_form_are_the_same_instant(text, instant):
    """F35: zone, offset, naive as UTC, fractions, far years, epoch in s, ms, µs and ns."""
    got, coerced = decode([{**READING, "timestamp": text}, READING], READINGS)
    assert pd.Timestamp(instant, tz="UTC") in set(got["timestamp"])
    assert coerced == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [("timestamp", "soon"), ("timestamp", "2024-13-40"), ("timestamp", True), ("timestamp", 1e300)]
    + [("timestamp", "2024-01-20T15:30:00.123456789Z"), ("value", "n/a"), ("value", 2**53 + 1), ("value", [1])],
)
def test_what_does_not_fit_is_counted(field, value):
    """Nothing is coerced without a count: the bad value is missing or rounded, and said to be."""
    got, coerced = decode([{**READING, field: value}, READING], READINGS)
    assert len(got) == 2
    assert coerced == {field: 1}


@pytest.mark.parametrize("value", [None, float("nan"), math.inf, -math.inf, "3.5", 2**53, 0])
def test_what_fits_is_not_counted(value):
    """F33: null, NaN and the infinities are values of a float."""
    assert decode([{**READING, "value": value}], READINGS)[1] == {}


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**70, -(2**63), -(2**63) - 1])
def test_whole_numbers_beside_nulls_are_exact(number):
    """F32: pandas would round them through float64."""
    got = frame({"n": number}, {"n": None}, {})
    assert got["n"][0] == number
    assert got["n"].isna().tolist() == [False, True, True]


def test_a_float_never_swallows_a_big_integer():
    """F32: mixed with a float the exact integer stays itself."""
    assert frame({"n": 2**53 + 1}, {"n": 0.5})["n"].tolist() == [2**53 + 1, 0.5]


def test_ids_keep_their_zeros_and_ids_sent_as_numbers_are_text():
    """F37: `"00123"` is not 123."""
    got = frame({"id": "00123"}, {"id": 123}, {"id": None}, schema=SENSORS)
    assert set(got["id"].dropna()) == {"00123", "123"}
    assert got["id"].isna().sum() == 1


def test_what_a_float_cannot_hold_is_counted():
    """F32 in a documented number: too large is missing, rounded and true are kept, and each of the three is told."""
    values = [10**400, 2**53 + 1, True, 3, None]
    table, lost = decode([{"id": str(n), "value": value} for n, value in enumerate(values)], READINGS)
    assert table["value"].fillna(-1).tolist() == [-1, 2.0**53, 1, 3, -1]
    assert lost == {"value": 3}


def test_nesting_is_flattened_without_collisions():
    """F36: `a.b` beside nested `a: {b}` are two columns, whichever comes first."""
    plain, nested = {"a.b": 1}, {"a": {"b": 2, "c": {}}}
    for records in ((plain, nested), (nested, plain)):
        got = frame(*records)
        assert set(got.columns) == {"a.b", "a.b_", "a.c"}
        assert got["a.b"].dropna().tolist() == [1]
        assert got["a.b_"].dropna().tolist() == [2]


def test_odd_text_survives():
    """F36: emoji, right-to-left, a NUL, a lone surrogate, and keys that differ only in composition."""
    texts = ["🌡", "\u05d0\u202e", "a\x00b", "\ud800", "é"]
    assert frame(*({"t": text} for text in texts))["t"].tolist() == texts
    assert len(frame({"é": 1, "e\u0301": 2}).columns) == 2
    assert frame({"\ud800": 1}).columns.tolist() == ["\\ud800"]
    assert frame({**READING, "unit": "\ud800"}, schema=READINGS)["unit"][0] == "\ud800"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["a", None], "string"),
        ([True, None], "boolean"),
        ([1, None], "Int64"),
        ([1, 0.5], "float64"),
        (["2024-01-20T15:30:00Z", None], "datetime64[us, UTC]"),
        (["2024-01-20T15:30:00Z", "later"], "string"),
        (["2024-01-20", "2024-01-21"], "string"),
        ([1, "a"], "object"),
        ([[1], None], "object"),
        ([None], "object"),
    ],
)
def test_unknown_columns_get_the_narrowest_exact_dtype(values, dtype):
    """What a column is follows from all its values, nulls aside."""
    got = frame(*({"x": value} for value in values))["x"]
    assert str(got.dtype) == dtype


def test_scalars_become_a_column():
    """A list of numbers is a frame of one column."""
    assert frame(1, 2)["value"].tolist() == [1, 2]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.just("2024-01-20T15:30:00Z"),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc."), inner, max_size=2)
)
records = st.lists(st.dictionaries(st.sampled_from(["id", "value", "timestamp", "a", "a.b"]), values), max_size=6)


@settings(max_examples=100, deadline=None)
@given(records, st.sampled_from([ANY, READINGS]))
def test_any_records_make_a_frame_of_as_many_rows(rows, schema):
    """F34: mixed types, huge numbers, nesting, missing fields: never a crash, never a row more or less."""
    got, coerced = decode(rows, schema)
    assert len(got) == len(rows)
    assert all(0 < count <= len(rows) for count in coerced.values())
    same(got, decode(rows, schema)[0])


@given(st.lists(st.dictionaries(st.sampled_from("abc"), scalars, min_size=1), min_size=1, max_size=6))
def test_every_value_is_found_again(rows):
    """F34: a flat record's values come back equal, whatever stands beside them."""
    got = frame(*rows)
    for number, row in enumerate(rows):
        for name, value in row.items():
            found = got[name].iloc[number]
            if value is None or value != value:
                assert pd.isna(found)
            elif isinstance(found, pd.Timestamp):
                assert found == pd.Timestamp(value)
            else:
                assert found == value
                assert isinstance(found, np.bool_ | bool) is isinstance(value, bool)
