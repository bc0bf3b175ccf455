"""Answers as they come over a connection, read as h11 reads them, on which httpx stands: h11 is the judge here."""

import h11
import httpcore
import httpx
import pytest

from immune_nb.auth.incoming import LONGEST_HEAD, Incoming
from immune_nb.auth.wires import _written

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"


def judged(answer, method="GET"):
    """What h11 makes of it: status, headers, body, and whether the connection may stay."""
    talk, body, head = h11.Connection(h11.CLIENT), b"", None
    talk.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    talk.send(h11.EndOfMessage())
    talk.receive_data(answer)
    talk.receive_data(b"")
    while not isinstance(event := talk.next_event(), h11.EndOfMessage):
        head = event if isinstance(event, h11.Response) else head
        body += bytes(event.data) if isinstance(event, h11.Data) else b""
    stays = talk.our_state is talk.their_state is h11.DONE and not talk.trailing_data[0]
    return head.status_code, [(bytes(n), bytes(v)) for n, v in head.headers], body, stays


def heard(pieces, method="GET"):
    """The same, as ours is told it piece by piece."""
    answer, body = Incoming(method), b""
    for piece in [*pieces, b""]:
        if not answer.is_whole:
            answer.feed(piece)
            body += b"".join(answer.taken())
    return answer.status, [(n.lower(), v) for n, v in answer.headers], body, not answer.is_last


WELL_FORMED = {
    "a length": OK,
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    "a reason not in ASCII": b"HTTP/1.1 200 Entsch\xc3\xa4digung\r\nContent-Length: 5\r\n\r\nhello",
    "nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "empty headers": b"HTTP/1.1 200 OK\r\nX-A:\r\nX-B: \r\nContent-Length: 5\r\nX-C:\r\n\r\nhello",
    "white space around values": b"HTTP/1.1 200 OK\r\nX-A:\tb c \t\r\nContent-Length:  5 \r\n\r\nhello",
    "a value not in ASCII": b"HTTP/1.1 200 OK\r\nX-A: caf\xe9\r\nContent-Length: 5\r\n\r\nhello",
    "the same header twice": b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello",
    "lines that end in LF": b"HTTP/1.1 200 OK\nContent-Length: 5\nX-A: b\n\nhello",
    "chunks": CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "chunks with more": CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "padded chunks": CHUNKED + b"5  \r\nhello\r\n0\r\n\r\n",
    "chunks, and a length that is wrong": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n")
    + b"5\r\nhello\r\n0\r\n\r\n",
    "the last one": OK.replace(b"OK", b"OK\r\nConnection: close"),
    "an offer to speak otherwise": OK.replace(b"OK", b"OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive"),
    "interim answers": EARLY + b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "interim answers that say that they are the last": b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n"
    b"HTTP/1.0 103 Early\r\n\r\n" + OK,
    "a folded header": OK.replace(b"OK", b"OK\r\nX-A: b\r\n c"),
    "chunks, in capitals": CHUNKED.replace(b"chunked", b"chunked ") + b"5\r\nhello\r\n0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "401": OK.replace(b"200 OK", b"401 Unauthorized\r\nWWW-Authenticate: Bearer"),
    "another answer behind it": OK + OK,
    "nonsense behind it": OK + b"\0\0",
}


@pytest.mark.parametrize("answer", WELL_FORMED.values(), ids=WELL_FORMED)
def test_an_answer_is_what_h11_makes_of_it_however_it_is_cut(answer):
    """Status, headers, body and the connection's fate are the same, whole, cut in two anywhere, and byte by byte."""
    whole = judged(answer)
    assert heard([answer]) == whole
    if answer.startswith(OK) and answer != OK:
        return  # cut behind the end, what comes then is for the next to see
    assert whole[2] in (b"hello", b"")
    for at in range(1, len(answer)):
        assert heard([answer[:at], answer[at:]]) == whole
    assert heard([answer[n : n + 1] for n in range(len(answer))]) == whole


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nhello"])
def test_without_a_length_it_ends_with_the_connection(answer):
    """RFC 9112 6.3: all that came is its body, and nothing else comes over this connection."""
    assert heard([answer])[:3] == judged(answer)[:3]
    assert heard([answer])[3] is False


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello",
        OK.replace(b"OK", b"OK\r\nno colon"),
        OK.replace(b"OK", b"OK\r\n: no name"),
        OK.replace(b"OK", b"OK\r\nX A: b"),
        OK.replace(b"OK", b"OK\r\nX-A: b\0c"),
        OK.replace(b"-Length:", b"-Length :"),
        OK.replace(b"200", b"000"),
        CHUNKED.replace(b"chunked", b"gzip, chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        OK.replace(b"OK", b"OK\r\nTransfer-Encoding: identity"),
        OK.replace(b"OK", b"OK\r\nContent-Length: 6"),
        OK.replace(b"5", b"-5"),
        OK.replace(b"5", b"+5"),
        OK.replace(b"5", b"9" * 30),
        OK.replace(b"5", b"6"),
        OK[:-30],
        CHUNKED + b"x\r\n",
        CHUNKED + b"f" * 30 + b"\r\nhello",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhelloo\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    ],
)
def test_what_is_no_answer_or_not_all_of_it_is_an_error(answer):
    """As it is to h11, in one piece and byte by byte; none of its words is needed to say so."""
    with pytest.raises(h11.RemoteProtocolError):
        judged(answer)
    for pieces in ([answer], [answer[n : n + 1] for n in range(len(answer))]):
        with pytest.raises(httpcore.RemoteProtocolError):
            heard([piece for piece in pieces if piece])


