"""Threads that work off errands, each of which may bring more.

While there is a single errand it is done by the calling thread, so that a short list costs no thread. Ctrl-C reaches
the calling thread only: it sets the `Halt` that every wait of the others heeds, cuts their connections, and sees them
end before it passes the interrupt on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from immune_nb.fetch.limits import Halt, Halted, Width

__all__ = ["Crew"]

Errand = TypeVar("Errand")
TICK = 0.1  # seconds between looks at the clock and calls of `tick`


class Crew(Generic[Errand]):
    """Works off errands with as many threads as `width` allows.

    Args:
        work: Does one errand and gives those that follow from it.
        width: How many at once.
        halt: Ends every wait when it is set.
        cut: Breaks off what the threads wait for.
        tick: Called now and then, by the calling thread.
    """

    def __init__(
        self,
        work: Callable[[Errand], Sequence[Errand]],
        *,
        width: Width,
        halt: Halt,
        cut: Callable[[], None],
        tick: Callable[[], None],
    ) -> None:
        self._work = work
        self._width = width
        self._halt = halt
        self._cut = cut
        self._tick = tick
        self._state = threading.Condition()
        self._waiting: deque[Errand] = deque()
        self._busy = 0
        self._fault: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._is_wanted_no_more = False

    def run(self, errands: Sequence[Errand]) -> None:
        """Do these errands and all that follow from them.

        Raises:
            BaseException: What an errand raised; the others are broken off.
        """
        self._waiting.extend(errands)
        try:
            while len(self._waiting) == 1 and not self._halt.is_set():
                self._waiting.extend(self._work(self._waiting.popleft()))
                self._tick()
            if self._waiting and not self._halt.is_set():
                self._muster()
        except BaseException:
            self._halt.set()
            self._is_wanted_no_more = True
            self._cut()
            raise
        finally:
            self._dismiss()
        if self._fault:
            raise self._fault

    def _muster(self) -> None:
        """Set the threads to work and wait for them, open to an interrupt all the while."""
        with self._state:
            self._hire()
        while not self._over.wait(TICK):
            self._tick()
        self._tick()

    def _hire(self) -> None:
        """As many threads as there is work for."""
        wanted = min(int(self._width.now), self._busy + len(self._waiting))
        while len(self._threads) < wanted:
            thread = threading.Thread(target=self._labour, name="immune_nb fetch", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _labour(self) -> None:
        while (errand := self._take()) is not None:
            more: Sequence[Errand] = ()
            try:
                more = self._work(errand)
            except Halted:
                pass
            except BaseException as error:  # noqa: BLE001 - it is the calling thread's to raise
                self._fault = self._fault or error
                self._is_wanted_no_more = True
                self._halt.set()
            with self._state:
                self._busy -= 1
                self._waiting.extendleft(reversed(more))  # what follows comes first
                self._hire()
                if len(more) > 1:  # the one that follows is mine
                    self._state.notify(len(more) - 1)

    def _take(self) -> Errand | None:
        """The next errand; None when there will be no more."""
        with self._state:
            while not self._halt.is_set():
                if self._waiting and self._busy < int(self._width.now):
                    self._busy += 1
                    return self._waiting.popleft()
                if not self._waiting and not self._busy:
                    break
                self._state.wait(TICK)
            if not self._busy:
                self._over.set()
                self._state.notify_all()
        return None

    def _dismiss(self) -> None:
        """See every thread end; the halt or the empty queue has told them to."""
        with self._state:
            self._state.notify_all()
        for thread in self._threads:
            while thread.is_alive():
                thread.join(TICK)
                if self._halt.is_set() and self._is_wanted_no_more:
                    self._cut()  # again: it may have sent another request in the meantime
