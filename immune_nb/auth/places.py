"""Where a remembered login can be: the system's keyring, and a private file. What is in it is for `keep`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError

__all__ = ["Keyring", "Place", "PrivateFile", "alone", "folder", "made_folder", "places"]

SERVICE = "immune_nb"
PRIVATE_FOLDER = 0o700
NOT_THERE = (FileNotFoundError, NotADirectoryError)

_T = TypeVar("_T")


class Place(Protocol):
    """One record per profile.

    Attributes:
        name: What it is, in words.

    Raises:
        ConfigError: It is there and does not answer.
    """

    name: str

    def read(self, profile: str) -> str | None:
        """The record of that profile; None when there is none."""

    def write(self, profile: str, record: Secret) -> None:
        """Keep a record, whole or not at all."""

    def delete(self, profile: str) -> bool:
        """Let go of a record; whether there was one."""


def places() -> list[Place]:
    """The keyring where a usable one is, and the private file."""
    found: list[Place] = [PrivateFile()]
    with suppress(ImportError):
        import keyring

        if keyring.get_keyring().priority >= 1:  # below are the ones that keep nothing, or keep it in the clear
            found.insert(0, Keyring(keyring))
    return found


class Keyring:
    """The system's keyring.

    Args:
        keyring: The library.
    """

    def __init__(self, keyring: Any) -> None:
        self._keyring = keyring
        self.name = f"the keyring ({type(keyring.get_keyring()).__module__.rpartition('.')[2]})"

    def read(self, profile: str) -> str | None:
        """See `Place`."""
        text: str | None = self._guarded(lambda: self._keyring.get_password(SERVICE, profile))
        return text

    def write(self, profile: str, record: Secret) -> None:
        """See `Place`."""
        self._guarded(lambda: self._keyring.set_password(SERVICE, profile, record.reveal()))

    def delete(self, profile: str) -> bool:
        """See `Place`."""
        if self.read(profile) is None:
            return False
        self._guarded(lambda: self._keyring.delete_password(SERVICE, profile))
        return True

    def _guarded(self, act: Callable[[], _T]) -> _T:
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - backends raise what they like, and may quote what they hold
            fault = ConfigError(f"{self.name} failed ({type(error).__name__}).", hint="Unlock it.")
        raise fault


class PrivateFile:
    """A file for its owner alone."""

    name = "a private file"

    def read(self, profile: str) -> str | None:
        """See `Place`. One that others can read is refused."""
        return _guarded(f"{_path(profile)} cannot be read", lambda: _private_text(_path(profile)))

    def write(self, profile: str, record: Secret) -> None:
        """See `Place`."""
        _guarded(f"{_path(profile)} cannot be written", lambda: _replace(_path(profile), record))

    def delete(self, profile: str) -> bool:
        """See `Place`."""
        return _guarded(f"{_path(profile)} cannot be deleted", lambda: _unlink(_path(profile)))


def folder() -> Path:
    """Where the private files are, or would be."""
    import platformdirs

    return platformdirs.user_data_path("immune_nb", appauthor=False) / "logins"


def made_folder() -> Path:
    """The same, made private where it was not."""
    made = folder()
    made.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if os.name == "posix" and made.stat().st_mode & 0o077:
        made.chmod(PRIVATE_FOLDER)
    return made


@contextmanager
def alone(name: str, seconds: float) -> Iterator[bool]:
    """A block of which only one process at a time is in the one of that name.

    Args:
        name: What they do.
        seconds: How long to wait for the others.

    Yields:
        Whether the others stay away; True too where there are no locks between processes.
    """
    with ExitStack() as stack:
        try:
            from filelock import FileLock

            lock = FileLock(made_folder() / f"{name}.lock", timeout=seconds, mode=0o600)
            stack.enter_context(lock)
            is_alone = True
        except TimeoutError:
            is_alone = False
        except (NotImplementedError, OSError):  # as filelock has it where there are none
            is_alone = True
        yield is_alone


def _path(profile: str) -> Path:
    return folder() / f"{profile}.json"


def _guarded(failure: str, act: Callable[[], _T]) -> _T:
    try:
        return act()
    except (OSError, UnicodeDecodeError) as error:
        fault = ConfigError(f"{failure} ({type(error).__name__}).")
    raise fault


def _private_text(path: Path) -> str | None:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} can be read by others.", hint=f"Run: chmod 600 {path}, and log in anew.")
        return path.read_text(encoding="utf-8")
    except NOT_THERE:
        return None


def _replace(path: Path, record: Secret) -> None:
    """Private from its first byte: mkstemp makes it 0600 and exclusive."""
    handle, temporary = tempfile.mkstemp(dir=made_folder(), prefix=".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(record.reveal())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except NOT_THERE:
        return False
    return True