@pytest.mark.parametrize("at", ["on_status", "on_header", "on_headers_complete", "on_body", "on_message_complete"])
def test_an_interrupt_is_no_fault_of_the_answer(at):
    """Ctrl-C in the midst of reading: it comes out as what it is, at any place, also where the answer is whole."""

    def interrupted(*_):
        raise KeyboardInterrupt

    incoming = type("Interrupted", (Incoming,), {at: interrupted})("GET")
    with pytest.raises(KeyboardInterrupt):
        incoming.feed(OK)


@pytest.mark.parametrize(
    ("method", "answer"),
    [("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), ("CONNECT", b"HTTP/1.1 200 OK\r\n\r\n")],
)
def test_what_answers_head_or_connect_has_no_body(method, answer):
    """RFC 9112 6.3: it is whole with its head, whatever the head says."""
    incoming = Incoming(method)
    incoming.feed(answer)
    assert (incoming.is_whole, incoming.status, incoming.taken()) == (True, 200, [])
    with_body = Incoming("GET")
    with_body.feed(answer)
    assert not with_body.is_whole


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 100 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 100),
        (b"", EARLY),
        (CHUNKED + b"1;", b"a" * 100),
        (CHUNKED + b"0\r\nX-A: ", b"b" * 100),
    ],
)
def test_what_brings_no_body_is_not_listened_to_for_ever(begin, more):
    """Headers, one header, interim answers, a chunk's words, trailers: beyond any measure they are refused."""
    with pytest.raises(httpcore.RemoteProtocolError, match="too long"):
        heard([begin + more, *[more] * (2 * LONGEST_HEAD // len(more))])
    with pytest.raises(httpcore.RemoteProtocolError, match="before the end"):
        heard([begin + more, *[more] * 100])


def test_a_long_body_is_listened_to():
    """What brings body may go on, in pieces of any size."""
    incoming = Incoming("GET")
    incoming.feed(OK.replace(b"5\r\n\r\nhello", b"%d\r\n\r\n" % (3 * LONGEST_HEAD)))
    for _ in range(3):
        incoming.feed(b"x" * LONGEST_HEAD)
    assert incoming.is_whole
    assert sum(map(len, incoming.taken())) == 3 * LONGEST_HEAD


@pytest.mark.parametrize(
    "request_",
    [
        httpx.Request("GET", "https://api.example/v1/readings?a=b c&d=ü", headers={"X-A": "b", "X-Tab": "a\tb"}),
        httpx.Request("POST", "https://api.example:8443/x", json={"a": "ü"}),
        httpx.Request("PUT", "https://api.example/x", content=b"\r\n\0\r\n"),
        httpx.Request("DELETE", "https://api.example/"),
        httpx.Request("GET", "https://api.example/x", headers={"X-A": "café".encode("latin-1")}),
    ],
)
def test_a_request_is_written_as_a_server_reads_it(request_):
    """Line, headers and body, read by h11 as a server."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(_written(request_, request_.url.raw_path))
    read, body = server.next_event(), b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        body += bytes(event.data)
    assert (read.method, read.target) == (request_.method.encode(), request_.url.raw_path)
    assert list(read.headers) == [(name.lower(), value) for name, value in request_.headers.raw]
    assert body == request_.content


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ({"X-A": "b\r\nX-Evil: 1"}, b"/x"),
        ({"X-A": "b\nc"}, b"/x"),
        ({"X-A": "b\rc"}, b"/x"),
        ({"X-A": "b\0c"}, b"/x"),
        ({"X A": "b"}, b"/x"),
        ({"X-A\r\nX-Evil": "b"}, b"/x"),
        ({"": "b"}, b"/x"),
        ({"Transfer-Encoding": "chunked"}, b"/x"),
        ({}, b"/x y"),
        ({}, b"/x\r\nX-Evil: 1"),
        ({}, b""),
    ],
)
def test_a_request_that_would_be_read_as_another_is_not_written(headers, target):
    """Line breaks and their like in a header or a target (RFC 9112 11.1); the error repeats none of it."""
    request = httpx.Request("GET", "https://api.example/x", headers=headers)
    with pytest.raises(httpcore.LocalProtocolError, match=r"^The request is no HTTP\.$"):
        _written(request, target)
    assert _written(httpx.Request("GET", "https://api.example/x"), b"/x").startswith(b"GET /x HTTP/1.1\r\nHost: api")
