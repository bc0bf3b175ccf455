"""The sandbox's endpoints, through a real server on loopback: what the contract documents, and what we assume."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import queue
import threading
from itertools import pairwise
from urllib.parse import quote_plus

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immune_nb.sandbox.faults import Faults
from immune_nb.sandbox.instants import SECOND, iso, parse
from immune_nb.sandbox.server import running
from immune_nb.sandbox.settings import Settings

PLAIN = {"trust_env": False, "verify": False}  # http on loopback: no proxy, and no TLS context to build
NOW = parse("2024-01-20T15:30:00Z") // SECOND
SECRET = "s p+a c:e%/é&="  # every character that form-encoding, Basic or a URL could spoil
CLIENT = "lab client+1:é"
BASE = Settings(now=NOW, control=True, client_id=CLIENT, client_secret=SECRET)


@pytest.fixture(scope="module")
def sandbox():
    """One server for the module."""
    with running(BASE) as address:
        yield address


@pytest.fixture
def api(sandbox):
    """A client with the API key, before a sandbox as it was at the start."""
    key = sandbox.credentials.api_key
    with httpx.Client(base_url=sandbox.base_url, headers={"Authorization": f"ApiKey {key}"}, **PLAIN) as client:
        client.post(sandbox.control_url + "/reset").raise_for_status()
        yield client


@pytest.fixture
def receiver():
    """A webhook receiver on loopback; what it got is in the queue."""
    got: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()
            got.put((dict(self.headers), body))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        server.got = got
        yield server
        server.shutdown()
        thread.join()


def token(sandbox, **fields):
    """Ask for a token with the secret in the body."""
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET} | fields
    return httpx.post(sandbox.token_url, data=form, **PLAIN)


def error_of(reply):
    """The error envelope, checked for shape."""
    error = reply.json()["error"]
    assert error.keys() in ({"type", "message", "code"}, {"type", "message", "code", "details"})
    if "details" in error:
        assert error["details"].keys() == {"field", "constraint"}
    return reply.status_code, error["code"]


# Who may come in (1.1)


def test_api_key_and_token_both_open(api, sandbox):
    """An API key and a bearer token see the same plant."""
    bearer = {"Authorization": "Bearer " + token(sandbox).json()["access_token"]}
    assert api.get("/sensors").json() == api.get("/sensors", headers=bearer).json()


def test_token_answer_is_what_rfc_6749_says(sandbox):
    """5.1: access_token, token_type, expires_in, scope; never cached."""
    reply = token(sandbox)
    body = reply.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "read write")
    assert reply.headers["cache-control"] == "no-store"


def test_basic_credentials_are_form_encoded_first(sandbox):
    """RFC 6749, 2.3.1: id and secret with every awkward character work when form-encoded, and only then."""

    def ask(name: str, secret: str) -> int:
        blob = base64.b64encode(f"{name}:{secret}".encode()).decode()
        form, headers = {"grant_type": "client_credentials"}, {"Authorization": f"Basic {blob}"}
        return httpx.post(sandbox.token_url, data=form, headers=headers, **PLAIN).status_code

    assert ask(quote_plus(CLIENT), quote_plus(SECRET)) == 200
    assert ask(CLIENT, SECRET) == 401


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 400, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"scope": "admin"}, 400, "invalid_scope"),
        ({"scope": ["read", "write"]}, 400, "invalid_request"),
    ],
)
def test_token_refusals_are_what_rfc_6749_says(sandbox, fields, status, error):
    """5.2: each mistake has its own error word, in the flat OAuth form."""
    reply = token(sandbox, **fields)
    assert (reply.status_code, reply.json()["error"]) == (status, error)


@pytest.mark.parametrize("blob", ["", "%%%", "//8=", "bm9jb2xvbg=="])
def test_unreadable_basic_is_refused(sandbox, blob):
    """Basic that is no base64, no UTF-8 or no pair is a refusal, not a crash."""
    headers = {"Authorization": f"Basic {blob}".strip()}
    form = {"grant_type": "client_credentials"}
    assert httpx.post(sandbox.token_url, data=form, headers=headers, **PLAIN).status_code == 401


@pytest.mark.parametrize("header", [None, "ApiKey wrong", "Bearer wrong", "Basic YTpi", "ApiKey", "junk"])
def test_without_a_valid_credential_nothing_is_said(api, header):
    """401, the contract's code and WWW-Authenticate."""
    api.headers.pop("Authorization")
    reply = api.get("/sensors", headers={"Authorization": header} if header else {})
    assert error_of(reply) == (401, "AUTHENTICATION_ERROR")
    assert "www-authenticate" in reply.headers


