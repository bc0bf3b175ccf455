"""What a service says of a credential it does not take: ``WWW-Authenticate``, read (RFC 9110 11.6.1, RFC 6750 3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Challenge", "read_challenge"]

PART = re.compile(r"""([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?""")


@dataclass(frozen=True)
class Challenge:
    """One answer's challenges.

    Args:
        schemes: How one may authenticate, as the service writes it: ``Bearer``, ``ApiKey``.
        error: ``invalid_token``, ``insufficient_scope`` or ``invalid_request``, where it says so.
        scope: The scopes that would do.
    """

    schemes: tuple[str, ...] = ()
    error: str = ""
    scope: str = ""


def read_challenge(header: str) -> Challenge:
    """Read a header's value; several challenges may stand in one."""
    schemes, found = [], {"error": "", "scope": ""}
    for name, quoted, plain in PART.findall(header):
        if not (quoted or plain):
            schemes.append(name)
        elif schemes and name.lower() in found:
            found[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) or plain
    return Challenge(tuple(schemes), **found)
