"""immune_nb: a kernel as an authenticated workbench for sensor APIs.

``%load_ext immune_nb`` and ``%immune login`` in a notebook, or `connect` anywhere. What is heavy loads when it is
first used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from immune_nb.errors import (
    BadReplyError,
    ConfigError,
    ImmuneError,
    ImmuneWarning,
    IncompleteError,
    Interrupted,
    LoginError,
    LoginRejectedError,
    NoCredentialsError,
    QueryError,
    RateLimitedError,
    ServiceError,
    SessionExpiredError,
    UnreachableError,
)
from immune_nb.profiles import IIINIT, IMMUNE, SANDBOX, Profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from immune_nb.auth.secrets import Secret
    from immune_nb.pending import PendingLogin
    from immune_nb.session import Session
    from immune_nb.webhooks import verify_webhook

__all__ = [
    "IIINIT",
    "IMMUNE",
    "SANDBOX",
    "BadReplyError",
    "ConfigError",
    "ImmuneError",
    "ImmuneWarning",
    "IncompleteError",
    "Interrupted",
    "LoginError",
    "LoginRejectedError",
    "NoCredentialsError",
    "PendingLogin",
    "Profile",
    "QueryError",
    "RateLimitedError",
    "Secret",
    "ServiceError",
    "Session",
    "SessionExpiredError",
    "UnreachableError",
    "connect",
    "current",
    "verify_webhook",
]


def connect(
    profile: str | Profile = "immune",
    *,
    api_key: str | Secret | None = None,
    token: str | Secret | None = None,
    client_id: str | None = None,
    client_secret: str | Secret | None = None,
    scopes: Sequence[str] | None = None,
    remember: bool = False,
) -> Session:
    """Log in to an API, and make that the current session of this kernel.

    With no credential given, one is looked for: in the environment, then where a login is remembered.

    Args:
        profile: A profile's name, or a profile.
        api_key: An API key.
        token: A ready access token.
        client_id: OAuth client id, with `client_secret`.
        client_secret: OAuth client secret.
        scopes: Scopes to ask for, instead of the profile's.
        remember: Keep the login beyond this kernel; see `Session.remember`.

    Returns:
        A session, tried against the service where the profile names a cheap way. ``with connect() as session:``
        closes it at the end of the block.

    Raises:
        ConfigError: A setting is missing or malformed.
        NoCredentialsError: There is nothing to log in with; the message names the variables that would help.
        LoginRejectedError: The service refuses the login.
        ServiceError: The service does not answer.

    Source:
        api-contract 1.1 and 2; ``POST`` to the token endpoint (RFC 6749 4.4)
    """
    from immune_nb import connecting, sessions
    from immune_nb.auth.secrets import Secret

    key, bearer = Secret.sealed(api_key, "API key"), Secret.sealed(token, "access token")
    secret = Secret.sealed(client_secret, "client secret")
    del api_key, token, client_secret  # the traceback of a refusal would show them
    login = connecting.connect(
        profile,
        api_key=key,
        token=bearer,
        client_id=client_id,
        client_secret=secret,
        scopes=scopes,
        remember=remember,
    )
    sessions.sessions_of(_home()).add(login)
    return login


def current() -> Session:
    """The session that ``%immune login`` or `connect` made last in this kernel.

    Raises:
        NoCredentialsError: There is none.
    """
    from immune_nb.sessions import sessions_of

    return sessions_of(_home()).current()


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext immune_nb``: add the ``%immune`` magic."""
    from immune_nb.notebook import magic

    magic.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext immune_nb``: log out and take the magic away."""
    from immune_nb.notebook import magic

    magic.unload(shell)


def _home() -> object:
    """What the logins of this program hang on: the kernel's shell, or ``__main__`` where there is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return sys.modules["__main__"] if shell is None else shell


def __dir__() -> list[str]:
    return [*__all__, "__version__"]  # what is for users, and not what this file needs itself


def __getattr__(name: str) -> Any:
    if name == "Session":
        from immune_nb.session import Session

        return Session
    if name == "PendingLogin":
        from immune_nb.pending import PendingLogin

        return PendingLogin
    if name == "verify_webhook":
        from immune_nb.webhooks import verify_webhook

        return verify_webhook
    if name == "Secret":
        from immune_nb.auth.secrets import Secret

        return Secret
    if name == "__version__":
        from importlib.metadata import version

        return version("immune_nb")
    raise AttributeError(f"module 'immune_nb' has no attribute {name!r}")