def test_a_token_without_write_reads_only(api, sandbox):
    """403 for a write, and the scope that is missing."""
    bearer = {"Authorization": "Bearer " + token(sandbox, scope="read").json()["access_token"]}
    assert api.get("/sensors", headers=bearer).status_code == 200
    reply = api.post("/readings", json={}, headers=bearer)
    assert error_of(reply) == (403, "INSUFFICIENT_SCOPE")
    assert 'scope="write"' in reply.headers["www-authenticate"]


def test_ended_tokens_stop_at_once(api, sandbox):
    """Expire and revoke hold for tokens that were already used, and not for new ones."""
    for action in ("expire", "revoke"):
        bearer = {"Authorization": "Bearer " + token(sandbox).json()["access_token"]}
        assert api.get("/sensors", headers=bearer).status_code == 200
        assert api.post(sandbox.control_url + "/tokens", json={"action": action}).json()["tokens"] >= 1
        assert error_of(api.get("/sensors", headers=bearer)) == (401, "AUTHENTICATION_ERROR")
    assert token(sandbox).status_code == 200


def test_a_client_takes_its_token_back(api, sandbox):
    """RFC 7009: that token ends and no other; an unknown one is fine; without the secret nothing happens."""
    mine, other = (token(sandbox).json()["access_token"] for _ in range(2))
    secret = {"client_id": CLIENT, "client_secret": SECRET}
    url = sandbox.token_url.replace("/token", "/revoke")
    asked = [
        api.post(url, data=form, headers={"Authorization": ""}).status_code
        for form in ({"token": mine}, secret, secret | {"token": "unknown"}, secret | {"token": mine})
    ]
    assert asked == [401, 400, 200, 200]
    seen = [api.get("/sensors", headers={"Authorization": f"Bearer {t}"}).status_code for t in (mine, other)]
    assert seen == [401, 200]


@pytest.mark.parametrize(("place", "sent"), [("query", "params"), ("x-api-key", "headers")])
def test_a_key_elsewhere_only_when_switched_on(api, sandbox, place, sent):
    """`?api_key=` and `X-API-Key` are refused unless the sandbox is started for them."""
    name = "api_key" if place == "query" else "X-API-Key"
    api.headers.pop("Authorization")
    assert api.get("/sensors", **{sent: {name: sandbox.credentials.api_key}}).status_code == 401
    with running(Settings(api_key_in=place, now=NOW)) as other:
        reply = httpx.get(other.base_url + "/sensors", **{sent: {name: other.credentials.api_key}}, **PLAIN)
        assert reply.status_code == 200


# Lists (1.2, 1.4, 1.8)


@pytest.mark.parametrize(
    ("path", "least"), [("/sensors", 64), ("/equipment", 16), ("/alerts", 25), ("/predictions", 1)]
)
def test_short_lists_page_both_ways(api, path, least):
    """Every list walks forwards and backwards to the same records."""
    whole = api.get(path, params={"limit": 1000}).json()
    assert len(whole["data"]) == whole["total_count"] >= least
    forwards, backwards, reply = [], [], api.get(path, params={"limit": 7}).json()
    while True:
        forwards += reply["data"]
        if not reply["has_more"]:
            break
        reply = api.get(path, params={"limit": 7, "starting_after": forwards[-1]["id"]}).json()
    reply = {"data": forwards[-1:], "has_more": True}
    while reply["has_more"]:
        backwards = reply["data"] + backwards
        reply = api.get(path, params={"limit": 7, "ending_before": backwards[0]["id"]}).json()
    assert forwards == reply["data"] + backwards == whole["data"]
    assert api.get(f"{path}/{forwards[0]['id']}").json() == forwards[0]


