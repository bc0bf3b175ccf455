"""Python objects named on a magic line: ``{ids}`` is the list itself, not its text."""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from IPython.core.error import UsageError

__all__ = ["Variable", "is_expression", "value_of"]

CHOSEN = re.compile(r"[a-z_]{1,30}\d{0,2}")  # a name as people choose them; what looks otherwise may be a secret
Namespace = Mapping[str, object]


@dataclass(frozen=True)
class Variable:
    """A Python expression on the line, and how it was typed."""

    expression: str
    typed: str


def is_expression(text: str) -> bool:
    """Whether `text` is a Python expression that names something: ``ids[0]`` is, ``"a": 1`` and ``3`` are not."""
    tree = _parsed(text)
    return tree is not None and any(isinstance(node, ast.Name) for node in ast.walk(tree))


def value_of(pieces: Sequence[str | Variable], namespace: Namespace) -> object:
    """What a word stands for: a lone variable is its object, anything else is text.

    Raises:
        UsageError: A variable does not exist or cannot be evaluated.
    """
    match pieces:
        case [Variable() as alone]:
            return _evaluated(alone, namespace)
    return "".join(piece if isinstance(piece, str) else _text(piece, namespace) for piece in pieces)


def _text(variable: Variable, namespace: Namespace) -> str:
    # Inside a longer word a dollar is often only a dollar; braces never are by accident.
    if variable.typed.startswith("$") and variable.expression not in namespace:
        return variable.typed
    return str(_evaluated(variable, namespace))


def _parsed(text: str) -> ast.Expression | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _evaluated(variable: Variable, namespace: Namespace) -> object:
    tree = _parsed(variable.expression)
    root = tree.body if tree else None
    while isinstance(root, ast.Attribute | ast.Subscript):
        root = root.value
    if isinstance(root, ast.Name) and root.id not in namespace:  # else `{id}` would be Python's own `id`
        raise UsageError(_unknown(root.id, namespace))
    try:
        return eval(variable.expression, dict(namespace))  # noqa: S307 - the user's own expression, in their kernel
    except NameError as error:
        fault = _unknown(str(error.name), namespace)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the line's fault; its text may quote a value
        fault = f"A variable on the line cannot be evaluated ({type(error).__name__})."
    raise UsageError(fault)


def _unknown(name: str, namespace: Namespace) -> str:
    near = difflib.get_close_matches(name, [n for n in namespace if not n.startswith("_")], n=1)
    advice = f"did you mean {{{near[0]}}}?" if near else "write {{…}} for braces that are meant as text."
    which = f"There is no variable {name!r}" if CHOSEN.fullmatch(name) else "A variable on the line does not exist"
    return f"{which}: {advice}"
