"""``%immune audit`` and ``python -m immune_nb audit``: has a credential ended up where it should not be?

Known secrets are searched exactly, in all their spellings; anything else by its shape. What is found is named by its
place and never shown.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immune_nb.auth.chain import secret_variables
from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError
from immune_nb.profiles import load_profiles

from .mending import MENDABLE, mend_history, mend_notebook
from .places import Piece, history_pieces, pieces_in
from .shapes import has_scanner, shape_in
from .spellings import Finder, finder
from .surroundings import agrees, person_can_act

if TYPE_CHECKING:
    from .arguments import Request
    from .desk import Desk

__all__ = ["Audit", "Finding", "audit", "main"]

ADVICE = (
    "Rotate every credential that was real. Outputs, widget state and history are cleared with --fix; "
    "sources and other files are yours to edit."
)


@dataclass(frozen=True)
class Finding:
    """One place that holds a credential. The credential itself is not kept.

    Args:
        piece: The place; its contents are dropped.
        line: Line in it, from 1; 0 when that says nothing.
        what: Which credential, or what it looks like.
    """

    piece: Piece
    line: int
    what: str

    def __str__(self) -> str:
        place = ", ".join(filter(None, (self.piece.where, f"line {self.line}" if self.line else "")))
        return ": ".join(filter(None, (self.piece.file, place, self.what)))


class Audit:
    """One search.

    Args:
        path: A notebook, any other file, or a folder.
        secrets: Credentials to search for exactly, and what to call them.
        history: IPython's history; None leaves it out.

    Raises:
        ConfigError: There is no such file or folder.
    """

    def __init__(self, path: Path, secrets: Iterable[tuple[str, Secret]], history: Path | None = None) -> None:
        if not path.exists():
            raise ConfigError("There is no such notebook or folder.")
        self._path = path
        self._history = history
        self._find: Finder = finder(secrets)
        self.looked_at = 0

    def findings(self) -> list[Finding]:
        """Every place that holds a credential, once."""
        self.looked_at = 0
        found = {(f.piece.file, f.piece.where): f for f in self._search()}
        return list(found.values())

    def fix(self, findings: Iterable[Finding]) -> None:
        """Clear the outputs, widget state and history rows among the findings."""
        mendable = [finding.piece for finding in findings if finding.piece.kind in MENDABLE]
        for file in sorted({piece.file for piece in mendable if piece.kind != "history"}):
            mend_notebook(Path(file), self._leaks)
        if self._history and any(piece.kind == "history" for piece in mendable):
            mend_history(self._history, self._leaks)

    def _search(self) -> Iterator[Finding]:
        history = history_pieces(self._history) if self._history else iter(())
        for pieces in (pieces_in(self._path), history):
            for piece in pieces:
                self.looked_at += 1
                if finding := self._judge(piece):
                    yield finding

    def _leaks(self, pieces: Iterable[Piece]) -> bool:
        return any(self._judge(piece) for piece in pieces)

    def _judge(self, piece: Piece) -> Finding | None:
        place = Piece(piece.file, piece.where, None, b"", piece.kind)
        if piece.is_unread:
            return Finding(place, 0, "too large, or unreadable")
        if name := self._find(piece.data) or (self._find(piece.text.encode(errors="replace")) if piece.text else ""):
            lines = (piece.text or "").encode(errors="replace").splitlines()
            return Finding(
                place, next((n for n, line in enumerate(lines, 1) if self._find(line)), 0), f"{name}, in use"
            )
        if piece.hides:
            return Finding(place, 0, "the value of a password field")
        line, shape = shape_in(piece.text) if piece.text else (0, "")
        return Finding(place, line, f"looks like {shape}") if shape else None


def audit(desk: Desk, request: Request) -> None:
    """``%immune audit``."""
    from .show import Note, show

    history = Path(str(getattr(desk.shell, "history_manager").hist_file))  # noqa: B009 - shells are objects here
    search = Audit(Path(str(request.words[0]) if request.words else "."), _live(desk), history)
    findings = search.findings()
    show(Note(_report(findings, search.looked_at)))
    if not (request.given("fix") and _mendable(findings)):
        return
    if not request.given("yes"):
        if not person_can_act(desk.shell):
            raise ConfigError("Nobody can be asked here.", hint="Take --yes as well.")
        if not agrees(f"Clear {_mendable(findings)} of these places?"):
            return
    search.fix(findings)
    show(Note(f"Cleared. Left: {_report(search.findings(), search.looked_at)}"))


def main(words: Sequence[str]) -> int:
    """``python -m immune_nb audit``.

    Returns:
        Exit status: 0 for clean, 1 when something was found.
    """
    parser = argparse.ArgumentParser(prog="python -m immune_nb audit", description="Find leaked credentials.")
    parser.add_argument("paths", nargs="*", type=Path, default=[Path()], help="notebooks, other files or folders")
    parser.add_argument("--history", type=Path, help="an IPython history.sqlite to search as well")
    parser.add_argument("--fix", action="store_true", help="clear outputs, widget state and history rows")
    parser.add_argument("--yes", action="store_true", help="with --fix: do not ask")
    chosen = parser.parse_args(words)
    if missing := [path for path in chosen.paths if not path.exists()]:
        parser.error(f"{len(missing)} of the paths do not exist")
    searches = [Audit(path, _known(), chosen.history if n == 0 else None) for n, path in enumerate(chosen.paths)]
    found = [search.findings() for search in searches]
    if chosen.fix and any(map(_mendable, found)):
        if not (chosen.yes or agrees("Clear outputs, widget state and history rows?")):
            return 1
        for search, findings in zip(searches, found, strict=True):
            search.fix(findings)
        found = [search.findings() for search in searches]
    everything = [finding for findings in found for finding in findings]
    print(_report(everything, sum(search.looked_at for search in searches)))  # noqa: T201 - a command line prints
    return 1 if everything else 0


def _report(findings: Sequence[Finding], looked_at: int) -> str:
    shapes = "" if has_scanner() else ' Only our own shapes are known: pip install "immune_nb[audit]" for more.'
    if not findings:
        return f"No credential found in {looked_at:,} places.{shapes}"
    return "\n".join([*map(str, findings), f"{len(findings):,} of {looked_at:,} places. {ADVICE}{shapes}"])


def _mendable(findings: Iterable[Finding]) -> int:
    return sum(finding.piece.kind in MENDABLE for finding in findings)


def _live(desk: Desk) -> list[tuple[str, Secret]]:
    """Every credential of this kernel: those in use, and those in its environment."""
    held = [(f"the {secret.name} of {s.profile.name}", secret) for s in desk.sessions for secret in s.secrets()]
    return [*held, *_known()]


def _known() -> list[tuple[str, Secret]]:
    """The credentials in the environment."""
    names = {name for profile in load_profiles().values() for name in secret_variables(profile)}
    found = []
    for name in sorted(names):
        with suppress(ConfigError):  # empty, or nothing that could be sent
            found.append((f"${name}", Secret(os.environ.get(name, ""))))
    return found
