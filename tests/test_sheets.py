"""Two readers, one truth: what Arrow reads in bulk is what `json` reads row by row, or it is not read by Arrow."""

import itertools
import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from immune_nb.frames.decode import assemble, decode, part_of
from immune_nb.frames.envelopes import find
from immune_nb.frames.schemas import ALERTS, ANY, READINGS
from immune_nb.frames.sheets import Reader

READING = {"id": "r1", "sensor_id": "vib_001", "value": 2.5, "timestamp": "2024-01-20T15:30:00Z", "quality": "good"}


def through(bodies, schema):
    reader = Reader(schema)
    return assemble([part_of(reader.read(body), schema) for body in bodies], schema)[:2]


def exactly(rows, schema):
    """The definition: every record as `json` gives it, one part."""
    return decode(find(json.loads(json.dumps(rows))).records, schema)


def pages(rows, cuts, **how):
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    return [
        json.dumps({"data": rows[a:b], "has_more": b < len(rows), "total_count": len(rows)}, **how).encode()
        for a, b in itertools.pairwise(edges)
    ]


def kinds(frame):
    """The exact Python types in columns of mixed values: 1, 1.0 and True are equal and not the same."""
    return {n: [type(v) for v in frame[n]] for n in frame if frame[n].dtype == object}


def assert_same(got, wanted):
    pd.testing.assert_frame_equal(got[0], wanted[0], check_exact=True)
    assert list(got[0].columns) == list(wanted[0].columns)
    assert kinds(got[0]) == kinds(wanted[0])
    assert got[1] == wanted[1]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["2024-01-20T15:30:00Z", "2024-01-20", "2024-01-20T15:30:00.1234567Z", "2024-01-20 15:30"]),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 1.0, 0.5, -0.0, "", "a", "good", "\ud800"]),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc."), inner, max_size=2)
)
FIELDS = ["id", "value", "timestamp", "quality", "a", "b", "a.b"]
wild = st.lists(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=4), max_size=6)
columns = {  # one kind of value per field and page: what the fast reader is for, and where it may drift
    "id": st.sampled_from(["r1", "r2", None]),
    "value": st.floats(-100, 100) | st.integers(-100, 100) | st.none(),
    "timestamp": st.datetimes().map(lambda t: t.isoformat() + "Z"),
    "quality": st.sampled_from(["good", "bad", "new", None]),
}
kind = st.sampled_from(
    [st.integers(-9, 9), st.floats(-9, 9), st.booleans(), st.text(max_size=3), st.none(), columns["timestamp"]]
)
tame_page = st.builds(lambda a, b: {**columns, "a": a, "b": b}, kind, kind).flatmap(
    lambda fields: st.lists(st.fixed_dictionaries({}, optional=fields), max_size=5)
)


@settings(max_examples=80, deadline=None)
@given(wild, st.lists(st.integers(0, 6), max_size=3), st.sampled_from([ANY, READINGS]))
@example([{"a": 1.0}, {"a": "x"}], [1], ANY)
@example([{"a": 2**53 + 1}, {"a": 0.5}], [1], ANY)
@example([{"a": "2024-01-20T15:30:00Z"}, {"a": "later"}], [1], ANY)
@example([{"id": "\ud800"}, {"id": "r1"}], [1], READINGS)
def test_any_rows_in_any_pages_make_the_same_frame(rows, cuts, schema):
    """F34: wild values, however they are cut: dtypes, values, categories, order, counts."""
    assert_same(through(pages(rows, cuts), schema), exactly(rows, schema))


