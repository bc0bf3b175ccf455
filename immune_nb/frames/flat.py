"""Where lists of flat objects are in a body, told from its brackets alone."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["ALL_BUT_BRACKETS", "flat_lists", "is_utf8"]

ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
HEADROOM = 80  # bytes of white space before the first record
MOST_LISTS = 8  # in a body that Arrow may read: records with lists in them are not flat


def flat_lists(body: bytes, shape: bytes) -> Iterator[tuple[int, int]]:
    """Where lists of flat objects start and end, the longest first; `shape` is the body's brackets without those."""
    if shape.count(b"[]") == shape.count(b"[") == 1:
        start, end = body.find(b"["), body.rfind(b"]") + 1
        if body[start + 1 : start + 2 + HEADROOM].lstrip().startswith(b"{"):
            yield start, end
        return
    places, start = [], body.find(b"[")
    while start >= 0:
        places.append((start, body.find(b"]", start) + 1))
        start = body.find(b"[", start + 1)
        if len(places) > MOST_LISTS:
            return
    for start, end in sorted(places, key=lambda place: place[0] - place[1]):
        inner = body[start:end].translate(None, ALL_BUT_BRACKETS)
        if inner.startswith(b"[{") and inner.replace(b"{}", b"") == b"[]":
            yield start, end


def is_utf8(body: bytes) -> bool:
    """Whether a body is text in UTF-8, which costs nothing to tell of ASCII."""
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
