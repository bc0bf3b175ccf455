"""Servers that do what the contract leaves open, or what nobody should: rows are whole, or it is said that not."""

import json

import httpx
import pandas as pd
import pytest
from test_windows import BEGIN, DAY, SECOND, Plant, iso, micros

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.frames.decode import decode
from immune_nb.frames.schemas import READINGS
from immune_nb.frames.wide import widen
from immune_nb.session import Session

MINUTE = 60 * SECOND


def session(service):
    profile = im.Profile("lab", "https://api.example/v1")
    transport = httpx.MockTransport(service)
    return Session(profile, find_credentials(profile, {}, api_key="k"), transport=transport, sleep=lambda _: None)


def minutes(count, **how):
    return Plant([BEGIN + n * MINUTE for n in range(count)], **{"page": 1000, **how})


def whole(frame, wanted):
    assert frame.attrs["immune"]["complete"]
    assert sorted(frame["id"]) == sorted(wanted)


def span(count):
    return {"start": iso(BEGIN), "end": iso(BEGIN + count * MINUTE)}


# An answer that is none

ODD = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"data":null}',
    b'"ok"',
    b'{"message":"Service is being maintained"}',
    b"a,b\n1,2",
]


class Interrupted(Plant):
    """A list by its cursor or in windows, of which some answers are another thing."""

    def __init__(self, odd, when, **how):
        super().__init__([BEGIN + n * MINUTE for n in range(300)], page=30, total="absent", **how)
        self.odd, self.when = odd, when

    def __call__(self, request):
        answer = super().__call__(request)
        if len(self.asked) not in self.when:
            return answer
        if isinstance(self.odd, httpx.Response):
            return self.odd
        kind = "text/csv" if self.odd.startswith(b"a,") else "application/json"
        return httpx.Response(200, content=self.odd, headers={"content-type": kind})


@pytest.mark.parametrize("order", ["asc", "by sensor"])
@pytest.mark.parametrize("when", [{2}, {4}])
@pytest.mark.parametrize("odd", [*ODD, httpx.Response(204), httpx.Response(202, json={"status": "queued"})])
def test_an_answer_that_is_no_page_is_asked_for_again(odd, when, order):
    """F15 in the middle of a list, once: whole, by windows and by the cursor, and no row that is none."""
    server = Interrupted(odd, when, order=order)
    whole(session(server).readings(**span(300)), [row["id"] for row in server.rows])


@pytest.mark.parametrize("odd", ODD)
def test_a_list_that_ends_in_something_else_is_not_whole(odd):
    """The same for ever: `IncompleteError` with what came, and nothing that is no reading."""
    server = Interrupted(odd, range(3, 1000), order="by sensor")
    with pytest.raises(im.IncompleteError, match="no page of a list") as caught:
        session(server).readings(**span(300))
    held = caught.value.frame
    assert 0 < len(held) < 300
    assert set(held["id"]) < {row["id"] for row in server.rows}


@pytest.mark.parametrize(
    "body",
    [
        {"data": None, "has_more": False, "total_count": 0},
        {"has_more": False, "total_count": 0},
        {"data": {}, "has_more": False, "total_count": 0},
        {"data": None, "total_count": 0},
    ],
)
def test_an_empty_page_in_every_form_is_no_row(body):
    """Contract 1.4 U: null, nothing or an empty object where the list would be; `get` understands it as well."""
    asks = session(lambda _: httpx.Response(200, json=body))
    for frame in (asks.readings(last="1d"), asks.sensors(), asks.alerts(), asks.get("/things")):
        assert (len(frame), frame.attrs["immune"]["complete"]) == (0, True)
    assert asks.readings(last="1d", wide=True).empty


@pytest.mark.parametrize("body", [{"message": "Down for maintenance"}, {"status": "ok"}])
def test_what_is_no_list_of_a_documented_collection_is_refused(body):
    """An envelope around nothing is no reading, sensor or alert; what the service says is quoted."""
    asks = session(lambda _: httpx.Response(200, json=body))
    for ask in (asks.sensors, asks.alerts, lambda: asks.readings(last="1d")):
        with pytest.raises(im.BadReplyError, match=body.get("message", "no page of a list")):
            ask()


def test_nothing_is_believed_when_it_is_said_again():
    """F15: an empty body once is asked for again; three times, it is an empty list."""
    server = Interrupted(b"", {1})
    whole(session(server).readings(**span(300)), [row["id"] for row in server.rows])
    silent = Interrupted(b"", range(1000))
    assert len(session(silent).readings(**span(300))) == 0
    assert len(silent.asked) == 6  # and once more without a size, which some take for a filter
    for body in ({}, {"data": None}):
        assert len(session(lambda _, body=body: httpx.Response(200, json=body)).sensors()) == 0


class Tokens(Plant):
    """A list that pages by a token, of which the last page is empty."""

    def __init__(self, last):
        super().__init__([BEGIN + n * MINUTE for n in range(300)])
        self.last = last

    def __call__(self, request):
        self.asked.append(dict(request.url.params))
        begin = int(request.url.params.get("cursor", 0))
        rows = self.rows[begin : begin + 100]
        if rows:
            return httpx.Response(200, json={"items": rows, "next_cursor": str(begin + 100)})
        return httpx.Response(204) if self.last is None else httpx.Response(200, json=self.last)


