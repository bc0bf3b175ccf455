"""Following a list: to its end, or to an honest stop."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immune_nb.errors import QueryError, UnreachableError
from immune_nb.fetch.client import Reply
from immune_nb.fetch.crops import Listing
from immune_nb.fetch.harvest import Harvest
from immune_nb.fetch.reconcile import agrees, joined
from immune_nb.frames.schemas import ANY

ROWS = [{"id": f"r{n}", "value": n} for n in range(250)]
HERE = "https://api.example/v1/list"


def reply(body, **headers):
    return Reply(200, headers, json.dumps(body).encode() if body is not None else b"", "GET /v1/list", HERE)


class Asking:
    """A client that only asks."""

    refusals = 0

    def __init__(self, ask):
        self.ask = ask

    def send(self, method, path, *, params, check, halt):
        answer = self.ask(path, params)
        check(answer)
        return answer

    def cut(self):
        pass


class Crop:
    """What came of a list, as values: its rows, each once, and the truth about them."""

    def __init__(self, crop):
        frame, _, twice = joined([crop], ANY)
        rows = [{k: v for k, v in row.items() if not (v is None or v != v)} for row in frame.to_dict("records")]
        self.records = [row["value"] if list(row) == ["value"] else row for row in rows]
        self.duplicates, self.totals = twice[0], crop.totals
        self.stopped_by, self.error = crop.stopped_by, crop.error
        self.counts_agree = agrees(crop, self.duplicates)


def harvest(ask, path, params, limit=None, page_size=None):
    return Crop(Harvest(Asking(ask), [Listing(path, params, ANY, limit=limit, page_size=page_size)]).reap()[0])


class Documented:
    """A list as api-contract 1.4 has it."""

    def __init__(self, rows=ROWS, **lies):
        self.rows = rows
        self.lies = lies
        self.asked = []

    def __call__(self, path, params):
        self.asked.append(dict(params))
        ids = [row["id"] for row in self.rows]
        begin = ids.index(params["starting_after"]) + 1 if "starting_after" in params else 0
        end = begin + int(params.get("limit", 100))
        page = {"data": self.rows[begin:end], "has_more": end < len(self.rows), "total_count": len(self.rows)}
        return reply({**page, **self.lies})


@given(total=st.integers(0, 60), size=st.integers(1, 20), limit=st.one_of(st.none(), st.integers(1, 70)))
def test_any_list_in_any_pages_is_whole(total, size, limit):
    """Whatever the page size, the rows are all there once, in order, and so is the limit's truth."""
    crop = harvest(Documented(ROWS[:total]), "/list", {}, limit=limit, page_size=size)
    assert crop.records[:limit] == ROWS[:total][:limit]
    assert crop.stopped_by == ("limit" if limit is not None and limit < total else "end")
    assert crop.stopped_by == "limit" or crop.counts_agree


def test_a_page_is_as_large_as_allowed_and_no_larger_than_needed():
    """1,000 a page where the documentation says so, fewer when fewer are wanted; none sent to an unknown list until
    the documented cursor has worked there."""
    service = Documented()
    harvest(service, "/list", {"a": "b"}, page_size=1000)
    harvest(service, "/list", {}, page_size=1000, limit=3)
    harvest(service, "/list", {})
    assert service.asked[:3] == [{"a": "b", "limit": "1000"}, {"limit": "3"}, {}]
    assert service.asked[3:] == [{"starting_after": "r99"}, {"limit": "1000", "starting_after": "r199"}]


def test_backwards_paging_goes_on_backwards():
    """`ending_before` continues with the first record's id."""
    pages = [{"data": ROWS[10:20], "has_more": True}, {"data": ROWS[0:10], "has_more": False}]
    asked = []

    def ask(path, params):
        asked.append(params)
        return reply(pages.pop(0))

    assert len(harvest(ask, "/list", {"ending_before": "r20"}).records) == 20
    assert asked[1]["ending_before"] == "r10"


def test_a_cursor_that_repeats_ends_the_harvest():
    """F16: a server that ignores the cursor, whatever it is called, is asked a few times, not for ever."""
    asked = []

    def ask(path, params):
        asked.append(params)
        return reply({"data": ROWS[:10], "has_more": True})

    crop = harvest(ask, "/list", {}, page_size=10)
    assert crop.stopped_by == "more pages, in a way not understood"
    assert (len(crop.records), crop.duplicates) == (10, 0)
    assert len(asked) < 20


def test_a_next_that_is_itself_ends_the_harvest():
    """F16: the same for a link."""
    crop = harvest(lambda path, params: reply({"items": [1], "next": HERE}), HERE, {})
    assert crop.stopped_by == "a cursor that repeats"


