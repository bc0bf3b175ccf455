"""All endpoints of an API: to list, to search, and to find one by what a person calls it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from immune_nb.errors import QueryError, quoted

from .documents import Document
from .endpoints import Endpoint
from .servers import Addresses

__all__ = ["Catalog", "counted"]


class Catalog:
    """What can be asked of an API.

    Args:
        endpoints: The endpoints, in their order.
        title: What the document calls the API.
        source: Where the document came from.
        document: The document, for its remarks.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], *, title: str = "", source: str = "", document: Document | None = None
    ) -> None:
        self.endpoints = tuple(endpoints)
        self.title = title
        self.source = source
        self._document = document

    @classmethod
    def of(cls, document: Document, base_url: str) -> Catalog:
        """The catalog of a document, its paths as `get` takes them below that base URL."""
        addresses = Addresses(document, base_url)
        endpoints = [
            Endpoint(document, method, addresses.path(path, item, operation), item, operation)
            for path, method, item, operation in document.operations()
        ]
        info = document.root.get("info")
        title = quoted(info.get("title", ""), 80) if isinstance(info, dict) else ""
        return cls(endpoints, title=title, source=document.source, document=document)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What in the document was left out, as far as it was looked at."""
        return tuple(self._document.remarks) if self._document else ()

    def search(self, words: str) -> Catalog:
        """The endpoints in which every one of the words stands: in their names and summary, or their fields' names.

        Args:
            words: Words, or parts of them, in any case.
        """
        wanted = words.lower().split()
        found = [endpoint for endpoint in self.endpoints if all(word in _text(endpoint) for word in wanted)]
        return Catalog(found, title=self.title, source=self.source, document=self._document)

    def find(self, name: str) -> list[Endpoint]:
        """The endpoints of that name.

        Args:
            name: ``readings``, ``/readings``, ``GET /readings``, an actual path, or an operation's id.

        Raises:
            QueryError: There is none; the message names what is near.
        """
        method, path = re.fullmatch(r"(?:([A-Za-z]+)\s+)?(.*)", name.strip()).groups()  # type: ignore[union-attr] # it matches anything
        bare = path.partition("?")[0].strip("/")
        mine = [e for e in self.endpoints if method is None or e.method == method.upper()]
        found = [e for e in mine if e.path.strip("/") == bare] or [e for e in mine if e.id and e.id == path]
        found = found or self._matching(mine, f"/{bare}")
        if found:
            return found
        names = list(dict.fromkeys([*(e.path for e in self.endpoints), *(e.path.strip("/") for e in self.endpoints)]))
        near = difflib.get_close_matches(path, names, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "%immune ls lists what there is."
        raise QueryError(f"No endpoint {quoted(name, 60)!r} is known.", hint=hint)

    def match(self, path: str, method: str = "GET") -> Endpoint | None:
        """The endpoint that an actual path leads to; None when none is known."""
        bare = f"/{path.partition('?')[0].strip('/')}" if "://" not in path else path.partition("?")[0]
        found = self._matching([e for e in self.endpoints if e.method == method], bare)
        return found[0] if found else None

    def rows(self) -> list[tuple[str, str, str]]:
        """Method, path and what it does, for a table; what is assumed or deprecated says so."""
        return [(endpoint.method, endpoint.path, _summary(endpoint)) for endpoint in self.endpoints]

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self.endpoints)

    def __len__(self) -> int:
        return len(self.endpoints)

    def __repr__(self) -> str:
        width = max((len(endpoint.name) for endpoint in self.endpoints), default=0)
        lines = [f"{endpoint.name:<{width}}  {_summary(endpoint)}".rstrip() for endpoint in self.endpoints]
        return "\n".join([f"{self.title or 'API'}, {counted(len(self))} ({self.source})", *lines])

    @staticmethod
    def _matching(endpoints: Sequence[Endpoint], path: str) -> list[Endpoint]:
        """The endpoints whose pattern the path fits; those with fewest gaps win, as in every router."""
        near = (e for e in endpoints if path.startswith(e.path.partition("{")[0]))  # before patterns are made
        fitting = [e for e in near if e.pattern.fullmatch(path)]
        fewest = min((e.path.count("{") for e in fitting), default=0)
        return [e for e in fitting if e.path.count("{") == fewest]


def counted(number: int) -> str:
    """So many endpoints, in words."""
    return f"{number:,} endpoint" + ("" if number == 1 else "s")


def _text(endpoint: Endpoint) -> str:
    names = " ".join(field.name for field in (*endpoint.parameters, *endpoint.body))
    return f"{endpoint.name} {endpoint.summary} {names}".lower()


def _summary(endpoint: Endpoint) -> str:
    marks = ("assumed" if endpoint.assumed else "", "deprecated" if endpoint.is_deprecated else "")
    return " · ".join(filter(None, (endpoint.summary, *marks)))
