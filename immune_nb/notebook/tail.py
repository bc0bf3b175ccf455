"""`%immune tail`: readings as they come. Polite: one look every few seconds, through the same gate as every query.

A look asks again for the last two minutes before the newest reading it knows, so that one that arrives late, or that
somebody submits with an earlier instant, is seen; what it has shown it does not show twice.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
from IPython.core.error import UsageError

from immune_nb.errors import ServiceError

if TYPE_CHECKING:
    from immune_nb.session import Session

__all__ = ["Follower", "Reading", "seconds_of"]

BEFORE = pd.Timedelta("15min")  # what the first look shows
LATE = pd.Timedelta("2min")
SCARCE = 100  # calls left; fewer are made to last
SLOWER = 12
LEAST = 1.0  # seconds between looks
PATIENCE = 5  # looks in a row that fail
SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
Reading = dict[str, Any]


class Follower:
    """Looks for new readings of some sensors.

    Args:
        session: The login to ask with.
        sensors: Their ids.
        every: Seconds between looks.
        bound: Seconds after which it stops by itself; None for never.

    Attributes:
        pause: Seconds until the next look.
        stopped: Set when nobody wants to know any more.
    """

    def __init__(self, session: Session, sensors: Iterable[str], every: float, bound: float | None = None) -> None:
        self.session = session
        self.sensors = tuple(dict.fromkeys(sensors))
        self.every = max(LEAST, every)
        self.pause = self.every
        self.stopped = threading.Event()
        self._ends_at = math.inf if bound is None else time.monotonic() + bound
        self._began = pd.Timestamp.now("UTC")
        self._newest: pd.Timestamp | None = None
        self._known: dict[Any, pd.Timestamp] = {}

    def look(self) -> list[Reading]:
        """The readings that are new since the last look, oldest first.

        Raises:
            ImmuneError: They cannot be fetched.
        """
        since = self._began - BEFORE if self._newest is None else self._newest - LATE
        frame = self.session.readings(list(self.sensors), start=since, partial=True)
        left = frame.attrs["immune"]["calls_left"]
        self.pause = self.every * SLOWER if left is not None and left < SCARCE else self.every
        return list(self._news(frame[frame["timestamp"].notna()]))

    def follow(self, tell: Callable[[list[Reading], str], None]) -> None:
        """Look until `stopped`, and tell of what is new, with a word on how it goes.

        Raises:
            ImmuneError: The login is gone, the question is wrong, or looking has failed some times in a row.
        """
        failures = 0
        while not self.stopped.is_set():
            try:
                news, said, failures = self.look(), "", 0
            except ServiceError as error:
                failures += 1
                if failures == PATIENCE:
                    raise
                news, said = [], str(error)
            tell(news, said)
            self.stopped.wait(max(0.0, min(self.pause, self._ends_at - time.monotonic())))
            if time.monotonic() >= self._ends_at:
                return

    def _news(self, frame: pd.DataFrame) -> Iterator[Reading]:
        for row in frame.to_dict("records"):
            key = row["id"] if isinstance(row["id"], str) else (row["sensor_id"], row["timestamp"], row["value"])
            if key in self._known:
                continue
            self._known[key] = row["timestamp"]
            yield {
                "at": row["timestamp"].timestamp() * 1000,
                **{name: _plain(row[name]) for name in ("sensor_id", "value", "unit", "quality")},
            }
        if len(frame):
            newest = frame["timestamp"].max()
            self._newest = newest if self._newest is None else max(newest, self._newest)
            self._known = {key: at for key, at in self._known.items() if at >= self._newest - LATE}


def seconds_of(option: str, text: str) -> float:
    """The seconds in ``5s``, ``2m`` or ``1h``.

    Raises:
        UsageError: It is not such a span.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    if match is None or not float(match[1]):
        raise UsageError(f"{option} wants a span of time, e.g. {option} 5s.")
    return float(match[1]) * SECONDS[match[2] or "s"]


def _plain(value: Any) -> Any:
    """JSON-safe: nothing for what is missing."""
    return None if pd.isna(value) else value
