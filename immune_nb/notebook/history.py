"""IPython's history, kept clean of what was refused: lines of `%immune`, and bodies of `%%immune`.

A cell is stored before any of it runs: in ``In``, ``_ih``, ``_i…`` and, by a thread, in ``history.sqlite``. Taking a
secret out afterwards loses the race with that thread, so the storing itself is wrapped while the extension is loaded.
The cell's source, `%logstart`, the front end's copy and the cell that loads the extension are out of reach.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from .refusal import Carries, carries_secret

__all__ = ["HIDDEN", "HistoryGuard", "names_of", "scrubbed"]

HIDDEN = "# a secret stood here, and was not kept"
ALIAS = re.compile(r"%alias_magic\s+(?:-\w+\s+)*(\w+)\s+immune\b")
JOINED = re.compile(r"(?:[^\n]*\\\n)*[^\n]+")  # a line, with those that a backslash at the end adds


class HistoryGuard:
    """Keeps secrets on `%immune` lines out of a shell's history.

    Args:
        shell: The IPython shell.
        carries: Tells whether a text holds a secret.
    """

    def __init__(self, shell: Any, carries: Carries = carries_secret) -> None:
        self._shell = shell
        self._carries = carries
        self._inner: Any = None

    def start(self) -> None:
        """Wrap the storing of inputs; a second time changes nothing."""
        manager = self._shell.history_manager
        if self._inner is None and manager is not None:
            self._inner, manager.store_inputs = manager.store_inputs, self._store
            self._shell.events.register("post_run_cell", self._forget)

    def stop(self) -> None:
        """Store inputs as before. Where somebody has wrapped the storing since, taking ours out would undo theirs."""
        manager = self._shell.history_manager
        if self._inner is not None and manager.store_inputs == self._store:
            self._shell.events.unregister("post_run_cell", self._forget)
            manager.store_inputs, self._inner = self._inner, None

    def _store(self, line_num: int, source: str, source_raw: str | None = None) -> None:
        raw = source if source_raw is None else source_raw
        clean = scrubbed(raw, names_of(self._shell), self._carries)
        if clean == raw:
            self._inner(line_num, source, source_raw)
        else:
            self._inner(line_num, self._shell.transform_cell(clean), clean)

    def _forget(self, result: Any) -> None:
        """Clean what the shell keeps of the last cell besides its history."""
        info = result.info
        clean = scrubbed(info.raw_cell or "", names_of(self._shell), self._carries)
        if info.raw_cell and clean != info.raw_cell:
            info.raw_cell = info.transformed_cell = clean


def names_of(shell: Any) -> set[str]:
    """What `%immune` is called in a shell: itself, and what `%alias_magic` named after it."""
    kinds = shell.magics_manager.magics.values()
    named = [(name, getattr(magic, "magic_name", "")) for kind in kinds for name, magic in kind.items()]
    return {"immune"} | {name for name, stands_for in named if stands_for == "immune"}


def scrubbed(cell: str, names: Collection[str] = frozenset({"immune"}), carries: Carries = carries_secret) -> str:
    """A cell without the `%immune` lines that carry a secret; the same text when none does.

    Args:
        cell: Source as typed.
        names: What the magic is called.
        carries: Tells whether a text holds a secret.
    """
    called = "|".join(map(re.escape, sorted({*names, *ALIAS.findall(cell)})))
    typed = re.compile(rf"(?P<before>(?:.*?%{{1,2}}|\s*(?=\w+\s+[a-z]))(?:{called})\b)(?P<line>.*)", re.DOTALL)
    in_python = re.compile(rf"\s*.*\brun_(?:line|cell)_magic\b.*\b(?:{called})\b(?P<line>.*)", re.DOTALL)

    def clean(match: re.Match[str]) -> str:
        line = match[0]
        if (magic := typed.fullmatch(line)) and carries(magic["line"]):
            return f"{magic['before']} {HIDDEN}"
        if (call := in_python.fullmatch(line)) and carries(call["line"]):
            return f"{line[: len(line) - len(line.lstrip())]}pass  {HIDDEN}"
        return line

    return _without_body(JOINED.sub(clean, cell), called, carries)


def _without_body(cell: str, called: str, carries: Carries) -> str:
    """The same without a cell body that carries a secret; what stands above `%%immune` may be another cell magic."""
    magic = re.search(rf"^[^\S\n]*%%(?:{called})\b[^\n]*\n(?P<body>.*)\Z", cell, re.DOTALL | re.MULTILINE)
    if magic and carries(magic["body"]):
        return f"{cell[: magic.start('body')]}{HIDDEN}"
    return cell
