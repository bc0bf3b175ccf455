"""Readings as they are sent: from a frame or from records, checked before anything leaves.

What JSON cannot say, or says in a way that others read differently, is refused with its row and field: NaN, infinity,
whole numbers that no float64 holds, text with half a character. Nothing is rounded, dropped or guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from immune_nb.errors import QueryError, quoted
from immune_nb.frames.instants import to_api
from immune_nb.frames.numbers import runs
from immune_nb.frames.schemas import OUTCOMES

__all__ = ["FIELDS", "Submission", "ids_of", "outcome_frame", "submission_of"]

FIELDS = ("sensor_id", "value", "unit", "timestamp")  # api-contract 1.3
NAMED = 12  # kinds of faults that a message names
PLAIN = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True)
class Submission:
    """Readings that can be sent.

    Attributes:
        rows: As JSON wants them.
        index: The index of the frame they came in; None where they came in none.
    """

    rows: list[dict[str, Any]]
    index: pd.Index[Any] | None = None


def submission_of(given: Any) -> Submission:
    """Check readings, and write them as they are sent.

    Args:
        given: A DataFrame with the columns `FIELDS` (``timestamp`` may be its index), one mapping, or several.

    Raises:
        QueryError: Something cannot be sent. The message names every row and field of it, as far as one line goes;
            `QueryError.faults` has all.
    """
    if not isinstance(given, pd.DataFrame) and callable(getattr(given, "to_pandas", None)):
        given = given.to_pandas()  # what polars and Arrow make of themselves
    index = given.index if isinstance(given, pd.DataFrame) else None
    records = _of_frame(given) if isinstance(given, pd.DataFrame) else _of_records(given)
    faults: dict[str, list[int]] = {}
    rows = [_row(record, number, faults) for number, record in enumerate(records)]
    if faults:
        raise _refusal(faults, len(rows))
    return Submission(rows, index)


def outcome_frame(rows: Sequence[tuple[str, str, str]], index: pd.Index[Any] | None) -> pd.DataFrame:
    """The frame of `OUTCOMES` for rows of status, id and message; an empty text is a missing one."""
    states, ids, messages = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {
        "row": np.arange(len(rows), dtype="int64"),
        "status": pd.Categorical(states, categories=list(OUTCOMES.by_name["status"].words)),
        "id": pd.array([text or None for text in ids], dtype="string"),
        "message": pd.array([text or None for text in messages], dtype="string"),
    }
    return pd.DataFrame(columns, index=index)


def ids_of(given: Any) -> Any:
    """What names alerts, out of a frame of them: its column ``id``. Anything else is returned as it is."""
    if not isinstance(given, pd.DataFrame):
        return given
    if "id" not in given.columns:
        raise QueryError(
            "The frame has no column id.", hint="Give the alerts as alerts() returns them, or their ids."
        )
    return given["id"].tolist()


def _of_frame(frame: pd.DataFrame) -> Iterable[Any]:
    if "timestamp" not in frame.columns and frame.index.name == "timestamp":
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    wrong = [f"{name} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    wrong += [f"there is no column {name}" for name in FIELDS if name not in names]
    wrong += [f"{quoted(name, 60)} is no field of a reading that is sent" for name in names if name not in FIELDS]
    if wrong:
        raise QueryError(
            f"These readings cannot be sent: {'; '.join(wrong)}.",
            hint=f"Give frame[{list(FIELDS)}], renamed where need be.",
            faults=tuple(wrong),
        )
    columns = [frame[name].tolist() for name in FIELDS]
    return (dict(zip(FIELDS, row, strict=True)) for row in zip(*columns, strict=True))


def _of_records(given: Any) -> Iterable[Any]:
    if isinstance(given, Mapping):
        return [given]
    if isinstance(given, pd.Series):
        return [given.to_dict()]
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        return [one.to_dict() if isinstance(one, pd.Series) else one for one in given]
    raise QueryError(
        f"{quoted(given, 60)!r} holds no readings.", hint="Give a DataFrame, a mapping or a list of mappings."
    )


def _row(record: Any, number: int, faults: dict[str, list[int]]) -> dict[str, Any]:
    """One row as it is sent; what is wrong with it is noted."""
    if not isinstance(record, Mapping):
        faults.setdefault("it is no mapping", []).append(number)
        return {}
    wrong = [f"{name} is missing" for name in FIELDS if name not in record]
    wrong += [f"{quoted(name, 60)} is no field of a reading that is sent" for name in record if name not in FIELDS]
    row = {}
    for name, read in READ.items():
        if name in record:
            try:
                row[name] = read(record[name])
            except ValueError as error:
                wrong.append(f"{name} {error}")
    for fault in wrong:
        faults.setdefault(fault, []).append(number)
    return row


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is missing" if _is_missing(value) else f"is {_shown(value)}, which is no text")  # noqa: TRY004
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character, which cannot be sent") from None
    return str(value)


def _id(value: Any) -> str:
    text = _text(value)
    if not text:
        raise ValueError("is empty")
    return text


def _number(value: Any) -> int | float:
    """A JSON number that whoever reads it as a float64 reads exactly (RFC 8259 6)."""
    if isinstance(value, np.generic):
        value = value.item()
    if _is_missing(value):
        raise ValueError("is missing")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"is {_shown(value)}, which is no number")  # noqa: TRY004
    try:
        as_float = float(value)
    except OverflowError:
        as_float = math.inf
    if isinstance(value, int):
        if as_float != value:
            raise ValueError(f"{_shown(value)} is a whole number that no float64 holds")
        return int(value)
    if not math.isfinite(as_float):
        raise ValueError(f"is {_shown(value)}, which JSON cannot say")
    return as_float


def _instant(value: Any) -> str:
    if isinstance(value, str):
        value = _read_instant(value)
    if _is_missing(value):
        raise ValueError("is missing")
    if not isinstance(value, date | np.datetime64):
        raise ValueError(f"is {_shown(value)}, which is no time")  # noqa: TRY004
    try:
        instant = pd.Timestamp(value)
        instant = instant.tz_localize("UTC") if instant.tz is None else instant.tz_convert("UTC")
        if instant.year > 0:
            return to_api(instant)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"is {_shown(value)}, which is out of reach")


READ = {"sensor_id": _id, "value": _number, "unit": _text, "timestamp": _instant}


def _read_instant(text: str) -> Any:
    """The instant a text says, every digit of it; the text itself when it says none."""
    try:
        if PLAIN.fullmatch(text):
            return datetime.fromisoformat(text)
        instant = pd.to_datetime(text, format="ISO8601")
    except (ValueError, OverflowError):
        return text
    return instant if isinstance(instant, pd.Timestamp) else text


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    return bool(isinstance(value, float | np.floating | np.datetime64) and pd.isna(value))


def _shown(value: Any) -> str:
    """A value in few characters; of a number too long for Python to write, how long it is."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:  # noqa: PLR2004
        return f"of {value.bit_length():,} bits"
    return repr(quoted(value, 40)) if isinstance(value, str) else quoted(value, 40)


def _refusal(faults: Mapping[str, list[int]], count: int) -> QueryError:
    said = tuple(f"{_rows(rows)}: {fault}" for fault, rows in faults.items())
    bad = len({row for rows in faults.values() for row in rows})
    more = f"; and {len(said) - NAMED} more, in .faults of this error" if len(said) > NAMED else ""
    return QueryError(
        f"{bad:,} of {count:,} readings cannot be sent: {'; '.join(said[:NAMED])}{more}.",
        hint="Nothing was sent; rows count from 0.",
        faults=said,
    )


def _rows(numbers: Sequence[int]) -> str:
    """Row numbers as a person would list them: ``rows 1, 4–9``."""
    parts = [f"{first}" if first == last else f"{first}–{last}" for first, last in runs(numbers)]
    return f"{'row' if len(numbers) == 1 else 'rows'} {', '.join(parts)}"
