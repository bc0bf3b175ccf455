"""Questions to the sandbox, and to services that lie."""

import json
import re

import httpx
import pandas as pd
import pytest
from conftest import day

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.frames import schemas
from immune_nb.queries import Queries
from immune_nb.session import Session

START, END = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
READING = {"sensor_id": "vib_001", "value": 1.0, "unit": "mm/s", "quality": "good", "equipment_id": "p"}


def rows(n):
    """Readings, one a minute from START on."""
    times = pd.date_range(START, periods=n, freq="min")
    return [{**READING, "id": f"r{i}", "timestamp": t.isoformat()} for i, t in enumerate(times)]


class Service:
    """A list of readings over HTTP: pages, filters where `filters` is set, and lies where they are told."""

    def __init__(self, data, *, filters=False, **lies):
        self.data, self.filters, self.lies = data, filters, lies
        self.seen, self.paths = [], []

    def __call__(self, request):
        query = request.url.params
        self.paths.append(request.url.path)
        self.seen.append(dict(query))
        data = [r for r in self.data if self.passes(r, query)] if self.filters else self.data
        begin = next((i + 1 for i, r in enumerate(data) if r["id"] == query.get("starting_after")), 0)
        end = begin + int(query.get("limit", 100))
        return self.page(data, begin, end)

    def page(self, data, begin, end):
        body = {"data": data[begin:end], "has_more": end < len(data), "total_count": len(data), **self.lies}
        return httpx.Response(200, content=json.dumps(body))

    @staticmethod
    def passes(row, query):
        return (
            query.get("sensor_id") in (None, row["sensor_id"])
            and query.get("quality") in (None, row["quality"])
            and query.get("start_time", "") <= row["timestamp"].replace("+00:00", "Z")
            and row["timestamp"].replace("+00:00", "Z") <= query.get("end_time", "9")
        )


class Short(Service):
    """The same, but the last row of every list never comes."""

    def page(self, data, begin, end):
        body = {"data": data[begin : min(end, len(data) - 1)], "has_more": False, "total_count": len(data)}
        return httpx.Response(200, content=json.dumps(body))


def asking(service, **more):
    profile = im.Profile("lab", "https://api.example/v1", **more)
    transport = httpx.MockTransport(service)
    return Session(profile, find_credentials(profile, {}, api_key="k"), transport=transport, sleep=lambda s: None)


def receipt(frame):
    return frame.attrs["immune"]


@pytest.mark.parametrize("kind", [lambda f: f, lambda f: f["id"], lambda f: f["id"].to_numpy()])
def test_sensors_may_be_a_frame(session, kind):
    """A frame of sensors names them by its column id, and a column does as well; so on a line, as in Python."""
    two = session.sensors(type="vibration").head(2)
    frame = session.readings(kind(two), last="1h")
    assert set(frame["sensor_id"]) == set(two["id"]) == set(session.readings(frame, last="1h")["sensor_id"])


def test_a_frame_without_ids_is_named():
    """Not its column names are asked for: nothing is."""
    service = Service([])
    with pytest.raises(im.QueryError, match="The frame has no column sensor_id or id"):
        asking(service).readings(pd.DataFrame({"vib_001": [1.0]}))
    assert not service.seen


