"""Objects that are data by their keys: a tree with measurements for leaves, a map of records by id or instant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from immune_nb.frames.names import CONTAINERS, is_value_name, plain
from immune_nb.frames.series import is_timed, keyed_by_time, rows_by_time

__all__ = ["branches", "leaves"]

DEEPEST = 16
SAMPLE = 50
NAMES = ("id", "name")
HOLDERS = CONTAINERS | {"children", "nodes", "branches"}  # fields that only hold the next level
Node = Mapping[str, Any]
Leaf = tuple[tuple[str, ...], dict[str, Any]]


class _NoTreeError(Exception):
    """A branch ends in something else than a measurement."""


def leaves(root: Node) -> list[dict[str, Any]] | None:
    """The leaves of a tree, each with the keys on the way to it; None where it is no such tree.

    A leaf carries a value and an instant. One key on the way becomes ``id``; more become ``level_1``, ``level_2`` and
    so on, and ``path``.
    """
    if _is_leaf(root):
        return None
    try:
        found = list(_leaves(root, (), {}))
    except _NoTreeError:
        return None
    if not found:
        return None
    deepest = max(len(path) for path, _ in found)
    if deepest < 2:  # noqa: PLR2004 - a key each
        return _keyed([(path[0] if path else "", leaf) for path, leaf in found])
    return [{**_levels(path), **leaf} for path, leaf in found]


def branches(node: Node, *, wrapped: bool = False) -> list[dict[str, Any]] | None:
    """The records of a map by id or by instant, each with its key; None where the keys are names of fields.

    Args:
        node: The map.
        wrapped: Whether it stands in an envelope, so that a single entry is one of a map as well.
    """
    if keyed_by_time(node):
        return rows_by_time(node)
    if len(node) < 2 - wrapped or not all(isinstance(value, dict) and value for value in node.values()):
        return None
    fields = [set(value) for value in islice(node.values(), SAMPLE)]
    if 2 * len(set.intersection(*fields)) < len(set.union(*fields)):
        return None
    if all(isinstance(inner, dict) for value in islice(node.values(), SAMPLE) for inner in value.values()):
        return None
    return _keyed(list(node.items()))


def _keyed(items: Sequence[tuple[str, Node]]) -> list[dict[str, Any]]:
    name = "key" if any("id" in record for _, record in items) else "id"
    return [{name: key, **record} for key, record in items]


def _levels(path: Sequence[str]) -> dict[str, str]:
    return {"path": "/".join(path), **{f"level_{number}": key for number, key in enumerate(path, 1)}}


def _is_leaf(node: Any) -> bool:
    return is_timed(node) and any(is_value_name(name) and not isinstance(value, dict) for name, value in node.items())


def _leaves(node: Any, path: tuple[str, ...], labels: Node) -> Iterator[Leaf]:
    if len(path) > DEEPEST:
        raise _NoTreeError
    if _is_leaf(node):
        yield path, {**{name: value for name, value in labels.items() if name not in node}, **node}
        return
    inner = {k: v for k, v in node.items() if isinstance(v, dict | list)} if isinstance(node, dict) else {}
    if not inner:
        raise _NoTreeError
    own = {**labels, **{key: value for key, value in node.items() if key not in inner}}
    for key, value in inner.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key), own)
        else:
            yield from _of_list(key, value, path, own)


def _of_list(key: str, nodes: Sequence[Any], path: tuple[str, ...], labels: Node) -> Iterator[Leaf]:
    """Points of one branch, or branches that carry their names."""
    for node in nodes:
        name = _name(node)
        own = {k: v for k, v in labels.items() if not name or k not in NAMES}
        step = (name,) if name and plain(key) in HOLDERS else (key, name) if name else (key,)
        yield from _leaves(node, (*path, *step), own)


def _name(node: Any) -> str:
    return next((node[n] for n in NAMES if isinstance(node.get(n), str)), "") if isinstance(node, dict) else ""
