"""How `%immune login` gets at a credential: a place it is told of, the chain, our own sandbox, a panel, or a prompt.

Without being told, it takes the first that is there. The panel acts when a person does; where no person can act,
missing credentials are an error at once. Only a query waits for a person, and only for a sign-in that is underway.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError, NoCredentialsError
from immune_nb.profiles import IMMUNE

from .attempts import Arrival, Attempt
from .invitation import invitation_to
from .show import Note, login_line, show
from .surroundings import SIGN_INS, client_of, in_notebook, person_can_act, sign_ins

if TYPE_CHECKING:
    from immune_nb.session import Session

    from .arguments import Request
    from .desk import Desk
    from .waiting import Waiting

__all__ = ["log_in", "session_for"]


T = TypeVar("T")
PATIENCE = 120.0  # seconds that a query waits for a person
ORIGINS = {"env": "environment variable", "file": "file", "keyring": "keyring entry"}
NOBODY = "Nobody can be asked here."


def log_in(desk: Desk, request: Request) -> None:
    """Log in as the line says.

    Raises:
        NoCredentialsError: There is nothing to log in with, and nobody to ask.
        LoginRejectedError: The service refused.
    """
    attempt, place = _read(desk, request), request.text("from")
    if attempt.remember:
        _say_where()
    if place not in ("panel", "prompt"):
        nothing = _log_in_unasked(desk, attempt)
        if nothing is None:
            return
        if place == "env":
            raise nothing
        if not person_can_act(desk.shell):
            raise NoCredentialsError(nothing.message, hint=f"{NOBODY} {nothing.hint}")
        attempt = replace(attempt, before=nothing.message)
        place = "panel" if in_notebook(desk.shell) else "prompt"
    if place == "panel":
        _show_panel(desk, attempt)
    else:
        _ask(desk, attempt, opens=not request.given("no_browser"))


def _log_in_unasked(desk: Desk, attempt: Attempt) -> NoCredentialsError | None:
    """Log in with what there is; why that is nothing, when it is."""
    try:
        announce(desk.log_in(attempt))
    except NoCredentialsError as error:
        return error
    return None


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
    if waiting and (name == waiting.pending.profile.name or (name is None and waiting.is_newest)):
        _wait(desk, waiting)
    return desk.session(name)


def _wait(desk: Desk, waiting: Waiting) -> None:
    name, shown = waiting.pending.profile.name, invitation_to(waiting.pending)
    open_still = f"The sign-in to {name!r} is not finished."
    if waiting.is_worth_waiting and not waiting.is_over:
        if not person_can_act(desk.shell):
            raise NoCredentialsError(open_still, hint=NOBODY)
        waiting.is_worth_waiting = False  # the next query does not wait again
        code = f", code {shown.code}" if shown.code else ""
        show(
            Note(
                f"Waiting up to {PATIENCE:.0f} s for the sign-in to {name} at {shown.host}{code}. Interrupt to stop; "
                "what is pasted or cancelled in the panel is heard after that."
            )
        )
        _wait_with_the_link(desk, waiting)
    arrival = desk.settle()
    if arrival is None:
        raise NoCredentialsError(open_still, hint="Finish or cancel it in the panel, then run this cell again.")
    announce(arrival)


def _wait_with_the_link(desk: Desk, waiting: Waiting) -> None:
    """Wait for the person. Their panel cannot ask for the link while a cell runs, so it is sent again and again."""
    end, pause = time.monotonic() + PATIENCE, 0.5
    while not waiting.wait(min(pause, end - time.monotonic())) and time.monotonic() < end:
        pause *= 2
        if desk.panel is not None:
            desk.panel.send_link()


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
    text = {"env": _variable, "file": _file, "keyring": _entry}[kind](rest)
    origin = f"{ORIGINS[kind]} {rest}"
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


def _entry(name: str) -> str:
    from immune_nb.auth.keep import from_keyring

    found = from_keyring([name])
    if isinstance(found, str):
        raise ConfigError(f"--from keyring: {found}.", hint='Is one unlocked, and "immune_nb[remember]" installed?')
    if text := found[name]:
        return text
    raise ConfigError("The keyring entry that --from names does not exist.", hint="Run: keyring set immune_nb NAME")


def _say_where() -> None:
    """Say before a secret is kept where it will be."""
    from immune_nb.auth.keep import place

    show(Note(f"The login will be kept in {place()}."))


def _ask(desk: Desk, attempt: Attempt, *, opens: bool) -> None:
    """Ask at a prompt."""
    from . import prompts

    if not person_can_act(desk.shell):
        raise NoCredentialsError(NOBODY, hint="Set environment variables and use --from env.")
    attempts = _fitting(desk, attempt)
    if attempts[0].method in SIGN_INS:
        opens = opens and not in_notebook(desk.shell)
        announce(_first(lambda one: prompts.signed_in(desk, one, opens=opens), attempts))
    else:
        announce(desk.log_in(prompts.asked(desk, attempts[0])))


def _show_panel(desk: Desk, attempt: Attempt) -> None:
    """Show the panel; there is one per kernel, and an earlier view of it stays in step.

    A sign-in starts at once: cells that are queued behind this one can only wait for what is underway.
    """
    from .panel import LoginPanel

    attempts = _fitting(desk, attempt)
    if attempts[0].method in SIGN_INS and not person_can_act(desk.shell):
        raise NoCredentialsError(NOBODY, hint="Set environment variables and use --from env.")
    desk.cancel()
    panel = LoginPanel(desk, attempts[0])
    if attempts[0].method in SIGN_INS:
        _first(panel.sign_in_with, attempts)
    if desk.panel is not None:
        desk.panel.close()
    desk.panel = panel
    show(panel)
    show(LoginPanel.reader_note())


def _fitting(desk: Desk, attempt: Attempt) -> list[Attempt]:
    """The attempt with the methods that fit, where none is named: sign-ins, if the profile is set up for them."""
    if attempt.method:
        return [attempt]
    methods = sign_ins(desk.profile(attempt.profile)) or ["key"]
    return [replace(attempt, method=method) for method in methods]


def _first(begin: Callable[[Attempt], T], attempts: list[Attempt]) -> T:
    """Begin with the first attempt; what an issuer offers is known once it is asked, so the next may have to do."""
    for attempt in attempts[:-1]:
        try:
            return begin(attempt)
        except ConfigError:
            continue
    return begin(attempts[-1])
