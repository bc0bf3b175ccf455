"""Two clients behind one handle: ours, and one as tutorials write it, which every probe of the login must catch.

The naive client is honest work: it signs in at a decent server, fetches pages, renews its token and logs out. It
trusts what it is told, as most do. Nothing in it is wrong on purpose but what is left out.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

import immune_nb as im
from immune_nb.auth.chain import Credentials
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.notebook.invitation import invitation_to
from immune_nb.pending import PendingLogin
from immune_nb.session import Session
from servers.scripted import Scripted

__all__ = ["Naive", "Ours", "RefusedError"]

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPES = ("read", "write")
RESOURCES = ("https://api.lab.example", "urn:lab:files")


class RefusedError(Exception):
    """A client will not do it."""


class Ours:
    """The package, as the magic uses it.

    Args:
        there: The authorization server, and the API.
        changes: What the profile says otherwise.
    """

    def __init__(self, there: Scripted, **changes: Any) -> None:
        self.there, self.others = there, []
        base = {"issuer": there.origin, "client_id": "me", "scopes": SCOPES, "resources": RESOURCES}
        self.profile = im.Profile("lab", f"{there.origin}/api", **(base | changes))
        self.url = self.said = ""
        self.interval = 0.0
        self.pending: PendingLogin | None = None
        self.session: Session | None = None

    def another(self, **changes: Any) -> Ours:
        """A second client of the kind, closed with this one."""
        self.others.append(Ours(self.there, **changes))
        return self.others[-1]

    def start(self, method: str = "browser") -> None:
        """Begin a sign-in; `url` is to be opened."""
        try:
            self.pending = PendingLogin(self.profile, method, environ={})
        except im.ImmuneError as error:
            self.said = str(error)
            raise RefusedError(self.said) from None
        self.url, self.said = self.pending.url, str(invitation_to(self.pending))

    def finish(self) -> bool:
        """Whether the sign-in has come to a token."""
        try:
            self.session = self.pending.poll()
        except im.ImmuneError as error:
            self.said = str(error)
        self.interval = self.pending.interval
        return self.session is not None

    def hold(self, **fields: Any) -> None:
        """Be logged in with a token, as after a sign-in some time ago."""
        token = Token(
            Secret(fields.get("access", "at0")),
            time.time() - fields.get("age", 0),
            fields.get("life", 3600.0),
            SCOPES,
            Secret(fields.get("refresh", "rt0")),
            "ann",
            "ann",
        )
        self.session = Session(self.profile, Credentials("held", token=token, client_id="me", sign_in="browser"))

    def fetch(self, path: str = "/items") -> list[str]:
        """Ids of all pages."""
        try:
            return list(self.session.get(path).get("id", []))
        except im.ImmuneError as error:
            self.said = str(error)
            raise RefusedError(self.said) from None

    def renew(self) -> None:
        """Get a new token now."""
        try:
            self.session.renew()
        except im.ImmuneError as error:
            self.said = str(error)
            raise RefusedError(self.said) from None

    def log_out(self) -> str:
        """What is said of it."""
        return self.session.logout()

    def close(self) -> None:
        """Let go of everything."""
        for other in self.others:
            other.close()
        if self.pending:
            self.pending.cancel()
        if self.session:
            self.session.close()


class _Landing(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        """Take what comes for the answer, and show what it says."""
        query = parse_qs(urlsplit(self.path).query)
        self.server.answer = self.server.answer or query
        said = query.get("error_description", ["Thank you, you may close this window."])[0]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"<h1>{said}</h1>".encode())

    def log_message(self, *args: Any) -> None:
        """Quiet, for the tests' sake."""


