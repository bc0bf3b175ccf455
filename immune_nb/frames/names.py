"""The names that servers give to things, as data: which field holds the records, which the time, which what is left.

A name is compared without its case, punctuation and prefix: ``@odata.nextLink``, ``next_link`` and ``hydra:nextLink``
are all ``nextlink``. Sources: OData 4.01, OGC SensorThings and API Features, HAL, JSON:API, Hydra, RFC 5005 style
paging, and the documentation of widely used services.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "ASIDES",
    "COLUMN_LISTS",
    "CONTAINERS",
    "CUTS",
    "FAULTS",
    "IDENTITIES",
    "LABELS",
    "LAST",
    "MORE",
    "NEXT_LINKS",
    "OFFSETS",
    "PAGES",
    "PAGE_COUNTS",
    "PAGE_NUMBERS",
    "PAGE_PARAMS",
    "PAGE_SIZES",
    "POINT_LISTS",
    "POSITIONS",
    "RECORD_LISTS",
    "ROW_LISTS",
    "SHARES",
    "TOKENS",
    "TOTALS",
    "UNITS",
    "WEAK_TOKENS",
    "WRAPPERS",
    "is_label_name",
    "is_of_paging",
    "is_time_name",
    "is_value_name",
    "plain",
]

# Where records are, the surest names first.
RECORD_LISTS = (
    *("data", "items", "results", "records", "value", "features", "rows", "entries", "entry", "content", "docs"),
    *("documents", "objects", "elements", "member", "members", "hits", "list", "result", "resources", "edges", "d"),
)
CONTAINERS = frozenset({*RECORD_LISTS, "response", "body", "payload", "embedded", "table", "resultset", "dataset"})
POINT_LISTS = frozenset(
    {
        "readings",
        "value",
        "feeds",
        "values",
        "points",
        "datapoints",
        "dps",
        "samples",
        "measurements",
        "observations",
        "history",
    }
    | {"timeseries", "series", "data", "events", "tables", "streams"}
)
COLUMN_LISTS = frozenset(
    {"columns", "fields", "cols", "header", "headers", "columnnames", "components", "names", "columnmeta", "meta"}
)
ROW_LISTS = frozenset({"values", "rows", "data", "dataarray", "points", "records", "results", "dataset"})
ASIDES = frozenset(  # lists and objects beside the records that are not records themselves
    {"links", "link", "warnings", "errors", "messages", "included", "facets", "aggregations", "filters", "schema"}
    | {"infos", "notices", "orderby", "sort", *COLUMN_LISTS}
)
WRAPPERS = {  # an envelope around each record, and what may stand beside it
    "properties": {"type", "id", "geometry", "bbox", "links", "assets", "collection"},
    "attributes": {"type", "id", "lid", "links", "meta", "relationships", "geometry"},
    "_source": {"_index", "_id", "_type", "_score", "_version", "_seq_no", "_primary_term", "_routing", "sort"},
    "node": {"cursor", "__typename"},
    "resource": {"fullUrl", "search", "link", "request", "response"},
}
LABELS = frozenset(  # what is said once and holds for every record beside it
    {"unit", "units", "uom", "unitofmeasurement", "sensor", "sensorid", "device", "deviceid", "station", "stationid"}
    | {"equipment", "equipmentid", "machine", "machineid", "channel", "metric", "parameter", "quantity", "tags"}
    | {"datastream", "assetid", "tag", "thing", "thingid", "site", "siteid", "plant", "line", "area", "location"}
)
IDENTITIES = frozenset({"id", "name", "key", "uuid", "guid", "serial", "code", "title", "type"})
UNITS = ("units", "unit", "uom", "columnunits")

# What is said of the rest of a list.
PAGES = frozenset(  # objects that say it
    {"meta", "metadata", "pagination", "paging", "page", "pages", "pageinfo", "paginginfo", "responsemetadata"}
    | {"cursor", "cursors", "links", "info", "view", "navigation", "listmetadata", "resultinfo", "pager"}
    | {"next", "total", "status", "control", "context"}
)
TOTALS = (
    *("totalcount", "total", "totalelements", "totalitems", "totalresults", "totalrecords", "totalhits", "totalrows"),
    *(
        "totalsize",
        "recordsfiltered",
        "recordstotal",
        "numbermatched",
        "nummatched",
        "numfound",
        "found",
        "nbhits",
        "fullcount",
        "totalnumber",
        "itemcount",
        "filteredtablerowscount",
        "datareturned",
    ),
)
MORE = (
    *("hasmore", "hasnext", "hasnextpage", "more", "moreavailable", "moreresults", "hasmoreitems", "hasmoreresults"),
    *("hasmorepages", "morepages", "morerecords", "nextpageexists", "moredataavailable"),
)
LAST = ("last", "islast", "lastpage", "islastpage", "done", "finished", "eof")
FAULTS = (
    *("partial", "ispartial", "partialresponse", "partialresults", "incomplete", "incompleteresults", "timedout"),
    *("error", "errors"),
)
CUTS = ("truncated", "istruncated", "exceededtransferlimit", "limitexceeded", "limitreached")  # where true
NEXT_LINKS = (
    *("nextlink", "nexturl", "nexturi", "nexthref", "nextpageurl", "nextpageuri", "nextpagelink", "nextrecordsurl"),
    *("next", "nextpage", "nextpath"),
)
PAGE_NUMBERS = ("page", "currentpage", "pagenumber", "pageno", "pagenum", "pageindex", "number", "current")
PAGE_COUNTS = ("totalpages", "pagecount", "lastpage", "pages", "numpages", "pagetotal", "last")
PAGE_SIZES = ("perpage", "pagesize", "limit", "size", "itemsperpage", "maxresults", "resultsperpage", "top")
OFFSETS = ("offset", "skip", "startindex", "startat", "start", "from", "resultoffset")
TOKENS: dict[str, tuple[str, ...]] = {  # a token's field, and the parameters it usually goes back in
    "nextcursor": ("cursor", "next_cursor", "nextCursor", "after", "start_cursor"),
    "nextpagetoken": ("pageToken", "page_token", "nextPageToken", "next_page_token"),
    "nexttoken": ("next_token", "nextToken", "NextToken", "pagination_token", "page_token", "pageToken"),
    "paginationtoken": ("pagination_token", "paginationToken", "PaginationToken"),
    "pagetoken": ("pageToken", "page_token"),
    "continuationtoken": ("continuationToken", "continuation_token", "continuation-token", "continuation"),
    "nextcontinuationtoken": ("continuation-token", "continuationToken", "continuation_token"),
    "continuation": ("continuation", "continuationToken", "continuation_token"),
    "continue": ("continue",),
    "endcursor": ("after", "cursor"),
    "nextafter": ("after", "starting_after"),
    "nextmarker": ("marker", "Marker", "nextMarker"),
    "nextkey": ("start_key", "startKey", "key", "nextKey"),
    "lastevaluatedkey": ("ExclusiveStartKey", "exclusiveStartKey", "exclusive_start_key", "lastEvaluatedKey"),
    "scrollid": ("scroll_id", "scrollId"),
    "skiptoken": ("$skiptoken", "skipToken", "skiptoken"),
    "nextoffset": ("offset", "start", "skip"),
    "nextstart": ("start", "offset", "skip"),
    "nextskip": ("skip", "$skip", "offset"),
    "nextpage": ("page", "pageNumber", "page_number", "page_token", "pageToken", "cursor"),
    "nextpagenumber": ("page", "pageNumber", "page_number"),
    "nextstarttime": ("start_time", "startTime", "start"),
    "nextid": ("starting_after", "since_id", "after", "cursor"),
    "next": ("cursor", "next", "after", "page", "page_token", "offset", "start"),
    "bookmark": ("bookmark",),
    "cursor": ("cursor", "after", "next_cursor"),
    "after": ("after", "cursor"),
    "marker": ("marker", "Marker"),
}
WEAK_TOKENS = frozenset(
    {"cursor", "after", "marker"}
)  # where nothing else says what is next: some echo what was asked
POSITIONS = frozenset(  # parameters that say which page: a link that has one of its own replaces them
    {"page", "pagenumber", "pageno", "pageindex", "pagenum", "p", "offset", "skip", "startindex", "startat", "cursor"}
    | {"after", "before", "startingafter", "endingbefore", "pagetoken", "nextpagetoken", "nexttoken", "nextcursor"}
    | {"paginationtoken", "continuationtoken", "continuation", "marker", "scrollid", "skiptoken", "sinceid"}
    | {"pageoffset", "pagecursor", "pageafter", "resultoffset", "exclusivestartkey", "bookmark"}
)
PAGE_PARAMS = frozenset({"page", "pagenumber", "pageno", "pageindex", "pagenum"})  # those that number pages
SKIPS = frozenset({"offset", "skip", "pageoffset", "resultoffset"})  # those that number records, from none
SHARES = frozenset({"top", "first", "max", "maxresults"})  # parameters that ask for a part on purpose
BESIDE = frozenset(  # further names that belong to an envelope and not to a record
    {"count", "numberreturned", "returned", "numberofelements", "empty", "first", "previous", "prev", "prevpage"}
    | {"self", "object", "kind", "etag", "status", "success", "ok", "took", "context", "url", "links", "link"}
    | {
        "previouscursor",
        "prevcursor",
        "previouslink",
        "timestamp",
        "timestampgmt",
        "generatedat",
        "requestid",
        "type",
    }
    | {"sort", "pageable", "numberofpages", "version", "apiversion", "message", "code", "resulttype", "elapsed"}
    | {"crs", "maxscore", "seq", "next", "resultcount", "startedat", "durationms", "query"}
)
OF_PAGING = frozenset(
    {*PAGES, *TOTALS, *MORE, *CUTS, *LAST, *FAULTS, *NEXT_LINKS, *PAGE_NUMBERS, *PAGE_COUNTS, *PAGE_SIZES, *OFFSETS}
    | {*TOKENS, *BESIDE, *ASIDES}
)

TIME_WORDS = frozenset(
    {"timestamp", "timestamps", "time", "times", "ts", "tstamp", "stamp", "date", "dates", "datetime", "epoch", "at"}
    | {"on", "when", "instant", "created", "updated", "modified", "changed", "published", "seen", "observed"}
    | {"measured", "recorded", "received", "sampled", "generated", "start", "end", "started", "ended", "begin"}
    | {"since", "until", "expires", "expiry", "day", "hour", "clock", "dt", "sunrise", "sunset"}
)
TIME_ENDS = ("time", "timestamp", "date")  # of words written together, as ``unixtime``
TIME_UNITS = frozenset({"s", "sec", "secs", "seconds", "ms", "millis", "milliseconds", "us", "micros", "ns", "nanos"})
TIME_KINDS = TIME_UNITS | {"utc", "gmt", "unix", "epoch", "iso", "local"}
VALUE_WORDS = frozenset({"value", "val", "v", "reading", "measurement", "result", "mean", "avg", "average", "median"})
LABEL_WORDS = frozenset(
    {"id", "ids", "key", "code", "version", "firmware", "release", "revision", "rev", "build", "section", "chapter"}
    | {"serial", "model", "name", "label", "tag", "ip", "address", "phone", "zip", "number", "no", "ref", "part"}
)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(4096)
def plain(name: str) -> str:
    """A name without what differs between conventions: ``@iot.nextLink`` is ``nextlink``."""
    last = re.split(r"[.:]", name)[-1] or name
    return re.sub(r"[^a-z0-9]", "", last.lower())


def is_of_paging(name: str) -> bool:
    """Whether a field of this name belongs to the envelope of a list rather than to a record."""
    return name.startswith("@") or plain(name) in OF_PAGING


@lru_cache(4096)
def is_time_name(name: str) -> bool:
    """Whether a field of this name may hold instants: ``ts``, ``created_at``, ``lastSeen``, ``time_ms``."""
    words = _words(name)
    while len(words) > 1 and words[-1] in TIME_KINDS:
        words.pop()
    return bool(words) and (words[-1] in TIME_WORDS or words[-1].endswith(TIME_ENDS) or words == ["t"])


@lru_cache(4096)
def is_value_name(name: str) -> bool:
    """Whether a field of this name holds what was measured."""
    words = _words(name)
    return bool(words) and words[-1] in VALUE_WORDS


@lru_cache(4096)
def is_label_name(name: str) -> bool:
    """Whether a field of this name holds what only looks like a number: an id, a version, a code."""
    words = _words(name)
    return not words or any(word in LABEL_WORDS for word in words)


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]
