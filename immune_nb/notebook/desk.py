"""What one kernel has open: its logins, its sandbox and its panel. It lives and dies with the magic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immune_nb.errors import NoCredentialsError
from immune_nb.profiles import SANDBOX, Profile, find_profile

if TYPE_CHECKING:
    from immune_nb.auth.secrets import Secret
    from immune_nb.session import Session
    from immune_nb.sessions import Sessions

    from .panel import LoginPanel
    from .sandbox_process import SandboxProcess

__all__ = ["Attempt", "Desk"]


@dataclass(frozen=True)
class Attempt:
    """One try to log in.

    Args:
        profile: Name of the profile.
        method: ``key``, ``token`` or ``client``; None takes what there is.
        client_id: For ``client``.
        secret: The key, token or client secret; None leaves it to the environment, or to our own sandbox.
    """

    profile: str
    method: str | None = None
    client_id: str = ""
    secret: Secret | None = None


class Desk:
    """The open things of one kernel.

    Args:
        shell: The IPython shell that the logins hang on.

    Attributes:
        sandbox: The sandbox this kernel started, if any.
        panel: The login panel, once shown.
    """

    def __init__(self, shell: object) -> None:
        self._shell = shell
        self.sandbox: SandboxProcess | None = None
        self.panel: LoginPanel | None = None

    @property
    def sessions(self) -> Sessions:
        """The logins of this kernel."""
        from immune_nb.sessions import sessions_of

        return sessions_of(self._shell)

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

    def profile(self, name: str) -> Profile:
        """The profile of that name; ``sandbox`` is our own one when it runs and nothing else is configured."""
        if self.has_own_sandbox(name) and self.sandbox and self.sandbox.running:
            return self.sandbox.profile
        return find_profile(name)

    def has_own_sandbox(self, name: str) -> bool:
        """Whether that profile is a sandbox for us to start, rather than one running elsewhere."""
        return name == SANDBOX.name and find_profile(name) == SANDBOX

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

    def log_in(self, attempt: Attempt) -> Session:
        """Log in, and make that login the current one; an earlier one to the same profile ends.

        Raises:
            ImmuneError: There is nothing to log in with, or it is refused, or nobody answers.
        """
        from immune_nb.session import connect

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
        )
        for earlier in self.sessions:
            if earlier.profile.name == session.profile.name:
                earlier.close()
        self.sessions.add(session)
        return session

    def _own(self, attempt: Attempt) -> Attempt:
        """The same attempt with the credentials of our own sandbox."""
        sandbox = self.start_sandbox()
        if attempt.method == "key":
            return Attempt(attempt.profile, "key", secret=sandbox.api_key)
        if attempt.method == "token":
            raise NoCredentialsError("The sandbox hands out no token of its own.", hint="Use --method client or key.")
        return Attempt(attempt.profile, "client", sandbox.client_id, sandbox.client_secret)

    def log_out(self, name: str | None = None) -> str:
        """Forget a login, revoking it where the service can; the name of its profile, and what came of that."""
        session = self.session(name)
        self.sessions.drop(session.profile.name)
        said = session.logout()
        return f"{session.profile.name} ({said})" if said else session.profile.name

    def close(self) -> None:
        """Forget every login, without a word to any service, and stop the sandbox."""
        for session in list(self.sessions):
            self.sessions.drop(session.profile.name)
            session.close()
        self.stop_sandbox()
        if self.panel is not None:
            self.panel.close()
            self.panel = None
