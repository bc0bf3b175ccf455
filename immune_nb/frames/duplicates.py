"""Rows that came twice: the same id and the same values. What only shares an id is data, and stays."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from immune_nb.frames.schemas import Schema

__all__ = ["copies"]


def copies(frame: pd.DataFrame, schema: Schema) -> Any:
    """Positions of the rows that are the very same as one before them.

    Args:
        frame: Rows in the schema's order, so that copies stand near each other and few rows need a look.
        schema: Says what that order is.
    """
    if "id" not in frame or len(frame) < 2:  # noqa: PLR2004 - one row is no copy
        return np.array([], dtype=np.intp)
    alike = _neighbours(frame, schema) if schema.sort_by else _same_id(frame)
    suspects = np.flatnonzero(alike)
    if not len(suspects):
        return suspects
    rows = frame.iloc[suspects]
    named = np.array([isinstance(key, str | int) and not isinstance(key, bool) for key in rows["id"]])
    told = pd.DataFrame(
        {name: [_told(value) for value in rows[name]] for name in rows}, index=rows.index, dtype=object
    )
    return suspects[told.duplicated().to_numpy() & named]


def _neighbours(frame: pd.DataFrame, schema: Schema) -> Any:
    """Rows that agree with the row before or after them in all that rows are sorted by."""
    same = np.ones(len(frame) - 1, dtype=bool)
    for name in schema.sort_by:
        values = frame[name]
        keys = _ticks(values) if schema.by_name[name].dtype.startswith("datetime") else pd.factorize(values)[0]
        same &= keys[1:] == keys[:-1]
        if not same.any():
            break
    return np.append(same, False) | np.insert(same, 0, False)


def _ticks(values: pd.Series[Any]) -> Any:
    return values.to_numpy("M8[us]").view(np.int64)


def _same_id(frame: pd.DataFrame) -> Any:
    ids = frame["id"]
    keys = pd.Series([_told(value) for value in ids], dtype=object) if ids.dtype == object else ids
    return keys.duplicated(keep=False).to_numpy()


def _told(value: Any) -> Any:
    """A value by which equals are found, whatever it is."""
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True)
    return "" if value is None or value is pd.NA or value is pd.NaT else f"{type(value).__name__} {value}"
