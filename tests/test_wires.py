"""A connection of our own: it is kept, opened again when it was lost, and fails as httpx does."""

import contextlib
import socket
import ssl
import threading
import time

import httpx
import pytest

from immune_nb.auth.transport import QuietTransport
from immune_nb.auth.wires import PIECES, Wire
from immune_nb.errors import UnreachableError
from immune_nb.fetch.client import Client

TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
WAIT = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Drip(bytes):
    """An answer that is sent a byte at a time, each in less than any patience."""


class Server:
    """Answers the requests of each connection by its script; where a script ends in b"", it hangs up.

    Attributes:
        lines: How many connections there were.
        hung_up: Released for each that was closed.
        heard: The requests, as they came.
    """

    def __init__(self, *scripts):
        self._scripts = scripts
        self._listens = socket.create_server(("127.0.0.1", 0))
        self._listens.settimeout(5)
        self._over = threading.Event()
        self.url = f"http://127.0.0.1:{self._listens.getsockname()[1]}"
        self.lines = 0
        self.hung_up = threading.Semaphore(0)
        self.heard = []
        self._thread = threading.Thread(target=self._serve)

    def _serve(self):
        for answers in self._scripts:
            with self._listens.accept()[0] as line:
                self.lines += 1
                line.settimeout(5)
                for answer in answers:
                    if answer and (heard := line.recv(65536)):
                        self.heard.append(heard.decode("latin-1"))
                        self._send(line, answer)
                if answers[-1]:
                    self._over.wait(5)
            self.hung_up.release()

    def _send(self, line, answer):
        pieces = [answer[n : n + 1] for n in range(len(answer))] if isinstance(answer, Drip) else [answer]
        with contextlib.suppress(OSError):  # when nobody listens any more
            for piece in pieces:
                line.sendall(piece)
                self._over.wait(0.01 if isinstance(answer, Drip) else 0)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(5)
        self._listens.close()


@pytest.fixture
def wire():
    made = Wire(TRUST, 30)
    yield made
    made.close()


def ask(wire, url, **seconds):
    """One request."""
    response = wire.handle_request(httpx.Request("GET", url, extensions={"timeout": WAIT | seconds}))
    try:
        return b"".join(response.iter_raw())
    finally:
        response.close()


def test_a_connection_serves_one_request_after_another(wire):
    """It is opened once."""
    with Server([OK, OK, OK]) as server:
        assert [ask(wire, server.url) for _ in range(3)] == [b"ok"] * 3
        assert server.lines == 1


@pytest.mark.parametrize("first", [OK, OK.replace(b"OK", b"OK\r\nConnection: close")])
def test_one_that_the_server_gave_up_is_opened_again(wire, first):
    """Whether the server said so or only hung up, the next request goes over a new one."""
    with Server([first, b""], [OK]) as server:
        ask(wire, server.url)
        assert server.hung_up.acquire(timeout=5)
        assert ask(wire, server.url) == b"ok"
        assert server.lines == 2


def test_one_of_which_we_said_that_it_is_the_last_is_not_used_again(wire):
    """RFC 9112 9.6: the server takes our word for it, and may hang up later."""
    with Server([OK, OK], [OK]) as server:
        request = httpx.Request("POST", server.url, headers={"Connection": "Close"}, extensions={"timeout": WAIT})
        response = wire.handle_request(request)
        response.read()
        response.close()
        server._over.set()
        assert ask(wire, server.url) == b"ok"
        assert server.lines == 2


def test_one_that_was_idle_too_long_is_opened_again():
    """What stands unused may have been cut anywhere on its way."""
    hasty = Wire(TRUST, -1)
    with Server([OK, b""], [OK]) as server:
        assert ask(hasty, server.url) == ask(hasty, server.url) == b"ok"
        assert server.lines == 2
    hasty.close()


