"""The catalog: the document in the package, and documents of servers that nobody here wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.scripted import Answer, Scripted, html, redirect, reply, scripted

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.catalog import places
from immune_nb.catalog.catalog import Catalog
from immune_nb.catalog.documents import Document
from immune_nb.catalog.places import known_catalog
from immune_nb.errors import BadReplyError, ConfigError, QueryError
from immune_nb.frames.schemas import ALERTS, PREDICTIONS, READINGS, SENSORS
from immune_nb.session import Session

SHIPPED = Path(places.__file__).parent / places.SHIPPED
ROOT = Path(__file__).parent.parent
DOCUMENTS = Path(__file__).parent / "documents"
BUILDING, FLEET, WATER = (
    json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("building", "fleet", "water")
)


@pytest.fixture(scope="module")
def immune() -> Catalog:
    catalog = known_catalog(im.IMMUNE)
    assert catalog is not None
    return catalog


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A real server on loopback that publishes what a test tells it to."""
    with scripted() as server:
        yield server


def session_at(server: Scripted, base: str = "", **fields: object) -> Session:
    """A session with an API whose base URL is `base` below that server."""
    profile = im.Profile(name="lab", base_url=server.origin + base, **fields)  # type: ignore[arg-type]
    return Session(profile, find_credentials(profile, {}, api_key="made-up-key-1"), sleep=lambda _: None)


def read(document: object, base_url: str = "https://api.example.com", url: str = "") -> Catalog:
    return Catalog.of(Document.read(json.dumps(document).encode(), "the document", url), base_url)


def only(catalog: Catalog, name: str):
    (endpoint,) = catalog.find(name)
    return endpoint


DOCUMENTED = (
    ("GET", "/sensors", ()),
    ("GET", "/readings", ("sensor_id", "start_time", "end_time", "limit", "starting_after", "ending_before")),
    ("POST", "/readings", ()),
    ("POST", "/readings/batch", ()),
    ("GET", "/sensors/readings", ("sensor_id",)),
    ("GET", "/alerts", ("status", "severity")),
    ("PATCH", "/alerts/{id}", ("id",)),
    ("POST", "/alert-rules", ()),
    ("POST", "/notification-settings", ()),
    ("POST", "/webhooks", ()),
)


@pytest.mark.parametrize(("method", "path", "names"), DOCUMENTED)
def test_what_the_documentation_names_is_there_and_not_assumed(immune, method, path, names):
    """Every documented endpoint and parameter (api-contract 1.2 to 1.7)."""
    endpoint = only(immune, f"{method} {path}")
    assert not endpoint.assumed
    assert {n for n in names if not next(f for f in endpoint.parameters if f.name == n).assumed} == set(names)


def test_what_is_not_documented_is_marked_and_says_why(immune):
    """Every other endpoint is assumed, with a reason; so are filters nobody documented (api-contract 1.2, 1.8)."""
    known = {(method, path) for method, path, _ in DOCUMENTED} | {
        ("POST", "/sensors/readings"),
        ("POST", "/sensors/readings/batch"),
    }
    assert {(e.method, e.path) for e in immune if not e.assumed} == known
    assert "not" in only(immune, "GET /predictions").assumed
    assert all(f.assumed for f in only(immune, "/sensors").query if f.name in ("status", "type", "equipment_id"))


@pytest.mark.parametrize(
    ("path", "schema"),
    [("/sensors", SENSORS), ("/readings", READINGS), ("/alerts", ALERTS), ("/predictions", PREDICTIONS)],
)
def test_the_columns_of_our_frames_are_those_of_the_document(immune, path, schema):
    """Names and enum words agree, column by column, so that neither can change alone."""
    fields = {field.name: field for field in only(immune, f"GET {path}").fields}
    assert {column.name for column in schema.columns} <= fields.keys()
    assert {c.name: c.words for c in schema.columns} == {c.name: fields[c.name].words for c in schema.columns}


def test_every_example_of_the_document_fits_its_schema():
    """The bodies shown to people are bodies the document allows."""
    import jsonschema

    document = json.loads(SHIPPED.read_text(encoding="utf-8"))
    seen = 0
    for item in document["paths"].values():
        for method in item.keys() & {"post", "patch"}:
            (content,) = item[method]["requestBody"]["content"].values()
            jsonschema.validate(content["example"], content["schema"] | {"components": document["components"]})
            seen += 1
    assert seen == 8


