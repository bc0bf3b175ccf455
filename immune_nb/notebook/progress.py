"""How far a long query has come: rows, pages, rate and time left, by `tqdm`, gone when it is over.

In a notebook the bar is text in an output that is brought up to date, and emptied at the end. Not `tqdm.notebook`:
its widgets stay in the kernel, and in the saved notebook, after the bar is gone.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, TextIO, cast

from IPython.display import DisplayHandle
from tqdm import tqdm

from .show import counted
from .surroundings import in_notebook, person_can_act

if TYPE_CHECKING:
    from immune_nb.fetch.crops import Progress, Tally

    from .arguments import Request

__all__ = ["watched"]

DELAY = 0.7  # seconds; what is over sooner shows nothing
EVERY = 0.25
WIDEST = 110
KNOWN = "{percentage:3.0f} % |{bar:28}| {n:,} of {total:,} rows{postfix} · {rate_noinv_fmt} · {remaining} left"
UNKNOWN = "{n:,} rows{postfix} · {rate_noinv_fmt} · {elapsed}"
STYLE = "margin:0;font-size:90%;color:var(--jp-ui-font-color2,GrayText);background:none"


@contextmanager
def watched(shell: Any, request: Request) -> Iterator[Progress | None]:
    """What a query tells its progress to while a person watches; None when none does, or wants none.

    Args:
        shell: The IPython shell.
        request: The line, which may be silent or quiet.
    """
    if request.silent or request.given("quiet") or not person_can_act(shell):
        yield None
        return
    bar = Bar(
        unit=" rows",
        unit_scale=True,
        delay=DELAY,
        mininterval=EVERY,
        leave=False,
        file=cast("TextIO", _Pane()) if in_notebook(shell) else sys.stderr,
        ncols=WIDEST if in_notebook(shell) else min(WIDEST, shutil.get_terminal_size().columns - 1),
        nrows=20,
        ascii=False,
        bar_format=UNKNOWN,
    )
    try:
        yield bar.tell
    finally:
        bar.close()


class Bar(tqdm):  # type: ignore[misc] # it has no types
    """One bar."""

    monitor_interval = 0  # no thread that looks after it

    def tell(self, tally: Tally) -> None:
        """Show how far the query is."""
        if not tally.rows:
            return
        self.total = None if tally.total is None else max(tally.total, tally.rows)
        self.bar_format = UNKNOWN if self.total is None else KNOWN
        self.set_postfix_str(counted(tally.pages, "page"), refresh=False)
        self.update(tally.rows - self.n)


class _Pane:
    """A cell's output that takes what a terminal would."""

    def __init__(self, make: Callable[[], DisplayHandle] = DisplayHandle) -> None:
        self._make = make
        self._handle: DisplayHandle | None = None

    def write(self, text: str) -> None:
        """Show a line in place of the one before; a blank one is nothing."""
        line = text.strip()
        data = {"text/plain": line, "text/html": f'<pre style="{STYLE}">{escape(line)}</pre>' if line else ""}
        if self._handle is not None:
            self._handle.update(data, raw=True)  # type: ignore[no-untyped-call]
        elif line:
            self._handle = self._make()
            self._handle.display(data, raw=True)  # type: ignore[no-untyped-call]

    def flush(self) -> None:
        """Nothing waits."""
