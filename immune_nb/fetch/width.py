"""How many requests may be under way at once."""

from __future__ import annotations

import time

__all__ = ["Load", "Width"]

BUSY = 1.0  # of a CPU: a process that uses more is waited for, as its threads take turns at the interpreter
LEVELLED = 8  # answers over which that is levelled: a single one may meet any moment
WAITING = 0.15  # of a CPU: a thread that uses less leaves time for others, however busy the process
LOOK = 0.005  # seconds between looks at what the process uses: they take longer the more threads it has
START, MOST = 8.0, 32.0
LEAST_USEFUL = 2.0  # one is read while another is fetched


class Load:
    """Seconds of CPU that this process uses per second."""

    def __init__(self) -> None:
        self._last = BUSY
        self._since = time.perf_counter(), time.process_time()

    @property
    def now(self) -> float:
        """Of late."""
        now, (then, used) = time.perf_counter(), self._since
        if now - then > LOOK:
            self._since = now, (uses := time.process_time())
            self._last = (uses - used) / (now - then)
        return self._last


class Width:
    """How many requests at once: as many as are polite, and no more than this process can make use of.

    It is polite to grow while answers stay quick, to ease off when they take much longer than the quickest one, for
    then they wait somewhere, and to halve on a refusal. Where they wait for this very process, which is busy, fewer
    at once are quicker than more.

    """

    def __init__(self) -> None:
        self._polite = self._useful = START
        self._quickest = float("inf")
        self._load = BUSY

    @property
    def now(self) -> int:
        """How many."""
        return int(min(self._polite, self._useful))

    def note(self, seconds: float, *, refused: bool, load: float = 0.0, own: float = 1.0) -> None:
        """Take in an answer.

        Args:
            seconds: How long it took.
            refused: Whether the service refused or failed on the way.
            load: The process's `Load` at its end.
            own: Seconds of CPU that the asking thread used meanwhile, per second.
        """
        self._quickest = min(self._quickest, seconds)
        is_quick, is_slow = seconds < 1.5 * self._quickest, seconds > 3 * self._quickest
        self._load += (load - self._load) / LEVELLED
        if self._load < BUSY or (is_quick and own < WAITING):
            self._useful = min(MOST, self._useful + 1)
        elif is_slow:
            self._useful = max(LEAST_USEFUL, self._useful / 2)
        if refused:
            self._polite = max(1.0, self._polite / 2)
        elif is_quick:
            self._polite = min(MOST, self._polite + 1)
        elif is_slow:
            self._polite = max(min(self._polite, START), self._polite - 0.25)
