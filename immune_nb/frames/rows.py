"""Rows of CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

__all__ = ["rows_of"]


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """Rows of text, by the names in the first line; an empty field is missing."""
    text = body.decode("utf-8-sig")
    lines = (line for line in io.StringIO(text, newline="") if not line.startswith("#"))  # InfluxDB's annotations
    return [
        {name: value or None for name, value in row.items() if name} for row in csv.DictReader(lines, restkey="more")
    ]
