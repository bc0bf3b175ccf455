"""``%immune cache``: which readings are kept on this machine, and how to be rid of them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from immune_nb.profiles import cache_folder

from .show import Note, Table, counted, duration, show, size

if TYPE_CHECKING:
    from immune_nb.frames.store import Store

    from .arguments import Request
    from .desk import Desk

__all__ = ["cache"]

HEADER = ("profile", "account", "what", "days", "size", "fetched")


def cache(_desk: Desk, request: Request) -> None:
    """``%immune cache``."""
    from immune_nb.frames.store import Store

    store, profile = Store(cache_folder(os.environ)), request.text("profile")
    if "clear" in request.words:
        days = store.clear(profile)
        show(Note(f"{counted(days, 'day')} of readings forgotten."))
    else:
        show(_table(store, profile))


def _table(store: Store, profile: str | None) -> Table | Note:
    shelves = [shelf for shelf in store.shelves() if profile in (None, shelf.get("profile"))]
    if not shelves:
        return Note(f"Nothing is kept in {store.folder}.")
    return Table([_row(shelf, time.time()) for shelf in shelves], HEADER)


def _row(shelf: Mapping[str, Any], now: float) -> tuple[str, ...]:
    filters = " ".join(f"{name}={value}" for name, value in shelf.get("params", {}).items())
    age = "" if shelf["fetched_at"] is None else f"{duration(now - shelf['fetched_at'])} ago"
    what = f"{shelf.get('path', '?')} {filters}".rstrip()
    days = f"{shelf['days']:,}"
    return str(shelf.get("profile", "?")), str(shelf.get("account", "")), what, days, size(shelf["bytes"]), age
