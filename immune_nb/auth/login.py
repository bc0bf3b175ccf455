"""From credentials to a login: what signs the requests, and what renews the token."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from immune_nb.auth import grants
from immune_nb.auth.chain import Credentials
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.renewal import Obtain, TokenKeeper
from immune_nb.auth.schemes import ApiKey, Bearer, Scheme
from immune_nb.auth.secrets import Unshared
from immune_nb.auth.sharing import Shared
from immune_nb.auth.tokens import Token
from immune_nb.auth.transport import Transport
from immune_nb.errors import ConfigError
from immune_nb.profiles import Profile

__all__ = ["Login", "log_in"]

LANDING_SECONDS = 10.0  # a logout waits for a renewal under way: what that brings is to be revoked
STILL_UNDER_WAY = "a renewal is still under way, and what it brings stays valid"


@dataclass(frozen=True)
class Login(Unshared):
    """One login, ready to sign.

    Args:
        credentials: What it is made of.
        auth: Signs the requests.
        keeper: Holds the bearer token; None for an API key.
        client: Gets and revokes tokens; None where there is no client.
    """

    credentials: Credentials
    auth: Scheme
    keeper: TokenKeeper | None = None
    client: OAuthClient | None = None

    def revoke(self) -> str:
        """Revoke its tokens where the server can, and say in words what came of it. Nothing renews them any more."""
        if self.keeper is None:
            return ""
        token, is_last = self.keeper.land(LANDING_SECONDS)
        return "; ".join(filter(None, (self._revoked(token), "" if is_last else STILL_UNDER_WAY)))

    def _revoked(self, token: Token | None) -> str:
        if token is None:
            return ""
        if self.client is None:
            return "the access token stays valid until it expires"
        return grants.revoke(self.client, token)

    def remembered(self) -> Login:
        """This login, now that it is kept: renewals are shared with other kernels."""
        who = replace(self.credentials, is_remembered=True)
        if self.keeper and self.client and who.token and who.token.refresh:
            self.keeper.renew_by(_obtain(who, self.client))
        return replace(self, credentials=who)

    def close(self) -> None:
        """Drop the token and the way to another, and close the connections to the authorization server."""
        if self.keeper:
            self.keeper.forget()
        if self.client:
            self.client.close()


def log_in(
    profile: Profile,
    credentials: Credentials,
    *,
    client: OAuthClient | None = None,
    transport: Transport | None = None,
    clock: Callable[[], float] = time.time,
) -> Login:
    """Make a login of credentials. Only the metadata of an issuer is asked for yet.

    Args:
        profile: Where.
        credentials: Who.
        client: The client at the authorization server, when it is there already.
        transport: What sends to that server, instead of connection pools.
        clock: Unix seconds.

    Raises:
        ConfigError: The profile lacks what this kind of login needs.
        ServiceError: The issuer's metadata cannot be had.
    """
    if credentials.key:
        return Login(credentials, ApiKey(credentials.key, profile.key_place))
    token, reread = credentials.token, credentials.reread
    if token and not token.refresh:
        keeper = TokenKeeper((lambda _: reread()) if reread else None, token, clock)
        return Login(credentials, Bearer(keeper), keeper, client)
    if not credentials.client_id:
        raise ConfigError("A client secret needs a client id.")
    client = client or OAuthClient(
        profile, credentials.client_id, credentials.client_secret, transport=transport, clock=clock
    )
    keeper = TokenKeeper(_obtain(credentials, client), token, clock)
    return Login(credentials, Bearer(keeper), keeper, client)


def _obtain(who: Credentials, client: OAuthClient) -> Obtain:
    """What gets the next token: for a client as the first, for anybody else by the refresh token of the last."""
    client.server.url("token_url", client.profile)
    if who.token is None:  # whatever else came with it: a client needs no refresh token (RFC 6749 4.4.3)
        return lambda seen: grants.client_credentials(client, known=seen is not None)
    refresh = partial(grants.refresh, client)
    return Shared(client.profile, client.client_id, refresh) if who.is_remembered else refresh