@pytest.mark.parametrize("cursor", ["starting_after", "ending_before"])
def test_a_wrong_cursor_of_a_short_list_is_named(api, cursor):
    """Only the id of a record in the filtered list is a cursor."""
    reply = api.get("/sensors", params={"type": "flow", cursor: "vib_001"})
    assert error_of(reply) == (422, "INVALID_CURSOR")


def test_sensor_filters_and_states(api):
    """Filters narrow the list and its count; all three states occur."""
    vibration = api.get("/sensors", params={"type": "vibration", "equipment_id": "pump_001"}).json()
    assert [s["id"] for s in vibration["data"]] == ["vib_001"]
    assert vibration["total_count"] == 1
    states = api.get("/sensors", params={"limit": 1000}).json()["data"]
    assert {sensor["status"] for sensor in states} == {"online", "offline", "error"}


def test_an_id_says_nothing(api):
    """`pump_001` is a machine and a flow sensor, as the documentation has it."""
    assert api.get("/sensors/pump_001").json()["type"] == "flow"
    assert api.get("/equipment/pump_001").json()["type"] == "pump"


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1e3", "٣"])
def test_a_wrong_limit_is_named(api, limit):
    """422 with the field and the rule, on both kinds of lists."""
    for path in ("/sensors", "/readings"):
        reply = api.get(path, params={"limit": limit})
        assert error_of(reply) == (422, "INVALID_PARAMETER")
        assert reply.json()["error"]["details"]["field"] == "limit"


def test_undocumented_choices_are_switches():
    """Order, bounds, counts and limits above 1,000 follow the settings."""
    params = {"sensor_id": "vib_001", "start_time": iso((NOW - 300) * SECOND), "end_time": iso(NOW * SECOND)}

    def ask(choices: Settings, **more: object) -> dict:
        with running(choices) as address:
            headers = {"Authorization": f"ApiKey {address.credentials.api_key}"}
            url = address.base_url + "/readings"
            return httpx.get(url, params=params | more, headers=headers, **PLAIN).json()

    stamps = [
        row["timestamp"] for row in ask(Settings(now=NOW, bounds="closed", over_limit="clamp"), limit=9999)["data"]
    ]
    assert stamps == sorted(stamps)
    assert (stamps[0], stamps[-1]) == (params["start_time"], params["end_time"])
    opened = ask(Settings(now=NOW, bounds="open", order="desc", total_count="unfiltered"))
    assert [row["timestamp"] for row in opened["data"]] == stamps[-2:0:-1]
    assert opened["total_count"] > 8_000_000
    halfopen = ask(Settings(now=NOW, total_count="absent"))
    assert [row["timestamp"] for row in halfopen["data"]] == stamps[:-1]
    assert halfopen.keys() == {"data", "has_more"}


# Readings (1.3)


def test_a_week_of_one_sensor(api):
    """All pages of a week: about 10,000 rows, as many as counted, in order, with the documented fields."""
    params = {"sensor_id": "vib_001", "limit": 1000, "start_time": iso((NOW - 7 * 86_400) * SECOND)}
    rows, reply = [], api.get("/readings", params=params).json()
    while rows.extend(reply["data"]) or reply["has_more"]:
        reply = api.get("/readings", params=params | {"starting_after": rows[-1]["id"]}).json()
    assert len(rows) == reply["total_count"]
    assert 10_000 < len(rows) <= 7 * 1440 + 1
    assert all(a["timestamp"] < b["timestamp"] for a, b in pairwise(rows))
    assert rows[0].keys() == {"id", "sensor_id", "equipment_id", "unit", "value", "timestamp", "quality"}
    assert {row["quality"] for row in rows} == {"good", "questionable", "bad"}
    assert max(row["value"] for row in rows) > 7.1


