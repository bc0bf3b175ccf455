"""How a new access token is had exactly once.

Renewal is single-flight. It runs on a thread of its own, so that an interrupted cell, a cancelled task or any
number of waiting threads share one request to the token endpoint and adopt its outcome.
"""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from immune_nb.auth.secrets import Unshared
from immune_nb.auth.tokens import Token
from immune_nb.errors import (
    BadReplyError,
    ImmuneError,
    LoginRejectedError,
    NoCredentialsError,
    ServiceError,
    SessionExpiredError,
)

__all__ = ["Obtain", "TokenKeeper"]

MOMENT = 1.0  # seconds; most renewals take less
WHILE_NEW = 60.0  # seconds

Obtain = Callable[[Token | None], Token]


class TokenKeeper(Unshared):
    """Holds the token of one login and renews it, once, for all who ask.

    Args:
        obtain: Gets the token after the given one from the server; None where it cannot be renewed.
        token: The token to start with, if there is one.
        clock: Seconds, as `time.time` gives.
    """

    def __init__(
        self,
        obtain: Obtain | None,
        token: Token | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._obtain = obtain
        self._token = token
        self._clock = clock
        self._lock = threading.Lock()
        self._flight: Future[Token | ImmuneError] | None = None
        self._dead: tuple[Token, SessionExpiredError] | None = None
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
        return self._renewed_at_once(token) if token and token.seconds_left(now) else self.replace(token)

    def _renewed_at_once(self, good: Token) -> Token:
        """The token after one that is good for a while, if it comes at once; else that one.

        How the renewal fares is not the query's problem yet. Who begins it waits for a moment, as a process that ends
        would take it along; who comes while it is under way does not wait.
        """
        patience = 0.0 if self._flight else MOMENT
        with suppress(ImmuneError, TimeoutError):
            outcome = self._flight_from(good).result(patience)
            if isinstance(outcome, Token):
                return outcome
        return good

    def replace(self, seen: Token | None) -> Token:
        """The token that comes after `seen`. Whoever comes second gets what the first one got.

        Raises:
            LoginError: The server refuses a new one, or none can be had.
            ServiceError: The token endpoint does not answer.
        """
        outcome = self._flight_from(seen).result()
        if isinstance(outcome, ImmuneError):
            mine = copy.copy(outcome)  # each waiter its own, with its own traceback
            if isinstance(mine, ServiceError):
                mine.reached = False  # the token endpoint was asked; the request that needs the token was not sent
            raise mine
        return outcome

    def renew_by(self, obtain: Obtain) -> None:
        """Renew in another way from now on."""
        with self._lock:
            self._obtain, self._dead = obtain, None

    def is_new(self, token: Token) -> bool:
        """Whether a token was had within the last minute."""
        return 0 <= self._clock() - token.received_at < WHILE_NEW

    def land(self, seconds: float) -> tuple[Token | None, bool]:
        """Renew no more: the last token, and whether a renewal under way was over in that many seconds."""
        with self._lock:
            self._obtain, flight = None, self._flight
        try:
            landed = flight.result(seconds) if flight else None
        except TimeoutError:
            return self._token, False
        return landed if isinstance(landed, Token) else self._token, True

    def forget(self) -> None:
        """Drop the token and the means to get another."""
        with self._lock:
            self._token = self._obtain = self._dead = None

    def _flight_from(self, seen: Token | None) -> Future[Token | ImmuneError]:
        """The renewal under way, or a new one; one that is over where there is a newer token already."""
        if self._pid != os.getpid():  # before the lock: a fork may have copied it locked
            raise NoCredentialsError("A forked process has no login.", hint="Call connect() in it.")
        with self._lock:
            if self._token is None or self._token is seen:
                return self._flight or self._take_off(seen)
            landed: Future[Token | ImmuneError] = Future()
            landed.set_result(self._token)
            return landed

    def _take_off(self, seen: Token | None) -> Future[Token | ImmuneError]:
        if self._obtain is None:
            raise SessionExpiredError("This access token cannot be renewed.", hint="Log in again.")
        if self._dead and self._dead[0] is seen:  # a refresh token that was refused stays refused: ask no more
            raise copy.copy(self._dead[1])
        flight: Future[Token | ImmuneError] = Future()
        thread = threading.Thread(target=self._renew, args=(flight, self._obtain, seen), daemon=True)
        self._flight = flight
        try:
            thread.start()
        except BaseException:
            if thread not in threading.enumerate():  # interrupted before it began; else it will land
                self._flight = None
            raise
        return flight

    def _renew(self, flight: Future[Token | ImmuneError], obtain: Obtain, seen: Token | None) -> None:
        outcome: Token | ImmuneError
        try:
            outcome = _lasting(obtain(seen), self._clock())
        except SessionExpiredError as error:
            outcome = error.with_traceback(None)
            self._dead = (seen, outcome) if seen else None
        except LoginRejectedError as error:  # not of the login itself: what it is about may be put right
            outcome = SessionExpiredError(error.message, hint=error.hint) if seen else error.with_traceback(None)
        except ImmuneError as error:
            outcome = error.with_traceback(None)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            outcome = BadReplyError(f"Getting a token failed ({type(error).__name__}).")
        with self._lock:
            self._flight = None
            if isinstance(outcome, Token) and self._obtain is not None:
                self._token = outcome
        flight.set_result(outcome)


def _lasting(token: Token, now: float) -> Token:
    """A token that is due as soon as it is had is used until it is refused: else each request would renew it."""
    return replace(token, expires_in=None) if token.is_due(now) else token
