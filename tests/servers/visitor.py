"""A browser without a window: reads a page's form, fills it in, and follows redirects until one leaves the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

__all__ = ["Form", "Visitor", "visiting"]

STEPS = 12
OTHER = ("sign-out",)
NO = ("deny", "decline")


@dataclass
class Form:
    """What a page asks.

    Attributes:
        action: Where it goes; empty is the page itself.
        fields: Names and values, as a browser would send them.
        buttons: Name and value of each submit button.
    """

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def asks_password(self) -> bool:
        """Whether it is a login form."""
        return "password" in self.fields

    def button(self, *, allow: bool) -> dict[str, str]:
        """The field of the button that says yes, or of the one that says no; some servers leave one unnamed."""
        refusing = [button for button in self.buttons if not button[0] or button[1] in NO]
        agreeing = [button for button in self.buttons if button not in refusing and button[1] not in OTHER]
        return {name: value for name, value in (agreeing if allow else refusing)[:1] if name}


class _Reader(HTMLParser):
    """Collects forms. Buttons and inputs as HTML 5 has them; nothing about scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        kind = found.get("type", "submit" if tag == "button" else "text")
        if tag == "form":
            self.forms.append(Form(found.get("action", "")))
        elif not self.forms or tag not in {"input", "button"}:
            return
        elif kind in {"submit", "image"}:
            self.forms[-1].buttons.append((found.get("name", ""), found.get("value", "")))
        elif found.get("name") and (kind not in {"checkbox", "radio"} or "checked" in found):
            self.forms[-1].fields[found["name"]] = found.get("value", "on" if kind == "checkbox" else "")


class Visitor:
    """A person at a browser.

    Args:
        user: Their name.
        password: Their password.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self.client = httpx.Client(trust_env=False, verify=False)  # http on loopback: no proxy, no TLS context
        self.page: httpx.Response | None = None

    def open(self, url: str) -> httpx.Response:
        """Follow redirects within the server; the answer is a page, or a redirect that leaves."""
        return self._follow(self.client.get(url))

    def submit(self, values: Mapping[str, str] | None = None, *, allow: bool = True) -> httpx.Response:
        """Send the page's last form with these values filled in, by its yes or its no button."""
        form = self.form()
        fields = form.fields | form.button(allow=allow) | dict(values or {})
        page = self._page()
        headers = {"Referer": str(page.url), "Origin": f"{page.url.scheme}://{page.url.netloc.decode()}"}
        return self._follow(self.client.post(urljoin(str(page.url), form.action), data=fields, headers=headers))

    def form(self) -> Form:
        """The first form of the page."""
        reader = _Reader()
        reader.feed(self._page().text)
        return reader.forms[0]

    def log_in(self) -> httpx.Response:
        """Fill in the login form of the page."""
        (name,) = {"user", "username"} & self.form().fields.keys()
        return self.submit({name: self._user, "password": self._password})

    def authorize(self, url: str, *, allow: bool = True) -> str:
        """Open an authorization URL, log in where that is asked, decide, and say where it leads."""
        reply = self.open(url)
        for _ in range(STEPS):
            if reply.is_redirect:
                return reply.headers["location"]
            reply = self.log_in() if self.form().asks_password else self.submit(allow=allow)
        raise AssertionError(f"{url} does not lead back")

    def connect(self, url: str, user_code: str, *, allow: bool = True) -> str:
        """Open a device's verification address, enter the code, decide; returns the last page."""
        reply = self.open(url)
        for _ in range(STEPS):
            if "<form" not in reply.text:
                break
            form = self.form()
            if form.asks_password:
                reply = self.log_in()
            elif "user_code" in form.fields and len(form.buttons) == 1:
                reply = self.submit({"user_code": user_code})
            else:
                reply = self.submit(allow=allow)
        return reply.text

    def _page(self) -> httpx.Response:
        assert self.page is not None, "no page is open"
        return self.page

    def _follow(self, reply: httpx.Response) -> httpx.Response:
        for _ in range(STEPS):
            if not reply.is_redirect or not _same_origin(reply):
                break
            reply = self.client.get(urljoin(str(reply.url), reply.headers["location"]))
        self.page = reply
        return reply


@contextmanager
def visiting(user: str, password: str) -> Iterator[Visitor]:
    """A visitor for as long as the block lasts."""
    visitor = Visitor(user, password)
    with visitor.client:
        yield visitor


def _same_origin(reply: httpx.Response) -> bool:
    target = urlsplit(urljoin(str(reply.url), reply.headers["location"]))
    return (target.scheme, target.netloc) == (reply.url.scheme, reply.url.netloc.decode())
