"""Parameters, body fields and columns: what a schema says of one value, in words a person reads at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from immune_nb.errors import quoted
from immune_nb.frames.names import RECORD_LISTS

from .documents import Document, Node

__all__ = ["Field", "field_of", "fields_of", "merged", "records_in"]

DEEPEST, MOST = 6, 400  # levels of nesting, and fields in all; beyond them lie no columns a person would read
PYTHON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True)
class Field:
    """One parameter, field of a body, or column of an answer.

    Args:
        name: As the API has it; a nested one is named by its path, ``limits.max``.
        type: What kind of value, in words.
        place: ``query``, ``path``, ``header`` or ``cookie`` for a parameter; else empty.
        words: The only values it takes, where they are few.
        is_list: Whether it takes several values.
        is_required: Whether it must be there.
        default: What holds without it; None where that is not said.
        example: A value that would do; None where none is given.
        rule: What limits its values, in words.
        about: What it is, in a line.
        assumed: Why it is only assumed to exist; empty when it is documented.
    """

    name: str
    type: str = ""
    place: str = ""
    words: tuple[str, ...] = ()
    is_list: bool = False
    is_required: bool = False
    default: object = None
    example: object = None
    rule: str = ""
    about: str = ""
    assumed: str = ""


def field_of(name: str, node: Node, document: Document, *, place: str = "", is_required: bool = False) -> Field:
    """What a parameter or property is.

    Args:
        name: Its name.
        node: A parameter of either version, or a schema.
        document: What its references lead into.
        place: Where a parameter goes.
        is_required: Whether it must be there.
    """
    node = document.resolved(node)
    schema = merged(_schema(node), document)
    items = merged(schema.get("items"), document)
    is_list = _is(schema, "array")
    given = items if is_list else schema
    return Field(
        name=quoted(name, 100),
        type=_type(schema, document),
        place=place,
        words=_words(given) or _words(schema),
        is_list=is_list,
        is_required=is_required,
        default=schema.get("default"),
        example=_example(node, schema, document),
        rule=_rule(given),
        about=_line(node.get("description") or node.get("summary") or schema.get("description")),
        assumed=_line(node.get("x-assumed") or schema.get("x-assumed")),
    )


def fields_of(schema: object, document: Document) -> tuple[Field, ...]:
    """The fields of an object, those of nested objects named by their path; required ones are marked."""
    found: list[Field] = []
    for field in _walk(schema, document, "", 0, frozenset()):
        if len(found) == MOST:
            document.remark(f"only the first {MOST} fields of a record are shown")
            break
        found.append(field)
    return tuple(found)


def records_in(schema: object, document: Document) -> tuple[Node, str]:
    """The schema of one record of an answer, and the name of the list it comes in; "" for a bare list or object."""
    answer = merged(schema, document)
    if _is(answer, "array") or "items" in answer:
        return merged(answer.get("items"), document), ""
    properties = {name: merged(part, document) for name, part in _properties(answer).items()}
    lists = [name for name, part in properties.items() if _is(part, "array") and isinstance(part.get("items"), dict)]
    known = [name for name in RECORD_LISTS if name in lists]
    for name in [*known, *(name for name in lists if name not in known)]:
        record = merged(properties[name]["items"], document)
        is_alone = len(lists) == 1 and len(properties) - 1 <= sum(_is_plain(p) for p in properties.values())
        if _properties(record) and (name in known or (is_alone and "id" not in properties)):
            return record, name
    return answer, ""


def merged(schema: object, document: Document, above: frozenset[int] = frozenset()) -> Node:
    """A schema with its references followed, ``allOf`` joined, and the only real choice of ``anyOf`` taken."""
    node = document.resolved(schema)
    parts = [part for part in _list(node.get("allOf")) if id(part) not in above]
    if len(above) >= DEEPEST:
        return node
    choices = _list(node.get("oneOf")) + _list(node.get("anyOf"))
    real = [choice for choice in choices if document.resolved(choice).get("type") != "null"]
    parts += real[:1] if len(real) == 1 else []
    whole: Node = {"nullable": True} if len(real) < len(choices) else {}
    for part in parts:
        whole = _joined(whole, merged(part, document, above | {id(part)}))
    return _joined(whole, node) if whole else node


def _joined(first: Node, second: Node) -> Node:
    """Both schemas in one; what both describe, both describe together."""
    both = dict(_properties(first))
    for name, part in _properties(second).items():
        both[name] = {"allOf": [both[name], part]} if name in both else part
    extra: dict[str, object] = {"properties": both} if both else {}
    required = [*_list(first.get("required")), *_list(second.get("required"))]
    return {**first, **second, **extra, **({"required": required} if required else {})}


def _walk(schema: object, document: Document, before: str, depth: int, above: frozenset[str]) -> Iterator[Field]:
    node = merged(schema, document)
    required = {str(name) for name in _list(node.get("required"))}
    for name, part in _properties(node).items():
        ref = part.get("$ref") if isinstance(part, dict) else None
        field = field_of(f"{before}{name}", part, document, is_required=str(name) in required)
        inner = merged(part, document)
        if _properties(inner) and not _is(inner, "array") and depth < DEEPEST and ref not in above:
            around = above | {ref} if isinstance(ref, str) else above
            for child in _walk(part, document, f"{before}{name}.", depth + 1, around):
                yield replace(child, is_required=child.is_required and field.is_required)
        else:
            yield field


def _schema(node: Node) -> object:
    """Where a parameter keeps its schema: beside it, in its content (3.x), or in itself (2.0)."""
    if "schema" in node:
        return node["schema"]
    content = node.get("content")
    first = next(iter(content.values()), None) if isinstance(content, dict) else None
    return first.get("schema") if isinstance(first, dict) else node


def _type(schema: Node, document: Document, depth: int = 0) -> str:
    kinds = [quoted(kind, 30) for kind in _list(schema.get("type")) or [schema.get("type") or ""] if kind != "null"]
    kind = " or ".join(filter(None, kinds)) or _implied(schema, document, depth)
    if kind == "array":
        inner = _type(merged(schema.get("items"), document), document, depth + 1) if depth < DEEPEST else ""
        kind = f"list of {inner}" if inner else "list"
    elif form := schema.get("format"):
        kind = f"{kind} ({quoted(form, 30)})".strip()
    empty = schema.get("nullable") or schema.get("x-nullable") or "null" in _list(schema.get("type"))
    return f"{kind} or null" if empty and kind else kind


def _implied(schema: Node, document: Document, depth: int) -> str:
    """The type of a schema that names none."""
    if _properties(schema) or isinstance(schema.get("additionalProperties"), dict):
        return "object"
    if "items" in schema:
        return "array"
    choices = [c for c in _list(schema.get("oneOf")) + _list(schema.get("anyOf")) if isinstance(c, dict)]
    if choices and depth < DEEPEST:
        kinds = (_type(merged(choice, document), document, depth + 1) for choice in choices)
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind and kind != "null"))
    return next((PYTHON_TYPES.get(type(word), "") for word in _list(schema.get("enum"))), "")


def _words(schema: Node) -> tuple[str, ...]:
    """The values of an enum, as they are written in a query."""
    values = _list(schema.get("enum")) or ([schema["const"]] if "const" in schema else [])
    return tuple(quoted(_plain(value), 100) for value in values if value is not None)


def _rule(schema: Node) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(schema.get("exclusiveMinimum"), int | float) and not isinstance(schema["exclusiveMinimum"], bool):
        return f"above {schema['exclusiveMinimum']}"
    if least is not None and most is not None:
        return f"{least} to {most}"
    if least is not None or most is not None:
        return f"at least {least}" if most is None else f"at most {most}"
    return f"matches {quoted(schema['pattern'], 60)}" if "pattern" in schema else ""


def _example(node: Node, schema: Node, document: Document) -> object:
    """The first example there is, wherever a version keeps it."""
    for place in (node, schema):
        if place.get("example") is not None:
            return place["example"]
        examples = place.get("examples")
        if isinstance(examples, list) and examples:
            return examples[0]
        if isinstance(examples, Mapping) and examples:
            return document.resolved(next(iter(examples.values()))).get("value")
    return node.get("x-example")


def _is(schema: Node, kind: str) -> bool:
    found = schema.get("type")
    return kind in found if isinstance(found, list) else found == kind


def _is_plain(schema: Node) -> bool:
    return not _properties(schema) and not _is(schema, "array")


def _properties(schema: Node) -> Node:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _plain(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _line(text: object) -> str:
    return quoted(text, 300) if text else ""
