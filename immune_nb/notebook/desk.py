"""What one kernel has open: its logins, a sign-in, its sandbox and its panel. It lives and dies with the magic."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from immune_nb.errors import ConfigError, NoCredentialsError
from immune_nb.profiles import SANDBOX, Profile, find_profile, load_profiles

from .attempts import Arrival, Attempt
from .explain import another_account, farewell, overridden, remembered
from .memory import Memory
from .spellings import finder
from .surroundings import SIGN_INS, client_of

if TYPE_CHECKING:
    from immune_nb.session import Session
    from immune_nb.sessions import Sessions

    from .panel import LoginPanel
    from .sandbox_process import SandboxProcess
    from .waiting import Waiting

__all__ = ["CUSTOM", "Desk"]

CUSTOM = "custom"
OWN = "this kernel's own sandbox"


class Desk:
    """The open things of one kernel.

    Args:
        shell: The IPython shell that the logins hang on.

    Attributes:
        shell: That shell.
        sandbox: The sandbox this kernel started, if any.
        panel: The login panel, once shown.
        waiting: The sign-in that is underway, if any.
        memory: What was seen of the APIs.
    """

    def __init__(self, shell: object) -> None:
        self.shell = shell
        self.sandbox: SandboxProcess | None = None
        self.panel: LoginPanel | None = None
        self.waiting: Waiting | None = None
        self.memory = Memory()
        self._underway: Attempt | None = None
        self._custom: dict[str, Profile] = {}
        self._attempts: weakref.WeakKeyDictionary[Session, Attempt] = weakref.WeakKeyDictionary()

    @property
    def sessions(self) -> Sessions:
        """The logins of this kernel."""
        from immune_nb.sessions import sessions_of

        return sessions_of(self.shell)

    @property
    def at_hand(self) -> Sessions | None:
        """The logins of this kernel, if there can be any: what makes them is not loaded to find out."""
        return self.sessions if "immune_nb.sessions" in sys.modules else None

    def session(self, name: str | None = None) -> Session:
        """The login to use: to the profile of that name, or the current one.

        Raises:
            NoCredentialsError: There is no such login.
            ConfigError: There is no such profile either.
        """
        if name is None:
            return self.sessions.current()
        if name not in {session.profile.name for session in self.sessions}:
            self.profile(name)
        return self.sessions.get(name)

    def gives_away(self, text: str) -> bool:
        """Whether a text holds a credential of a login of this kernel, in any spelling."""
        held = finder((secret.name, secret) for session in self.at_hand or () for secret in session.secrets())
        return bool(held(text.encode("utf-8", "surrogatepass")))

    def attempt_of(self, session: Session) -> Attempt:
        """What was asked for when that login was made; a login made in Python was asked for nowhere here."""
        return self._attempts.get(session) or Attempt(session.profile.name)

    def profiles(self) -> dict[str, Profile]:
        """Every known profile, by name."""
        return {name: self.profile(name) for name in load_profiles()} | self._custom

    def profile(self, name: str) -> Profile:
        """The profile of that name; ``sandbox`` is our own one when it runs and nothing else is configured."""
        if name in self._custom:
            return self._custom[name]
        if self.has_own_sandbox(name) and self.sandbox and self.sandbox.running:
            return self.sandbox.profile
        return find_profile(name)

    def define(self, fields: Mapping[str, object]) -> Profile:
        """Make the profile ``custom``, for as long as this kernel lives.

        Args:
            fields: Addresses by their names in `Profile`; empty ones are left out.

        Raises:
            ConfigError: One is malformed.
        """
        given = {name: str(value).strip() for name, value in fields.items() if str(value or "").strip()}
        if "base_url" not in given:
            raise ConfigError("The API's address is empty.", hint="Write https://host/path.")
        self._custom[CUSTOM] = Profile(name=CUSTOM, **given)  # type: ignore[arg-type] # the panel sends addresses only
        return self._custom[CUSTOM]

    def has_own_sandbox(self, name: str) -> bool:
        """Whether that profile is a sandbox for us to start, rather than one running elsewhere."""
        return name == SANDBOX.name and find_profile(name) == SANDBOX

    def person(self, name: str) -> str:
        """Who can sign in to our own sandbox, and with what; empty for every other profile."""
        return self.sandbox.person if self.sandbox and self.has_own_sandbox(name) else ""

    def start_sandbox(self) -> SandboxProcess:
        """The kernel's sandbox, started when it is not running."""
        from .sandbox_process import SandboxProcess

        if self.sandbox is None or not self.sandbox.running:
            self.sandbox = SandboxProcess.start()
        return self.sandbox

    def stop_sandbox(self) -> bool:
        """Stop the kernel's sandbox and forget its login; whether there was one."""
        if self.sandbox is None:
            return False
        if self.sandbox.profile.name in {session.profile.name for session in self.sessions}:
            self.log_out(self.sandbox.profile.name)
        self.sandbox.stop()
        self.sandbox = None
        return True

    def log_in(self, attempt: Attempt) -> Arrival:
        """Log in, and make that login the current one; an earlier one to the same profile ends.

        Raises:
            ImmuneError: There is nothing to log in with, or it is refused, or nobody answers.
        """
        from immune_nb.connecting import connect

        if attempt.secret is None and self.has_own_sandbox(attempt.profile):
            attempt = self._own(attempt)
        secret, method = attempt.secret, attempt.method or "key"
        session = connect(
            self.profile(attempt.profile),
            method=attempt.method,
            api_key=secret if method == "key" else None,
            token=secret if method == "token" else None,
            client_id=attempt.client_id if secret and method == "client" else None,
            client_secret=secret if method == "client" else None,
            scopes=attempt.scopes,
        )
        return self._welcome(session, attempt)

    def sign_in(self, attempt: Attempt, tell: Callable[[], None]) -> Waiting:
        """Start a sign-in by browser or device, in place of one that is underway.

        Args:
            attempt: Whose `method` is ``browser`` or ``device``.
            tell: Called on another thread when there is news; then `settle`.

        Raises:
            ImmuneError: It cannot be started.
        """
        from immune_nb.pending import PendingLogin

        from .waiting import Waiting

        if self.has_own_sandbox(attempt.profile):
            self.start_sandbox()
        profile = self.profile(attempt.profile)
        own_client = attempt.client_id in ("", client_of(profile))  # then its secret may be in the environment, too
        self.cancel()  # first: it may hold the port of the registered redirect URI
        pending = PendingLogin(
            profile if attempt.scopes is None else replace(profile, scopes=attempt.scopes),
            str(attempt.method),
            client_id=None if own_client else attempt.client_id,
            client_secret=attempt.secret,
        )
        self.waiting, self._underway = Waiting(pending, tell), attempt
        return self.waiting

    def settle(self) -> Arrival | None:
        """Keep the login of a sign-in that has ended; None while it has not, or when there is none.

        Raises:
            ImmuneError: It has failed.
        """
        waiting, attempt = self.waiting, self._underway
        if waiting is None or attempt is None or not waiting.is_over:
            return None
        self.waiting = self._underway = None
        if waiting.session is None:
            raise waiting.error or NoCredentialsError("The sign-in came to nothing.")
        return self._welcome(waiting.session, replace(attempt, origin=f"signed in by {attempt.method}"))

    def cancel(self) -> str:
        """Give up the sign-in that is underway; the name of its profile, or "" when there is none."""
        waiting, self.waiting, self._underway = self.waiting, None, None
        if waiting is None:
            return ""
        waiting.cancel()
        return waiting.pending.profile.name

    def log_out(self, name: str | None = None) -> str:
        """End a login, revoking it where the service can, or the sign-in to it; what came of it, in words.

        Raises:
            NoCredentialsError: There is none, not even a remembered one.
        """
        underway = self.waiting.pending.profile.name if self.waiting else None
        name = name or self.sessions.current_name or underway
        cancelled = name == underway and bool(self.cancel())
        if name in {session.profile.name for session in self.sessions}:
            session = self.sessions.get(str(name))
            self.sessions.drop(session.profile.name)
            return farewell(session.profile, session.logout())
        if name and (left := remembered(self.profile(name))):
            return farewell(left.profile, left.logout())
        return f"The sign-in to {name} is cancelled." if cancelled else farewell(self.session(name).profile, "")

    def close(self) -> None:
        """Forget every login, without a word to any service, and stop the sandbox."""
        self.cancel()
        for session in list(self.sessions):
            self.sessions.drop(session.profile.name)
            session.close()
        self.stop_sandbox()
        if self.panel is not None:
            self.panel.close()
            self.panel = None

    def _own(self, attempt: Attempt) -> Attempt:
        """The same attempt with the credentials of our own sandbox."""
        sandbox = self.start_sandbox()
        if attempt.method == "key":
            return replace(attempt, secret=sandbox.api_key, origin=OWN)
        if attempt.method in SIGN_INS:
            raise NoCredentialsError("A person signs in to the sandbox.", hint="Use --method client or key.")
        if attempt.method == "token":
            raise NoCredentialsError("The sandbox hands out no token of its own.", hint="Use --method client or key.")
        return replace(
            attempt, method="client", client_id=sandbox.client_id, secret=sandbox.client_secret, origin=OWN
        )

    def _welcome(self, session: Session, attempt: Attempt) -> Arrival:
        """Keep a login, in place of an earlier one to the same profile."""
        name, account = session.profile.name, session.status().account
        remarks = []
        for earlier in self.sessions:
            if earlier.profile.name == name:
                remarks.append(another_account(earlier.status().account, account))
                earlier.close()
        if self.waiting:
            self.waiting.is_newest = False
            if self.waiting.pending.profile.name == name:
                self.cancel()
        self.sessions.add(session)
        self._attempts[session] = attempt
        if attempt.remember:
            remarks.append(f"Remembered in {session.remember()}.")
        if attempt.origin not in ("", OWN):
            remarks.append(overridden(session))
        return Arrival(session, tuple(filter(None, remarks)))
