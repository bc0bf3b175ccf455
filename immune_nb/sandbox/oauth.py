"""The authorization server, on authlib's server classes; it decides, this module connects it to Starlette.

Another grant is one class and one `register_grant`; another endpoint is one class and one `register_endpoint`.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidRequestError
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .bodies import FORM, content_type
from .clients import Client, FormRequest, InvalidTargetError, KeyAssertion, authenticate_basic
from .devices import DeviceAuthorization, DeviceCode
from .endpoints import Introspection, Issuer, Revocation, metadata
from .grants import AuthorizationCode, ClientCredentials, ProofKey, Refresh
from .store import Store, StoredToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from .faults import Faults
    from .roles import Role

__all__ = ["TokenServer"]

SEE_OTHER: Final = 303
METADATA: Final = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")


class Answer(Response):
    """Authlib's answer as Starlette's, with the property its extensions look for."""

    @property
    def location(self) -> str:
        """Where a redirect leads; empty for another answer."""
        return self.headers.get("location", "")

    @location.setter
    def location(self, url: str) -> None:
        self.headers["location"] = url


class TokenServer(AuthorizationServer):  # type: ignore[misc] # authlib ships no types
    """The authorization server.

    Args:
        store: Clients, tokens and sign-ins under way.
        role: Whose server it plays.
        issuer: Its own address (RFC 8414, 2).
        redirect_uris: Where its clients may ask to be led back to.
        now: Seconds since 1970.
        faults: Lifetimes and how they are announced, rotation, and the pace of devices, now.
    """

    def __init__(
        self,
        store: Store,
        role: Role,
        issuer: str,
        *,
        redirect_uris: tuple[str, ...],
        now: Callable[[], float],
        faults: Callable[[], Faults],
    ) -> None:
        super().__init__(scopes_supported=tuple(role.scopes))
        self.store = store
        self.role = role
        self.issuer = issuer
        self.now = now
        self.faults = faults
        self._redirect_uris = redirect_uris
        self.verification_uri = issuer + role.verify
        self._register()

    def _register(self) -> None:
        tokens = BearerTokenGenerator(_random, _random)
        self.register_token_generator("default", tokens)
        self.register_client_auth_method("client_secret_basic", authenticate_basic)
        audiences = [self.issuer, self.issuer + self.role.token]
        self.register_client_auth_method("private_key_jwt", KeyAssertion(self.store, audiences))
        self.register_grant(AuthorizationCode, [ProofKey()])
        self.register_grant(ClientCredentials)
        self.register_grant(Refresh)
        if self.role.device:
            self.register_grant(DeviceCode)
        self.register_endpoint(DeviceAuthorization(self))
        self.register_endpoint(Revocation())
        self.register_endpoint(Introspection())
        if self.role.announces_itself:
            self.register_extension(Issuer)

    def routes(self) -> list[Route]:
        """What answers where; not the pages for people."""
        role = self.role
        endpoints = {
            role.device: (DeviceAuthorization.ENDPOINT_NAME, ""),
            role.revoke: (Revocation.ENDPOINT_NAME, "token"),
            role.introspect: (Introspection.ENDPOINT_NAME, "token"),
        }
        routes = [Route(role.token, self.answer_token, methods=["POST"])]
        for path, (name, field) in endpoints.items():
            if path:
                routes.append(Route(path, partial(self.answer_endpoint, name=name, field=field), methods=["POST"]))
        if role.announces_itself:
            routes += [Route(path, self.show_metadata, methods=["GET"]) for path in METADATA]
        return routes

    async def answer_token(self, request: Request) -> Response:
        """The token endpoint (RFC 6749, 3.2)."""
        return await self._answer(request, "grant_type", self.create_token_response)

    async def answer_endpoint(self, request: Request, name: str, field: str) -> Response:
        """Any other endpoint a client posts a form to."""
        return await self._answer(request, field, partial(self.create_endpoint_response, name))

    async def show_metadata(self, _request: Request) -> Response:
        """RFC 8414, 3, and where OpenID Connect looks for the same."""
        return JSONResponse(metadata(self.role, self.issuer))

    async def _answer(self, request: Request, field: str, answer: Callable[[FormRequest], Response]) -> Response:
        """Read the form, which authlib cannot, and let authlib answer."""
        form = await request.form() if content_type(request) == FORM else FormData()
        try:
            asked = FormRequest(request, form)
            if field and not asked.form.get(field):
                raise InvalidRequestError(f"{field} is missing; the body must be form-encoded.")
        except OAuth2Error as error:
            return self.handle_response(*error())
        request.scope["grant"] = asked.form.get("grant_type", "")
        response = answer(asked)
        request.scope["caller"] = asked.client.client_id if asked.client else ""
        return response

    def query_client(self, client_id: str) -> Client | None:
        """Authlib's question to the store."""
        account = self.store.client(client_id)
        if account is None:
            return None
        more = self.store.get("registration", client_id) or {}
        uris = (*self._redirect_uris, *more.get("redirect_uris", ()))
        return Client(account, uris, self.role.any_loopback_port, more.get("jwks"))

    def save_token(self, token: dict[str, Any], request: FormRequest) -> None:
        """Keep a token, then dress its lifetime as the faults want it announced."""
        faults, source = self.faults(), request.refresh_token or request.authorization_code or request.credential
        stored = StoredToken(
            client_id=request.client.client_id,
            scope=token.get("scope", ""),
            expires_at=self.now() + faults.token_lifetime_s,
            user=source.user if source else "",
            family=source.family if source else secrets.token_hex(8),
            audience=_audience(request, source.audience if source else ()),
        )
        self.store.add_token(token["access_token"], stored)
        if "refresh_token" in token:
            ends = self.now() + faults.refresh_lifetime_s
            kept = replace(stored, kind="refresh", scope=source.get_scope(), expires_at=ends)
            self.store.add_token(token["refresh_token"], kept)
        token |= {"expires_in": _announced(faults)}
        if faults.expires_in == "missing":
            del token["expires_in"]

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """Already made: reading a form is asynchronous, authlib is not."""
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        """Authlib's answer as Starlette's; a redirect turns a form into a page (303; RFC 9700, 4.12)."""
        given = {name.lower(): text for name, text in headers}
        if "location" in given:
            return Answer(b"", SEE_OTHER, given | {"cache-control": "no-store"})
        if "error" in body and self.role.documentation:
            body |= {"request_id": secrets.token_hex(8), "documentation_url": self.role.documentation}
        given["content-type"] = "application/json"
        return Answer(json.dumps(body), status, given)

    def refuse(self, request: FormRequest, error: OAuth2Error) -> Response:
        """A refusal that leads back to the client, and says who sent it."""
        response: Response = self.handle_error_response(request, error)
        for extension in self._extensions:
            extension.add_issuer_parameter(self, response)
        return response

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""


def _random(**_: object) -> str:
    return secrets.token_urlsafe(32)


def _audience(request: FormRequest, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What a token is for: what is asked, within what was allowed at first (RFC 8707, 2.2)."""
    if allowed and not set(request.resources) <= set(allowed):
        raise InvalidTargetError
    return request.resources or allowed


def _announced(faults: Faults) -> object:
    """``expires_in`` as the faults want it."""
    seconds = faults.token_lifetime_s
    forms = {"string": str(int(seconds)), "float": seconds + 0.5, "zero": 0, "negative": -1}
    return forms.get(faults.expires_in, int(seconds))
