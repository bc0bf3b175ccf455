"""One endpoint: a method, a path, and all that the document says of both. Read when it is looked at."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from immune_nb.errors import quoted

from .documents import Document, Node
from .fields import Field, field_of, fields_of, records_in

__all__ = ["Endpoint"]

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class Endpoint:
    """One endpoint.

    Args:
        document: What says so.
        method: ``GET`` and so on.
        path: As `get` takes it, with ``{name}`` where a value goes.
        item: The document's path item.
        operation: The document's operation.

    Attributes:
        summary: What it does, in a line.
        about: What else is said of it, in a line.
        assumed: Why it is only assumed to exist; empty when it is documented.
        is_deprecated: Whether it should not be used any more.
    """

    def __init__(self, document: Document, method: str, path: str, item: Node, operation: Node) -> None:
        self.method = method
        self.path = path
        about = operation.get("description") or item.get("description") or ""
        self.summary = quoted(operation.get("summary") or item.get("summary") or _first_sentence(about), 120)
        self.about = "" if quoted(about, 120) == self.summary else quoted(about, 600)
        self.assumed = quoted(operation.get("x-assumed", ""), 200)
        self.is_deprecated = operation.get("deprecated") is True
        self.id = str(operation.get("operationId") or "")
        self._document = document
        self._item = item
        self._operation = operation

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @cached_property
    def parameters(self) -> tuple[Field, ...]:
        """What goes into path, query and headers; credentials are the login's and not among them."""
        return tuple(
            field_of(str(node["name"]), node, self._document, place=place, is_required=node.get("required") is True)
            for (_, place), node in self._given.items()
            if place in ("path", "query", "header", "cookie")
        )

    @cached_property
    def query(self) -> tuple[Field, ...]:
        """The parameters that go into the query."""
        return tuple(field for field in self.parameters if field.place == "query")

    @cached_property
    def body(self) -> tuple[Field, ...]:
        """The fields of the body; one without a name for a body that is no object."""
        if self._document.is_swagger and self.body_type == FORM:
            return tuple(
                field_of(str(node["name"]), node, self._document, is_required=node.get("required") is True)
                for (_, place), node in self._given.items()
                if place == "formData"
            )
        schema = self._body.get("schema")
        found = fields_of(schema, self._document)
        return found or ((field_of("", {"schema": schema}, self._document),) if schema else ())

    @cached_property
    def body_type(self) -> str:
        """The content type of the body; empty when it takes none."""
        return self._body_and_type[1]

    @cached_property
    def body_example(self) -> object:
        """A body that would do, as the document gives it or made of its fields' examples; None when it takes none."""
        given = self._body.get("example")
        if given is None and isinstance(self._body.get("examples"), dict):
            given = self._document.resolved(next(iter(self._body["examples"].values()), {})).get("value")
        if given is not None or not self.body_type:
            return given
        return {field.name: _sample(field) for field in self.body if field.name and field.is_required} or {}

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the answer, those of one record where it is a list."""
        return fields_of(self._record[0], self._document)

    @cached_property
    def list_name(self) -> str:
        """The field in which the answer keeps its list; empty when it is a bare list, or no list."""
        return self._record[1]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What an actual path must look like."""
        parts = re.split(r"(\{[^}]*\})", self.path)
        return re.compile("".join("[^/?#]+" if part.startswith("{") else re.escape(part) for part in parts))

    def __repr__(self) -> str:
        return f"<{self.name}: {self.summary}>"

    @cached_property
    def _given(self) -> dict[tuple[str, str], Node]:
        """The parameters by name and place; those of the operation win over those of the path."""
        found: dict[tuple[str, str], Node] = {}
        for node in (*_list(self._item.get("parameters")), *_list(self._operation.get("parameters"))):
            parameter = self._document.resolved(node)
            if isinstance(parameter.get("name"), str) and isinstance(parameter.get("in"), str):
                found[parameter["name"], parameter["in"]] = parameter
            else:
                self._document.remark(f"a parameter of {quoted(self.name, 80)} has no name or no place")
        return found

    @property
    def _body(self) -> Node:
        return self._body_and_type[0]

    @cached_property
    def _body_and_type(self) -> tuple[Node, str]:
        if self._document.is_swagger:
            return self._swagger_body()
        return _chosen(self._document.resolved(self._operation.get("requestBody")).get("content"))

    def _swagger_body(self) -> tuple[Node, str]:
        for (_, place), node in self._given.items():
            if place == "body":
                return node, JSON
            if place == "formData":
                return {}, FORM
        return {}, ""

    @cached_property
    def _record(self) -> tuple[Node, str]:
        answer = self._answer
        return records_in(answer, self._document) if answer else ({}, "")

    @property
    def _answer(self) -> object:
        """The schema of the answer when all goes well."""
        answers = self._operation.get("responses")
        if not isinstance(answers, dict):
            return None
        codes = sorted(
            (code for code in map(str, answers) if code.startswith("2")), key=lambda code: (code == "204", code)
        )
        by_code = {str(code): answer for code, answer in answers.items()}
        for code in (*codes, "default"):
            answer = self._document.resolved(by_code.get(code))
            schema = answer.get("schema") or _chosen(answer.get("content"))[0].get("schema")
            if schema:
                return schema
        return None


def _chosen(content: object) -> tuple[Node, str]:
    """The content to speak of: JSON before everything else."""
    kinds = (
        {str(kind): node for kind, node in content.items() if isinstance(node, dict)}
        if isinstance(content, dict)
        else {}
    )
    best = next((kind for kind in kinds if "json" in kind.lower()), next(iter(kinds), ""))
    return kinds.get(best, {}), JSON if best == "*/*" else best


def _sample(field: Field) -> object:
    given = field.example if field.example is not None else field.default
    if given is not None:
        return given
    if field.words:
        return [field.words[0]] if field.is_list else field.words[0]
    kinds: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "list": [], "object": {}}
    return kinds.get(field.type.split(" ")[0], "…")


def _first_sentence(text: object) -> str:
    return re.split(r"(?<=\.)\s|\n\n", str(text or "").strip(), maxsplit=1)[0]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
