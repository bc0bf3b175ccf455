"""Where a profile's OpenAPI document is: in this package, in a file, or on the API itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from immune_nb.errors import BadReplyError, ConfigError, LoginError, QueryError, quoted
from immune_nb.profiles import Profile

from .catalog import Catalog
from .documents import Document

__all__ = ["SHIPPED", "Ask", "catalog_of", "known_catalog", "quick_catalog"]

SHIPPED = "immune.openapi.json"
QUICK = 2**19  # bytes of JSON, read in some 5 ms
USUAL = ("openapi.json", "swagger.json")  # FastAPI and most others; Swagger 2.0's generators
CLAIM = re.compile(rb"""["']?(?:openapi|swagger)["']?\s*:""")  # a document names its version
Ask = Callable[[str], tuple[bytes, str]]  # of a path on the API: the body, and the address it came from


def known_catalog(profile: Profile) -> Catalog | None:
    """The catalog of a profile whose document is on this machine; None for all others. Sends nothing.

    Raises:
        ConfigError: The file that the profile names cannot be read, or holds no such document.
    """
    if profile.catalog == "immune":
        return Catalog.of(_shipped(), profile.base_url)
    path = profile.catalog_file
    return Catalog.of(_from_file(path, profile), profile.base_url) if path else None


def quick_catalog(profile: Profile) -> Catalog | None:
    """The catalog of a profile where it takes no noticeable time to read: for whoever waits for every key.

    Raises:
        ConfigError: As `known_catalog`.
    """
    path = profile.catalog_file
    if path is None or (path.suffix == ".json" and path.is_file() and path.stat().st_size < QUICK):
        return known_catalog(profile)
    return None


def catalog_of(profile: Profile, ask: Ask) -> Catalog:
    """The catalog of a profile, its document fetched where it is on the API.

    Args:
        profile: Whose.
        ask: Fetches a path on the API, and nothing that lies elsewhere.

    Raises:
        ConfigError: The file that the profile names cannot be read, or holds no such document.
        QueryError: There is no document where the profile says, or in any of the usual places.
        BadReplyError: There is something else, or it is malformed.
        ServiceError: The API does not answer.
    """
    known = known_catalog(profile)
    if known is not None:
        return known
    document = _named(profile.catalog, profile, ask) if profile.catalog else _discovered(profile, ask)
    return Catalog.of(document, profile.base_url)


@cache
def _shipped() -> Document:
    content = Path(__file__).with_name(SHIPPED).read_bytes()  # importlib.resources takes longer to load than this
    return Document.read(content, "the document in this package, written from the public documentation")


def _from_file(path: Path, profile: Profile) -> Document:
    try:
        return Document.read(path.read_bytes(), str(path))
    except OSError as error:
        fault, hint = f"{path}: {error.strerror or 'cannot be read'}.", "It should be an OpenAPI document."
    except BadReplyError as error:
        fault, hint = error.message, error.hint
    raise ConfigError(f"{profile.name}.catalog: {fault}", hint=hint)


def _named(place: str, profile: Profile, ask: Ask) -> Document:
    try:
        content, url = ask(place)
    except QueryError as error:
        if error.status is None:
            raise ConfigError(f"{profile.name}.catalog: {error.message}", hint=error.hint) from None
        fault = error.message
    else:
        return Document.read(content, quoted(urlsplit(url).path), url)
    raise QueryError(f"There is no OpenAPI document where {profile.name}.catalog says: {fault}")


def _discovered(profile: Profile, ask: Ask) -> Document:
    """The first document in one of the usual places. Whatever else is there, a page or a refusal, is no document."""
    places = list(_usual_places(profile.base_url))
    for place in places:
        try:
            content, url = ask(place)
        except (QueryError, LoginError, BadReplyError):
            continue
        if CLAIM.search(content) and not content.lstrip().startswith(b"<"):
            return Document.read(content, urlsplit(place).path, url)
    raise QueryError(
        f"{profile.name} publishes no OpenAPI document: none is at {', '.join(urlsplit(p).path for p in places)}.",
        hint="Name a path, URL or file as `catalog` in the profile; %immune get asks for any path without one.",
    )


def _usual_places(base_url: str) -> Iterator[str]:
    """Below the base URL, then at the root of its origin."""
    parts = urlsplit(base_url)
    root = f"{parts.scheme}://{parts.netloc}"
    yield from dict.fromkeys(f"{start}/{name}" for name in USUAL for start in (base_url, root))
