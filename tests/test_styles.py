"""Any answer to a frame: real servers in the style of many services, each giving the right rows, types and end."""

import json

import pandas as pd
import pytest
from servers.scripted import Answer, reply, scripted
from servers.styles import KEY, STYLES, serving

import immune_nb as im
from immune_nb.connecting import connect

ROWS = [
    {
        "id": f"r{n}",
        "n": n,
        "sensor_id": f"{n % 2:05}",  # an id that looks like a number
        "timestamp": (pd.Timestamp("2026-01-01") + pd.Timedelta(minutes=n)).isoformat() + "Z",
        "value": n / 8,
        "unit": "mm/s",
    }
    for n in range(37)
]
TIMES = pd.date_range("2026-01-01", periods=37, freq="min", tz="UTC", unit="us")
GUESSED = {"elastic", "esri", "arcgis", "total_header", "total_pages_header", "wordpress", "postgrest", "thingsboard"}
GUESSED |= {"has_next", "has_next_from_zero"}  # more is promised, and nothing says how to ask for it
SURE = set(STYLES) - GUESSED
ON_ONE_PAGE = {name for name, style in STYLES.items() if style.size == 1000}


@pytest.fixture(scope="module")
def server():
    with serving(ROWS) as served:
        yield served


@pytest.fixture
def session(server):
    server.asked.clear()
    with_key = connect(im.Profile("lab", f"{server.origin}/v1"), api_key=KEY)
    yield with_key
    with_key.logout()


def column(frame, *names):
    """The one column that has this name, or ends in it."""
    found = [c for c in frame if c in names or c.rpartition(".")[2] in names]
    assert len(found) == 1, (names, list(frame))
    return frame[found[0]]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_rows_the_types_and_the_end(server, session, style):
    """Rows once each and in order, values as numbers, instants in UTC, ids as they are, complete, and said how."""
    frame = session.get(f"/{style}")
    paper = frame.attrs["immune"]
    assert (len(frame), paper["complete"], paper["stopped_by"]) == (37, True, "end")
    instants = column(frame, "timestamp", "@timestamp", "time", "timestamps", "phenomenonTime")
    values = column(frame, "value", "result", "vib")
    moved = pd.Timedelta("250ms") if style == "prometheus" else pd.Timedelta(0)
    got = pd.DataFrame({"at": (instants - moved).dt.as_unit("us"), "value": values}).sort_values(
        "at", ignore_index=True
    )
    assert str(instants.dtype) == "datetime64[us, UTC]"
    assert values.dtype == "float64"
    pd.testing.assert_frame_equal(
        got, pd.DataFrame({"at": TIMES, "value": [n / 8 for n in range(37)]}), check_freq=False
    )
    for ids in (frame[name] for name in frame if name.endswith("sensor_id")):
        assert set(ids) == {"00000", "00001"}
    assert paper["detected"]["sure"] is (style in SURE)
    assert ("paging" in paper["detected"]) is (style not in ON_ONE_PAGE)
    assert KEY not in json.dumps(paper)
    assert len(server.asked) < 25


@pytest.mark.parametrize("style", ["sensorthings", "jsonapi", "github", "slack", "laravel", "total_header"])
def test_a_filter_holds_on_every_page(style):
    """What was asked for is asked for again, where the service's own link leaves it out too."""
    mixed = [{**row, "unit": "C" if row["n"] % 3 else "mm/s"} for row in ROWS]
    with serving(mixed) as server:
        session = connect(im.Profile("lab", f"{server.origin}/v1"), api_key=KEY)
        frame = session.get(f"/{style}", unit="C")
        assert (len(frame), frame.attrs["immune"]["complete"]) == (24, True)
        session.logout()


def test_a_page_of_a_list_may_be_where_one_begins(session):
    """The parameter is the API's own: from there on, and the list's total is not what is asked for."""
    assert len(session.get("/laravel", page=3)) == 17
    assert len(session.get("/jira", startAt=30)) == 7
    assert session.get("/laravel", page=3).attrs["immune"]["complete"]


