"""Which link of the chain a login came from, what the others said, and what will win the next time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from immune_nb.errors import ImmuneError, NoCredentialsError

from .show import Table

if TYPE_CHECKING:
    from immune_nb.auth.chain import Credentials
    from immune_nb.profiles import Profile
    from immune_nb.session import Session
    from immune_nb.status import Status

    from .attempts import Attempt

__all__ = ["another_account", "chain_table", "explanation", "farewell", "overridden", "remembered"]

NEXT = "the next plain %immune login"


def explanation(session: Session, attempt: Attempt) -> Table:
    """The chain as it was walked for a login, and where its secret is."""
    status = session.status()
    rows = [(link, f"skipped: {why}") for link, why in status.skipped]
    if attempt.before:
        rows.append(("the chain", attempt.before))
    rows.append(("taken", attempt.origin or status.source))
    rows.append(("the secret is", " and ".join(_places(status, attempt))))
    rows.append((NEXT, f"takes {_next(session.profile) or 'nothing: it asks a person'}"))
    return Table(rows)


def chain_table(profile: Profile) -> Table:
    """What every link says to a profile that is not logged in."""
    from immune_nb.auth.chain import find_credentials

    try:
        found = find_credentials(profile, os.environ)
    except ImmuneError as error:
        return Table([("the chain", error.message), (NEXT, f"asks a person. {error.hint}".strip())])
    rows = [(link, f"skipped: {why}") for link, why in found.skipped]
    return Table([*rows, (NEXT, f"takes {found.source}")])


def another_account(before: str, now: str) -> str:
    """What to say when a login takes the place of another; empty when both are the same person's."""
    if not before or before == now:
        return ""
    if not now:
        return f"Before it was {before}; this login does not say whose it is."
    return f"This is another account than before: {now}, not {before}."


def overridden(session: Session) -> str:
    """A warning when the next plain login will take something else than what was just chosen."""
    source, status = _next(session.profile), session.status()
    if not source or (status.remembered and source.startswith("remembered")):
        return ""
    return f"The next plain %immune login takes {source}."


def farewell(profile: Profile, said: str) -> str:
    """What came of a logout, and what would undo it."""
    source = _next(profile)
    done = f"Logged out of {profile.name}" + (f": {said}." if said else ".")
    return f"{done} It stays available to the next %immune login: {source}." if source else done


def remembered(profile: Profile) -> Session | None:
    """The remembered login of a profile, to be ended; None when there is none that can be read."""
    from immune_nb.auth.chain import find_credentials
    from immune_nb.session import Session

    try:
        found = find_credentials(profile, {})
    except NoCredentialsError:
        return None
    return Session(profile, found) if found.is_remembered else None


def _places(status: Status, attempt: Attempt) -> list[str]:
    """Where the secret of a login is to be found now."""
    link = status.source.partition(": ")[0]
    at_its_source = {
        "environment": "in the environment",
        "secret file": "in that file",
        "keyring": "in the keyring",
        "JupyterHub": "at the hub",
    }
    places = ["in the memory of this kernel"]
    if link in at_its_source:
        places.append(at_its_source[link])
    elif attempt.origin.startswith(("environment", "file", "keyring")):
        places.append(f"in the {attempt.origin}")
    return [*places, f"in {status.remembered}"] if status.remembered else places


def _next(profile: Profile) -> str:
    """Where the next login of `profile` would take its credential from; empty when it would ask a person."""
    from immune_nb.auth.chain import find_credentials

    # Without the hub's own variables: a look ahead must not send anything.
    ours = {name: value for name, value in os.environ.items() if name.startswith(profile.env_prefix)}
    try:
        found: Credentials = find_credentials(profile, ours)
    except ImmuneError:
        return ""
    return found.source
