"""Every exception this package raises, as one tree, and its one kind of warning.

```
ImmuneError
├── ConfigError              a setting is missing or malformed; nothing was sent
├── LoginError               who you are is the problem
│   ├── NoCredentialsError   login could not be tried: there is nothing to log in with
│   ├── LoginRejectedError   login was tried and refused, or does not allow this
│   └── SessionExpiredError  login worked once and does not any more
├── QueryError               the question is wrong; asking again will not help
└── ServiceError             the question is fine, the answer is not
    ├── UnreachableError     no answer at all, or only server errors, after every attempt
    ├── RateLimitedError     told to wait longer than we may; `.retry_after` in seconds
    ├── BadReplyError        an answer arrived that is not what the API promises
    └── IncompleteError      some rows did not arrive, or were not taken; `.frame` holds those that did, or what
                             became of each
```

A message names what was wrong and never carries a header, a body or a query string of ours; `hint` is the
next step. Whatever a server said is quoted through `quoted`, which caps and escapes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BadReplyError",
    "ConfigError",
    "ImmuneError",
    "ImmuneWarning",
    "IncompleteError",
    "Interrupted",
    "LoginError",
    "LoginRejectedError",
    "NoCredentialsError",
    "QueryError",
    "RateLimitedError",
    "ServiceError",
    "SessionExpiredError",
    "UnreachableError",
    "quoted",
]


class ImmuneError(Exception):
    """Base of everything raised here.

    Args:
        message: What was wrong, with the value named.
        hint: What to do next.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def _render_traceback_(self) -> list[str]:
        # IPython's hook. One line says it all, and `%xmode Verbose` has no locals of ours to print.
        return [f"{type(self).__name__}: {self}"]


class ImmuneWarning(UserWarning):
    """Something to know that stops nothing: a filter nobody documents, a service that repeats the credential."""


class ConfigError(ImmuneError):
    """A setting is missing or malformed. Nothing was sent."""


class LoginError(ImmuneError):
    """The login is the problem, not the question."""


class NoCredentialsError(LoginError):
    """There was nothing to log in with, and nobody to ask."""


class LoginRejectedError(LoginError):
    """The service refused this login, or this login may not do that."""


class SessionExpiredError(LoginError):
    """The login worked before and is no longer valid."""


class QueryError(ImmuneError):
    """The question is wrong: a bad argument, or the service says it knows no such thing.

    Attributes:
        status: HTTP status of the service's answer; None when nothing was sent.
        faults: Everything that is wrong with a table of rows, where the message names the first of it only.
    """

    def __init__(
        self, message: str, *, hint: str = "", status: int | None = None, faults: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.faults = faults


class ServiceError(ImmuneError):
    """The service did not give the answer it promises.

    Attributes:
        reached: Whether the request may have reached the service, and so may have done what it asks.
    """

    reached = True


class UnreachableError(ServiceError):
    """No answer, or only server errors, after every attempt.

    Attributes:
        transient: Whether asking again may help. A certificate that is not trusted stays so.
    """

    def __init__(self, message: str, *, hint: str = "", transient: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class RateLimitedError(ServiceError):
    """The service asks for a longer wait than the query may take.

    Attributes:
        retry_after: Seconds until the service says to try again; None when it does not say.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class BadReplyError(ServiceError):
    """The answer is not what the API promises: not JSON, cut short, or from elsewhere.

    Attributes:
        cut_short: Whether it began well and broke off, or is another thing, so that asking again may help.
        is_no_page: Whether it is whole, and no page of the list that was asked for.
    """

    cut_short = is_no_page = False


class IncompleteError(ServiceError):
    """Some rows did not arrive; or, of rows that were sent, some were not taken.

    Attributes:
        frame: The rows that arrived, or what became of each row that was to be sent: a `pandas.DataFrame` whose
            receipt says ``complete: False``.
    """

    def __init__(self, message: str, *, hint: str = "", frame: pd.DataFrame) -> None:
        super().__init__(message, hint=hint)
        self.frame = frame


def quoted(text: object, limit: int = 200) -> str:
    """Text from elsewhere, safe to show: one line, printable, at most `limit` characters."""
    clean = "".join(c if c.isprintable() else " " for c in str(text))
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a query; it says what is kept. Whoever catches `KeyboardInterrupt` catches it."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]
