"""Pages read together are what they are when each is read by itself, or they are not read together."""

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_sheets import READING, assert_same, tame_page

from immune_nb.frames.decode import assemble, part_of
from immune_nb.frames.schemas import ALERTS, ANY, READINGS
from immune_nb.frames.sheets import Reader
from immune_nb.frames.stacks import Stacker

DOCUMENTED = {"id": "r", "value": 1.5, "timestamp": "2024-01-20T15:30:00Z"}


def apart(bodies, schema):
    """Each page by itself."""
    return [Reader(schema).read(body) for body in bodies]


def together(bodies, schema):
    """The pages as one, with the part of each; None for one that is to be read by itself."""
    stacker = Stacker(schema)
    return stacker.read_all([stacker.read(body) for body in bodies])


def page(rows, **how):
    return json.dumps({"has_more": True, "data": rows, "total_count": 9}, **how).encode()


@given(st.lists(tame_page, min_size=1, max_size=4), st.sampled_from([ANY, READINGS, ALERTS]))
@example([[{"a": 1, "b": "x"}], [{"b": "x", "a": 1}]], READINGS)
@example([[DOCUMENTED], [{**DOCUMENTED, "a": 2**53 + 1}]], READINGS)
@example([[DOCUMENTED], []], READINGS)
def test_together_is_the_same_as_apart(rows, schema):
    """F34: the same frame, and the same facts of every page, wherever pages are read together at all."""
    bodies = [page(some) for some in rows]
    alone, found = apart(bodies, schema), together(bodies, schema)
    for one, (sheet, _) in [pair for pair in zip(alone, found, strict=True) if pair[1]]:
        assert (sheet.rows, sheet.key(0), sheet.key(-1)) == (one.rows, one.key(0), one.key(-1))
        assert (sheet.about, sheet.mark) == (one.about, one.mark)
    wanted = assemble([part_of(sheet, schema) for sheet in alone], schema)
    parts = [one[1] if one else part_of(sheet, schema) for one, sheet in zip(found, alone, strict=True)]
    assert_same(assemble(parts, schema), wanted)


@pytest.mark.parametrize(
    "bodies",
    [
        [page([READING, READING]), page([READING])],
        [page([READING], indent=2), json.dumps([READING]).encode()],
        [page([{**READING, "unit": "°C"}], ensure_ascii=False), page([READING])],
        [page([{**READING, "batch": 1, "line": "a"}])] * 2,
        [b'{"data":[{"id":"a"}],"meta":{}}', b'{"meta":{"page":2},"data":[{"id":"b"}]}'],
        [page([READING]), page([{**READING, "batch": 1}])],
        [page([{**READING, "a": 1, "b": 2}]), page([{**READING, "b": 1, "a": 2}])],
        [page([{**READING, "batch": 1}]), page([{**READING, "batch": "b"}])],
    ],
)
def test_clean_pages_are_read_together(bodies):
    """Positive control: what this is for is done, pretty or not, in an envelope or bare, with fields of their own,
    which pages that lack them do not get."""
    documented = {(column.name,) for column in READINGS.columns}
    for sheet, one in zip(apart(bodies, READINGS), together(bodies, READINGS), strict=True):
        assert one is not None
        assert one[1].columns.keys() - documented == part_of(sheet, READINGS).columns.keys() - documented


@pytest.mark.parametrize(
    "bodies",
    [
        [page([READING, {**READING, "batch": 1}])] * 2,
        [page([{**READING, "unit": "}{"}])],
        [page([{**READING, "unit": "]["}])],
        [page([{**READING, "timestamp": "soon"}]), page([READING])],
        [b'{"data":[{"id":"a"}{"id":"b"}]}'],
        [b'{"data":[{"id":"a"},]}', page([READING])],
        [b'{"data":[1,2]}'],
        [b'{"data":[],"data":5}'],
        [b'{"data":[{"id":"\xff"}]}'],
        [b'{"data":[{"id":"a"}],"has_more":tru}'],
        [b'{"data":[{"id":"a"}]'],
    ],
)
def test_pages_in_doubt_are_not(bodies):
    """Another number of records than brackets, other fields, broken or odd pages: each is read by itself."""
    with contextlib.suppress(ValueError):  # a body that is no JSON is told when it is taken apart
        assert not any(together(bodies, READINGS))
