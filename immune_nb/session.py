"""One login to one API: what signs, what sends, and the questions. Knows nothing of widgets or IPython."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from immune_nb.auth.chain import Credentials, Login, find_credentials, log_in
from immune_nb.auth.secrets import Secret
from immune_nb.auth.transport import CredentialTransport, QuietTransport, Transport
from immune_nb.errors import ConfigError, NoCredentialsError
from immune_nb.fetch.client import Client
from immune_nb.profiles import Profile, find_profile
from immune_nb.queries import Queries

__all__ = ["Session", "Sessions", "Status", "connect", "sessions_of"]

REGISTRY = "_immune_sessions"


@dataclass(frozen=True)
class Status:
    """What can be said of a login without telling its secret.

    Args:
        profile: Name of the profile.
        base_url: The API it is for.
        method: ``API key``, ``access token`` or ``client credentials``.
        account: Who is logged in, where that is known.
        scopes: Scopes granted, or asked for when the server does not say.
        source: Where the credential came from.
        expires_in: Seconds until the access token expires; None when unknown or not applicable.
        renewable: Whether it renews itself.
        verified: Whether the service has accepted it.
        calls_left: Calls the service still allows; None when it does not say.
    """

    profile: str
    base_url: str
    method: str
    account: str
    scopes: tuple[str, ...]
    source: str
    expires_in: float | None
    renewable: bool
    verified: bool
    calls_left: int | None


class Session(Queries):
    """One login to one API, and the questions it can ask. Threads may share it; processes may not.

    Args:
        profile: Where.
        credentials: Who.
        transport: What sends, instead of a connection pool.
        clock: Unix seconds, as `time.time` gives.
        sleep: Waits that many seconds.

    Raises:
        ConfigError: The profile lacks what this kind of login needs.
    """

    def __init__(
        self,
        profile: Profile,
        credentials: Credentials,
        *,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        login = log_in(profile, credentials, transport=transport, clock=clock)
        self._open: Login | None = login
        quiet = QuietTransport(profile.base_url, transport)
        client = Client(
            profile.base_url,
            CredentialTransport(login.auth, profile.base_url, quiet),
            private_param=profile.key_place.name if profile.key_place.in_query else "",
            clock=clock,
            sleep=sleep,
        )
        super().__init__(profile, client, account=credentials.client_id, clock=clock)
        self._close = weakref.finalize(self, _close, client, login)  # also when nobody holds the session any more

    def verify(self) -> None:
        """Try the login where that is cheap: a token for client credentials, and the profile's check path.

        Raises:
            LoginRejectedError: The service refuses it.
            ServiceError: The service does not answer.
        """
        keeper = self._login.keeper
        if keeper:
            keeper.usable()
        if self.profile.check:
            self._client.send("GET", self.profile.check, params={"limit": "1"})

    def status(self) -> Status:
        """What this login is, where it came from and how long it lasts. Sends nothing."""
        keeper, credentials = self._login.keeper, self._login.credentials
        token = keeper.token if keeper else None
        return Status(
            profile=self.profile.name,
            base_url=self.profile.base_url,
            method=credentials.method,
            account=credentials.client_id,
            scopes=(token.scopes if token else ()) or (self.profile.scopes if keeper else ()),
            source=credentials.source,
            expires_in=keeper.seconds_left() if keeper else None,
            renewable=bool(keeper and keeper.is_renewable),
            verified=self._client.is_proven,
            calls_left=self._client.calls_left,
        )

    def renew(self) -> None:
        """Get a new access token now (RFC 6749 4.4).

        Raises:
            ConfigError: This kind of login does not renew.
            LoginRejectedError: The server refuses it.
        """
        keeper = self._login.keeper
        if keeper is None or not keeper.is_renewable:
            raise ConfigError(f"An {self._login.credentials.method} does not renew.", hint="Log in with another.")
        keeper.replace(keeper.token)

    def logout(self) -> None:
        """End the login: drop the secrets, close the connections. What is asked afterwards raises."""
        self._close()
        self._open = None

    @property
    def _login(self) -> Login:
        if self._open is None:
            raise NoCredentialsError(f"Logged out of {self.profile.name!r}.", hint="Log in again.")
        return self._open

    def __repr__(self) -> str:
        how = self._open.credentials.method if self._open else "logged out"
        return f"<Session {self.profile.name!r} at {self.profile.base_url}, {how}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A login cannot be pickled or copied.")


class Sessions:
    """The logins of one kernel: one per profile, of which one is current."""

    def __init__(self) -> None:
        self._by_name: dict[str, Session] = {}
        self.current_name: str | None = None

    def current(self) -> Session:
        """The login in use.

        Raises:
            NoCredentialsError: There is none.
        """
        if self.current_name is None:
            raise NoCredentialsError("Not logged in.", hint="Run %immune login, or connect().")
        return self._by_name[self.current_name]

    def get(self, name: str) -> Session:
        """The login to that profile.

        Raises:
            NoCredentialsError: There is none.
        """
        if name not in self._by_name:
            raise NoCredentialsError(f"Not logged in to {name!r}.", hint=f"Run %immune login --profile {name}.")
        return self._by_name[name]

    def add(self, session: Session) -> None:
        """Keep a login, in place of an earlier one to the same profile, and use it."""
        self._by_name[session.profile.name] = session
        self.current_name = session.profile.name

    def use(self, name: str) -> Session:
        """Make the login to that profile the current one; see `get`."""
        session = self.get(name)
        self.current_name = name
        return session

    def drop(self, name: str) -> None:
        """Forget the login to that profile, if there is one."""
        self._by_name.pop(name, None)
        if self.current_name == name:
            self.current_name = None

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_name.values()))


def connect(
    profile: str | Profile = "immune",
    *,
    api_key: str | Secret | None = None,
    token: str | Secret | None = None,
    client_id: str | None = None,
    client_secret: str | Secret | None = None,
    scopes: Sequence[str] | None = None,
    method: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Session:
    """Log in to an API.

    Args:
        profile: A profile's name, or a profile.
        api_key: An API key.
        token: A ready access token.
        client_id: OAuth client id, with `client_secret`.
        client_secret: OAuth client secret.
        scopes: Scopes to ask for, instead of the profile's.
        method: Take only this kind from the environment: ``key``, ``token`` or ``client``.
        environ: Environment variables; `os.environ` when not given.

    Returns:
        A session, tried against the service where the profile names a cheap way.

    Raises:
        ConfigError: A setting is missing or malformed.
        NoCredentialsError: There is nothing to log in with; the message names the variables that would help.
        LoginRejectedError: The service refuses the login.
        ServiceError: The service does not answer.

    Source:
        api-contract 1.1 and 2; ``POST`` to the token endpoint (RFC 6749 4.4)
    """
    environ = os.environ if environ is None else environ
    where = find_profile(profile, environ) if isinstance(profile, str) else profile
    where = where if scopes is None else replace(where, scopes=tuple(scopes))
    who = find_credentials(
        where,
        environ,
        method=method,
        api_key=api_key,
        token=token,
        client_id=client_id,
        client_secret=client_secret,
    )
    session = Session(where, who)
    try:
        session.verify()
    except BaseException:
        session.logout()
        raise
    return session


def _close(client: Client, login: Login) -> None:
    client.close()
    login.close()


def sessions_of(home: object) -> Sessions:
    """The logins that belong to `home`, the kernel's shell, for as long as it lives."""
    sessions: Sessions = vars(home).setdefault(REGISTRY, Sessions())
    return sessions
