"""The signing transport: to one origin only, and silent about what it adds."""

import logging
import os
import pickle
import ssl

import httpx
import pytest
from gauntlet.canaries import frame_values
from test_wires import Server

import immune_nb as im
from immune_nb.addresses import KeyPlace
from immune_nb.auth.proxies import proxy_for
from immune_nb.auth.renewal import TokenKeeper
from immune_nb.auth.schemes import ApiKey, Bearer
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.auth.transport import CredentialTransport, QuietTransport
from immune_nb.auth.wires import origin_of
from immune_nb.errors import BadReplyError, ImmuneWarning, NoCredentialsError, UnreachableError

CANARY = "canary-5e1b70"
HOME = "https://api.example/v1"
PLACES = ["Authorization: ApiKey {key}", "X-API-Key: {key}", "?api_key={key}"]


class Wire:
    """What reached the other side, and what it answers."""

    def __init__(self, *answers):
        self.seen = []
        self.answers = list(answers)

    def __call__(self, request):
        self.seen.append(httpx.Request(request.method, request.url, headers=request.headers, content=request.content))
        answer = self.answers.pop(0) if self.answers else httpx.Response(200, json={})
        if isinstance(answer, Exception):
            raise answer
        return answer

    def shown(self):
        return [f"{r.url} {r.headers.raw}" for r in self.seen]


def signing(wire, auth):
    return CredentialTransport(auth, HOME, QuietTransport(HOME, httpx.MockTransport(wire)))


def key(place=PLACES[0]):
    return ApiKey(Secret(CANARY, "API key"), KeyPlace.parse(place))


def frames_of(error):
    """Every local of every frame of an exception and of what led to it, as text."""
    seen, texts = [error], []
    for one in seen:
        seen += [e for e in (one.__cause__, one.__context__) if e is not None and e not in seen]
        step = one.__traceback__.tb_next if one is error else one.__traceback__  # the first frame is the test's own
        while step is not None:
            for value in step.tb_frame.f_locals.values():
                texts.append(repr(value))
                if isinstance(value, httpx.Request):
                    texts.append(f"{value.url} {value.headers.raw}")
            step = step.tb_next
    return "\n".join(texts)


@pytest.mark.parametrize("place", PLACES)
def test_the_key_is_added_where_the_profile_says(place):
    """Header with prefix, bare header, query parameter: each reaches the bound origin."""
    wire = Wire()
    response = httpx.Client(transport=signing(wire, key(place))).get(f"{HOME}/sensors?a=b%20c")
    assert CANARY in wire.shown()[0]
    assert wire.seen[0].url.params["a"] == "b c"
    assert CANARY not in f"{response.request.url} {response.request.headers.raw}"


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/v1/sensors",
        "https://api.example:8443/v1/sensors",
        "http://api.example/v1/sensors",
        "https://sub.api.example/v1",
        "https://api.example.evil.example/",
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_no_other_origin_gets_the_key(url, place):
    """L33, L34: another host, port, scheme or subdomain is asked without it; the origin itself is the control."""
    wire = Wire()
    client = httpx.Client(transport=signing(wire, key(place)))
    client.get(url)
    client.get(HOME)
    assert CANARY not in wire.shown()[0]
    assert CANARY in wire.shown()[1]


def test_the_default_port_is_the_same_origin():
    """`https://api.example:443` is the bound origin."""
    assert origin_of("https://API.example:443/x") == origin_of(HOME)
    assert origin_of("http://api.example") != origin_of(HOME)


@pytest.mark.parametrize("place", PLACES)
def test_no_log_shows_the_key(place, caplog):
    """L16: httpx's log of the request has no credential; it does log, so the log was looked at."""
    caplog.set_level(logging.DEBUG)
    httpx.Client(transport=signing(Wire(), key(place))).get(f"{HOME}/sensors")
    assert "api.example" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.LocalProtocolError(CANARY)]
)
def test_an_error_holds_no_signed_request(fault, place):
    """L18, L22: neither the text nor any frame of the raised error has the credential; a plain client's has."""
    wire = Wire(fault, fault)
    with pytest.raises(UnreachableError) as ours:
        httpx.Client(transport=signing(wire, key(place))).get(f"{HOME}/sensors")
    assert CANARY not in str(ours.value) + frames_of(ours.value)
    assert f"{HOME}/sensors" in str(ours.value)
    signed = httpx.Request("GET", HOME, headers={"X-API-Key": CANARY})
    with pytest.raises(httpx.TransportError) as plain:
        httpx.Client(transport=httpx.MockTransport(wire)).send(signed)
    assert CANARY in frames_of(plain.value)


