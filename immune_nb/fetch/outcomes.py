"""What an answer to written rows says of each row. The documentation shows no such answer (api-contract 1.3).

So every usual shape is read: an outcome per row, in order or with its number; a list of the failures alone; new ids;
counts; nothing but a status. Where the answer leaves it open what became of a row, that row is `UNKNOWN`, and never
taken for accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immune_nb.errors import BadReplyError, quoted
from immune_nb.fetch.client import Reply
from immune_nb.fetch.problems import Problem

__all__ = ["ACCEPTED", "REJECTED", "UNKNOWN", "UNSENT", "Outcome", "outcomes_of"]

ACCEPTED, REJECTED, UNKNOWN, UNSENT = "accepted", "rejected", "unknown", "unsent"
MULTI_STATUS = 207  # RFC 4918 13: the answers of the parts are in the body, and may be failures
LISTS = ("data", "results", "items", "readings", "outcomes", "records", "responses")
FAILURES = ("errors", "failed", "rejected", "failures", "invalid")
TAKEN_COUNTS = ("accepted", "created", "inserted", "succeeded", "success_count", "imported", "saved", "ingested")
FAILED_COUNTS = (*FAILURES, "error_count", "failure_count", "failed_count", "rejected_count")
NUMBERS = ("index", "row", "position")
NO_REASON = "no reason given"
BAD = re.compile(
    r"(?<![a-z])(?:reject|fail|err|invalid|refus|denied|skip|ignor|duplic|conflict|drop|unproc|false|not(?![a-z]))",
    re.IGNORECASE,
)
GOOD = re.compile(
    r"accept|creat|(?<![a-z])ok|succe|stor|insert|updat|sav|queue|pending|ingest|done|process|true", re.IGNORECASE
)


@dataclass(frozen=True)
class Outcome:
    """What became of one row.

    Args:
        status: `ACCEPTED`, `REJECTED`, `UNKNOWN` or `UNSENT`.
        id: The id it was given, where the service says so.
        message: Why, where it was not accepted.
    """

    status: str
    id: str = ""
    message: str = ""


def outcomes_of(reply: Reply, count: int) -> list[Outcome]:
    """Read an answer of status 200 to 299.

    Args:
        reply: The answer.
        count: How many rows were sent.

    Returns:
        One outcome per row, in the order the rows were sent.
    """
    try:
        body = reply.json() if _is_json(reply) else None
    except BadReplyError as error:
        return [Outcome(UNKNOWN, message=f"It was sent. {error.message}")] * count
    mixed = reply.status == MULTI_STATUS
    if body is None:
        silent = not reply.content.strip() or "html" not in reply.headers.get("content-type", "")
        return [_open("the answer does not say") if mixed or not silent else Outcome(ACCEPTED)] * count
    return _of_body(body, count, mixed=mixed)


def _is_json(reply: Reply) -> bool:
    text = reply.content.lstrip()
    return bool(text) and ("json" in reply.headers.get("content-type", "") or text.startswith((b"{", b"[")))


def _of_body(body: Any, count: int, *, mixed: bool) -> list[Outcome]:
    layers = _layers(body) if count > 1 else [body] if isinstance(body, Mapping) else []  # a record has objects, too
    entries, failures = body if isinstance(body, list) else _list_in(layers, LISTS), _list_in(layers, FAILURES)
    if isinstance(body, Mapping) and entries is None and not failures:
        whole = _outcome(body, mixed=False)
        if whole.status == REJECTED:
            return [Outcome(REJECTED, message=whole.message)] * count
    if count == 1:
        one = entries[0] if entries else body.get("data", body) if isinstance(body, Mapping) else body
        return [_outcome(one, mixed=mixed)]
    return _reconciled(_of_many(entries, failures or (), count, mixed=mixed), layers)


def _of_many(entries: Sequence[Any] | None, failures: Sequence[Any], count: int, *, mixed: bool) -> list[Outcome]:
    """The rows of a batch: every one listed, only some listed with their numbers, or none."""
    if entries is not None and len(entries) == count:
        numbers = _numbers(entries, count)
        told = [_outcome(entry, mixed=mixed) for entry in entries]
        if numbers is None or len(set(numbers)) < count:
            return told
        return [told[numbers.index(row)] for row in range(count)]
    if failures and (numbers := _numbers(failures, count)) is not None:
        said = dict(zip(numbers, failures, strict=True))
        return [
            Outcome(REJECTED, message=_message(said[r])) if r in said else Outcome(ACCEPTED) for r in range(count)
        ]
    if entries or failures or mixed:
        return [_open("the answer does not say which rows it means")] * count
    return [Outcome(ACCEPTED)] * count


def _reconciled(found: list[Outcome], layers: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """The same, unless the answer counts more failures than it shows: then nobody knows which rows were taken."""
    shown = sum(outcome.status == REJECTED for outcome in found)
    failed = [n for layer in layers for name in FAILED_COUNTS if (n := _count(layer.get(name))) is not None]
    taken = [n for layer in layers for name in TAKEN_COUNTS if (n := _size(layer.get(name))) is not None]
    most = max([0, *failed, *(len(found) - n for n in taken)])
    if most <= shown:
        return found
    doubt = _open(f"the service did not take {most:,} of {len(found):,}, and does not say which")
    return [doubt if outcome.status == ACCEPTED else outcome for outcome in found]


def _layers(body: Any) -> list[Mapping[str, Any]]:
    """The body, and the objects directly in it: services put counts and lists in either."""
    if not isinstance(body, Mapping):
        return []
    return [body, *(inner for inner in body.values() if isinstance(inner, Mapping))]


def _list_in(layers: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Sequence[Any] | None:
    """The first list of one of these names."""
    return next((layer[name] for layer in layers for name in names if isinstance(layer.get(name), list)), None)


def _numbers(entries: Sequence[Any], count: int) -> list[int] | None:
    """The rows that entries are about, counted from 0; None when they do not say, or not plainly."""
    for name in NUMBERS:
        numbers = [_count(entry.get(name)) if isinstance(entry, Mapping) else None for entry in entries]
        known = [number for number in numbers if number is not None]
        if known and len(known) == len(entries):
            first = 1 if max(known) == count and min(known) > 0 else 0
            return [n - first for n in known] if max(known) - first < count else None
    return None


def _outcome(entry: Any, *, mixed: bool) -> Outcome:
    """What one entry says."""
    if isinstance(entry, str | int) and not isinstance(entry, bool):
        return Outcome(ACCEPTED, id=str(entry))
    if not isinstance(entry, Mapping):
        return _open("the answer does not say")
    said = entry.get("status", entry.get("state", entry.get("result")))
    word = str(said) if isinstance(said, str | int) else ""
    if _is_refusal(entry) or BAD.search(word) or re.fullmatch(r"[45]\d\d", word):
        return Outcome(REJECTED, id=_id(entry), message=_message(entry) or quoted(word, 60))
    if mixed and word and not GOOD.search(word) and not re.fullmatch(r"2\d\d", word):
        return _open(f"the service calls it {quoted(word, 60)!r}")
    return Outcome(ACCEPTED, id=_id(entry))


def _is_refusal(entry: Mapping[str, Any]) -> bool:
    flags = [entry.get(name) for name in ("success", "ok", "accepted", "valid")]
    return bool(entry.get("error") or entry.get("errors")) or any(flag is False for flag in flags)


def _message(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return quoted(entry) or NO_REASON
    errors = entry.get("errors")
    if isinstance(errors, list) and errors and not entry.get("error"):
        return _message(errors[0])
    return str(Problem.read(entry)) or quoted(entry.get("reason") or entry.get("status") or "") or NO_REASON


def _id(entry: Mapping[str, Any]) -> str:
    inner = entry.get("data") if isinstance(entry.get("data"), Mapping) else entry.get("reading")
    for place in (entry, inner):
        if isinstance(place, Mapping):
            found = place.get("id", place.get("reading_id"))
            if isinstance(found, str | int) and not isinstance(found, bool):
                return str(found)
    return ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _size(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else _count(value)


def _open(why: str) -> Outcome:
    return Outcome(UNKNOWN, message=f"It was sent, and {why}.")
