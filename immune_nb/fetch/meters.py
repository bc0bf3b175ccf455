"""What a client has asked and got, and what the service said of its limits. Threads may share it."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from immune_nb.allowances import calls_allowed, calls_left, reset_in

__all__ = ["Meter"]

PATIENCE = frozenset({429, 500, 502, 503, 504})


class Meter:
    """Counts of one login.

    Attributes:
        calls: Requests sent, repeated ones too.
        received: Bytes of the answers' bodies, unpacked.
        refusals: Answers that asked for patience, and attempts that got none.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.received = 0
        self.refusals = 0
        self._said: tuple[Mapping[str, str], float] = ({}, 0.0)  # read when somebody wants to know
        self._lock = threading.Lock()

    def answered(self, headers: Mapping[str, str], status: int, size: int, now: float) -> None:
        """Take in an answer; `now` in Unix seconds."""
        with self._lock:
            self.calls += 1
            self.received += size
            self.refusals += status in PATIENCE
            if any("ratelimit" in name or "rate-limit" in name for name in headers):
                self._said = headers, now

    def missed(self) -> None:
        """Note a request that got no answer."""
        with self._lock:
            self.calls += 1
            self.refusals += 1

    @property
    def limit(self) -> int | None:
        """Calls the service allows in a period; None when it does not say."""
        return calls_allowed(self._said[0])

    @property
    def left(self) -> int | None:
        """Calls it still allows in this one; None when it does not say."""
        return calls_left(self._said[0])

    @property
    def resets_at(self) -> float | None:
        """When the next period begins, in Unix seconds; None when it does not say."""
        headers, then = self._said
        seconds = reset_in(headers, then)
        return None if seconds is None else then + seconds
