"""The body of an answer: whole, decoded, and of a size that fits.

httpx takes a gzip stream that ends early for a whole one, and inflates whatever a chunk holds at once. Here the
stream must reach its trailer (RFC 1952), is inflated a piece at a time, and may neither grow beyond a cap nor beyond
any honest ratio; and a body must come within a time, however steadily it drips.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator

import httpx

from immune_nb.errors import BadReplyError, UnreachableError

__all__ = ["MAX_BODY", "MAX_LOGIN_BODY", "SECONDS", "read_body"]

MAX_BODY = 512 * 2**20  # bytes, decoded; a page of 1,000 readings is about 200 kB
MAX_LOGIN_BODY = 2**20  # of what authorization servers answer: metadata, tokens, refusals
MAX_RATIO = 200  # of decoded to sent bytes, beyond the first `FREE`; sensor data packs about 1:15
FREE = 8 * 2**20
PIECE = 2**18
SECONDS = 60.0  # for an answer, from the first byte sent to the last one received
DEFLATE, BARE = 47, -15  # with a header that says how, or as some have it, without (RFC 9110 8.4.1.2)
WBITS = {"gzip": 31, "x-gzip": 31, "deflate": DEFLATE}


def read_body(
    response: httpx.Response,
    *,
    clock: Callable[[], float] = time.monotonic,
    seconds: float = SECONDS,
    most: int = MAX_BODY,
) -> bytes:
    """Read a response to its end.

    Args:
        response: An open response.
        clock: Seconds.
        seconds: How long it may take.
        most: How many bytes it may have, decoded.

    Raises:
        BadReplyError: It is too large, packed beyond reason, or its compression is broken or cut short.
        UnreachableError: It takes too long.
        httpx.TransportError: The connection broke.
    """
    pieces: Iterable[bytes]
    coding = response.headers.get("content-encoding", "").strip().lower()
    if response.is_stream_consumed:  # made in memory: it is whole, and httpx has decoded it
        pieces = [response.content]
    elif coding in WBITS:
        pieces = _inflated(_timely(response.iter_raw(), clock, seconds), WBITS[coding])
    else:
        plain = coding in ("", "identity")
        pieces = _timely(response.stream if plain else response.iter_bytes(), clock, seconds)  # type: ignore[arg-type]
    whole, size = [], 0
    for piece in pieces:
        whole.append(piece)
        size += len(piece)
        if size > most:
            hint = "Ask for less." if most == MAX_BODY else "Is the address right?"
            raise BadReplyError(f"An answer is larger than {most >> 20} MiB.", hint=hint)
    return b"".join(whole)


def _timely(pieces: Iterable[bytes], clock: Callable[[], float], seconds: float) -> Iterator[bytes]:
    ends = clock() + seconds
    for piece in pieces:
        yield piece
        if clock() > ends:
            raise UnreachableError(f"An answer was not whole after {seconds:.0f} s.")


def _inflated(pieces: Iterable[bytes], wbits: int) -> Iterator[bytes]:
    """The stream unpacked; a gzip stream may have several members."""
    stream, packed, unpacked = zlib.decompressobj(wbits), 0, 0
    for piece in pieces:
        if piece and not packed and wbits == DEFLATE and not _has_header(piece[0]):
            stream = zlib.decompressobj(BARE)
        packed += len(piece)
        rest = piece
        while rest:
            if stream.eof:
                stream = zlib.decompressobj(wbits)
            try:
                out = stream.decompress(rest, PIECE)
            except zlib.error:
                raise BadReplyError("An answer's compression is broken.") from None
            rest = stream.unconsumed_tail or stream.unused_data
            unpacked += len(out)
            if unpacked > max(FREE, (packed - len(rest)) * MAX_RATIO):
                raise BadReplyError(f"An answer unpacks to more than {MAX_RATIO} times what was sent.")
            yield out
    if packed and not stream.eof:
        error = BadReplyError("An answer's compression is cut short.", hint="Try again.")
        error.cut_short = True
        raise error


def _has_header(first: int) -> bool:
    """Whether a byte begins a stream of gzip (RFC 1952 2.3.1) or of zlib (RFC 1950 2.2)."""
    return first == 0x1F or first & 0x8F == 8  # noqa: PLR2004