def test_another_origin_gets_a_connection_of_its_own(wire):
    """Nothing goes over a line that leads elsewhere."""
    with Server([OK]) as here, Server([OK.replace(b"ok", b"no")]) as there:
        assert ask(wire, here.url) == b"ok"
        assert ask(wire, there.url) == b"no"


def test_a_body_cut_short_fails_and_the_line_is_not_used_again(wire):
    """Fewer bytes than announced: the error of httpx, and a new connection next."""
    with Server([OK[:-1], b""], [OK]) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(wire, server.url)
        assert ask(wire, server.url) == b"ok"


def test_a_body_half_read_is_not_taken_for_the_next_answer(wire):
    """Who closes a response before its end loses the connection, not the next answer's beginning."""
    with Server([OK.replace(b"2\r\n", b"9\r\n")], [OK]) as server:
        wire.handle_request(httpx.Request("GET", server.url, extensions={"timeout": WAIT})).close()
        server._over.set()
        assert ask(wire, server.url) == b"ok"


def test_what_comes_before_an_answer_is_passed_over(wire):
    """Interim answers (RFC 9110 15.2) are none; the connection is kept."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    with Server([early + OK, early + early + OK]) as server:
        assert [ask(wire, server.url) for _ in range(2)] == [b"ok"] * 2
        assert server.lines == 1


@pytest.mark.parametrize("more", [OK.replace(b"ok", b"no"), b"\0"])
def test_what_comes_after_an_answer_is_not_the_next_one(wire, more):
    """A second answer that nobody asked for, or a stray byte, costs the connection."""
    with Server([OK + more], [OK]) as server:
        assert ask(wire, server.url) == b"ok"
        server._over.set()
        assert ask(wire, server.url) == b"ok"
        assert server.lines == 2


def test_a_body_without_a_length_ends_with_the_connection(wire):
    """As HTTP/1.0 has it (RFC 9112 6.3)."""
    with Server([b"HTTP/1.0 200 OK\r\n\r\nok", b""], [OK]) as server:
        assert [ask(wire, server.url) for _ in range(2)] == [b"ok"] * 2


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"], httpx.ReadTimeout),
        ([b"nonsense\r\n\r\n"], httpx.RemoteProtocolError),
        ([OK.replace(b"OK", b"OK\r\nContent-Length: 3")], httpx.RemoteProtocolError),
        ([OK.replace(b"OK", b"OK\r\nno colon")], httpx.RemoteProtocolError),
        ([b""], (httpx.RemoteProtocolError, httpx.ReadError)),
    ],
)
def test_it_fails_as_httpx_does(wire, answers, error):
    """Silence, nonsense, two lengths, a broken header, no word at all: errors with the names of httpx."""
    with Server(answers) as server, pytest.raises(error):
        ask(wire, server.url, **({"read": 0.2} if error is httpx.ReadTimeout else {}))


def test_nobody_there_is_a_connect_error_and_no_tls_is_one_too(wire):
    """A closed port, and a server that does not speak TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(httpx.ConnectError):
        ask(wire, f"http://127.0.0.1:{port}")
    with Server([b"no\r\n\r\n", b""]) as server, pytest.raises(httpx.ConnectError):
        ask(wire, server.url.replace("http:", "https:"))


def test_who_answered_before_is_not_at_a_wrong_address():
    """A service that stops between two queries is asked after, one that never answered is looked for elsewhere."""
    with Server([OK, b""]) as server:
        client = Client(server.url, QuietTransport(server.url), sleep=lambda _: None)
        client.send("GET", "/x")
    for asked, hint in (
        (client, "It answered before"),
        (Client(server.url, QuietTransport(server.url)), "Is the address"),
    ):
        with pytest.raises(UnreachableError, match=hint):
            asked.send("POST", "/x")
        asked.close()


GO = b"HTTP/1.1 200 Connection established\r\n\r\n"
NO = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


@contextlib.contextmanager
def through(server, name=""):
    """A wire through a proxy."""
    made = Wire(TRUST, 30, httpx.URL(server.url.replace("//", f"//{name}")))
    yield made
    made.close()


