"""``%immune usage``: what was asked of each service in this kernel, and what it still allows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .show import Note, Table, duration, show, size

if TYPE_CHECKING:
    from immune_nb.status import Usage

    from .arguments import Request
    from .desk import Desk

__all__ = ["usage"]

HEADER = ("profile", "calls", "received", "refused", "limit", "calls left", "resets in")


def usage(desk: Desk, _request: Request) -> None:
    """``%immune usage``."""
    rows = [_row(one, time.time()) for one in desk.sessions.usage()]
    show(Table(rows, HEADER) if rows else Note("Nothing was asked of any service yet."))


def _row(one: Usage, now: float) -> tuple[str, ...]:
    resets = "" if one.resets_at is None else "now" if one.resets_at <= now else duration(one.resets_at - now)
    return (
        one.profile,
        f"{one.calls:,}",
        size(one.received),
        f"{one.refusals:,}",
        "does not say" if one.limit is None else f"{one.limit:,}",
        "does not say" if one.left is None else f"{one.left:,}",
        resets,
    )
