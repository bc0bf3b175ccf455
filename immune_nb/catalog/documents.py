"""An OpenAPI document, read from text, and what its references stand for. Nothing is ever fetched for one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote

from immune_nb.errors import BadReplyError, quoted

__all__ = ["LARGEST", "Document", "Node"]

Node = Mapping[str, Any]
LARGEST = 32 * 2**20  # bytes; the largest public documents have about 12 MB
MOST_REMARKS = 20
METHODS = ("get", "head", "options", "post", "put", "patch", "delete", "trace")


class Document:
    """One OpenAPI document: 3.0, 3.1, or Swagger 2.0.

    Args:
        root: The document, decoded.
        source: What to call it when it is at fault.
        url: Where it came from, when that was the API; its relative server addresses begin there.

    Attributes:
        remarks: What in it could not be made sense of, and was left out.

    Raises:
        BadReplyError: It is no such document.
    """

    def __init__(self, root: object, source: str, url: str = "") -> None:
        if not isinstance(root, dict):
            raise BadReplyError(f"{source} is no OpenAPI document: it is not an object.")
        self.root: Node = root
        self.source = source
        self.url = url
        self.version = str(root.get("openapi") or root.get("swagger") or "")
        if not self.version.startswith(("2.", "3.")):
            found = f"version {quoted(self.version, 20)}" if self.version else "it names no version"
            raise BadReplyError(f"{source} is no OpenAPI document 2.0, 3.0 or 3.1: {found}.")
        if not isinstance(root.get("paths", {}), dict):
            raise BadReplyError(f"{source} is malformed: its `paths` are not an object.")
        self.remarks: list[str] = []

    @classmethod
    def read(cls, content: bytes, source: str, url: str = "") -> Document:
        """Read a document: JSON, or YAML where pyyaml is installed.

        Raises:
            BadReplyError: It cannot be read, is too large, or is no such document.
        """
        if len(content) > LARGEST:
            raise BadReplyError(f"{source} is larger than {LARGEST >> 20} MiB.", hint="Keep a smaller one as a file.")
        fault: str
        try:
            return cls(_decoded(content), source, url)
        except json.JSONDecodeError as error:
            fault = f"not JSON at character {error.pos}"
        except UnicodeDecodeError:
            fault = "in an unknown encoding"
        except RecursionError:
            fault = "nested beyond reason"
        except ValueError as error:
            fault = str(error)
        raise BadReplyError(f"{source} is {fault}.", hint="It should be an OpenAPI document.")

    @property
    def is_swagger(self) -> bool:
        """Whether it is of version 2.0."""
        return self.version.startswith("2.")

    def remark(self, what: str) -> None:
        """Note something that is left out, once."""
        if what not in self.remarks and len(self.remarks) < MOST_REMARKS:
            self.remarks.append(what)

    def resolved(self, node: object) -> Node:
        """What a node is, its references followed; empty for what is nothing of the kind.

        What stands beside a reference counts, as in 3.1; a reference that leads nowhere, round in a circle or out of
        the document is remarked.
        """
        seen: set[str] = set()
        while isinstance(node, dict) and isinstance(ref := node.get("$ref"), str):
            beside = {key: value for key, value in node.items() if key != "$ref"}
            if ref in seen:
                self.remark(f"{quoted(ref, 80)} leads round in a circle")
                return beside
            seen.add(ref)
            target = self._target(ref)
            node = {**target, **beside} if isinstance(target, dict) else beside
        return node if isinstance(node, dict) else {}

    def operations(self) -> Iterator[tuple[str, str, Node, Node]]:
        """Path, method, path item and operation of every operation, in the document's order."""
        for path, item in self.root.get("paths", {}).items():
            shared = self.resolved(item)
            if not str(path).startswith("/") or not str(path).isprintable():
                if not str(path).startswith("x-"):
                    self.remark(
                        f"path {quoted(path, 60)} is none: it does not begin with a slash, or cannot be shown"
                    )
                continue
            for method, operation in shared.items():
                if method not in METHODS:
                    continue
                if isinstance(operation, dict):
                    yield str(path), method.upper(), shared, operation
                else:
                    self.remark(f"{method.upper()} {quoted(path, 60)} is not an object")

    def _target(self, ref: str) -> object:
        if not ref.startswith("#"):
            self.remark(f"{quoted(ref, 80)} lies outside the document, and is not fetched")
            return None
        target: Any = self.root
        for step in unquote(ref[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            try:
                target = target[int(name)] if isinstance(target, list) else target[name]
            except (KeyError, TypeError, ValueError, IndexError):
                self.remark(f"{quoted(ref, 80)} leads nowhere")
                return None
        return target


def _decoded(content: bytes) -> object:
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return json.loads(content)  # which knows UTF-8, -16 and -32
    if content.lstrip().startswith(b"<"):
        raise ValueError("a web page")
    if not find_spec("yaml"):
        raise ValueError("not JSON, and reading YAML takes pyyaml (pip install 'immune_nb[yaml]')")
    return _from_yaml(content.decode("utf-8-sig"))


def _from_yaml(text: str) -> object:
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError("neither JSON nor YAML" + (f" (line {mark.line + 1})" if mark else "")) from None
