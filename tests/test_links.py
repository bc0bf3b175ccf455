"""Links to the next page: read as RFC 8288 has it, and never followed off the API's origin."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immune_nb.fetch.links import StrayLinkError, address, header_links, is_address, missing_from

HERE = "https://api.example/v1/readings?page=1"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://api.example/v1/readings?page=2", "https://api.example/v1/readings?page=2"),
        ("https://api.example:443/v1/readings?page=2", "https://api.example/v1/readings?page=2"),
        ("http://api.example/v1/readings?page=2", "https://api.example/v1/readings?page=2"),
        ("http://api.example:80/v1/readings", "https://api.example/v1/readings"),
        ("HTTPS://API.EXAMPLE/v1/readings", "https://api.example/v1/readings"),
        ("//api.example/v1/readings?page=2", "https://api.example/v1/readings?page=2"),
        ("/v1/readings?page=2", "https://api.example/v1/readings?page=2"),
        ("/readings?page=2", "https://api.example/v1/readings?page=2"),
        ("readings?page=2", "https://api.example/v1/readings?page=2"),
        ("?page=2", "https://api.example/v1/readings?page=2"),
        ("/other?page=2", "https://api.example/other?page=2"),
        (" ?since=2026-01-01 00:00 ", "https://api.example/v1/readings?since=2026-01-01%2000:00"),
        ("https://me:pw@api.example/v1/readings#top", "https://api.example/v1/readings"),
    ],
)
def test_a_link_on_the_origin_is_an_address_there(link, url):
    """Absolute, relative, to be mended; http on the same host means https; user, password and fragment go."""
    assert address(link, HERE) == url


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1/readings",
        "https://api.example.evil.example/",
        "https://api.example@evil.example/",
        "//evil.example/v1/readings",
        "https://api.example:8443/v1/readings",
        "http://api.example:8080/v1/readings",
        "ftp://api.example/v1/readings",
        "javascript:alert(1)",
        "https://api.example\\@evil.example/",
        "https://[api.example/",
        "https://api.example:port/",
        "https://api.example/\x00",
        "https://api.example/\u202e",
    ],
)
def test_a_link_that_leads_elsewhere_is_not_followed(link):
    """Another host, port or scheme, or nothing that can be read."""
    with pytest.raises(StrayLinkError):
        address(link, HERE)


def test_a_stray_link_names_its_host():
    """Without user, password, path or query, which may hold anything."""
    with pytest.raises(StrayLinkError, match=r"https://evil\.example, which") as caught:
        address("https://me:pw@evil.example/secret?token=t", HERE)
    assert not any(word in str(caught.value) for word in ("pw", "secret", "token"))


def test_https_is_never_taken_down():
    """A plain API on loopback stays plain; one on https has no http link left."""
    assert address("http://127.0.0.1:8000/a", "http://127.0.0.1:8000/b") == "http://127.0.0.1:8000/a"
    with pytest.raises(StrayLinkError):
        address("https://127.0.0.1:8000/a", "http://127.0.0.1:8000/b")


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ('<a>; rel="next"', [("a", {"rel": "next"})]),
        ("<a>; rel=next", [("a", {"rel": "next"})]),
        ('<a> ; REL = "prev next" ; title="x, <y>; \\"z\\""', [("a", {"rel": "prev next", "title": 'x, <y>; "z"'})]),
        (
            '<a>; title="b"; rel=next, <c,d;e>; rel="last"',
            [("a", {"title": "b", "rel": "next"}), ("c,d;e", {"rel": "last"})],
        ),
        ('<a>; rel="first"; rel="next"', [("a", {"rel": "first"})]),
        ("<a>; rel=next; crossorigin", [("a", {"rel": "next"})]),
        ("", []),
        ("nonsense", []),
    ],
)
def test_a_link_header_is_read_as_the_standard_has_it(text, links):
    """RFC 8288, 3: several links, parameters in any order, quoted or not; the first `rel` counts."""
    assert list(header_links(text)) == links


@given(st.text('<>;=",\\ relnxt*', max_size=200))
def test_any_link_header_is_read_to_its_end(text):
    """No header makes it fail."""
    list(header_links(text))


@pytest.mark.parametrize("piece", ["<a>;", "<a>; rel=", '<a>; rel="\\"', "<a>; a;", "<", ";"])
def test_a_hostile_link_header_costs_no_time(piece):
    """A megabyte of a header that never ends well; quadratic reading would take minutes."""
    began = time.process_time()
    list(header_links(piece * (200_000 // len(piece))))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("value", ["https://x", "/a", "?a=b", "list?a=b", "//x/y"])
def test_addresses_are_told_from_tokens(value):
    """What can be followed."""
    assert is_address(value)


@pytest.mark.parametrize("value", ["abc", "dGVzdA==", "t-1_2.3", "2026-01-01T00:00:00Z", 7, None, True, ""])
def test_tokens_are_no_addresses(value):
    """What goes back in a parameter."""
    assert not is_address(value)


@pytest.mark.parametrize(
    ("url", "ours", "mended", "missing"),
    [
        ("u?page=2", [("unit", "C"), ("page", "1")], "u?page=2", {"unit": "C"}),
        ("u?page=2&unit=F", [("unit", "C")], "u?page=2&unit=F", {}),
        ("u?page=2&limit=50", [("limit", "10")], "u?page=2&limit=50", {}),
        ("u?page=2&pageSize=50", [("limit", "10")], "u?page=2&pageSize=50", {}),
        ("u?c=x", [("id", "a"), ("id", "b")], "u?c=x", {"id": ["a", "b"]}),
        ("u?page=1&page=2", [], "u?page=2", {}),
        ("u?a=1&a=1&b=", [("a", "1")], "u?a=1&b=", {}),
        ("u?a=1&a=2", [("a", "1"), ("a", "2")], "u?a=1&a=2", {}),
        ("u?sig=a%2Fb+c", [], "u?sig=a%2Fb+c", {}),
    ],
)
def test_a_link_keeps_the_question(url, ours, mended, missing):
    """What it drops is asked for again, what it repeats once; else not a byte of it is changed."""
    assert missing_from(url, ours) == (mended, missing)
