"""The token endpoint: what is sent, and what its answers mean."""

import base64
from urllib.parse import parse_qs

import httpx
import pytest

import immune_nb as im
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.grants import client_credentials, refresh
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.errors import BadReplyError, ConfigError, LoginRejectedError, SessionExpiredError, UnreachableError

CANARY = "s:ecret/+ &ü".replace("ü", "u")
OK = {"access_token": "abc", "token_type": "Bearer", "expires_in": 60, "scope": "read write"}


def profile(**more):
    return im.Profile("lab", "https://api.example", token_url="https://auth.example/token", **more)


class Endpoint:
    """A token endpoint that answers as told, and remembers."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.seen = []

    def __call__(self, request):
        self.seen.append(request)
        return self.answers.pop(0)

    def form(self, index=-1):
        return {k: v[0] for k, v in parse_qs(self.seen[index].content.decode()).items()}

    def basic(self, index=-1):
        return base64.b64decode(self.seen[index].headers["Authorization"].removeprefix("Basic ")).decode()


def grant(endpoint, **more):
    transport = httpx.MockTransport(endpoint)
    client = OAuthClient(profile(**more), "an id", Secret(CANARY), transport=transport, clock=lambda: 5.0)
    return lambda: client_credentials(client)


def test_the_body_carries_the_client():
    """RFC 6749 2.3.1: id and secret as form fields, and no header."""
    endpoint = Endpoint(httpx.Response(200, json=OK))
    token = grant(endpoint, client_auth="body", scopes=("read", "write"))()
    assert endpoint.form() == {
        "grant_type": "client_credentials",
        "scope": "read write",
        "client_id": "an id",
        "client_secret": CANARY,
    }
    assert endpoint.seen[0].headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in endpoint.seen[0].headers
    assert (token.access.reveal(), token.expires_in, token.received_at) == ("abc", 60, 5.0)
    assert token.scopes == ("read", "write")


def test_basic_encodes_id_and_secret_before_joining():
    """RFC 6749 2.3.1: a colon or a space in either survives."""
    endpoint = Endpoint(httpx.Response(200, json=OK))
    grant(endpoint, client_auth="basic")()
    assert endpoint.basic() == "an+id:s%3Aecret%2F%2B+%26u"
    assert endpoint.form() == {"grant_type": "client_credentials"}


def test_auto_tries_the_body_when_basic_is_refused_and_remembers():
    """Servers differ in what they take: the second request knows."""
    refused = httpx.Response(401, json={"error": "invalid_client"})
    endpoint = Endpoint(refused, httpx.Response(200, json=OK), httpx.Response(200, json=OK))
    ask = grant(endpoint)
    ask()
    ask()
    assert "Authorization" in endpoint.seen[0].headers
    assert endpoint.form(1)["client_secret"] == CANARY
    assert len(endpoint.seen) == 3


def test_auto_does_not_hammer_a_server_that_refuses_the_scope():
    """Only an answer that may be about the method is answered with the other method."""
    endpoint = Endpoint(httpx.Response(400, json={"error": "invalid_scope"}))
    with pytest.raises(LoginRejectedError, match="invalid_scope"):
        grant(endpoint)()
    assert len(endpoint.seen) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            httpx.Response(401, json={"error": "invalid_client", "error_description": "no\x1b[31m such"}),
            LoginRejectedError,
            "no",
        ),
        (httpx.Response(400, json={"error": {"code": "AUTHENTICATION_ERROR"}}), LoginRejectedError, "AUTHENTICATION"),
        (httpx.Response(403), LoginRejectedError, "HTTP 403"),
        (httpx.Response(200, json={"error": "bad_verification"}), LoginRejectedError, "bad_verification"),
        (httpx.Response(404), BadReplyError, "token_url"),
        (httpx.Response(503), UnreachableError, "503"),
        (httpx.Response(429), UnreachableError, "429"),
        (httpx.Response(307, headers={"Location": "https://evil.example"}), BadReplyError, "307"),
        (httpx.Response(200, html="<html>log in</html>"), BadReplyError, "JSON"),
        (httpx.Response(200, json=["x"]), BadReplyError, "JSON"),
        (httpx.Response(200, json={"access_token": "a", "token_type": "mac"}), BadReplyError, "mac"),
    ],
)
def test_every_answer_but_a_token_is_an_error(answer, kind, words):
    """A18, RFC 6749 5.2: refused, broken, redirected, HTML: each its class, none with the secret in it."""
    with pytest.raises(kind, match=words) as caught:
        grant(Endpoint(answer), client_auth="body")()
    assert CANARY not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_profile_without_a_token_endpoint_says_what_to_set():
    """Nothing is sent; the message names the field and the variable."""
    lonely = im.Profile("lab", "https://api.example")
    with pytest.raises(ConfigError, match="token_url.*LAB_TOKEN_URL"):
        client_credentials(OAuthClient(lonely, "id", Secret("s")))


@pytest.mark.parametrize(("said", "is_more"), [("read admin", True), ("read", False), ("", False), (None, False)])
def test_a_renewal_has_no_more_than_was_asked_where_the_first_answer_was_silent(said, is_more):
    """A14, RFC 6749 5.1: an answer without `scope` grants what was asked for, and no later one more than that."""
    answer = {name: value for name, value in (OK | {"scope": said}).items() if value is not None}
    transport = httpx.MockTransport(Endpoint(httpx.Response(200, json=answer)))
    client = OAuthClient(profile(scopes=("read",)), "me", transport=transport, clock=lambda: 5.0)
    first = Token(Secret("at0"), refresh=Secret("rt0"))
    if is_more:
        with pytest.raises(SessionExpiredError, match="not granted: admin"):
            refresh(client, first)
    else:
        assert refresh(client, first).scopes == (None if said is None else tuple(said.split()))