def test_a_certificate_fault_is_not_transient():
    """F29: TLS is not retried, and the way out that is offered is a CA bundle."""
    fault = httpx.ConnectError("certificate verify failed")
    fault.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    with pytest.raises(UnreachableError, match="SSL_CERT_FILE") as caught:
        httpx.Client(transport=signing(Wire(fault), key())).get(HOME)
    assert not caught.value.transient


def test_a_broken_compression_is_a_bad_reply():
    """F10: a body that does not decompress is an error, not an empty answer."""
    answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not gzip"))
    with pytest.raises(BadReplyError, match="compression"):
        httpx.Client(transport=signing(Wire(answer), key())).get(HOME)


def test_cookies_are_not_kept():
    """L35: what a server sets is not sent back."""
    wire = Wire(httpx.Response(200, headers={"Set-Cookie": "a=b"}))
    client = httpx.Client(transport=signing(wire, key()))
    client.get(HOME)
    client.get(HOME)
    assert "cookie" not in wire.seen[1].headers


def test_a_401_renews_once_and_sends_again():
    """The old token is refused, a new one is had, and the request goes out once more with it."""
    wire = Wire(httpx.Response(401), httpx.Response(200, json={"n": 1}))
    keeper = TokenKeeper(lambda _: Token(Secret("new")), Token(Secret("old")))
    response = httpx.Client(transport=signing(wire, Bearer(keeper))).post(HOME, json={"v": 1})
    assert response.json() == {"n": 1}
    assert [r.headers["Authorization"] for r in wire.seen] == ["Bearer old", "Bearer new"]
    assert [r.content for r in wire.seen] == [b'{"v":1}', b'{"v":1}']


def test_a_second_401_is_the_answer():
    """A server that refuses every token is not asked for ever."""
    wire = Wire(*(httpx.Response(401) for _ in range(5)))
    keeper = TokenKeeper(lambda _: Token(Secret("new")), Token(Secret("old")))
    assert httpx.Client(transport=signing(wire, Bearer(keeper))).get(HOME).status_code == 401
    assert len(wire.seen) == 2


def test_a_failed_renewal_leaves_no_token_in_the_frames():
    """L22: the error of a renewal after a 401 does not carry the request signed with the old token."""
    wire = Wire(httpx.Response(401))

    def obtain(_):
        raise UnreachableError("down")

    keeper = TokenKeeper(obtain, Token(Secret(CANARY)))
    with pytest.raises(UnreachableError) as caught:
        httpx.Client(transport=signing(wire, Bearer(keeper))).get(HOME)
    assert CANARY in wire.shown()[0]
    assert CANARY not in frames_of(caught.value)


def test_closing_lets_go_of_the_credential():
    """L43: a closed transport holds no key, and sends nothing: neither signed nor without."""
    wire = Wire()
    transport = signing(wire, key())
    transport.close()
    assert transport._auth.held() == ()
    with pytest.raises(NoCredentialsError, match="logged out"):
        transport.handle_request(httpx.Request("GET", HOME))
    assert not wire.seen


def test_an_echo_is_taken_out_though_the_login_has_changed_meanwhile():
    """L29: the answer repeats the key it was asked with, which is another by then."""

    def wire(request):
        transport.sign_with(ApiKey(Secret("another"), KeyPlace.parse(PLACES[0])))
        return httpx.Response(200, text=request.headers["Authorization"])

    transport = signing(wire, key())
    with pytest.warns(ImmuneWarning, match="repeats the credential"):
        answer = transport.handle_request(httpx.Request("GET", HOME))
    assert answer.text == "ApiKey (hidden)"


def test_a_slow_answer_that_repeats_a_token_replaced_meanwhile_is_cleaned():
    """L29: another thread has renewed it and asked with the new one; the former is still valid."""
    first, second = Token(Secret(f"first-{CANARY}")), Token(Secret("second-token"))
    keeper = TokenKeeper(lambda _: second, first)

    def wire(request):
        if request.url.path == "/v1/slow":
            keeper.replace(first)
            transport.handle_request(httpx.Request("GET", HOME))
        return httpx.Response(200, text=request.headers["Authorization"] if request.url.path == "/v1/slow" else "")

    transport = signing(wire, Bearer(keeper))
    with pytest.warns(ImmuneWarning, match="repeats the credential"):
        answer = transport.handle_request(httpx.Request("GET", f"{HOME}/slow"))
    assert answer.text == "Bearer (hidden)"


