"""One remembered login in several kernels: its refresh token is renewed by one of them at a time.

Whoever comes second adopts what the first one got. What is remembered by then as another login is left alone, and
so is that this one was forgotten: a kernel that goes on, goes on with its own token.
"""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from dataclasses import replace

from immune_nb.auth import keep
from immune_nb.auth.places import alone
from immune_nb.auth.renewal import Obtain
from immune_nb.auth.secrets import Unshared
from immune_nb.auth.tokens import Token, differ
from immune_nb.errors import ConfigError, ImmuneWarning, UnreachableError
from immune_nb.profiles import Profile

__all__ = ["Shared"]

LONGEST_RENEWAL = 60.0  # seconds


class Shared(Unshared):
    """Gets the token after a given one, among all kernels that remember the login; see `tokens.Obtain`.

    Args:
        profile: Whose login it is.
        client_id: Its client.
        obtain: Gets that token from the server.
        patience: Seconds to wait for another kernel that renews.
    """

    def __init__(
        self, profile: Profile, client_id: str, obtain: Obtain, *, patience: float = LONGEST_RENEWAL
    ) -> None:
        self._profile = profile
        self._client_id = client_id
        self._obtain = obtain
        self._patience = patience
        self._unkept: Token | None = None  # newer than what is remembered, which the server takes no more

    def __call__(self, seen: Token | None) -> Token:
        """The token after `seen`.

        Raises:
            ConfigError: What is remembered cannot be read.
            LoginError: The server refuses a new one.
            ServiceError: It does not answer, or another kernel renews and does not come to an end.
        """
        name = self._profile.name
        with alone(name, self._patience) as is_alone:
            if not is_alone:
                raise UnreachableError(
                    f"Another kernel has been renewing the login to {name!r} for {self._patience:,.0f} s.",
                    hint="End the one that hangs, or log in again.",
                    transient=False,
                )
            return self._next(seen)

    def _next(self, seen: Token | None) -> Token:
        record = keep.recall(self._profile)
        if isinstance(record, str) or record.token is None or self._is_anothers(record, record.token, seen):
            return self._obtain(seen)
        newest = self._unkept or record.token
        if seen and newest.access.reveal() != seen.access.reveal() and not newest.is_due(time.time()):
            return newest
        token = self._obtain(newest)
        self._keep(replace(record, token=token), record)
        return token

    def _is_anothers(self, record: keep.Record, kept: Token, seen: Token | None) -> bool:
        """Whether what is remembered is the login of another client or person."""
        if seen is None or record.client_id != self._client_id:
            return record.client_id != self._client_id
        return seen.is_anothers(kept) or differ(seen.account, kept.account)

    def _keep(self, record: keep.Record, former: keep.Record) -> None:
        self._unkept = record.token
        try:
            keep.remember(self._profile, record, after=former)
        except ConfigError as error:
            said = f"The renewed login is good for this kernel only, and the next has to log in: {error.message}"
        else:
            self._unkept = None
            return
        with suppress(ImmuneWarning):  # where warnings are errors, this one must not cost the token
            warnings.warn(said, ImmuneWarning, stacklevel=2)
