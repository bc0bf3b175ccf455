"""Links to the next page: found in the body or in a header, and followed without losing or leaking anything.

A link is the service's word, and is taken with care. It stays on the API's origin, or is not followed; http on the
API's own host means https (what stands behind a proxy does not know better); what we asked for and the link does not
mention is asked for again, but for the parameters that say which page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit

from immune_nb.addresses import origin
from immune_nb.errors import quoted
from immune_nb.fetch.signs import Signs
from immune_nb.frames.names import NEXT_LINKS, PAGE_SIZES, POSITIONS, plain

__all__ = [
    "StrayLinkError",
    "address",
    "header_links",
    "is_address",
    "missing_from",
    "next_in_body",
    "next_parameters",
]

PARAMETER = r"""\s*;\s*(?:[\w!#$&+\-.^`|~*]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)?"""
LINK = re.compile(rf"<([^<>]*)>((?:{PARAMETER})*)\s*(?:,|$)")
PAIR = re.compile(r"""([\w!#$&+\-.^`|~*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))""")
HREFS = ("href", "url", "uri", "link")
Pairs = Sequence[tuple[str, str]]


class StrayLinkError(Exception):
    """A link that is not followed; the text says why."""


def is_address(value: Any) -> bool:
    """Whether a value is a link rather than a token."""
    return isinstance(value, str) and bool(re.match(r"\s*(?:https?:)?//|\s*/|\s*\?|\s*[\w./-]*\?[^?]*=", value))


def next_in_body(signs: Signs) -> str | None:
    """The link to the next page that a body has: in a field, in an object of links, in a list of them."""
    said = signs.first(NEXT_LINKS, lambda value: is_address(_href(value)))
    if said:
        return _href(said.value)
    for link in signs.links():
        relations = link.get("rel") or link.get("relation")
        words = relations if isinstance(relations, list) else str(relations).split()
        if "next" in words and (href := _href(link)):
            return href
    return None


def next_parameters(signs: Signs) -> dict[str, str]:
    """The parameters of the next page, where the body has an object of them in place of a link."""
    said = signs.first(("next",), lambda value: isinstance(value, dict))
    items = said.value.items() if said else ()
    return {name: str(value) for name, value in items if isinstance(value, str | int) and plain(name) in POSITIONS}


def _href(value: Any) -> str | None:
    if isinstance(value, dict):
        value = next((value[name] for name in HREFS if isinstance(value.get(name), str)), None)
    return value if isinstance(value, str) else None


def header_links(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The links of a ``Link`` header, and their parameters by name in lower case (RFC 8288)."""
    for match in LINK.finditer(text):
        pairs: dict[str, str] = {}
        for name, quoted_text, token in PAIR.findall(match[2]):
            pairs.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted_text) or token)
        yield match[1], pairs


def address(link: str, here: str) -> str:
    """A link as a whole address on the origin of `here`, the page it stands on.

    Raises:
        StrayLinkError: It leads elsewhere, or is no address.
    """
    try:
        home, url = urlsplit(here), urlsplit(urljoin(here, link.strip().replace(" ", "%20")))
        there, ours = (origin(one.scheme, one.hostname, one.port) for one in (url, home))
    except ValueError:
        raise StrayLinkError("a next link that cannot be read") from None
    if not url.geturl().isprintable() or "\\" in url.geturl():
        raise StrayLinkError("a next link that cannot be read")
    if there != ours and not _is_downgrade(url, home):
        raise StrayLinkError(f"the next page is said to be at {quoted(_host(url), 80)}, which is not this API's host")
    path = _below(url.path, home.path, link)  # and the origin's own netloc: no user name, no password, https
    return url._replace(scheme=home.scheme, netloc=home.netloc, path=path, fragment="").geturl()


def _host(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"


def _is_downgrade(url: SplitResult, origin: SplitResult) -> bool:
    """Plain http on the same host, both on their usual ports."""
    usual = url.port in (None, 80) and origin.port in (None, 443)
    return (url.scheme, origin.scheme, url.hostname) == ("http", "https", origin.hostname) and usual


def _below(path: str, here: str, link: str) -> str:
    """The path; one that leaves out where the API starts, as ``/readings`` on ``/v1/readings``, is mended."""
    is_short = re.match(r"\s*/(?!/)", link) and path != here and here.endswith(path) and path != "/"
    return here if is_short else path


def missing_from(url: str, ours: Pairs) -> tuple[str, dict[str, str | list[str]]]:
    """The address, with what it says twice said once, and what we asked for and it does not mention."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    once = _once(pairs, ours)
    if once != pairs:
        url = parts._replace(query=urlencode(once)).geturl()
    there = {name for name, _ in once}
    sizes = any(plain(name) in PAGE_SIZES for name in there)
    missing: dict[str, str | list[str]] = {}
    for name, value in ours:
        if name in there or plain(name) in POSITIONS or (sizes and plain(name) in PAGE_SIZES):
            continue
        missing[name] = [*_listed(missing[name]), value] if name in missing else value
    return url, missing


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _once(pairs: Pairs, ours: Pairs) -> list[tuple[str, str]]:
    """Without copies that are not ours; of several positions the last, which the server added."""
    kept: list[tuple[str, str]] = []
    for name, value in pairs:
        if plain(name) in POSITIONS:
            kept = [pair for pair in kept if pair[0] != name]
        elif (name, value) in kept and list(ours).count((name, value)) < 2:  # noqa: PLR2004
            continue
        kept.append((name, value))
    return kept
