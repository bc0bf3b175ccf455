"""Access tokens: how long one may be used, and how a new one is had exactly once.

Renewal is single-flight. It runs on a thread of its own, so that an interrupted cell, a cancelled task or any
number of waiting threads share one request to the token endpoint and adopt its outcome.
"""

from __future__ import annotations

import copy
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NoReturn

from immune_nb.auth.secrets import Secret
from immune_nb.errors import (
    BadReplyError,
    ConfigError,
    ImmuneError,
    NoCredentialsError,
    ServiceError,
    SessionExpiredError,
    quoted,
)

__all__ = ["Token", "TokenKeeper"]

LEEWAY_SECONDS = 60.0
LEEWAY_SHARE = 0.1


@dataclass(frozen=True)
class Token:
    """One access token (RFC 6749 5.1).

    Args:
        access: What is sent as the bearer token (RFC 6750).
        received_at: When it arrived, in seconds of the keeper's clock.
        expires_in: Its lifetime in seconds; None when the server did not say, or said nonsense.
        scopes: Scopes granted, where the server names them.
    """

    access: Secret
    received_at: float = 0.0
    expires_in: float | None = None
    scopes: tuple[str, ...] = ()

    @classmethod
    def from_reply(cls, reply: dict[str, Any], now: float) -> Token:
        """Read a token endpoint's reply.

        Raises:
            BadReplyError: It holds no usable bearer token. No value of it is quoted but `token_type`.
        """
        kind = reply.get("token_type") or "Bearer"
        if str(kind).lower() != "bearer":
            raise BadReplyError(f"The token endpoint gave a token of type {quoted(kind, 40)!r}, not Bearer.")
        return cls(_access_token(reply), now, _lifetime(reply.get("expires_in")), _scopes(reply.get("scope")))

    def seconds_left(self, now: float) -> float | None:
        """Seconds until it expires, never below 0; None when its lifetime is unknown."""
        return None if self.expires_in is None else max(0.0, self.received_at + self.expires_in - now)

    def is_due(self, now: float) -> bool:
        """Whether to renew it now: within the lesser of 60 s and a tenth of its life from expiry."""
        left = self.seconds_left(now)
        if left is None or self.expires_in is None:
            return False
        return left <= min(LEEWAY_SECONDS, LEEWAY_SHARE * self.expires_in)


class TokenKeeper:
    """Holds the token of one login and renews it, once, for all who ask.

    Args:
        obtain: Gets a new token from the server; None for a pasted token, which cannot be renewed.
        token: The token to start with, if there is one.
        clock: Seconds, as `time.time` gives.
    """

    def __init__(
        self,
        obtain: Callable[[], Token] | None,
        token: Token | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._obtain = obtain
        self._token = token
        self._clock = clock
        self._lock = threading.Lock()
        self._flight: Future[Token | ImmuneError] | None = None
        self._pid = os.getpid()

    @property
    def is_renewable(self) -> bool:
        """Whether a new token can be had without asking anybody."""
        return self._obtain is not None

    @property
    def token(self) -> Token | None:
        """The token held now, as it is."""
        return self._token

    def seconds_left(self) -> float | None:
        """Seconds until the held token expires; None when unknown or there is none."""
        return self._token.seconds_left(self._clock()) if self._token else None

    def usable(self) -> Token:
        """A token good for the next request, renewed if it is about to expire.

        Raises:
            LoginError: There is no token and none can be had.
            ServiceError: The token endpoint does not answer, and the old token has run out.
        """
        token, now = self._token, self._clock()
        if token is not None and not (self.is_renewable and token.is_due(now)):
            return token
        try:
            return self.replace(token)
        except ServiceError:
            if token is not None and token.seconds_left(now):
                return token  # still good for a while: the outage is not the query's problem yet
            raise

    def replace(self, seen: Token | None) -> Token:
        """The token that comes after `seen`. Whoever comes second gets what the first one got.

        Raises:
            LoginError: The server refuses a new one, or none can be had.
            ServiceError: The token endpoint does not answer.
        """
        if self._pid != os.getpid():  # before the lock: a fork may have copied it locked
            raise NoCredentialsError("A forked process has no login.", hint="Call connect() in it.")
        with self._lock:
            if self._token is not None and self._token is not seen:
                return self._token
            flight = self._flight = self._flight or self._take_off()
        outcome = flight.result()
        if isinstance(outcome, ImmuneError):
            raise copy.copy(outcome)  # each waiter its own, with its own traceback
        return outcome

    def forget(self) -> None:
        """Drop the token and the means to get another."""
        with self._lock:
            self._token = self._obtain = None

    def _take_off(self) -> Future[Token | ImmuneError]:
        if self._obtain is None:
            raise SessionExpiredError("This access token cannot be renewed.", hint="Log in again.")
        flight: Future[Token | ImmuneError] = Future()
        threading.Thread(target=self._renew, args=(flight, self._obtain), daemon=True).start()
        return flight

    def _renew(self, flight: Future[Token | ImmuneError], obtain: Callable[[], Token]) -> None:
        outcome: Token | ImmuneError
        try:
            outcome = obtain()
        except ImmuneError as error:
            outcome = error.with_traceback(None)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            outcome = BadReplyError(f"Getting a token failed ({type(error).__name__}).")
        with self._lock:
            self._flight = None
            if isinstance(outcome, Token) and self._obtain is not None:
                self._token = outcome
        flight.set_result(outcome)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A login cannot be pickled or copied.")


def _access_token(reply: dict[str, Any]) -> Secret:
    text = reply.get("access_token")
    fault = BadReplyError("The token endpoint's answer holds no usable access_token.")
    if not isinstance(text, str) or not text.strip():
        raise fault
    try:
        return Secret(text, "access token")
    except ConfigError:
        pass
    raise fault


def _lifetime(value: object) -> float | None:
    """`expires_in` as servers really send it: number, text, missing, zero or negative."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _scopes(value: object) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else ()