class Naive:
    """A client as people write it; the same handle as `Ours`."""

    def __init__(self, there: Scripted, **changes: Any) -> None:
        self.there, self.others = there, []
        self.issuer = changes.get("issuer", there.origin)
        self.redirect_uri = changes.get("redirect_uri")
        self.http = httpx.Client(follow_redirects=True, trust_env=False, timeout=2)
        self.url = self.said = ""
        self.interval = 0.0
        self.device: dict[str, Any] = {}
        self.reply: dict[str, Any] = {}
        self.expires_at = 0.0
        self.listener: HTTPServer | None = None

    def another(self, **changes: Any) -> Naive:
        """A second client of the kind, closed with this one."""
        self.others.append(Naive(self.there, **changes))
        return self.others[-1]

    def start(self, method: str = "browser") -> None:
        """Begin a sign-in."""
        self.server = self.http.get(f"{self.issuer}/.well-known/oauth-authorization-server").json()
        if method == "device":
            form = {"client_id": "me", "scope": " ".join(SCOPES)}
            self.device = self.http.post(self.server["device_authorization_endpoint"], data=form).json()
            self.said, self.interval = json.dumps(self.device), self.device.get("interval", 1)
            return
        port = urlsplit(self.redirect_uri or "").port or 0
        self.listener = HTTPServer(("127.0.0.1", port), _Landing)
        self.listener.answer = {}
        threading.Thread(target=self.listener.serve_forever, args=(0.01,), daemon=True).start()
        self.landing = f"http://localhost:{self.listener.server_port}/callback"
        asked = {"response_type": "code", "client_id": "me", "redirect_uri": self.landing, "state": "xyz"}
        self.url = f"{self.server['authorization_endpoint']}?{urlencode(asked)}"

    def finish(self) -> bool:
        """Whether there is a token."""
        form = {"client_id": "me"}
        if self.device:
            form |= {"grant_type": DEVICE_CODE, "device_code": self.device["device_code"]}
        elif self.listener.answer:
            code = self.listener.answer.get("code", [""])[0]
            form |= {"grant_type": "authorization_code", "code": code, "redirect_uri": self.landing}
        else:
            return False
        return self._take(form)

    def hold(self, **fields: Any) -> None:
        """Be logged in."""
        self.server = {name: f"{self.there.origin}/{name.partition('_')[0]}" for name in ("token_endpoint",)}
        self.reply = {"access_token": fields.get("access", "at0"), "refresh_token": fields.get("refresh", "rt0")}
        self.expires_at = time.time() - fields.get("age", 0) + fields.get("life", 3600.0)

    def fetch(self, path: str = "/items") -> list[str]:
        """Ids of all pages; after a 401, renew and go on."""
        rows: list[str] = []
        url: str | None = f"{self.there.origin}/api{path}"
        while url:
            if time.time() > self.expires_at:
                self.renew()
            page = self.http.get(url, headers={"Authorization": f"Bearer {self.reply['access_token']}"})
            if page.status_code == 401:
                self.renew()
                url = f"{self.there.origin}/api{path}"
                continue
            body = page.raise_for_status().json()
            rows += [row["id"] for row in body["data"]]
            url = body.get("next")
            if body.get("has_more") and not url:
                url = f"{self.there.origin}/api{path}?starting_after={rows[-1]}"
        return rows

    def log_out(self) -> str:
        """Forget, and say so."""
        with suppress(httpx.HTTPError):
            self.http.post(f"{self.there.origin}/revoke", data={"token": self.reply["access_token"]})
        return "revoked"

    def close(self) -> None:
        """Let go."""
        for other in self.others:
            other.close()
        if self.listener:
            self.listener.shutdown()
            self.listener.server_close()
        self.http.close()

    def renew(self) -> None:
        """Get a new token now."""
        form = {"grant_type": "refresh_token", "refresh_token": self.reply["refresh_token"]}
        if not self._take(form):
            raise RefusedError(self.said)

    def _take(self, form: dict[str, str]) -> bool:
        reply = self.http.post(self.server["token_endpoint"], data=form)
        self.said = reply.text
        if "access_token" in reply.text:
            self.reply = {**self.reply, **reply.json()}
            self.expires_at = time.time() + int(self.reply.get("expires_in", 0))
        return "access_token" in reply.text
