"""Connections to one origin, each for one request at a time.

A pool that many threads share looks at every connection it has, twice a request: at thirty, that is a third of the
time a request takes. A lane belongs to one request from its start until its body is read, and the one used last is
taken first, so that no more stay warm than are needed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

__all__ = ["IDLE_SECONDS", "Lanes"]

IDLE_SECONDS = 30.0  # a connection unused for so long is closed


class Lanes:
    """Transports of one connection each.

    Args:
        make: Makes one.
        clock: Seconds.
    """

    def __init__(
        self, make: Callable[[], httpx.BaseTransport], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._clock = clock
        self._idle: deque[tuple[httpx.BaseTransport, float]] = deque()  # since when; its methods are atomic
        self._busy: set[httpx.BaseTransport] = set()

    @contextmanager
    def one(self) -> Iterator[httpx.BaseTransport]:
        """A lane, for as long as its response is read."""
        try:
            lane = self._idle.pop()[0]
        except IndexError:
            lane = self._make()
        self._busy.add(lane)
        try:
            yield lane
        finally:
            self._busy.discard(lane)
            self._idle.append((lane, self._clock()))
            self._let_go()

    def _let_go(self) -> None:
        """Close the lane that was idle longest, if that is too long."""
        try:
            lane, since = self._idle.popleft()
        except IndexError:
            return
        if self._clock() - since < IDLE_SECONDS:
            self._idle.appendleft((lane, since))
        else:
            lane.close()

    def close(self) -> None:
        """Close every connection, also those in use."""
        for lane in [*self._busy, *(lane for lane, _ in self._idle)]:
            lane.close()
