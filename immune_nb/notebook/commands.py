"""What each subcommand does: it asks the desk or a session, and returns a frame or shows a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from immune_nb.errors import NoCredentialsError, QueryError
from immune_nb.profiles import load_profiles

from .show import Note, profiles_table, show, status_card

if TYPE_CHECKING:
    import pandas as pd

    from immune_nb.session import Session

    from .arguments import Request
    from .desk import Desk

__all__ = ["FRAMES", "TASKS"]


def sensors(desk: Desk, request: Request) -> pd.DataFrame:
    """``%immune sensors``."""
    return _session(desk, request).sensors(**_question(request))


def readings(desk: Desk, request: Request) -> pd.DataFrame:
    """``%immune readings``; words, lists of words and ``sensor=`` are one list of sensors."""
    question = _question(request)
    named = question.pop("sensor", None)
    words = request.words if named is None else (*request.words, named)
    return _session(desk, request).readings(_ids(words), **question)


def alerts(desk: Desk, request: Request) -> pd.DataFrame:
    """``%immune alerts``."""
    return _session(desk, request).alerts(**_question(request))


def get(desk: Desk, request: Request) -> pd.DataFrame:
    """``%immune get``."""
    return _session(desk, request).get(str(request.words[0]), **_question(request))


def status(desk: Desk, request: Request) -> None:
    """``%immune status``."""
    try:
        session = _session(desk, request)
    except NoCredentialsError as error:
        show(Note(str(error)))
        return
    show(status_card(session.status(), current=session.profile.name == desk.sessions.current_name))


def logout(desk: Desk, request: Request) -> None:
    """``%immune logout``."""
    names: Iterable[str | None] = [request.text("profile")]
    if request.given("all"):
        names = [session.profile.name for session in desk.sessions]
    gone = [desk.log_out(name) for name in names]
    show(Note(f"Logged out of {', '.join(gone)}." if gone else "Nobody was logged in."))


def profiles(desk: Desk, _request: Request) -> None:
    """``%immune profiles``."""
    logins = {session.profile.name: session for session in desk.sessions}
    show(profiles_table((name, _address(desk, name), _login(desk, logins.get(name))) for name in load_profiles()))


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
            address = desk.start_sandbox().profile.base_url
            said = f"The sandbox runs at {address} until the kernel stops. Log in: %immune login --profile sandbox"
    show(Note(said))


FRAMES: Mapping[str, Callable[[Desk, Request], pd.DataFrame]] = {
    "sensors": sensors,
    "readings": readings,
    "alerts": alerts,
    "get": get,
}
TASKS: Mapping[str, Callable[[Desk, Request], None]] = {
    "status": status,
    "logout": logout,
    "profiles": profiles,
    "use": use,
    "sandbox": sandbox,
}


OURS = frozenset({"self", "path"})  # names that Python takes before the API could


def _session(desk: Desk, request: Request) -> Session:
    return desk.session(request.text("profile"))


def _question(request: Request) -> dict[str, Any]:
    """The part of a line that goes to the session."""
    assert request.command is not None  # noqa: S101 - a line without one asks nothing
    asked = {option.key for option in request.command.options if option.asks}
    for name in OURS & request.filters.keys():
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


def _address(desk: Desk, name: str) -> str:
    return desk.profile(name).base_url


def _login(desk: Desk, session: Session | None) -> str:
    if session is None:
        return ""
    current = " (current)" if session.profile.name == desk.sessions.current_name else ""
    return f"{session.status().method}{current}"
