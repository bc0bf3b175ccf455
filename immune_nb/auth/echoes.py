"""A service that repeats the credential in its answer: it is taken out before anybody sees the answer.

Otherwise it would be a value of a frame, a line of a log or the text of an error, and so part of a notebook.
"""

from __future__ import annotations

import base64
import html
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

import httpx

from immune_nb.errors import ImmuneWarning

__all__ = ["HIDDEN", "SHORTEST", "without_echoes"]

HIDDEN = "(hidden)"
PLAIN = re.compile(r"[\w.~-]+", re.ASCII).fullmatch  # is written the same in JSON and in URLs
RARE = b"XQJKYVWUBGFDLNROCEkjxqz"  # bytes that keys have and answers seldom do, the rarest first
URL_SAFE = str.maketrans("+/", "-_")
ESCAPED = ("\"&'+<>`", "&<>")  # by .NET, and by Go
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
SHORTEST = 6  # characters; a shorter text is not drawn, and would be found by chance
RUN = re.compile(rb"[\w.~%+/-]{16,}")  # of a secret: long enough to be no chance


def without_echoes(response: httpx.Response, secrets: Iterable[str], *, in_part: bool = False) -> httpx.Response:
    """The response without the secrets it repeats; warns when there were any.

    Args:
        response: An answer that has been read.
        secrets: What was sent.
        in_part: Whether to look for long parts of them too, as an error quotes what it has room for.
    """
    clean = _cleaned(response, secrets, in_part=in_part)
    if clean is None:
        return response
    del secrets, response  # a warning may be an error, and its traceback would keep them
    warnings.warn(
        "The service repeats the credential in its answer; it has been taken out.", ImmuneWarning, stacklevel=2
    )
    return clean


def _cleaned(response: httpx.Response, secrets: Iterable[str], *, in_part: bool) -> httpx.Response | None:
    raw, content = response.headers.raw, response.content
    texts = (content, b"\0".join(value for _, value in raw))
    kinds = ("latin-1", *WIDE) if b"\0" in content[:4] else ("latin-1",)  # a character may have more bytes than one
    words = {word for text in secrets if len(text) >= SHORTEST for word in _words(text)}
    forms = {word.encode(kind): HIDDEN.encode(kind) for word in words for kind in kinds}
    if in_part:
        runs = [run for text in texts for run in RUN.findall(text) if any(run in form for form in forms)]
        forms |= dict.fromkeys(runs, HIDDEN.encode())
    if not any(_occurs(form, text) for form in forms for text in texts):
        return None
    headers = [(name, _hidden(value, forms)) for name, value in raw]
    return httpx.Response(response.status_code, headers=headers, content=_hidden(content, forms))


def _words(text: str) -> set[str]:
    """A secret as it may be written in an answer."""
    coded = base64.b64encode(text.encode()).decode().rstrip("=")
    found = {text, coded, coded.translate(URL_SAFE)}
    if not PLAIN(text):
        in_json, in_url = json.dumps(text)[1:-1], {quote(text), quote(text, safe=""), quote_plus(text)}
        found |= {in_json, in_json.replace("/", "\\/"), html.escape(text), html.escape(text, quote=False), *in_url}
        found |= {re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), word) for word in in_url}
        found |= {_escaped(text, some, how) for some in ESCAPED for how in ("\\u{:04X}", "\\u{:04x}")}
        found.add(text.replace('"', '""'))  # in CSV
    return found


def _escaped(text: str, some: str, how: str) -> str:
    """In JSON as .NET and Go write it: some characters by their number."""
    return "".join(how.format(ord(c)) if c in some else json.dumps(c)[1:-1] for c in text)


def _hidden(data: bytes, forms: Mapping[bytes, bytes]) -> bytes:
    for form in sorted(forms, key=len, reverse=True):
        if _occurs(form, data):
            data = data.replace(form, forms[form])
    return data


def _occurs(form: bytes, data: bytes) -> bool:
    """Whether it is in the data. Looking for its rarest byte first is several times as quick where that is not."""
    rare = next((byte for byte in RARE if byte in form), None)
    return (rare is None or rare in data) and form in data