def test_several_sensors_however_they_are_named(api):
    """Comma-separated, repeated and by machine are one selection; `/sensors/readings` is the same list."""
    window = {"start_time": iso((NOW - 600) * SECOND), "limit": 1000}
    names = [sensor["id"] for sensor in api.get("/sensors", params={"equipment_id": "fan_001"}).json()["data"]]
    ways = [{"sensor_id": ",".join(names)}, {"sensor_id": names}, {"equipment_id": "fan_001"}]
    answers = [api.get("/readings", params=window | way).content for way in ways]
    assert len(set(answers)) == 1
    assert api.get("/sensors/readings", params=window | ways[0]).content == answers[0]
    nothing = api.get("/readings", params=window | {"sensor_id": "vib_001", "equipment_id": "fan_001"}).json()
    assert nothing == {"data": [], "has_more": False, "total_count": 0}


@pytest.mark.parametrize(
    ("params", "status", "code", "field"),
    [
        ({"sensor_id": "nope"}, 404, "SENSOR_NOT_FOUND", "sensor_id"),
        ({"equipment_id": "nope"}, 404, "NOT_FOUND", "equipment_id"),
        ({"quality": "fine"}, 422, "INVALID_PARAMETER", "quality"),
        ({"start_time": "yesterday"}, 422, "INVALID_TIMESTAMP", "start_time"),
        ({"end_time": "2024-01-20T15:30:00"}, 422, "INVALID_TIMESTAMP", "end_time"),
        ({"end_time": "0001-01-01T00:00:00+01:00"}, 422, "INVALID_TIMESTAMP", "end_time"),
        (
            {"start_time": "2024-01-20T15:30:00Z", "end_time": "2024-01-19T15:30:00Z"},
            422,
            "INVALID_TIMESTAMP",
            "end_time",
        ),
        ({"starting_after": "nope"}, 422, "INVALID_CURSOR", "starting_after"),
        ({"starting_after": "a", "ending_before": "b"}, 422, "INVALID_CURSOR", "ending_before"),
    ],
)
def test_a_wrong_question_is_named(api, params, status, code, field):
    """Each mistake has its code and its field."""
    reply = api.get("/readings", params=params)
    assert error_of(reply) == (status, code)
    assert reply.json()["error"]["details"]["field"] == field


def test_extreme_windows_are_empty_not_errors(api):
    """Year 1 and year 9999 are times like others."""
    for start, end in [
        ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("9998-01-01T00:00:00Z", "9999-12-31T00:00:00Z"),
    ]:
        reply = api.get("/readings", params={"start_time": start, "end_time": end})
        assert reply.json() == {"data": [], "has_more": False, "total_count": 0}


def test_a_submitted_reading_is_in_the_list(api):
    """201 with an id; then listed in its place, counted, and usable as a cursor; gone after a reset."""
    sent = {"sensor_id": "vib_001", "value": 3.25, "unit": "mm/s", "timestamp": "2024-01-20T14:00:00.000001Z"}
    window = {"sensor_id": "vib_001", "start_time": "2024-01-20T13:59:00Z", "end_time": "2024-01-20T14:02:00Z"}
    before = api.get("/readings", params=window).json()
    made = api.post("/readings", json=sent)
    assert made.status_code == 201
    after = api.get("/readings", params=window).json()
    assert after["total_count"] == before["total_count"] + 1
    assert after["data"][2] == made.json() == sent | {k: made.json()[k] for k in ("id", "equipment_id", "quality")}
    later = api.get("/readings", params=window | {"starting_after": made.json()["id"]}).json()
    assert later["data"] == before["data"][2:]


