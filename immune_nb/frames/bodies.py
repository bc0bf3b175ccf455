"""Bodies that are not one JSON value: a JSON value a line, and CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

__all__ = ["decoded", "table_rows"]


def decoded(body: bytes) -> Any:
    """JSON, or the list of JSON values where each line is one; None for an empty body.

    Raises:
        ValueError: It is neither.
    """
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data" or b"\n" not in body.strip():
            raise
        return [json.loads(line) for line in body.splitlines() if line.strip()]


def table_rows(body: bytes) -> list[dict[str, Any]]:
    """The rows of CSV as text, by column; an empty field is missing. InfluxDB's annotations are left out.

    Raises:
        ValueError: It is not UTF-8, or no CSV.
    """
    lines = (line for line in io.StringIO(body.decode("utf-8-sig"), newline="") if not line.startswith("#"))
    try:
        return [{name: v or None for name, v in row.items() if name} for row in csv.DictReader(lines, restkey="more")]
    except csv.Error as error:
        raise ValueError(str(error)) from None
