"""From a profile and whatever there is to log in with, to a session that the service accepts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from immune_nb.auth.chain import Credentials, find_credentials
from immune_nb.auth.secrets import Secret
from immune_nb.errors import ImmuneError, LoginError
from immune_nb.profiles import Profile, find_profile
from immune_nb.session import Session

__all__ = ["connect"]


def connect(
    profile: str | Profile = "immune",
    *,
    api_key: str | Secret | None = None,
    token: str | Secret | None = None,
    client_id: str | None = None,
    client_secret: str | Secret | None = None,
    scopes: Sequence[str] | None = None,
    method: str | None = None,
    remember: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Session:
    """Log in to an API, as `immune_nb.connect` has it, without making that the current session.

    `method` takes only that kind from the chain: ``key``, ``token``, ``client``, ``browser`` or ``device``; `environ`
    are the environment variables, `os.environ` when not given.
    """
    look = partial(
        find_credentials,
        method=method,
        api_key=Secret.sealed(api_key, "API key"),
        token=Secret.sealed(token, "access token"),
        client_id=client_id,
        client_secret=Secret.sealed(client_secret, "client secret"),
    )
    del api_key, token, client_secret  # the traceback of what follows would show them
    found = _find(profile, environ, scopes, look)
    del environ  # and that
    if isinstance(found, ImmuneError):
        raise found
    where, who = found
    session = Session(where, who)
    try:
        session.verify()
        if remember:
            session.remember()
    except BaseException as error:
        session.close()
        if who.is_remembered and isinstance(error, LoginError):  # else the next login finds it again
            error.hint = f"Forget it: %immune logout --profile {where.name}. Then log in again."
        raise
    return session


def _find(
    profile: str | Profile,
    environ: Mapping[str, str] | None,
    scopes: Sequence[str] | None,
    look: Callable[[Profile, Mapping[str, str]], Credentials],
) -> tuple[Profile, Credentials] | ImmuneError:
    """Where and who; an error without its frames, as those know the environment."""
    environ = os.environ if environ is None else environ
    try:
        where = find_profile(profile, environ) if isinstance(profile, str) else profile
        where = where if scopes is None else replace(where, scopes=tuple(scopes))
        return where, look(where, environ)
    except ImmuneError as error:
        error.__context__ = None
        return error.with_traceback(None)