def test_a_batch_says_what_became_of_each_row(api):
    """One bad row does not spoil the others, and says why it was refused."""
    good = {"sensor_id": "temp_001", "value": 1, "unit": "°C", "timestamp": "2024-01-20T12:00:00Z"}
    rows = [good, good | {"sensor_id": "nope"}, good | {"timestamp": "noon"}, good | {"value": "1"}, 5, good]
    reply = api.post("/readings/batch", json={"readings": rows})
    assert reply.status_code == 207
    outcomes = reply.json()["data"]
    assert [o["index"] for o in outcomes] == list(range(6))
    assert [o.get("error", {}).get("code") for o in outcomes] == [
        None,
        "SENSOR_NOT_FOUND",
        "INVALID_TIMESTAMP",
        "INVALID_READING",
        "INVALID_READING",
        None,
    ]
    assert (reply.json()["accepted"], reply.json()["rejected"]) == (2, 4)
    assert api.post("/readings/batch", json={"readings": [good]}).status_code == 201
    assert error_of(api.post("/readings/batch", json={"readings": [good] * 1001})) == (422, "INVALID_READING")


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        ("true", 422, "INVALID_READING"),
        ("null", 422, "INVALID_READING"),
        ('"1"', 422, "INVALID_READING"),
        ("NaN", 400, "MALFORMED_BODY"),
        ("1e999", 400, "MALFORMED_BODY"),
    ],
)
def test_only_numbers_are_values(api, value, status, code):
    """What Python's JSON lets through is refused all the same."""
    text = f'{{"sensor_id": "vib_001", "timestamp": "2024-01-20T12:00:00Z", "value": {value}}}'
    assert error_of(api.post("/readings", content=text)) == (status, code)


@pytest.mark.parametrize("value", [2**53 + 1, 2**63, 2**70, -0.0, 5e-324, 0.1 + 0.2])
def test_numbers_come_back_exactly(api, value):
    """F32: integers beyond 2^53 and awkward floats are listed as they were sent."""
    sent = {"sensor_id": "vib_001", "timestamp": "2024-01-20T12:00:30Z", "value": value}
    made = api.post("/readings", json=sent).json()
    window = {"sensor_id": "vib_001", "start_time": "2024-01-20T12:00:30Z", "end_time": "2024-01-20T12:00:31Z"}
    assert api.get("/readings", params=window).json()["data"] == [made]
    assert repr(made["value"]) == repr(value)


def test_bodies_that_are_not_json(api):
    """415 for another type, 400 for bad JSON or no object; no content type counts as JSON."""
    assert error_of(api.post("/readings", data={"a": "b"})) == (415, "UNSUPPORTED_MEDIA_TYPE")
    for body in ("{", "[]", "\xff", "[" * 100_000, '{"sensor_id": "\\ud800"}'):
        assert error_of(api.post("/readings", content=body.encode("latin-1"))) == (400, "MALFORMED_BODY")


words = st.sampled_from(
    ["vib_001", "active", "critical", "2024-01-20T15:00:00Z", ">", "good", "°C", "", "\u0000", "1e999", "expire"]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=5)
names = "sensor_id equipment_id value unit timestamp quality name conditions operator severity status comment"
fields = st.sampled_from([*names.split(), "readings", "action", "type", "data", "id"])
bodies = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=6), max_leaves=12
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=bodies,
    target=st.sampled_from(
        [
            ("POST", "/v1/readings"),
            ("POST", "/v1/readings/batch"),
            ("POST", "/v1/alert-rules"),
            ("POST", "/v1/notification-settings"),
            ("PATCH", "/v1/alerts/alert_0001"),
            ("POST", "/_sandbox/tokens"),
            ("POST", "/_sandbox/events"),
        ]
    ),
)
def test_no_body_is_a_crash(api, sandbox, body, target):
    """Whatever JSON comes, the answer is a success or an error that names the fault, never a 500."""
    url = sandbox.base_url.removesuffix("/v1") + target[1]
    reply = api.request(target[0], url, content=json.dumps(body))
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        error_of(reply)


def test_unknown_paths_and_methods(api):
    """404 and 405 in the envelope, 405 with what is allowed."""
    assert error_of(api.get("/nothing")) == (404, "NOT_FOUND")
    reply = api.delete("/sensors")
    assert error_of(reply) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in reply.headers["allow"]


