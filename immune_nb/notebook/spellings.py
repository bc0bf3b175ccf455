"""Known secrets, in every spelling in which they may stand somewhere."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

from immune_nb.auth.secrets import Secret

__all__ = ["Finder", "finder", "spellings"]

SHORTEST = 6  # characters; anything shorter is everywhere
GROUP, SYMBOL_BITS = 3, 6  # base64 writes three bytes as four symbols of six bits
Finder = Callable[[bytes], str]


def finder(secrets: Iterable[tuple[str, Secret]]) -> Finder:
    """What tells which of the secrets stands in some bytes: its name, or "" when none does.

    Args:
        secrets: Secrets and what to call them.
    """
    known = [(name, spellings(secret.reveal())) for name, secret in secrets]
    return lambda data: next((name for name, spelled in known if any(form in data for form in spelled)), "")


def spellings(text: str) -> set[bytes]:
    """Raw, URL-encoded, JSON- and HTML-escaped, UTF-16, hexadecimal, and within any base64: ``user:text``, too."""
    if len(text) < SHORTEST:
        return set()
    once = json.dumps(text)[1:-1]
    in_url = {quote(text), quote(text, safe=""), quote_plus(text)}
    words = {text, once, json.dumps(once)[1:-1], repr(text)[1:-1], html.escape(text), *in_url}
    words |= {once.replace("/", "\\/"), html.escape(once), html.escape(text, quote=False)}  # as pages have it
    words |= {text.encode().hex(), text.encode().hex().upper(), *map(_lower_percent, in_url)}
    found = {word.encode() for word in words} | {text.encode("utf-16-le"), text.encode("utf-16-be")}
    return found | {part for part in _within_base64(text.encode()) if len(part) >= SHORTEST + 2}


def _within_base64(data: bytes) -> set[bytes]:
    """The symbols that depend on `data` alone, wherever in the encoded text it begins."""
    found = set()
    for before in range(GROUP):
        coded = base64.b64encode(b"\0" * before + data).rstrip(b"=")
        first = -(-before * 8 // SYMBOL_BITS)
        last = (before + len(data)) * 8 // SYMBOL_BITS
        found |= {coded[first:last], coded[first:last].replace(b"+", b"-").replace(b"/", b"_")}
    return found


def _lower_percent(word: str) -> str:
    head, *rest = word.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])
