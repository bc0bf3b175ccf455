"""Where a document's paths begin, seen from a profile's base URL: as one would give them to `get`."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from immune_nb.addresses import origin

from .documents import Document, Node

__all__ = ["Addresses"]


class Addresses:
    """Turns a document's paths into paths below the base URL.

    A server of the document that lies on the API's origin says where its paths begin. Servers elsewhere say nothing
    of this API: a document often names the production host only, so its paths then begin at the base URL.

    Args:
        document: The document.
        base_url: The profile's base URL.
    """

    def __init__(self, document: Document, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._document = document
        self._origin = origin(parts.scheme, parts.hostname, parts.port)
        self._home = f"{parts.scheme}://{parts.netloc}"
        self._base = parts.path.rstrip("/")
        self._url = document.url or base_url + "/"
        self._usual = self._start(document.root)

    def path(self, path: str, item: Node, operation: Node) -> str:
        """A path of the document as `get` takes it: below the base URL, or a whole URL where it lies beside it."""
        own = next((node for node in (operation, item) if node.get("servers")), None)
        start = self._usual if own is None else self._start(own)
        if start is None:
            return path
        whole = f"{start}{path}"
        if not self._base:
            return whole
        if whole == self._base or whole.startswith(f"{self._base}/"):
            return whole.removeprefix(self._base) or "/"
        return f"{self._home}{whole}"

    def _start(self, node: Node) -> str | None:
        """The path on our origin at which paths begin; None when they begin at the base URL."""
        starts = [path for url in self._servers(node) if (path := self._on_our_origin(url)) is not None]
        if not starts:
            return self._unsaid() if not self._servers(node) else None
        inside = (start for start in starts if f"{start}/".startswith(f"{self._base}/"))
        return next(inside, starts[0])

    def _unsaid(self) -> str | None:
        """Without a server, paths begin at the origin, when they look as if they did; else at the base URL."""
        paths = (str(path) for path in self._document.root.get("paths", {}))
        return "" if self._base and any(path.startswith(f"{self._base}/") for path in paths) else None

    def _servers(self, node: Node) -> list[str]:
        if self._document.is_swagger:
            root = self._document.root
            host, base = root.get("host"), root.get("basePath")
            if not host and not base:
                return []
            return [(f"{self._origin[0]}://{host}" if host else "") + f"/{str(base or '').strip('/')}"]
        servers = node.get("servers")
        return (
            [_filled(server) for server in servers if isinstance(server, dict)] if isinstance(servers, list) else []
        )

    def _on_our_origin(self, url: str) -> str | None:
        try:
            parts = urlsplit(urljoin(self._url, url))
            same = origin(parts.scheme, parts.hostname, parts.port) == self._origin
        except ValueError:
            self._document.remark("a server's address is no URL")
            return None
        return parts.path.rstrip("/") if same else None


def _filled(server: Node) -> str:
    """A server's URL with its variables at their defaults."""
    variables = server.get("variables")
    known = variables if isinstance(variables, dict) else {}

    def default(match: re.Match[str]) -> str:
        found = known.get(match[1])
        return str(found.get("default", "")) if isinstance(found, dict) else ""

    return re.sub(r"\{([^}]+)\}", default, str(server.get("url", "")))
