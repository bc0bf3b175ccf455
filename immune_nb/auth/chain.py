"""Which credential: the first link of the chain that holds one.

explicit arguments → environment → nothing. Of several in the environment the strongest wins: client credentials,
then an access token, then an API key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from immune_nb.auth.grants import ClientCredentials
from immune_nb.auth.schemes import ApiKey, Bearer
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token, TokenKeeper
from immune_nb.errors import ConfigError, NoCredentialsError
from immune_nb.profiles import Profile

__all__ = ["Credentials", "Login", "find_credentials", "log_in", "variables"]


@dataclass(frozen=True)
class Credentials:
    """What to log in with, and where it came from. Either `key`, or `token`, or `client_id` with `client_secret`."""

    source: str
    key: Secret | None = None
    token: Secret | None = None
    client_id: str = ""
    client_secret: Secret | None = None

    @property
    def method(self) -> str:
        """What kind of login this makes, in words."""
        return "API key" if self.key else "access token" if self.token else "client credentials"


@dataclass(frozen=True)
class Login:
    """One login, ready to sign.

    Args:
        credentials: What it is made of.
        auth: Signs the requests.
        keeper: Holds the bearer token; None for an API key.
        grant: Gets new tokens; None when they cannot be renewed.
    """

    credentials: Credentials
    auth: httpx.Auth
    keeper: TokenKeeper | None = None
    grant: ClientCredentials | None = None

    def close(self) -> None:
        """Drop the token and the way to another, and close the connections to the token endpoint."""
        if self.keeper:
            self.keeper.forget()
        if self.grant:
            self.grant.close()


def variables(profile: Profile) -> str:
    """The environment variables that log in to `profile`, in words."""
    p = profile.env_prefix
    return f"{p}_CLIENT_ID with {p}_CLIENT_SECRET, {p}_TOKEN, or {p}_API_KEY"


def find_credentials(
    profile: Profile,
    environ: Mapping[str, str],
    *,
    method: str | None = None,
    api_key: str | Secret | None = None,
    token: str | Secret | None = None,
    client_id: str | None = None,
    client_secret: str | Secret | None = None,
) -> Credentials:
    """The credentials to use for `profile`: those given, else those of the environment.

    Args:
        profile: Whose they are.
        environ: The environment variables.
        method: Take only this kind: ``key``, ``token`` or ``client``.
        api_key: An API key, given by the caller; the same holds for the rest.
        token: An access token.
        client_id: A client's id, with `client_secret`.
        client_secret: A client's secret, with `client_id`.

    Raises:
        ConfigError: More than one kind is given, or half a pair.
        NoCredentialsError: There are none; the message names the variables that would help.
    """
    given = {"API_KEY": api_key, "TOKEN": token, "CLIENT_ID": client_id, "CLIENT_SECRET": client_secret}
    if any(given.values()):
        kinds = sum(map(bool, (api_key, token, client_id or client_secret)))
        if kinds > 1:
            raise ConfigError("More than one kind of credential is given.", hint="Give one.")
        found = _strongest("given", {n.lower(): value for n, value in given.items()}, method)
    else:
        names = (f"{profile.env_prefix}_{name}" for name in given)
        found = _strongest("environment", {name: environ.get(name) for name in names}, method)
    if found is None:
        raise NoCredentialsError(
            f"There is nothing to log in to {profile.name!r} with.", hint=f"Set {variables(profile)}."
        )
    return found


def log_in(
    profile: Profile,
    credentials: Credentials,
    *,
    transport: httpx.BaseTransport | None = None,
    clock: Callable[[], float] = time.time,
) -> Login:
    """Make a login of credentials. Nothing is sent yet.

    Args:
        profile: Where.
        credentials: Who.
        transport: What sends to the token endpoint, instead of a connection pool.
        clock: Unix seconds.

    Raises:
        ConfigError: The profile lacks what this kind of login needs.
    """
    if credentials.key:
        return Login(credentials, ApiKey(credentials.key, profile.key_place))
    if credentials.token:
        keeper = TokenKeeper(None, Token(credentials.token), clock)
        return Login(credentials, Bearer(keeper), keeper)
    if credentials.client_secret is None:
        raise ConfigError("A client id needs a client secret.")
    grant = ClientCredentials(
        profile, credentials.client_id, credentials.client_secret, transport=transport, clock=clock
    )
    keeper = TokenKeeper(grant, clock=clock)
    return Login(credentials, Bearer(keeper), keeper, grant)


def _strongest(place: str, values: Mapping[str, str | Secret | None], method: str | None) -> Credentials | None:
    """The strongest kind among `values`: key, token, client id and client secret, in that order, by name."""
    (key_name, key), (token_name, token), (id_name, client_id), (secret_name, secret) = values.items()
    if client_id and secret and method in (None, "client"):
        source = f"{place}: {id_name} with {secret_name}"
        return Credentials(source, client_id=str(client_id), client_secret=Secret.of(secret, "client secret"))
    if token and method in (None, "token"):
        return Credentials(f"{place}: {token_name}", token=Secret.of(token, "access token"))
    if key and method in (None, "key"):
        return Credentials(f"{place}: {key_name}", key=Secret.of(key, "API key"))
    if (client_id or secret) and method in (None, "client"):
        here, missing = (id_name, secret_name) if client_id else (secret_name, id_name)
        raise ConfigError(f"{here} is set and {missing} is not.", hint="Set both.")
    return None
