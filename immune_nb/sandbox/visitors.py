"""Who is at the browser: a cookie, a password, and a proof that a form came from our own page.

Cookies know no ports, so each sandbox names its own; a form is taken only with the token that its page was given,
which is the digest of the visitor's cookie and thus says nothing to anybody else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse

from .store import Store, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Visit", "Visitors"]

FORBIDDEN, SEE_OTHER = 403, 303
STALE: Final = "This page was too old. Please try again."
WRONG: Final = "User name or password are wrong."


@dataclass(frozen=True)
class Visit:
    """One request by a browser.

    Attributes:
        cookie: What the browser is known by.
        user: Who signed in at it; empty for nobody.
        form: What was sent; empty for a page that is only looked at.
        notice: What the next page must say first.
        status: The status of that page.
        moved: Whether the page must be asked for again, as somebody else now.
    """

    cookie: str
    user: str = ""
    form: Mapping[str, Any] = field(default_factory=dict)
    notice: str = ""
    status: int = 200
    moved: bool = False

    @property
    def token(self) -> str:
        """What a form must bring back."""
        return digest("form " + self.cookie)


class Visitors:
    """Signs people in and out.

    Args:
        store: Keeps who is signed in.
        user: The only one there is.
        password: Their password.
    """

    def __init__(self, store: Store, user: str, password: str) -> None:
        self._store = store
        self.user = user
        self._password = digest(password)

    async def receive(self, request: Request) -> Visit:
        """Read a request; a form that signs in or out is dealt with here."""
        cookie = request.cookies.get(_name(request)) or secrets.token_urlsafe(24)
        known = self._store.get("browser", digest(cookie))
        visit = Visit(cookie, known["user"] if known else "")
        if request.method != "POST":
            return visit
        form = dict(await request.form())
        if not secrets.compare_digest(str(form.get("form_token", "")).encode(), visit.token.encode()):
            return Visit(cookie, visit.user, notice=STALE, status=FORBIDDEN)
        match form.get("action"):
            case "sign-in":
                return self._sign_in(cookie, form)
            case "sign-out":
                self._store.remove("browser", digest(cookie))
                return Visit(secrets.token_urlsafe(24), moved=True)
        return Visit(cookie, visit.user, form)

    def _sign_in(self, cookie: str, form: Mapping[str, Any]) -> Visit:
        """A new cookie for whoever knows the password, so that one planted before is worth nothing."""
        name, password = str(form.get("user", "")), str(form.get("password", ""))
        known = secrets.compare_digest(digest(name), digest(self.user))
        if not secrets.compare_digest(digest(password), self._password) or not known:
            return Visit(cookie, notice=WRONG, status=FORBIDDEN)
        fresh = secrets.token_urlsafe(24)
        self._store.put("browser", {"id": digest(fresh), "user": name})
        return Visit(fresh, name, moved=True)

    def answer(self, request: Request, visit: Visit, page: Response) -> Response:
        """A page, or the way back to it, with the visitor's cookie."""
        if visit.moved:
            page = RedirectResponse(_here(request), SEE_OTHER)
        page.set_cookie(_name(request), visit.cookie, httponly=True, samesite="lax")
        return page


def _name(request: Request) -> str:
    return f"sandbox_{request.url.port}"


def _here(request: Request) -> str:
    """The path asked for, as it was asked for; never another host."""
    return request.url.path + ("?" + request.url.query if request.url.query else "")
