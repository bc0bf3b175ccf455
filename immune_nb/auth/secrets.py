"""A secret that does not show itself.

The text lives in a closure, so it is in no attribute, no `vars()` and no debugger's first level. `repr`, `str`
and `format` hide it; pickling, copying and JSON raise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NoReturn, TypeVar

from immune_nb.errors import ConfigError, ImmuneError

__all__ = ["SECRET_NAMES", "Secret", "Unshared", "unframed"]

SECRET_NAMES = r"""(?:[\w.-]*?(?:
      (?:secret|passw(?:or)?d|passphrase|passcode|pwd)s?
    | (?:api|access|account|auth|client|encryption|hmac|license|master|private|secret|service|shared|signature
        |signing|subscription|webhook)[_-]?keys?
    | (?:access|api|auth|bearer|bot|client|deploy|device|id|personal|private|push|refresh|sas|security|session)
        [_-]?tokens?
    ))"""  # noqa: S105 - what a field is called that holds one; for `re.VERBOSE`, whatever the case
_T = TypeVar("_T")

PEM = "-----BEGIN "


class Unshared:
    """Holds a login, and so can be neither pickled nor copied."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A login cannot be pickled or copied.")


class Secret:
    """Text that only `reveal` gives away.

    Args:
        text: The key, token or client secret. White space around it, as a paste brings, is cut.
        name: What it is, for error messages.

    Raises:
        ConfigError: It is empty, or holds characters no HTTP header can carry. The text is not quoted.
    """

    __slots__ = ("_reveal", "name")

    def __init__(self, text: str, name: str = "secret") -> None:
        self.name = name
        clean = text[max(text.find(PEM), 0) :].strip()  # what stands before a key in PEM form is about it
        if not clean:
            raise ConfigError(f"The {name} is empty.")
        if not (clean.isascii() and (clean.isprintable() or clean.startswith(PEM))):
            fault = ConfigError(
                f"The {name} holds a line break, control or non-ASCII character.",
                hint="Copy it again, alone.",
            )
            del text, clean
            raise fault
        self._reveal: Callable[[], str] = lambda: clean

    @classmethod
    def of(cls, value: str | Secret, name: str = "secret") -> Secret:
        """`value` itself when it is a Secret that can be used, else a new one."""
        if isinstance(value, Secret):
            value.reveal()
            return value
        return cls(value, name)

    @classmethod
    def sealed(cls, value: object, name: str = "secret") -> Secret | None:
        """`value` as a Secret whose faults show when it is used, not here, where a caller still holds the text."""
        if isinstance(value, Secret):
            return value
        if not value:
            return None
        try:
            if isinstance(value, str):
                return cls(value, name)
            fault = ConfigError(f"The {name} is {type(value).__name__}.", hint="Give it as text.")
        except ConfigError as error:
            fault = error.with_traceback(None)
        sealed = cls(name, name)
        object.__setattr__(sealed, "_reveal", lambda: _raise(fault))
        return sealed

    def reveal(self) -> str:
        """The text. Call it where the header or form is built, and nowhere else."""
        return self._reveal()

    def mark(self, salt: str) -> str:
        """Eight digits that tell it from other secrets, slow to make (RFC 7914) and too few to find it by."""
        return hashlib.scrypt(self._reveal().encode(), salt=salt.encode(), n=2**12, r=8, p=1, dklen=4).hex()

    @property
    def is_pem(self) -> bool:
        """Whether it is a private key in PEM form, the one secret of several lines."""
        return self._reveal().startswith(PEM)

    def __repr__(self) -> str:
        return f"<{self.name}: hidden>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"A {self.name} cannot be pickled or copied.")


def unframed(act: Callable[[], _T]) -> _T:
    """What `act` returns; an error of ours without the frames it came through, whose locals hold secrets."""
    try:
        return act()
    except ImmuneError as error:
        fault = error.with_traceback(None)
    raise fault


def _raise(fault: ConfigError) -> NoReturn:
    raise fault
