"""Where a request goes: below the base URL, or to a whole URL on its origin, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

import httpx

from immune_nb.addresses import Origin, origin
from immune_nb.errors import QueryError, quoted

__all__ = ["HEADERS", "Params", "origin_of", "outline", "url_of"]

Params = Mapping[str, str | Sequence[str]]
IS_WHOLE = re.compile(r"[a-z][a-z\d+.-]*://|//", re.IGNORECASE).match
HEADERS = {
    "Accept": "application/json, application/vnd.api+json",  # who speaks JSON:API only refuses the first alone
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "immune_nb",
}


def url_of(base: httpx.URL, path: str, params: Params | None, private_param: str = "") -> httpx.URL:
    """The address of a request.

    Args:
        base: Where the API starts.
        path: Below it, or a whole URL on the same origin; it may have a query.
        params: Query parameters; a sequence repeats its name.
        private_param: A parameter that is the transport's, and is taken out of `path`.

    Raises:
        QueryError: `path` leaves the origin, or cannot be sent.
    """
    try:
        return _url_of(base, path, params, private_param)
    except (httpx.InvalidURL, UnicodeEncodeError):
        where = quoted(path.partition("?")[0], 60)
        fault = QueryError(
            f"{where!r} cannot be asked for with that.", hint="Is there a line break, or half a character, in it?"
        )
    raise fault


def _url_of(base: httpx.URL, path: str, params: Params | None, private_param: str) -> httpx.URL:
    if IS_WHOLE(path):
        url = base.join(path)
        if origin_of(url) != origin_of(base):
            raise QueryError(f"{quoted(url.host)} is not this API's host.", hint="Give a path, such as /sensors.")
    else:
        bare, _, query = path.partition("?")
        where, given = f"{base}/{bare.lstrip('/')}", query and parse_qsl(query, keep_blank_values=True)
        if not given and private_param not in (params or {}):
            return httpx.URL(f"{where}?{urlencode(params, doseq=True)}" if params else where)
        url = httpx.URL(where, params=given or None)
    if private_param in url.params:
        url = url.copy_remove_param(private_param)
    return url.copy_merge_params(dict(params)) if params else url


def outline(base_url: str, path: str, params: Params, private_param: str = "") -> tuple[str, list[tuple[str, str]]]:
    """The address of a request without its query, and the pairs of that query, as they would be sent.

    Args:
        base_url: Where the API starts; for the rest see `url_of`.
        path: Below it.
        params: Query parameters.
        private_param: The transport's own.

    Raises:
        QueryError: `path` leaves the origin.
    """
    url = url_of(httpx.URL(base_url), path, params, private_param)
    return str(url.copy_with(query=None)), url.params.multi_items()


def origin_of(url: httpx.URL) -> Origin:
    """Scheme, host and port."""
    return origin(url.scheme, url.host, url.port)