def test_a_limit_is_kept_on_any_list(session):
    """It is ours: enough pages and no more, and the frame does not call itself whole."""
    few = session.get("/aws", limit=15)
    assert (len(few), few.attrs["immune"]["complete"], few.attrs["immune"]["pages"] < 5) == (15, False, True)


PAGE = [{"id": f"r{n}", "value": n / 8} for n in range(3)]
NEXT = [{"id": f"r{n}", "value": n / 8} for n in range(3, 5)]


@pytest.fixture
def lab():
    """A server that says what it is told to, and a session logged in to it."""
    with scripted() as server:
        session = connect(im.Profile("lab", f"{server.origin}/v1"), api_key=KEY)
        yield server, session
        session.logout()


def incomplete(session, path="/list", **how):
    with pytest.raises(im.IncompleteError) as caught:
        session.get(path, **how)
    assert caught.value.frame.attrs["immune"]["complete"] is False
    assert len(session.get(path, partial=True, **how)) == len(caught.value.frame)
    return caught.value


@pytest.mark.parametrize("where", ["body", "list", "header"])
def test_a_link_to_another_host_is_not_followed(lab, where):
    """The rows so far, the host named, and nobody there is asked anything: no credential, not even a request."""
    server, session = lab
    with scripted() as elsewhere:
        url = f"{elsewhere.origin}/v1/list?page=2"
        said = {
            "body": reply({"items": PAGE, "next": url}),
            "list": reply({"items": PAGE, "links": [{"rel": "next", "href": url}]}),
            "header": reply(PAGE, link=f'<{url}>; rel="next"'),
        }
        server.says("/v1/list", said[where])
        error = incomplete(session)
        assert len(error.frame) == 3
        assert elsewhere.origin in str(error)
        assert elsewhere.requests == []