@pytest.mark.parametrize("host", ["api.example", "[::1]"])
def test_a_proxy_is_asked_once_for_a_tunnel_and_told_its_own_password_only(host):
    """RFC 9110 9.3.6: all requests go through one tunnel, and none of them carries what the proxy asked for."""
    with Server([GO, OK, OK]) as proxy, through(proxy, "ann:p%40ss@") as wire:
        assert [ask(wire, f"http://{host}/x") for _ in range(2)] == [b"ok"] * 2
    first, *others = proxy.heard
    assert first.startswith(f"CONNECT {host}:80 HTTP/1.1\r\nHost: {host}:80\r\n")
    assert first.endswith("Proxy-Authorization: Basic YW5uOnBAc3M=\r\n\r\n")
    assert [line.partition("\r\n")[0] for line in others] == ["GET /x HTTP/1.1"] * 2
    assert "Proxy" not in "".join(others)


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        ([NO], httpx.ProxyError, r"the proxy 127.0.0.1:\d+ says 407 Proxy Authentication Required"),
        ([NO.replace(b"407", b"504")], httpx.ConnectError, "says 504"),
        ([b"nonsense\r\n\r\n"], httpx.RemoteProtocolError, None),
        ([b""], (httpx.RemoteProtocolError, httpx.ReadError), None),
        ([GO, b""], (httpx.RemoteProtocolError, httpx.ReadError), None),
    ],
)
def test_a_proxy_that_lets_nothing_through_is_named(answers, error, said):
    """What it says is told, its connection is closed, and the next request tries again."""
    with Server([*answers, b""], [GO, OK]) as proxy, through(proxy) as wire:
        with pytest.raises(error, match=said):
            ask(wire, "http://api.example/x")
        assert proxy.hung_up.acquire(timeout=5)
        assert ask(wire, "http://api.example/x") == b"ok"


def test_a_proxy_that_is_not_there_is_named_too():
    """Not the service's address is wrong, but the proxy's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = httpx.URL(f"http://127.0.0.1:{server.getsockname()[1]}")
    with pytest.raises(httpx.ConnectError, match=rf"the proxy 127.0.0.1:{url.port}: "):
        ask(Wire(TRUST, 30, url), "https://api.example/x")


def test_a_connection_closed_by_another_thread_is_not_waited_for(wire):
    """Its number may be another's by then: an error at once, not after five seconds."""
    with Server([OK.replace(b"2\r\n\r\nok", b"9\r\n\r\nhalf")]) as server:
        response = wire.handle_request(httpx.Request("GET", server.url, extensions={"timeout": WAIT}))
        pieces, began = response.iter_raw(), time.monotonic()
        assert next(pieces) == b"half"
        wire.close()
        others = [socket.socketpair() for _ in range(8)]
        with pytest.raises(httpx.ReadError):
            next(pieces)
        assert time.monotonic() - began < 2
        for one in (sock for pair in others for sock in pair):
            one.close()


def test_any_patience_is_taken(wire):
    """A month is longer than the system waits at once."""
    with Server([OK]) as server:
        assert ask(wire, server.url, read=1e9) == b"ok"


def test_only_http_is_spoken(wire):
    """Any other scheme is refused before anything is opened."""
    with pytest.raises(httpx.UnsupportedProtocol):
        ask(wire, "ftp://127.0.0.1/x")
    assert wire._line is None


def test_much_is_read_at_once(wire):
    """What is there already comes in larger pieces than the 64 KiB that httpx asks for."""
    body = b"x" * 2**24
    with Server([OK.replace(b"2\r\n\r\nok", b"%d\r\n\r\n" % len(body)) + body]) as server:
        response = wire.handle_request(httpx.Request("GET", server.url, extensions={"timeout": WAIT}))
        sizes = [len(piece) for piece in response.iter_raw()]
    assert sum(sizes) == len(body)
    assert 2**16 < max(sizes) <= PIECES["http"]


