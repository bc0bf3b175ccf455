"""No secret belongs on a magic line: it is in the notebook, the history and every front end before we see it.

So no option takes one, and a line that carries one is refused before anything else looks at it, in words that do
not repeat it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from IPython.core.error import UsageError

from immune_nb.auth.secrets import SECRET_NAMES

from .subcommands import command_named

__all__ = ["Carries", "carries_secret", "refuse_secrets"]

Carries = Callable[[str], bool]  # whether a text holds a secret

NAME = rf"{SECRET_NAMES}|key|token|authorization|bearer|credentials?|sig"
NAMED = re.compile(
    rf"""(?:(?<=\s)|^|(?<=["'?&{{,;]))
        (?:[-–—]{{1,2}}(?:{NAME}|k|pass|auth|code)(?![-\w]) | (?:{NAME})["']?\s*[=:])""",
    re.IGNORECASE | re.VERBOSE,
)
SHAPED = re.compile(
    r"""
      \b(?:bearer|apikey|basic)\s+\S{8,}    # a header's value
    | \beyJ[\w-]{6,}\.[\w-]{4,}             # a JSON web token
    | \b(?:sk|pk|rk|im[ks]|gh[opsu]|xox[abp]|whsec)[-_]\w{12,}
    | ://[^/\s@]+:[^/\s@]+@                 # a password in an address
    """,
    re.IGNORECASE | re.VERBOSE,
)
RUN = re.compile(r"[A-Za-z0-9_-]{24,}")
SHORTER_RUN = re.compile(r"[A-Za-z0-9_-]{16,}")


def refuse_secrets(line: str, body: str, carries: Carries) -> None:
    """Raise if the line or the cell body below it carries a secret, or an option that would.

    Raises:
        UsageError: It does. The message repeats nothing of it.
    """
    if carries(line) or carries(body):
        place = "on a magic line" if carries(line) else "in the body of a cell"
        raise UsageError(
            f"No secret belongs {place}: clear this cell, and rotate the credential if it was real. "
            "Use the panel or prompt of %immune login, or environment variables, instead."
        )


def carries_secret(line: str) -> bool:
    """Whether the line names a secret option, or holds text shaped like a credential."""
    is_shaped = NAMED.search(line) or SHAPED.search(line) or any(_random(run) for run in RUN.findall(line))
    return bool(is_shaped) or any(_random(run, kinds=2, mixed=0.25) for run in _strays(line))


def _strays(line: str) -> list[str]:
    """The long words of a ``login`` line that belong to no option: there a hexadecimal one is no id, but a key."""
    command, _, rest = line.strip().partition(" ")
    login = command_named(command) if command == "login" else None
    if login is None:
        return []
    named = "|".join(option.name for option in login.options if option.metavar)
    return SHORTER_RUN.findall(re.sub(rf"""(?:{named})(?:\s+|=)(?:"[^"]*"|'[^']*'|\S+)""", " ", rest))


def _random(run: str, *, kinds: int = 3, mixed: float = 0.4) -> bool:
    """Whether a long run looks drawn rather than chosen: digits and letters, well mixed, hardly a separator."""
    drawn = ["digit" if c.isdigit() else "upper" if c.isupper() else "lower" for c in run if c not in "-_"]
    changes = sum(a != b for a, b in itertools.pairwise(drawn))
    separators = len(run) - len(drawn)
    return len(set(drawn)) >= kinds and changes > mixed * len(run) and separators * 8 <= len(run)