LINKS = {
    "repeats a key": "/v1/list?page=1&unit=C&unit=C&page=2",
    "has a raw space": "/v1/list?page=2&since=2026-01-01 00:00&unit=C",
    "drops the filter and the format": "/v1/list?page=2",
    "is relative": "list?page=2&unit=C&format=json",
    "is only a query": "?page=2&unit=C&format=json",
    "leaves out where the API starts": "/list?page=2&unit=C&format=json",
    "has a user and a fragment": "http://me:secret@HOST/v1/list?page=2&unit=C&format=json#top",
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_a_link_that_is_not_quite_right_is_followed_rightly(lab, link):
    """The second page is asked for at the same path, with everything the question has, each once."""
    server, session = lab
    host = server.origin.removeprefix("http://")
    server.says("/v1/list", reply({"items": PAGE, "next": link.replace("HOST", host)}), reply({"items": NEXT}))
    frame = session.get("/list", unit="C", format="json")
    assert (len(frame), frame.attrs["immune"]["complete"]) == (5, True)
    second = server.asked("/v1/list")[1]
    assert {**second.query, "since": []} == {"page": ["2"], "unit": ["C"], "format": ["json"], "since": []}
    assert second.headers["authorization"] == f"ApiKey {KEY}"


def test_a_link_that_takes_nothing_beside_it_is_followed_as_it_stands(lab):
    """A server that refuses a filter beside its own cursor: the link alone is right."""
    server, session = lab

    def strict(asked):
        if "cursor" not in asked.query:
            return reply({"items": PAGE, "next": "/v1/list?cursor=c"})
        return (
            reply({"error": {"message": "no filter here"}}, 400) if "unit" in asked.query else reply({"items": NEXT})
        )

    server.says("/v1/list", strict)
    assert len(session.get("/list", unit="C")) == 5


def counting(body):
    """Answers that are each told which number they have."""
    count = iter(range(1_000))
    return lambda asked: reply(body(next(count)))


ENDLESS = {
    "two links that lead to each other": lambda n: {"items": [{"id": n % 2}], "next": f"/v1/list?page={n % 2}"},
    "a new link to the same page for ever": lambda n: {"items": PAGE, "next": f"/v1/list?page={n + 2}"},
    "a new token for the same page for ever": lambda n: {"items": PAGE, "nextPageToken": f"t{n}"},
    "the same token for ever": lambda n: {"items": PAGE, "next_cursor": "c"},
    "empty pages with new links for ever": lambda n: {"items": [] if n else PAGE, "next": f"/v1/list?page={n + 2}"},
    "an empty page that promises more": lambda n: {"items": [], "has_more": True},
    "more without a way to it": lambda n: {"items": [{"value": 1.5}], "hasMore": True},
    "a page number that does not move": lambda n: {"items": PAGE, "page": 1, "total_pages": 9},
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
def test_what_would_never_end_is_ended_and_not_called_whole(lab, body):
    """A few requests, no row twice, and a reason."""
    server, session = lab
    server.says("/v1/list", counting(body))
    with pytest.raises(im.IncompleteError) as caught:
        session.get("/list")
    assert len(server.requests) < 25
    frame = caught.value.frame
    assert "id" not in frame or frame["id"].is_unique
    assert frame.attrs["immune"]["stopped_by"] not in ("", "end")


def test_an_empty_page_on_the_way_is_not_the_end(lab):
    """Azure and DynamoDB send them: the link counts."""
    server, session = lab
    pages = [PAGE, [], NEXT]
    links = ["/v1/list?page=2", "/v1/list?page=3", None]
    server.says("/v1/list", *(reply({"value": p, "nextLink": n}) for p, n in zip(pages, links, strict=True)))
    frame = session.get("/list")
    assert (len(frame), frame.attrs["immune"]["complete"]) == (5, True)


TRUNCATED = {
    "partial": {"items": PAGE, "partial": True},
    "incomplete_results": {"total_count": 3, "incomplete_results": True, "items": PAGE},
    "truncated": {"items": PAGE, "truncated": True},
    "exceededTransferLimit": {"features": PAGE, "exceededTransferLimit": True},
    "in a series": {
        "results": [
            {"series": [{"name": "v", "columns": ["time", "v"], "values": [["2026-01-01", 1]], "partial": True}]}
        ]
    },
    "in what is said of the list": {"items": PAGE, "meta": {"is_partial": "true"}},
    "errors beside data": {"data": {"readings": PAGE}, "errors": [{"message": "a shard is down"}]},
    "shards": {"_shards": {"failed": 1}, "hits": {"total": {"value": 3, "relation": "eq"}, "hits": PAGE}},
    "numberMatched": {"type": "FeatureCollection", "numberMatched": 9, "features": PAGE},
    "a lower bound": {"hits": {"total": {"value": 10_000, "relation": "gte"}, "hits": PAGE}},
    "a token nobody understands": {"odd": {"a": 1}, "nextPageToken": "t"},
}


@pytest.mark.parametrize("body", TRUNCATED.values(), ids=TRUNCATED)
def test_an_answer_that_says_it_is_not_whole_is_not_called_whole(lab, body):
    """Flags and counts of the service, wherever it puts them."""
    server, session = lab
    server.says("/v1/list", reply(body))
    incomplete(session)


WHOLE = {
    "flags that say no": {"items": PAGE, "partial": False, "truncated": False, "error": None, "errors": []},
    "a lone object with a list": {"id": "m1", "name": "pump", "sensors": [{"id": "a"}, {"id": "b"}]},
    "a lone object that has a next": {"id": 1, "next": "/v1/list/2", "total": 7, "error": "stuck"},
    "a bare list": PAGE,
    "a list of a hundred": [{"id": n} for n in range(100)],
    "a total that is met": {"items": PAGE, "total": 3, "page": 1, "per_page": 10},
    "nothing": None,
}


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE)
def test_an_answer_with_no_sign_of_more_is_whole(lab, body):
    """Positive control of the above, in one request."""
    server, session = lab
    server.says("/v1/list", reply(body))
    assert session.get("/list").attrs["immune"]["complete"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("behind", ["empty", "missing", "the last page again"])
def test_a_list_that_only_numbers_its_pages_ends_with_them(lab, rows, behind):
    """No total: a page that is not full is the last, and behind a full last page there may be anything."""
    server, session = lab

    def answer(asked):
        number, last = int(asked.query.get("page", ["1"])[0]), max(1, -(-rows // 2))
        if number > last and behind == "missing":
            return reply({"error": {"message": "no such page"}}, 404)
        number = min(number, last) if behind == "the last page again" and last > 1 else number
        records = [{"id": n} for n in range(rows)][2 * number - 2 : 2 * number]
        return reply({"page": number, "per_page": 2, "items": records})

    server.says("/v1/list", answer)
    frame = session.get("/list")
    assert frame["id"].tolist() == list(range(rows))
    assert frame.attrs["immune"]["complete"]


def test_a_total_of_everything_does_not_spoil_a_filtered_list(lab):
    """Offsets and a total that ignores the filter: the next page is empty, and the total is found out."""
    server, session = lab

    def answer(asked):
        unit, begin = asked.query.get("unit", [""])[0], int(asked.query.get("offset", ["0"])[0])
        records = [{"id": n, "unit": "C" if n % 2 else "F"} for n in range(8)]
        kept = [record for record in records if unit in ("", record["unit"])]
        return reply({"total": 8, "offset": begin, "limit": 10, "items": kept[begin : begin + 10]})

    server.says("/v1/list", answer)
    frame = session.get("/list", unit="C")
    assert (len(frame), frame.attrs["immune"]["complete"]) == (4, True)


@pytest.mark.parametrize(
    "body",
    [
        {"ok": False, "error": "not_authed"},
        {"error": {"code": "X", "message": "not_authed"}},
        {"success": False, "message": "not_authed"},
        {"status": "error", "errors": [{"message": "not_authed"}], "message": "not_authed"},
    ],
)
def test_a_failure_with_status_200_is_no_row(lab, body):
    """Slack, Cloudflare and GraphQL: what the service says is the error."""
    server, session = lab
    server.says("/v1/list", reply(body))
    with pytest.raises(im.BadReplyError, match="not_authed"):
        session.get("/list")


def test_a_waveform_is_one_record(lab):
    """A list of numbers among the fields of a record is a value of one."""
    server, session = lab
    server.says("/v1/wave", reply({"timestamp": "2026-01-01T00:00:00Z", "rate": 1000, "values": [0.5, 0.25]}))
    frame = session.get("/wave")
    assert (len(frame), frame["values"][0], frame["rate"][0]) == (1, [0.5, 0.25], 1000)


@pytest.mark.parametrize("said", ["limit must be at most 100", "unknown parameter limit"])
def test_a_server_that_refuses_the_size_of_a_page_is_asked_without(lab, said):
    """1,000 records a page are documented of IMMUNE only."""
    server, session = lab

    def answer(asked):
        return reply({"error": {"message": said}}, 422) if "limit" in asked.query else reply({"items": PAGE})

    server.says("/v1/sensors", answer)
    assert len(session.sensors()) == 3


def test_a_table_of_text_is_read_as_text_and_what_is_none_is_refused(lab):
    """CSV: numbers where a column has nothing else, ids as they are, a field too many kept; too large is an error."""
    server, session = lab
    kind = [("Content-Type", "text/csv")]
    server.says("/v1/list", Answer(200, kind, b'id,value,note\r\n007,1.5,\r\n008,2,"a, b",more\r\n'))
    frame = session.get("/list")
    assert frame["id"].tolist() == ["007", "008"]
    assert frame["value"].tolist() == [1.5, 2.0]
    assert frame["note"].tolist()[1] == "a, b"
    assert frame["more"].tolist()[1] == ["more"]
    server.says("/v1/list", Answer(200, kind, b"a,b\r\n" + b"x" * 200_000 + b",1\r\n"))
    with pytest.raises(im.BadReplyError):
        session.get("/list")


def test_no_content_is_an_empty_frame(lab):
    """204."""
    server, session = lab
    server.says("/v1/list", Answer(204))
    assert len(session.get("/list")) == 0


STATED = {
    "records": ({"odd": {"rows": PAGE}, "other": {"rows": NEXT}}, {"records": "odd.rows"}, 3),
    "records of a profile": ({"odd": {"rows": PAGE}, "other": {"rows": NEXT}}, {"records": "other.rows"}, 2),
    "one object": ({"odd": {"deep": {"a": 1}}}, {"records": "odd.deep"}, 1),
    "none": ({"items": PAGE}, {"paging": "none"}, 3),
}


@pytest.mark.parametrize(("body", "hints", "rows"), STATED.values(), ids=STATED)
def test_a_person_may_say_where_the_records_are(lab, body, hints, rows):
    """By option and by profile; what is stated is not doubted."""
    server, session = lab
    server.says("/v1/list", reply(body))
    assert len(session.get("/list", **hints)) == rows
    profile = im.Profile("lab", f"{server.origin}/v1", **hints)
    with_profile = connect(profile, api_key=KEY)
    assert len(with_profile.get("/list")) == rows
    server.says("/v1/one", reply({"id": "a"}))
    assert with_profile.get("/one")["id"].tolist() == ["a"]  # a profile speaks of most answers, not of all
    with_profile.logout()


PAGING = {
    "link=more.at": lambda n, q: {"items": [{"id": n}], "more": {"at": None if n == 4 else f"/v1/list?at={n + 1}"}},
    "cursor=odd.mark>from_mark": lambda n, q: {"items": [{"id": n}], "odd": {"mark": n + 1 if n < 4 else None}},
    "cursor=header:X-Mark>from_mark": lambda n, q: {"items": [{"id": n}]},
    "page=sheet": lambda n, q: {"items": [{"id": n}] if n < 5 else []},
    "offset=past": lambda n, q: {"items": [{"id": n}] if n < 5 else []},
    "id=behind": lambda n, q: {"items": [{"id": n}] if n < 5 else []},
}
ASKED = {"link": "at", "cursor": "from_mark", "page": "sheet", "offset": "past", "id": "behind"}


@pytest.mark.parametrize("paging", PAGING)
def test_a_person_may_say_how_a_list_pages(lab, paging):
    """Every form of the option, on a server that nothing could be found out about."""
    server, session = lab
    kind = paging.partition("=")[0]

    def answer(asked):
        at = int(asked.query.get(ASKED[kind], ["1" if kind == "page" else "-1" if kind == "id" else "0"])[0])
        n = at - 1 if kind == "page" else at + 1 if kind == "id" else at
        return reply(PAGING[paging](n, asked.query), **({"x_mark": str(n + 1)} if n < 4 else {}))

    server.says("/v1/list", answer)
    frame = session.get("/list", paging=paging)
    assert frame["id"].tolist() == [0, 1, 2, 3, 4]
    assert frame.attrs["immune"]["complete"]
    assert len(session.get("/list", paging="none")) == 1


def test_a_statement_that_is_wrong_is_one_clear_line(lab):
    """No such field, no such form: nothing is lost and nothing guessed."""
    server, session = lab
    server.says("/v1/list", reply({"items": PAGE}))
    with pytest.raises(im.BadReplyError, match="no 'data.rows'"):
        session.get("/list", records="data.rows")
    with pytest.raises(im.QueryError, match="paging is 'sideways'"):
        session.get("/list", paging="sideways")
    with pytest.raises(im.ConfigError, match="paging is"):
        im.Profile("lab", server.origin, paging="page>p")


@pytest.mark.parametrize(
    "style", ["django", "hal", "laravel", "jira", "google", "github", "geojson", "odata", "influx"]
)
def test_readings_come_from_servers_of_any_style(server, style):
    """The documented collection, its columns and dtypes, where the service wraps and pages it its own way."""
    profile = im.Profile("lab", f"{server.origin}/v1", paths={"readings": f"/{style}"})
    session = connect(profile, api_key=KEY)
    frame = session.readings(start="2026-01-01T00:00Z", end="2026-01-01T00:30Z")
    assert [str(frame[name].dtype) for name in ("timestamp", "sensor_id", "value")][::2] == [
        "datetime64[us, UTC]",
        "float64",
    ]
    if style != "influx":  # which calls its columns otherwise
        assert frame["timestamp"].tolist() == TIMES[:30].tolist()
        assert frame["value"].tolist() == [n / 8 for n in range(30)]
    session.logout()