def test_enum_words_types_defaults_and_rules_are_read(immune):
    """Of a parameter that is a list, too."""
    fields = {f.name: f for f in only(immune, "GET /alerts").query}
    assert fields["severity"].words == ("critical", "warning", "info")
    assert fields["severity"].is_list
    assert (fields["limit"].type, fields["limit"].default, fields["limit"].rule) == ("integer", 100, "1 to 1000")


def test_the_form_of_webhooks_is_a_form(immune):
    """The one body that is not JSON (api-contract 1.7, 1.9)."""
    webhook = only(immune, "POST /webhooks")
    assert webhook.body_type == "application/x-www-form-urlencoded"
    assert [(f.name, f.is_required) for f in webhook.body] == [("url", True), ("events[]", True)]


def test_search_looks_at_paths_summaries_and_parameters(immune):
    """All words must be there; case does not matter."""
    assert {e.path for e in immune.search("ALERT rules")} == {"/alert-rules"}
    assert "/readings" in {e.path for e in immune.search("start_time get")}
    assert "POST /alert-rules" in {e.name for e in immune.search("duration")}
    assert len(immune.search("")) == len(immune)
    assert len(immune.search("no such thing")) == 0


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("readings", ["GET /readings", "POST /readings"]),
        ("GET /readings", ["GET /readings"]),
        ("get readings", ["GET /readings"]),
        ("/alerts/{id}", ["GET /alerts/{id}", "PATCH /alerts/{id}"]),
        ("/alerts/alert_0001", ["GET /alerts/{id}", "PATCH /alerts/{id}"]),
        ("PATCH /alerts/x", ["PATCH /alerts/{id}"]),
        ("listSensors", ["GET /sensors"]),
        ("/sensors/readings", ["GET /sensors/readings", "POST /sensors/readings"]),
        ("/sensors/vib_001", ["GET /sensors/{id}"]),
    ],
)
def test_an_endpoint_is_found_by_what_people_call_it(immune, name, found):
    """Name, path, method and path, an actual path, an operation's id."""
    assert [endpoint.name for endpoint in immune.find(name)] == found


@pytest.mark.parametrize(("typed", "meant"), [("reading", "readings"), ("/alert", "/alerts"), ("sensor", "sensors")])
def test_a_mistyped_endpoint_gets_did_you_mean(immune, typed, meant):
    """One sentence with the nearest name."""
    with pytest.raises(QueryError, match=f"No endpoint '{typed}' is known. Did you mean {meant}"):
        immune.find(typed)


def test_the_repr_lists_every_endpoint(immune):
    """In plain text, one line each, the assumed ones marked."""
    lines = repr(immune).splitlines()
    assert lines[0].startswith("IMMUNE, 21 endpoints")
    assert len(lines) == 22
    assert any("/predictions " in line and "assumed" in line for line in lines)


# Documents of others


def test_swagger_2_is_read():
    """basePath, shared and path-level parameters, csv lists, body and form fields, a tree of records, deprecation."""
    catalog = read(BUILDING, "https://bms.example.com/bms/v4")
    points = only(catalog, "/points")
    assert {f.name: (f.type, f.is_required) for f in points.query} == {
        "site": ("string", False),  # the operation's own wins over the path's
        "kind": ("list of string", False),
        "page": ("integer (int32)", False),
    }
    kind, page = points.query[1], points.query[2]
    assert (kind.words, page.default, page.rule) == (("analog", "binary", "multistate"), 1, "at least 1")
    assert points.list_name == "items"
    columns = {f.name: f.type for f in points.fields}
    assert columns["id"] == "integer (int64)"
    assert columns["name"] == "string or null"
    assert columns["parent.id"] == "integer (int64)"
    assert [f.name for f in only(catalog, "GET /points/7/samples").fields] == ["t", "v"]
    write = only(catalog, "POST /points/7/samples")
    assert write.is_deprecated
    assert [f.name for f in write.body] == ["t", "v"]
    assert [(f.name, f.is_required) for f in only(catalog, "/uploads").body] == [("file", True), ("note", False)]


