"""The two addresses a person opens: the authorization endpoint, and where a device's code is entered.

Both go the same way: who asks, who are you, may it. A request that cannot be trusted to lead back to its client is
answered here with a page (RFC 6749, 4.1.2.1); every other refusal leads back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError
from starlette.routing import Route

from .clients import FormRequest
from .devices import decide_device, find_device
from .grants import Approval

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from .oauth import TokenServer
    from .pages import Pages
    from .visitors import Visit, Visitors

__all__ = ["Consent"]

REFUSED = 400


class Consent:
    """Asks people.

    Args:
        server: Judges what clients ask for, and answers them.
        visitors: Who is at the browser.
        pages: What they see.
    """

    def __init__(self, server: TokenServer, visitors: Visitors, pages: Pages) -> None:
        self._server = server
        self._visitors = visitors
        self._pages = pages

    def routes(self) -> list[Route]:
        """What answers where."""
        role = self._server.role
        routes = [Route(role.authorize, self.authorize, methods=["GET", "POST"])]
        return routes + ([Route(role.verify, self.verify, methods=["GET", "POST"])] if role.verify else [])

    async def authorize(self, request: Request) -> Response:
        """The authorization endpoint (RFC 6749, 3.1 and 4.1.1; RFC 7636, 9207)."""
        try:
            asked = FormRequest(request, request.query_params)
        except OAuth2Error as error:
            return self._pages.message("This link does not work", error.description, REFUSED)
        try:
            grant = self._server.get_consent_grant(asked)
        except OAuth2Error as error:
            if error.redirect_uri:
                return self._server.refuse(asked, error)
            text = error.get_error_description() or error.error
            return self._pages.message("This link does not work", text, REFUSED)
        visit = await self._visitors.receive(request)
        return self._visitors.answer(request, visit, self._ask(visit, grant))

    def _ask(self, visit: Visit, grant: Any) -> Response:
        """The next page, or the end of it."""
        client, scopes = grant.client.client_id, grant.request.scope.split()
        if not visit.user:
            return self._pages.sign_in(visit, client)
        if visit.form.get("action") == "allow":
            approval = _approval(visit, scopes)
            return self._server.create_authorization_response(grant.request, grant_user=approval, grant=grant)  # type: ignore[no-any-return] # authlib ships no types
        if visit.form.get("action") == "deny":
            return self._server.refuse(grant.request, _declined(grant))
        return self._pages.consent(visit, client, scopes, leads_to=grant.redirect_uri)

    async def verify(self, request: Request) -> Response:
        """Where a person enters a device's code (RFC 8628, 3.3)."""
        visit = await self._visitors.receive(request)
        return self._visitors.answer(request, visit, self._look(visit, request.query_params.get("user_code", "")))

    def _look(self, visit: Visit, linked: str) -> Response:
        """The next page, or the end of it."""
        if not visit.user:
            return self._pages.sign_in(visit, "your notebook")
        typed = str(visit.form.get("user_code", ""))
        if not typed:
            return self._pages.enter_code(visit, linked)
        record = find_device(self._server.store, typed)
        if record is None or record["decision"] or record["ends"] <= self._server.now():
            return self._pages.enter_code(visit, typed, "There is no such code, or its time is over.")
        if visit.form.get("action") not in {"allow", "deny"}:
            return self._pages.consent(visit, record["client_id"], record["scope"].split(), code=record["user_code"])
        approval = _approval(visit, record["scope"].split()) if visit.form["action"] == "allow" else None
        decide_device(self._server.store, record, approval)
        if approval is None:
            return self._pages.message("Declined", "The notebook gets no access. You can close this tab.")
        return self._pages.message("Signed in", "Go back to your notebook. You can close this tab.")


def _approval(visit: Visit, scopes: list[str]) -> Approval | None:
    """What was ticked; nothing ticked is a no."""
    ticked = " ".join(scope for scope in scopes if f"scope:{scope}" in visit.form)
    return Approval(visit.user, ticked) if ticked else None


def _declined(grant: Any) -> OAuth2Error:
    """RFC 6749, 4.1.2.1."""
    return AccessDeniedError(state=grant.request.payload.state, redirect_uri=grant.redirect_uri)
