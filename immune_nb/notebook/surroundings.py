"""Who sits where: whether somebody can be asked, and which way of signing in fits the place the kernel runs at."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping
from typing import Any

from immune_nb.profiles import Profile

__all__ = [
    "SIGN_INS",
    "agrees",
    "client_of",
    "has_browser",
    "in_notebook",
    "person_can_act",
    "shows_widgets",
    "sign_ins",
    "ways",
]

SIGN_INS = ("browser", "device")
# Set where the kernel runs on another machine than the person's browser.
REMOTE = ("SSH_CONNECTION", "JUPYTERHUB_API_URL", "KUBERNETES_SERVICE_HOST", "CODESPACES", "COLAB_RELEASE_TAG")


def in_notebook(shell: Any) -> bool:
    """Whether the shell belongs to a kernel, rather than to a terminal."""
    return hasattr(shell, "kernel")


def person_can_act(shell: Any) -> bool:
    """Whether somebody sits there: nbclient and papermill say so by forbidding input."""
    if not in_notebook(shell):
        return sys.stdin is not None and sys.stdin.isatty()
    return bool(shell.get_parent().get("content", {}).get("allow_stdin"))


def agrees(question: str) -> bool:
    """Whether the person says yes; where nobody can answer, it is a no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def shows_widgets(shell: Any, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody can use a widget there. Voilà has people there, and forbids input all the same."""
    if not in_notebook(shell):
        return False
    return person_can_act(shell) or environ.get("SERVER_SOFTWARE", "").startswith("voila/")


def has_browser(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this machine can open a page before the person's eyes; browsers for terminals do not count."""
    if not environ.get("BROWSER"):  # which remote editors set, to reach the browser at the other end
        seen = sys.platform in ("darwin", "win32") or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
        if not seen or _is_remote(environ):
            return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def client_of(profile: Profile, environ: Mapping[str, str] = os.environ) -> str:
    """The OAuth client that is known for `profile`; empty when none is."""
    return environ.get(f"{profile.env_prefix}_CLIENT_ID") or profile.client_id or ""


def ways(profile: Profile, *, everything: bool = False) -> list[str]:
    """The methods `profile` may offer; what its issuer really offers only the issuer can say."""
    browser, device = profile.authorize_url or profile.issuer, profile.device_url or profile.issuer
    offers = {"browser": browser, "device": device}
    return [*(method for method, address in offers.items() if address or everything), "key", "client", "token"]


def sign_ins(profile: Profile, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The ways a person can sign in to `profile` without typing a secret, the best for this place first."""
    if not client_of(profile, environ):
        return []
    found = [method for method in ways(profile) if method in SIGN_INS]
    leads_back = "{server}" in (profile.redirect_uri or "") and environ.get("JUPYTERHUB_PUBLIC_URL")
    return found[::-1] if _is_remote(environ) and not leads_back else found


def _is_remote(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) for name in REMOTE)