def test_openapi_3_0_is_read():
    """References everywhere, allOf, nullable, an envelope nobody knows, and loops that end."""
    catalog = read(FLEET, "https://here.example.com/api/v1")
    find = only(catalog, "GET /vehicles")
    state = find.query[0]
    assert (state.words, state.default, state.example) == (("MOVING", "PARKED", "OFF ROAD"), "MOVING", "MOVING")
    assert state.about == "only vehicles in this state"
    assert [(f.name, f.type, f.place) for f in find.parameters[1:]] == [
        ("filter", "object", "query"),
        ("X-Tenant", "string", "header"),
    ]
    assert find.list_name == "content"
    columns = {f.name: f.type for f in find.fields}
    assert columns.items() >= {"vin": "string", "position.lat": "number", "driver.name": "string"}.items()
    assert columns["driver.vehicles"] == "list of object"
    assert {f.name: f.is_required for f in only(catalog, "POST /vehicles").body} == {
        "vin": True,
        "state": True,
        "seats": False,
    }
    assert only(catalog, "POST /vehicles").body_example == {"vin": "WDB1234567890ABCD", "state": "MOVING"}
    assert "vin" in {f.name for f in only(catalog, "GET /vehicles/ABC").fields}
    remarks = " ".join(catalog.remarks)
    assert "common.json#/Page' lies outside the document, and is not fetched" in remarks.replace(
        "Page lies", "Page' lies"
    )
    assert "Nowhere leads nowhere" in remarks
    assert "leads round in a circle" in remarks


def test_openapi_3_1_is_read():
    """Type lists, anyOf with null, const, a path item by reference, and what is malformed is remarked."""
    catalog = read(WATER)
    assert [e.name for e in catalog] == ["GET /api/stations", "GET /api/stations/{station_id}/values"]
    fields = {f.name: f for f in only(catalog, "/api/stations").parameters}
    assert fields["river"].type == "string or null"
    assert (fields["unit"].type, fields["unit"].words) == ("string or null", ("mg/l", "µS/cm"))
    assert fields["depth"].rule == "above 0"
    assert fields["format"].words == ("json",)
    assert (fields["ids"].type, fields["ids"].is_list) == ("list of integer", True)
    assert fields["session"].place == "cookie"
    assert [f.name for f in only(catalog, "/api/stations").fields] == ["id", "river", "tags"]
    values = only(catalog, "/api/stations/7/values")
    assert values.parameters[0].example == 7
    assert [f.name for f in values.fields] == ["station", "unit", "values"]
    assert set(catalog.remarks) == {
        "path relative is none: it does not begin with a slash, or cannot be shown",
        "GET /api/broken is not an object",
        "a parameter of GET /api/stations has no name or no place",
    }


def test_yaml_is_read_where_pyyaml_is_installed():
    """With its whole-number statuses and dates; without pyyaml, the sentence says what to install."""
    catalog = Catalog.of(
        Document.read((DOCUMENTS / "weather.yaml").read_bytes(), "masts.yaml"), "https://mast.example.com"
    )
    masts = only(catalog, "/masts")
    assert (masts.query[1].words, str(masts.query[0].example)) == (("height", "name"), "2024-01-20")
    assert [f.name for f in masts.fields] == ["id", "height"]
    code = "from immune_nb.catalog.documents import Document\nDocument.read(b'openapi: 3.0.0', 'masts.yaml')"
    bare = [sys.executable, "-S", "-c", code]  # without site-packages, as where it is not installed
    done = subprocess.run(bare, capture_output=True, text=True, cwd=ROOT)
    assert "masts.yaml is not JSON, and reading YAML takes pyyaml" in done.stderr


