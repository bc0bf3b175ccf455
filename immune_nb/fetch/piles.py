"""Pages that came and wait to be read, so that one thread reads several at once while the others go on fetching."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Pile"]

Item = TypeVar("Item")


class Pile(Generic[Item]):
    """What waits to be worked off by one thread at a time.

    Args:
        size: Of one thing.
        most: How much to take at once, in the unit of `size`; one thing is always taken.
    """

    def __init__(self, size: Callable[[Item], int], most: int) -> None:
        self._size = size
        self._most = most
        self._lock = threading.Lock()
        self._items: deque[Item] = deque()
        self._is_due = False

    def add(self, item: Item) -> bool:
        """Put something on; True when it is the caller's to have the pile worked off, as nobody is on it."""
        with self._lock:
            self._items.append(item)
            nobody, self._is_due = not self._is_due, True
            return nobody

    def take(self) -> list[Item]:
        """What to work off now."""
        taken: list[Item] = []
        left = self._most
        with self._lock:
            while self._items and (left > 0 or not taken):
                taken.append(self._items.popleft())
                left -= self._size(taken[-1])
        return taken

    def is_done(self) -> bool:
        """Whether nothing is left, so that the next `add` is to call somebody again."""
        with self._lock:
            self._is_due = bool(self._items)
            return not self._is_due
