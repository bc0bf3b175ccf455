"""Logging in at a prompt: a secret typed unseen, or an address to open and a wait for what comes of it."""

from __future__ import annotations

import getpass
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING

from immune_nb.auth.secrets import Secret

from .attempts import Arrival, Attempt
from .invitation import invitation_to
from .show import Note, show
from .surroundings import client_of, has_browser

if TYPE_CHECKING:
    from .desk import Desk
    from .waiting import Waiting

__all__ = ["asked", "signed_in"]

NAMES = {"key": "API key", "client": "client secret", "token": "access token"}
ADDRESS = "Paste the address the browser ends at, or press Enter when it says that the answer has arrived: "
A_WHILE = 3.0  # seconds; an answer that has arrived is redeemed by then


def asked(desk: Desk, attempt: Attempt) -> Attempt:
    """The same attempt with what the person typed, unseen."""
    method = attempt.method or "key"
    client_id = attempt.client_id
    if method == "client":
        client_id = client_id or client_of(desk.profile(attempt.profile)) or input("Client id: ").strip()
    name = NAMES[method]
    secret = Secret(getpass.getpass(f"{name[0].upper()}{name[1:]}: "), name)
    return replace(attempt, method=method, client_id=client_id, secret=secret, origin="typed at the prompt")


def signed_in(desk: Desk, attempt: Attempt, *, opens: bool) -> Arrival:
    """Sign in by browser or device, and wait for the person. Ctrl-C gives up.

    Args:
        desk: Where the login is kept.
        attempt: Its method says which of the two.
        opens: Whether a browser may be opened, where there is one.

    Raises:
        LoginRejectedError: It was declined, or took too long.
    """
    waiting = desk.sign_in(attempt, lambda: None)
    try:
        invitation = invitation_to(waiting.pending)
        as_whom = desk.person(attempt.profile)
        show(Note(f"{invitation}\nSign in there as {as_whom}." if as_whom else str(invitation)))
        opened = opens and not invitation.warning and has_browser() and webbrowser.open(invitation.url)
        if attempt.method == "browser" and not opened:
            _ask_for_the_address(waiting)
        while not waiting.is_over:  # it ends by itself when its time is over
            waiting.wait(A_WHILE)
    except BaseException:
        desk.cancel()
        raise
    arrival = desk.settle()
    assert arrival is not None  # noqa: S101 - it is over, and did not raise
    return arrival


def _ask_for_the_address(waiting: Waiting) -> None:
    """Take the address, until one is the answer; unseen, as it holds a code that is good for one login."""
    while not waiting.is_over:
        address = getpass.getpass(ADDRESS).strip()
        if address:
            waiting.paste(address)
        while address and not (waiting.is_over or waiting.problem):
            waiting.wait(A_WHILE)
        if waiting.problem:
            show(Note(waiting.problem))
        elif waiting.wait(A_WHILE):
            return
