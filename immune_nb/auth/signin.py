"""A sign-in by a person, underway: an address to open, and a poll for the outcome. Whoever shows it, waits."""

from __future__ import annotations

import threading
from typing import Protocol

from immune_nb.auth.callback import Callback, answer_in, leads_here, resolved
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.devices import DeviceGrant
from immune_nb.auth.grants import CodeGrant, sealed
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.errors import ConfigError, LoginRejectedError, QueryError
from immune_nb.profiles import Profile
from immune_nb.settings import FREE_PORT

__all__ = ["BrowserSignIn", "DeviceSignIn", "SignIn", "pasted"]

PATIENCE = 600.0  # seconds; codes live about as long
ANY_PORT = "49152"  # in an address at which nobody listens


class SignIn(Protocol):
    """What a panel or a prompt shows, and asks again and again.

    Attributes:
        url: The address to open.
        user_code: The code to type there; empty for a browser sign-in.
        interval: Seconds between polls.
        expires_at: When it is over, in seconds of the client's clock.
    """

    url: str
    user_code: str
    interval: float
    expires_at: float

    def poll(self) -> Token | None:
        """The token when the person is through; None while that is open."""

    def cancel(self) -> None:
        """Give up."""


class BrowserSignIn:
    """Authorization code with PKCE, answered at a loopback listener or by a pasted address.

    Args:
        client: Who asks.
        listens: Whether to open a listener; without one, only `paste` brings the answer.

    Raises:
        ConfigError: The profile cannot do this, or its redirect port is taken.
    """

    user_code = ""
    interval = 0.5

    def __init__(self, client: OAuthClient, *, listens: bool = True) -> None:
        registered = client.profile.redirect_uri
        self._clock = client.clock
        self.expires_at = client.clock() + PATIENCE
        self._callback = Callback(registered) if listens and leads_here(registered) else None
        try:
            self._grant = CodeGrant(client, self._callback.redirect_uri if self._callback else _fixed(client.profile))
        except BaseException:
            self.cancel()
            raise
        self.url = self._grant.url
        if self._callback:
            self._callback.listen(self._grant.is_answer)

    @property
    def listens(self) -> bool:
        """Whether an answer can come by itself."""
        return self._callback is not None

    def poll(self) -> Token | None:
        """The token when the answer has come; None while it has not.

        Raises:
            LoginRejectedError: The person or the server declined, or it took too long.
            ServiceError: The token endpoint does not answer as it should.
        """
        answer = self._taken()
        if answer is not None:
            return self._redeem(answer)
        if self._clock() >= self.expires_at:
            self.cancel()
            raise LoginRejectedError("Nobody finished the login in time.", hint="Start again.")
        return None

    def paste(self, address: str | Secret) -> Token:
        """The token for the address the browser was sent to; see `poll` for what is raised.

        Raises:
            QueryError: It is no answer to this login; the login stays open.
        """
        answer = pasted(address)
        del address  # a traceback would show it
        if not self._grant.is_answer(answer):
            raise QueryError("That is not the address of this login.", hint="Copy it whole from the browser's bar.")
        return self._redeem(answer)

    def cancel(self) -> None:
        """Stop listening."""
        if self._callback:
            self._callback.close()

    def _taken(self) -> Secret | None:
        query = self._callback.take() if self._callback else None
        return None if query is None else sealed(query)

    def _redeem(self, answer: Secret) -> Token:
        # The listener is closed first: one answer is one token request.
        self.cancel()
        return self._grant.redeem(answer)


class DeviceSignIn:
    """Device authorization (RFC 8628); making one asks the server for a code. See `DeviceGrant`."""

    def __init__(self, client: OAuthClient) -> None:
        self._grant = DeviceGrant(client)
        self._over = threading.Event()
        self.url = self._grant.url_complete or self._grant.url
        self.user_code = self._grant.user_code
        self.expires_at = self._grant.expires_at

    @property
    def interval(self) -> float:
        """Seconds between polls, as the server last wished."""
        return self._grant.interval

    def poll(self) -> Token | None:
        """Ask the server once; see `DeviceGrant.poll`."""
        return None if self._over.is_set() else self._grant.poll()

    def cancel(self) -> None:
        """Ask no more."""
        self._over.set()


def pasted(address: str | Secret) -> Secret:
    """The answer in an address that a person pasted."""
    return address if isinstance(address, Secret) else sealed(answer_in(address))


def _fixed(profile: Profile) -> str:
    """The registered redirect URI, which is needed where nothing listens."""
    if profile.redirect_uri is None:
        raise ConfigError(f"Profile {profile.name!r} has no redirect_uri.", hint="Set it as registered.")
    return resolved(profile.redirect_uri).replace(FREE_PORT, ANY_PORT)
