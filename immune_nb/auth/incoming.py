"""One answer as it comes over a connection, read by llhttp, the parser of Node.js.

Why not h11, on which httpx stands: with it the exchange of a page takes three times the CPU, all of it with Python's
lock held, which is what a query of many pages waits for most.
"""

from __future__ import annotations

import re

import httpcore
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

__all__ = ["LONGEST_HEAD", "Incoming"]

LONGEST_HEAD = 100 * 1024  # bytes; also of anything else that brings no body
INTERIM = range(100, 200)  # behind these another follows (RFC 9110 15.2); after 101 none that the parser would read
IS_NAME = re.compile(rb"[\w!#$%&'*+.^`|~-]+", re.ASCII).fullmatch  # RFC 9110 5.1
IS_VALUE = re.compile(rb"[^\0\r\n]*").fullmatch
AS_HTTPX = {  # what httpx takes, too: lines that end in LF or are folded (RFC 9112 2.2, 5.2), and padded chunk sizes
    "lenient_headers": True,  # also what `IS_NAME` and `IS_VALUE` refuse
    "lenient_keep_alive": True,  # also behind an interim answer that says that it is the last
    "lenient_optional_cr_before_lf": True,
    "lenient_spaces_after_chunk_size": True,
    "lenient_chunked_length": True,  # a length beside chunks counts for nothing (RFC 9112 6.3)
}
FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class Incoming:
    """Takes in the bytes of one answer.

    Args:
        method: Of the request: what answers HEAD or CONNECT has no body, whatever its head says (RFC 9112 6.3).

    Attributes:
        status: The status; 0 until the head is there.
        reason: What the server calls it.
        headers: Its headers, as they came.
        is_headed: Whether the head is there.
        is_whole: Whether the end is.
        is_last: Whether no other answer may come over the connection.
    """

    def __init__(self, method: str) -> None:
        self.status, self.reason = 0, b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_headed = self.is_whole = False
        self.is_last = True
        self._has_body = method not in ("HEAD", "CONNECT")
        self._pieces: list[bytes] = []
        self._bodiless = 0  # bytes since the last of the body
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**AS_HTTPX)

    def feed(self, data: bytes) -> None:
        """Take in what came next; nothing means that the server hung up.

        Raises:
            httpcore.RemoteProtocolError: It is no HTTP, or ends too early.
        """
        if not data:
            self._hung_up()
        elif self._parser:
            self._bodiless += len(data)
            self._parse(self._parser, data)
            if self._bodiless > LONGEST_HEAD and not self.is_whole:
                raise httpcore.RemoteProtocolError("The head of the answer is too long.")
        if self.is_whole:
            self._parser = None  # which knows this object, as this object does it

    def _parse(self, parser: HttpResponseParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.is_last = True
            if (stop := error.__context__) and not isinstance(stop, Exception):
                raise stop from None  # an interrupt in one of the methods below, which the parser takes for its own
            if not self.is_whole:
                raise httpcore.RemoteProtocolError(f"The answer is no HTTP: {error}") from None

    def taken(self) -> list[bytes]:
        """The pieces of the body that came since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def _hung_up(self) -> None:
        names = {name.lower() for name, _ in self.headers}
        if not self.is_headed or names & FRAMING:
            raise httpcore.RemoteProtocolError("The server hung up before the end of its answer.")
        self.is_whole = self.is_last = True  # an answer without a length ends so (RFC 9112 6.3)

    def on_message_begin(self) -> None:
        """An answer begins: the one asked for, one before it, or, after the end, one that nobody asked for."""
        self.is_last = True
        if not self.is_headed:
            self.headers, self.reason = [], b""

    def on_status(self, piece: bytes) -> None:
        """A piece of the reason."""
        if not self.is_headed:
            self.reason += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or behind the body a trailer."""
        if self.is_headed:
            return
        if not IS_NAME(name) or not IS_VALUE(value):
            raise ValueError("what a header may not have")
        if name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise ValueError("an encoding that was not asked for")
        self.headers.append((name, value.rstrip()))

    def on_headers_complete(self) -> None:
        """The head is there."""
        status = self._parser.get_status_code() if self._parser else 0
        if self.is_headed or status in INTERIM:
            return
        if status < INTERIM.start:
            raise ValueError("no status")
        self.status, self.is_headed, self._bodiless = status, True, 0
        if not self._has_body:
            self._end()

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self.is_whole:
            self.is_last = True
        else:
            self._pieces.append(piece)
            self._bodiless = 0

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was one before it."""
        if self.is_headed and not self.is_whole:
            self._end()

    def _end(self) -> None:
        self.is_whole = True
        self.is_last = not (self._parser and self._parser.should_keep_alive())