def test_a_week_is_whole_and_the_receipt_says_so(session):
    """About 10,000 rows, exactly as many as the service reports, with the promised dtypes."""
    week = session.readings("vib_001", last="7d")
    assert 9_500 < len(week) <= 10_080
    paper = receipt(week)
    assert (paper["rows"], paper["complete"], paper["stopped_by"]) == (len(week), True, "end")
    assert paper["reported_total"] == len(week)
    assert paper["pages"] == -(-len(week) // 1000)
    assert [str(d) for d in week.dtypes] == [c.dtype for c in schemas.READINGS.columns]
    assert week["timestamp"].is_monotonic_increasing


def test_a_receipt_is_json(session):
    """The receipt survives JSON as it is."""
    paper = receipt(session.sensors(limit=3))
    assert json.loads(json.dumps(paper)) == paper


def test_all_sensors_and_the_fields_nobody_documented(session):
    """At least 64 sensors, each with an id, and what else the service sends."""
    sensors = session.sensors()
    assert len(sensors) >= 64
    assert sensors["id"].is_unique
    assert {"unit", "equipment_id"} <= set(sensors.columns)


def test_several_sensors_are_one_frame(session):
    """The API takes one sensor at a time; the frame has all, sorted, and the totals add up."""
    two = session.readings(["vib_001", "temp_001", "vib_001"], last="2h")
    assert set(two["sensor_id"]) == {"vib_001", "temp_001"}
    assert two.equals(two.sort_values(["timestamp", "sensor_id"], ignore_index=True))
    assert receipt(two)["reported_total"] == len(two)
    assert receipt(two)["parameters"]["sensor_id"] == ["vib_001", "temp_001"]


def test_no_sensor_means_all(session):
    """Every sensor that measured in the last five minutes."""
    everything = session.readings(last="5min")
    assert everything["sensor_id"].nunique() > 50


def test_a_limit_is_no_whole_and_says_so(session):
    """Ten rows wanted, ten rows had, and not called complete."""
    few = session.readings("vib_001", last="1d", limit=10)
    assert len(few) == 10
    assert (receipt(few)["complete"], receipt(few)["stopped_by"]) == (False, "limit")
    assert len(session.readings(["vib_001", "temp_001"], last="1d", limit=10)) == 10


def test_alerts_by_status_and_severity(session):
    """Lists are sent comma-separated; every row fits both filters."""
    alerts = session.alerts(status="active", severity=["critical", "warning"])
    assert len(alerts) > 0
    assert set(alerts["status"]) == {"active"}
    assert set(alerts["severity"]) <= {"critical", "warning"}
    assert receipt(alerts)["parameters"] == {"status": "active", "severity": "critical,warning"}


def test_predictions_are_a_frame(session):
    """The assumed endpoint has the webhook's fields."""
    assert session.predictions()["confidence"].between(0, 1).all()


def test_get_reaches_any_endpoint(session):
    """A list with all its pages, and one record as one row."""
    assert len(session.get("/sensors")) == len(session.sensors())
    assert session.get("/sensors/vib_001")["id"].tolist() == ["vib_001"]
    assert len(session.get("/alerts", status="active", severity=None)) == len(session.alerts(status="active"))


def test_request_gives_the_answer_as_it_is(session):
    """Status, headers and data; a form is sent as a form."""
    reply = session.request("GET", "/sensors", params={"limit": 2})
    assert (reply.status, len(reply.data["data"])) == (200, 2)
    assert "x-ratelimit-remaining" in reply.headers
    hook = session.request("POST", "/webhooks", form={"url": "http://127.0.0.1:9/x", "events[]": ["alert.triggered"]})
    assert hook.status in (200, 201)


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: s.readings("no_such_sensor", last="1h"),
        lambda s: s.get("/no/such/path"),
        lambda s: s.sensors(limit=0),
        lambda s: s.sensors(limit=True),
        lambda s: s.readings([]),
        lambda s: s.readings([""]),
        lambda s: s.readings("vib_001", start="2026-01-02", end="2026-01-01"),
        lambda s: s.get("/sensors", where={"a": 1}),
        lambda s: s.get("/sensors", where=object()),
        lambda s: s.get("https://elsewhere.example/sensors"),
        lambda s: s.get("/sensors", api_key="canary"),
    ],
)
def test_a_wrong_question_is_a_query_error(session, ask):
    """Refused by us or by the service; a credential among the parameters is not echoed."""
    with pytest.raises(im.QueryError) as caught:
        ask(session)
    assert "canary" not in str(caught.value)


def test_an_empty_answer_has_columns_and_is_whole(session):
    """A range long before the plant: no rows, all columns, complete."""
    nothing = session.readings("vib_001", start="1999-01-01", end="1999-01-02")
    assert len(nothing) == 0
    assert [str(d) for d in nothing.dtypes] == [c.dtype for c in schemas.READINGS.columns]
    assert receipt(nothing)["complete"]


def test_the_range_is_half_open_whatever_the_service_thinks():
    """A service that includes the end gets its last row clipped, and the receipt counts it."""
    frame = asking(Service(rows(10), filters=True)).readings("vib_001", start=START, end="2026-03-01T00:05Z")
    assert len(frame) == 5
    assert (receipt(frame)["outside"], receipt(frame)["reported_total"], receipt(frame)["complete"]) == (1, 6, True)


