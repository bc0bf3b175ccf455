"""One login to one API: what signs, what sends, and the questions. Knows nothing of widgets or IPython."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Self

from immune_nb.auth import keep
from immune_nb.auth.chain import Credentials, find_credentials
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.login import Login, log_in
from immune_nb.auth.secrets import Secret, Unshared
from immune_nb.auth.transport import CredentialTransport, QuietTransport, Transport
from immune_nb.errors import ConfigError, NoCredentialsError
from immune_nb.fetch.client import Client
from immune_nb.outlook import Outlook
from immune_nb.profiles import Profile
from immune_nb.status import Status, Usage
from immune_nb.writes import Writes

__all__ = ["Session"]

HOW_TO_STAY = (
    "The server gave no refresh token. The scope offline_access gets one at many servers; at others, "
    'auth_params = {prompt = "consent"} or {access_type = "offline"} does.'
)


class Session(Unshared, Outlook, Writes):
    """One login to one API, and what it can ask and tell. Threads may share it; processes may not.

    As a context manager it closes at the end of the block.

    Args:
        profile: Where.
        credentials: Who.
        client: The client at the authorization server, when it is there already.
        transport: What sends, instead of a connection pool.
        clock: Unix seconds, as `time.time` gives.
        sleep: Waits that many seconds.

    Raises:
        ConfigError: The profile lacks what this kind of login needs.
    """

    _open: Login | None = None

    def __init__(
        self,
        profile: Profile,
        credentials: Credentials,
        *,
        client: OAuthClient | None = None,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.profile = profile  # first of all: where the rest fails, a traceback may show this session
        self._log_in = partial(log_in, profile, transport=transport, clock=clock)
        login = self._log_in(credentials, client=client)
        self._open = login
        quiet = QuietTransport(profile.base_url, transport)
        self._signing = CredentialTransport(login.auth, profile.base_url, quiet)
        sender = Client(
            profile.base_url,
            self._signing,
            private_param=profile.key_place.name if profile.key_place.in_query else "",
            clock=clock,
            sleep=sleep,
        )
        super().__init__(profile, sender, account=_account(login), clock=clock)
        self._marked = ""
        self._close = weakref.finalize(self, _close, sender, login)  # also when nobody holds the session any more

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
        keeper, credentials, accepts = self._login.keeper, self._login.credentials, self._client.is_accepted
        return Status(
            profile=self.profile.name,
            base_url=self.profile.base_url,
            method=credentials.method,
            account=_account(self._login),
            scopes=_scopes(self._login, self.profile),
            source=credentials.source,
            expires_in=keeper.seconds_left() if keeper and accepts is not False else None,
            renewable=bool(keeper and keeper.is_renewable),
            verified=accepts is True,
            refused=accepts is False,
            calls_left=self._client.meter.left,
            remembered=keep.place() if credentials.is_remembered else "",
            skipped=credentials.skipped,
        )

    def usage(self) -> Usage:
        """What this login has asked and received so far, and what the service said of its limits. Sends nothing."""
        seen = self._client.meter
        return Usage(
            self.profile.name, seen.calls, seen.received, seen.refusals, seen.limit, seen.left, seen.resets_at
        )

    def secrets(self) -> tuple[Secret, ...]:
        """Every secret that this login holds now, to look for where else they are."""
        who, token = self._login.credentials, self._login.keeper.token if self._login.keeper else None
        held = (who.key, who.client_secret, token and token.access, token and token.refresh)
        return tuple(secret for secret in held if secret)

    def renew(self) -> None:
        """Get a new access token now: from the server (RFC 6749 4.4, 6), or from the file or hub that it is from.

        Raises:
            ConfigError: This kind of login does not renew, or where it is remembered cannot be read.
            LoginRejectedError: The server refuses a client that it has given no token yet.
            SessionExpiredError: It refuses a login that worked before.
            ServiceError: It does not answer as it should.
        """
        keeper = self._login.keeper
        if keeper is None or not keeper.is_renewable:
            who = self._login.credentials
            hint = HOW_TO_STAY if who.sign_in else "Log in with another."
            raise ConfigError(f"This {who.method} does not renew.", hint=hint)
        keeper.replace(keeper.token)

    def rotate(
        self,
        *,
        api_key: str | Secret | None = None,
        token: str | Secret | None = None,
        client_secret: str | Secret | None = None,
    ) -> None:
        """Go on with a new credential in place of the old one, once the service has accepted it.

        Args:
            api_key: A new API key.
            token: A new access token.
            client_secret: A new secret of the same client, where that logs in for itself.

        Raises:
            ConfigError: None, or more than one, is given; or a secret, and a person has signed in.
            LoginRejectedError: The service refuses it; the session goes on with the old one.
        """
        key, bearer = Secret.sealed(api_key, "API key"), Secret.sealed(token, "access token")
        secret = Secret.sealed(client_secret, "client secret")
        del api_key, token, client_secret  # the traceback of a refusal would show them
        former = self._login
        if not (key or bearer or secret):
            raise ConfigError("There is nothing to go on with.", hint="Give an api_key, a token or a client_secret.")
        if secret and former.credentials.sign_in:  # with it the session would be the client's
            raise ConfigError(f"A {former.credentials.method} has no secret of its own.", hint="Sign in again.")
        client_id = former.credentials.client_id if secret else None
        who = find_credentials(self.profile, {}, api_key=key, token=bearer, client_id=client_id, client_secret=secret)
        login, accepted = self._log_in(who), self._client.is_accepted
        self._open, self._client.is_accepted = login, None
        self._signing.sign_with(login.auth)
        try:
            self.verify()
        except BaseException:
            self._open, self._client.is_accepted = former, accepted
            self._signing.sign_with(former.auth)
            login.close()
            raise
        self._close.detach()
        self._close = weakref.finalize(self, _close, self._client, login)
        self._account, self._marked = _account(login), ""
        former.close()
        if former.credentials.is_remembered:
            self.remember()

    def remember(self) -> str:
        """Keep this login beyond the kernel: in the keyring where there is one, else in a private file.

        Returns:
            Where, in words.

        Raises:
            ConfigError: It cannot be kept.
        """
        login, who = self._login, self._login.credentials
        keeper = login.keeper if who.token else None  # a token that a client gets for itself, it gets again
        token = keeper.token if keeper else None
        record = keep.Record("", who.key, token, who.client_id, who.client_secret, who.sign_in)
        place = keep.remember(self.profile, record)
        self._open = login.remembered()
        return place

    def close(self) -> None:
        """Drop the secrets and close the connections; nothing is revoked, and what is remembered stays."""
        self._open = None
        self._close()

    def logout(self, *, revoke: bool = True) -> str:
        """End the login: revoke what can be revoked, drop the secrets, close the connections, forget it on disk.

        What is asked afterwards raises. The local part always happens.

        Args:
            revoke: Ask the server to revoke the tokens (RFC 7009).

        Returns:
            What came of the revocation, in words, and where it could not be forgotten; empty when nothing was to do.
        """
        login, self._open = self._open, None
        if login is None:
            return ""
        try:
            said = login.revoke() if revoke else "not revoked"
        finally:
            self._close()
            left = _left_behind(self.profile) if login.credentials.is_remembered else ""
        return "; ".join(filter(None, (said, left)))

    def _kind(self) -> str:
        return self._login.credentials.method

    def _mark(self) -> str:
        """Two keys or nameless tokens may see different rows: neither is to get what was kept for the other."""
        key, keeper = self._login.credentials.key, self._login.keeper
        secret = key or (keeper and keeper.token and keeper.token.access)
        if secret and not (self._marked or self._account):
            self._marked = secret.mark(self.profile.base_url)
        return self._marked

    @property
    def _login(self) -> Login:
        if self._open is None:
            raise NoCredentialsError(f"Logged out of {self.profile.name!r}.", hint="Log in again.")
        return self._open

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        how = self._open.credentials.method if self._open else "logged out"
        return f"<Session {self.profile.name!r} at {self.profile.base_url}, {how}>"


def _account(login: Login) -> str:
    """Who is logged in, as far as that is known; where a client logs in for itself, the client."""
    token, who = login.keeper.token if login.keeper else None, login.credentials
    return (token.account if token else "") or ("" if who.sign_in else who.client_id)


def _scopes(login: Login, profile: Profile) -> tuple[str, ...]:
    """What the token may be used for; as asked for, where nobody said otherwise (RFC 6749 5.1)."""
    said = login.keeper.token.scopes if login.keeper and login.keeper.token else None
    return said if said is not None else profile.scopes if login.keeper else ()


def _left_behind(profile: Profile) -> str:
    """Forget what is remembered; in words, what keeps it all the same."""
    try:
        keep.forget(profile)
    except ConfigError as error:
        return f"it is still remembered, as {error.message.rstrip('.')}"
    return ""


def _close(client: Client, login: Login) -> None:
    client.close()
    login.close()
