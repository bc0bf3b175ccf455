"""Where a credential may have ended up: the parts of notebooks, other files, and IPython's history, one by one."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Piece", "history_pieces", "notebook_pieces", "output_pieces", "pieces_in", "widget_pieces"]

SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache"}
)
LARGEST = 64 * 2**20  # bytes; a larger file is named as not looked at
ANSI = re.compile(r"\x1b\[[0-9;]*m")
DATA_TYPES = ("image/", "audio/", "video/", "application/pdf", "application/octet-stream", "font/")
HISTORY = "IPython history"


@dataclass(frozen=True)
class Piece:
    """One place, and what stands there.

    Args:
        file: The file, or ``IPython history``.
        where: The place in it, in words; empty for the whole file.
        text: What stands there; None for data that only a known secret can be searched in.
        data: The same as bytes.
        kind: ``source``, ``output``, ``widgets``, ``history``, ``name`` or ``file``.
        hides: Whether anything here is a secret by its nature: the value of a password field.
        is_unread: Whether the file was too large to look at, or could not be read.
    """

    file: str
    where: str
    text: str | None = field(repr=False)
    data: bytes = field(repr=False)
    kind: str = "file"
    hides: bool = False
    is_unread: bool = False


def pieces_in(path: Path) -> Iterator[Piece]:
    """Everything in a file, or in every file of a folder: checkpoints too, links and version control not."""
    for file in _files(path):
        yield _piece(str(file), "file name", file.name, "name")
        try:
            data = file.read_bytes() if file.stat().st_size <= LARGEST else None
        except OSError:
            data = None
        if data is None:
            yield Piece(str(file), "not looked at", None, b"", is_unread=True)
        elif (notebook := _notebook(file, data)) is not None:
            yield from notebook_pieces(str(file), notebook)
        else:
            yield Piece(str(file), "", _text(data), data)


def notebook_pieces(file: str, notebook: Mapping[str, Any]) -> Iterator[Piece]:
    """Sources, outputs, attachments, widget state and metadata of a notebook."""
    for number, cell in enumerate(notebook["cells"], 1):
        yield _piece(file, f"cell {number}, source", _joined(cell.get("source")), "source")
        yield from output_pieces(file, f"cell {number}", cell.get("outputs") or [])
        yield from _leaves(file, f"cell {number}, attachment", cell.get("attachments") or {}, "file", as_data=True)
        yield from _leaves(file, f"cell {number}, metadata", cell.get("metadata") or {}, "file")
    metadata = dict(notebook.get("metadata") or {})
    yield from widget_pieces(file, metadata.pop("widgets", {}))
    yield from _leaves(file, "notebook metadata", metadata, "file")


def output_pieces(file: str, cell: str, outputs: list[Any]) -> Iterator[Piece]:
    """Every stream, error and representation under a cell."""
    for number, output in enumerate(outputs, 1):
        where = f"{cell}, output {number}"
        for name in ("text", "ename", "evalue", "traceback"):
            if name in output:
                glue = "\n" if name == "traceback" else ""
                yield _piece(file, f"{where} ({name})", ANSI.sub("", _joined(output[name], glue)), "output")
        for kind, value in (output.get("data") or {}).items():
            label = f"{where} ({kind})"
            if isinstance(value, str | list):
                yield _piece(file, label, _joined(value), "output", as_data=kind.startswith(DATA_TYPES))
            else:
                yield from _leaves(file, label, value, "output")
        yield from _leaves(file, f"{where} (metadata)", output.get("metadata") or {}, "output")


def widget_pieces(file: str, widgets: Mapping[str, Any]) -> Iterator[Piece]:
    """The saved state of every widget; what a password field holds is a secret whatever it looks like."""
    for bundle in widgets.values():
        for model_id, model in (bundle.get("state") or {}).items():
            name, state = model.get("model_name", "model"), model.get("state") or {}
            where = f"widget state, {name} {model_id[:8]}"
            if name == "PasswordModel" and state.get("value"):
                yield Piece(file, f"{where}: value", "", b"", "widgets", hides=True)
            yield from _leaves(file, where, state, "widgets")
            yield from _leaves(file, where, model.get("buffers") or [], "widgets", as_data=True)


def history_pieces(file: Path) -> Iterator[Piece]:
    """Every input and output that IPython keeps."""
    if not file.is_file():
        return
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
        inputs = "SELECT session, line, source_raw || char(10) || source FROM history"
        outputs = "SELECT session, line, output FROM output_history"
        for question, name in ((inputs, "input"), (outputs, "output")):
            for session, line, text in database.execute(question):
                yield _piece(HISTORY, f"session {session}, {name} {line}", str(text), "history")


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        copies = path.parent / ".ipynb_checkpoints"
        yield from sorted(copies.glob(f"{path.stem}-checkpoint{path.suffix}"))
        return
    for entry in sorted(path.iterdir()):
        if entry.is_symlink() or entry.name in SKIPPED:
            continue
        if entry.is_dir():
            yield from _files(entry)
        elif entry.is_file():
            yield entry


def _notebook(file: Path, data: bytes) -> dict[str, Any] | None:
    """The file as a notebook; None when it is none, or is broken."""
    if file.suffix != ".ipynb":
        return None
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return notebook if isinstance(notebook, dict) and isinstance(notebook.get("cells"), list) else None


def _text(data: bytes) -> str | None:
    """A file as text; None for one that is none."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    return None if b"\0" in data[:8192] else data.decode("utf-8", errors="replace")


def _leaves(file: str, where: str, tree: object, kind: str, *, as_data: bool = False) -> Iterator[Piece]:
    """Every text in a JSON tree, with the name it has there."""
    branches = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in branches:
        here = f"{where}: {name}"
        if isinstance(value, str):
            yield _piece(file, here, value, kind, as_data=as_data)
            if "\n" not in value and '"' not in value:
                yield _piece(file, here, f'{name}: "{value}"', kind, as_data=as_data)
        else:
            yield from _leaves(file, here, value, kind, as_data=as_data)


def _piece(file: str, where: str, text: str, kind: str, *, as_data: bool = False) -> Piece:
    return Piece(file, where, None if as_data else text, text.encode("utf-8", errors="surrogatepass"), kind)


def _joined(text: Any, glue: str = "") -> str:
    return glue.join(map(str, text)) if isinstance(text, list) else str(text or "")