@contextlib.contextmanager
def hearing(size, begin):
    """A server that hears so many bytes once `begin` is set, and then answers with how many zeros there were."""
    listens = socket.create_server(("127.0.0.1", 0))
    listens.settimeout(5)

    def serve():
        with listens.accept()[0] as line:
            begin.wait(5)
            heard = b""
            with contextlib.suppress(OSError):
                while heard.count(b"\0") < size and (more := line.recv(2**20)):
                    heard += more
                line.sendall(OK.replace(b"2\r\n\r\nok", b"8\r\n\r\n%08d" % heard.count(b"\0")))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listens.getsockname()[1]}"
    finally:
        begin.set()
        thread.join(5)
        listens.close()


def test_what_is_more_than_a_connection_holds_is_sent_when_the_server_has_heard_some(wire):
    """8 MB, of which the server hears nothing until more cannot be sent; it hears all in the end."""
    begin, size = threading.Event(), 2**23
    with hearing(size, begin) as url:
        timer = threading.Timer(0.2, begin.set)
        timer.start()
        request = httpx.Request("POST", url, content=bytes(size), extensions={"timeout": WAIT})
        assert b"".join(wire.handle_request(request).iter_raw()) == b"%08d" % size
        timer.join()


def test_a_server_that_hears_nothing_is_waited_for_as_long_as_was_said(wire):
    """The error of httpx, where nothing more can be sent."""
    with hearing(2**23, threading.Event()) as url:
        request = httpx.Request("POST", url, content=bytes(2**23), extensions={"timeout": WAIT | {"write": 0.2}})
        with pytest.raises(httpx.WriteTimeout):
            wire.handle_request(request)


LONG_HEAD = OK.replace(b"OK", b"O" * 100 + b"K")
LONG_BODY = OK.replace(b"2\r\n\r\nok", b"100\r\n\r\n" + b"x" * 100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "answers"),
    [
        ("http://127.0.0.1", [LONG_HEAD]),
        ("http://127.0.0.1", [LONG_BODY]),
        ("http://api.example", [GO, LONG_HEAD]),
        ("http://api.example", [GO.replace(b"t", b"t" * 50), OK]),
    ],
)
def test_an_answer_that_drips_must_be_whole_in_time(url, answers, monkeypatch):
    """F12: a head or a body of more than a second, a byte at a time, from a service, one behind a proxy, the proxy
    itself: half a second is no more; five are enough."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    def took(seconds):
        with Server([answer if answer == GO else Drip(answer) for answer in answers]) as server:
            monkeypatch.setenv("HTTP_PROXY", server.url)
            transport, began = QuietTransport(url), time.monotonic()
            address = server.url if "127" in url else url
            request = httpx.Request("GET", address, extensions={"timeout": WAIT, "seconds": seconds})
            try:
                return transport.handle_request(request).status_code
            except UnreachableError:
                return time.monotonic() - began
            finally:
                transport.close()

    assert 0.5 <= took(0.5) < 2
    assert took(5.0) == 200


def headers(number, value):
    return b"".join(b"X-%d: %s\r\n" % (n, value) for n in range(number))


@pytest.mark.parametrize("more", [headers(10_000, b"1" * 40), headers(1, b"1" * 2**20)])
def test_a_head_without_measure_is_refused(more):
    """F40: ten thousand headers, and a header of a megabyte, are an error; a thousand short ones are taken."""

    def answered(more):
        transport = QuietTransport("http://127.0.0.1")
        with Server([OK.replace(b"OK\r\n", b"OK\r\n" + more)]) as server:
            try:
                request = httpx.Request("GET", server.url, extensions={"timeout": WAIT})
                return len(transport.handle_request(request).headers)
            finally:
                transport.close()

    with pytest.raises(UnreachableError, match="RemoteProtocolError"):
        answered(more)
    assert answered(headers(1_000, b"1")) == 1_000
