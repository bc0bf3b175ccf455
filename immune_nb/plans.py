"""What a query would send, found out by asking where nobody answers. Nothing is sent, and no secret shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

from immune_nb.errors import QueryError
from immune_nb.fetch.client import Client
from immune_nb.fetch.routes import HEADERS, Params, outline
from immune_nb.profiles import Profile
from immune_nb.queries import Queries

if TYPE_CHECKING:
    from immune_nb.answers import Manner, Question

__all__ = ["HIDDEN", "Plan", "Sent", "plan_of"]

HIDDEN = "***"
QUERIES = ("sensors", "readings", "alerts", "predictions", "get")


@dataclass(frozen=True)
class Sent:
    """One request, as it would be sent.

    Args:
        method: HTTP method.
        address: Its URL without the query.
        query: The parameters of its query, in order; without an API key, even where it goes there.
        asked: The same with times as they were asked for: what is sent begins a little earlier, and what came too
            early is dropped.
        headers: Its headers, the credential hidden.
        params: What of the query tells which records are asked for.
    """

    method: str
    address: str
    query: tuple[tuple[str, str], ...]
    asked: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    params: Params


@dataclass(frozen=True)
class Plan:
    """What a query would send: the first request of each list it follows; further pages follow from the answers.

    Args:
        profile: Whose API.
        path: The list.
        requests: The first request of each list.
        parameters: All parameters in one, as a receipt has them.
        page_size: Records asked for per page; None leaves that to the service.
        limit: Rows wanted at most.
        secret_in_query: The parameter that would carry the API key; empty when a header does.
    """

    profile: str
    path: str
    requests: tuple[Sent, ...]
    parameters: Params
    page_size: int | None
    limit: int | None
    secret_in_query: str = ""

    def pages(self, totals: Sequence[int]) -> int | None:
        """How many pages lists of so many rows take; None when the service chooses their size."""
        if self.page_size is None:
            return None
        rows = [total if self.limit is None else min(total, self.limit) for total in totals]
        return sum(max(1, math.ceil(count / self.page_size)) for count in rows)


def plan_of(profile: Profile, login: str, query: str, words: Sequence[Any], named: Mapping[str, Any]) -> Plan:
    """The plan of a query.

    Args:
        profile: Whose API.
        login: What kind of login signs: ``API key``, or one that sends a bearer token.
        query: The method of `Queries` that asks.
        words: What it is given by position.
        named: What it is given by name.

    Raises:
        QueryError: The question is wrong, or there is no such query.
    """
    question = _question(profile, query, words, named)
    place = profile.key_place if login == "API key" else None
    private = place.name if place and place.in_query else ""
    secret = (place.name, place.template.replace("{key}", HIDDEN)) if place else ("Authorization", f"Bearer {HIDDEN}")
    headers = HEADERS if private else {**HEADERS, secret[0]: secret[1]}
    sent = []
    for listing, params in zip(question.listings, question.each, strict=True):
        step = listing.first(listing.within)
        address, pairs = outline(profile.base_url, step.path, step.params, private)
        _, asked = outline(profile.base_url, step.path, {**step.params, **params}, private)
        sent.append(Sent("GET", address, tuple(pairs), tuple(asked), headers, params))
    size = question.listings[0].page_size
    return Plan(profile.name, question.path, tuple(sent), question.parameters, size, question.limit, private)


class _Asked(Exception):  # noqa: N818 - no error: the question has arrived
    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question


class _Listener(Queries):
    """Takes questions and asks nobody."""

    def _put(self, question: Question, manner: Manner, to: object = None) -> NoReturn:  # noqa: ARG002 - as its parent
        raise _Asked(question)


def _question(profile: Profile, query: str, words: Sequence[Any], named: Mapping[str, Any]) -> Question:
    if query not in QUERIES:
        raise QueryError(f"There is no query {query!r} to plan.", hint=f"There are {', '.join(QUERIES)}.")
    ask: Callable[..., object] = getattr(_Listener(profile, cast("Client", None)), query)
    try:
        ask(*words, **named)
    except _Asked as asked:
        return asked.question
    raise QueryError(f"What {query} would send cannot be told.")
