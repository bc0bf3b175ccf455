"""Threads that work off errands, each of which may bring more.

While there is a single errand it is done by the calling thread, so that a short list costs no thread. Ctrl-C reaches
the calling thread only: it sets the `Halt` that every wait of the others heeds, cuts their connections, and sees them
end before it passes the interrupt on.

The threads share no lock: they would wait for it, and for the interpreter's besides, longer than for the network.
They share queues, whose every step is one of the interpreter's own. The calling thread keeps the books, and is woken
only when there may be something to do for it: each time it is, a thread that was at work waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from immune_nb.fetch.limits import Halt, Halted
from immune_nb.fetch.width import Width

__all__ = ["Crew"]

Errand = TypeVar("Errand")
BIRTH = 1.0  # seconds in which a thread that was asked for runs
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
        self._waiting: deque[Errand] = deque()
        self._tokens: SimpleQueue[str] = SimpleQueue()  # one for each that waits; "" sends a thread home
        self._ledger: deque[int] = deque()  # by how much each errand done changes what is left
        self._bell: SimpleQueue[None] = SimpleQueue()  # wakes the calling thread
        self._threads: dict[int, threading.Thread] = {}
        self._at_work: set[int] = set()  # their numbers
        self._fault: BaseException | None = None
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
                self._muster(len(self._waiting))
        except BaseException:
            self._halt.set()
            self._is_wanted_no_more = True
            self._cut()
            raise
        finally:
            self._dismiss()
        if self._fault:
            raise self._fault

    def _muster(self, left: int) -> None:
        """Set threads to work and keep count of what is left, open to an interrupt all the while."""
        for _ in range(left):
            self._tokens.put("errand")
        told = time.monotonic()
        while left and not self._halt.is_set():
            self._hire(left)
            with suppress(Empty):
                self._bell.get(timeout=TICK)
            while self._ledger:
                left += self._ledger.popleft()
            if time.monotonic() - told >= TICK:
                self._tick()
                told = time.monotonic()
        self._tick()

    def _hire(self, left: int) -> None:
        """As many threads as there is work for."""
        wanted = min(self._width.now, left)
        if len(self._at_work) >= wanted:
            return
        for number in set(range(wanted)) - self._at_work:
            self._at_work.add(number)
            thread = threading.Thread(target=self._labour, args=(number,), name="immune_nb fetch", daemon=True)
            self._threads[number] = thread
            thread.start()

    def _labour(self, number: int) -> None:
        while not self._halt.is_set() and self._tokens.get():
            if number >= self._width.now:  # too many at once, by now
                self._at_work.discard(number)
                self._tokens.put("errand")
                return
            more: Sequence[Errand] = ()
            try:
                more = self._work(self._waiting.popleft())
            except Halted:
                pass
            except BaseException as error:  # noqa: BLE001 - it is the calling thread's to raise
                self._fault = self._fault or error
                self._is_wanted_no_more = True
                self._halt.set()
            self._waiting.extendleft(reversed(more))  # what follows comes first
            for _ in more:
                self._tokens.put("errand")
            self._ledger.append(len(more) - 1)
            if more or not self._waiting or self._width.now > len(self._at_work) or self._halt.is_set():
                self._bell.put(None)

    def _dismiss(self) -> None:
        """See every thread end."""
        for _ in self._threads:
            self._tokens.put("")
        born_by = time.monotonic() + BIRTH
        for thread in self._threads.values():
            while thread.ident is None and time.monotonic() < born_by:
                time.sleep(BIRTH / 1000)  # an interrupt came in the middle of its start
            while thread.is_alive():
                thread.join(TICK)
                if self._halt.is_set() and self._is_wanted_no_more:
                    self._cut()  # again: it may have sent another request in the meantime
