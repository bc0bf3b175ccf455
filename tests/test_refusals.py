"""What an authorization server's no is about: the login, the client, or nothing but the moment."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gauntlet.canaries import canary, leaked
from servers.scripted import Answer, Asked, Scripted, error, html, reply, scripted, token

import immune_nb as im
from immune_nb.auth.chain import Credentials
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.grants import client_credentials, refresh
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.session import Session

NOT_OF_THE_LOGIN = {
    "a page, 400": html("<h1>Bad Request</h1>", 400),
    "a page, 403": html("<h1>Blocked</h1>", 403),
    "nothing, 401": Answer(401),
    "the proxy's login": html("<h1>Who are you?</h1>", 407),
    "too large": html("x", 413),
    "the law": html("x", 451),
    "later": error("temporarily_unavailable"),
    "its own fault": error("server_error"),
    "too fast": error("slow_down"),
    "too many": Answer(429),
    "too many, and for how long": Answer(429, [("Retry-After", "77")]),
}


@pytest.fixture
def there() -> Iterator[Scripted]:
    """A server whose tokens an API takes."""
    with scripted() as server:
        server.says("/api/sensors", reply({"data": [{"id": "a"}], "has_more": False}))
        yield server


def session(there: Scripted, age: float, **more: object) -> Session:
    """A sign-in with a refresh token, some seconds ago; an access token lives for a hundred. No wait is real."""
    profile = im.Profile("lab", f"{there.origin}/api", token_url=f"{there.origin}/token", client_id="me")
    times = {name: more.pop(name) for name in ("clock", "sleep") if name in more}
    held = Token(Secret("at_0"), time.time() - age, 100.0, refresh=Secret("rt_0"), subject="7")
    who = Credentials("browser", **{"token": held, "client_id": "me", "sign_in": "browser", **more})
    return Session(profile, who, **{"sleep": lambda _: None, **times})


@pytest.mark.parametrize("answer", NOT_OF_THE_LOGIN.values(), ids=NOT_OF_THE_LOGIN)
def test_one_odd_answer_at_renewal_ends_no_session(there, answer):
    """RFC 6749 5.2: what refuses no login is an outage, and the next renewal is as good as ever."""
    there.says("/token", answer, token("at_1", refresh_token="rt_1"))
    held = session(there, age=200)
    with pytest.raises(im.ServiceError, match="[Tt]ry again"):
        held.renew()
    held.renew()
    assert len(held.sensors()) == 1
    assert [asked.form["refresh_token"] for asked in there.asked("/token")] == ["rt_0", "rt_0"]
    held.close()


@pytest.mark.parametrize("answer", NOT_OF_THE_LOGIN.values(), ids=NOT_OF_THE_LOGIN)
def test_a_token_that_is_good_for_a_while_is_used_meanwhile(there, answer):
    """The token is due, not over: an odd answer is not the query's problem yet."""
    there.says("/token", answer)
    held = session(there, age=95)
    assert len(held.sensors()) == 1
    held.close()


@pytest.mark.parametrize(
    ("answer", "times"), [(html("<h1>Blocked</h1>", 403), 1), (Answer(408), 5), (Answer(503), 5)]
)
def test_a_no_of_somebody_on_the_way_is_not_asked_for_again(there, answer, times):
    """A proxy's 403 stays one: the query ends at once; a server that was slow, or down, is asked five times."""
    there.says("/token", answer)
    held = session(there, age=200)
    with pytest.raises(im.UnreachableError, match=f"answered {answer.status}"):
        held.sensors()
    assert len(there.asked("/token")) == times
    held.close()


def test_an_answer_of_the_token_endpoint_is_not_taken_for_none(there):
    """Whoever answers is running, and this machine is on its network."""
    there.says("/token", Answer(503))
    now = [time.time()]
    held = session(there, age=95, clock=lambda: now[0])
    held.sensors()
    now[0] += 100
    with pytest.raises(im.UnreachableError, match=r"answered 503\. Try again later\.$"):
        held.sensors()
    held.close()


