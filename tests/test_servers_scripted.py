"""The scripted server does as it is told, so that a test of the client can trust it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from servers.scripted import Answer, error, html, redirect, reply, scripted, token

PLAIN = {"trust_env": False, "verify": False}  # http on loopback: no proxy, and no TLS context to build


@pytest.fixture
def server():
    """A server without a script."""
    with scripted() as script:
        yield script


def ask(server, path="/token", **fields):
    return httpx.post(server.origin + path, data=fields, **PLAIN)


def test_answers_come_in_order_and_the_last_stays(server):
    """A queue per path; what has none is 404."""
    server.says("/token", error("slow_down"), token("at_7", expires_in=None, scope="read"))
    replies = [ask(server) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [400, 200, 200]
    assert replies[2].json() == {"access_token": "at_7", "token_type": "Bearer", "scope": "read"}
    assert ask(server, "/nothing").status_code == 404


def test_requests_are_kept_whole(server):
    """Method, path, query, headers, form; a repeated field keeps both values and is not taken for one."""
    server.says("/token", token())
    httpx.post(server.origin + "/token?a=1", data={"x": ["1", "2"]}, headers={"X-Who": "me"}, **PLAIN)
    ask(server, grant_type="refresh_token")
    first, second = server.asked("/token")
    assert (first.method, first.query, first.headers["x-who"]) == ("POST", {"a": ["1"]}, "me")
    assert first.fields == {"x": ["1", "2"]}
    assert second.form == {"grant_type": "refresh_token"}
    with pytest.raises(AssertionError, match="more than once"):
        _ = first.form


def test_an_answer_can_depend_on_what_was_asked(server):
    """A function makes it."""
    server.says("/token", lambda asked: token("for_" + asked.form["code"]))
    assert ask(server, code="7").json()["access_token"] == "for_7"


def test_metadata_with_one_thing_wrong(server):
    """Everything is right but what a test changes."""
    said = server.publishes(issuer="https://evil.example", revocation_endpoint=None)
    got = httpx.get(server.origin + "/.well-known/oauth-authorization-server", **PLAIN).json()
    assert got == said
    assert (got["issuer"], got["token_endpoint"]) == ("https://evil.example", server.origin + "/token")
    assert "revocation_endpoint" not in got


def test_pages_redirects_and_odd_headers(server):
    """HTML with 200, a 307, another clock."""
    server.says("/token", html("<h1>Log in</h1>"), redirect("https://evil.example/", 307), reply({}, date="junk"))
    page, elsewhere, skewed = (ask(server) for _ in range(3))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (elsewhere.status_code, elsewhere.headers["location"]) == (307, "https://evil.example/")
    assert skewed.headers["date"] == "junk"


@pytest.mark.parametrize("answer", [Answer(0), Answer(200, body=b"x" * 100, cut=10)])
def test_connections_can_break(server, answer):
    """Before a word, and in the middle; the next request is answered again."""
    server.says("/token", answer, token())
    with pytest.raises(httpx.RemoteProtocolError):
        ask(server)
    assert ask(server).status_code == 200


def test_a_client_can_be_met_in_the_middle_of_a_request(server):
    """Two events instead of a sleep: it is there; let it go on."""
    arrived, go_on = threading.Event(), threading.Event()
    server.says("/token", Answer(204, after=go_on, arrived=arrived))
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask, server)
        assert arrived.wait(10)
        assert not asking.done()
        go_on.set()
        assert asking.result(10).status_code == 204


def test_a_client_may_give_up(server, capfd):
    """Nothing on stderr, and the server goes on."""
    go_on = threading.Event()
    server.says("/token", Answer(200, body=b"x" * 10_000_000, after=go_on), token())
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(server.origin + "/token", timeout=0.05, **PLAIN)
    go_on.set()
    assert ask(server).status_code == 200
    assert capfd.readouterr().err == ""
