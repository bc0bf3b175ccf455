"""How `%immune login` gets at a credential: the environment, our own sandbox, a panel, or a prompt.

Without being told, it takes the first that is there. Nobody is ever waited for: the panel acts when a person does,
and where no person can act, missing credentials are an error at once.
"""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Any

from immune_nb.auth.secrets import Secret
from immune_nb.errors import NoCredentialsError
from immune_nb.profiles import IMMUNE

from .desk import Attempt
from .show import Note, login_line, show

if TYPE_CHECKING:
    from .arguments import Request
    from .desk import Desk

__all__ = ["log_in"]


def log_in(desk: Desk, request: Request, shell: Any) -> None:
    """Log in as the line says.

    Raises:
        NoCredentialsError: There is nothing to log in with, and nobody to ask.
        LoginRejectedError: The service refused.
    """
    attempt = Attempt(request.text("profile") or IMMUNE.name, request.text("method"))
    place = request.text("from")
    if place in (None, "env"):
        try:
            announce(desk, attempt)
        except NoCredentialsError:
            place = None if place == "env" else _place_to_ask(shell)
            if place is None:
                raise
    if place == "panel":
        show_panel(desk, attempt)
    elif place == "prompt":
        announce(desk, _asked(attempt, shell))


def announce(desk: Desk, attempt: Attempt) -> None:
    """Log in, and say so in one line."""
    show(Note(login_line(desk.log_in(attempt).status())))


def show_panel(desk: Desk, attempt: Attempt) -> None:
    """Show the panel; there is one per kernel, and an earlier view of it stays in step."""
    from .panel import LoginPanel, reader_note

    desk.profile(attempt.profile)  # an unknown name is an error here, not an empty panel
    if desk.panel is not None:
        desk.panel.close()
    desk.panel = LoginPanel(desk, attempt.profile, attempt.method)
    show(desk.panel)
    show(reader_note())


def _place_to_ask(shell: Any) -> str | None:
    """Where a person can be asked: a panel in a notebook, a prompt in a terminal, or nowhere."""
    if not _person_can_act(shell):
        return None
    return "panel" if hasattr(shell, "kernel") else "prompt"


def _person_can_act(shell: Any) -> bool:
    """Whether somebody sits there: nbclient and papermill say so by forbidding input."""
    if not hasattr(shell, "kernel"):
        return sys.stdin is not None and sys.stdin.isatty()
    return bool(shell.get_parent().get("content", {}).get("allow_stdin"))


def _asked(attempt: Attempt, shell: Any) -> Attempt:
    """The same attempt with what the person typed, unseen."""
    if not _person_can_act(shell):
        raise NoCredentialsError("Nobody can be asked here.", hint="Set environment variables and use --from env.")
    method = attempt.method or "key"
    client_id = input("Client id: ").strip() if method == "client" else ""
    name = {"key": "API key", "client": "client secret", "token": "access token"}[method]
    return Attempt(
        attempt.profile, method, client_id, Secret(getpass.getpass(f"{name[0].upper()}{name[1:]}: "), name)
    )
