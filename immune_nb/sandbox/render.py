"""Readings as the bytes that go out, made once per chunk and kept in bounded memory.

A *chunk* is all readings of some sensors in one stretch of time, a stretch short enough to hold 3,000 rows at most: a
day of one sensor, half an hour of the whole plant. A page is then a slice of one or two chunks. Memory is bounded:
160 MB of rendered chunks and 64 MB of measured days, beside about 40 MB of counts in `census`.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import numpy as np

from .cursors import RANK_LIMIT, SCRAMBLE, SPACE, Position
from .instants import DAY, SECOND
from .plant import QUALITIES, SENSORS
from .signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["JOINT", "Chunk", "Renderer", "Selection", "row_text"]

JOINT: Final = b",\n"
ROWS_PER_CHUNK: Final = 3_000
STRETCHES: Final = (DAY, DAY // 2, DAY // 4, 3 * 3_600, 3_600, 1_800, 600, 60)
V = TypeVar("V")


class Selection(NamedTuple):
    """Which readings a query is about, apart from when."""

    ranks: tuple[int, ...]
    qualities: tuple[int, ...] = (0, 1, 2)

    @property
    def stretch(self) -> int:
        """Seconds in a chunk of this selection."""
        per_day = sum(DAY // SENSORS[rank].interval for rank in self.ranks)
        return next((s for s in STRETCHES if per_day * s <= ROWS_PER_CHUNK * DAY), STRETCHES[-1])


class Cache(Generic[V]):
    """Least recently used values, at most `limit` bytes of them; safe under threads."""

    def __init__(self, limit: int, size: Callable[[V], int]) -> None:
        self._limit, self._size = limit, size
        self._held = 0
        self._items: OrderedDict[object, V] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def get(self, key: object, make: Callable[[], V]) -> V:
        """The value of `key`, made when it is not held. Two threads may both make it; they make the same."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        value = make()
        with self._lock:
            self._held += self._size(value) if key not in self._items else 0
            self._items[key] = value
            while self._held > self._limit and len(self._items) > 1:
                self._held -= self._size(self._items.popitem(last=False)[1])
        return value


@dataclass(frozen=True)
class Measured:
    """One sensor's day: seconds, values and qualities of the readings that arrived."""

    seconds: NDArray[np.int64]
    values: NDArray[np.float64]
    qualities: NDArray[np.uint8]

    def size(self) -> int:
        """Bytes held."""
        return self.seconds.nbytes + self.values.nbytes + self.qualities.nbytes

    def cut(self, start: int, end: int, qualities: Sequence[int]) -> Measured:
        """The part in ``[start, end)`` of those qualities."""
        first, last = np.searchsorted(self.seconds, (start, end))
        part = Measured(self.seconds[first:last], self.values[first:last], self.qualities[first:last])
        if len(qualities) == len(QUALITIES):
            return part
        keep = np.isin(part.qualities, qualities)
        return Measured(part.seconds[keep], part.values[keep], part.qualities[keep])


@dataclass(frozen=True)
class Chunk:
    """Rendered rows in order.

    Attributes:
        blob: The rows as JSON objects, each followed by a comma and a newline.
        starts: Where each row begins in `blob`, and where the last ends.
        keys: Microsecond and rank of each row, as one sorted number.
    """

    blob: bytes
    starts: NDArray[np.int64]
    keys: NDArray[np.int64]

    def size(self) -> int:
        """Bytes held."""
        return len(self.blob) + self.starts.nbytes + self.keys.nbytes

    def find(self, position: Position) -> int:
        """How many rows of the chunk lie before `position`."""
        key = position.micros * RANK_LIMIT + position.rank
        return int(np.searchsorted(self.keys, key, "right" if position.row else "left"))

    def rows(self, first: int, last: int) -> bytes:
        """Rows ``[first, last)``, joined."""
        return self.blob[self.starts[first] : self.starts[last] - len(JOINT)]

    def positions(self, first: int, last: int) -> list[Position]:
        """Where rows ``[first, last)`` are in the list of all readings."""
        return [Position(*divmod(key, RANK_LIMIT)) for key in self.keys[first:last].tolist()]


class Renderer:
    """Makes and keeps chunks.

    Args:
        signals: The measurements of every sensor, by rank.
    """

    def __init__(self, signals: Sequence[Signal]) -> None:
        self._signals = signals
        self._days: Cache[Measured] = Cache(64 * 2**20, Measured.size)
        self._chunks: Cache[Chunk] = Cache(160 * 2**20, Chunk.size)

    def chunk(self, selection: Selection, number: int) -> Chunk:
        """The `number`-th stretch since 1970 of a selection."""
        return self._chunks.get((selection, number), lambda: self._render(selection, number))

    def holds(self, selection: Selection, number: int) -> bool:
        """Whether that chunk is ready."""
        return (selection, number) in self._chunks

    def _day(self, rank: int, day: int) -> Measured:
        return self._days.get((rank, day), lambda: self._measure(rank, day))

    def _measure(self, rank: int, day: int) -> Measured:
        signal = self._signals[rank]
        seconds = signal.seconds(day * DAY, (day + 1) * DAY)
        seconds = seconds[signal.present(seconds)]
        return Measured(seconds, signal.values(seconds), signal.quality(seconds))

    def _render(self, selection: Selection, number: int) -> Chunk:
        start, end = number * selection.stretch, (number + 1) * selection.stretch
        parts = [self._day(rank, start // DAY).cut(start, end, selection.qualities) for rank in selection.ranks]
        seconds = np.concatenate([part.seconds for part in parts])
        ranks = np.repeat(np.array(selection.ranks, np.int64), [len(part.seconds) for part in parts])
        order = np.lexsort((ranks, seconds))
        values = np.concatenate([part.values for part in parts])[order]
        qualities = np.concatenate([part.qualities for part in parts])[order]
        return _chunk(seconds[order], ranks[order], values, qualities)


def _chunk(
    seconds: NDArray[np.int64],
    ranks: NDArray[np.int64],
    values: NDArray[np.float64],
    qualities: NDArray[np.uint8],
) -> Chunk:
    """Sorted columns to rows of bytes."""
    numbers = (seconds * RANK_LIMIT + ranks).astype(np.uint64) * np.uint64(SCRAMBLE) % np.uint64(SPACE)
    stamps = np.datetime_as_string(seconds.astype("datetime64[s]")).tolist()
    heads = {rank: _head(rank) for rank in set(ranks.tolist())}
    columns = zip(
        numbers.tolist(),
        [heads[rank] for rank in ranks.tolist()],
        values.tolist(),
        stamps,
        [QUALITIES[code] for code in qualities.tolist()],
        strict=True,
    )
    rows = [
        f'{{"id":"rd_{number:012x}",{head},"value":{value},"timestamp":"{stamp}Z","quality":"{quality}"}},\n'.encode()
        for number, head, value, stamp, quality in columns
    ]
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    return Chunk(b"".join(rows), starts, seconds * SECOND * RANK_LIMIT + ranks)


def _head(rank: int) -> str:
    """The fields that are the same in every row of a sensor."""
    sensor = SENSORS[rank]
    fields = {"sensor_id": sensor.id, "equipment_id": sensor.machine.id, "unit": sensor.trait.unit}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))[1:-1]


def row_text(record: Mapping[str, object]) -> bytes:
    """One row from elsewhere (a submitted reading), in the same dress."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
