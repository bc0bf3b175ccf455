"""How a request is signed. Each scheme is an `httpx.Auth`: it knows the request, and nothing of who sends it."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

import httpx

from immune_nb.addresses import KeyPlace
from immune_nb.auth.renewal import TokenKeeper
from immune_nb.auth.secrets import Secret, Unshared
from immune_nb.auth.tokens import Token
from immune_nb.challenges import read_challenge

__all__ = ["ApiKey", "Bearer", "Scheme"]

Flow = Generator[httpx.Request, httpx.Response, None]


class Scheme(Unshared, httpx.Auth):
    """A way to sign; this one does not."""

    def held(self) -> tuple[str, ...]:
        """The secrets that a request may have carried. Pass them on, keep them in no variable."""
        return ()


class ApiKey(Scheme):
    """An API key, in the header or query parameter that the profile names (api-contract 1.1, 2)."""

    def __init__(self, key: Secret, place: KeyPlace) -> None:
        self._key = key
        self._place = place

    def held(self) -> tuple[str, ...]:
        """The key."""
        return (self._key.reveal(),)

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Sign once; a refused key is refused for good."""
        text = self._place.template.replace("{key}", self._key.reveal())
        if self._place.in_query:
            request.url = request.url.copy_set_param(self._place.name, text)
        else:
            request.headers[self._place.name] = text
        del text
        yield request


class Bearer(Scheme):
    """A bearer token (RFC 6750 2.1), replaced once when the server refuses it."""

    def __init__(self, keeper: TokenKeeper) -> None:
        self._keeper = keeper
        self._sent: deque[Token] = deque(maxlen=3)  # a slow answer may repeat one that others have replaced meanwhile
        self._refused: Token | None = None

    def held(self) -> tuple[str, ...]:
        """The tokens sent last."""
        return tuple(token.access.reveal() for token in list(self._sent))

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Sign; after a refusal sign again with a newer token, if one can be had."""
        token = self._keeper.usable()
        request.headers["Authorization"] = self._signature(token)
        response = yield request
        if self._keeper.is_renewable and _may_be_the_token(response) and not self._is_in_vain(response, token):
            del request.headers["Authorization"]  # `replace` may raise, and a traceback would keep it
            newer = self._keeper.replace(token)
            request.headers["Authorization"] = self._signature(newer)
            response = yield request
            self._refused = newer if _may_be_the_token(response) else None

    def _signature(self, token: Token) -> str:
        if token not in list(self._sent):  # a copy, as other threads append
            self._sent.append(token)
        return f"Bearer {token.access.reveal()}"

    def _is_in_vain(self, response: httpx.Response, token: Token) -> bool:
        """Whether a newer token met the same, so that the token is not the reason: for a 401, for a minute."""
        lasts = response.status_code == httpx.codes.FORBIDDEN or self._keeper.is_new(token)
        return token is self._refused and lasts


def _may_be_the_token(response: httpx.Response) -> bool:
    """Whether the token may be the reason: a 401, or a 403 without a word, which some servers send instead.

    A newer one does not help where the service says that a scope is missing (RFC 6750 3.1).
    """
    said = read_challenge(response.headers.get("www-authenticate", "")).error
    if said == "insufficient_scope":
        return False
    if response.status_code == httpx.codes.UNAUTHORIZED or (response.is_client_error and said == "invalid_token"):
        return True
    silent = not response.content and "www-authenticate" not in response.headers
    return response.status_code == httpx.codes.FORBIDDEN and silent
