"""Pages that came and wait to be read, so that one thread reads several at once while the others go on fetching.

Where fetching is quicker than one thread reads, others help: the pile stays low.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Pile"]

Item = TypeVar("Item")


class Pile(Generic[Item]):
    """What waits to be worked off, by one thread while it is low.

    Args:
        size: Of one thing.
        most: How much to take at once, in the unit of `size`; one thing is always taken. Twice as much is high.
    """

    def __init__(self, size: Callable[[Item], int], most: int) -> None:
        self._size = size
        self._most = most
        self._lock = threading.Lock()
        self._items: deque[Item] = deque()
        self._height = 0
        self._is_due = False

    def add(self, item: Item) -> bool:
        """Put something on; True when it is the caller's to work it off, as nobody is on it, or it is high."""
        with self._lock:
            self._items.append(item)
            self._height += self._size(item)
            nobody, self._is_due = not self._is_due, True
            return nobody or self._height > 2 * self._most

    def take(self) -> list[Item]:
        """What to work off now."""
        taken: list[Item] = []
        left = self._most
        with self._lock:
            while self._items and (left > 0 or not taken):
                taken.append(self._items.popleft())
                left -= self._size(taken[-1])
            self._height -= self._most - left
        return taken

    def is_done(self) -> bool:
        """Whether nothing is left, so that the next `add` is to call somebody again."""
        with self._lock:
            self._is_due = bool(self._items)
            return not self._is_due
