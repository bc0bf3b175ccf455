"""`%immune explore`: the widget where one can be shown, else tables and a plot that stands still."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from . import stills
from .exploration import Exploration
from .show import Note, show
from .surroundings import shows_widgets
from .ways_in import session_for

if TYPE_CHECKING:
    from .arguments import Request
    from .desk import Desk

__all__ = ["explore"]

WANTED = ("plotly", "tsdownsample")
LACKING = 'The explorer needs plotly and tsdownsample: pip install "immune_nb[explore]". Here are tables instead.'


def explore(desk: Desk, request: Request, sensors: list[Any]) -> None:
    """``%immune explore``.

    Args:
        desk: Where the logins are.
        request: The line.
        sensors: The ids on it.
    """
    session = session_for(desk, request.text("profile"))
    asked = request.options
    span = str(asked.get("last") or "7d")
    exploration = Exploration(session, sensors, last=span, start=asked.get("start"), end=asked.get("end"))
    if request.given("static") or not shows_widgets(desk.shell):
        stills.show_stills(exploration, desk.shell)
        return
    if not all(map(find_spec, WANTED)):
        show(Note(LACKING))
        stills.show_stills(exploration, desk.shell)
        return
    from .explorer import Explorer

    name = session.profile.name
    show(Explorer(exploration, desk.shell, lambda: "" if desk.sessions.current_name == name else name))
    show(Explorer.reader_note())
