"""What this kernel has seen of its APIs: ids, paths, and how big and how quick answers were. Gone with the kernel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Memory", "Seen"]

MOST_VALUES, MOST_NAMES, LOOKED_AT = 1000, 200, 5000  # values of a name; names, paths, answers; rows of a frame
MOST_WORDS = 40  # different texts in a column that is a choice of words
LONGEST = 80  # characters of a value; what is longer is no id or word
BOUNDS = ("start_time", "end_time")


@dataclass(frozen=True)
class Seen:
    """How an answer was.

    Args:
        rows: Rows the service stated, or that came.
        pages: Pages.
        seconds: How long it took.
    """

    rows: int
    pages: int
    seconds: float


class Memory:
    """What was seen, per profile; the oldest makes room for the newest."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], dict[str, None]] = {}
        self._answers: dict[tuple[object, ...], Seen] = {}
        self._paths: dict[tuple[str, str], None] = {}
        self._noted: dict[tuple[object, ...], None] = {}

    def note(self, frame: pd.DataFrame) -> None:
        """Take in a frame that was fetched, once; its receipt says whose it is."""
        receipt = frame.attrs.get("immune") or {}
        profile, path = str(receipt.get("profile", "")), str(receipt.get("path", ""))
        this = (profile, path, str(receipt.get("parameters")), receipt.get("fetched_at"), len(frame))
        if not receipt or this in self._noted:
            return
        _keep(self._noted, this, None, MOST_VALUES)
        _keep(self._paths, (profile, path), None, MOST_NAMES)
        for name, values in _words(frame):
            self._add(profile, _name_of(path) if name == "id" else name, values)
        rows = receipt.get("reported_total")
        rows = receipt.get("rows") if rows is None and receipt.get("complete") else rows
        if rows is not None and receipt.get("pages"):
            seen = Seen(int(rows), int(receipt["pages"]), float(receipt.get("seconds") or 0))
            _keep(self._answers, _question(profile, path, receipt.get("parameters") or {}), seen, MOST_NAMES)

    def values(self, profile: str, name: str) -> list[str]:
        """The values of a parameter that were seen, the newest last: ``sensor_id`` knows the sensors' ids."""
        return list(self._values.get((profile, name), ()))

    def paths(self, profile: str) -> list[str]:
        """The paths that were asked with success."""
        return [path for mine, path in self._paths if mine == profile]

    def ids_below(self, profile: str, path: str) -> list[str]:
        """The ids of the records that a path lists."""
        return self.values(profile, _name_of(path))

    def answer_to(self, profile: str, path: str, parameters: Mapping[str, Any]) -> Seen | None:
        """How the same question was answered; of a stretch of time, one as long."""
        return self._answers.get(_question(profile, path, parameters))

    def pace(self, profile: str, path: str) -> float | None:
        """Seconds a page of that path took, in the largest answer that was seen."""
        mine = [seen for key, seen in self._answers.items() if key[:2] == (profile, path) and seen.seconds]
        best = max(mine, key=lambda seen: seen.pages, default=None)
        return best.seconds / best.pages if best else None

    def _add(self, profile: str, name: str, values: Iterable[str]) -> None:
        known = _keep(self._values, (profile, name), self._values.get((profile, name), {}), MOST_NAMES)
        for value in values:
            _keep(known, value, None, MOST_VALUES)


def _keep(place: dict[Any, Any], key: object, value: Any, most: int) -> Any:
    """Put a value at the end of a dictionary that holds so many at most."""
    place.pop(key, None)
    place[key] = value
    if len(place) > most:
        del place[next(iter(place))]
    return value


def _name_of(path: str) -> str:
    """What other records call the ids of a list: those of ``/sensors`` are ``sensor_id``."""
    return path.partition("?")[0].rstrip("/").rpartition("/")[2].removesuffix("s") + "_id"


def _words(frame: pd.DataFrame) -> Iterable[tuple[str, list[str]]]:
    """The columns that hold ids and words, and what they hold."""
    for label, column in islice(frame.items(), MOST_NAMES):
        name = str(label)
        if str(column.dtype) == "category":
            values = list(column.cat.categories[:MOST_VALUES])
        elif str(column.dtype) in ("string", "str"):
            values = list(column.head(LOOKED_AT).dropna().unique()[:MOST_VALUES])
            if len(values) > MOST_WORDS and name != "id" and not name.endswith("_id"):
                continue  # free text
        else:
            continue
        yield name, [text for value in values if 0 < len(text := str(value)) <= LONGEST]


def _question(profile: str, path: str, parameters: Mapping[str, Any]) -> tuple[object, ...]:
    """What tells a question from others: its bounds only by how far they lie apart."""
    rest = sorted((name, str(value)) for name, value in parameters.items() if name not in BOUNDS and name != "limit")
    return (profile, path, _length(parameters), *rest)


def _length(parameters: Mapping[str, Any]) -> float | None:
    try:
        start, end = (datetime.fromisoformat(str(parameters[name])) for name in BOUNDS)
        return round((end - start).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
