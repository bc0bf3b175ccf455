"""Rows to columns; nested objects to columns named by their path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["Path", "turned"]

Path = tuple[str, ...]
DEEPEST_QUICK = 8  # levels; beyond it nesting is followed without recursion


def turned(records: Sequence[Any]) -> dict[Path, list[Any]]:
    """Rows to columns."""
    if (alike := _in_step(records)) is not None:
        return alike
    columns: dict[Path, list[Any]] = {}
    for number, record in enumerate(records):
        for path, value in _leaves(record if isinstance(record, dict) else {"value": record}):
            column = columns.setdefault(path, [])
            column.extend([None] * (number - len(column)))
            column.append(value)
    for column in columns.values():
        column.extend([None] * (len(records) - len(column)))
    return columns


def _in_step(records: Sequence[Any], depth: int = 0) -> dict[Path, list[Any]] | None:
    """Rows to columns quickly, where all have the same fields, nested ones too; None where they do not."""
    if depth == DEEPEST_QUICK or not records or any(record.__class__ is not dict for record in records):
        return None
    names = records[0].keys()
    if any(record.keys() != names for record in records):
        return None
    columns: dict[Path, list[Any]] = {}
    for name in names:
        values = [record[name] for record in records]
        if not any(value.__class__ is dict and value for value in values):
            columns[name,] = values
        elif (inner := _in_step(values, depth + 1)) is not None:
            columns |= {(name, *path): column for path, column in inner.items()}
        else:
            return None
    return columns


def _leaves(record: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The values of nested objects, with their paths; an empty object is a value itself."""
    levels: list[tuple[Path, Iterator[tuple[str, Any]]]] = [((), iter(record.items()))]
    while levels:
        path, fields = levels[-1]
        for key, value in fields:
            if isinstance(value, dict) and value:
                levels.append(((*path, key), iter(value.items())))
                break
            yield (*path, key), value
        else:
            levels.pop()