def test_another_host_name_is_refused(api):
    """DNS rebinding: the server answers only to names of this machine."""
    assert api.get("/sensors", headers={"Host": "evil.example"}).status_code == 400


# Alerts (1.6)


def test_alert_filters(api):
    """Every type, severity and status occurs; comma-separated words are alternatives."""
    alerts = api.get("/alerts", params={"limit": 1000}).json()["data"]
    assert len({(a["type"], a["severity"], a["status"]) for a in alerts}) == 27
    assert any("sensor_id" not in alert for alert in alerts)
    wanted = api.get("/alerts", params={"status": "active", "severity": "critical,warning", "limit": 1000}).json()
    assert wanted["data"] == [a for a in alerts if a["status"] == "active" and a["severity"] != "info"]


def test_acknowledging_an_alert_stays(api):
    """PATCH answers with the alert and the list agrees; wrong bodies change nothing."""
    alert = api.get("/alerts", params={"sensor_id": "vib_001", "status": "active"}).json()["data"][0]
    path = f"/alerts/{alert['id']}"
    assert error_of(api.patch(path, json={"status": "ignored"})) == (422, "INVALID_PARAMETER")
    assert error_of(api.patch(path, json={"status": "resolved", "id": "x"})) == (422, "INVALID_PARAMETER")
    assert api.get(path).json() == alert
    changed = api.patch(path, json={"status": "acknowledged", "comment": "on it"}).json()
    assert changed == alert | {k: changed[k] for k in ("status", "comment", "updated_at")} == api.get(path).json()
    assert error_of(api.patch("/alerts/none", json={"status": "resolved"})) == (404, "NOT_FOUND")


def rule(**changes):
    """A rule as the documentation shows it."""
    conditions = {"type": "threshold", "parameter": "value", "operator": ">", "value": 80, "duration": 300}
    fields = {"name": "Hot", "equipment_id": "pump_001", "sensor_id": "temp_001", "conditions": conditions}
    return (
        fields | {"severity": "critical", "notifications": {"channels": ["email"], "recipients": ["a@b"]}} | changes
    )


def test_rules_and_settings_are_kept(api):
    """POST answers 201 and GET lists them; a rule that could not be judged is refused."""
    made = api.post("/alert-rules", json=rule())
    assert made.status_code == 201
    assert api.get("/alert-rules").json()["data"] == [made.json()]
    unknown, listed = {"operator": "~", "value": 1}, {"operator": [], "value": 1}
    bads = {"conditions": unknown}, {"conditions": listed}, {"conditions": None}, {"sensor_id": []}
    for bad in ({"name": 1}, {"severity": "high"}, *bads):
        assert error_of(api.post("/alert-rules", json=rule(**bad))) == (422, "INVALID_PARAMETER")
    setting = api.post("/notification-settings", json={"email": True}).json()
    assert api.get("/notification-settings").json()["data"] == [setting]


# Webhooks (1.7)


def test_a_tripped_rule_is_delivered_signed(api, receiver):
    """A reading over the limit makes one alert and one delivery, signed over the raw body."""
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    hook = api.post("/webhooks", data={"url": url, "events[]": ["alert.triggered", "prediction.created"]})
    assert hook.status_code == 201
    api.post("/alert-rules", json=rule()).raise_for_status()
    reading = {"sensor_id": "temp_001", "value": 99.5, "unit": "°C", "timestamp": "2024-01-20T15:00:00Z"}
    for value in (70, 99.5, 99.5):
        api.post("/readings", json=reading | {"value": value}).raise_for_status()
    headers, body = receiver.got.get(timeout=5)
    assert headers["x-immune-signature"] == hmac.new(hook.json()["secret"].encode(), body, "sha256").hexdigest()
    event = json.loads(body)
    assert event.keys() == {"id", "type", "created_at", "data"}
    assert event["type"] == "alert.triggered"
    assert event["data"] == api.get(f"/alerts/{event['data']['id']}").json()
    alerts = api.get("/alerts", params={"limit": 1000}).json()["data"]
    assert sum("rule_id" in alert for alert in alerts) == 1
    assert "secret" not in api.get("/webhooks").json()["data"][0]


