"""A login that waits for a person: what to show them, and how to learn that they are through."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from immune_nb.auth.chain import Credentials
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.secrets import Secret
from immune_nb.auth.signin import BrowserSignIn, DeviceSignIn, pasted
from immune_nb.auth.tokens import Token
from immune_nb.errors import ConfigError
from immune_nb.profiles import Profile, find_profile
from immune_nb.session import Session

__all__ = ["METHODS", "PendingLogin"]

METHODS = ("browser", "device")


class PendingLogin:
    """A sign-in underway. It never waits: whoever shows it polls.

    Args:
        profile: A profile's name, or a profile.
        method: ``browser`` for authorization code with PKCE, ``device`` for a code to type elsewhere.
        client_id: The client, where neither the profile nor ``<PROFILE>_CLIENT_ID`` names it.
        client_secret: Its secret, for a confidential client; else ``<PROFILE>_CLIENT_SECRET``, or none.
        listens: Whether to listen for the browser's answer on loopback; without, only `paste` brings it.
        environ: Environment variables; `os.environ` when not given.

    Raises:
        ConfigError: No client id is known, or the profile lacks what the method needs.
        LoginRejectedError: The server refuses this client.
        ServiceError: It does not answer as it should.
    """

    def __init__(
        self,
        profile: str | Profile,
        method: str = "browser",
        *,
        client_id: str | None = None,
        client_secret: str | Secret | None = None,
        listens: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        env = os.environ if environ is None else environ
        where = find_profile(profile, env) if isinstance(profile, str) else profile
        if method not in METHODS:
            raise ConfigError(f"{method!r} is not a way to sign in.", hint=f"Use {' or '.join(METHODS)}.")
        name = client_id or env.get(f"{where.env_prefix}_CLIENT_ID") or where.client_id
        if not name:
            hint = f"Set client_id in the profile, or {where.env_prefix}_CLIENT_ID."
            raise ConfigError(f"No client id is known for {where.name!r}.", hint=hint)
        secret = Secret.sealed(
            client_secret or (None if client_id else env.get(f"{where.env_prefix}_CLIENT_SECRET")), "client secret"
        )
        del env, environ, client_secret  # a traceback would show them
        self.profile = where
        self.method = method
        self._secret = secret
        self._client = OAuthClient(where, name, secret)
        self._sign_in = (
            DeviceSignIn(self._client) if method == "device" else BrowserSignIn(self._client, listens=listens)
        )

    @property
    def url(self) -> str:
        """The address to open."""
        return self._sign_in.url

    @property
    def user_code(self) -> str:
        """The code to type there; empty for a browser sign-in."""
        return self._sign_in.user_code

    @property
    def interval(self) -> float:
        """Seconds to wait between polls."""
        return self._sign_in.interval

    @property
    def seconds_left(self) -> float:
        """Seconds until it is over."""
        return max(0.0, self._sign_in.expires_at - self._client.clock())

    def poll(self) -> Session | None:
        """The session when the person is through; None while that is open.

        Raises:
            LoginRejectedError: The person or the server declined, or time ran out.
            ServiceError: The server does not answer as it should.
        """
        token = self._sign_in.poll()
        return self._session(token) if token else None

    def paste(self, address: str) -> Session:
        """The session for the address that the browser ended at; see `poll` for what is raised.

        Raises:
            QueryError: It is no answer to this login; the login stays open.
            ConfigError: A device sign-in has no such address.
        """
        if isinstance(self._sign_in, DeviceSignIn):
            raise ConfigError("A device sign-in needs no address.", hint="Type the code at the address shown.")
        answer = pasted(address)
        del address  # a traceback would show it
        return self._session(self._sign_in.paste(answer))

    def cancel(self) -> None:
        """Give up: stop listening and asking."""
        self._sign_in.cancel()

    def _session(self, token: Token) -> Session:
        self._sign_in.cancel()
        if token.account in ("", token.subject):  # a number, or nothing: the server may know a better name
            token = replace(token, account=self._client.account_of(token) or token.account)
        who = Credentials(
            self.method,
            token=token,
            client_id=self._client.client_id,
            client_secret=self._secret,
            sign_in=self.method,
        )
        return Session(self.profile, who, client=self._client)