@pytest.mark.parametrize(
    ("last", "requests"),
    [
        ({"items": [], "next_cursor": None}, 4),
        ({"columns": ["id"], "items": []}, 4),
        ({"items": None, "next_cursor": ""}, 4),
        ({"next_cursor": None, "items": {}}, 4),
        (None, 4),
        ({}, 6),
        ({"data": None}, 6),
    ],
)
def test_a_token_may_lead_to_nothing(last, requests):
    """A list may end with an empty page in any form, where nobody said in so many words that there is more."""
    server = Tokens(last)
    whole(session(server).get("/items"), [row["id"] for row in server.rows])
    assert len(server.asked) == requests


def test_a_service_that_counts_is_asked_for_no_more_than_that():
    """`count` says how many there are; beside as many rows it is no doubt, and no way to page is made up."""

    class Counting(Plant):
        def __call__(self, request):
            query = dict(request.url.params)
            self.asked.append(query)
            rows, begin = self.of(query), int(query.get("offset", 0))
            return httpx.Response(200, json={"items": rows[begin : begin + 50], "count": len(rows)})

    server = Counting([BEGIN + n * MINUTE for n in range(1000)])
    whole(session(server).readings(**span(1000)), [row["id"] for row in server.rows])
    assert sum("starting_after" in query for query in server.asked) <= 2
    frame = session(Counting([BEGIN + n * MINUTE for n in range(20)])).readings(**span(20))
    assert "paging" not in frame.attrs["immune"]["detected"]


def test_a_list_that_is_not_filtered_is_fetched_once():
    """Rows behind the range are no sign of a filter that is off, where more time brings the same first page."""
    server = Plant([BEGIN + n * MINUTE for n in range(3000)], page=100, filters=False, total="absent")
    whole(session(server).readings(**span(2000)), [f"r{n}" for n in range(2000)])
    assert sum("starting_after" in query for query in server.asked) <= 31


# Flags and counts


class Flags(Plant):
    """A list in any order, whose flag and count are what they are."""

    def __init__(self, more, total, **how):
        super().__init__([BEGIN + n * MINUTE for n in range(2500)], page=1000, **how)
        self.flag, self.count = more, total

    def __call__(self, request):
        body = json.loads(super().__call__(request).content)
        more = body.pop("has_more")
        body |= {} if self.flag == "absent" else {"has_more": {"null": None, "0/1": int(more)}[self.flag]}
        body["total_count"] = {"null": None, "of all": 2500, "0": 0, "of the page": len(body["data"])}[self.count]
        return httpx.Response(200, json=body)


@pytest.mark.parametrize("order", ["asc", "by sensor"])
@pytest.mark.parametrize("total", ["null", "of all", "0", "of the page"])
@pytest.mark.parametrize("more", ["absent", "null", "0/1"])
def test_a_full_page_without_a_word_is_followed(more, total, order):
    """A thousand were asked for and came: the documented cursor tells whether there are more."""
    server = Flags(more, total, order=order)
    whole(session(server).readings(**span(2500)), [row["id"] for row in server.rows])
    assert len(server.asked) <= 8


def test_a_full_page_that_cannot_be_followed_is_not_called_whole():
    """Neither flag nor count, and every cursor is passed over: as many as were asked for may not be all."""
    rows = minutes(1500).rows[:1000]
    with pytest.raises(im.IncompleteError, match="not understood"):
        session(lambda _: httpx.Response(200, json={"data": rows})).sensors()


# Filters


class PassesOver(Plant):
    """A service that does not know `sensor_id`."""

    def __init__(self, sensors, **how):
        super().__init__([BEGIN + n * MINUTE for n in range(300)], page=100, **how)
        self.rows = [{**row, "sensor_id": sensors[n % len(sensors)]} for n, row in enumerate(self.rows)]

    def of(self, query):
        return super().of({name: value for name, value in query.items() if name != "sensor_id"})


@pytest.mark.parametrize("order", ["asc", "desc", "by sensor"])
@pytest.mark.parametrize("total", ["filtered", "absent", "everything"])
@pytest.mark.parametrize("ids", ["s1", ["s1", "s2"], ["s0", "s1", "s2"]])
def test_rows_of_other_sensors_are_left_out(ids, total, order, tmp_path):
    """A filter that is passed over brings all sensors: the frame and the folder have those that were asked for."""
    server = PassesOver(["s0", "s1", "s2"], total=total, order=order)
    wanted = [row["id"] for row in server.rows if row["sensor_id"] in ids]
    frame = session(server).readings(ids, **span(300))
    whole(frame, wanted)
    assert frame.attrs["immune"]["outside"] > 0
    whole(session(server).readings(ids, **span(300), to=tmp_path / "out").to_pandas().pipe(_receipted), wanted)


