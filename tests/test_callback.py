"""The loopback listener: silent, for one answer, and deaf to everything else."""

import http.client
import re
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immune_nb.auth.callback import Callback, answer_in
from immune_nb.errors import ConfigError

GOOD = "code=abc&state=right"


@pytest.fixture(scope="module")
def fuzzed():
    """One listener for all the junk, and its port."""
    made = Callback()
    made.listen(lambda query: query == GOOD)
    yield made, urlsplit(made.redirect_uri).port
    made.close()


@pytest.fixture
def callback():
    """A listener that accepts GOOD."""
    made = Callback()
    made.listen(lambda query: query == GOOD)
    yield made
    made.close()


def get(callback, target, method="GET", **headers):
    port = int(callback.redirect_uri.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, target, headers={"Host": f"127.0.0.1:{port}", **headers})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_the_answer_is_taken_once_and_the_page_tells_nothing(callback, capfd):
    """L40: static page with a CSP, no Location, nothing printed, and the second is refused."""
    response, body = get(callback, f"/callback?{GOOD}")
    assert response.status == 200
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["Location"] is None
    assert b"abc" not in body
    assert callback.take(5) == GOOD
    assert get(callback, f"/callback?{GOOD}&again")[0].status == 404
    assert capfd.readouterr() == ("", "")


def test_it_listens_on_the_loopback_address_by_number(callback):
    """A09: 127.0.0.1 and a free port, not a name that another may hold."""
    assert callback.redirect_uri.startswith("http://127.0.0.1:")
    assert callback.redirect_uri.endswith("/callback")


@pytest.mark.parametrize(
    "target", ["/callback", "/callback?state=wrong&code=x", "/", "/favicon.ico", f"/other?{GOOD}"]
)
def test_anything_else_is_a_404_and_leaves_it_waiting(callback, target):
    """A01, A08, A11: wrong state, other paths and junk do not end the login; the real answer still counts."""
    response, _ = get(callback, target)
    assert (response.status, response.headers["Location"]) == (404, None)
    assert callback.take() is None
    assert get(callback, f"/callback?{GOOD}")[0].status == 200
    assert callback.take(5) == GOOD


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS", "DELETE", "BREW"])
def test_other_methods_are_404(callback, method):
    """A08: even with the right answer."""
    assert get(callback, f"/callback?{GOOD}", method)[0].status == 404
    assert callback.take() is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "evil.example"}, 404), ({"Host": "127.0.0.1:1"}, 404), ({"Origin": "https://evil.example"}, 403)],
)
def test_a_foreign_host_or_origin_is_refused(callback, headers, status):
    """A10: DNS rebinding and scripts of other pages get nowhere, and no CORS header helps them."""
    response, _ = get(callback, f"/callback?{GOOD}", **headers)
    assert response.status == status
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert callback.take() is None


@pytest.mark.parametrize(
    ("registered", "said"),
    [
        ("http://LOCALHOST:PORT/callback", "localhost:PORT"),
        ("http://[0:0:0:0:0:0:0:1]:PORT/callback", "[::1]:PORT"),
        ("https://hub.example:443/proxy/PORT/callback", "hub.example"),
        ("https://Hub.Example/proxy/PORT/callback", "hub.example"),
    ],
)
def test_a_host_is_let_in_as_a_browser_writes_it(registered, said):
    """In lower case, IPv6 in short, without the usual port; a registered address is written as it may be."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Callback(registered.replace("PORT", str(port)))
    made.listen(lambda query: query == GOOD)
    assert made.redirect_uri == registered.replace("PORT", str(port))
    connection = http.client.HTTPConnection("::1" if "::1" in said else "127.0.0.1", port, timeout=10)
    for host, status in ((f"me@{said}", 404), (f"{said}/x", 404), ("evil.example", 404), (said, 200)):
        connection.request("GET", f"/callback?{GOOD}", headers={"Host": host.replace("PORT", str(port))})
        assert connection.getresponse().status == status
        connection.close()
    made.close()


def test_a_port_that_is_none_cannot_be_listened_at():
    """The way through a hub, with a slip: an error, and none of Python's."""
    with pytest.raises(ConfigError, match="does not lead here"):
        Callback("https://hub.example/user/ada/proxy/99999/cb")


