"""A `%immune` line, read: which subcommand, its words, options and filters, and where the frame goes.

No message repeats what was typed: a mistyped line may hold a secret.
"""

from __future__ import annotations

import difflib
import keyword
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from IPython.core.error import UsageError

from .bodies import read_body
from .refusal import Carries, carries_secret, refuse_secrets
from .subcommands import COMMANDS, command_named
from .variables import Namespace, value_of
from .vocabulary import HELP, Command, Option
from .words import Word, split

__all__ = ["KEY", "Request", "parse", "variable_name"]

HELPERS = (HELP.name, HELP.short, "help")
KEY = re.compile(r"(?P<key>[A-Za-z_$][\w.$:\-\[\]]*)=")


@dataclass(frozen=True)
class Request:
    """What a line asks for.

    Attributes:
        command: The subcommand; None for a line that only asks what there is.
        words: Positional values: text, or the objects that variables stand for.
        options: Options by their Python name; a switch is True.
        filters: ``name=value`` pairs for the API.
        target: The variable that takes the frame, if any.
        silent: Whether ``;`` ended the line.
        body: The cell body, read; None when there is none.
    """

    command: Command | None
    words: tuple[object, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    filters: Mapping[str, object] = field(default_factory=dict)
    target: str = ""
    silent: bool = False
    body: object = None

    def text(self, option: str) -> str | None:
        """The text of an option; None when it is not given."""
        value = self.options.get(option)
        return None if value is None else str(value)

    def given(self, switch: str) -> bool:
        """Whether a switch is on."""
        return bool(self.options.get(switch))


def parse(
    line: str,
    namespace: Namespace,
    cell: str | None = None,
    paths: Callable[[], Iterable[str]] = tuple,
    carries: Carries = carries_secret,
) -> Request:
    """Read a line, and the cell body below it.

    Args:
        line: What stands after ``%immune``.
        namespace: Where ``{name}`` and ``$name`` are looked up.
        cell: What stands below ``%%immune``; None for a line alone.
        paths: Gives the endpoints that are known, for whoever takes one for a subcommand.
        carries: Tells whether a text holds a secret.

    Raises:
        UsageError: The line is wrong; one sentence says how, and repeats nothing of the line.
    """
    refuse_secrets(line, cell or "", carries)
    words, silent = split(line)
    target, words = _alias(words)
    if not words or words[0].bare in HELPERS:
        return Request(command_named(words[1].bare) if len(words) > 1 else None, options={HELP.key: True})
    command = _command(words[0], paths)
    reader = _Reader(command, namespace)
    reader.read(words[1:])
    request = reader.request(target, silent=silent)
    if cell is None or request.given("help"):
        return request
    if not command.body:
        raise UsageError(f"{command.name} takes no cell body; write %immune {command.name} on a line of its own.")
    return replace(request, body=read_body(cell, namespace))


def _alias(words: list[Word]) -> tuple[str, list[Word]]:
    """Take ``NAME <<`` off the front."""
    if len(words) > 1 and words[1].bare == "<<":
        return variable_name(words[0].bare), words[2:]
    return "", words


def _command(word: Word, paths: Callable[[], Iterable[str]]) -> Command:
    command = command_named(word.bare)
    if command is None:
        path = f"/{word.bare.strip('/')}"
        if path in paths():
            raise UsageError(f"No such subcommand, but an endpoint: %immune get {path}")
        raise UsageError(f"No such subcommand: {_near(word.bare, [known.name for known in COMMANDS])}")
    return command


class _Reader:
    """Takes the words of one line, in order, as its subcommand's table says."""

    def __init__(self, command: Command, namespace: Namespace) -> None:
        self.command = command
        self.namespace = namespace
        self.words: list[object] = []
        self.options: dict[str, object] = {}
        self.filters: dict[str, object] = {}

    def read(self, words: Iterable[Word]) -> None:
        rest = deque(words)
        while rest:
            word = rest.popleft()
            if word.bare.startswith("-") and not re.match(r"-\d", word.bare):
                self._take_option(word, rest)
            elif match := KEY.match(word.bare):
                self._take_pair(match["key"], word.after(match[0]))
            else:
                self.words.append(self._value(word))

    def request(self, target: str, *, silent: bool) -> Request:
        target = target or str(self.options.pop("out", ""))
        if target and "help" not in self.options and "--out" not in (o.name for o in self.command.options):
            raise UsageError(f"{self.command.name} makes no frame, so there is nothing to put into a variable.")
        if "help" not in self.options:
            self._check_words()
        return Request(self.command, tuple(self.words), self.options, self.filters, target, silent)

    def _take_option(self, word: Word, rest: deque[Word]) -> None:
        name, equals, _ = word.bare.partition("=")
        option = self._option(name)
        if not option.metavar:
            if equals:
                raise UsageError(f"{option.name} takes no value.")
            self.options[option.key] = True
            return
        given = word.after(f"{name}=") if equals else rest.popleft() if rest else None
        if given is None or (not equals and given.bare.startswith("--")):
            raise UsageError(f"{option.name} wants a value: {option.name} {option.metavar}.")
        value = self._value(given)
        if option.metavar == "SPAN" and given.bare.isdecimal() and rest and rest[0].bare.isalpha():
            value = f"{value} {self._value(rest.popleft())}"  # --last 2 days: a number alone is no span
        self._set(option, value)

    def _option(self, name: str) -> Option:
        known = (*self.command.options, HELP)
        for option in known:
            if name in (option.name, option.short):
                return option
        names = [option.name for option in known]
        if (choice := name.lstrip("-")) in self.command.choices:
            raise UsageError(f"{self.command.name} has no such option: write %immune {self.command.name} {choice}.")
        raise UsageError(f"{self.command.name} has no such option: {_near(name, names)}")

    def _take_pair(self, key: str, word: Word) -> None:
        for option in self.command.options:
            if option.asks and option.metavar and option.key == key:
                self._set(option, self._value(word))
                return
        if not self.command.filters:
            raise UsageError(f"{self.command.name} takes no name=value; see %immune {self.command.name} --help.")
        if key in self.filters:
            raise UsageError("A filter is given twice; join its values with commas.")
        self.filters[key] = self._value(word)

    def _set(self, option: Option, value: object) -> None:
        if option.key in self.options:
            raise UsageError(f"{option.name} is given twice.")
        self.options[option.key] = _read(option, value)

    def _value(self, word: Word) -> object:
        if self.command.is_plain:
            return "".join(piece if isinstance(piece, str) else piece.typed for piece in word.pieces)
        return value_of(word.pieces, self.namespace)

    def _check_words(self) -> None:
        command, count = self.command, len(self.words)
        if count < command.least:
            article = "an" if command.words.startswith(("A", "E", "I", "O")) else "a"
            raise UsageError(f"{command.name} wants {article} {command.words}; see %immune {command.name} --help.")
        if command.most is not None and count > command.most:
            most = f"only one {command.words}" if command.most else "no further words"
            raise UsageError(f"{command.name} takes {most}; see %immune {command.name} --help.")
        for word in self.words if command.choices else ():
            _choice(command.name, word, command.choices)


def _read(option: Option, value: object) -> object:
    """The value as the option's kind wants it."""
    if option.kind == "count":
        return _count(option.name, value)
    if option.kind == "variable":
        return variable_name(str(value))
    if option.choices:
        _choice(option.name, value, option.choices)
    return value


def _count(name: str, value: object) -> int:
    text = str(value).replace("_", "").replace(",", "")
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or not int(text):
        raise UsageError(f"{name} wants a whole number above zero.")
    return int(text)


def variable_name(text: str) -> str:
    """The name, if a variable can be called so.

    Raises:
        UsageError: It cannot.
    """
    if not text.isidentifier() or keyword.iskeyword(text):
        raise UsageError("The variable to put the frame into needs a Python name, e.g. --out df.")
    return text


def _choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if not any(_fits(str(value), choice) for choice in choices):
        raise UsageError(f"{name} takes one of a few words: {_near(str(value), choices)}")


def _fits(typed: str, choice: str) -> bool:
    """Whether it is the choice, or of its form."""
    head, colon, _ = choice.partition(":")
    return len(typed) > len(head) + 1 and typed.startswith(head + colon) if colon else typed == choice


def _near(typed: str, known: Iterable[str]) -> str:
    """The closest known word, or all of them; never what was typed."""
    known = list(known)
    near = difflib.get_close_matches(typed, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
