"""Secrets are found in every spelling, and nothing else is."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from immune_nb.auth.secrets import Secret
from immune_nb.notebook.spellings import finder, spellings

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60)


@given(key=KEYS, before=st.text(max_size=9), after=st.text(max_size=9))
def test_every_spelling_is_found(key, before, after):
    """Raw, URL, JSON once and twice, HTML, UTF-16, hex, and base64 at any offset with a user before it."""
    find = finder([("it", Secret(key))])
    around = f"{before}:{key}:{after}".encode("utf-8", "surrogatepass")
    for data in (
        key.encode(),
        quote(key, safe="").encode(),
        quote(key, safe="").lower().encode() if key.islower() or key.isdigit() else quote_plus(key).encode(),
        json.dumps(f"a {key} b").encode(),
        json.dumps(json.dumps({"k": key})).encode(),
        html.escape(key).encode(),
        key.encode("utf-16"),
        key.encode("utf-16-be"),
        key.encode().hex().encode(),
        base64.b64encode(around),
        base64.urlsafe_b64encode(around),
    ):
        assert find(b"x" + data + b"x") == "it"


@given(key=KEYS, other=st.binary(max_size=500))
def test_nothing_else_is_found(key, other):
    """Random bytes hold no secret; a secret with its last character changed is not that secret."""
    find = finder([("it", Secret(key))])
    changed = key[:-1] + ("y" if key[-1] == "x" else "x")
    assert find(other.replace(key.encode(), b"")) == ""
    assert find(changed.encode()) == ""


def test_what_is_too_short_is_not_searched():
    """Five characters are everywhere."""
    assert spellings("abcde") == set()
    assert finder([("it", Secret("abcde"))])(b"abcdefgh") == ""