def test_a_short_answer_raises_and_holds_what_came():
    """F19: 9 rows where 10 are counted, filters honoured: IncompleteError with the nine; partial returns them."""
    short = Short(rows(10), filters=True)
    with pytest.raises(im.IncompleteError, match="9 of 10 rows .*9 rows came and the service counts 10") as caught:
        asking(short).readings("vib_001", start=START, end=END)
    assert len(caught.value.frame) == 9
    assert receipt(caught.value.frame)["complete"] is False
    assert len(asking(short).readings("vib_001", start=START, end=END, partial=True)) == 9


@pytest.mark.parametrize("ask", [lambda s: s.sensors(), lambda s: s.get("/list"), lambda s: s.readings("vib_001")])
def test_a_service_without_filters_cannot_excuse_its_count(ask):
    """F19: it answers everything alike, so its wrong total is wrong."""
    with pytest.raises(im.IncompleteError):
        ask(asking(Service(rows(9), total_count=10)))


def test_a_total_that_ignores_filters_is_found_out():
    """Contract 1.4 leaves it open: filtered rows under an unfiltered total are whole, after one request more."""
    service = Service(rows(2000), filters=True, total_count=2000)
    frame = asking(service).readings("vib_001", start=START, end="2026-03-01T01:00Z")
    assert (len(frame), receipt(frame)["complete"]) == (60, True)
    assert len(service.seen) == 2


def test_a_total_that_ignores_other_filters_is_found_out_too():
    """The same for a filter that is no time: some record elsewhere does not pass it."""
    mixed = [{**row, "quality": "bad" if i % 2 else "good"} for i, row in enumerate(rows(20))]
    frame = asking(Service(mixed, filters=True, total_count=20)).alerts(quality="bad")
    assert (len(frame), receipt(frame)["complete"]) == (10, True)


def test_a_failure_on_page_three_holds_what_came_before(sandbox, session):
    """F06: the error names the cause, holds true rows of both pages, and what came is not asked for again."""
    week = session.readings("vib_001", start=day(20), end=day(13))
    sandbox.control("POST", "reset")
    sandbox.breaks(path="/v1/readings", after=2, status=503)
    with pytest.raises(im.IncompleteError, match=r"only [\d,]+ of [\d,]+ rows arrived: .*told to fail") as caught:
        session.readings("vib_001", start=day(20), end=day(13))
    assert isinstance(caught.value.__cause__, im.UnreachableError)
    held = caught.value.frame
    assert 1000 < len(held) <= 2000
    assert held["id"].is_unique
    assert set(held["id"]) < set(week["id"])
    answered = [entry["query"] for entry in sandbox.log("/v1/readings") if entry["status"] == 200]
    asked = [entry["query"] for entry in sandbox.log("/v1/readings")]
    assert len(answered) == 2
    assert all(asked.count(query) == 1 for query in answered)
    assert max(asked.count(query) for query in asked) <= 5


def test_a_burst_in_the_middle_leaves_no_trace(sandbox, session):
    """F05, F08: 503s, cut bodies: repeated, whole, no duplicates."""
    sandbox.breaks(path="/v1/readings", after=2, next=2, status=503)
    assert receipt(session.readings("vib_001", last="3d"))["complete"]
    sandbox.breaks(path="/v1/readings", after=1, next=1, cut="length")
    frame = session.readings("vib_001", last="3d")
    assert frame["id"].is_unique
    assert receipt(frame)["complete"]


@pytest.mark.parametrize("cut", ["gzip", "json", "chunked"])
def test_a_body_that_is_always_cut_never_makes_a_frame(sandbox, session, cut):
    """F09, F10, F13: gzip without its end, JSON without its end, a broken chunk: an error, never fewer rows."""
    sandbox.breaks(path="/v1/readings", cut=cut)
    with pytest.raises(im.ServiceError):
        session.readings("vib_001", last="1h")


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"page": "empty", "after": 1}, "empty page"),
        ({"count_off": 3}, "the service counts"),
        ({"count_off": -3}, "the service counts"),
    ],
)
def test_a_lying_list_is_never_called_whole(sandbox, session, switches, reason):
    """F16 to F19 at a real server: IncompleteError says which."""
    sandbox.breaks(path="/v1/readings", **switches)
    with pytest.raises(im.IncompleteError, match=reason):
        session.readings("vib_001", start=day(20), end=day(17))


