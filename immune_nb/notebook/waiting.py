"""A sign-in underway: a thread of its own asks how it goes, so that neither the kernel nor a cell has to.

Nothing here touches a widget or the logins. Whoever is told that there is news looks, on the kernel's own thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from immune_nb.errors import ConfigError, ImmuneError, LoginRejectedError, QueryError

if TYPE_CHECKING:
    from immune_nb.pending import PendingLogin
    from immune_nb.session import Session

__all__ = ["Waiting"]

GLANCE = 0.2  # seconds; so soon a wait notices Ctrl-C, also where locks cannot be interrupted


class Waiting:
    """A sign-in that is polled until it is over.

    Args:
        pending: The sign-in.
        tell: Called, on the polling thread, when there is news.

    Attributes:
        began: When, in Unix seconds.
        problem: What was wrong with the last address that was pasted.
        session: The login, tried against the service, once it is there.
        error: Why there will be none.
        is_newest: Whether no other login was made since it began; then it is the one that a query means.
        is_worth_waiting: Whether a query may wait for it; false once one has.
    """

    def __init__(self, pending: PendingLogin, tell: Callable[[], None]) -> None:
        self.pending = pending
        self.began = time.time()
        self.problem = ""
        self.session: Session | None = None
        self.error: ImmuneError | None = None
        self.is_newest = True
        self.is_worth_waiting = True
        self._tell = tell
        self._pasted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._cancelled = False
        self._done = threading.Event()
        threading.Thread(target=self._run, name="immune_nb sign-in", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether there is a session or an error."""
        return self._done.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is over, at most so long; whether it is."""
        end = time.monotonic() + seconds
        while not self._done.wait(GLANCE) and time.monotonic() < end:
            pass
        return self.is_over

    def paste(self, address: str) -> None:
        """Hand in the address that the browser ended at."""
        self.problem = ""
        self._pasted.put(address)

    def cancel(self) -> None:
        """Give up. What arrives after that is logged out at once."""
        self._cancelled = True
        self._pasted.put("")  # wakes the thread
        self.pending.cancel()

    def _run(self) -> None:
        try:
            self.session = self._follow()
        except ImmuneError as error:
            self.error = error.with_traceback(None)  # its frames know the address that was pasted
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence would be waited for
            self.error = LoginRejectedError(f"The sign-in failed unexpectedly ({type(error).__name__}).")
        self._done.set()
        self._tell()

    def _follow(self) -> Session:
        session = None
        while session is None and not self._cancelled:
            session = self._ask(self._next_address())
        if session and not self._cancelled:
            _try(session)
        if session and not self._cancelled:
            return session
        if session:
            session.logout()
        raise LoginRejectedError("The sign-in was cancelled.", hint="Start again.")

    def _next_address(self) -> str:
        """What is pasted next; empty when nothing is until the next poll is due."""
        try:
            return self._pasted.get(timeout=self.pending.interval)
        except queue.Empty:
            return ""

    def _ask(self, address: str) -> Session | None:
        try:
            return self.pending.paste(address) if address else self.pending.poll()
        except (QueryError, ConfigError) as error:  # not the address of this login, which stays open
            self.problem = str(error)
        self._tell()
        return None


def _try(session: Session) -> None:
    """Try the login against the service, where that is cheap."""
    try:
        session.verify()
    except BaseException:
        session.close()
        raise
