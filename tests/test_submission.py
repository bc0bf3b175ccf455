"""Readings on their way out: what may be sent, and what an answer says became of each."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immune_nb.errors import BadReplyError, QueryError
from immune_nb.fetch.client import Reply
from immune_nb.fetch.outcomes import ACCEPTED, REJECTED, UNKNOWN, outcomes_of
from immune_nb.frames.submission import submission_of
from immune_nb.replies import sealed

GOOD = {"sensor_id": "vib_001", "value": 1.5, "unit": "mm/s", "timestamp": "2026-01-02T03:04:05Z"}


def sent(**changes):
    """One reading with some fields changed, as it is sent."""
    (row,) = submission_of({**GOOD, **changes}).rows
    return row


def refusal(readings):
    with pytest.raises(QueryError) as caught:
        submission_of(readings)
    assert "\n" not in str(caught.value)
    assert caught.value.status is None
    return caught.value


@pytest.mark.parametrize(
    ("given", "out"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00Z"),
        ("2026-01-02", "2026-01-02T00:00:00Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
        (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00Z"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=-5))), "2026-01-02T08:00:00Z"),
        (date(2026, 1, 2), "2026-01-02T00:00:00Z"),
        (np.datetime64("2026-01-02T03"), "2026-01-02T03:00:00Z"),
        (pd.Timestamp("2026-01-02", tz="Europe/Berlin"), "2026-01-01T23:00:00Z"),
        (pd.Timestamp(1767322800123456789), "2026-01-02T03:00:00.123456789Z"),
    ],
)
def test_times_are_sent_in_utc_with_every_digit(given, out):
    """Naive is UTC, offsets are converted, nanoseconds are kept."""
    assert sent(timestamp=given)["timestamp"] == out


@pytest.mark.parametrize("value", [0, -1, 2**53, 2**60, np.int64(7), np.float32(0.1), Decimal("2.5"), 1e300, -0.0])
def test_a_number_arrives_as_it_is(value):
    """Whatever type of number it is, what JSON says of it is the same number."""
    out = sent(value=value)["value"]
    assert json.loads(json.dumps(out)) == value
    assert type(out) in (int, float)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("value", math.nan, "missing"),
        ("value", None, "missing"),
        ("value", pd.NA, "missing"),
        ("value", math.inf, "JSON cannot say"),
        ("value", 2**53 + 1, "9007199254740993 is a whole number that no float64 holds"),
        ("value", np.int64(2**63 - 1), "no float64 holds"),
        pytest.param("value", 10**5000, "no float64 holds", id="too long to write"),
        ("value", True, "no number"),
        ("value", np.True_, "no number"),
        ("value", "1.5", "no number"),
        ("value", 1j, "no number"),
        ("timestamp", pd.NaT, "missing"),
        ("timestamp", np.datetime64("NaT"), "missing"),
        ("timestamp", "yesterday", "no time"),
        ("timestamp", "2026-02-30T00:00:00Z", "no time"),
        ("timestamp", 1767322800, "no time"),
        ("timestamp", "0001-01-01T00:00:00+10:00", "out of reach"),
        ("sensor_id", "", "empty"),
        ("sensor_id", 7, "no text"),
        ("sensor_id", math.nan, "missing"),
        ("unit", None, "missing"),
        pytest.param("unit", "\ud800", "half a character", id="half a character"),
        ("quality", "good", "no field of a reading"),
    ],
)
def test_what_cannot_be_sent_is_named_by_row_and_field(field, value, word):
    """The row, the field, the value: in one line, before anything is sent."""
    said = str(refusal([GOOD, {**GOOD, field: value}]))
    assert "row 1: " in said
    assert field in said
    assert word in said


def test_every_fault_is_named_with_all_its_rows():
    """Two faults over many rows: each with its rows, counted once; what one line cannot hold is in `.faults`."""
    rows = [dict(GOOD) for _ in range(10)]
    for n in (1, 4, 5, 6):
        rows[n]["value"] = math.nan
    del rows[4]["unit"]
    said = str(refusal(rows))
    assert "4 of 10 readings cannot be sent: rows 1, 4–6: value is missing; row 4: unit is missing." in said
    many = refusal([{**GOOD, "value": f"text {n}"} for n in range(40)])
    assert len(many.faults) == 40
    assert "and 28 more, in .faults" in str(many)


def test_a_frame_is_sent_as_it_is():
    """Categories, nullable text, float32, a time index: values and order survive, and so does the index."""
    frame = pd.DataFrame(
        {
            "unit": pd.array(["mm/s", "°C"], dtype="string"),
            "value": np.array([1.5, 20], dtype="float32"),
            "sensor_id": pd.Categorical(["vib_001", "temp_001"]),
            "timestamp": pd.to_datetime(["2026-01-02T03:04:05", "2026-01-02T03:04:06"]),
        },
        index=[10, 7],
    )
    submission = submission_of(frame)
    assert submission.rows[0] == GOOD
    assert list(submission.index) == [10, 7]
    assert submission_of(frame.set_index("timestamp")).rows == submission.rows
    assert submission_of(frame.iloc[0]).rows == submission_of(frame.to_dict("records")).rows[:1]


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (pd.DataFrame([GOOD]).drop(columns="unit"), "there is no column unit"),
        (pd.DataFrame([{**GOOD, "quality": "good", "id": "r1"}]), "quality is no field of a reading that is sent"),
        (pd.concat([pd.DataFrame([GOOD]), pd.DataFrame([GOOD])[["value"]]], axis=1), "value is there twice"),
    ],
)
def test_other_columns_are_refused_not_dropped(frame, word):
    """Nothing is left out in silence: the line says what to give instead."""
    said = str(refusal(frame))
    assert word in said
    assert "frame[['sensor_id', 'value', 'unit', 'timestamp']]" in said


@pytest.mark.parametrize("given", [7, "vib_001", b"x", None, [1], ["text"]])
def test_what_holds_no_readings_is_refused(given):
    """A wrong type is one line."""
    refusal(given)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.binary()


@given(st.lists(st.dictionaries(st.sampled_from([*GOOD, "other"]), LEAVES)))
def test_either_all_of_it_is_json_or_it_is_refused(rows):
    """Whatever comes in: what is let through survives JSON and UTF-8, and everything else is a QueryError."""
    out, faults = None, ()
    try:
        out = submission_of([{**GOOD, **row} for row in rows]).rows
    except QueryError as error:
        faults = error.faults
    assert (out is None) == bool(faults)
    if out is None:
        return
    assert json.loads(json.dumps(out, ensure_ascii=False, allow_nan=False).encode()) == out
    assert [set(row) for row in out] == [set(GOOD)] * len(rows)


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.just(UTC)),
    st.text(st.characters(codec="utf-8"), min_size=1),
)
def test_what_is_sent_means_what_was_given(value, instant, text):
    """The same number, instant and text, from a record and from a frame alike."""
    row = {"sensor_id": text, "value": value, "unit": text, "timestamp": instant}
    (out,) = submission_of(row).rows
    assert (out["value"], out["sensor_id"], out["unit"]) == (value, text, text)
    assert datetime.fromisoformat(out["timestamp"]) == instant
    assert submission_of(pd.DataFrame([row])).rows == [out]


def reply(body, status=200, kind="application/json"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {"content-type": kind}, content, "POST /readings/batch")


A, R, U = ACCEPTED, REJECTED, UNKNOWN


@pytest.mark.parametrize(
    ("status", "body", "states"),
    [
        (201, b"", [A, A, A]),
        (204, b"", [A, A, A]),
        (207, b"", [U, U, U]),
        (200, {"ok": True}, [A, A, A]),
        (200, {"data": ["a", "b", "c"]}, [A, A, A]),
        (200, [{"id": 1}, {"id": 2}, {"id": 3}], [A, A, A]),
        (207, {"data": [{"status": "accepted"}, {"status": "rejected", "error": "no"}, {"status": 201}]}, [A, R, A]),
        (207, {"results": [{"index": 2, "status": 422}, {"index": 0, "status": 200}, {"index": 1}]}, [A, A, R]),
        (207, {"results": [{"row": 1, "ok": True}, {"row": 2, "ok": False}, {"row": 3, "ok": True}]}, [A, R, A]),
        (207, {"results": [{"status": "created"}, {"status": "wobbly"}, {"status": "skipped"}]}, [A, U, R]),
        (200, {"errors": [{"index": 1, "message": "value too high"}]}, [A, R, A]),
        (200, {"accepted": 2, "failed": [{"index": 0, "reason": "late"}]}, [R, A, A]),
        (200, {"errors": [{"message": "value too high"}]}, [U, U, U]),
        (200, {"accepted": 2, "rejected": 1}, [U, U, U]),
        (200, {"accepted": 3, "rejected": 0}, [A, A, A]),
        (200, {"created": 1}, [U, U, U]),
        (200, {"data": ["a", "b"]}, [U, U, U]),
        (200, {"data": {"accepted": 2, "rejected": 1}}, [U, U, U]),
        (200, {"summary": {"failed": 1}, "results": None}, [U, U, U]),
        (207, {"data": {"results": [{"status": "ok"}, {"status": "invalid"}, {"status": "ok"}]}}, [A, R, A]),
        (200, {"accepted": ["a", "b"], "rejected": []}, [U, U, U]),
        (201, {"inserted": ["a", "b", "c"], "errors": []}, [A, A, A]),
        (200, {"errors": [{"index": 1, "message": "low"}, {"index": 1, "message": "late"}]}, [A, R, A]),
        (207, {"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "rejected": 1}, [U, U, U]),
        (200, {"success": False, "error": {"message": "plant closed"}}, [R, R, R]),
        (200, {"status": "error", "message": "plant closed"}, [R, R, R]),
        (207, {"errors": [{"index": 7}]}, [U, U, U]),
        (200, b'{"data": [{"sta', [U, U, U]),
        (200, [None, True, {}], [U, U, A]),
    ],
)  # fmt: skip
def test_an_answer_is_read_in_every_usual_shape(status, body, states):
    """An outcome per row, failures alone, ids, counts, nothing; what the answer leaves open is unknown."""
    assert [outcome.status for outcome in outcomes_of(reply(body, status), 3)] == states


def test_a_page_for_people_is_no_success():
    """F14: a login page with 200 says nothing of the rows; a plain OK does."""
    assert outcomes_of(reply(b"<html>Sign in</html>", kind="text/html"), 2)[0].status == UNKNOWN
    assert outcomes_of(reply(b"OK", kind="text/plain"), 2)[0].status == ACCEPTED


def test_ids_and_reasons_are_kept():
    """The id of an accepted row, and the service's words of a refused one, with its field."""
    error = {"error": {"message": "No such sensor.", "code": "SENSOR_NOT_FOUND", "details": {"field": "sensor_id"}}}
    first, second = outcomes_of(reply({"data": [{"id": 41}, {"status": "rejected", **error}]}, 207), 2)
    assert (first.id, second.message) == ("41", "No such sensor (field sensor_id)")
    (one,) = outcomes_of(reply({"data": {"id": "r_9", "value": 1}}, 201), 1)
    assert (one.status, one.id) == (ACCEPTED, "r_9")
    nested = {"id": "r_8", "meta": {"results": ["x"], "failed": 3}}
    (one,) = outcomes_of(reply(nested, 201), 1)
    assert (one.status, one.id) == (ACCEPTED, "r_8")
    (refused,) = outcomes_of(reply({"errors": [{"msg": "late"}]}), 1)
    assert refused.status == REJECTED


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["accepted", "rejected"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "errors", "index", "status", "error", "id", "accepted"]), inner)
    ),
    max_leaves=20,
)


@given(TREES, st.sampled_from([200, 201, 202, 207]), st.integers(1, 5))
def test_any_answer_gives_one_outcome_per_row(body, status, count):
    """No body, however odd, crashes the reading or loses a row; a refusal says why."""
    found = outcomes_of(reply(body, status), count)
    assert len(found) == count
    assert all(outcome.message for outcome in found if outcome.status != ACCEPTED)


def test_secrets_in_an_answer_are_sealed():
    """By name or by form, however deep; what is none stays as it is."""
    body = {
        "id": "w1",
        "data": [{"signing_secret": "abc123456", "n": 1}],
        "apiKey": "k9876543",
        "x": "whsec_12345678",
    }
    shown = repr(sealed(body))
    assert not any(text in shown for text in ("abc123456", "k9876543", "whsec_12345678"))
    assert sealed(body)["data"][0]["signing_secret"].reveal() == "abc123456"
    deep = {}
    for _ in range(2000):
        deep = {"a": deep}
    with pytest.raises(BadReplyError, match="beyond reason"):
        sealed(deep)
    assert sealed({"keys": ["a"], "note": "secretive", "token_count": 3}) == {
        "keys": ["a"],
        "note": "secretive",
        "token_count": 3,
    }
