"""What each subcommand does: it asks the desk or a session, and returns a frame or shows a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from immune_nb.errors import NoCredentialsError, QueryError
from immune_nb.hints import FORMS, Paging
from immune_nb.profiles import IMMUNE

from .audit import audit
from .doctor import doctor
from .explain import chain_table, explanation
from .progress import watched
from .show import Note, duration, profiles_table, show, status_card
from .stored import cache
from .usage import usage
from .ways_in import session_for

if TYPE_CHECKING:
    import pandas as pd

    from immune_nb.session import Session

    from .arguments import Request
    from .desk import Desk

__all__ = ["FRAMES", "TASKS"]


def sensors(desk: Desk, request: Request) -> pd.DataFrame:
    """``%immune sensors``."""
    return _asked(desk, request).sensors(**_question(request))


def readings(desk: Desk, request: Request) -> pd.DataFrame:
    """``%immune readings``; words, lists of words and ``sensor=`` are one list of sensors."""
    question = _question(request)
    named = question.pop("sensor", None)
    words = request.words if named is None else (*request.words, named)
    if request.given("no_cache"):
        question["cache"] = False
    session = _asked(desk, request)
    with watched(desk.shell, request) as progress:
        return session.readings(_ids(words), progress=progress, **question)


def alerts(desk: Desk, request: Request) -> pd.DataFrame:
    """``%immune alerts``."""
    return _asked(desk, request).alerts(**_question(request))


def get(desk: Desk, request: Request) -> pd.DataFrame:
    """``%immune get``."""
    records, paging = (request.text(name) or "" for name in HINTS)
    if paging and not Paging.is_form(paging):
        raise UsageError(f"--paging wants {FORMS}.")
    question = _question(request, *HINTS)
    return _asked(desk, request).get(str(request.words[0]), records=records, paging=paging, **question)


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


FRAMES: Mapping[str, Callable[[Desk, Request], pd.DataFrame]] = {
    "sensors": sensors,
    "readings": readings,
    "alerts": alerts,
    "get": get,
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
    "audit": audit,
    "doctor": doctor,
}


HINTS = ("records", "paging")
OURS = frozenset({"self", "path"})  # names that Python takes before the API could


def _asked(desk: Desk, request: Request) -> Session:
    return session_for(desk, request.text("profile"))


def _question(request: Request, *ours: str) -> dict[str, Any]:
    """The part of a line that goes to the session."""
    assert request.command is not None  # noqa: S101 - a line without one asks nothing
    asked = {option.key for option in request.command.options if option.asks}
    for name in (OURS | {*ours}) & request.filters.keys():
        raise QueryError(f"{name}=… cannot be a filter here.", hint=f"Write it in the path: get '/…?{name}=…'.")
    return {**request.filters, **{key: value for key, value in request.options.items() if key in asked}}


def _ids(words: tuple[object, ...]) -> list[Any] | None:
    """Sensor ids: none, one, or the words and lists of them in one list."""
    if not words:
        return None  # all sensors; an empty list of ids is not the same
    ids: list[Any] = []
    for word in words:
        ids.extend(word if isinstance(word, Iterable) and not isinstance(word, str) else [word])
    return ids


def _login(desk: Desk, session: Session | None) -> str:
    if session is None:
        return ""
    current = " (current)" if session.profile.name == desk.sessions.current_name else ""
    return f"{session.status().method}{current}"
