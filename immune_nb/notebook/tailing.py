"""Where `%immune tail` shows what it follows: a small widget with a Stop button, or lines until Ctrl-C."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from immune_nb.errors import ImmuneError

from .shipped import Shipped, shipped
from .show import show
from .surroundings import in_notebook, shows_widgets
from .tail import Follower, Reading, seconds_of
from .ways_in import session_for

if TYPE_CHECKING:
    from .arguments import Request
    from .desk import Desk

__all__ = ["Tail", "tail"]

NOBODY = "Nobody can stop a tail here; bound it: %immune tail SENSOR --for 10s."
EVERY = "5s"
KEPT = 240  # readings, for a view that opens late


class Tail(Shipped):
    """A small plot and the newest readings, until it is stopped. What it shows is in no state.

    Args:
        follower: What looks for them.
        events: The shell's events; an interrupted cell stops it, too.
    """

    INSTEAD = "Readings were followed here. Run %immune tail again to follow new ones."
    _esm = shipped("panel_parts.js", "tail.js")
    _css = shipped("panel.css", "tail.css")

    def __init__(self, follower: Follower, events: Any) -> None:
        self._follower = follower
        self._events = events
        self._kept: deque[Reading] = deque(maxlen=KEPT)
        self._said = ""
        super().__init__()
        self.on_msg(lambda _widget, message, _buffers: self.hear(message))
        self._thread = threading.Thread(target=self._run, name="immune-tail", daemon=True)
        events.register("post_run_cell", self._after_cell)
        self._thread.start()

    def hear(self, message: Mapping[str, Any]) -> None:
        """Stop, or tell a view that has just appeared everything."""
        if message.get("do") == "stop":
            self.stop("Stopped.")
        elif message.get("do") == "open":
            self.send({"kind": "all", "sensors": self._follower.sensors, **self._now(list(self._kept))})

    def stop(self, said: str) -> None:
        """Look no more."""
        self._said = self._said or said
        self._follower.stopped.set()

    def _run(self) -> None:
        """On a thread of its own: the kernel is free meanwhile."""
        try:
            self._follower.follow(self._tell)
        except ImmuneError as error:
            self.stop(f"Stopped: {error}")
        self.stop("Its time is over.")
        self._events.unregister("post_run_cell", self._after_cell)
        self.send({"kind": "news", **self._now([])})

    def _tell(self, news: list[Reading], problem: str) -> None:
        self._kept.extend(news)
        self.send({"kind": "news", **self._now(news), "problem": problem})

    def _now(self, readings: list[Reading]) -> dict[str, Any]:
        running = not self._follower.stopped.is_set()
        return {"readings": readings, "pause": self._follower.pause if running else 0, "said": self._said}

    def _after_cell(self, result: Any) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            self.stop("Stopped by an interrupt.")


def tail(desk: Desk, request: Request, sensors: list[Any]) -> None:
    """``%immune tail``.

    Args:
        desk: Where the logins are.
        request: The line.
        sensors: The ids on it.

    Raises:
        UsageError: Nobody could stop it, or a span cannot be read.
    """
    every = seconds_of("--every", request.text("every") or EVERY)
    given = request.text("for")
    bound = None if given is None else seconds_of("--for", given)
    widget = shows_widgets(desk.shell)
    if in_notebook(desk.shell) and not widget and bound is None:
        raise UsageError(NOBODY)
    follower = Follower(session_for(desk, request.text("profile")), sensors, every, bound)
    if widget:
        show(Tail(follower, desk.shell.events))  # type: ignore[attr-defined] # an IPython shell has them
        show(Tail.reader_note())
    else:
        print_lines(follower, print)  # the terminal's way


def print_lines(follower: Follower, write: Callable[[str], object]) -> None:
    """A line for every reading, until Ctrl-C or the time is over."""

    def tell(news: list[Reading], problem: str) -> None:
        for text in (*map(as_line, news), *([problem] if problem else [])):
            write(text)

    try:
        follower.follow(tell)
    except KeyboardInterrupt:
        write("Stopped.")


def as_line(reading: Reading) -> str:
    """One reading as a line of text."""
    when = datetime.fromtimestamp(reading["at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    value = "–" if reading["value"] is None else f"{reading['value']:g}"
    return f"{when}  {reading['sensor_id']}  {value} {reading['unit'] or ''}  {reading['quality'] or ''}".rstrip()
