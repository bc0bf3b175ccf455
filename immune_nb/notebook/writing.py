"""``%immune submit``, ``acknowledge``, ``post``, ``patch``, ``put`` and ``delete``: shown, asked about, and sent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from immune_nb.errors import ConfigError, IncompleteError, QueryError
from immune_nb.fetch.parameters import as_params

from .code import Code
from .show import Note, Table, counted, show
from .spellings import finder
from .surroundings import agrees, person_can_act
from .ways_in import session_for

if TYPE_CHECKING:
    import pandas as pd

    from immune_nb.session import Session

    from .arguments import Request
    from .desk import Desk

__all__ = ["acknowledge", "send", "submit"]

LINES, ROWS = 40, 10  # of a preview, and of what was not accepted
MULTI_STATUS = 207


def submit(desk: Desk, request: Request) -> pd.DataFrame | None:
    """``%immune submit``."""
    from immune_nb.frames.submission import submission_of
    from immune_nb.writes import BATCH, submit_path

    given: Any = request.words[0]
    batch = int(str(request.options.get("batch", BATCH)))
    if isinstance(given, str):
        raise QueryError("submit wants readings in a variable.", hint="Write {frame} or $frame.")
    if not hasattr(given, "columns") and not isinstance(given, Mapping) and isinstance(given, Iterable):
        given = list(given)  # it is looked at twice
    session, rows = session_for(desk, request.text("profile")), submission_of(given).rows
    parts, sensors = -(-len(rows) // batch), len({row["sensor_id"] for row in rows})
    path = submit_path(session.profile, alone=len(rows) == 1 or batch == 1)
    preview = "\n".join(
        [
            _first_line(session, "POST", path, {}),
            ", ".join([counted(len(rows), "reading"), counted(sensors, "sensor"), counted(parts, "request")]),
            *(json.dumps(row, ensure_ascii=False) for row in rows[:3]),
            *(["…"] if len(rows) > 3 else []),  # noqa: PLR2004 - as above
        ]
    )
    if not _agreed(desk, request, session, "POST", preview):
        return None
    return _outcomes(lambda: session.submit(given, batch=batch))


def acknowledge(desk: Desk, request: Request) -> pd.DataFrame | None:
    """``%immune acknowledge``."""
    from immune_nb.frames.submission import ids_of
    from immune_nb.writes import ACKNOWLEDGED

    ids = [name for word in request.words for name in _listed(ids_of(word))]
    comment = request.text("comment")
    session = session_for(desk, request.text("profile"))
    _refuse_held(session, comment)
    path = f"{session.profile.paths['alerts']}/{ids[0] if len(ids) == 1 else '{id}'}"
    body = {"status": ACKNOWLEDGED} | ({} if comment is None else {"comment": comment})
    named = f"{counted(len(ids), 'alert')}: {', '.join(map(str, ids[:ROWS]))}{', …' if len(ids) > ROWS else ''}"
    preview = "\n".join([_first_line(session, "PATCH", path, {}), named, _shown(body, None)])
    if not _agreed(desk, request, session, "PATCH", preview):
        return None
    return _outcomes(lambda: session.acknowledge(ids, comment=comment))


def send(desk: Desk, request: Request) -> pd.DataFrame | None:
    """``%%immune post``, ``patch``, ``put`` and ``delete``."""
    from immune_nb.replies import frame_of, status_line

    assert request.command is not None  # noqa: S101 - a line without one sends nothing
    method, path, body = request.command.name.upper(), str(request.words[0]), request.body
    form = _form(body) if request.given("form") else None
    filters: Mapping[str, Any] = request.filters
    session = session_for(desk, request.text("profile"))
    _refuse_held(session, [body, path, *filters.values()])
    preview = f"{_first_line(session, method, path, filters)}\n{_shown(body, form)}"
    if not _agreed(desk, request, session, method, preview):
        return None
    began = time.perf_counter()
    reply = session.request(method, path, params=filters, json=None if form is not None else body, form=form)
    if not (request.silent or request.given("quiet")):
        mixed = "; parts of it may have failed, as the answer says" if reply.status == MULTI_STATUS else ""
        show(Note(status_line(reply) + mixed))
    if not reply.content.strip() and not request.target:
        return None
    return frame_of(
        reply,
        profile=session.profile.name,
        account=session.status().account,
        seconds=time.perf_counter() - began,
        now=time.time(),
    )


def _agreed(desk: Desk, request: Request, session: Session, method: str, preview: str) -> bool:
    """Whether it is to be sent: because the line says so, or a person does.

    Raises:
        QueryError: The profile is read-only.
        ConfigError: The line does not say so, and nobody can be asked.
    """
    session.refuse_if_read_only(method)
    if request.given("dry_run"):
        show(Code(preview))
        show(Note("Nothing was sent."))
        return False
    if request.given("yes"):
        return True
    if not person_can_act(desk.shell):
        raise ConfigError("Nothing was sent: nobody can be asked here.", hint="Add --yes to send without asking.")
    show(Code(preview))
    if agrees("Send it?"):
        return True
    show(Note("Nothing was sent."))
    return False


def _refuse_held(session: Session, what: object) -> None:
    """Raise where a variable brought this login's own credential into what is shown and sent."""
    held = finder(("credential", secret) for secret in session.secrets())
    if held(json.dumps(what, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")):
        raise QueryError("This holds a credential of the login itself, which goes into no path and no body.")


def _outcomes(write: Any) -> pd.DataFrame:
    """What became of each row; where not all is well, the first that are not are shown before the error is raised."""
    try:
        frame: pd.DataFrame = write()
    except IncompleteError as error:
        left = error.frame[error.frame["status"] != "accepted"]
        rows = left[["row", "status", "id", "message"]].head(ROWS).fillna("").astype(str).to_numpy().tolist()
        show(Table(rows, ("row", "status", "id", "message")))
        show(Note(f"{len(rows):,} of {len(left):,} that were not accepted; all rows are in sys.last_value.frame."))
        raise
    return frame


def _first_line(session: Session, method: str, path: str, params: Mapping[str, Any]) -> str:
    """Method and whole address, and who sends it where."""
    status = session.status()
    query = urlencode(as_params(params), doseq=True)
    url = path if "://" in path else f"{session.profile.base_url}/{path.lstrip('/')}"
    who = " · ".join(filter(None, [f"profile {status.profile}", status.method, status.account]))
    return f"{method} {url}{('&' if '?' in url else '?') + query if query else ''}\n{who}"


def _shown(body: object, form: Mapping[str, Any] | None) -> str:
    """The body as a person reads it, its first lines."""
    if form is not None:
        pairs = [(name, value) for name, values in form.items() for value in _listed(values)]
        lines = [f"{name} = {value}" for name, value in pairs] or ["an empty form"]
    elif body is None:
        lines = ["no body"]
    else:
        lines = json.dumps(body, indent=2, ensure_ascii=False).splitlines()
    more = [f"… {len(lines) - LINES:,} more lines"] if len(lines) > LINES else []
    return "\n".join([*lines[:LINES], *more])


def _form(body: object) -> dict[str, str | list[str]]:
    """The body as form fields, as they are sent."""
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise QueryError("--form wants names with values.", hint="Write name: value, one a line.")
    return as_params(body)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