@pytest.mark.parametrize(
    ("base_url", "servers", "path", "seen"),
    [
        ("https://a.example/v1", [{"url": "https://a.example/v1"}], "/x", "/x"),
        ("https://a.example/v1", [{"url": "https://a.example:443/v1/"}], "/x", "/x"),
        ("https://a.example/v1", [{"url": "/v1"}], "/x", "/x"),
        ("https://a.example/v1", [{"url": "https://a.example"}], "/v1/x", "/x"),
        ("https://a.example/v1", [{"url": "https://a.example"}], "/health", "https://a.example/health"),
        ("https://a.example/v1", [{"url": "/v2"}, {"url": "/v1"}], "/x", "/x"),
        ("https://a.example/v1", [{"url": "https://b.example/v9"}], "/x", "/x"),
        ("https://a.example/v1", None, "/x", "/x"),
        ("https://a.example/v1", None, "/v1/x", "/x"),
        ("https://a.example", [{"url": "/v1"}], "/x", "/v1/x"),
        ("https://a.example", None, "/x", "/x"),
        ("https://a.example/v1", [{"url": "https://a.example:notaport/v1"}], "/x", "/x"),
        ("https://a.example/v1", "nonsense", "/x", "/x"),
    ],
)
def test_paths_begin_where_the_servers_say(base_url, servers, path, seen):
    """A path of the catalog is what `get` takes below the base URL; beside it, a whole URL on the same origin."""
    document = {"openapi": "3.0.0", "servers": servers, "paths": {path: {"get": {}}}}
    document = {key: value for key, value in document.items() if value is not None}
    assert [e.path for e in read(document, base_url)] == [seen]


def test_a_server_of_one_path_holds_for_that_path():
    """Path and operation may have servers of their own, and variables take their defaults."""
    paths = [e.path for e in read(FLEET, "https://here.example.com/api/v1")]
    assert paths[0] == "/vehicles"
    assert paths[-1] == "https://here.example.com/health"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[]", "it is not an object"),
        (b"{}", "it names no version"),
        (b'{"openapi": "4.0"}', "version 4.0"),
        (b'{"openapi": "3.1.0", "paths": []}', "`paths` are not an object"),
        (b'{"openapi": "3.1.0", ', "not JSON at character"),
        (b"<!doctype html>", "a web page"),
        (b"\xff\xfe\xfa", "in an unknown encoding"),
        (b"a: b: c", r"neither JSON nor YAML \(line 1\)"),
        (b"[" * 100_000, "nested beyond reason"),
        (b" " * (32 * 2**20 + 1), "larger than 32 MiB"),
    ],
)
def test_a_malformed_document_is_named_with_what_is_wrong(content, complaint):
    """One sentence, and an error that stops a run."""
    with pytest.raises(BadReplyError, match=f"lab.json is .*{complaint}"):
        Document.read(content, "lab.json")


