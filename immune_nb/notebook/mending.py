"""Taking leaked credentials out of notebooks and history, where that can be done for somebody."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from .places import Piece, history_pieces, output_pieces, widget_pieces

__all__ = ["MENDABLE", "mend_history", "mend_notebook"]

MENDABLE = frozenset({"output", "widgets", "history"})
PATIENCE = 10.0  # seconds that a kernel may hold the history
Leaks = Callable[[Iterable[Piece]], bool]


def mend_notebook(file: Path, leaks: Leaks) -> None:
    """Take the outputs that leak out of a notebook, and its whole widget state if any of that does.

    Args:
        file: The notebook.
        leaks: Whether a credential is in any of some pieces.
    """
    notebook = json.loads(file.read_bytes())
    for cell in notebook["cells"]:
        if "outputs" in cell:
            cell["outputs"] = [one for one in cell["outputs"] if not leaks(output_pieces("", "", [one]))]
    if leaks(widget_pieces("", notebook.get("metadata", {}).get("widgets", {}))):
        del notebook["metadata"]["widgets"]
    _replace(file, json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def mend_history(file: Path, leaks: Leaks) -> None:
    """Delete the rows that leak, and rewrite the file so that their bytes are gone.

    Args:
        file: IPython's ``history.sqlite``.
        leaks: Whether a credential is in any of some pieces.
    """
    rows = [piece.where for piece in history_pieces(file) if leaks([piece])]
    with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = ON")
        for row in rows:
            _, session, kind, line = row.replace(",", "").split()
            table = "history" if kind == "input" else "output_history"
            database.execute(f"DELETE FROM {table} WHERE session = ? AND line = ?", (session, line))  # noqa: S608 - ours
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _replace(file: Path, text: str) -> None:
    """Write it whole or not at all, with the rights it had."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as target:
            target.write(text)
        Path(temporary).chmod(file.stat().st_mode & 0o777)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
