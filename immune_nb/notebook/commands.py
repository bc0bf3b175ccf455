"""What each subcommand does: it asks the desk or a session, and returns a frame or shows a few lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from immune_nb.errors import NoCredentialsError, QueryError
from immune_nb.profiles import IMMUNE

from .audit import audit
from .calls import call_of, ids_of
from .doctor import doctor
from .endpoints import describe, ls
from .explain import chain_table, explanation
from .progress import watched
from .rehearsal import refuse_everything
from .show import Note, duration, profiles_table, show, status_card
from .stored import cache
from .surroundings import person_can_act
from .usage import usage
from .ways_in import session_for
from .writing import acknowledge, send, submit

if TYPE_CHECKING:
    import pandas as pd

    from immune_nb.session import Session

    from .arguments import Request
    from .desk import Desk

__all__ = ["FRAMES", "TASKS", "WRITES"]


def fetch(desk: Desk, request: Request) -> pd.DataFrame:
    """The subcommands that ask: ``%immune sensors``, ``readings``, ``alerts``, ``predictions`` and ``get``."""
    call, session = call_of(request), session_for(desk, request.text("profile"))
    if person_can_act(desk.shell) and not request.given("yes"):  # a script means what it says
        refuse_everything(session, call)
    try:
        with watched(desk.shell, request) as progress:
            frame: pd.DataFrame = call.on(session, progress=progress)
    except QueryError as error:
        if error.status and (near := _seen_like(desk, session, request)):
            error.hint = f"Did you mean {near}? {error.hint}".rstrip()
        raise
    if "to" not in call.named:  # then it is no frame, but a handle on a folder
        desk.memory.note(frame)
    return frame


def status(desk: Desk, request: Request) -> None:
    """``%immune status``."""
    name = request.text("profile")
    try:
        session = desk.session(name)
    except NoCredentialsError as error:
        show(Note(str(error)))
        if request.given("explain"):
            show(chain_table(desk.profile(name or IMMUNE.name)))
        return
    attempt, current = desk.attempt_of(session), session.profile.name == desk.sessions.current_name
    show(status_card(session.status(), current=current, origin=attempt.origin))
    if request.given("explain"):
        show(explanation(session, attempt))


def renew(desk: Desk, request: Request) -> None:
    """``%immune renew``."""
    session = desk.session(request.text("profile"))
    session.renew()
    left = session.status().expires_in
    until = "" if left is None else f" It expires in {duration(left)}."
    show(Note(f"{session.profile.name} has a new access token.{until}"))


def logout(desk: Desk, request: Request) -> None:
    """``%immune logout``."""
    if not request.given("all"):
        show(Note(desk.log_out(request.text("profile"))))
        return
    names = [session.profile.name for session in desk.sessions]
    cancelled = desk.cancel()
    ends = [f"The sign-in to {cancelled} is cancelled."] if cancelled else []
    ends += [desk.log_out(name) for name in names]
    show(Note("\n".join(ends) or "Nobody was logged in."))


def profiles(desk: Desk, _request: Request) -> None:
    """``%immune profiles``."""
    logins = {session.profile.name: session for session in desk.sessions}
    show(
        profiles_table(
            (name, profile.base_url, _login(desk, logins.get(name))) for name, profile in desk.profiles().items()
        )
    )


def use(desk: Desk, request: Request) -> None:
    """``%immune use``."""
    name = desk.session(str(request.words[0])).profile.name
    desk.sessions.use(name)
    show(Note(f"{name} is the current profile."))


def sandbox(desk: Desk, request: Request) -> None:
    """``%immune sandbox``."""
    match request.words:
        case ["stop"]:
            said = "The sandbox is stopped." if desk.stop_sandbox() else "No sandbox of this kernel is running."
        case ["status"] if desk.sandbox is None or not desk.sandbox.running:
            said = "No sandbox of this kernel is running."
        case _:
            running = desk.start_sandbox()
            said = (
                f"The sandbox runs at {running.profile.base_url} until the kernel stops. "
                f"Log in: %immune login --profile sandbox, or, with --method browser, as {running.person}."
            )
    show(Note(said))


def explore(desk: Desk, request: Request) -> None:
    """``%immune explore``."""
    from . import exploring

    exploring.explore(desk, request, ids_of(request.words) or [])


def tail(desk: Desk, request: Request) -> None:
    """``%immune tail``."""
    from . import tailing

    tailing.tail(desk, request, ids_of(request.words) or [])


FRAMES: Mapping[str, Callable[[Desk, Request], pd.DataFrame]] = dict.fromkeys(
    ("sensors", "readings", "alerts", "predictions", "get"), fetch
)
WRITES: Mapping[str, Callable[[Desk, Request], pd.DataFrame | None]] = {
    "submit": submit,
    "acknowledge": acknowledge,
    **dict.fromkeys(("post", "patch", "put", "delete"), send),
}
TASKS: Mapping[str, Callable[[Desk, Request], None]] = {
    "status": status,
    "usage": usage,
    "cache": cache,
    "renew": renew,
    "logout": logout,
    "profiles": profiles,
    "use": use,
    "sandbox": sandbox,
    "ls": ls,
    "describe": describe,
    "explore": explore,
    "tail": tail,
    "audit": audit,
    "doctor": doctor,
}


def _seen_like(desk: Desk, session: Session, request: Request) -> str:
    """The sensors this kernel has seen whose ids are closest to one on the line that it has not; empty for none."""
    if request.command is None or request.command.name != "readings":
        return ""
    seen = {name: _unpadded(name) for name in desk.memory.values(session.profile.name, "sensor_id")}
    strange = [word for word in ids_of(request.words) or [] if isinstance(word, str) and word not in seen]
    for word in strange:
        same = [name for name, plain in seen.items() if plain == _unpadded(word)]
        if near := same or get_close_matches(word, seen, n=3):
            return " or ".join(sorted(near))
    return ""


def _unpadded(name: str) -> str:
    """``VIB_001`` and ``vib_1`` are the same to a person."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name.lower())


def _login(desk: Desk, session: Session | None) -> str:
    if session is None:
        return ""
    current = " (current)" if session.profile.name == desk.sessions.current_name else ""
    return f"{session.status().method}{current}"
