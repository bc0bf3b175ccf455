"""A service that repeats the credential in its answer: it is taken out before anybody sees the answer.

Otherwise it would be a value of a frame, a line of a log or the text of an error, and so part of a notebook.
"""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import httpx

__all__ = ["HIDDEN", "without_echoes"]

HIDDEN = "(hidden)"
SHORTEST = 6  # characters; a shorter text is not drawn, and would be found by chance


def without_echoes(response: httpx.Response, secrets: Iterable[str]) -> httpx.Response:
    """The response without the secrets it repeats; warns when there were any.

    Args:
        response: An answer that has been read.
        secrets: What was sent.
    """
    forms = {form.encode("latin-1") for text in secrets if len(text) >= SHORTEST for form in _forms(text)}
    headers = [(name, _hidden(value, forms)) for name, value in response.headers.raw]
    content = _hidden(response.content, forms)
    if content == response.content and headers == response.headers.raw:
        return response
    del secrets, forms  # a warning may be an error, and its traceback would keep them
    warnings.warn("The service repeats the credential in its answer; it has been taken out.", stacklevel=2)
    return httpx.Response(response.status_code, headers=headers, content=content)


def _forms(text: str) -> set[str]:
    in_json = json.dumps(text)[1:-1]
    plain = {text, in_json, in_json.replace("/", "\\/"), quote(text), quote(text, safe=""), quote_plus(text)}
    return plain | {base64.b64encode(text.encode()).decode()}


def _hidden(data: bytes, forms: Iterable[bytes]) -> bytes:
    for form in sorted(forms, key=len, reverse=True):
        if form in data:
            data = data.replace(form, HIDDEN.encode())
    return data
