"""A service that repeats the credential in its answer: it is taken out before anybody sees the answer.

Otherwise it would be a value of a frame, a line of a log or the text of an error, and so part of a notebook.
"""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import httpx

from immune_nb.errors import ImmuneWarning

__all__ = ["HIDDEN", "SHORTEST", "without_echoes"]

HIDDEN = "(hidden)"
PLAIN = re.compile(r"[\w.~-]+", re.ASCII).fullmatch  # is written the same in JSON and in URLs
RARE = b"XQJKYVWUBGFDLNROCEkjxqz"  # bytes that keys have and answers seldom do, the rarest first
SHORTEST = 6  # characters; a shorter text is not drawn, and would be found by chance
RUN = re.compile(rb"[\w.~%+/-]{16,}")  # of a secret: long enough to be no chance


def without_echoes(response: httpx.Response, secrets: Iterable[str], *, in_part: bool = False) -> httpx.Response:
    """The response without the secrets it repeats; warns when there were any.

    Args:
        response: An answer that has been read.
        secrets: What was sent.
        in_part: Whether to look for long parts of them too, as an error quotes what it has room for.
    """
    forms = {form.encode("latin-1") for text in secrets if len(text) >= SHORTEST for form in _forms(text)}
    raw, content = response.headers.raw, response.content
    texts = (content, b"\0".join(value for _, value in raw))
    if in_part:
        forms |= {run for text in texts for run in RUN.findall(text) if any(run in form for form in forms)}
    if not any(_occurs(form, text) for form in forms for text in texts):
        return response
    headers = [(name, _hidden(value, forms)) for name, value in raw]
    content = _hidden(content, forms)
    del secrets, forms  # a warning may be an error, and its traceback would keep them
    warnings.warn(
        "The service repeats the credential in its answer; it has been taken out.", ImmuneWarning, stacklevel=2
    )
    return httpx.Response(response.status_code, headers=headers, content=content)


def _forms(text: str) -> set[str]:
    if PLAIN(text):
        return {text, base64.b64encode(text.encode()).decode()}
    in_json = json.dumps(text)[1:-1]
    plain = {text, in_json, in_json.replace("/", "\\/"), quote(text), quote(text, safe=""), quote_plus(text)}
    return plain | {base64.b64encode(text.encode()).decode()}


def _hidden(data: bytes, forms: Iterable[bytes]) -> bytes:
    for form in sorted(forms, key=len, reverse=True):
        if _occurs(form, data):
            data = data.replace(form, HIDDEN.encode())
    return data


def _occurs(form: bytes, data: bytes) -> bool:
    """Whether it is in the data. Looking for its rarest byte first is several times as quick where that is not."""
    rare = next((byte for byte in RARE if byte in form), None)
    return (rare is None or rare in data) and form in data
