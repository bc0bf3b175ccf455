"""How `%immune login` gets at a credential: a place it is told of, the chain, our own sandbox, a panel, or a prompt.

Without being told, it takes the first that is there. The panel acts when a person does; where no person can act,
missing credentials are an error at once. Only a query waits for a person, and only for a sign-in that is underway.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError, ImmuneError, NoCredentialsError
from immune_nb.profiles import IMMUNE

from .attempts import Arrival, Attempt
from .show import Note, login_line, show
from .surroundings import client_of, in_notebook, person_can_act, sign_ins

if TYPE_CHECKING:
    from immune_nb.session import Session

    from .arguments import Request
    from .desk import Desk

__all__ = ["SIGN_INS", "log_in", "session_for"]

SIGN_INS = ("browser", "device")
PATIENCE = 120.0  # seconds that a query waits for a person
NOBODY = "Nobody can be asked here."


def log_in(desk: Desk, request: Request, shell: Any) -> None:
    """Log in as the line says.

    Raises:
        NoCredentialsError: There is nothing to log in with, and nobody to ask.
        LoginRejectedError: The service refused.
    """
    attempt, place = _read(desk, request), request.text("from")
    if attempt.remember:
        _say_where()
    if attempt.secret or place in (None, "env"):
        try:
            announce(desk.log_in(attempt))
            return
        except NoCredentialsError as error:
            if place == "env":
                raise
            attempt = replace(attempt, before=error.message)
            fault = NoCredentialsError(error.message, hint=f"{NOBODY} {error.hint}")
        if not person_can_act(shell):
            raise fault
        place = "panel" if in_notebook(shell) else "prompt"
    if place == "panel":
        _show_panel(desk, attempt, shell)
    else:
        _ask(desk, attempt, shell, opens=not request.given("no_browser"))


def announce(arrival: Arrival) -> None:
    """Say who is logged in, in one line, and what else there is to say."""
    show(Note("\n".join([login_line(arrival.session.status()), *arrival.remarks])))


def session_for(desk: Desk, name: str | None) -> Session:
    """The session that a query goes to. The first query after a sign-in was begun waits for it, where it may.

    Raises:
        NoCredentialsError: There is no login, or the sign-in was not finished in time.
        LoginRejectedError: It was declined.
    """
    waiting = desk.waiting
    if waiting and name in (None, waiting.pending.profile.name):
        _wait(desk)
    return desk.session(name)


def _wait(desk: Desk) -> None:
    waiting = desk.waiting
    assert waiting is not None  # noqa: S101 - looked at by the caller
    name = waiting.pending.profile.name
    if not waiting.is_over and waiting.is_worth_waiting:
        if not person_can_act(desk.shell):
            raise NoCredentialsError(f"The sign-in to {name!r} is not finished.", hint=NOBODY)
        waiting.is_worth_waiting = False  # only the first query waits
        code = f", code {waiting.pending.user_code}" if waiting.pending.user_code else ""
        where = urlsplit(waiting.pending.url).netloc
        show(Note(f"Waiting up to {PATIENCE:.0f} s for the sign-in to {name} at {where}{code}. Interrupt to stop."))
        waiting.wait(PATIENCE)
    arrival = desk.settle()
    if arrival:
        announce(arrival)
    else:
        hint = "Finish it in the panel, then run this cell again."
        raise NoCredentialsError(f"The sign-in to {name!r} is not finished.", hint=hint)


def _read(desk: Desk, request: Request) -> Attempt:
    """What the line asks for, with the secret from where it says."""
    name, scopes = request.text("profile") or IMMUNE.name, request.text("scopes")
    method, place = request.text("method"), request.text("from") or ""
    attempt = Attempt(
        name,
        method,
        request.text("client_id") or "",
        scopes=None if scopes is None else tuple(scopes.replace(",", " ").split()),
        remember=request.given("remember"),
    )
    kind, colon, rest = place.partition(":")
    if not colon:
        return attempt
    if method in SIGN_INS:
        raise ConfigError("A sign-in takes no secret from elsewhere.", hint="Leave --from out.")
    text = _variable(rest) if kind == "env" else _file(rest)
    origin = f"environment variable {rest}" if kind == "env" else f"file {rest}"
    client_id = attempt.client_id or (client_of(desk.profile(name)) if method == "client" else "")
    return replace(attempt, secret=Secret(text, "credential"), origin=origin, client_id=client_id)


def _variable(name: str) -> str:
    if name not in os.environ:
        raise ConfigError("The variable that --from names is not set.", hint="The kernel reads its own environment.")
    return os.environ[name]


def _file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fault = ConfigError(f"The file that --from names cannot be read ({type(error).__name__}).")
    raise fault


def _say_where() -> None:
    """Say before a secret is kept where it will be."""
    from immune_nb.auth.keep import place

    show(Note(f"The login will be kept in {place()}."))


def _ask(desk: Desk, attempt: Attempt, shell: Any, *, opens: bool) -> None:
    """Ask at a prompt."""
    from . import prompts

    if not person_can_act(shell):
        raise NoCredentialsError(NOBODY, hint="Set environment variables and use --from env.")
    attempt = _with_method(desk, attempt)
    if attempt.method in SIGN_INS:
        announce(prompts.signed_in(desk, attempt, opens=opens and not in_notebook(shell)))
    else:
        announce(desk.log_in(prompts.asked(desk, attempt)))


def _show_panel(desk: Desk, attempt: Attempt, shell: Any) -> None:
    """Show the panel; there is one per kernel, and an earlier view of it stays in step.

    A sign-in starts at once: cells that are queued behind this one can only wait for what is underway.
    """
    from .panel import LoginPanel, reader_note

    attempt = _with_method(desk, attempt)
    if attempt.method in SIGN_INS and not person_can_act(shell):
        raise NoCredentialsError(NOBODY, hint="Set environment variables and use --from env.")
    panel = LoginPanel(desk, attempt)
    if attempt.method in SIGN_INS:
        panel.sign_in_with(attempt)
    if desk.panel is not None:
        desk.panel.close()
    desk.panel = panel
    show(panel)
    show(reader_note())


def _with_method(desk: Desk, attempt: Attempt) -> Attempt:
    """The attempt with the method that fits, where none is named: a sign-in, if one is set up for the profile."""
    if attempt.method:
        return attempt
    offered = sign_ins(desk.profile(attempt.profile))
    return replace(attempt, method=offered[0] if offered else "key")
