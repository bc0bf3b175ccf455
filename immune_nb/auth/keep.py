"""Remembered logins: only when asked for, in the keyring, or else in a private file.

One record per profile, bound to its addresses. How several kernels share one is in `sharing`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from immune_nb.auth.places import Keyring, alone, places
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.errors import ConfigError
from immune_nb.profiles import Profile

__all__ = ["Record", "forget", "from_keyring", "place", "recall", "remember"]

VERSION = 1
WRITING_SECONDS = 10.0  # to wait for others that write; then they are stopped, and it goes on


@dataclass(frozen=True)
class Record:
    """What is remembered of one login.

    Args:
        place: Where it is kept, in words.
        key: An API key.
        token: A token, with what renews it.
        client_id: The client.
        client_secret: Its secret.
        sign_in: How a person signed in: ``browser``, ``device`` or not at all.
        kept_since: When it was first kept, in Unix seconds.
    """

    place: str = ""
    key: Secret | None = None
    token: Token | None = None
    client_id: str = ""
    client_secret: Secret | None = None
    sign_in: str = ""
    kept_since: float = 0.0

    @property
    def days(self) -> int:
        """For how many days it has been kept."""
        return int((time.time() - self.kept_since) / 86_400)


def place() -> str:
    """Where `remember` would keep a login, in words, so that it can be said before."""
    return places()[0].name


def remember(profile: Profile, record: Record, *, after: Record | None = None) -> str:
    """Keep a login.

    Args:
        profile: Whose.
        record: The login.
        after: Keep it only where the token of this one is remembered still: neither forgotten nor replaced.

    Returns:
        Where, in words; "" when it is not kept.

    Raises:
        ConfigError: It cannot be kept there.
    """
    where = places()[0]
    with alone(f"{profile.name}.writing", WRITING_SECONDS):
        if after and not _is_still(recall(profile), after):
            return ""
        where.write(profile.name, _sealed(profile, record))
    return where.name


def recall(profile: Profile) -> Record | str:
    """The remembered login of `profile`, or why there is none.

    Raises:
        ConfigError: A file that holds it can be read by others, or not by us; or the keyring does not answer.
    """
    for where in places():
        text = where.read(profile.name)
        if text is None:
            continue
        try:
            data = json.loads(text)
            if data.get("version") != VERSION:
                return f"{where.name} holds a record of another version"
            if {name: data.get(name) for name in _address(profile)} != _address(profile):
                return f"{where.name} remembers {profile.name!r} at another address"
            return _record(where.name, data)
        except (ValueError, TypeError, AttributeError, KeyError, ArithmeticError, RecursionError, ConfigError):
            return f"{where.name} holds a broken record"
    return "nothing is remembered"


def forget(profile: Profile) -> bool:
    """Forget the login of `profile` everywhere; whether there was one.

    Raises:
        ConfigError: A place does not let go of it; it is gone from the others.
    """
    found, fault = False, None
    with alone(f"{profile.name}.writing", WRITING_SECONDS):
        for where in places():
            try:
                found |= where.delete(profile.name)
            except ConfigError as error:
                fault = error.with_traceback(None)
    if fault:
        raise fault
    return found


def from_keyring(names: Iterable[str]) -> dict[str, str | None] | str:
    """What the user has put into the keyring under these names (``keyring set immune_nb NAME``), or why not.

    Raises:
        ConfigError: The keyring is there and does not answer.
    """
    keyring = next((where for where in places() if isinstance(where, Keyring)), None)
    return {name: keyring.read(name) for name in names} if keyring else "there is none to use"


def _is_still(found: Record | str, former: Record) -> bool:
    if isinstance(found, str) or found.client_id != former.client_id:
        return False
    return bool(_plain(found)["token"] == _plain(former)["token"])


def _sealed(profile: Profile, record: Record) -> Secret:
    return Secret(json.dumps({"version": VERSION, **_address(profile), **_plain(record)}), "record")


def _address(profile: Profile) -> dict[str, str | None]:
    return {"base_url": profile.base_url, "token_url": profile.token_url, "issuer": profile.issuer}


def _plain(record: Record) -> dict[str, Any]:
    token = record.token
    return {
        "key": record.key.reveal() if record.key else None,
        "client_id": record.client_id,
        "client_secret": record.client_secret.reveal() if record.client_secret else None,
        "sign_in": record.sign_in,
        "kept_since": record.kept_since or time.time(),
        "token": token
        and {
            "access": token.access.reveal(),
            "refresh": token.refresh.reveal() if token.refresh else None,
            "received_at": token.received_at,
            "expires_in": token.expires_in,
            "scopes": token.scopes,
            "account": token.account,
            "subject": token.subject,
        },
    }


def _record(where: str, data: dict[str, Any]) -> Record:
    token = data["token"] and Token(
        Secret(data["token"]["access"], "access token"),
        float(data["token"]["received_at"]),
        data["token"]["expires_in"],
        None if data["token"]["scopes"] is None else tuple(data["token"]["scopes"]),
        _secret(data["token"]["refresh"], "refresh token"),
        data["token"]["account"],
        data["token"].get("subject", ""),  # records of the first release have none
    )
    key, secret = _secret(data["key"], "API key"), _secret(data["client_secret"], "client secret")
    return Record(where, key, token, data["client_id"], secret, data["sign_in"], float(data["kept_since"]))


def _secret(text: str | None, name: str) -> Secret | None:
    return Secret(text, name) if text else None
