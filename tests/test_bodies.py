"""Bodies: whole or an error, and never more than fits."""

import gzip
import json
import subprocess
import sys
import zlib

import httpx
import pytest

from immune_nb.auth.bodies import read_body
from immune_nb.errors import BadReplyError, UnreachableError

TEXT = json.dumps({"data": [{"id": f"r{n}", "value": n * 0.37} for n in range(5000)]}).encode()


def response(body, coding="gzip", size=1000):
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return httpx.Response(200, headers={"Content-Encoding": coding} if coding else {}, content=pieces)


@pytest.mark.parametrize(
    ("body", "coding"),
    [(gzip.compress(TEXT), "gzip"), (gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:]), "GZIP")]
    + [(zlib.compress(TEXT), "deflate"), (zlib.compress(TEXT)[2:-4], "deflate"), (TEXT, ""), (TEXT, "identity")],
)
@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
def test_a_whole_body_is_read_however_it_is_cut(body, coding, size):
    """F10: gzip, of several members too, deflate with a header and without, and none, in pieces of any size."""
    assert read_body(response(body, coding, size)) == TEXT


@pytest.mark.parametrize("kept", [0.6, 0.99])
def test_a_gzip_stream_without_its_end_is_cut_short(kept):
    """F10: at 60 %, and with only the trailer cut, it is an error that asking again may mend; httpx sees nothing."""
    packed = gzip.compress(TEXT)
    packed = packed[: int(len(packed) * kept)] if kept < 0.9 else packed[:-8]
    assert len(response(packed).read()) < len(TEXT) or kept > 0.9
    with pytest.raises(BadReplyError, match="cut short") as caught:
        read_body(response(packed))
    assert caught.value.cut_short


def test_a_wrong_checksum_is_an_error():
    """The trailer is read, not only waited for."""
    packed = bytearray(gzip.compress(TEXT))
    packed[-5] ^= 1
    with pytest.raises(BadReplyError, match="broken"):
        read_body(response(bytes(packed)))


@pytest.mark.parametrize(("coding", "packed"), [("", TEXT), ("gzip", gzip.compress(TEXT))])
def test_no_more_is_read_than_is_wanted(coding, packed):
    """What is too large is not read first and measured afterwards."""
    taken = []
    pieces = (taken.append(at) or packed[at : at + 100] for at in range(0, len(packed), 100))
    with pytest.raises(BadReplyError, match=r"larger than 0 MiB\. Is the address right"):
        read_body(httpx.Response(200, headers={"Content-Encoding": coding}, content=pieces), most=1000)
    assert len(taken) <= 11


def test_a_slow_body_ends_at_its_deadline():
    """F12: each piece comes in time, and the whole does not."""
    now = iter(range(1000))
    with pytest.raises(UnreachableError, match="10 s"):
        read_body(response(TEXT, "", 10), clock=lambda: float(next(now)), seconds=10)
    assert 10 <= next(now) <= 13


BOMB = """
import httpx, pathlib, re, sys, zlib
from immune_nb.auth.bodies import read_body
from immune_nb.errors import BadReplyError
stream = zlib.compressobj(wbits=31)
packed = b"".join(stream.compress(b" " * 2**20) for _ in range(int(sys.argv[2]))) + stream.flush()
response = httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=iter([packed]))
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
before = peak()
try:
    read_body(response) if sys.argv[1] == "ours" else response.read()
except BadReplyError:
    print("refused", end=" ")
print(peak() - before)
"""


@pytest.mark.slow
def test_a_bomb_is_refused_before_it_grows():
    """F11: a gigabyte in a megabyte is refused with less than 64 MB more memory; httpx takes a smaller one whole."""

    def grown(whose, megabytes):
        command = [sys.executable, "-c", BOMB, whose, str(megabytes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return done[0], int(done[-1]) / 1024

    word, megabytes = grown("ours", 1000)
    assert word == "refused"
    assert megabytes < 64
    assert grown("httpx", 150)[1] > 100
