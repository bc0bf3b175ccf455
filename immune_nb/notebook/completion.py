"""TAB: subcommands, options, endpoints, parameters, enum words, profiles, and ids this kernel has seen.

Three forms of a line are completed (``%immune``, ``%%immune``, ``df = %immune``), and what stands in Python's
``session.get("…")``. Everything offered is on this machine already: nothing is ever sent for it. It is a matcher of
IPython's completer, in version 2 of that interface.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.error import UsageError

from immune_nb.errors import ImmuneError

from .arguments import KEY
from .history import names_of
from .subcommands import command_named
from .words import Word, as_word, split

if TYPE_CHECKING:
    from .desk import Desk

__all__ = ["Completion"]

STRING = r"""(?:"[^"\n]*"|'[^'\n]*')"""
PYTHON_CALL = re.compile(
    rf"""(?P<owner>(?:[^\W\d]\w*(?:\(\))?\.)+)(?P<method>get|readings)\(
    (?P<args>(?:[^()"']|{STRING})*)(?P<open>["'][^"'\n]*)?$""",
    re.VERBOSE,
)
FIRST = re.compile(rf"\s*(?P<path>{STRING})\s*,")
LAST_NAME = re.compile(r"(?:^|,)\s*(?P<name>[^\W\d]\w*)?(?P<equals>\s*=\s*)?$")
HARMFUL = re.compile(r'[{}$\\"]')  # what means something in double quotes
REACH = 2000  # characters before the cursor in which a call may begin


class _Silence(list[SimpleCompletion]):
    """No completion, and nobody else's either: IPython takes the length for whether there is an answer."""

    def __len__(self) -> int:
        return 1