CUT = {
    "half a body": replace(token("at_1"), cut=9),
    "half a gzip": Answer(200, [("Content-Encoding", "gzip")], gzip.compress(b'{"access_token": "at_1"}')[:-9]),
    "no word": Answer(0),
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
def test_a_refresh_token_whose_answer_was_lost_is_not_sent_twice_in_a_query(there, answer):
    """A server that rotates has spent it, and may take a second use for theft."""
    there.says("/token", answer)
    held = session(there, age=200)
    with pytest.raises(im.ServiceError, match=r"Try again; if that is refused, log in again\.$"):
        held.sensors()
    assert len(there.asked("/token")) == 1
    held.close()


def test_a_client_asks_again_for_an_answer_that_was_lost(there):
    """Positive control: client credentials are spent by nothing."""
    there.says("/token", Answer(0), replace(token("at_1"), cut=9), token("at_1"))
    held = session(there, age=0, token=None, client_secret=Secret("s3cret-text"), sign_in="")
    assert len(held.sensors()) == 1
    assert len(there.asked("/token")) == 3
    held.close()


@pytest.mark.parametrize("word", ["invalid_grant", "bad_refresh_token"])
def test_a_login_that_is_over_is_asked_for_once(there, word):
    """Positive control: a refusal of the grant is one, and the session ends with it."""
    there.says("/token", error(word), token("at_1"))
    held = session(there, age=200)
    for _ in range(2):
        with pytest.raises(im.SessionExpiredError, match="Log in again"):
            held.sensors()
    assert len(there.asked("/token")) == 1
    held.close()


def test_a_client_that_is_refused_at_renewal_may_be_put_right(there):
    """`invalid_client` is about the client: the hint says so, and the login goes on once it is taken again."""
    there.says("/token", error("invalid_client", 401), token("at_1"))
    held = session(there, age=200)
    with pytest.raises(im.SessionExpiredError, match=r"Check the client: it was sent without a secret\.$"):
        held.renew()
    held.renew()
    held.close()


def test_a_client_that_logs_in_for_itself_checks_its_secret(there):
    """The same for client credentials, which nobody can log in with again."""
    there.says("/token", token("at_1"), error("invalid_client", 401))
    mine = {"token": None, "client_secret": Secret("s3cret-text"), "sign_in": ""}
    held = session(there, age=0, **mine)
    held.verify()
    with pytest.raises(im.SessionExpiredError, match=r"invalid_client\. Check the client and its secret\.$"):
        held.renew()
    held.close()


@pytest.mark.parametrize("access", ["at_1", "at_0"])
def test_an_api_that_refuses_every_token_does_not_cost_one_a_query(there, access):
    """Also where the server gives the same again: once a minute at most, until somebody renews, or it says yes."""
    there.says("/token", token(access, refresh_token="rt_0"))
    there.says("/api/sensors", Answer(401))
    skipped = [0.0]
    held = session(there, age=0, clock=lambda: time.time() + skipped[0])
    for at, calls in ((0.0, 1), (0.0, 1), (59.0, 1), (61.0, 2), (61.0, 2)):
        skipped[0] = at
        with pytest.raises(im.LoginError):
            held.sensors()
        assert len(there.asked("/token")) == calls
    there.says("/api/sensors", reply({"data": [{"id": "a"}], "has_more": False}))
    assert len(held.sensors()) == 1
    assert len(there.asked("/token")) == 2
    held.close()


def first(there: Scripted, answer: Answer) -> None:
    """A first login with a client's secret."""
    there.says("/token", answer)
    profile = im.Profile("lab", there.origin, token_url=f"{there.origin}/token", client_auth="body")
    client_credentials(OAuthClient(profile, "me", Secret("wrong")))


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_first_login_that_is_refused_without_a_word_is_refused(there, status):
    """A server that does not speak OAuth's errors: a person with a wrong secret is told of the secret."""
    with pytest.raises(im.LoginRejectedError, match=f"HTTP {status}. Check the client, its secret"):
        first(there, html("<h1>No</h1>", status))


def test_a_client_without_a_secret_is_not_told_to_check_it(there):
    """A public client that is refused without a word."""
    there.says("/token", html("<h1>No</h1>", 400))
    profile = im.Profile("lab", there.origin, token_url=f"{there.origin}/token")
    with pytest.raises(im.LoginRejectedError, match="HTTP 400. Check the client, which was sent without a secret"):
        client_credentials(OAuthClient(profile, "me"))


@pytest.mark.parametrize("status", [407, 413, 451])
def test_what_no_token_endpoint_says_is_no_refusal_of_a_first_login(there, status):
    """These are a proxy's, or about the request."""
    with pytest.raises(im.UnreachableError, match=f"answered {status}.*proxy"):
        first(there, html("<h1>No</h1>", status))
    assert len(there.asked("/token")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "77"},
        {"retry_after": "Sat, 01 Aug 2026 10:01:17 GMT", "date": "Sat, 01 Aug 2026 10:00:00 GMT"},
    ],
)
def test_a_server_that_says_how_long_to_wait_is_quoted(there, headers):
    """RFC 9110 10.2.3: seconds, or a date by the server's own clock."""
    with pytest.raises(im.RateLimitedError, match="77 s") as caught:
        first(there, reply({"error": "too_many_requests"}, 429, **headers))
    assert caught.value.retry_after == 77


