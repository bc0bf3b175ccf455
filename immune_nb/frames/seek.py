"""The list or the table of an answer, sought by names, by the question, and by what is left without paging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from immune_nb.frames.names import (
    ASIDES,
    CONTAINERS,
    IDENTITIES,
    LABELS,
    PAGES,
    POINT_LISTS,
    RECORD_LISTS,
    is_of_paging,
    is_time_name,
    plain,
)
from immune_nb.frames.series import table_of

__all__ = ["Hit", "is_of_objects", "seek"]

DEEPEST = 4  # objects within objects in which a list is looked for
Node = Mapping[str, Any]


class Hit(NamedTuple):
    """A list or a table somewhere in an object."""

    keys: tuple[str, ...]
    target: Any
    sure: bool = True
    left: tuple[str, ...] = ()


def seek(node: Node, named: str, depth: int = 0) -> Hit | None:
    """The list or table of an object; the surest sign decides."""
    if table := table_of(node):
        return Hit((), table)
    return (
        _by_name(node, named)
        or _by_request(node, named)
        or _by_descent(node, named, depth)
        or _by_elimination(node)
        or _by_columns(node)
    )


def _by_name(node: Node, named: str) -> Hit | None:
    lists = {plain(key): key for key, value in reversed(list(node.items())) if isinstance(value, list)}
    names = [*RECORD_LISTS, *(name for name in lists if name in POINT_LISTS)]
    keys = [lists[name] for name in names if name in lists and _holds_records(node, lists[name])]
    if not keys:
        return None
    key = next((key for key in keys if plain(key) == plain(named)), keys[0])
    return Hit((key,), node[key], left=_other_lists(node, key))


def _holds_records(node: Node, key: str) -> bool:
    """Whether a list of that name holds records, and not values of one."""
    value = node[key]
    if not value:
        return plain(key) in RECORD_LISTS or _is_all_paging(node, key)
    is_nested = isinstance(value[0], dict | list)
    return is_nested or (_is_all_paging(node, key) and not any(is_time_name(name) for name in node))


def _is_all_paging(node: Node, *besides: str) -> bool:
    return all(is_of_paging(key) or plain(key) in LABELS for key in node if key not in besides)


def _by_request(node: Node, named: str) -> Hit | None:
    """The list that has the name of what was asked for."""
    wanted = plain(named)
    key = next((key for key in _lists(node) if wanted and plain(key) == wanted), None)
    return None if key is None else Hit((key,), node[key], left=_other_lists(node, key))


def _by_descent(node: Node, named: str, depth: int) -> Hit | None:
    """What is in an object whose name says that it holds something."""
    objects = [key for key, value in node.items() if isinstance(value, dict) and not is_of_paging(key)]
    is_sole = len(objects) == 1 and (depth or not any(plain(key) in IDENTITIES for key in node))
    known = CONTAINERS | {plain(named), *(plain(key) for key in objects if is_sole)}
    for key, value in node.items():
        if isinstance(value, dict) and depth < DEEPEST and plain(key) in known:
            if plain(key) in PAGES and not any(isinstance(inner, dict | list) for inner in value.values()):
                continue
            if hit := seek(value, named, depth + 1):
                return hit._replace(keys=(key, *hit.keys))
    return None


def _by_elimination(node: Node) -> Hit | None:
    """The only list of objects, in an object that is none of them itself; of values, where all else is paging."""
    lists = [key for key in _lists(node) if plain(key) not in ASIDES]
    values = [key for key, value in node.items() if isinstance(value, list) and plain(key) not in ASIDES]
    if len(values) == 1 and _is_all_paging(node, values[0]):
        return Hit((values[0],), node[values[0]])
    if len(lists) != 1 or any(plain(key) in IDENTITIES - {"type", "code"} for key in node):
        return None
    sure = _is_all_paging(node, lists[0])
    return Hit((lists[0],), node[lists[0]], sure) if sure or node[lists[0]] else None


def _lists(node: Node) -> list[str]:
    """The lists of objects, empty ones too."""
    return [key for key, value in node.items() if is_of_objects(value)]


def is_of_objects(value: Any) -> bool:
    """Whether a value is a list of objects, or an empty one."""
    return isinstance(value, list) and all(isinstance(inner, dict) for inner in value[:1])


def _other_lists(node: Node, taken: str) -> tuple[str, ...]:
    return tuple(key for key in _lists(node) if key != taken and node[key] and not is_of_paging(key))


def _by_columns(node: Node) -> Hit | None:
    """A table under a name of its own, as ``hourly``; of several the longest."""
    tables = {key: table for key, value in node.items() if isinstance(value, dict) and (table := table_of(value))}
    if not tables:
        return None
    key = max(tables, key=lambda key: len(tables[key].rows))
    return Hit((key,), tables[key], len(tables) == 1, tuple(other for other in tables if other != key))
