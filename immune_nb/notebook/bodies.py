"""The body of a ``%%immune`` cell: JSON, or YAML where that is installed.

YAML is read as JSON would be: text that looks like a date, a time of day or ``yes`` stays text, a number with a
leading zero is an id, a key that is there twice is refused. A value that is ``$name`` alone is that Python variable;
``$$`` at its start is a dollar. No message repeats what was typed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from importlib.util import find_spec
from typing import Any

from IPython.core.error import UsageError

from .variables import Namespace, Variable, value_of

__all__ = ["read_body"]

ABOVE = 2  # the magic line stands above, and people count from 1
TAGS = {  # of YAML 1.2's core schema (10.3.2), but for octal, hexadecimal and leading zeros, which are ids
    "null": (r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    "float": (
        r"[-+]?(?:(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN",
        list("-+.0123456789"),
    ),
}
VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")


def read_body(text: str, namespace: Namespace) -> Any:
    """Read a body.

    Args:
        text: What stands below ``%%immune``.
        namespace: Where ``$name`` is looked up.

    Returns:
        What JSON can say: a mapping or a list, or None where nothing is written.

    Raises:
        UsageError: It cannot be read, or holds what JSON cannot say.
    """
    if not text.strip():
        return None
    body = _plain(_read(text), namespace)
    if not isinstance(body, dict | list | None):
        raise UsageError("The body is a single value; write name: value, or JSON.")
    return body


def _read(text: str) -> Any:
    fault = "it is nested too deeply"
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refused, parse_float=_float)
    except json.JSONDecodeError as error:
        fault = f"see line {error.lineno + ABOVE - 1} of the cell, column {error.colno}"
    except _BodyError as error:
        raise UsageError(f"The body cannot be sent: {error}.") from None
    except RecursionError:
        raise UsageError(f"The body cannot be sent: {fault}.") from None
    except ValueError:
        fault = "it holds a number too long to read"
    if find_spec("yaml") is None:
        raise UsageError(f'The body is no JSON: {fault}. To write YAML: pip install "immune_nb[yaml]".')
    return _read_yaml(text, fault)


def _read_yaml(text: str, fault: str) -> Any:
    """Read YAML; where it was to be JSON, what is wrong with that is the fault."""
    import yaml

    try:
        return yaml.load(text, _loader())  # noqa: S506 - a SafeLoader that knows even less
    except yaml.MarkedYAMLError as error:
        if not text.lstrip().startswith(("{", "[")):
            fault = f"see line {(error.problem_mark or error.context_mark).line + ABOVE} of the cell"
    except _BodyError as error:
        fault = str(error)
    except (yaml.YAMLError, ValueError):
        fault = "it holds a character or a number that cannot be sent"
    except RecursionError:
        fault = "it is nested too deeply"
    raise UsageError(f"The body is neither JSON nor YAML: {fault}.")


def _loader() -> Any:
    """A YAML loader that makes what JSON has, and nothing else."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # the library ships no types
        yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - the library's own way

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise _BodyError(f"line {self.peek_event().start_mark.line + ABOVE} of the cell holds an alias")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 - theirs
            found: dict[str, Any] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.value in found:
                    raise _BodyError(f"line {key.start_mark.line + ABOVE} of the cell has a key twice, or an odd one")
                found[key.value] = self.construct_object(value, deep=True)
            return found

    for tag, (pattern, firsts) in TAGS.items():
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), firsts)
    return Loader


class _BodyError(ValueError):
    """Something that JSON cannot say, or says in two ways."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _BodyError("a key is there twice in one object")
    return found


def _refused(_word: str) -> None:
    raise _BodyError("JSON has no NaN and no Infinity")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _BodyError("a number is beyond what a float64 holds")
    return number


def _plain(value: Any, namespace: Namespace) -> Any:
    """The value as JSON has it, its variables filled in."""
    match value:
        case str():
            if match := VARIABLE.fullmatch(value):
                return _of_python(value_of([Variable(match[1], value)], namespace))
            return value[1:] if value.startswith("$$") else value
        case dict():
            return {key: _plain(inner, namespace) for key, inner in value.items()}
        case list():
            return [_plain(inner, namespace) for inner in value]
    return _of_python(value)


def _of_python(value: Any) -> Any:
    """What a Python object is in JSON.

    Raises:
        UsageError: Nothing. Only its type is named.
    """
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    match value:
        case str():
            return str(value)
        case date() if value == value:  # noqa: PLR0124 - pandas' NaT is a datetime, too
            return _instant(value) if isinstance(value, datetime) else value.isoformat()
        case Mapping():
            return {str(key): _of_python(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_of_python(inner) for inner in value]
    return _of_array(value)


def _instant(value: datetime) -> str:
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return utc.isoformat().replace("+00:00", "Z")


def _of_array(value: Any) -> Any:
    """A number, list or column of numpy or pandas."""
    turned: Callable[[], Any] | None = getattr(value, "tolist", None)
    if turned and not isinstance(value, float):
        made = turned()
        if isinstance(made, Iterable) or type(made) is not type(value):
            return _of_python(made)
    raise UsageError(f"A value in the body is a {type(value).__name__}, which JSON cannot say.")