def test_half_open_and_endless_requests_do_not_stop_it(callback):
    """A11: a socket that says nothing and a query of a megabyte: the real answer comes through."""
    port = int(callback.redirect_uri.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)) as endless:
        endless.sendall(b"GET /callback?" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n")
        assert b" 414 " in endless.recv(100)
        assert get(callback, f"/callback?{GOOD}")[0].status == 200
    assert callback.take(5) == GOOD


def test_the_first_valid_answer_wins(callback):
    """A11: of many at once, one is taken."""
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(get(callback, f"/callback?{GOOD}")[0].status))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [404] * 7


METHODS = st.sampled_from([b"GET", b"GET", b"GET", b"POST", b"HEAD", b"get", b"PRI", b""])
PATHS = [b"/callback", b"//callback", b"/callback/", b"/callback#", b"http://127.0.0.1/callback", b"*", b"/"]
FIELDS = [b"code=canary-c0de", b"state=right", b"state=wrong", b"state=", b"error=x", b"%", b";", b"\0", b"="]
LINES = [b"Host: 127.0.0.1:PORT", b"Host: evil.example", b"Origin: null", b"Content-Length: -1", b"x", b":"]
REQUESTS = st.builds(
    lambda *parts: b"%b %b?%b %b\r\n%b\r\n\r\n" % parts,
    METHODS,
    st.one_of(st.sampled_from(PATHS), st.binary(max_size=20)),
    st.one_of(st.lists(st.sampled_from(FIELDS), max_size=4).map(b"&".join), st.binary(max_size=40)),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9", b""]),
    st.lists(st.sampled_from(LINES), max_size=3).map(b"\r\n".join),
)


@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(REQUESTS, st.binary(max_size=200)))
def test_no_bytes_bring_it_down(fuzzed, junk):
    """A11: thousands of requests, malformed or nearly right: none is taken, echoed or forwarded, none hangs."""
    callback, port = fuzzed
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(junk.replace(b"PORT", str(port).encode()))
        connection.shutdown(socket.SHUT_WR)
        said = b""
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                said += piece
    assert b" 200 " not in said
    assert b"canary" not in said
    assert b"Location" not in said
    assert callback.take() is None
    assert time.monotonic() - began < 3


def test_after_all_that_it_still_listens(fuzzed, capfd):
    """A11: the listener that has met it all takes the right answer, and has printed nothing."""
    callback, _ = fuzzed
    assert get(callback, f"/callback?{GOOD}")[0].status == 200
    assert callback.take(5) == GOOD
    assert capfd.readouterr() == ("", "")


def test_the_fuzz_can_tell():
    """Positive control: the standard library's own listener echoes, and a listener that takes anything is seen."""
    made = Callback()
    made.listen(lambda query: True)
    assert get(made, "/callback?code=canary-c0de")[0].status == 200
    assert made.take(5) == "code=canary-c0de"
    made.close()


def test_a_fixed_port_is_taken_exactly_or_said_to_be_busy(callback):
    """A09: a registered redirect URI with a port is used as it is; a busy port is an error, not another port."""
    with pytest.raises(ConfigError, match="is taken"):
        Callback(callback.redirect_uri)
    fixed = callback.redirect_uri
    assert get(callback, "/callback?code=x")[0].status in (
        200,
        404,
    )  # the port's last connection waits
    callback.close()
    again = Callback(fixed)
    assert again.redirect_uri == fixed
    again.close()


@pytest.mark.parametrize(
    ("registered", "pattern"),
    [
        ("http://127.0.0.1/cb", r"http://127\.0\.0\.1:\d+/cb"),
        ("http://localhost/cb", r"http://localhost:\d+/cb"),
        ("http://localhost", r"http://localhost:\d+"),
        ("http://127.0.0.1:{port}/cb?x=1", r"http://127\.0\.0\.1:\d+/cb\?x=1"),
        ("http://[::1]/cb", r"http://\[::1\]:\d+/cb"),
    ],
)
def test_a_registered_address_without_a_port_gets_one(registered, pattern):
    """RFC 8252 7.3: all of it is kept to the letter, and the port is ours."""
    made = Callback(registered)
    assert re.fullmatch(pattern, made.redirect_uri)
    made.close()


