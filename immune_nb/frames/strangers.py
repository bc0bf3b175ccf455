"""Rows about others than was asked for: a service may pass over a filter that it does not know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from immune_nb.frames.decode import Part

__all__ = ["names_in", "strangers"]


def strangers(parts: Iterable[Part], name: str, wanted: str) -> list[Any] | None:
    """Which rows of each part are about another than `wanted`, as masks.

    A row that names none is about what was asked for. So are all of them where they name one other and no more:
    a service may have several names for the same.

    Args:
        parts: The rows.
        name: The field that says what they are about.
        wanted: What was asked for.

    Returns:
        A mask per part, or none where there is no such row; None where rows are about several others, and none about
        what was asked for.
    """
    parts = list(parts)
    met = {text for part in parts for text in names_in(part, name)}
    if len(met) > 1 and wanted not in met:
        return None
    others = met - {wanted} if wanted in met else set()
    return [_mask(part, name, others) for part in parts] if others else []


def names_in(part: Part, name: str) -> set[str]:
    """Whatever the rows say that they are about."""
    chunk = part.columns.get((name,))
    if not isinstance(chunk, pa.Array):
        told = chunk or ()
    elif pa.types.is_dictionary(chunk.type) and len(chunk) and len(chunk.dictionary) == 1 and not chunk.null_count:
        told = chunk.dictionary.to_pylist()  # every row says the same: no need to look at each
    else:
        told = chunk.unique().to_pylist()
    return {str(value) for value in told if value not in (None, "")}


def _mask(part: Part, name: str, others: set[str]) -> Any:
    chunk = part.columns.get((name,))
    if chunk is None:
        return np.zeros(part.rows, dtype=bool)
    values = chunk.to_pylist() if isinstance(chunk, pa.Array) else chunk
    return np.array([value is not None and str(value) in others for value in values], dtype=bool)
