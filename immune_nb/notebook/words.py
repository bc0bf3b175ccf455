"""A magic line as words: quotes, balanced brackets and Python variables, in one pass.

- ``'…'`` is text as it stands. In ``"…"`` a backslash escapes ``"`` and itself, and variables count.
- ``{name}``, ``{cfg.ids}``, ``{ids[0]}`` and ``$name`` are variables. Braces that hold no Python expression with
  a name in it are text, and so is ``[…]``: JSON survives, its quotes included.
- ``{{name}}`` is ``{name}`` and ``$$`` is ``$``. ``$name=`` opening a word is a key: ``$top=5``.
- ``;`` at the end silences the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from IPython.core.error import UsageError

from .variables import Variable, is_expression

__all__ = ["Word", "as_word", "split"]


@dataclass
class Word:
    """One word.

    Attributes:
        pieces: Text and variables, in order; text next to text is joined.
        bare: The text before the first quote or variable: only there may an option or a key stand.
    """

    pieces: list[str | Variable] = field(default_factory=list)
    bare: str = ""
    _still_bare: bool = True

    def add(self, piece: str | Variable, *, bare: bool) -> None:
        """Append a piece."""
        self._still_bare = self._still_bare and bare
        if isinstance(piece, str) and self._still_bare:
            self.bare += piece
        match piece, self.pieces:
            case str(), [*_, str() as before]:
                self.pieces[-1] = before + piece
            case _ if piece:
                self.pieces.append(piece)

    def after(self, prefix: str) -> Word:
        """The rest of the word, `prefix` being the start of `bare`."""
        first, *rest = self.pieces
        text = str(first)[len(prefix) :]
        return Word([text, *rest] if text else rest, self.bare[len(prefix) :])


TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<end>;\s*\Z)
    | '(?P<single>[^']*)'
    | (?P<double>")
    | (?P<twice>\{\{|\}\}|\$\$)
    | (?P<key>(?<!\S)\$\w+(?==))
    | \$(?P<name>[A-Za-z_]\w*)
    | (?P<bracket>[\[{])
    | (?P<text>[^\s'"{}\[$;]+|[^'"])
    """,
    re.VERBOSE,
)
TOKEN_IN_QUOTES = re.compile(
    r"""
      (?P<double>")
    | \\(?P<escaped>["\\])
    | (?P<twice>\{\{|\}\}|\$\$)
    | \$(?P<name>[A-Za-z_]\w*)
    | (?P<bracket>\{)
    | (?P<text>[^"{}\\$]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)


def split(line: str) -> tuple[list[Word], bool]:
    """Split a line into words.

    Returns:
        The words, and whether a ``;`` at the end silences the line.

    Raises:
        UsageError: A quote is opened and never closed.
    """
    splitter = _Splitter(line)
    return splitter.words(), splitter.silent


def as_word(text: str) -> str | None:
    """Text as one word of a line that stands for just that text; None where no quotes can say it.

    What comes from elsewhere, such as the words of an enum, must not become a variable when the line is run.
    """
    if re.fullmatch(r"[^\s'\"{}\[$;\\=-][^\s'\"{}\[$;\\=]*", text):
        return text
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    if re.search(r"[{}]", text) or not text.isprintable():
        return None
    return '"' + re.sub(r'(["\\])', r"\\\1", text).replace("$", "$$") + '"'


class _Splitter:
    """The pass: where it stands, and whether inside double quotes or double braces."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.position = 0
        self.quoted = False
        self.doubled = 0
        self.silent = False

    def words(self) -> list[Word]:
        words: list[Word] = []
        word: Word | None = None
        for kind, text in self._tokens():
            if kind == "space":
                word = None
            elif kind == "end":
                self.silent = True
            else:
                if word is None:
                    words.append(word := Word())
                self._add(word, kind, text)
        if self.quoted:
            raise UsageError("A quote is opened and never closed.")
        return words

    def _tokens(self) -> Iterator[tuple[str, str]]:
        while self.position < len(self.line):
            match = (TOKEN_IN_QUOTES if self.quoted else TOKEN).match(self.line, self.position)
            if match is None:
                raise UsageError("A quote is opened and never closed.")
            self.position = match.end()
            kind = str(match.lastgroup)
            yield kind, match[kind]

    def _add(self, word: Word, kind: str, text: str) -> None:
        piece: str | Variable = text
        match kind:
            case "double":
                self.quoted = not self.quoted
                word.add("", bare=False)
                return
            case "twice":
                piece = self._halved(text)
            case "name":
                piece = Variable(text, f"${text}")
            case "bracket":
                piece = self._group(text)
        word.add(piece, bare=not self.quoted and kind in ("text", "key", "bracket", "twice"))

    def _halved(self, text: str) -> str:
        """One of two; but JSON too ends in ``}}``, so two close only what two opened."""
        self.doubled += {"{{": 1, "}}": -1}.get(text, 0)
        if self.doubled < 0:
            self.doubled = 0
            return text
        return text[0]

    def _group(self, opener: str) -> str | Variable:
        """The balanced group that `opener` starts: a variable, or text as it stands."""
        start = self.position - 1
        end = _balanced_end(self.line, start)
        if end is None:
            return opener
        typed = self.line[start:end]
        if self.quoted and ('"' in typed or "\\" in typed):
            return opener
        self.position = end
        inner = typed[1:-1].strip()
        return Variable(inner, typed) if opener == "{" and is_expression(inner) else typed


GROUPED = re.compile(
    r"""(?P<quote>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<open>[\[{(])|(?P<close>[\]})])""", re.DOTALL
)
CLOSER = {"{": "}", "[": "]", "(": ")"}


def _balanced_end(line: str, start: int) -> int | None:
    """Where the bracket at `start` closes; None if it does not, or crosswise."""
    awaited: list[str] = []
    for match in GROUPED.finditer(line, start):
        if match["open"]:
            awaited.append(CLOSER[match["open"]])
        elif match["close"] and awaited.pop() != match["close"]:
            return None
        if not awaited:
            return match.end()
    return None
