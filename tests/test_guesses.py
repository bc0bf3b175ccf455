"""How the next page is asked for, where the answer leaves that open: a wrong guess is noticed, and no row is lost."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from test_pages import ROWS, Asking, Crop, reply

from immune_nb.errors import QueryError
from immune_nb.fetch.crops import Listing
from immune_nb.fetch.harvest import Harvest
from immune_nb.frames.schemas import ANY
from immune_nb.hints import Hints


def harvest(ask, path="/list", params=None, paging="", **how):
    listing = Listing(path, params or {}, ANY, hints=Hints.parse("", paging), **how)
    return Crop(Harvest(Asking(ask), [listing]).reap()[0])


class Service:
    """A list of 250 records; what it does with a parameter that it does not know, it says.

    Args:
        unknown: ``filter`` finds nothing by it, ``refuse`` answers 422, ``ignore`` passes it over.
        known: Its parameters.
        page: Makes an answer of the parameters it knows.
    """

    def __init__(self, page, *known, unknown="filter"):
        self.page, self.known, self.unknown = page, known, unknown
        self.asked = []

    def __call__(self, path, params):
        given = {**dict(parse_qsl(path.partition("?")[2])), **params}
        self.asked.append(given)
        if strange := given.keys() - set(self.known):
            if self.unknown == "refuse":
                raise QueryError(f"{strange} unknown parameter", hint="", status=422)
            if self.unknown == "filter":
                return reply(self.page({}, []))
        return reply(self.page(given, ROWS))


def feathers(given, rows):
    skip, limit = int(given.get("$skip", 0)), min(int(given.get("$limit", 50)), 100)
    return {"total": len(rows), "limit": limit, "skip": skip, "data": rows[skip : skip + limit]}


@pytest.mark.parametrize(
    ("path", "rows"), [("/list", ROWS), ("/list?$limit=20", ROWS), ("/list?$skip=30", ROWS[30:])]
)
def test_an_empty_page_that_contradicts_what_was_asked_is_not_the_end(path, rows):
    """Feathers takes `skip` for a filter, finds nothing and says that it skipped none: it is asked with `$skip`."""
    crop = harvest(Service(feathers, "$skip", "$limit"), path)
    assert (crop.records, crop.stopped_by) == (rows, "end")


def numbered(given, rows):
    page, size = int(given.get("_page", 1)), 10
    left = rows[page * size - size : page * size]
    return {"prev": page - 1 or None, "next": page + 1 if page * size < len(rows) else None, "data": left}


@pytest.mark.parametrize("first", [1, 3])
def test_a_token_that_counts_on_goes_back_where_the_count_came_from(first):
    """json-server 1: after `_page=3` and `next: 4`, `_page=4`; `cursor` would be a filter that finds nothing."""
    crop = harvest(Service(numbered, "_page"), "/list", {"_page": str(first)})
    assert (crop.records, crop.stopped_by) == (ROWS[first * 10 - 10 :], "end")


def linked(given, rows):
    at = int(given.get("cursor", 0))
    page = {"data": rows[at : at + 100], "meta": {"cursor": str(at)}, "links": {}}
    return page | ({"links": {"next": f"/v1/list?cursor={at + 100}"}} if page["data"] else {})


def test_a_list_that_pages_by_links_ends_with_them():
    """nestjs-paginate: the last page is empty, has no link, and repeats the cursor that it was asked with."""
    crop = harvest(Service(linked, "cursor"), "/list")
    assert (crop.records, crop.stopped_by) == (ROWS, "end")


def test_one_answer_that_a_person_asks_for_is_whole():
    """`--paging none`: whatever the service counts."""
    crop = harvest(Service(feathers, "$skip", "$limit"), "/list", paging="none")
    assert (len(crop.records), crop.stopped_by, crop.totals) == (50, "end", [])


def capped(given, rows):
    """The documented contract, but for pages of at most 100."""
    if int(given.get("limit", 50)) > 100:
        raise QueryError("limit: Input should be less than or equal to 100", hint="", status=422)
    begin = [row["id"] for row in rows].index(given["starting_after"]) + 1 if "starting_after" in given else 0
    end = begin + int(given.get("limit", 50))
    return {"data": rows[begin:end], "has_more": end < len(rows)}


def test_a_size_that_is_refused_is_not_asked_for_again():
    """A cursor that worked goes on without it: one refusal, no more."""
    service = Service(capped, "limit", "starting_after")
    crop = harvest(service)
    assert (crop.records, crop.stopped_by) == (ROWS, "end")
    assert [step.get("limit") for step in service.asked].count("1000") == 1


def paginated(given, rows):
    """Only `page` is known, counted from 1, and what is not known is passed over; the size is what `limit` says."""
    page, size = int(given.get("page", 1)), int(given.get("limit", 10))
    return {"object": "list", "has_more": page * size < len(rows), "data": rows[page * size - size : page * size]}


@pytest.mark.parametrize(("path", "rows"), [("/list", ROWS), ("/list?page=3", ROWS[20:]), ("/list?limit=50", ROWS)])
def test_a_page_with_the_first_record_in_it_is_no_next_one(path, rows):
    """express-paginate passes `starting_after` over; from a page that the question asks for it is counted on."""
    crop = harvest(Service(paginated, "page", "limit", unknown="ignore"), path)
    assert (crop.records, crop.stopped_by) == (rows, "end")


def test_a_position_in_the_path_gives_way_to_the_next():
    """`/list?skip=20` goes on with one position, not with two."""

    def skipping(given, rows):
        at = int(given.get("skip", 0))
        return {"data": rows[at : at + 50], "more": at + 50 < len(rows), "skip": at}

    service = Service(skipping, "skip", "a")
    crop = harvest(service, "/list?a=b&skip=20")
    assert (crop.records, crop.stopped_by) == (ROWS[20:], "end")
    assert service.asked[1] == {"a": "b", "skip": "70"}


def of_two_sizes(given, rows):
    """fastcrud: `offset` counts only beside `limit`, and `page` has pages of its own size."""
    if "page" in given:
        begin, size = int(given["page"]) * 10 - 10, 10
    else:
        begin, size = int(given.get("offset", 0)) if "limit" in given else 0, int(given.get("limit", 100))
    return {"data": rows[begin : begin + size], "total_count": len(rows)}


def test_pages_of_another_size_are_not_those_that_follow():
    """Pages of ten behind one of a hundred would bring ninety rows twice: it is said instead that more is to come."""
    crop = harvest(Service(of_two_sizes, "page", "offset", "limit", unknown="ignore"))
    assert (crop.records, crop.counts_agree) == (ROWS[:100], False)


def skipping(given, rows):
    begin = int(given.get("skip", 0))
    return {"data": rows[begin : begin + 100], "total": len(rows) - (begin if "rest" in given else 0)}


@pytest.mark.parametrize(
    ("page", "path", "rows", "agree"),
    [
        (of_two_sizes, "/list?offset=50", 100, False),
        (of_two_sizes, "/list?offset=50&limit=100", 200, True),
        (skipping, "/list?skip=50", 200, True),
        (skipping, "/list?skip=50&rest=1", 200, True),
        (skipping, "/list?skip=500", 0, True),
        (lambda given, rows: skipping(given, rows) | {"total": 249}, "/list?skip=50", 200, False),
        (lambda given, rows: skipping(given, rows) | {"total": 249}, "/list?page=2", 100, True),
    ],
)
def test_a_question_that_passes_over_rows_is_held_to_the_count_too(page, path, rows, agree):
    """What it passes over is missing or counted apart, and nothing else; of a page by number nobody can tell."""
    known = ("page", "offset", "limit") if page is of_two_sizes else ("skip", "rest", "page")
    crop = harvest(Service(page, *known, unknown="ignore"), path)
    assert (len(crop.records), crop.counts_agree) == (rows, agree)


def test_a_page_number_that_goes_back_as_it_is_called_is_found():
    """Litestar: `current_page` in the answer and in the question."""

    def classic(given, rows):
        page = int(given.get("current_page", 1))
        return {"items": rows[page * 50 - 50 : page * 50], "page_size": 50, "current_page": page, "total_pages": 5}

    crop = harvest(Service(classic, "current_page", unknown="ignore"))
    assert (crop.records, crop.stopped_by) == (ROWS, "end")


@pytest.mark.parametrize("total", [-5, "-5"])
def test_a_total_below_nothing_is_none(total):
    """What cannot be a count is not one."""
    assert harvest(lambda *_: reply({"data": ROWS[:3], "total": total})).totals == []
