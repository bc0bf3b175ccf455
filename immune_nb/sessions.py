"""The logins of one kernel: one per profile, of which one is current. They hang on the shell and go with it."""

from __future__ import annotations

from collections.abc import Iterator

from immune_nb.errors import NoCredentialsError
from immune_nb.session import Session
from immune_nb.status import Usage

__all__ = ["Sessions", "sessions_of"]

REGISTRY = "_immune_sessions"


class Sessions:
    """The logins of one kernel: one per profile, of which one is current."""

    def __init__(self) -> None:
        self._by_name: dict[str, Session] = {}
        self._spent: dict[str, Usage] = {}  # by logins that are gone
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
        self.drop(session.profile.name)
        self._by_name[session.profile.name] = session
        self.current_name = session.profile.name

    def use(self, name: str) -> Session:
        """Make the login to that profile the current one; see `get`."""
        session = self.get(name)
        self.current_name = name
        return session

    def drop(self, name: str) -> None:
        """Forget the login to that profile, if there is one."""
        former = self._by_name.pop(name, None)
        if former is not None:
            self._spent[name] = former.usage().after(self._spent.get(name, Usage(name)))
        if self.current_name == name:
            self.current_name = None

    def usage(self) -> list[Usage]:
        """What was asked of each profile in this kernel, by this login and by those before it."""
        found = dict(self._spent)
        for name, session in self._by_name.items():
            found[name] = session.usage().after(found.get(name, Usage(name)))
        return [found[name] for name in sorted(found)]

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_name.values()))


def sessions_of(home: object) -> Sessions:
    """The logins that belong to `home`, the kernel's shell, for as long as it lives."""
    sessions: Sessions = vars(home).setdefault(REGISTRY, Sessions())
    return sessions
