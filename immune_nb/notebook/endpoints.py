"""``%immune ls`` and ``%immune describe``: what can be asked of an API, and how."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from immune_nb.errors import QueryError, quoted
from immune_nb.profiles import IMMUNE

from .arguments import KEY, parse
from .calls import Call, call_of
from .code import Code, python_call
from .show import LITERAL, Note, Table, marked, show
from .subcommands import command_named
from .words import as_word

if TYPE_CHECKING:
    from immune_nb.catalog.catalog import Catalog
    from immune_nb.catalog.endpoints import Endpoint
    from immune_nb.catalog.fields import Field
    from immune_nb.profiles import Profile

    from .arguments import Request
    from .desk import Desk

__all__ = ["describe", "ls", "page"]

FORM = "application/x-www-form-urlencoded"
SAID_BY = {"float64": "number", "int64": "integer"}  # a dtype that leaves no doubt what the API sends


def ls(desk: Desk, request: Request) -> None:
    """``%immune ls``."""
    _, catalog = _catalog(desk, request)
    words = " ".join(map(str, request.words))
    found = catalog.search(words)
    if not len(found):
        raise QueryError("No endpoint has all of these words.", hint=f"%immune ls lists all {len(catalog)}.")
    show(Table(found.rows(), ("method", "path", "what")))
    show(Note("\n".join(_about(found, whole=catalog))))


def describe(desk: Desk, request: Request) -> None:
    """``%immune describe``."""
    profile, catalog = _catalog(desk, request)
    name = " ".join(map(str, request.words))
    path = profile.paths.get(name)
    endpoints = catalog.find(path if path and catalog.match(path) else name)
    show(Sections(part for endpoint in endpoints for part in _described(endpoint, profile)))


def page(catalog: Catalog) -> str:
    """A catalog as a table in HTML."""
    table = Table(catalog.rows(), ("method", "path", "what"))
    return Sections([Heading(repr(catalog).partition("\n")[0], 110), table])._repr_html_()


class Sections:
    """Notes, tables and code, one below the other.

    Args:
        parts: Things with a plain and an HTML form.
    """

    def __init__(self, parts: Iterable[Note | Table | Code | Heading]) -> None:
        self.parts = list(parts)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.parts))

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in self.parts)


class Heading:
    """A line above what it names.

    Args:
        text: The line.
        size: Its size in HTML, in per cent.
    """

    def __init__(self, text: str, size: int = 100) -> None:
        self.text = text
        self._size = size

    def __repr__(self) -> str:
        return f"\n{self.text}"

    def _repr_html_(self) -> str:
        style = f"font-weight:600;font-size:{self._size}%;margin-top:0.7em"
        return f'<div class="{LITERAL}" style="{style}">{marked(self.text)}</div>'


def _catalog(desk: Desk, request: Request) -> tuple[Profile, Catalog]:
    """The catalog of a profile: with its login where there is one, else from what is on this machine."""
    from immune_nb.catalog.places import known_catalog

    name = request.text("profile") or desk.sessions.current_name or IMMUNE.name
    if name not in {session.profile.name for session in desk.sessions}:
        profile = desk.profile(name)
        known = known_catalog(profile)
        if known is not None:
            return profile, known
    session = desk.session(name)
    return session.profile, session.catalog(refresh=request.given("refresh"))


def _about(found: Catalog, whole: Catalog) -> Iterator[str]:
    from immune_nb.catalog.catalog import counted

    of = counted(len(whole)) if len(found) == len(whole) else f"{len(found)} of {counted(len(whole))}"
    title = f" · {found.title}" if found.title else ""
    yield f"{of}{title} · {found.source}"
    if assumed := sum(bool(endpoint.assumed) for endpoint in found):
        yield f"assumed: {assumed} of them, which the documentation does not describe"
    if found.remarks:
        yield "Left out of the document: " + "; ".join(found.remarks) + "."
    yield "%immune describe ENDPOINT tells more, and %immune get PATH asks."


def _described(endpoint: Endpoint, profile: Profile) -> Iterator[Note | Table | Code | Heading]:
    yield Heading(f"{endpoint.name}: {endpoint.summary}".removesuffix(": "), 115)
    notes = [endpoint.about, f"Assumed: {endpoint.assumed}." if endpoint.assumed else ""]
    notes.append("Deprecated: it should not be used any more." if endpoint.is_deprecated else "")
    if any(notes):
        yield Note("\n".join(filter(None, notes)))
    if endpoint.parameters:
        elsewhere = any(field.place != "query" for field in endpoint.parameters)
        header = ("name", *(["in"] if elsewhere else []), "type", "what")
        yield Heading("Parameters" if elsewhere else "Parameters of the query")
        yield _table(endpoint.parameters, header)
    if endpoint.body:
        yield Heading(f"Body, {endpoint.body_type}")
        yield _table(endpoint.body, ("name", "type", "what"))
    if endpoint.fields:
        within = f", one row per record of `{endpoint.list_name}`" if endpoint.list_name else ""
        yield Heading(f"Columns of the answer{within}")
        dtypes = _dtypes(endpoint, profile)
        yield _table(endpoint.fields, ("name", "type", "what"), dtypes)
    yield Heading("Examples")
    yield Code("\n".join(_examples(endpoint, profile)))


def _table(fields: Sequence[Field], header: Sequence[str], dtypes: Mapping[str, str] | None = None) -> Table:
    """Fields as a table, without the columns that would be empty."""
    rows = [_row(field, (dtypes or {}).get(field.name, "")) for field in fields]
    kept = [name for name in header if any(row[name] for row in rows)]
    return Table(([row[name] for name in kept] for row in rows), kept)


def _row(field: Field, dtype: str) -> dict[str, str]:
    default = "" if field.default is None else f"default {quoted(field.default, 60)}"
    required = "required" if field.is_required and field.place != "path" else ""
    assumed = f"assumed: {field.assumed}" if field.assumed else ""
    return {
        "name": field.name,
        "in": field.place,
        "type": " · ".join(filter(None, (_typed(field, dtype), ", ".join(field.words) or field.rule))),
        "what": " · ".join(filter(None, (field.about, default, _for_example(field), required, assumed))),
    }


def _typed(field: Field, dtype: str) -> str:
    """What the API sends and what the frame has, once where one says the other."""
    sent = field.type.partition(" (")[0] if dtype else field.type
    return dtype if SAID_BY.get(dtype, dtype) == sent else " → ".join(filter(None, (sent, dtype)))


def _for_example(field: Field) -> str:
    """An example, where neither the words nor the line about the field have it already."""
    example = quoted(_plain(field.example), 60)
    return "" if not example or example in field.words or example in field.about else f"e.g. {example}"


def _dtypes(endpoint: Endpoint, profile: Profile) -> dict[str, str]:
    """The dtypes of the documented collections' frames."""
    from immune_nb.frames import schemas

    known = {"sensors": schemas.SENSORS, "readings": schemas.READINGS, "alerts": schemas.ALERTS}
    known |= {"predictions": schemas.PREDICTIONS}
    name = next((name for name, path in profile.paths.items() if path == endpoint.path), "")
    if endpoint.method != "GET" or name not in known:
        return {}
    return {column.name: column.dtype for column in known[name].columns}


