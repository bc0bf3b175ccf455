"""How a request is signed. Each scheme is an `httpx.Auth`: it knows the request, and nothing of who sends it."""

from __future__ import annotations

from collections.abc import Generator
from typing import NoReturn

import httpx

from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import TokenKeeper
from immune_nb.profiles import KeyPlace

__all__ = ["ApiKey", "Bearer"]

Flow = Generator[httpx.Request, httpx.Response, None]


class ApiKey(httpx.Auth):
    """An API key, in the header or query parameter that the profile names (api-contract 1.1, 2)."""

    def __init__(self, key: Secret, place: KeyPlace) -> None:
        self._key = key
        self._place = place

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Sign once; a refused key is refused for good."""
        text = self._place.template.replace("{key}", self._key.reveal())
        if self._place.in_query:
            request.url = request.url.copy_set_param(self._place.name, text)
        else:
            request.headers[self._place.name] = text
        del text
        yield request

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A login cannot be pickled or copied.")


class Bearer(httpx.Auth):
    """A bearer token (RFC 6750 2.1), replaced once when the server answers 401."""

    def __init__(self, keeper: TokenKeeper) -> None:
        self._keeper = keeper

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Sign; after a 401 sign again with a newer token, if one can be had."""
        token = self._keeper.usable()
        request.headers["Authorization"] = f"Bearer {token.access.reveal()}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED and self._keeper.is_renewable:
            del request.headers["Authorization"]  # `replace` may raise, and a traceback would keep it
            request.headers["Authorization"] = f"Bearer {self._keeper.replace(token).access.reveal()}"
            yield request

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A login cannot be pickled or copied.")
