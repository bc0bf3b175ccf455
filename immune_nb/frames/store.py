"""What was fetched before, by the day: Parquet files per profile, account, path and filter.

Only whole days that lie in the past are kept, so that what is kept is final, as far as a service lets that be known.
A file that is damaged is as good as none. Several kernels may share a store: files appear whole or not at all, and
clearing takes a lock. Nothing here holds a credential; folders are 0700, files 0600.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from immune_nb.frames.decode import Part, instants_of
from immune_nb.frames.instants import MISSING
from immune_nb.frames.parquet import read_part, write_part

__all__ = ["DAY", "Shelf", "Store", "Stored", "days_of"]

DAY = 86_400_000_000  # microseconds
FORMAT = 1  # a change of what is written leaves older files aside
READERS = 4


@dataclass(frozen=True)
class Stored:
    """One stored day: its rows, and when they were fetched, in Unix seconds."""

    part: Part
    fetched_at: float


class Store:
    """A folder of shelves.

    Args:
        folder: Where; it is made when something is first kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def shelf(self, *, mark: str = "", **of: Any) -> Shelf:
        """The shelf of one list: profile, account, path and filters, whatever tells it from others.

        Args:
            mark: What tells the login from others where no account does; it is not written down.
            of: The rest.
        """
        told = json.dumps({**of, "mark": mark, "format": FORMAT}, sort_keys=True, default=str)
        return Shelf(self.folder / hashlib.sha256(told.encode()).hexdigest()[:24], of)

    def shelves(self) -> list[dict[str, Any]]:
        """What is kept: for each shelf what it is of, its days, its bytes, and when the oldest of it was fetched."""
        return [_described(shelf) for shelf in self._folders()]

    def clear(self, profile: str | None = None) -> int:
        """Drop everything, or all of one profile, and say how many days that were."""
        if not self.folder.exists():
            return 0
        days = 0
        with filelock.FileLock(self.folder / ".lock"):
            for shelf in self._folders():
                if profile in (None, _described(shelf).get("profile")):
                    days += len(list(shelf.glob("*.parquet")))
                    shutil.rmtree(shelf)
        return days

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*") if path.is_dir())


def _described(shelf: Path) -> dict[str, Any]:
    found = [file.stat() for file in shelf.glob("*.parquet")]
    oldest = min((one.st_mtime for one in found), default=None)
    facts = {"days": len(found), "bytes": sum(one.st_size for one in found), "fetched_at": oldest}
    try:
        return {**json.loads((shelf / "about.json").read_text()), **facts}
    except (OSError, ValueError):
        return facts  # damaged: it can still be cleared


class Shelf:
    """The days of one list.

    Args:
        folder: Where.
        of: What list it is.
    """

    def __init__(self, folder: Path, of: Mapping[str, Any]) -> None:
        self._folder = folder
        self._of = of

    def get(self, days: Sequence[int]) -> dict[int, Stored]:
        """Those of some days, each the number of a day since 1970, that are kept and whole."""
        with ThreadPoolExecutor(READERS) as readers:
            found = readers.map(read_part, (self._file(day) for day in days))
            return {
                day: Stored(part, about["fetched_at"])
                for day, (part, about) in ((d, f) for d, f in zip(days, found, strict=True) if f)
            }

    def put(self, day: int, part: Part, fetched_at: float) -> None:
        """Keep a day."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with filelock.FileLock(self._folder.parent / ".lock"):
            self._folder.mkdir(exist_ok=True, mode=0o700)
            about = self._folder / "about.json"
            if not about.exists():
                about.write_text(json.dumps(self._of, default=str))
                about.chmod(0o600)
            write_part(part, self._file(day), {"fetched_at": fetched_at})

    def drop(self) -> None:
        """Forget every day.

        Raises:
            OSError: The folder cannot be written.
        """
        if self._folder.exists():
            with filelock.FileLock(self._folder.parent / ".lock"):
                shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, day: int) -> Path:
        return self._folder / f"{(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)):%Y-%m-%d}.parquet"


def days_of(part: Part) -> Iterator[tuple[int, Part]]:
    """The rows of each day, with its number since 1970. Rows without time are left out."""
    instants = instants_of(part)
    numbers = np.floor_divide(instants, DAY)
    for number in np.unique(numbers[instants != MISSING]).tolist():
        keep = numbers == number
        yield number, (part if keep.all() else part.take(keep))