@pytest.mark.parametrize("status", [429, 503])
def test_a_query_waits_for_its_token_as_long_as_it_is_told(there, status):
    """The token endpoint is asked again after 20 s, and not five times in two."""
    there.says("/token", reply({}, status, retry_after="20"), reply({}, status, retry_after="20"), token("at_1"))
    slept: list[float] = []
    held = session(there, age=200, sleep=slept.append)
    assert len(held.sensors()) == 1
    assert (slept, len(there.asked("/token"))) == ([20, 20], 3)
    held.close()


def test_a_wait_beyond_reason_is_no_instruction(there):
    """Seconds since 1970 where seconds from now belong: nobody is told to wait for seventy years."""
    with pytest.raises(im.UnreachableError, match=r"answered 429: slow\. Try again later\.$"):
        first(there, reply({"error": "slow"}, 429, retry_after="2300583466"))


def test_a_token_answer_beyond_reason_is_not_read(there):
    """An authorization server needs no megabyte to say yes or no."""
    with pytest.raises(im.BadReplyError, match="larger than 1 MiB"):
        first(there, Answer(200, body=b" " * (2**20 + 1)))


def test_oktas_words_are_shown(there):
    """`errorSummary` stands where others have `error_description`."""
    said = {"errorCode": "E0000011", "errorSummary": "Invalid token provided"}
    with pytest.raises(im.LoginRejectedError, match="Invalid token provided"):
        first(there, reply(said, 401))


QUOTED = {
    "the body": lambda asked: asked.body.decode(),
    "the fields": lambda asked: " ".join(asked.form.values()),
    "the header": lambda asked: asked.headers.get("authorization", ""),
    "its beginning": lambda asked: asked.headers.get("authorization", "")[:40],
    "an end": lambda asked: asked.body.decode()[-60:],
}


@pytest.mark.parametrize("status", [200, 400, 401, 503])
@pytest.mark.parametrize("way", ["basic", "body"])
@pytest.mark.parametrize("quotes", QUOTED.values(), ids=QUOTED)
@pytest.mark.filterwarnings("ignore:The service repeats:immune_nb.ImmuneWarning")
def test_an_error_that_quotes_the_request_shows_no_secret(there, status, way, quotes):
    """With whatever status, as GitHub does with 200; and Basic is the secret, too, be it cut short."""
    secret, told = canary(), []

    def answer(asked: Asked) -> Answer:
        told.append(asked.headers.get("authorization", ""))
        return error("invalid_client", status, error_description=quotes(asked))

    there.says("/token", answer)
    profile = im.Profile("lab", there.origin, token_url=f"{there.origin}/token", client_auth=way)
    with pytest.raises(im.ImmuneError) as caught:
        client_credentials(OAuthClient(profile, "a-client-with-a-long-name", Secret(secret)))
    assert not leaked(str(caught.value), secret)
    assert secret[-12:] not in str(caught.value)
    assert not any(header and header[6:40] in str(caught.value) for header in told)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.filterwarnings("ignore:The service repeats:immune_nb.ImmuneWarning")
def test_a_quoted_assertion_or_refresh_token_is_not_shown(there, status):
    """RFC 7523 2.2: the assertion is good for a login until it expires; a refresh token for longer."""
    told = []

    def answer(asked: Asked) -> Answer:
        told.append(asked.form.get("client_assertion") or asked.form["refresh_token"])
        return error("invalid_client", status, error_description=told[-1][-150:])

    there.says("/token", answer)
    key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    profile = im.Profile("lab", there.origin, token_url=f"{there.origin}/token")
    with pytest.raises(im.LoginRejectedError) as caught:
        client_credentials(OAuthClient(profile, "me", Secret(key.decode())))
    refresh_token = Token(Secret("at_0"), refresh=Secret("rt_0123456789"))
    with pytest.raises(im.LoginError) as renewed:
        refresh(OAuthClient(profile, "me"), refresh_token)
    assert [told[0][-40:] in str(caught.value), told[1] in str(renewed.value)] == [False, False]
    assert "(hidden)" in str(caught.value)


def test_a_refresh_token_that_comes_back_in_a_token_answer_is_kept(there):
    """Positive control: a server that does not rotate sends it again, and it must be what it was."""
    there.says("/token", token("at_1", refresh_token="rt_0123456789"))
    profile = im.Profile("lab", there.origin, token_url=f"{there.origin}/token")
    held = Token(Secret("at_0"), refresh=Secret("rt_0123456789"))
    assert refresh(OAuthClient(profile, "me"), held).refresh.reveal() == "rt_0123456789"
