"""The login panel: one anywidget, whose secret field is never part of its state.

What is typed stays in the browser until it is submitted, then travels in a single custom message. Traits would be
echoed to every front end and saved with the notebook; `ipywidgets.Password` is (gauntlet L03 to L06). Here the state
holds only what may be seen: profiles, who is logged in, the code of a sign-in, and the last outcome. The address of a
sign-in holds its one-time state, so it too travels in a message, when a front end asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import traitlets

from immune_nb.auth import keep
from immune_nb.auth.secrets import Secret
from immune_nb.errors import ImmuneError

from .attempts import Arrival, Attempt
from .desk import CUSTOM
from .invitation import invitation_to
from .shipped import Shipped, shipped
from .show import login_parts
from .surroundings import SIGN_INS, client_of, ways

if TYPE_CHECKING:
    from immune_nb.profiles import Profile

    from .desk import Desk

__all__ = ["LoginPanel"]

OWN_SANDBOX = "Leave the secret empty: a local sandbox starts, and logs in by itself."


class LoginPanel(Shipped):
    """The form that logs in and out.

    Args:
        desk: Where logins are made and kept.
        attempt: What to offer first.
    """

    INSTEAD = (
        "No login panel here? It needs a running kernel and a front end with widgets. Run %immune login for a new "
        "one, or %immune login --from prompt."
    )
    _esm = shipped("panel_parts.js", "sign_in.js", "panel.js")
    _css = shipped("panel.css")

    profiles = traitlets.List(traitlets.Dict()).tag(sync=True)
    profile = traitlets.Unicode().tag(sync=True)
    method = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    keeps = traitlets.Unicode().tag(sync=True)
    logins = traitlets.Dict().tag(sync=True)
    sign_in = traitlets.Dict().tag(sync=True)
    notice = traitlets.Dict().tag(sync=True)

    def __init__(self, desk: Desk, attempt: Attempt) -> None:
        self._desk = desk
        self._turn = 0
        asked = {"client_id": attempt.client_id, "scopes": _words(attempt.scopes), "remember": attempt.remember}
        super().__init__(profile=attempt.profile, method=attempt.method or "", asked=asked, keeps=keep.place())
        self.refresh()
        self.on_msg(lambda _panel, message, _buffers: self.hear(message))

    def hear(self, message: dict[str, Any]) -> None:
        """Do what the form asks, and show what came of it.

        What is secret is taken out of the message, which the kernel keeps until the next one.
        """
        typed, address = (str(message.pop(name, "") or "") for name in ("secret", "address"))
        try:
            self._do(message, typed, address)
        except ImmuneError as error:
            self._say(str(error), tone="error")
        except Exception as error:
            self._say(f"That failed unexpectedly ({type(error).__name__}).", tone="error")
            raise
        finally:
            del typed, address

    def sign_in_with(self, attempt: Attempt) -> None:
        """Start a sign-in, and show what the person must do.

        Raises:
            ImmuneError: It cannot be started.
        """
        self._desk.sign_in(attempt, self._hear_of_the_sign_in)
        self.method = str(attempt.method)
        self._say("")

    def send_link(self) -> None:
        """Tell the front end the address of the sign-in that is underway."""
        if self._desk.waiting:
            self.send({"link": invitation_to(self._desk.waiting.pending).url})

    def settle(self) -> None:
        """Show what has become of the sign-in that is underway."""
        waiting = self._desk.waiting
        try:
            arrival = self._desk.settle()
        except ImmuneError as error:
            self._say(str(error), tone="error")
            return
        if arrival:
            self._greet(arrival)
        elif waiting and waiting.problem:
            self._say(waiting.problem, tone="error")

    def refresh(self) -> None:
        """Show the profiles, logins and sign-in as they are now."""
        self.profiles = [self._offer(profile) for profile in self._desk.profiles().values()]
        self.logins = {session.profile.name: _visible(session.status()) for session in self._desk.sessions}
        self.sign_in = self._underway()

    def _do(self, message: Mapping[str, Any], typed: str, address: str) -> None:
        name, waiting = str(message.get("profile", "")), self._desk.waiting
        match message.get("do"):
            case "logout":
                self._say(self._desk.log_out(name))
            case "renew":
                self._desk.session(name).renew()
                self._say("Renewed.")
            case "cancel":
                self._desk.cancel()
                self._say("The sign-in is cancelled.")
            case "paste" if waiting:
                waiting.paste(address)
            case "link":
                self.send_link()
            case "connect":
                self._connect(_attempt(message, typed), message.get("custom"))
            case _:  # a paste or a question that comes too late
                self._say("")

    def _connect(self, attempt: Attempt, custom: Mapping[str, object] | None) -> None:
        if attempt.profile == CUSTOM and custom:
            self._desk.define(custom)
        if attempt.method in SIGN_INS:
            self.sign_in_with(attempt)
            return
        if not attempt.client_id and attempt.method == "client":
            attempt = replace(attempt, client_id=client_of(self._desk.profile(attempt.profile)))
        self._greet(self._desk.log_in(attempt))

    def _greet(self, arrival: Arrival) -> None:
        self._say(" ".join(arrival.remarks))  # the status line says the rest

    def _hear_of_the_sign_in(self) -> None:
        """On the polling thread: have the kernel's own thread look, when no cell is running."""
        loop = getattr(getattr(self._desk.shell, "kernel", None), "io_loop", None)
        if loop is not None:
            loop.add_callback(self.settle)

    def _underway(self) -> dict[str, Any]:
        waiting = self._desk.waiting
        if waiting is None:
            return {}
        pending = waiting.pending
        shown = invitation_to(pending)
        as_whom = self._desk.person(pending.profile.name)
        return {
            "id": waiting.began,
            "profile": pending.profile.name,
            "method": pending.method,
            "host": shown.host,
            "code": shown.code,
            "warning": shown.warning,
            "hint": as_whom and f"Sign in there as {as_whom}.",
            "expires_at": round(time.time() + pending.seconds_left),
        }

    def _offer(self, profile: Profile) -> dict[str, Any]:
        own = self._desk.has_own_sandbox(profile.name)
        return {
            "name": profile.name,
            "host": urlsplit(profile.base_url).netloc,
            "methods": ways(profile, everything=own),
            "client_id": client_of(profile),
            "scopes": _words(profile.scopes),
            "hint": OWN_SANDBOX if own else "",
        }

    def _say(self, text: str, *, tone: str = "info") -> None:
        self.refresh()
        self._turn += 1  # the same words twice are still news
        self.notice = {"text": text, "tone": tone, "turn": self._turn}


def _attempt(message: Mapping[str, Any], typed: str) -> Attempt:
    """What the form asks for."""
    scopes = message.get("scopes")
    return Attempt(
        str(message.get("profile", "")),
        str(message.get("method")),
        str(message.get("client_id") or ""),
        Secret(typed) if typed.strip() else None,
        None if scopes is None else tuple(str(scopes).replace(",", " ").split()),
        remember=bool(message.get("remember")),
        origin="typed into the panel" if typed.strip() else "",
    )


def _visible(status: Any) -> dict[str, Any]:
    """What the panel shows of a login."""
    expires_at = None if status.expires_in is None else round(time.time() + status.expires_in)
    who, how = login_parts(status)
    text = how + (f" · remembered in {status.remembered}" if status.remembered else "")
    return {"who": who, "text": text, "expires_at": expires_at, "renewable": status.renewable}


def _words(scopes: tuple[str, ...] | None) -> str:
    return " ".join(scopes or ())