class Completion:
    """The matcher of one kernel.

    Args:
        desk: What the kernel has open.
        shell: Its IPython shell.
    """

    def __init__(self, desk: Desk, shell: Any) -> None:
        self._desk = desk
        self._shell = shell

    def start(self) -> None:
        """Complete from now on; a second time changes nothing."""
        matchers = self._shell.Completer.custom_matchers
        if self.match not in matchers:
            matchers.append(self.match)

    def stop(self) -> None:
        """Complete no more."""
        matchers = self._shell.Completer.custom_matchers
        if self.match in matchers:
            matchers.remove(self.match)

    @context_matcher(identifier="immune_nb", priority=1)  # type: ignore[untyped-decorator] # IPython's own
    def match(self, context: CompletionContext) -> SimpleMatcherResult:
        """What may stand at the cursor; where we know, nobody else is asked."""
        try:
            fragment, offers = self._offers(context)
        except (UsageError, ImmuneError):
            fragment, offers = "", []  # an open quote, a broken profile: there is nothing to offer
        ours = [SimpleCompletion(text, type="immune") for text in offers]
        nobody = fragment is None
        return {
            "completions": ours if ours or nobody else _Silence(),
            "matched_fragment": fragment or "",
            "suppress": not nobody,
            "ordered": True,
        }

    def _look_around(self) -> None:
        """Take note of the frames in the user's variables that were fetched in Python."""
        frame = getattr(sys.modules.get("pandas"), "DataFrame", ())
        for value in list(self._shell.user_ns.values()):
            if isinstance(value, frame):
                self._desk.memory.note(value)

    def _offers(self, context: CompletionContext) -> tuple[str | None, list[str]]:
        """What is typed and what may take its place; None where others should be asked."""
        lines = context.full_text.split("\n")
        typed = self._magic_line(lines[: context.cursor_line], context.text_until_cursor)
        if typed is not None:
            self._look_around()
            behind = context.line_with_cursor[context.cursor_position :]
            return self._on_line(typed["rest"], behind, has_body=typed["sign"] == "%%")
        before = "\n".join([*lines[: context.cursor_line], context.text_until_cursor])[-REACH:]
        fragment, offers = self._in_python(before)
        return fragment, [offer for offer in offers if offer.isprintable() and not re.search(r"""["'\\]""", offer)]

    def _magic_line(self, above: list[str], line: str) -> re.Match[str] | None:
        """The ``%immune`` before the cursor, and what stands between; None when the cursor is on no such line."""
        while above and above[-1].endswith("\\"):
            line = f"{above[-1][:-1]} {line}"
            above = above[:-1]
        names = "|".join(map(re.escape, sorted(names_of(self._shell))))
        typed = re.fullmatch(rf"\s*(?P<sign>%%?|[^%#]*=\s*%)(?:{names})\s+(?P<rest>.*)", line, re.DOTALL)
        if typed is None and self._shell.automagic and "immune" not in self._shell.user_ns:
            typed = re.fullmatch(r"\s*(?P<sign>)immune\s+(?P<rest>.*)", line, re.DOTALL)
        return typed

    def _on_line(self, rest: str, behind: str, *, has_body: bool) -> tuple[str | None, list[str]]:
        from .offers import line_offers

        if re.match(r"audit\s", rest):
            return None, []  # of files IPython knows more
        typed = re.split(r"\s", rest)[-1]
        before, _ = split(rest[: len(rest) - len(typed)])
        quote = re.match(r"""[^"']*(["'])[^"']*$""", typed)
        place = quote.start(1) if quote else -1
        bare = typed[:place] + typed[place + 1 :] if quote else typed
        offers = line_offers(self._desk, before, bare, self._variables, has_body=has_body)
        if quote is None:
            meant = typed[:1] in ("{", "$") or _means_braces(before)  # as a variable, or as they stand
            return typed, offers if meant else [text for offer in offers for text in _protected(offer)]
        offers = [
            offer for offer in offers if quote[1] not in offer and (quote[1] == "'" or not HARMFUL.search(offer))
        ]
        return typed, [offer[:place] + quote[1] + offer[place:] + _close(quote[1], offer, behind) for offer in offers]

    def _variables(self) -> list[str]:
        """Names of the user's variables that a line could take: no modules, functions or classes."""
        hidden = self._shell.user_ns_hidden
        return sorted(
            name
            for name, value in self._shell.user_ns.items()
            if not name.startswith("_") and name not in hidden and not callable(value) and not _is_module(value)
        )

    def _in_python(self, before: str) -> tuple[str | None, list[str]]:
        """Inside the parentheses of a session's `get` or `readings`."""
        call = PYTHON_CALL.search(before)
        session = self._session(call["owner"]) if call else None
        if call is None or session is None:
            return None, []
        self._look_around()
        from .offers import Knowledge, listed

        known, text = Knowledge(self._desk, session.profile.name), (call["open"] or "")[1:]
        last = LAST_NAME.search(call["args"])
        name, is_value = (last["name"] or "", bool(last["equals"])) if last else ("", False)
        if call["method"] == "readings":
            ids = known.words(None, "sensor_id") if call["open"] and not is_value else []
            return text, [word for word in ids if word.startswith(text)]
        first = FIRST.match(call["args"])
        if first is None:
            return text, known.paths(text) if call["open"] and not call["args"].strip() else []
        endpoint = known.endpoint(first["path"][1:-1])
        if call["open"]:
            return text, listed(text, known.words(endpoint, name)) if is_value else []
        fields = endpoint.query if endpoint and not is_value else ()
        names = [f"{f.name}=" for f in fields if f.name.startswith(name) and f.name.isidentifier()]
        return (name, names) if names else (None, [])  # then Python's own

    def _session(self, owner: str) -> Any:
        """The session before the dot, if it is one; nothing but our own `current` is called to find out."""
        kind = getattr(sys.modules.get("immune_nb.session"), "Session", ())
        found: Any = self._shell.user_ns
        for step in owner.rstrip(".").split("."):
            name, call, _ = step.partition("(")
            found = found.get(name) if isinstance(found, dict) else getattr(found, "__dict__", {}).get(name)
            if call:
                found = found() if found is sys.modules["immune_nb"].current else None
        return found if isinstance(found, kind) else None


def _protected(offer: str) -> list[str]:
    """An offer as it must stand on a line, if it can: quoted where a space, a brace or a dollar has a meaning."""
    if offer.startswith("-") or KEY.fullmatch(offer):
        return [offer]  # an option, or a key whose value comes next
    named = KEY.match(offer)
    head, value = (named[0], offer[named.end() :]) if named else ("", offer)
    written = value if re.fullmatch(r"[\w/.,:?&=%+*~@-]+", value) else as_word(value)
    return [] if written is None else [head + written]


def _means_braces(before: list[Word]) -> bool:
    command = command_named(before[0].bare) if before else None
    return bool(command and (command.is_plain or command.words.startswith("{")))


def _close(quote: str, offer: str, behind: str) -> str:
    """The closing quote, unless more must come before it, or the front end has put it there."""
    return "" if behind.startswith(quote) or offer.endswith(("=", "/", ":")) else quote


def _is_module(value: object) -> bool:
    return isinstance(value, type(sys))
