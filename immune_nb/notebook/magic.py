"""The `%immune` magic: it reads the line, has the command carried out, and shows the outcome. Nothing else.

A mistake on the line is a `UsageError`, one sentence. What the service, the network or the login does wrong stays the
exception it is, so that Run All, nbclient and papermill stop.
"""

from __future__ import annotations

import traceback
from typing import Any

from IPython.core.error import UsageError
from IPython.core.extensions import ExtensionManager
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand

from immune_nb.errors import ConfigError, QueryError

from . import manual
from .arguments import Request, parse
from .comm_log import CommLogGuard
from .completion import Completion
from .desk import Desk
from .frame_tables import FrameTables
from .history import HistoryGuard, names_of
from .refusal import carries_secret
from .show import Note, as_notes, footer, show

__all__ = ["ImmuneMagics", "load", "unload"]

CATALOG = ("immune_nb.catalog.catalog", "Catalog")


@magics_class
class ImmuneMagics(Magics):
    """`%immune`, and what its kernel has open.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.desk = Desk(shell)
        self.guards = (
            HistoryGuard(shell, self._carries),
            CommLogGuard(),
            Completion(self.desk, shell),
            FrameTables(shell),
        )
        self._shell = shell
        self._footers: list[str] = []

    @line_cell_magic
    @no_var_expand
    @needs_local_scope
    def immune(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Read one line and carry it out; `%immune?` shows the overview in place of this text."""
        request = parse(line, {**self._shell.user_ns, **(local_ns or {})}, cell, self._paths, self._carries)
        if request.command is None or request.given("help"):
            show(Note(manual.page(request.command) if request.command else manual.overview()))
            return None
        try:
            with as_notes():
                return self._carry_out(request, line)
        except (ConfigError, QueryError) as error:
            if isinstance(error, QueryError) and error.status:
                raise  # the service said so
            fault = " ".join(str(error).split())
        raise UsageError(fault)

    immune.__doc__ = manual.overview()

    def _carries(self, text: str) -> bool:
        """Whether a text holds a secret: what looks like one, or a credential of this kernel's logins."""
        return carries_secret(text) or self.desk.gives_away(text)

    def _paths(self) -> list[str]:
        """The endpoints that are known of the current API."""
        from .offers import Knowledge

        return Knowledge(self.desk).paths("/")

    def end_cell(self) -> None:
        """Show what belongs under everything else, and bring the panel up to date. Called after every cell."""
        while self._footers:
            show(Note(self._footers.pop(0)))
        if self.desk.panel is not None:
            self.desk.panel.refresh()

    def _carry_out(self, request: Request, line: str) -> Any:
        from . import commands, rehearsal, ways_in

        name = request.command.name if request.command else ""
        if name == "login":
            return ways_in.log_in(self.desk, request)
        if name in commands.TASKS:
            return commands.TASKS[name](self.desk, request)
        if name in commands.WRITES:
            return self._deliver(commands.WRITES[name](self.desk, request), request, line)
        if rehearsal.is_asked_for(request):
            return rehearsal.rehearse(self.desk, request)
        return self._deliver(commands.FRAMES[name](self.desk, request), request, line)

    def _deliver(self, frame: Any, request: Request, line: str) -> Any:
        """Hand a frame over: to its variable, or back to the line. What was not sent has none."""
        if frame is None:
            return None
        if not (request.silent or request.given("quiet")):
            receipt = getattr(frame, "receipt", None) or frame.attrs["immune"]  # of a folder, or of a frame
            verbose = request.given("verbose")
            self._footers.append(footer(receipt, len(frame.columns), name=request.target, verbose=verbose))
        if request.target:
            self._shell.user_ns[request.target] = frame
            return None
        if request.silent:
            self._hush(line)
        return frame

    def _hush(self, line: str) -> None:
        """Put the line's ``;`` where IPython's display hook looks for it: at the end of the cell as Python.

        Returning None instead would also empty ``df = %immune …;``.
        """
        cells = self._shell.history_manager.input_hist_parsed
        ends = tuple(f"run_line_magic({name!r}, {line!r})" for name in names_of(self._shell))
        if cells and cells[-1].rstrip().endswith(ends):
            cells[-1] = f"{cells[-1].rstrip()};"


def load(shell: Any) -> None:
    """Register the magic; after ``%reload_ext`` it is the same one, with its logins."""
    magics = _loaded(shell) or ImmuneMagics(shell)
    shell.register_magics(magics)
    shell.events.register("post_execute", magics.end_cell)
    for guard in magics.guards:
        guard.start()
    _pages(shell).for_type_by_name(*CATALOG, _page)


def unload(shell: Any) -> None:
    """Remove the magic, forget the logins, stop the sandbox; ``%reload_ext`` only removes."""
    magics = _loaded(shell)
    if magics is None:
        return
    for guard in magics.guards:
        guard.stop()
    _pages(shell).pop(".".join(CATALOG), None)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("immune", None)
    if magics.end_cell in shell.events.callbacks["post_execute"]:
        shell.events.unregister("post_execute", magics.end_cell)
    if not _reloading():
        del shell.magics_manager.registry[ImmuneMagics.__name__]
        magics.desk.close()


def _pages(shell: Any) -> Any:
    """What shows objects as HTML."""
    return shell.display_formatter.formatters["text/html"]


def _page(catalog: Any) -> str:
    from .endpoints import page

    return page(catalog)


def _loaded(shell: Any) -> ImmuneMagics | None:
    magics: ImmuneMagics | None = shell.magics_manager.registry.get(ImmuneMagics.__name__)
    return magics


def _reloading() -> bool:
    """Whether this unload is the first half of ``%reload_ext``; only the stack tells."""
    reload = ExtensionManager.reload_extension.__code__
    return any(frame.f_code is reload for frame, _ in traceback.walk_stack(None))