def test_one_page_twice_is_counted_and_not_doubled():
    """F17: the second copy is dropped, and the receipt can say so."""
    pages = [{"data": ROWS[:10], "has_more": True}, {"data": ROWS[5:15], "has_more": False, "total_count": 15}]
    crop = harvest(lambda path, params: reply(pages.pop(0)), "/list", {})
    assert (crop.records, crop.duplicates, crop.counts_agree) == (ROWS[:15], 5, True)


def test_the_same_id_with_other_content_is_kept():
    """F37: what only looks like a duplicate is data."""
    crop = harvest(
        lambda path, params: reply([{"id": 1, "v": 1}, {"id": 1, "v": 2}, {"id": None}, {"id": None}]), "/l", {}
    )
    assert (len(crop.records), crop.duplicates) == (4, 0)


def test_an_empty_page_that_promises_more_is_no_end():
    """F18."""
    pages = [{"data": ROWS[:10], "has_more": True}, {"data": [], "has_more": True}]
    crop = harvest(lambda path, params: reply(pages.pop(0)), "/list", {})
    assert crop.stopped_by == "an empty page that promises more"


@pytest.mark.parametrize(("total", "agrees"), [(10, True), (9, False), (11, False)])
def test_a_wrong_count_does_not_agree(total, agrees):
    """F19: one more or one less than came."""
    crop = harvest(Documented(ROWS[:10], total_count=total), "/list", {})
    assert crop.counts_agree is agrees


def test_a_count_that_changes_underway_agrees_in_between():
    """F20: rows inserted while we read: any total that was stated will do."""
    pages = [
        {"data": ROWS[:10], "has_more": True, "total_count": 20},
        {"data": ROWS[10:20], "has_more": False, "total_count": 21},
    ]
    crop = harvest(lambda path, params: reply(pages.pop(0)), "/list", {})
    assert crop.counts_agree


def test_a_failure_underway_keeps_what_came():
    """F06: pages before the failure are in the harvest, with the failure."""

    def ask(path, params):
        if "starting_after" in params:
            raise UnreachableError("503")
        return reply({"data": ROWS[:10], "has_more": True})

    crop = harvest(ask, "/list", {})
    assert (len(crop.records), crop.stopped_by) == (10, "UnreachableError on page 2")
    assert isinstance(crop.error, UnreachableError)


def test_a_failure_at_once_is_raised():
    """Nothing came: the error is the answer."""

    def ask(path, params):
        raise QueryError("404")

    with pytest.raises(QueryError):
        harvest(ask, "/list", {})


@pytest.mark.parametrize(
    ("first", "headers"),
    [
        ({"results": [1], "next": "https://api.example/v1/list?page=2"}, {}),
        ({"items": [1], "links": {"next": "/v1/list?page=2"}}, {}),
        ({"items": [1], "_links": {"next": {"href": "?page=2"}}}, {}),
        ([1], {"link": '<https://api.example/v1/list?page=1>; rel="prev", <list?page=2>; rel="next"'}),
    ],
)
def test_links_are_followed_from_where_they_stand(first, headers):
    """A `next` in the body or in a Link header (RFC 8288), absolute or relative, with what we asked for."""
    asked = []

    def ask(path, params):
        asked.append((path, dict(params)))
        return reply(first, **headers) if len(asked) == 1 else reply({"items": [2]})

    crop = harvest(ask, "/list", {"size": "1"})
    assert (crop.records, crop.stopped_by) == ([1, 2], "end")
    assert asked[1] == ("https://api.example/v1/list?page=2", {"size": "1"})


@pytest.mark.parametrize(
    "body",
    [{"items": [1], "next_cursor": "abc"}, {"items": [1], "has_more": True}, {"data": [{"a": 1}], "has_more": True}],
)
def test_paging_that_is_not_understood_is_no_end(body):
    """A list that says it goes on, in a way we do not know, is not called whole."""
    assert harvest(lambda path, params: reply(body), "/list", {}).stopped_by == "more pages, in a way not understood"


@pytest.mark.parametrize(
    ("body", "records"),
    [
        ([1, 2], [1, 2]),
        ({"data": []}, []),
        ({"id": "one", "name": "x"}, [{"id": "one", "name": "x"}]),
        ({}, [{}]),
        (None, []),
        (7, [7]),
    ],
)
def test_records_are_found(body, records):
    """F15: a bare list, an empty one, one object, nothing at all."""
    assert harvest(lambda path, params: reply(body), "/list", {}).records == records


def test_a_count_of_the_page_is_no_total():
    """`count` beside a page of as many records says nothing about the list."""
    crop = harvest(lambda path, params: reply({"items": [1, 2], "count": 2}), "/list", {})
    assert crop.totals == []
    assert harvest(lambda path, params: reply({"results": [1, 2], "count": 9}), "/list", {}).totals == [9]
