"""What a person is shown of a sign-in: the address, its host, the code. Never its state, verifier or device code.

The address and the code are the server's words: one printable line each, capped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from immune_nb.errors import quoted

if TYPE_CHECKING:
    from immune_nb.pending import PendingLogin
    from immune_nb.profiles import Profile

__all__ = ["Invitation", "invitation_to"]

LONGEST_ADDRESS, LONGEST_CODE = 4000, 40
OUR_PARTS = 2  # of a host name say whose it is: auth.immune.dev and api.immune.dev are one house


@dataclass(frozen=True)
class Invitation:
    """What to open, and what to type there.

    Args:
        url: The address.
        host: Its host, with the port.
        code: What to type there; empty for a browser sign-in.
        warning: What is odd about the address; empty when nothing is.
    """

    url: str
    host: str
    code: str
    warning: str

    def __str__(self) -> str:
        lines = [f"Sign in at {self.host}: {self.url}"]
        lines += [f"The code is {self.code}"] if self.code else []
        return "\n".join([*lines, self.warning] if self.warning else lines)


def invitation_to(pending: PendingLogin) -> Invitation:
    """The invitation of a sign-in."""
    url = quoted(pending.url, LONGEST_ADDRESS)
    parts = urlsplit(url)
    host = parts.hostname or ""
    warning = ""
    if parts.scheme not in ("http", "https"):
        url = warning = "The server's address is not a web page's."
    elif _house(host) not in {_house(ours) for ours in _hosts(pending.profile)}:
        warning = f"{host} is not a host of {pending.profile.name!r}: sign in there only if you know it."
    return Invitation(url, parts.netloc, quoted(pending.user_code, LONGEST_CODE), warning)


def _hosts(profile: Profile) -> list[str]:
    """Hosts that the profile itself names."""
    named = (profile.base_url, profile.issuer, profile.token_url, profile.authorize_url, profile.device_url)
    return [urlsplit(url).hostname or "" for url in named if url]


def _house(host: str) -> tuple[str, ...]:
    labels = host.lower().split(".")
    return tuple(labels if labels[-1].isdigit() else labels[-OUR_PARTS:])