def test_any_event_can_be_announced(api, sandbox, receiver):
    """Tests can ask for the events a sandbox has no reason to send; only subscribers get them."""
    url = f"http://127.0.0.1:{receiver.server_port}/"
    api.post("/webhooks", data={"url": url, "events[]": "prediction.created"}).raise_for_status()
    data = api.get("/predictions").json()["data"][0]
    for kind, count in (("maintenance.scheduled", 0), ("prediction.created", 1)):
        reply = api.post(sandbox.control_url + "/events", json={"type": kind, "data": data})
        assert reply.json() == {"webhooks": count}
    assert json.loads(receiver.got.get(timeout=5)[1])["data"] == data
    assert data.keys() >= {"prediction_id", "equipment_id", "confidence", "predicted_failure_time", "supporting_data"}


@pytest.mark.parametrize(
    "form",
    [
        {"url": "http://example.com/", "events[]": "alert.triggered"},
        {"url": "http://127.0.0.1.example.com/", "events[]": "alert.triggered"},
        {"url": "file:///etc/passwd", "events[]": "alert.triggered"},
        {"url": "http://127.0.0.1:99999/", "events[]": "alert.triggered"},
        {"url": "http://127.0.0.1/", "events[]": "everything"},
        {"url": "http://127.0.0.1/"},
        {"events[]": "alert.triggered"},
    ],
)
def test_webhooks_lead_to_loopback_and_known_events_only(api, form):
    """A sandbox cannot be made to send requests elsewhere."""
    assert error_of(api.post("/webhooks", data=form)) == (422, "INVALID_PARAMETER")


def test_webhooks_are_forms(api):
    """`POST /webhooks` really is form-encoded (1.9)."""
    assert error_of(api.post("/webhooks", json={})) == (415, "UNSUPPORTED_MEDIA_TYPE")


# The log and the rest


def test_the_log_knows_who_asked_what_and_no_secret(api, sandbox):
    """Method, path, query, status, caller; a key in the query is blotted out."""
    api.get("/readings", params={"sensor_id": "vib_001", "api_key": "canary-123", "limit": 1})
    api.get("/nothing")
    log = api.get(sandbox.control_url + "/log").json()["data"]
    assert [(n["method"], n["path"], n["status"], n["caller"]) for n in log] == [
        ("GET", "/v1/readings", 200, "key_main"),
        ("GET", "/v1/nothing", 404, "key_main"),
    ]
    assert log[0]["query"] == "sensor_id=vib_001&api_key=***&limit=1"
    assert "canary" not in json.dumps(log)


def test_state_survives_in_a_file(tmp_path):
    """With `db` a second sandbox finds what the first was told, and no secret is in the file."""
    kept = Settings(now=NOW, db=tmp_path / "immune.db", log=tmp_path / "log", api_key="imk_canary_8231")
    headers = {"Authorization": "ApiKey imk_canary_8231"}
    sent = {"sensor_id": "vib_001", "value": 1.5, "timestamp": "2024-01-20T12:00:30Z"}
    with running(kept) as address:
        made = httpx.post(address.base_url + "/readings", json=sent, headers=headers, **PLAIN).json()
    with running(kept) as address:
        window = {"sensor_id": "vib_001", "start_time": sent["timestamp"], "end_time": "2024-01-20T12:00:31Z"}
        reply = httpx.get(address.base_url + "/readings", params=window, headers=headers, **PLAIN)
        assert reply.json()["data"] == [made]
    assert [json.loads(line)["status"] for line in (tmp_path / "log").read_text().splitlines()] == [201, 200]
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.iterdir())


def test_control_is_off_unless_asked_for():
    """Without `control` there is nothing to break."""
    with running(Settings(now=NOW, faults=Faults())) as address:
        assert httpx.get(address.control_url + "/log", **PLAIN).status_code == 404