@pytest.mark.parametrize("total", ["filtered", "absent", "everything"])
def test_a_page_of_another_sensor_proves_nothing(total):
    """Sorted by sensor, the first page of one is all of another: its stretch of time is no stretch that came."""
    server = PassesOver(["s0", "s1"], total=total, order="by sensor")
    server.rows.sort(key=lambda row: row["sensor_id"])
    whole(session(server).readings("s1", **span(300)), [r["id"] for r in server.rows if r["sensor_id"] == "s1"])


def _receipted(frame):
    frame.attrs["immune"] = {"complete": True}
    return frame


def test_another_name_for_the_same_sensor_is_kept_and_only_others_are_an_error():
    """A service may call one sensor otherwise in its rows; several others, and not the one, is no answer."""
    server = PassesOver(["VIB-1"])
    whole(session(server).readings("vib_001", **span(300)), [row["id"] for row in server.rows])
    with pytest.raises(im.IncompleteError, match="rows of other sensors, and none of 's9'"):
        session(PassesOver(["s0", "s1"])).readings("s9", **span(300))


class Reads(Plant):
    """A service that reads a bound in its own way: a function from the text to an instant, or to what is compared."""

    def __init__(self, instants, reads, **how):
        super().__init__(instants, **{"page": 1000, "bounds": "[)", **how})
        self.reads = reads

    def of(self, query):
        key = self.reads if self.reads is str else lambda text: micros(self.reads(text))
        rows = [row for row in self.rows if query.get("sensor_id") in (None, row["sensor_id"])]
        low, high = query.get("start_time"), query.get("end_time")
        if low:
            rows = [row for row in rows if key(row["timestamp"]) >= key(low)]
        if high:
            rows = [row for row in rows if key(row["timestamp"]) < key(high)]
        return rows[::-1] if self.order == "desc" else rows


def no_fraction(text):
    return text[:19] + "Z"


@pytest.mark.parametrize("reads", [no_fraction, str])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("total", ["filtered", "absent", "everything"])
def test_a_filter_that_drops_or_misreads_fractions_loses_no_row(reads, order, total):
    """Bounds cut to seconds, or compared as texts: rows at the edges of windows come all the same."""
    server = Reads([BEGIN + n * MINUTE for n in range(5000)], reads, order=order, total=total)
    whole(
        session(server).readings("s1", **span(5000)), [row["id"] for row in server.rows if row["sensor_id"] == "s1"]
    )


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("total", ["filtered", "absent", "everything"])
def test_a_filter_that_is_hours_off_is_asked_more(order, total):
    """Times with an offset, compared without it: rows before the start show it, and a day more brings the rest."""

    class Shifted(Plant):
        def of(self, query):
            moved = {
                name: iso(micros(query[name]) - 120 * MINUTE) for name in ("start_time", "end_time") if name in query
            }
            return super().of({**query, **moved})

    server = Shifted([BEGIN + n * MINUTE for n in range(6000)], page=1000, order=order, total=total)
    frame = session(server).readings(start=iso(BEGIN + 1000 * MINUTE), end=iso(BEGIN + 4000 * MINUTE))
    whole(frame, [f"r{n}" for n in range(1000, 4000)])


# Requests


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("total", ["filtered", "absent"])
@pytest.mark.parametrize("whole_seconds", [True, False])
def test_windows_are_not_cut_for_ever(order, total, whole_seconds):
    """A sensor that measures 2,000 times a second, in two seconds: some requests for 40 pages, not thousands."""
    server = Plant([BEGIN + n * 500 for n in range(4000)], page=100, order=order, total=total, whole=whole_seconds)
    whole(session(server).readings(start=iso(BEGIN), end=iso(BEGIN + 2 * SECOND)), [row["id"] for row in server.rows])
    assert len(server.asked) <= 200


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_sparse_range_takes_few_requests(order):
    """A day of readings in ninety, and no count: what one page promises for the rest is tried with a few windows."""
    server = minutes(1440, order=order, total="absent")
    ask = {"start": iso(BEGIN - 89 * DAY), "end": iso(BEGIN + 1440 * MINUTE)}
    whole(session(server).readings(**ask), [row["id"] for row in server.rows])
    assert len(server.asked) <= 20


def test_a_service_that_refuses_large_pages_may_count_everything():
    """The proof that a total is of everything is asked for in smaller pages, too."""

    class Small(Plant):
        def __call__(self, request):
            if int(request.url.params.get("limit", 1)) > 100:
                return httpx.Response(422, json={"message": "limit must not be above 100"})
            return super().__call__(request)

    server = Small([BEGIN + n * MINUTE for n in range(3000)], page=100, total="everything")
    frame = session(server).readings("s1", **span(3000))
    whole(frame, [row["id"] for row in server.rows if row["sensor_id"] == "s1"])


def test_rows_without_an_instant_may_be_wide():
    """A row per reading, as for any instant."""
    rows = [{"id": str(n), "sensor_id": "s", "value": float(n), "timestamp": None} for n in range(2)]
    wide = widen(decode(rows, READINGS)[0])
    assert (wide["s"].tolist(), wide["timestamp"].isna().all()) == ([0.0, 1.0], True)
    assert widen(decode([], READINGS)[0])["timestamp"].dtype == pd.DatetimeTZDtype("us", "UTC")