def test_a_registered_localhost_is_heard_by_either_address():
    """A browser may take `localhost` for 127.0.0.1 or for [::1]: both are ours, and the name is the one let in."""
    for host in ("127.0.0.1", "::1"):
        made = Callback("http://localhost/cb")
        made.listen(lambda query: query == GOOD)
        port = urlsplit(made.redirect_uri).port
        connection = http.client.HTTPConnection(host, port, timeout=10)
        connection.request("GET", f"/cb?{GOOD}", headers={"Host": f"localhost:{port}"})
        assert connection.getresponse().status == 200
        connection.close()
        assert made.take(5) == GOOD
        made.close()


def test_a_squatter_of_the_other_localhost_is_noticed():
    """A09: who holds [::1] at the registered port would get the code: the login is not begun; the control is free."""
    with socket.socket(socket.AF_INET6) as squatter:
        squatter.bind(("::1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(ConfigError, match="is taken"):
            Callback(f"http://localhost:{port}/cb")
        Callback(f"http://127.0.0.1:{port}/cb").close()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/"}, r"https://hub\.example/user/ada/proxy/\d+/cb"),
        (
            {"JUPYTERHUB_HOST": "https://ada.hub.example", "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"},
            r"https://ada\.hub\.example/user/ada/proxy/\d+/cb",
        ),
        ({"JUPYTERHUB_PUBLIC_URL": "", "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}, r"http://127\.0\.0\.1:\d+/cb"),
        ({}, r"http://127\.0\.0\.1:\d+/cb"),
    ],
)
def test_one_address_for_hubs_and_laptops(environ, expected):
    """`{server}/proxy/{port}/cb` leads through jupyter-server-proxy on a hub, and to loopback elsewhere."""
    made = Callback("{server}/proxy/{port}/cb", environ)
    assert re.fullmatch(expected, made.redirect_uri)
    made.close()


@pytest.mark.parametrize("elsewhere", ["https://app.example/cb", "http://app.example/cb", "https://127.0.0.1/cb"])
def test_an_address_elsewhere_cannot_be_listened_at(elsewhere):
    """The error names the way out: paste."""
    with pytest.raises(ConfigError, match="[Pp]aste"):
        Callback(elsewhere)


@pytest.mark.parametrize(
    "pasted",
    [f"http://127.0.0.1:1/callback?{GOOD}", f"  <http://x/?{GOOD}>\n", f'"http://x/cb?{GOOD}#_=_"', GOOD],
)
def test_a_pasted_address_is_read_as_people_paste_it(pasted):
    """Quotes, brackets, spaces, a fragment, or the query alone."""
    assert answer_in(pasted) == GOOD


@pytest.mark.parametrize("pasted", [f"http://127.0.0.1:1/callback#{GOOD}", f"http://[::1/callback#{GOOD}", "", "#"])
def test_an_address_without_a_query_is_no_answer(pasted):
    """A fragment is no query, and neither is half an address."""
    assert "code" not in answer_in(pasted)


def test_half_an_address_is_read_all_the_same():
    """What counts is the query; a bracket that is missing ends nothing."""
    assert answer_in(f"http://[::1/callback?{GOOD}") == GOOD


def test_the_way_through_a_hub(callback):
    """jupyter-server-proxy: the registered address is the hub's, its port is where we listen, its Host is let in."""
    port = int(callback.redirect_uri.split(":")[2].split("/")[0])
    callback.close()
    registered = f"https://hub.example/user/ada/proxy/{port}/oauth/cb"
    made = Callback(registered)
    made.listen(lambda query: query == GOOD)
    assert made.redirect_uri == registered
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", f"/oauth/cb?{GOOD}", headers={"Host": "hub.example"})
    assert connection.getresponse().status == 200
    connection.close()
    assert made.take(5) == GOOD
    made.close()


def test_closing_before_or_after_listening_frees_the_port():
    """No thread and no socket stays."""
    before = set(threading.enumerate())
    made = Callback()
    made.close()
    made = Callback("http://localhost/cb")
    made.listen(lambda query: True)
    made.close()
    assert not [t for t in set(threading.enumerate()) - before if "serve_forever" in t.name]