def test_a_cursor_that_is_ignored_is_never_called_the_end(sandbox, session):
    """F16: every page is the second again. Windows need no cursor; who follows it is told that it repeats."""
    question = {"start_time": f"{day(20)}T00:00:00Z", "end_time": f"{day(17)}T00:00:00Z"}
    truth = session.readings("vib_001", start=day(20), end=day(17))
    sandbox.breaks(path="/v1/readings", page="repeat", after=2)
    with pytest.raises(im.IncompleteError, match="repeats"):
        session.get("/readings", sensor_id="vib_001", **question)
    sandbox.breaks(path="/v1/readings", page="repeat", after=2)
    again = session.readings("vib_001", start=day(20), end=day(17))
    pd.testing.assert_frame_equal(again, truth)


def test_a_sensor_that_fails_takes_no_other_along(sandbox, session):
    """Two sensors, the service going down in between: the error holds rows that came, and says that some did not."""
    whole = session.readings(["vib_001", "temp_001"], start=day(20), end=day(19))
    sandbox.breaks(path="/v1/readings", after=2, status=503)
    with pytest.raises(im.IncompleteError) as caught:
        session.readings(["vib_001", "temp_001"], start=day(20), end=day(19))
    assert 0 < len(caught.value.frame) < len(whole)
    assert set(caught.value.frame["id"]) < set(whole["id"])


def test_the_path_of_a_collection_is_the_profiles():
    """Contract 1.3 X: `/sensors/readings` is one line in the profile."""
    service = Service(rows(3))
    asking(service, paths={"readings": "/sensors/readings"}).readings()
    assert service.paths == ["/v1/sensors/readings"]


def test_a_read_only_profile_refuses_to_write():
    """Nothing is sent."""
    service = Service([])
    with pytest.raises(im.QueryError, match="read-only"):
        asking(service, read_only=True).request("post", "/readings", json={})
    assert service.seen == []


@pytest.mark.parametrize("verb", ["sensors", "readings", "alerts", "predictions"])
def test_the_documented_columns_are_the_schemas(verb):
    """Every row of a column table in a docstring is a column of that dtype, in that order."""
    table = re.findall(r"^ {12}(\w+) {2,}(\S+(?: UTC\])?)", getattr(Queries, verb).__doc__, re.MULTILINE)
    schema = getattr(schemas, verb.upper())
    assert table == [(column.name, column.dtype) for column in schema.columns]


@pytest.mark.parametrize(
    ("body", "rows", "copies"),
    [
        (r'{"data":[{"id":"b"},{"id":"a\ud800"}]}', 2, 0),
        (r'[{"id":"a","m":"\ud800"},{"id":"a","m":"\ud800"}]', 1, 1),
        (r'{"data":[{"id":"\ud800"},{"id":"\ud800"}]}', 1, 1),
    ],
)
def test_half_a_character_in_an_answer_loses_nothing(body, rows, copies):
    """F36: a lone surrogate in an id or a text is sorted, compared and told like any other."""
    session = asking(lambda _: httpx.Response(200, content=body, headers={"content-type": "application/json"}))
    for frame in (session.get("/things"), session.sensors(), session.alerts()):
        assert (len(frame), receipt(frame)["duplicates"]) == (rows, copies)


def test_an_answer_that_repeats_the_question_is_no_place_in_a_list():
    """`from` is a date here, as it is a number of records elsewhere: it says nothing of what was skipped."""
    page = {"from": "2024-01-01", "to": "2024-02-01", "total": 3, "data": [{"id": str(n)} for n in range(3)]}
    frame = asking(lambda _: httpx.Response(200, json=page)).get("/events", **{"from": "2024-01-01"})
    assert (len(frame), receipt(frame)["complete"]) == (3, True)


def test_a_cursor_that_cannot_be_sent_is_said():
    """Half a character as the place to go on from: the rows that came are held."""
    page = r'{"data":[{"id":"a"}],"has_more":true,"next_cursor":"\ud800"}'
    session = asking(lambda _: httpx.Response(200, content=page, headers={"content-type": "application/json"}))
    with pytest.raises(im.ImmuneError) as caught:
        session.get("/things")
    assert isinstance(caught.value, im.IncompleteError | im.QueryError)
