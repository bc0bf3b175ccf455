"""A real HTTP server that lists the same readings in the style of many services: their envelopes, their paging.

A style is data: how records are wrapped, how the next page is told, and which parameters the server knows::

    with serving(rows) as server:
        session.get(f"/{style}")
        server.asked          # every request, with its headers

Every page is asked for with the credential, or refused with 401. A parameter that the server does not know is
ignored, or, with ``strict``, refused with 400, as both kinds exist.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

__all__ = ["KEY", "STYLES", "Asked", "Call", "Style", "Styles", "serving"]

KEY = "styles-key-1"
FILTERS = ("unit", "start_time", "end_time")  # known everywhere; times are not heeded
Row = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One page, as a style sees it.

    Attributes:
        rows: The page's records.
        begin: How many come before it.
        total: Records of the whole list.
        size: Records per page.
        url: The address asked for, without its query.
        query: Its parameters.
    """

    rows: Sequence[Row]
    begin: int
    total: int
    size: int
    url: str
    query: Mapping[str, str]

    @property
    def end(self) -> int:
        return self.begin + len(self.rows)

    @property
    def is_last(self) -> bool:
        return self.end >= self.total

    @property
    def number(self) -> int:
        return self.begin // self.size

    @property
    def last(self) -> int:
        return -(-self.total // self.size)

    def link(self, **changes: object) -> str | None:
        """The next page's address, with every parameter that was asked; None on the last page."""
        return None if self.is_last else f"{self.url}?{urlencode({**self.query, **changes})}"

    def bare(self, **only: object) -> str | None:
        """The same with nothing but these parameters."""
        return None if self.is_last else f"{self.url}?{urlencode(only)}"

    def token(self) -> str | None:
        return None if self.is_last else f"t{self.end}"


@dataclass(frozen=True)
class Style:
    """How a service lists records.

    Attributes:
        body: The answer's body.
        begin: Of the parameters, how many records come before the page.
        knows: Parameters that it knows, beside the filters.
        headers: Headers of the answer.
        strict: Whether it refuses parameters that it does not know.
        size: Records per page.
        size_param: Changes that, where it is known.
    """

    body: Callable[[Call], Any]
    begin: Callable[[Mapping[str, str], int], int] = lambda query, size: 0
    knows: tuple[str, ...] = ()
    headers: Callable[[Call], Mapping[str, str | None]] = lambda call: {}
    strict: bool = False
    size: int = 10
    size_param: str = ""


def by_page(param: str = "page", first: int = 1) -> Callable[[Mapping[str, str], int], int]:
    return lambda query, size: (int(query.get(param, first)) - first) * size


def by_offset(param: str = "offset", first: int = 0) -> Callable[[Mapping[str, str], int], int]:
    return lambda query, size: int(query.get(param, first)) - first


def by_token(param: str) -> Callable[[Mapping[str, str], int], int]:
    return lambda query, size: int(query.get(param, "t0").removeprefix("t") or 0)


def series(rows: Sequence[Row], **names: str) -> list[dict[str, Any]]:
    """The rows as InfluxDB's series: one per sensor, columns and values."""
    sensors = dict.fromkeys(row["sensor_id"] for row in rows)
    return [
        {
            "name": "vibration",
            "tags": {"sensor_id": sensor},
            "columns": ["time", "value"],
            "values": [[row["timestamp"], row["value"]] for row in rows if row["sensor_id"] == sensor],
        }
        for sensor in sensors
    ]


def epoch(row: Row, scale: int = 1) -> int:
    return int(row["n"]) * 60 * scale + 1_767_225_600 * scale  # 2026-01-01, a row a minute


STYLES: dict[str, Style] = {
    "sensorthings": Style(  # OGC SensorThings: a link, which drops what was asked
        lambda c: {
            "@iot.count": c.total,
            **({"@iot.nextLink": c.bare(**{"$skip": c.end})} if not c.is_last else {}),
            "value": [
                {
                    "@iot.id": row["n"],
                    "phenomenonTime": row["timestamp"],
                    "result": row["value"],
                    "Datastream": {"name": row["sensor_id"], "unitOfMeasurement": {"symbol": row["unit"]}},
                }
                for row in c.rows
            ],
        },
        by_offset("$skip"),
        ("$skip",),
    ),
    "odata": Style(
        lambda c: {
            "@odata.context": "$metadata#Readings",
            "@odata.count": c.total,
            "value": list(c.rows),
            **({"@odata.nextLink": c.link(**{"$skiptoken": c.token()})} if not c.is_last else {}),
        },
        by_token("$skiptoken"),
        ("$skiptoken",),
        strict=True,
    ),
    "geojson": Style(  # OGC API Features
        lambda c: {
            "type": "FeatureCollection",
            "numberMatched": c.total,
            "numberReturned": len(c.rows),
            "features": [
                {
                    "type": "Feature",
                    "id": row["id"],
                    "geometry": {"type": "Point", "coordinates": [8.5, 47.4]},
                    "properties": {k: v for k, v in row.items() if k != "id"},
                }
                for row in c.rows
            ],
            "links": [
                {"rel": "self", "href": c.url},
                *([{"rel": "next", "href": c.link(offset=c.end)}] * (not c.is_last)),
            ],
        },
        by_offset(),
        ("offset",),
    ),
    "prometheus": Style(
        lambda c: {
            "status": "success",
            "data": {
                "resultType": "matrix",
                "result": [
                    {
                        "metric": {"__name__": "vibration", "sensor_id": s["tags"]["sensor_id"]},
                        "values": [
                            [epoch(r) + 0.25, str(r["value"])]
                            for r in c.rows
                            if r["sensor_id"] == s["tags"]["sensor_id"]
                        ],
                    }
                    for s in series(c.rows)
                ],
            },
        },
        size=1000,
    ),
    "influx": Style(lambda c: {"results": [{"statement_id": 0, "series": series(c.rows)}]}, size=1000),
    "elastic": Style(  # offsets under a name of its own, and nothing says so but the count
        lambda c: {
            "took": 3,
            "timed_out": False,
            "_shards": {"total": 5, "successful": 5, "skipped": 0, "failed": 0},
            "hits": {
                "total": {"value": c.total, "relation": "eq"},
                "max_score": 1.0,
                "hits": [
                    {
                        "_index": "readings",
                        "_id": row["id"],
                        "_score": 1.0,
                        "_source": row,
                    }
                    for row in c.rows
                ],
            },
        },
        by_offset("from"),
        ("from", "size"),
        strict=True,
    ),
    "hal": Style(
        lambda c: {
            "_embedded": {
                "readings": [{**row, "_links": {"self": {"href": f"/readings/{row['id']}"}}} for row in c.rows]
            },
            "_links": {
                "self": {"href": c.url},
                **({"next": {"href": c.link(page=c.number + 1)}} if not c.is_last else {}),
            },
            "page": {
                "size": c.size,
                "totalElements": c.total,
                "totalPages": -(-c.total // c.size),
                "number": c.number,
            },
        },
        by_page(first=0),
        ("page",),
    ),
    "jsonapi": Style(
        lambda c: {
            "data": [
                {"type": "readings", "id": row["id"], "attributes": {k: v for k, v in row.items() if k != "id"}}
                for row in c.rows
            ],
            "links": {"first": c.url, "next": c.bare(**{"page[number]": c.number + 2})},
            "meta": {"total": c.total},
        },
        by_page("page[number]"),
        ("page[number]",),
    ),
    "django": Style(
        lambda c: {"count": c.total, "next": c.link(page=c.number + 2), "previous": None, "results": list(c.rows)},
        by_page(),
        ("page",),
    ),
    "stripe": Style(
        lambda c: {"object": "list", "url": "/v1/readings", "has_more": not c.is_last, "data": list(c.rows)},
        lambda query, size: int(query["starting_after"].removeprefix("r")) + 1 if "starting_after" in query else 0,
        ("starting_after", "limit"),
        strict=True,
        size_param="limit",
    ),
    "google": Style(
        lambda c: {"kind": "readings#list", "readings": list(c.rows), "nextPageToken": c.token() or ""},
        by_token("pageToken"),
        ("pageToken",),
    ),
    "aws": Style(
        lambda c: {"Readings": list(c.rows), **({"NextToken": c.token()} if not c.is_last else {})},
        by_token("NextToken"),
        ("NextToken",),
        strict=True,
    ),
    "slack": Style(
        lambda c: {"ok": True, "items": list(c.rows), "response_metadata": {"next_cursor": c.token() or ""}},
        by_token("cursor"),
        ("cursor",),
    ),
    "twitter": Style(  # the token's parameter is not called as the token is
        lambda c: {"data": list(c.rows), "meta": {"result_count": len(c.rows), "next_token": c.token()}},
        by_token("pagination_token"),
        ("pagination_token",),
    ),
    "graphql": Style(
        lambda c: {
            "data": {
                "readings": {
                    "edges": [{"node": row, "cursor": row["id"]} for row in c.rows],
                    "pageInfo": {"hasNextPage": not c.is_last, "endCursor": c.token()},
                }
            }
        },
        by_token("after"),
        ("after",),
    ),
    "github": Style(  # a bare list; several links in one header, the wanted one not first
        lambda c: list(c.rows),
        by_page(),
        ("page", "per_page"),
        lambda c: {
            "Link": f'<{c.url}?page=1>; rel="first"; title="a, b"'
            + (f', <{c.link(page=c.number + 2)}>; title=more; rel="next last"' if not c.is_last else "")
        },
        size_param="per_page",
    ),
    "spring": Style(
        lambda c: {
            "content": list(c.rows),
            "pageable": {"pageNumber": c.number, "pageSize": c.size, "sort": {"sorted": False}},
            "totalElements": c.total,
            "totalPages": -(-c.total // c.size),
            "last": c.is_last,
            "first": not c.begin,
            "number": c.number,
            "size": c.size,
            "numberOfElements": len(c.rows),
        },
        by_page(first=0),
        ("page", "size"),
        strict=True,
    ),
    "spring_from_one": Style(  # states pages from zero, takes them from one
        lambda c: {"content": list(c.rows), "totalPages": -(-c.total // c.size), "number": c.number, "size": c.size},
        by_page(first=1),
        ("page",),
    ),
    "laravel": Style(
        lambda c: {
            "data": list(c.rows),
            "meta": {
                "current_page": c.number + 1,
                "last_page": -(-c.total // c.size),
                "per_page": c.size,
                "total": c.total,
            },
        },
        by_page(),
        ("page",),
    ),
    "numbered": Style(  # no total: a page that is not full is the last
        lambda c: {"page": c.number + 1, "per_page": c.size, "records": list(c.rows)},
        by_page("p"),
        ("p",),
    ),
    "jira": Style(
        lambda c: {"startAt": c.begin, "maxResults": c.size, "total": c.total, "issues": list(c.rows)},
        by_offset("startAt"),
        ("startAt", "maxResults"),
        strict=True,
    ),
    "scim": Style(  # counts from one
        lambda c: {
            "totalResults": c.total,
            "startIndex": c.begin + 1,
            "itemsPerPage": c.size,
            "Resources": list(c.rows),
        },
        by_offset("startIndex", 1),
        ("startIndex",),
    ),
    "total_header": Style(  # nothing but a count, in a header
        lambda c: list(c.rows), by_page("_page"), ("_page",), lambda c: {"X-Total-Count": str(c.total)}
    ),
    "gitlab": Style(
        lambda c: list(c.rows),
        by_page(),
        ("page",),
        lambda c: {"X-Page": str(c.number + 1), "X-Next-Page": "" if c.is_last else str(c.number + 2)},
    ),
    "cursor_header": Style(
        lambda c: list(c.rows), by_token("cursor"), ("cursor",), lambda c: {"X-Next-Cursor": c.token()}
    ),
    "esri": Style(
        lambda c: {
            "objectIdFieldName": "n",
            "fields": [{"name": "n", "type": "esriFieldTypeOID"}, {"name": "value", "type": "esriFieldTypeDouble"}],
            "features": [{"attributes": {**row, "timestamp": epoch(row, 1000)}} for row in c.rows],
            **({"exceededTransferLimit": True} if not c.is_last else {}),
        },
        by_offset("resultOffset"),
        ("resultOffset",),
    ),
    "table": Style(  # Datasette, BigQuery and their like
        lambda c: {
            "columns": [{"name": n, "unit": "mm/s"} if n == "value" else {"name": n} for n in c.rows[0]],
            "rows": [list(row.values()) for row in c.rows],
            "next_url": c.link(_next=c.token()),
            "truncated": False,
        },
        by_token("_next"),
        ("_next",),
    ),
    "columnar": Style(
        lambda c: {
            "timestamps": [epoch(row, 1000) for row in c.rows],
            "series": {"vib": [row["value"] for row in c.rows], "n": [row["n"] for row in c.rows]},
            "units": {"vib": "mm/s"},
        },
        size=1000,
    ),
    "meteo": Style(
        lambda c: {
            "latitude": 47.4,
            "longitude": 8.5,
            "timezone": "GMT",
            "hourly_units": {"time": "iso8601", "value": "mm/s"},
            "hourly": {"time": [r["timestamp"][:16] for r in c.rows], "value": [r["value"] for r in c.rows]},
        },
        size=1000,
    ),
    "grouped": Style(
        lambda c: {
            "sensors": [
                {
                    "sensor_id": s["tags"]["sensor_id"],
                    "unit": "mm/s",
                    "readings": [{"timestamp": t, "value": v} for t, v in s["values"]],
                }
                for s in series(c.rows)
            ]
        },
        size=1000,
    ),
    "tree": Style(
        lambda c: {
            "plant": {
                "line_1": {
                    r["id"]: {"value": r["value"], "timestamp": r["timestamp"]} for r in c.rows[: c.total // 2]
                },
                "line_2": {
                    r["id"]: {"value": r["value"], "timestamp": r["timestamp"]} for r in c.rows[c.total // 2 :]
                },
            }
        },
        size=1000,
    ),
    "map": Style(
        lambda c: {"data": {row["id"]: {k: v for k, v in row.items() if k != "id"} for row in c.rows}}, size=1000
    ),
    "lists": Style(lambda c: [list(c.rows[0]), *(list(row.values()) for row in c.rows)], size=1000),
    "lines": Style(
        lambda c: "\n".join(json.dumps(row) for row in c.rows) + "\n",
        headers=lambda c: {"Content-Type": "application/x-ndjson"},
        size=1000,
    ),
    "csv": Style(
        lambda c: "\r\n".join([",".join(c.rows[0]), *(",".join(map(str, row.values())) for row in c.rows)]) + "\r\n",
        headers=lambda c: {"Content-Type": "text/csv; charset=utf-8"},
        size=1000,
    ),
}


def _rows(call: Call) -> list[Row]:
    return list(call.rows)


STYLES |= {
    "wordpress": Style(
        _rows,
        by_page(),
        ("page", "per_page"),
        lambda c: {"X-WP-Total": str(c.total), "X-WP-TotalPages": str(c.last)},
        strict=True,
    ),
    "total_pages_header": Style(_rows, by_page(), ("page",), lambda c: {"X-Total-Pages": str(c.last)}),
    "strapi": Style(
        lambda c: {
            "data": [{"id": r["n"], "attributes": {k: v for k, v in r.items() if k != "id"}} for r in c.rows],
            "meta": {"pagination": {"page": c.number + 1, "pageSize": 10, "pageCount": c.last, "total": c.total}},
        },
        by_page("pagination[page]"),
        ("pagination[page]",),
    ),
    "intercom": Style(
        lambda c: {
            "type": "list",
            "data": list(c.rows),
            "total_count": c.total,
            "pages": {
                "type": "pages",
                "page": c.number + 1,
                "per_page": 10,
                "total_pages": c.last,
                **({"next": {"page": c.number + 2, "starting_after": c.token()}} if not c.is_last else {}),
            },
        },
        by_token("starting_after"),
        ("starting_after", "page"),
    ),
    "postgrest": Style(
        _rows,
        by_offset(),
        ("offset", "limit"),
        lambda c: {"Content-Range": f"{c.begin}-{c.end - 1}/{c.total}"},
        strict=True,
    ),
    "chinese_list": Style(
        lambda c: {
            "code": 0,
            "msg": "ok",
            "data": {"list": list(c.rows), "pageNum": c.number + 1, "pageSize": 10, "total": c.total},
        },
        by_page("pageNum"),
        ("pageNum",),
    ),
    "kubernetes": Style(
        lambda c: {
            "kind": "List",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "1", "continue": c.token() or "", "remainingItemCount": c.total - c.end},
            "items": list(c.rows),
        },
        by_token("continue"),
        ("continue",),
        strict=True,
    ),
    "ckan": Style(
        lambda c: {
            "success": True,
            "result": {
                "records": list(c.rows),
                "total": c.total,
                "limit": 10,
                "offset": c.begin,
                "_links": {"start": "/ckan", "next": f"/ckan?offset={c.begin + 10}"},
            },
        },
        by_offset(),
        ("offset",),
    ),
    "s3": Style(
        lambda c: {"IsTruncated": not c.is_last, "NextMarker": c.token(), "Contents": list(c.rows)},
        by_token("marker"),
        ("marker",),
    ),
    "notion": Style(
        lambda c: {
            "object": "list",
            "results": list(c.rows),
            "next_cursor": c.token(),
            "has_more": not c.is_last,
            "type": "x",
            "x": {},
        },
        by_token("start_cursor"),
        ("start_cursor",),
        strict=True,
    ),
    "facebook": Style(
        lambda c: {"payload": {"measurements": list(c.rows), "paging": {"cursors": {"after": c.token()}}}},
        by_token("after"),
        ("after",),
    ),
    "page_index_from_zero": Style(
        lambda c: {"pageIndex": c.number, "pageSize": 10, "totalCount": c.total, "items": list(c.rows)},
        by_page("pageIndex", 0),
        ("pageIndex",),
    ),
    "has_next": Style(lambda c: {"hasNext": not c.is_last, "results": list(c.rows)}, by_page(), ("page",)),
    "has_next_from_zero": Style(
        lambda c: {"hasNext": not c.is_last, "results": [{k: v for k, v in r.items() if k != "id"} for r in c.rows]},
        by_page(first=0),
        ("page",),
    ),
    "x_pagination": Style(
        _rows,
        by_page("pageNumber"),
        ("pageNumber",),
        lambda c: {
            "X-Pagination": json.dumps(
                {
                    "CurrentPage": c.number + 1,
                    "TotalPages": c.last,
                    "PageSize": 10,
                    "TotalCount": c.total,
                    "HasNext": not c.is_last,
                }
            )
        },
    ),
    "hydra": Style(
        lambda c: {
            "@context": "/c",
            "@id": "/r",
            "@type": "hydra:Collection",
            "hydra:totalItems": c.total,
            "hydra:member": list(c.rows),
            "hydra:view": {"@id": "x", **({"hydra:next": c.link(page=c.number + 2)} if not c.is_last else {})},
        },
        by_page(),
        ("page",),
    ),
    "collection_json": Style(
        lambda c: {
            "collection": {
                "version": "1.0",
                "items": list(c.rows),
                "links": [{"rel": "next", "href": c.link(page=c.number + 2)}] if not c.is_last else [],
            }
        },
        by_page(),
        ("page",),
    ),
    "salesforce": Style(
        lambda c: {
            "totalSize": c.total,
            "done": c.is_last,
            "nextRecordsUrl": c.link(q=c.token()),
            "records": list(c.rows),
        },
        by_token("q"),
        ("q",),
    ),
    "arcgis": Style(
        lambda c: {
            "features": [{"attributes": r, "geometry": {"x": 1, "y": 2}} for r in c.rows],
            "exceededTransferLimit": not c.is_last,
        },
        by_offset("resultOffset"),
        ("resultOffset", "resultRecordCount"),
        strict=True,
    ),
    "thingsboard": Style(
        lambda c: {"data": list(c.rows), "totalPages": c.last, "totalElements": c.total, "hasNext": not c.is_last},
        by_page(first=0),
        ("page", "pageSize"),
        strict=True,
    ),
    "columns_and_cursor": Style(
        lambda c: {
            "columns": ["timestamp", "value", "id"],
            "data": [[r["timestamp"], r["value"], r["id"]] for r in c.rows],
            "meta": {"cursor": {"next": c.token()}},
        },
        by_token("cursor"),
        ("cursor",),
    ),
    "next_offset": Style(
        lambda c: {"items": list(c.rows), "next_offset": None if c.is_last else c.end}, by_offset(), ("offset",)
    ),
    "dropbox": Style(
        lambda c: {"entries": list(c.rows), "cursor": f"t{c.end}", "has_more": not c.is_last},
        by_token("cursor"),
        ("cursor",),
    ),
    "link_header_beside_odata": Style(
        lambda c: {"value": list(c.rows), "count": len(c.rows)},
        by_page(),
        ("page",),
        lambda c: {"Link": None if c.is_last else f"<{c.link(page=c.number + 2)}>;rel=next"},
    ),
}


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Styles:
    """The server, as a test holds it.

    Attributes:
        origin: Where it answers.
        rows: What it lists.
        styles: How, by the path.
        asked: Every request.
    """

    rows: Sequence[Row]
    styles: Mapping[str, Style]
    origin: str = ""
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> tuple[int, Mapping[str, str | None], bytes]:
        """Status, headers and body."""
        self.asked.append(asked)
        style = self.styles.get(asked.path.strip("/").partition("/")[2])
        if asked.headers.get("authorization") != f"ApiKey {KEY}":
            return 401, {}, b'{"error": {"message": "no key"}}'
        if style is None:
            return 404, {}, b'{"error": {"message": "no such list"}}'
        unknown = [name for name in asked.query if name not in (*style.knows, *FILTERS)]
        if style.strict and unknown:
            return 400, {}, b'{"error": {"message": "unknown parameter"}}'
        rows = [row for row in self.rows if asked.query.get("unit") in (None, row["unit"])]
        size = int(asked.query.get(style.size_param, style.size))
        begin = style.begin(asked.query, size)
        call = Call(rows[begin : begin + size], begin, len(rows), size, self.origin + asked.path, asked.query)
        body = style.body(call)
        return 200, style.headers(call), (body if isinstance(body, str) else json.dumps(body)).encode()


@contextmanager
def serving(rows: Sequence[Row], styles: Mapping[str, Style] = STYLES) -> Iterator[Styles]:
    """The server for as long as the block lasts."""
    held = Styles(rows, styles)

    class Handler(_Handler):
        server_styles = held

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        held.origin = f"http://127.0.0.1:{server.server_port}"
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, args=[0.01], name="styles")
        thread.start()
        try:
            yield held
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_styles: Styles
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        headers = {name.lower(): text for name, text in self.headers.items()}
        status, more, body = self.server_styles.answer(Asked(url.path, dict(parse_qsl(url.query)), headers))
        self.send_response(status)
        for name, text in ({"Content-Type": "application/json"} | dict(more)).items():
            if text is not None:
                self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass
