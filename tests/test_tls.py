"""Directly to a service over TLS, as in production: real certificates, a real server, on 127.0.0.1."""

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from servers.tunnel import certificates
from test_windows import BEGIN, SECOND, Plant, iso

import immune_nb as im
from immune_nb.auth.transport import QuietTransport
from immune_nb.auth.wires import Wire
from immune_nb.connecting import connect
from immune_nb.fetch.client import Client

ROWS = 3_000
KEY = "imk_of_this_test"


class Handler(BaseHTTPRequestHandler):
    """Asks the plant."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.lines += 1

    def do_GET(self):
        self.server.reached.set()
        answer = self.server.plant(httpx.Request("GET", f"https://localhost{self.path}"))
        self.send_response(answer.status_code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_GET  # noqa: N815 - theirs

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    """Speaks TLS on each connection's own thread, and counts those on which it came to requests."""

    daemon_threads, block_on_close = True, False

    def __init__(self, plant, context):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plant, self.context = plant, context
        self.lines, self.tried, self.reached = 0, 0, threading.Event()
        self.url = f"https://localhost:{self.server_port}/v1"

    def finish_request(self, request, client_address):
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def get_request(self):
        self.tried += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        pass  # whoever does not trust it hangs up


@contextmanager
def serving(plant, context):
    with Server(plant, context) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def plant():
    return Plant([BEGIN + n * SECOND for n in range(ROWS)], page=20)


@pytest.mark.slow
def test_a_long_list_comes_whole_over_tls(tmp_path, monkeypatch):
    """A hundred and fifty pages, side by side, each connection for several of them."""
    ca, context = certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    there = plant()
    with serving(there, context) as server:
        session = connect(im.Profile("lab", server.url), api_key=KEY)
        frame = session.readings(start=iso(BEGIN), end=iso(BEGIN + ROWS * SECOND))
        session.close()
    assert sorted(frame["id"]) == there.truth(None, None)
    assert frame.attrs["immune"]["complete"]
    assert 1 < server.lines <= 32 < len(there.asked) / 4


@pytest.mark.parametrize(
    ("fault", "said", "hint"),
    [
        ("a CA nobody knows", "unable to get local issuer certificate", "SSL_CERT_FILE"),
        ("expired", "has expired", "clock"),
        ("another name", "not valid for 'localhost'", "address"),
    ],
)
def test_a_certificate_that_does_not_hold_ends_it(tmp_path, monkeypatch, fault, said, hint):
    """F29: nothing is sent, it is tried once, and the hint fits; the control is the test above."""
    names = ("api.example",) if fault == "another name" else ("localhost",)
    ca, context = certificates(tmp_path, names, ended=fault == "expired")
    if fault != "a CA nobody knows":
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    there = plant()
    with serving(there, context) as server:
        session = connect(im.Profile("lab", server.url), api_key=KEY)
        with pytest.raises(im.UnreachableError, match=f"certificate is not trusted: .*{said}") as caught:
            session.readings(last="1h")
        session.close()
        assert (server.tried, there.asked) == (1, [])
    assert hint in caught.value.hint
    assert "verify=False" not in f"{caught.value} {caught.value.hint}"


def test_plain_http_where_tls_is_meant_is_an_error():
    """F29: a server that does not speak TLS is no certificate fault; a port that is closed is none either."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer():
            with listener.accept()[0] as line:
                line.recv(65536)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        transport = QuietTransport(f"https://localhost:{port}")
        with pytest.raises(im.UnreachableError, match="cannot connect"):
            transport.handle_request(httpx.Request("GET", f"https://localhost:{port}/"))
        thread.join(5)
    with pytest.raises(im.UnreachableError, match="cannot connect"):
        transport.handle_request(httpx.Request("GET", f"https://localhost:{port}/"))
    transport.close()


def test_plain_http_goes_through_a_proxy_that_speaks_tls(tmp_path):
    """What is said to the proxy is encrypted, what goes through it as it is: whole, over one connection."""
    ca, context = certificates(tmp_path)
    body = "x" * 2**20
    with serving(lambda _: httpx.Response(200, json=body), context) as proxy:
        wire = Wire(ssl.create_default_context(cafile=ca), 30, httpx.URL(proxy.url))
        for _ in range(2):
            request = httpx.Request("GET", "http://api.example/x", extensions={"timeout": {"connect": 5, "read": 5}})
            response = wire.handle_request(request)
            assert response.read() == f'"{body}"'.encode()
            response.close()
        assert proxy.lines == 1
        wire.close()


def test_a_logout_ends_what_is_under_way(tmp_path):
    """A query that hangs in another thread ends at once, and not as if it were whole."""
    over = threading.Event()

    def hang(_request):
        over.wait(30)
        return httpx.Response(200, json=[])

    with serving(hang, None) as server:
        session = connect(im.Profile("lab", server.url.replace("https://localhost", "http://127.0.0.1")), api_key=KEY)
        began = time.monotonic()
        with ThreadPoolExecutor() as pool:
            query = pool.submit(session.sensors)
            assert server.reached.wait(10)
            session.logout()
            with pytest.raises(im.ImmuneError):
                query.result(10)
        assert time.monotonic() - began < 5
        over.set()


def test_a_wish_to_stop_reaches_a_thread_that_waits_for_tls(tmp_path, monkeypatch):
    """F27: a request that hangs ends when its connection is cut, not after thirty seconds."""
    ca, context = certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    over = threading.Event()

    def hang(_request):
        over.wait(30)
        return httpx.Response(200, json=[])

    with serving(hang, context) as server:
        client = Client(server.url, QuietTransport(server.url))

        def cut():
            server.reached.wait(10)
            client.cut()

        threading.Thread(target=cut, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(im.UnreachableError):
            client.send("POST", "/readings", json={})  # which is not tried again
        assert time.monotonic() - began < 5
        client.close()
        over.set()