def test_a_forked_child_has_no_pool():
    """F39: a child refuses before it could read another's bytes."""
    transport = QuietTransport(HOME, httpx.MockTransport(Wire()))
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            transport.handle_request(httpx.Request("GET", HOME))
        except NoCredentialsError:
            os.write(writer, b"refused")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 20) == b"refused"


@pytest.mark.parametrize("thing", [key(), signing(Wire(), key()), Bearer(TokenKeeper(None))])
def test_nothing_that_signs_pickles(thing):
    """L26: an httpx.Auth would pickle with its secret; ours raise."""
    with pytest.raises(TypeError):
        pickle.dumps(thing)


@pytest.mark.parametrize(
    ("url", "named", "apart", "proxy"),
    [
        (HOME, "http://proxy.example:3128", "", "http://proxy.example:3128"),
        (HOME, "proxy.example:3128", "", "http://proxy.example:3128"),
        (HOME, "http://proxy.example:3128", "api.example", None),
        ("http://127.0.0.1:80/v1", "http://proxy.example:3128", "", None),
    ],
)
def test_loopback_goes_through_no_proxy(url, named, apart, proxy, monkeypatch):
    """L37: the environment's proxy applies to the world and not to this machine, and needs no scheme."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, named)
    monkeypatch.setenv("NO_PROXY", apart)
    assert proxy_for(url) == proxy


UNUSABLE = {
    f"socks5://me:{CANARY}@127.0.0.1:9": "HTTPS_PROXY names a SOCKS proxy.*socksio.*pip install socksio",
    f"ftp://me:{CANARY}@127.0.0.1:9": "HTTPS_PROXY names a proxy of kind 'ftp'",
    f"http://[bad:{CANARY}": "HTTPS_PROXY is no URL: a password in it has to be percent-encoded. Write http://host:port",
    f"http://me:{CANARY}@:9": "HTTPS_PROXY names no host",
    f"http://me:{CANARY}@127.0.0.1:99999": "HTTPS_PROXY names no host, or a port",
}


@pytest.mark.parametrize("who", ["token", "issuer", "client"])
@pytest.mark.parametrize(("named", "said"), UNUSABLE.items())
def test_a_proxy_that_cannot_be_used_is_a_setting_and_its_password_is_not_shown(who, named, said, monkeypatch):
    """Whoever asks first, by its variable's name: nothing was sent."""
    monkeypatch.setenv("HTTPS_PROXY", named)
    monkeypatch.setenv("NO_PROXY", "")
    place = {"issuer": "https://auth.example"} if who == "issuer" else {"token_url": "https://auth.example/token"}
    profile = im.Profile("lab", HOME if who == "token" else "http://127.0.0.1:9", check="/sensors", **place)
    given = {"token": "t0ken"} if who == "token" else {"client_id": "me", "client_secret": "s3cret"}
    with pytest.raises(im.ConfigError, match=said) as caught:
        im.connect(profile, **given)
    assert CANARY not in f"{caught.value!r}" + frame_values(caught.value, __file__)


def test_a_proxy_for_everything_is_named_by_its_own_variable(monkeypatch):
    """ALL_PROXY stands in where HTTPS_PROXY is not set."""
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv("ALL_PROXY", "ftp://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(im.ConfigError, match="ALL_PROXY names"):
        proxy_for(HOME)


@pytest.mark.parametrize(("status", "is_final"), [(407, True), (403, True), (503, False)])
def test_a_proxy_that_refuses_is_named_and_its_password_is_not(status, is_final, monkeypatch):
    """What a proxy forbids stays forbidden, what only fails may pass; either way the service has heard nothing."""
    with Server([b"HTTP/1.1 %d Not so\r\nContent-Length: 0\r\n\r\n" % status]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//me:{CANARY}@"))
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(UnreachableError, match=f"{proxy.url[7:]} says {status} Not so") as caught:
            QuietTransport(HOME).handle_request(httpx.Request("GET", HOME))
    assert CANARY not in f"{caught.value!r} {caught.value}"
    assert ("HTTPS_PROXY" in str(caught.value)) == is_final == (not caught.value.transient)
    assert not caught.value.reached
