"""The login panel: one anywidget, whose secret field is never part of its state.

What is typed stays in the browser until it is submitted, then travels in a single custom message. Traits would be
echoed to every front end and saved with the notebook; `ipywidgets.Password` is (gauntlet L03 to L06). Here the state
holds only what may be seen: profiles, who is logged in, and the last outcome.
"""

from __future__ import annotations

import importlib.resources
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anywidget
import traitlets

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ImmuneError
from immune_nb.profiles import load_profiles

from .desk import Attempt
from .show import Note, login_line

if TYPE_CHECKING:
    from .desk import Desk

__all__ = ["LoginPanel", "reader_note"]

OWN_SANDBOX = "Leave the secret empty: a local sandbox starts, and logs in by itself."
INSTEAD = (
    "No login panel here? It needs a running kernel and a front end with widgets. Run %immune login for a new one, "
    "or %immune login --from prompt."
)


def _shipped(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


class LoginPanel(anywidget.AnyWidget):
    """The form that logs in and out.

    Args:
        desk: Where logins are made and kept.
        profile: Name of the profile to offer first.
        method: The kind of credential to offer first.
    """

    _esm = _shipped("panel.js")
    _css = _shipped("panel.css")

    profiles = traitlets.List(traitlets.Dict()).tag(sync=True)
    profile = traitlets.Unicode().tag(sync=True)
    method = traitlets.Unicode().tag(sync=True)
    logins = traitlets.Dict().tag(sync=True)
    notice = traitlets.Dict().tag(sync=True)

    def __init__(self, desk: Desk, profile: str, method: str | None = None) -> None:
        self._desk = desk
        self._turn = 0
        super().__init__(profile=profile, method=method or "key")
        self.refresh()
        self.on_msg(lambda _panel, message, _buffers: self.hear(message))

    def hear(self, message: dict[str, Any]) -> None:
        """Do what the form asks, and show what came of it.

        The secret is taken out of the message, which the kernel keeps until the next one.
        """
        typed = str(message.pop("secret", "") or "")
        name = str(message.get("profile", ""))
        try:
            if message.get("do") == "logout":
                self._say(f"Logged out of {self._desk.log_out(name)}.")
            else:
                secret = Secret(typed) if typed.strip() else None
                self.connect(Attempt(name, str(message.get("method")), str(message.get("client_id", "")), secret))
        except ImmuneError as error:
            self._say(str(error), tone="error")
        except Exception as error:
            self._say(f"That failed unexpectedly ({type(error).__name__}).", tone="error")
            raise
        finally:
            del typed

    def connect(self, attempt: Attempt) -> None:
        """Log in and show who that is.

        Raises:
            ImmuneError: It did not work.
        """
        self._desk.log_in(attempt)
        self._say("")  # the status line says it

    def refresh(self) -> None:
        """Show the profiles and logins as they are now."""
        sessions = {session.profile.name: session for session in self._desk.sessions}
        self.profiles = [
            {
                "name": name,
                "host": urlsplit(profile.base_url).netloc,
                "hint": OWN_SANDBOX if self._desk.has_own_sandbox(name) else "",
            }
            for name, profile in load_profiles().items()
        ]
        self.logins = {name: _visible(session.status()) for name, session in sessions.items()}

    def _say(self, text: str, *, tone: str = "info") -> None:
        self.refresh()
        self._turn += 1  # the same words twice are still news
        self.notice = {"text": text, "tone": tone, "turn": self._turn}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": INSTEAD}, metadata


def _visible(status: Any) -> dict[str, Any]:
    """What the panel shows of a login."""
    expires_at = None if status.expires_in is None else round(time.time() + status.expires_in)
    return {"text": login_line(status), "expires_at": expires_at}


def reader_note() -> Note:
    """What a reader without a live panel finds in its place; the panel's stylesheet hides it."""
    return Note(INSTEAD, css_class="immune-note")
