"""Who asks, and how often: API keys, bearer tokens, scopes and the rate limit (api-contract 1.1, 1.5).

Bearer tokens are judged by authlib's `ResourceProtector` (RFC 6750); an API key is a validator beside it, since
``Authorization: ApiKey …`` has the same shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from authlib.oauth2 import OAuth2Error, ResourceProtector
from authlib.oauth2.rfc6750 import BearerTokenValidator
from starlette.requests import Request

from .clients import Credential
from .problems import Problem
from .store import Store, StoredToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .faults import Faults
    from .roles import Role

__all__ = ["Guard", "Meter", "protector"]

ANYONE: Final = "anonymous"


@dataclass(frozen=True)
class Usage:
    """Where a caller stands in the current window."""

    limit: int
    used: int
    resets_in: float
    resets_at: float

    def headers(self, faults: Faults) -> dict[str, str]:
        """The three documented headers; the form of the last is our assumption."""
        forms = {"seconds": self.resets_at, "milliseconds": self.resets_at * 1000, "delta": self.resets_in}
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, self.limit - self.used)),
            "x-ratelimit-reset": str(math.ceil(forms[faults.rate_reset])),
        }


class Meter:
    """Counts requests per caller in fixed windows.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[int, int]] = {}

    def count(self, caller: str, faults: Faults) -> Usage:
        """Count one request."""
        now = self._clock()
        window = int(now // faults.rate_window_s)
        held, used = self._counts.get(caller, (window, 0))
        used = used + 1 if held == window else 1
        self._counts[caller] = (window, used)
        ends = (window + 1) * faults.rate_window_s
        return Usage(faults.rate_limit, used, ends - now, ends)

    def clear(self) -> None:
        """Start counting anew."""
        self._counts.clear()


class TokenValidator(BearerTokenValidator):  # type: ignore[misc] # authlib ships no types
    """RFC 6750: a bearer token is good while the store says so, and where it is meant for (RFC 8707)."""

    def __init__(self, store: Store, clock: Callable[[], float], base_url: str) -> None:
        super().__init__(realm="immune")
        self._store = store
        self._clock = clock
        self._base_url = base_url

    def authenticate_token(self, token_string: str) -> Credential | None:
        """Look a token up."""
        held = self._store.token(token_string)
        if held is None or held.kind != "access" or not self._is_meant(held.audience):
            return None
        return Credential(held, self._clock())

    def _is_meant(self, audience: tuple[str, ...]) -> bool:
        return not audience or any((self._base_url + "/").startswith(uri.rstrip("/") + "/") for uri in audience)


class KeyValidator(BearerTokenValidator):  # type: ignore[misc] # authlib ships no types
    """``Authorization: ApiKey <key>`` (api-contract 1.1): like a bearer token that never expires."""

    TOKEN_TYPE = "apikey"  # noqa: S105 - the scheme's name

    def __init__(self, store: Store) -> None:
        super().__init__(realm="immune")
        self._store = store

    def authenticate_token(self, token_string: str) -> Credential | None:
        """Look a key up."""
        account = self._store.account_of_key(token_string)
        return Credential(StoredToken(account.id, account.scope, expires_at=1.0)) if account else None


def protector(store: Store, clock: Callable[[], float], base_url: str) -> ResourceProtector:
    """What judges every request to the API."""
    judge = ResourceProtector()
    judge.register_token_validator(TokenValidator(store, clock, base_url))
    judge.register_token_validator(KeyValidator(store))
    return judge


class Guard:
    """The middleware before the whole API.

    Args:
        app: What lies behind.
        protector: Judges credentials.
        meter: Counts.
        faults: What to break, now.
        role: Which paths are the API's, and their scopes.
        key_in: Where an API key is looked for beside the header.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        protector: ResourceProtector,
        meter: Meter,
        faults: Callable[[], Faults],
        role: Role,
        key_in: str,
    ) -> None:
        self.app = app
        self._protector = protector
        self._meter = meter
        self._faults = faults
        self._role = role
        self._key_in = key_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer 401, 403 or 429."""
        if scope["type"] != "http" or not self._role.guards(scope["path"]):
            await self.app(scope, receive, send)
            return
        faults = self._faults()
        caller, problem = self._judge(Request(scope))
        scope["caller"] = caller
        usage = self._meter.count(caller, faults)
        if usage.used > usage.limit:
            problem = _too_many(usage, faults)
        app = problem.response(self._role.envelope) if problem else self.app
        await app(scope, receive, _adding(usage.headers(faults), send) if faults.rate_announced else send)

    def _judge(self, request: Request) -> tuple[str, Problem | None]:
        """Who asks, and why they may not."""
        scopes = self._role.scopes_for(request.method, request.scope["path"])
        try:
            found = self._protector.validate_request(scopes, self._presented(request))
        except OAuth2Error as error:
            return ANYONE, _refusal(error, " ".join(scopes))
        request.scope["user"] = found.user
        return str(found.client_id), None

    def _presented(self, request: Request) -> Request:
        """The request with its credential where RFC 6750 looks for one, wherever it came from."""
        key = None
        if self._key_in == "query":
            key = request.query_params.get("api_key")
        elif self._key_in == "x-api-key":
            key = request.headers.get("x-api-key")
        if key is None:
            return request
        headers = [(b"authorization", b"ApiKey " + key.encode())]
        return Request({"type": "http", "method": request.method, "headers": headers})


def _refusal(error: OAuth2Error, scope: str) -> Problem:
    """Authlib's verdict in the contract's envelope, its ``WWW-Authenticate`` kept (RFC 6750, 3)."""
    if error.status_code == 403:  # noqa: PLR2004
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        message = f"This credential does not have the scope {scope!r}."
        return Problem("INSUFFICIENT_SCOPE", message, headers={"www-authenticate": challenge})
    given = {name.lower(): value for name, value in error.get_headers()}
    challenge = given.get("www-authenticate", "Bearer")
    message = error.description or "The credential is missing, unknown, expired or revoked."
    return Problem("AUTHENTICATION_ERROR", message, headers={"www-authenticate": challenge})


def _too_many(usage: Usage, faults: Faults) -> Problem:
    headers = {"retry-after": str(math.ceil(usage.resets_in))} if faults.rate_announced else {}
    return Problem("RATE_LIMIT_EXCEEDED", f"More than {usage.limit} requests in this window.", headers=headers)


def _adding(headers: dict[str, str], send: Send) -> Send:
    """A `send` that adds headers to the answer."""
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return sending
