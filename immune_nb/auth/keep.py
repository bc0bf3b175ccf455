"""Remembered logins: only when asked for, in the keyring, or else in a private file.

One record per profile, bound to its addresses. A refresh token that several kernels share is renewed under a lock
between processes: whoever comes second adopts what the first one got.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Obtain, Token
from immune_nb.errors import ConfigError
from immune_nb.profiles import Profile

__all__ = ["Record", "folder", "forget", "from_keyring", "place", "recall", "remember", "shared"]

VERSION = 1
SERVICE = "immune_nb"
PRIVATE_FOLDER = 0o700


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


class _Place(Protocol):
    name: str

    def read(self, profile: str) -> str | None: ...
    def write(self, profile: str, text: str) -> None: ...
    def delete(self, profile: str) -> None: ...


def place() -> str:
    """Where `remember` would keep a login, in words, so that it can be said before."""
    return _places()[0].name


def remember(profile: Profile, record: Record) -> str:
    """Keep a login.

    Returns:
        Where, in words.

    Raises:
        ConfigError: It cannot be kept there.
    """
    where = _places()[0]
    where.write(profile.name, json.dumps({"version": VERSION, **_address(profile), **_plain(record)}))
    return where.name


def recall(profile: Profile) -> Record | str:
    """The remembered login of `profile`, or why there is none.

    Raises:
        ConfigError: A file that holds it can be read by others.
    """
    for where in _places():
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
        except (ValueError, TypeError, AttributeError, KeyError, ConfigError):
            return f"{where.name} holds a broken record"
    return "nothing is remembered"


def forget(profile: Profile) -> bool:
    """Forget the login of `profile` everywhere; whether there was one."""
    held = [where for where in _places() if where.read(profile.name) is not None]
    for where in held:
        where.delete(profile.name)
    return bool(held)


def from_keyring(names: Iterable[str]) -> dict[str, str | None] | str:
    """What the user has put into the keyring under these names (``keyring set immune_nb NAME``), or why not.

    Raises:
        ConfigError: The keyring is there and does not answer.
    """
    keyring = next((where for where in _places() if isinstance(where, _Keyring)), None)
    return {name: keyring.read(name) for name in names} if keyring else "there is none to use"


def shared(profile: Profile, obtain: Obtain) -> Obtain:
    """`obtain`, made safe to share: under a lock between processes, with the newest token there is.

    Args:
        profile: Whose remembered login it renews.
        obtain: Gets the token after the given one.
    """

    def renew(seen: Token | None) -> Token:
        from filelock import FileLock

        with FileLock(_made_folder() / f"{profile.name}.lock"):
            record = recall(profile)
            if isinstance(record, str):  # forgotten meanwhile: nothing to share
                return obtain(seen)
            newest = record.token or seen
            if seen and newest and _differ(newest, seen) and not newest.is_due(time.time()):
                return newest
            token = obtain(newest)
            remember(profile, replace(record, token=token))
            return token

    return renew


def _differ(one: Token, other: Token) -> bool:
    return one.access.reveal() != other.access.reveal()


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
            "scopes": list(token.scopes),
            "account": token.account,
            "subject": token.subject,
        },
    }


def _record(where: str, data: dict[str, Any]) -> Record:
    token = data["token"] and Token(
        Secret(data["token"]["access"], "access token"),
        float(data["token"]["received_at"]),
        data["token"]["expires_in"],
        tuple(data["token"]["scopes"]),
        _secret(data["token"]["refresh"], "refresh token"),
        data["token"]["account"],
        data["token"].get("subject", ""),  # records of the first release have none
    )
    key, secret = _secret(data["key"], "API key"), _secret(data["client_secret"], "client secret")
    return Record(where, key, token, data["client_id"], secret, data["sign_in"], float(data["kept_since"]))


def _secret(text: str | None, name: str) -> Secret | None:
    return Secret(text, name) if text else None


def _places() -> list[_Place]:
    """The keyring where a usable one is, and the private file."""
    places: list[_Place] = [_File()]
    with suppress(ImportError):
        import keyring

        if keyring.get_keyring().priority >= 1:  # below are the ones that keep nothing, or keep it in the clear
            places.insert(0, _Keyring(keyring))
    return places


class _Keyring:
    def __init__(self, keyring: Any) -> None:
        self._keyring = keyring
        self.name = f"the keyring ({type(keyring.get_keyring()).__module__.rpartition('.')[2]})"

    def read(self, profile: str) -> str | None:
        return self._guarded(lambda: self._keyring.get_password(SERVICE, profile))

    def write(self, profile: str, text: str) -> None:
        self._guarded(lambda: self._keyring.set_password(SERVICE, profile, text))

    def delete(self, profile: str) -> None:
        self._guarded(lambda: self._keyring.delete_password(SERVICE, profile))

    def _guarded(self, act: Callable[[], str | None]) -> str | None:
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - backends raise what they like, and may quote what they hold
            fault = ConfigError(f"{self.name} failed ({type(error).__name__}).", hint="Unlock it.")
        raise fault


class _File:
    name = "a private file"

    def read(self, profile: str) -> str | None:
        path = _path(profile)
        try:
            if os.name == "posix" and path.stat().st_mode & 0o077:
                raise ConfigError(f"{path} can be read by others.", hint=f"Run: chmod 600 {path}, and log in anew.")
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write(self, profile: str, text: str) -> None:
        """Whole or not at all, and private from its first byte: mkstemp makes it 0600 and exclusive."""
        handle, temporary = tempfile.mkstemp(dir=_made_folder(), prefix=".")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(_path(profile))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def delete(self, profile: str) -> None:
        _path(profile).unlink(missing_ok=True)


def folder() -> Path:
    """Where the private files are, or would be."""
    import platformdirs

    return platformdirs.user_data_path("immune_nb", appauthor=False) / "logins"


def _made_folder() -> Path:
    made = folder()
    made.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if os.name == "posix" and made.stat().st_mode & 0o077:
        made.chmod(PRIVATE_FOLDER)
    return made


def _path(profile: str) -> Path:
    return folder() / f"{profile}.json"
