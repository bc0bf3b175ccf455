"""A question held against the documentation: what looks misspelt is refused before it is sent, what is unknown said.

A service leaves out what it does not understand, and its answer to the question without it looks whole. But services
also take what no document names: so only what is a slip away from something known is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from immune_nb.errors import QueryError, quoted

from .endpoints import Endpoint
from .fields import Field

__all__ = ["look_for_slips", "meant"]

CLOSE, LONGER = 0.8, 3  # likeness as difflib has it; letters: `min_severity` is no misspelt `severity`
PAGING = frozenset({"limit", "starting_after", "ending_before"})  # which no person sets


def look_for_slips(
    endpoint: Endpoint, query: str, given: Mapping[str, str | list[str]], ours: Iterable[str]
) -> Iterator[str]:
    """Refuse parameters and words that are misspelt, and tell of those that the documentation does not know.

    Args:
        endpoint: What is documented.
        query: What the question is called.
        given: Parameters as they are sent.
        ours: Names that the question takes besides.

    Yields:
        A sentence for each that is not known.

    Raises:
        QueryError: One is close to something known.
    """
    known = {field.name: field for field in endpoint.query}
    for name, value in given.items() if known else ():
        if name in known:
            yield from _unknown_words(endpoint, query, known[name], [value] if isinstance(value, str) else value)
        elif near := meant(name, [*known, *ours]):
            raise _slip(endpoint, f"{query} knows no parameter {quoted(name, 60)!r}; did you mean {near!r}?")
        else:
            names = ", ".join(each for each in known if each not in PAGING)
            yield f"{query}: the documentation knows no parameter {quoted(name, 60)!r}, only {names}."


def meant(typed: str, known: Iterable[str]) -> str:
    """The known word that this one is a slip away from; empty where there is none."""
    typed = typed.lower()
    near = [word for word in known if abs(len(word) - len(typed)) <= LONGER]
    turned = [word for word in near if sorted(word) == sorted(typed)]
    return next(iter(turned or difflib.get_close_matches(typed, near, n=1, cutoff=CLOSE)), "")


def _is_more(word: str, known: str) -> bool:
    """Whether a word is a known one with something before it: who writes `inactive` does not mean `active`."""
    return len(word) - len(known) > 1 and word.endswith(known)


def _unknown_words(endpoint: Endpoint, query: str, field: Field, values: Iterable[str]) -> Iterator[str]:
    parts = [part.strip() for value in values for part in (value.split(",") if field.is_list else [value])]
    for word in parts if field.words else ():
        if word in field.words or not word:
            continue
        said = f"{query}: {quoted(word, 60)!r} is no {field.name} the documentation knows"
        if near := meant(word, [known for known in field.words if not _is_more(word, known)]):
            raise _slip(endpoint, f"{said}; did you mean {near!r}?")
        yield f"{said}, only {', '.join(field.words)}."


def _slip(endpoint: Endpoint, fault: str) -> QueryError:
    return QueryError(fault, hint=f"Nothing was sent; `get {endpoint.path}` sends whatever it is given.")