def _examples(endpoint: Endpoint, profile: Profile) -> Iterator[str]:
    """Lines that ask for this endpoint, as a magic and in Python."""
    name = next((name for name, path in profile.paths.items() if path == endpoint.path), "")
    if endpoint.method != "GET":
        yield from _write_examples(endpoint)
        return
    if command := command_named(name):
        lines = [line for line in command.examples if "{" not in line]
        yield from lines
        call = call_of(parse(lines[0].partition("%immune ")[2], {}))
        yield f"df = session.{python_call(call)}"
        return
    path = _filled(endpoint)
    asked = [(field.name, value) for field in endpoint.query if (value := _value(field)) is not None]
    needed = {field.name for field in endpoint.query if field.is_required}
    shown = dict([pair for pair in asked if pair[0] in needed] or asked[:1])
    words = [as_word(path), *(_pair(key, value) for key, value in shown.items())]
    if None not in words:
        yield f"df = %immune get {' '.join(map(str, words))}"
    yield f"df = session.{python_call(Call('get', (path,), shown))}"


def _write_examples(endpoint: Endpoint) -> Iterator[str]:
    verb, path, body = endpoint.method.lower(), _filled(endpoint), endpoint.body_example
    if command_named(verb):
        yield f"%%immune {verb} {as_word(path) or path}{' --form' if endpoint.body_type == FORM else ''}"
        if body:
            yield json.dumps(body, ensure_ascii=False, indent=2)
        yield ""
    named = {} if body is None else {"form" if endpoint.body_type == FORM else "json": body}
    yield f"session.{python_call(Call('request', (endpoint.method, path), named))}"


def _filled(endpoint: Endpoint) -> str:
    """The path with an example in every gap."""
    path = endpoint.path
    for field in endpoint.parameters:
        if field.place == "path":
            value = _value(field)
            path = path.replace(f"{{{field.name}}}", quote(str(field.name if value is None else value), safe=""))
    return path


def _value(field: Field) -> str | None:
    """A value worth showing: its example, else a word of its enum, else its default."""
    if field.example is not None:
        return _plain(field.example)
    if field.words:
        return field.words[0]
    return _plain(field.default) if field.default is not None and field.is_required else None


def _pair(key: str, value: str) -> str | None:
    """A parameter as a line takes it; None where a line cannot say it."""
    written = as_word(value) if KEY.fullmatch(f"{key}=") else None
    return None if written is None else f"{key}={written}"


def _plain(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(_plain, value)) if isinstance(value, list) else str(value)
