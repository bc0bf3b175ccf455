"""Every choice a sandbox is started with. What to break is in `faults.Faults`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from .faults import Faults

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How this IMMUNE behaves, most of it where the documentation leaves it open (the U marks of the contract).

    The text beside a type is the flag's help. Not on the command line are `faults`, what to break from the start,
    and `clock`, seconds since 1970 for tokens, rate limits and a running plant; a test passes its own.
    """

    role: Annotated[Literal["immune", "iiniit"], "which API to play"] = "immune"
    seed: Annotated[int, "another seed is another plant"] = 7
    days: Annotated[int, "days of history"] = 90
    now: Annotated[int | None, "ISO instant at which the plant's clock stands still; without it, it runs"] = None
    order: Annotated[Literal["asc", "desc"], "sort order of readings"] = "asc"
    bounds: Annotated[Literal["half-open", "closed", "open"], "which ends belong to a time window"] = "half-open"
    total_count: Annotated[Literal["filtered", "unfiltered", "absent"], "does it respect filters"] = "filtered"
    over_limit: Annotated[Literal["reject", "clamp"], "what a limit above 1,000 does"] = "reject"
    api_key_in: Annotated[Literal["header", "query", "x-api-key"], "where an API key may be, too"] = "header"
    api_key: Annotated[str, "the key to accept (made up); random when absent"] = field(default="", repr=False)
    client_id: Annotated[str, "the OAuth client's id; random when absent"] = ""
    client_secret: Annotated[str, "its secret (made up); random when absent"] = field(default="", repr=False)
    public_client_id: Annotated[str, "id of the client without a secret; random when absent"] = ""
    redirect_uris: Annotated[str, "where a sign-in may lead back to, separated by spaces"] = ""
    user: Annotated[str, "who can sign in"] = "ada"
    password: Annotated[str, "their password (made up); random when absent"] = field(default="", repr=False)
    control: Annotated[bool, "answer under /_sandbox"] = False
    db: Annotated[Path | None, "SQLite file to keep state in; without it, in memory"] = None
    log: Annotated[Path | None, "file that gets one JSON line per request"] = None
    faults: Faults = field(default_factory=Faults)
    clock: Callable[[], float] = time.time
