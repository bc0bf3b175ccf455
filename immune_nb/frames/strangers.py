"""Rows about others than was asked for: a service may pass over a filter that it does not know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from immune_nb.frames.decode import Part
from immune_nb.frames.values import Chunk

__all__ = ["strangers"]


def strangers(parts: Iterable[Part], name: str, wanted: str) -> list[Any] | None:
    """Which rows of each part are about another than `wanted`, as masks.

    A row that names none is about what was asked for. So are all of them where they name one other and no more:
    a service may have several names for the same.

    Args:
        parts: The rows.
        name: The field that says what they are about.
        wanted: What was asked for.

    Returns:
        A mask per part; None where rows are about several others, and none about what was asked for.
    """
    chunks = [(part.rows, part.columns.get((name,))) for part in parts]
    met = {text for _, chunk in chunks for text in _told(chunk)} - {None, ""}
    if len(met) > 1 and wanted not in met:
        return None
    others = met - {wanted} if wanted in met else set()
    return [_mask(rows, chunk, others) for rows, chunk in chunks]


def _told(chunk: Chunk | None) -> Iterable[str | None]:
    """Every text of a column, once."""
    if isinstance(chunk, pa.Array):
        told: list[str | None] = chunk.unique().to_pylist()
        return told
    return {None if value is None else str(value) for value in chunk or ()}


def _mask(rows: int, chunk: Chunk | None, others: set[str | None]) -> Any:
    if not others or chunk is None:
        return np.zeros(rows, dtype=bool)
    values = chunk.to_pylist() if isinstance(chunk, pa.Array) else chunk
    return np.array([value is not None and str(value) in others for value in values], dtype=bool)