KEYS = ["$ref", "type", "properties", "items", "allOf", "anyOf", "enum", "get", "parameters", "schema", "name"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(KEYS),
        inner,
        max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip


@given(JSON, JSON, JSON)
def test_no_document_makes_the_reader_stumble(item, schema, answer):
    """Whatever stands where an object belongs, it is left out, and the rest can be looked at."""
    operation = {"parameters": [schema], "requestBody": answer, "responses": {"200": answer}}
    paths = {"/x": item, "/y": {"get": operation, "post": schema}}
    catalog = read({"openapi": "3.1.0", "servers": schema, "paths": paths, "components": schema})
    for endpoint in catalog:
        assert isinstance(
            repr((endpoint, endpoint.parameters, endpoint.body, endpoint.fields, endpoint.body_example)), str
        )
    assert isinstance(repr(catalog.search("x")), str)


# Where a document is


@pytest.mark.parametrize(
    ("base", "place", "document", "path"),
    [
        ("", "/openapi.json", WATER, "/api/stations"),
        ("/api", "/api/openapi.json", FLEET, "/v1/vehicles"),
        ("/api", "/openapi.json", WATER, "/stations"),
        ("/bms/v4", "/swagger.json", BUILDING, "/points"),
    ],
)
def test_a_document_is_discovered_in_the_usual_places(server, base, place, document, path):
    """With the session's login, once, and only when somebody asks."""
    server.says(place, reply(document))
    with_login = session_at(server, base)
    assert with_login.catalog_at_hand() is None
    assert server.requests == []
    assert path in {e.path for e in with_login.catalog()}
    asked = list(server.requests)
    assert {request.headers["authorization"] for request in asked} == {"ApiKey made-up-key-1"}
    with_login.catalog()
    assert with_login.catalog_at_hand() is not None
    assert server.requests == asked
    with_login.catalog(refresh=True)
    assert len(server.requests) > len(asked)


def test_without_a_document_one_sentence_says_where_it_was_looked_for(server):
    """Pages for everything, refusals and redirects are no document."""
    server.says("/api/openapi.json", html("<h1>Welcome</h1><script>var a = {'swagger': 1}</script>"))
    server.says("/openapi.json", reply({"error": "no"}, 403))
    server.says("/api/swagger.json", redirect("https://elsewhere.example/swagger.json"))
    with pytest.raises(QueryError) as caught:
        session_at(server, "/api").catalog()
    assert "lab publishes no OpenAPI document: none is at /api/openapi.json, /openapi.json" in str(caught.value)
    assert "`catalog` in the profile" in str(caught.value)


def test_a_malformed_document_of_a_server_is_said_to_be_one(server):
    """It claims to be a document, so it is not passed over."""
    server.says("/openapi.json", reply({"openapi": "3.0.0", "paths": ["/x"]}))
    with pytest.raises(BadReplyError, match="/openapi.json is malformed: its `paths` are not an object"):
        session_at(server).catalog()


@pytest.mark.parametrize("place", ["/docs/api.json", "{origin}/docs/api.json"])
def test_a_profile_names_a_path_or_a_url_on_its_api(server, place):
    """Asked for there, and nowhere else."""
    server.says("/v1/docs/api.json", reply(WATER))
    server.says("/docs/api.json", reply(WATER))
    named = session_at(server, "/v1", catalog=place.format(origin=server.origin))
    assert len(named.catalog()) == 2
    assert len(server.requests) == 1


def test_a_document_elsewhere_is_not_asked_for(server):
    """The login is for one origin; a URL of another is a mistake in the profile."""
    with scripted() as elsewhere, pytest.raises(ConfigError, match=r"lab\.catalog: .* is not this API's host"):
        session_at(server, catalog=f"{elsewhere.origin}/openapi.json").catalog()
    assert elsewhere.requests == []
    with pytest.raises(QueryError, match=r"There is no OpenAPI document where lab\.catalog says: GET /gone"):
        session_at(server, catalog="/gone").catalog()


def test_a_profile_names_a_file(server, tmp_path):
    """Relative to the profile file, absolute, or none that can be read; nothing is sent."""
    (tmp_path / "lab.json").write_text(json.dumps(WATER), encoding="utf-8")
    text = f'[lab]\nbase_url = "{server.origin}"\ncatalog = "lab.json"\n'
    (tmp_path / "profiles.toml").write_text(text, encoding="utf-8")
    profile = im.profiles.load_profiles({"IMMUNE_NB_CONFIG": str(tmp_path)})["lab"]
    assert len(known_catalog(profile) or ()) == 2
    assert len(session_at(server, catalog=f"file:{tmp_path}/lab.json").catalog()) == 2
    for place, complaint in (
        (f"{tmp_path}/gone.json".replace("/", "file:/", 1), "No such file"),
        ("~/x", "No such file"),
    ):
        with pytest.raises(ConfigError, match=rf"lab\.catalog: .*{complaint}"):
            session_at(server, catalog=place).catalog()
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"lab\.catalog: .*bad\.json is not JSON"):
        session_at(server, catalog=f"file:{tmp_path}/bad.json").catalog()
    assert server.requests == []


@pytest.mark.parametrize("value", ["", " ", 7])
def test_a_catalog_that_names_nothing_is_refused_at_once(value):
    """As every malformed setting is."""
    with pytest.raises(ConfigError, match=r"lab\.catalog is"):
        im.Profile(name="lab", base_url="https://a.example", catalog=value)


def test_a_huge_document_is_refused(server):
    """The cap holds for what a server sends."""
    server.says(
        "/openapi.json", Answer(200, [("Content-Type", "application/json")], b'{"openapi":"3.0.0"' + b" " * 2**25)
    )
    with pytest.raises(BadReplyError, match="larger than 32 MiB"):
        session_at(server).catalog()