@settings(max_examples=80, deadline=None)
@given(st.lists(tame_page, max_size=4), st.sampled_from([ANY, READINGS, ALERTS]), st.booleans())
def test_pages_that_drift_make_the_same_frame(drifting, schema, ascii_only):
    """F34: a column of whole numbers on one page and text on the next, new fields, missing ones."""
    bodies = [json.dumps({"data": rows}, ensure_ascii=ascii_only).encode() for rows in drifting]
    assert_same(through(bodies, schema), exactly([row for rows in drifting for row in rows], schema))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"data": [READING, READING], "has_more": True, "total_count": 9}),
        json.dumps({"object": "list", "has_more": False, "items": [READING]}),
        json.dumps([READING]),
        json.dumps({"data": [READING]}, indent=2),
        '{"data": [{"id": "a", "note": "2024-01-20"}], "next": "/v1/list?page=2"}',
        '{"data":[{"x":1}],"total_count":1.5,"at":"2024-01-20T15:30:00Z"}',
        '{"sensors":[{"id":"a"}],"nextPageToken":"t"}',
        '{"_embedded":{"readings":[{"id":"a"}]},"_links":{"next":{"href":"/r?page=2"}},"page":{"number":0}}',
        '{"meta":{"links":[{"rel":"next","href":"/r?page=2"}]},"response":{"docs":[{"id":"a"},{"id":"b"}]}}',
        '{"sensor_id":"vib_001","unit":"mm/s","readings":[{"timestamp":"2024-01-20T15:30:00Z","value":1.5}]}',
    ],
)
def test_a_clean_page_is_read_by_arrow(body):
    """Positive control: the fast reader does read what it is for, and gets the same."""
    sheet = Reader(READINGS).read(body.encode())
    assert sheet.columns is not None
    slow = Reader(READINGS)._exactly(body.encode())
    assert (sheet.rows, sheet.key(0), sheet.key(-1)) == (slow.rows, slow.key(0), slow.key(-1))
    assert sheet.about == slow.about
    assert_same(assemble([part_of(sheet, READINGS)], READINGS), assemble([part_of(slow, READINGS)], READINGS))


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"value":9007199254740993}]}',
        b'{"data":[{"value":1e999}]}',
        b'{"data":[{"value":NaN}]}',
        b'{"data":[{"x":18446744073709551616}]}',
        b'{"data":[{"x":1,"x":2}]}',
        b'{"data":[{"x":"\\ud800"}]}',
        b'{"data":[{"id":7}]}',
        b'{"data":[null]}',
        b'{"data":[1]}',
        b'{"data":[{"x":{"y":1}}]}',
        b'{"data":[{"x":"}"}]}',
        b'{"data":"[{}]"}',
        b'{"a":[{"x":1}],"b":[{"x":1},{"x":2}]}',
        b'{"unit":"mm/s","data":[{"unit":"C","x":1}]}',
        b'{"device_id":100000000000000000000,"data":[{"x":1},{"x":2}]}',
        b'{"value":1,"unit":"mm/s"}',
        b'\xef\xbb\xbf{"data":[]}',
        '{"data":[{"x":"ü"}]}'.encode("utf-16"),
        b"",
        b"null",
        b"{}",
    ],
)
def test_what_arrow_would_round_or_guess_is_left_to_json(body):
    """F14, F15, F32, F33, F36: each of these is read exactly, and Arrow is not believed."""
    sheet = Reader(READINGS).read(body)
    assert sheet.columns is None
    assert sheet == Reader(READINGS)._exactly(body)


@pytest.mark.parametrize(
    "body", [b'{"data":[{"x":1}', b'{"data":[{"x":"\xff"}]}', b'{"data":[{"x":"a\nb"}]}', b"<p>"]
)
def test_what_is_no_json_is_refused_by_both(body):
    """F13, F14: cut short, latin-1, a raw newline in a text, a page of HTML."""
    with pytest.raises(ValueError, match=r"."):
        Reader(READINGS).read(body)


DEEP = """
import sys
from immune_nb.frames.sheets import Reader
from immune_nb.frames.schemas import ANY
opening, closing = sys.argv[1].split("|")
try:
    Reader(ANY).read(('{"data":[{"a":' + opening * 100_000 + "1" + closing * 100_000 + "}]}").encode())
except RecursionError:
    print("refused")
"""


@pytest.mark.parametrize("pair", ["[|]", '{"a":|}'])
def test_depth_beyond_reason_is_an_error_and_not_the_end_of_the_process(pair):
    """F33: a hundred thousand brackets; Arrow's own parser overflows the stack, so a process of its own."""
    done = subprocess.run([sys.executable, "-c", DEEP, pair], capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr


def test_text_that_looks_like_time_stays_text_where_it_is_not_always_time():
    """Arrow takes "2024-01-20" for an instant; a column of it is text, on every page, and keeps its letters."""
    bodies = [json.dumps([{"note": text}]).encode() for text in ("2024-01-20", "later", "2024-01-20T15:30:00Z")]
    frame, _ = through(bodies, ANY)
    assert frame["note"].tolist() == ["2024-01-20", "later", "2024-01-20T15:30:00Z"]


@pytest.mark.parametrize("body", [json.dumps({"data": [READING] * 3}), json.dumps({"data": [READING, 1, READING]})])
def test_a_mask_takes_the_same_rows_of_either_reading(body):
    """Cutting a page at a window's edge, before anything is counted."""
    taken = Reader(READINGS).read(body.encode()).take([True, False, True])
    assert taken.rows == 2
    assert len(assemble([part_of(taken, READINGS)], READINGS)[0]) == 2


def test_the_fields_that_mark_a_page_are_found_wherever_they_stand():
    """The list may come first or last, with or without spaces."""
    for body in ('{"has_more" : true , "n":-1.5e3, "data" : [ {"a":1} ] }', '{"data":[{"a":1}],"has_more":true}'):
        sheet = Reader(ANY).read(body.encode())
        assert sheet.about.asides[0]["has_more"] is True
        assert re.match("r?", str(sheet.key(0)))
