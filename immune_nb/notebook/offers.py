"""What may stand at a place of an `%immune` line: words that leave the line valid. Nothing is sent for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from immune_nb.errors import ImmuneError
from immune_nb.profiles import IMMUNE

from .arguments import KEY
from .subcommands import COMMANDS, command_named
from .vocabulary import HELP, Command, Option

if TYPE_CHECKING:
    from immune_nb.catalog.catalog import Catalog
    from immune_nb.catalog.endpoints import Endpoint
    from immune_nb.profiles import Profile

    from .desk import Desk
    from .words import Word

__all__ = ["Knowledge", "line_offers"]

MOST_IDS = 50  # ids after a path
SECRET_NAMES = re.compile(r"\w*(?:KEY|TOKEN|SECRET|PASSWORD)\w*", re.ASCII)
OWN_WAY = frozenset({"limit", "starting_after", "ending_before", "start_time", "end_time"})  # which a subcommand sets
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


class Knowledge:
    """What is known of one API without asking it.

    Args:
        desk: What the kernel has open.
        name: The profile; the current one when not given.
    """

    def __init__(self, desk: Desk, name: str | None = None) -> None:
        self._desk = desk
        self._sessions = desk.at_hand
        self.name = name or (self._sessions and self._sessions.current_name) or IMMUNE.name
        self.profile: Profile | None = None
        self.catalog: Catalog | None = None
        with suppress(ImmuneError):  # a malformed profile says so when it is used
            self._look_up()

    def _look_up(self) -> None:
        from immune_nb.catalog.places import quick_catalog

        session = next((one for one in self._sessions or () if one.profile.name == self.name), None)
        self.profile = session.profile if session else self._desk.profile(self.name)
        self.catalog = session.catalog_at_hand() if session else quick_catalog(self.profile)

    def endpoint(self, path: str, method: str = "GET") -> Endpoint | None:
        """The endpoint of an actual path."""
        return self.catalog.match(path, method) if self.catalog and path else None

    def paths(self, typed: str, method: str = "GET") -> list[str]:
        """Paths that begin as typed: endpoints up to their first gap, ids that fill it, and what was asked before."""
        if "?" in typed:
            return list(self._queries(typed, method))
        known = [e.path for e in self.catalog or () if e.method == method]
        asked = self._desk.memory.paths(self.name) if method == "GET" else []
        found: list[str] = []
        for path in (*known, *asked):
            start, gap, rest = path.partition("{")
            found.append(start)
            if gap and rest.endswith("}") and f"/{typed.lstrip('/')}".startswith(start):
                ids = self._desk.memory.ids_below(self.name, start.rstrip("/"))[-MOST_IDS:]
                found += [f"{start}{value}" for value in ids if not re.search(r"[\s/?#{}$'\"]", value)]
        bare = typed.lstrip("/")
        return [path for path in dict.fromkeys(found) if path.startswith(typed) or path.lstrip("/").startswith(bare)]

    def words(self, endpoint: Endpoint | None, name: str) -> list[str]:
        """Values of a parameter: the words of its enum, else what was seen."""
        field = next((f for f in endpoint.parameters if f.name == name), None) if endpoint else None
        if field and field.words:
            return list(field.words)
        if field and field.type.startswith("boolean"):
            return ["true", "false"]
        return self._desk.memory.values(self.name, name)

    def _queries(self, typed: str, method: str) -> Iterator[str]:
        """Parameters and their values behind the question mark of a path."""
        path, _, query = typed.partition("?")
        endpoint = self.endpoint(path, method)
        before, _, last = query.rpartition("&")
        start = f"{path}?{before}&" if before else f"{path}?"
        name, equals, value = last.partition("=")
        if equals:
            yield from (f"{start}{name}={offer}" for offer in listed(value, self.words(endpoint, name)))
        else:
            yield from (f"{start}{f.name}=" for f in endpoint.query if f.name.startswith(name)) if endpoint else ()


def listed(typed: str, words: Iterable[str]) -> list[str]:
    """The words that fit behind the last comma, with what stands before it; none that is there already."""
    head, comma, last = typed.rpartition(",")
    given = set(head.split(","))
    return [f"{head}{comma}{word}" for word in words if word.startswith(last) and word not in given]


def line_offers(
    desk: Desk,
    before: Sequence[Word],
    typed: str,
    namespace: Callable[[], Iterable[str]],
    *,
    has_body: bool = False,
) -> list[str]:
    """What may stand where `typed` stands.

    Args:
        desk: What the kernel has open.
        before: The words before it.
        typed: The word as far as it is typed.
        namespace: Names of the variables that may be put in braces.
        has_body: Whether the line heads a cell, so that only what takes a body may stand there.
    """
    if len(before) > 1 and before[1].bare == "<<":
        before = before[2:]
    if not before:
        return [c.name for c in COMMANDS if c.name.startswith(typed) and (c.body or not has_body)]
    command = command_named(before[0].bare)
    if command is None:
        return []
    if typed[:1] in ("{", "$") and not command.is_plain:
        close = "}" if typed[0] == "{" else ""
        return [f"{typed[0]}{name}{close}" for name in namespace() if name.startswith(typed[1:])]
    if command.words.startswith("{") and len(before) == 1 and not typed.startswith("-"):
        return [f"{{{name}}}" for name in namespace() if name.startswith(typed)]
    return list(dict.fromkeys(_Place(desk, command, before[1:]).offers(typed)))


class _Place:
    """A place on the line of one subcommand."""

    def __init__(self, desk: Desk, command: Command, before: Sequence[Word]) -> None:
        self._desk = desk
        self._command = command
        self._given: dict[str, str] = {}
        self._words: list[str] = []
        self._open: Option | None = None
        for word in before:
            self._pass(word)
        self._known = Knowledge(desk, self._given.get("--profile"))

    def _pass(self, word: Word) -> None:
        """Take note of a word before the place."""
        text = "".join(piece if isinstance(piece, str) else piece.typed for piece in word.pieces)
        name, equals, value = text.partition("=")
        if self._open:
            self._given[self._open.name], self._open = text, None
        elif word.bare.startswith("-"):
            option = self._option(name)
            self._given[option.name if option else name] = value
            self._open = option if option and option.metavar and not equals else None
        elif equals and re.match(r"[A-Za-z_$]", word.bare):
            self._given[name] = value
        else:
            self._words.append(text)

    def offers(self, typed: str) -> Iterator[str]:
        """Everything that may stand here."""
        name, equals, value = typed.partition("=")
        if self._open:
            yield from self._values(self._open, typed)
        elif typed.startswith("-") and equals:
            option = self._option(name)
            yield from (f"{name}={offer}" for offer in self._values(option, value)) if option else ()
        elif equals and re.match(r"[A-Za-z_$]", typed):
            words = self._known.words(self._endpoint(), name)
            yield from (f"{name}={offer}" for offer in listed(value, words))
        else:
            yield from self._fresh(typed)

    def _fresh(self, typed: str) -> Iterator[str]:
        """A new word: positional, a parameter, or an option."""
        if not typed.startswith("-"):
            yield from self._positional(typed)
            yield from self._parameters(typed)
        if typed.startswith("-") or not typed:
            options = (*self._command.options, HELP)
            yield from (o.name for o in options if o.name.startswith(typed) and o.name not in self._given)

    def _positional(self, typed: str) -> Iterator[str]:
        command, count = self._command, len(self._words)
        if command.most is not None and count >= command.most:
            return
        kind = command.words
        if kind == "PATH":
            yield from self._known.paths(typed, command.name.upper()) if command.name in METHODS else ()
        elif kind == "ENDPOINT":
            yield from self._endpoints(typed)
        else:
            yield from (word for word in self._choices(kind) if word.startswith(typed) and word not in self._words)

    def _choices(self, kind: str) -> Sequence[str]:
        """The words of the documentation's kind: choices, logins, or ids of the kind that were seen."""
        if kind == "PROFILE":
            return [session.profile.name for session in self._desk.at_hand or ()]
        return self._command.choices or self._desk.memory.values(self._known.name, f"{kind.lower()}_id")

    def _endpoints(self, typed: str) -> Iterator[str]:
        """Endpoints to describe: names of collections and paths; after a method, its paths."""
        endpoints = list(self._known.catalog or ())
        if self._words:
            yield from (e.path for e in endpoints if e.method == self._words[0].upper() and e.path.startswith(typed))
            return
        names = [*(self._known.profile.paths if self._known.profile else ()), *(e.path for e in endpoints)]
        yield from (name for name in dict.fromkeys(names) if name.startswith(typed))

    def _parameters(self, typed: str) -> Iterator[str]:
        endpoint = self._endpoint() if self._command.filters else None
        own = OWN_WAY if self._command.name not in METHODS else frozenset()
        for field in endpoint.query if endpoint else ():
            name = field.name
            if name.startswith(typed) and name not in own and name not in self._given and KEY.fullmatch(f"{name}="):
                yield f"{name}="

    def _endpoint(self) -> Endpoint | None:
        """The endpoint that the line asks."""
        name, profile = self._command.name, self._known.profile
        if name in METHODS:
            return self._known.endpoint(self._words[0], name.upper()) if self._words else None
        return self._known.endpoint(profile.paths.get(name, "")) if profile else None

    def _values(self, option: Option, typed: str) -> list[str]:
        if option.key == "profile":
            return [name for name in self._profiles() if name.startswith(typed)]
        if option.choices:
            return [offer for choice in option.choices for offer in _of_choice(choice, typed)]
        words = self._known.words(self._endpoint(), option.key) if option.asks else []
        return listed(typed, words or option.suggests)

    def _profiles(self) -> Iterable[str]:
        try:
            return self._desk.profiles()
        except ImmuneError:
            return ()

    def _option(self, name: str) -> Option | None:
        known: Any = (*self._command.options, HELP)
        return next((option for option in known if name in (option.name, option.short)), None)


def _of_choice(choice: str, typed: str) -> Iterator[str]:
    """A choice as it would be typed: behind ``env:`` stand the variables that sound like a credential's."""
    head, colon, _ = choice.partition(":")
    if not colon:
        yield from [choice] if choice.startswith(typed) else ()
    elif head == "env":
        names = sorted(name for name in os.environ if SECRET_NAMES.fullmatch(name))
        yield from (offer for name in names if (offer := f"env:{name}").startswith(typed))
    elif f"{head}:".startswith(typed):
        yield f"{head}:"
