"""What a session tells the service: once, whole, or with an error that says what became of every row."""

import hmac
import json
import re
import signal
import threading
from contextlib import contextmanager

import httpx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.scripted import Answer, reply, scripted

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.frames import schemas
from immune_nb.session import Session
from immune_nb.writes import Writes

DAY = pd.Timestamp.now("UTC").floor("D") - pd.Timedelta("2h")


def readings(n, **changes):
    """Readings of one sensor, a second apart."""
    times = pd.date_range(DAY, periods=n, freq="s", unit="us")
    return pd.DataFrame({"sensor_id": "vib_001", "value": 1.0, "unit": "mm/s", "timestamp": times, **changes})


def posts(sandbox, path="/v1/readings"):
    """The statuses of every request that was to change something."""
    return [entry["status"] for entry in sandbox.log(path) if entry["method"] != "GET"]


def kept(session, frame):
    """How many of these readings the service has."""
    back = session.readings(
        "vib_001", start=frame["timestamp"].min(), end=frame["timestamp"].max() + pd.Timedelta("1s")
    )
    return int((back["value"] == 1.0).sum())


def counts(frame):
    return {word: count for word, count in frame["status"].value_counts().items() if count}


def broken(session, frame, **options):
    """The outcomes that the error holds, and the error."""
    with pytest.raises(im.IncompleteError) as caught:
        session.submit(frame, **options)
    assert "\n" not in str(caught.value)
    return caught.value.frame, caught.value


def at(origin, **more):
    profile = im.Profile("lab", origin, **more)
    return Session(profile, find_credentials(profile, {}, api_key="k"), sleep=lambda seconds: None)


def test_a_frame_goes_in_and_comes_back(sandbox, session):
    """1,201 readings in batches of 500: three requests, every row accepted with its id, all found in the service."""
    frame = readings(1201)
    done = session.submit(frame)
    assert counts(done) == {"accepted": 1201}
    assert posts(sandbox) == [201, 201, 201]
    assert [str(dtype) for dtype in done.dtypes] == [column.dtype for column in schemas.OUTCOMES.columns]
    assert done["id"].is_unique
    assert done.attrs["immune"]["complete"]
    assert json.loads(json.dumps(done.attrs["immune"])) == done.attrs["immune"]
    assert kept(session, frame) == 1201


def test_one_reading_goes_alone(sandbox, session):
    """A mapping, or a batch of one: `POST /readings`; an empty frame sends nothing and is whole."""
    session.submit({"sensor_id": "vib_001", "value": 2.0, "unit": "mm/s", "timestamp": DAY.isoformat()})
    session.submit(readings(2), batch=1)
    assert [entry["path"] for entry in sandbox.log("/v1/readings")] == ["/v1/readings"] * 3
    empty = session.submit(readings(0))
    assert (len(empty), list(empty.columns), empty.attrs["immune"]["complete"]) == (
        0,
        ["row", "status", "id", "message"],
        True,
    )
    assert len(posts(sandbox)) == 3


def test_one_bad_row_sends_nothing(sandbox, session):
    """Validation comes before the first request, in every form of input; the batch size is checked too."""
    bad = readings(3, value=[1.0, float("nan"), 1.0])
    for wrong in (bad, bad.to_dict("records"), bad.iloc[1].to_dict()):
        with pytest.raises(im.QueryError, match="row [01]: value is missing"):
            session.submit(wrong)
    for batch in (0, -1, True, 1.5, "many"):
        with pytest.raises(im.QueryError, match="batch"):
            session.submit(readings(1), batch=batch)
    assert posts(sandbox) == []


def test_what_the_service_rejects_is_told_row_by_row(sandbox, session):
    """Three sensors that are none, of 20 rows: the rest is in, the error says which and why, and the mask selects."""
    frame = readings(20)
    frame.index = frame.index * 10
    frame.loc[[30, 70, 190], "sensor_id"] = "no_such"
    told, error = broken(session, frame, batch=8)
    assert counts(told) == {"accepted": 17, "rejected": 3}
    assert frame[told["status"] == "rejected"]["sensor_id"].unique().tolist() == ["no_such"]
    assert "17 of 20 accepted; 3 rejected (row 3: There is no sensor 'no_such' (field sensor_id))" in str(error)
    assert "no sensor" in told["message"].dropna().iloc[0]
    assert not told.attrs["immune"]["complete"]
    assert posts(sandbox) == [207, 201, 207]
    assert kept(session, frame) == 17


def test_a_row_alone_that_is_refused_stops_no_other(sandbox, session):
    """Batches of one: the second is refused with a 404, the third goes in."""
    told, _ = broken(session, readings(3, sensor_id=["vib_001", "no_such", "vib_001"]), batch=1)
    assert told["status"].tolist() == ["accepted", "rejected", "accepted"]
    assert posts(sandbox) == [201, 404, 201]


@pytest.mark.parametrize(
    ("fault", "became", "cause"),
    [
        ({"status": 500}, "unknown", im.UnreachableError),
        ({"status": 503, "retry_after": "0"}, "unknown", im.UnreachableError),
        ({"status": 429, "retry_after": "0"}, "rejected", im.RateLimitedError),
        ({"status": 422}, "rejected", im.QueryError),
        ({"status": 403}, "rejected", im.LoginRejectedError),
        ({"status": 307, "location": "/v1/readings"}, "unknown", im.BadReplyError),
        ({"cut": "length"}, "unknown", im.UnreachableError),
        ({"cut": "chunked"}, "unknown", im.UnreachableError),
        ({"cut": "json"}, "unknown", None),
        ({"status": 200, "body": "<html>Sign in</html>", "body_type": "text/html"}, "unknown", None),
    ],
)
def test_whatever_fails_midway_nothing_is_sent_twice(sandbox, session, fault, became, cause):
    """The second of three batches fails: the first is accepted, the third never leaves, and each went out once."""
    frame = readings(30)
    sandbox.breaks(path="/v1/readings/batch", after=1, next=1, **fault)
    told, error = broken(session, frame, batch=10)
    assert told["status"].tolist() == ["accepted"] * 10 + [became] * 10 + ["unsent"] * 10
    assert len(posts(sandbox)) == 2
    assert cause is None or type(error.__cause__) is cause
    sandbox.breaks()
    assert kept(session, frame) == (20 if "cut" in fault else 10)


def test_sending_again_by_hand_would_be_seen(sandbox, session):
    """Positive control: who repeats a batch after a broken answer has every row twice, and more requests."""
    frame = readings(10)
    sandbox.breaks(path="/v1/readings/batch", next=1, cut="length")
    broken(session, frame)
    session.submit(frame)
    assert len(posts(sandbox)) == 2
    assert kept(session, frame) == 20


@pytest.mark.parametrize(
    ("fault", "kind"),
    [({"status": 429, "retry_after": "7"}, im.RateLimitedError), ({"status": 403}, im.LoginRejectedError)]
    + [({"status": 422}, im.QueryError), ({"status": 413}, im.QueryError)],
)
def test_where_nothing_was_taken_the_error_is_the_reason_itself(sandbox, session, fault, kind):
    """The very first request is refused: no outcomes to tell, one request; what follows a 429 waits as it says."""
    sandbox.breaks(path="/v1/readings", **fault)
    with pytest.raises(kind):
        session.submit(readings(1))
    assert len(posts(sandbox)) == 1


def test_a_batch_that_is_too_large_is_halved(sandbox, session):
    """413 says that nothing was applied: the same rows go again in two, and each is kept once."""
    frame = readings(20)
    sandbox.breaks(path="/v1/readings/batch", next=1, status=413)
    assert counts(session.submit(frame)) == {"accepted": 20}
    assert posts(sandbox) == [413, 201, 201]
    assert kept(session, frame) == 20


def test_a_token_that_ends_midway_is_renewed_and_the_batch_kept_once(sandbox):
    """401 says that nothing was applied (RFC 9110 15.5.2): one renewal, the same batch again, no duplicates."""
    who = find_credentials(sandbox.profile, {}, client_id=sandbox.client_id, client_secret=sandbox.client_secret)
    session, frame = Session(sandbox.profile, who), readings(30)
    sandbox.breaks(path="/v1/readings/batch", after=1, next=1, tokens="revoke")
    assert counts(session.submit(frame, batch=10)) == {"accepted": 30}
    assert posts(sandbox) == [201, 401, 201, 201]
    assert kept(session, frame) == 30
    session.close()


def test_a_renewal_that_fails_leaves_nothing_in_doubt(sandbox):
    """The token endpoint is down when the token ends: that batch was not applied, and is not called unknown."""
    who = find_credentials(sandbox.profile, {}, client_id=sandbox.client_id, client_secret=sandbox.client_secret)
    session = Session(sandbox.profile, who)
    session.submit(readings(1))
    sandbox.control("POST", "tokens", action="revoke")
    sandbox.breaks(path="/oauth/token", status=503)
    with pytest.raises(im.UnreachableError):
        session.submit(readings(30), batch=10)
    assert posts(sandbox) == [201, 401]
    session.close()


class Hasty(httpx.HTTPTransport):
    """A real transport that waits no longer than a moment for bytes."""

    def handle_request(self, request):
        request.extensions = {**request.extensions, "timeout": {"connect": 5, "read": 0.3, "write": 5, "pool": 5}}
        return super().handle_request(request)


def test_a_timeout_leaves_the_rows_unknown():
    """The service has a batch and is slow to say so: unknown, sent once, and the rest never sent."""
    enough = threading.Event()
    with scripted() as server:
        server.says("/readings/batch", reply({}, 201), Answer(201, after=enough))
        profile = im.Profile("lab", server.origin)
        session = Session(profile, find_credentials(profile, {}, api_key="k"), transport=Hasty())
        told, error = broken(session, readings(15), batch=5)
        enough.set()
        assert counts(told) == {"accepted": 5, "unknown": 5, "unsent": 5}
        assert "no answer in time" in str(error)
        assert len(server.asked("/readings/batch")) == 2
    session.close()


class Moody:
    """A service that treats each request as the next of its moods says, and notes which rows it took."""

    def __init__(self, moods):
        self.moods, self.taken, self.met = list(moods), [], []

    def __call__(self, request):
        body = json.loads(request.content)
        rows = [row["sensor_id"] for row in body.get("readings", [body])]
        mood = self.moods.pop(0) if self.moods else "ok"
        if mood != "too large":
            self.met += rows
        if mood in ("ok", "breaks after", "slow", "cut"):
            self.taken += rows
        if mood == "some":
            self.taken += rows[::2]
        return self.answer(mood, rows)

    def answer(self, mood, rows):
        ok, no = {"status": "accepted", "id": "r"}, {"status": "rejected", "error": {"message": "no"}}
        match mood:
            case "breaks before" | "breaks after":
                raise httpx.ReadError("broken")
            case "slow":
                raise httpx.ReadTimeout("slow")
            case "unreachable":
                raise httpx.ConnectError("nobody")
            case "cut":
                return httpx.Response(201, content=b'{"data": [', headers={"content-type": "application/json"})
            case "some":
                return httpx.Response(207, json={"data": [no if n % 2 else ok for n in range(len(rows))]})
            case int():
                return httpx.Response(mood, json={"error": {"message": "no"}})
        return httpx.Response(413 if mood == "too large" else 201)


MOODS = ["ok", "ok", "some", "breaks before", "breaks after", "slow", "unreachable", "cut", "too large"]
MOODS += [400, 403, 404, 422, 429, 500, 503]


@given(st.lists(st.sampled_from(MOODS), max_size=6), st.integers(1, 12), st.integers(1, 5))
def test_whatever_happens_no_row_is_sent_twice_and_no_word_is_false(moods, count, batch):
    """Against any sequence of failures: what is called accepted is there, what is called refused or unsent is not."""
    service, names = Moody(moods), [f"s{n}" for n in range(count)]
    profile = im.Profile("lab", "https://api.example")
    who = find_credentials(profile, {}, api_key="k")
    session = Session(profile, who, transport=httpx.MockTransport(service), sleep=lambda seconds: None)
    frame = pd.DataFrame({"sensor_id": names, "value": 1.0, "unit": "u", "timestamp": DAY})
    try:
        states = session.submit(frame, batch=batch)["status"].tolist()
    except im.IncompleteError as error:
        states = error.frame["status"].tolist()
    except im.ImmuneError:
        states = ["rejected"] * count
    session.close()
    assert len(service.met) == len(set(service.met))
    assert len(service.taken) == len(set(service.taken))
    said = dict(zip(names, states, strict=True))
    assert all(name in service.taken for name, word in said.items() if word == "accepted")
    assert not any(name in service.taken for name, word in said.items() if word in ("rejected", "unsent"))


def test_a_pause_longer_than_a_query_may_take_leaves_the_rest_unsent():
    """The service allows no call for ten minutes after the first batch: the second never leaves, and says why."""
    with scripted() as server:
        limits = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "600"}
        server.says("/readings/batch", reply({}, 201, **limits))
        told, error = broken(at(server.origin), readings(6), batch=3)
        assert told["status"].tolist() == ["accepted"] * 3 + ["unsent"] * 3
        assert "allows no more calls" in str(error)
        assert "unknown" not in str(error)
        assert len(server.requests) == 1


def test_a_service_that_is_not_there_took_nothing():
    """Nobody listens: UnreachableError itself, as no row can have arrived."""
    with pytest.raises(im.UnreachableError, match="cannot connect"):
        at("http://127.0.0.1:9").submit(readings(3))


def test_a_limit_that_is_announced_is_waited_for(sandbox):
    """F04: with two calls a window, five batches are sent without meeting a 429."""
    clock = [0.0]
    session = Session(
        sandbox.profile,
        find_credentials(sandbox.profile, {}, api_key=sandbox.api_key),
        sleep=lambda seconds: clock.append(seconds) or threading.Event().wait(seconds),
    )
    sandbox.breaks(rate_limit=3, rate_window_s=0.5, rate_reset="delta")
    assert counts(session.submit(readings(10), batch=2)) == {"accepted": 10}
    assert 429 not in posts(sandbox)
    assert sum(clock) > 0
    session.close()


def test_an_interrupt_tells_what_was_sent():
    """Ctrl-C while a batch is under way: what came before is accepted, that batch unknown, the rest unsent."""
    with scripted() as server:
        ok = reply({"accepted": 5, "rejected": 0}, 201)

        def interrupts(asked):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            return Answer(after=threading.Event(), cut=0)

        server.says("/readings/batch", ok, interrupts)
        told, error = broken(at(server.origin), readings(15), batch=5)
        assert counts(told) == {"accepted": 5, "unknown": 5, "unsent": 5}
        assert isinstance(error.__cause__, KeyboardInterrupt)
        assert len(server.asked("/readings/batch")) == 2


@pytest.mark.parametrize(
    "write",
    [
        lambda s: s.submit(readings(2)),
        lambda s: s.acknowledge("alert_1"),
        lambda s: s.create_alert_rule(
            "r", equipment_id="e", parameter="value", operator=">", value=1, severity="info"
        ),
        lambda s: s.register_webhook("https://h.example/x"),
        lambda s: s.request("DELETE", "/x"),
    ],
)
def test_a_read_only_profile_changes_nothing(write):
    """Each way to write is refused in one line, and the service hears nothing; the same profile without it does."""
    with scripted() as server:
        with pytest.raises(im.QueryError, match="'lab' is read-only"):
            write(at(server.origin, read_only=True))
        assert server.requests == []
        with pytest.raises(im.ImmuneError):  # positive control: here everything is a 404
            write(at(server.origin))
        assert server.requests


def test_what_is_sent_is_what_the_documentation_shows():
    """Contract 1.3, 1.6, 1.7: methods, paths and bodies, a profile's own paths, ids escaped, a form as a form."""
    with scripted() as server:
        session = at(f"{server.origin}/v1", paths={"readings": "/sensors/readings", "alert_rules": "/rules"})
        for path in ("/v1/sensors/readings/batch", "/v1/rules", "/v1/webhooks", "/v1/alerts/a%2Fb%20%3F%C3%A9"):
            server.says(path, reply({}))
        session.submit(readings(2))
        session.acknowledge("a/b ?é", comment="seen")
        session.create_alert_rule(
            "hot",
            equipment_id="pump_001",
            sensor_id="temp_001",
            parameter="value",
            operator=">",
            value=80,
            duration="5m",
            severity="critical",
            channels=["email"],
            recipients=["ops@example.com"],
        )
        session.register_webhook("https://h.example/hook?x=1&y=2", ["alert.triggered", "prediction.created"])
        batch, patch, rule, hook = server.requests
    assert json.loads(batch.body)["readings"][0] == {
        "sensor_id": "vib_001",
        "value": 1.0,
        "unit": "mm/s",
        "timestamp": DAY.isoformat().replace("+00:00", "Z"),
    }
    assert (patch.method, json.loads(patch.body)) == ("PATCH", {"status": "acknowledged", "comment": "seen"})
    assert json.loads(rule.body) == {
        "name": "hot",
        "equipment_id": "pump_001",
        "sensor_id": "temp_001",
        "conditions": {"type": "threshold", "parameter": "value", "operator": ">", "value": 80, "duration": "5m"},
        "severity": "critical",
        "notifications": {"channels": ["email"], "recipients": ["ops@example.com"]},
    }
    assert hook.headers["content-type"] == "application/x-www-form-urlencoded"
    assert hook.fields == {
        "url": ["https://h.example/hook?x=1&y=2"],
        "events[]": ["alert.triggered", "prediction.created"],
    }
    assert not any("idempotency-key" in asked.headers for asked in (batch, patch, rule, hook))


def test_alerts_are_acknowledged_each_once(sandbox, session):
    """One id, a frame of them, and one that is not there: told one by one, and changed at the service."""
    open_now = session.alerts(status="active")
    first = open_now["id"].iloc[0]
    done = session.acknowledge(first, comment="On it.")
    assert (done["id"].tolist(), counts(done)) == ([first], {"accepted": 1})
    assert session.get(f"/alerts/{first}")["comment"].tolist() == ["On it."]
    assert counts(session.acknowledge(open_now.iloc[1:4])) == {"accepted": 3}
    with pytest.raises(im.QueryError, match="no alert"):
        session.acknowledge("nowhere")
    with pytest.raises(im.IncompleteError, match="1 of 2 accepted; 1 rejected") as caught:
        session.acknowledge(["nowhere", first])
    assert caught.value.frame["status"].tolist() == ["rejected", "accepted"]
    assert posts(sandbox, "/v1/alerts") == [200, 200, 200, 200, 404, 404, 200]
    assert not set(session.alerts(status="active")["id"]) & {first, *open_now["id"].iloc[1:4]}


def test_an_acknowledgement_that_did_not_take_is_none():
    """The service says 200 and shows the alert as active; another breaks off at the second of three."""
    with scripted() as server:
        server.says("/alerts/a1", reply({"id": "a1", "status": "active"}))
        with pytest.raises(im.IncompleteError, match="status is active"):
            at(server.origin).acknowledge("a1")
        server.says("/alerts/a1", reply({"id": "a1", "status": "acknowledged"}))
        server.says("/alerts/a2", Answer(0))
        with pytest.raises(im.IncompleteError) as caught:
            at(server.origin).acknowledge(["a1", "a2", "a3"])
        assert caught.value.frame["status"].tolist() == ["accepted", "unknown", "unsent"]
        assert len(server.asked("/alerts/a2")) == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda s: s.acknowledge([]),
        lambda s: s.acknowledge(""),
        lambda s: s.acknowledge(".."),
        lambda s: s.acknowledge(7),
        lambda s: s.acknowledge("a", comment=7),
        lambda s: s.acknowledge(pd.DataFrame({"name": ["a"]})),
        lambda s: s.register_webhook("ftp://h.example"),
        lambda s: s.register_webhook("https://h.example", []),
        lambda s: s.create_alert_rule(
            "r", equipment_id="e", parameter="v", operator=">", value="80", severity="info"
        ),
        lambda s: s.create_alert_rule(
            "r", equipment_id="e", parameter="v", operator=">", value=float("nan"), severity="info"
        ),
    ],
)
def test_a_wrong_write_is_one_line_and_sends_nothing(write):
    """QueryError, which names what is wrong."""
    with scripted() as server:
        with pytest.raises(im.QueryError) as caught:
            write(at(server.origin))
        assert "\n" not in str(caught.value)
        assert server.requests == []


def test_a_rule_comes_back_as_a_frame(session):
    """One row, nested fields by their path, and the service lists it."""
    made = session.create_alert_rule(
        "hot", equipment_id="pump_001", parameter="value", operator=">", value=80.5, severity="critical"
    )
    assert made[["name", "conditions.value", "severity"]].to_numpy().tolist() == [["hot", 80.5, "critical"]]
    assert made["id"].iloc[0] in session.get("/alert-rules")["id"].tolist()


@contextmanager
def receiving():
    """A real listener, and the event that a delivery sets."""
    arrived = threading.Event()
    with scripted() as server:
        server.says("/hook", Answer(204, arrived=arrived))
        yield server, arrived


def test_a_delivered_webhook_verifies_and_a_tampered_one_does_not(session):
    """A rule, a reading that trips it, the sandbox's own delivery to a listener on this machine, its signature."""
    with receiving() as (server, arrived):
        hook = session.register_webhook(f"{server.origin}/hook", "alert.triggered")
        session.create_alert_rule(
            "shake", equipment_id="pump_001", parameter="value", operator=">", value=90, severity="critical"
        )
        session.submit(readings(1, value=99.5))
        assert arrived.wait(20)
        (delivery,) = server.asked("/hook")
    signature = delivery.headers["x-immune-signature"]
    assert json.loads(delivery.body)["data"]["severity"] == "critical"
    assert im.verify_webhook(delivery.body, signature, hook.secret)
    assert im.verify_webhook(delivery.body, signature.upper(), hook.secret.reveal())
    tampered = delivery.body.replace(b"critical", b"info    ")
    assert not im.verify_webhook(tampered, signature, hook.secret)
    assert not im.verify_webhook(delivery.body, signature[:-1] + ("0" if signature[-1] != "0" else "1"), hook.secret)
    assert not im.verify_webhook(delivery.body, signature, "another secret")


def test_a_registered_webhook_shows_no_secret(session):
    """Id, address and events are there; the secret is sealed, in the result and in what the service said beside."""
    with scripted() as server:
        hook = session.register_webhook(f"{server.origin}/hook", ["alert.triggered"])
    assert hook.secret.reveal().startswith("whsec_")
    assert hook.secret.reveal() not in f"{hook!r} {hook} {hook.details!r}"
    assert hook.id.startswith("webhook_")
    with scripted() as server:
        server.says("/webhooks", reply({"data": {"webhook_id": 7, "signing_key": "abc123456"}}))
        hook = at(server.origin).register_webhook("https://h.example/x")
        assert (hook.id, hook.secret.reveal(), len(hook.events)) == ("7", "abc123456", 4)
        server.says("/webhooks", Answer(204))
        assert at(server.origin).register_webhook("https://h.example/x").secret is None


BODY = b'{"id": "evt_1"}'
DIGEST = hmac.new(b"s3cret", BODY, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("signature", "good"),
    [
        (DIGEST, True),
        (DIGEST.upper(), True),
        ("", False),
        (None, False),
        (f"sha256={DIGEST}", False),
        (DIGEST[:-2], False),
        (DIGEST + "00", False),
        ("ÿ" * 64, False),
        ("\udcff", False),
        (DIGEST[::-1], False),
    ],
)
def test_only_the_documented_signature_is_good(signature, good):
    """Contract 1.7: hexadecimal HMAC-SHA256 and nothing else; odd text is False, never an error."""
    assert im.verify_webhook(BODY, signature, "s3cret") is good


def test_a_programmers_mistake_is_no_forged_signature():
    """Text for the body, bytes for the header, an empty secret: errors, as False would hide them."""
    with pytest.raises(TypeError, match="raw body"):
        im.verify_webhook(BODY.decode(), DIGEST, "s3cret")
    with pytest.raises(TypeError, match="header"):
        im.verify_webhook(BODY, DIGEST.encode(), "s3cret")
    with pytest.raises(im.ConfigError, match="empty"):
        im.verify_webhook(BODY, hmac.new(b"", BODY, "sha256").hexdigest(), "")


def test_the_documented_columns_are_the_outcomes():
    """The column table in the docstring of `submit` is the schema."""
    table = re.findall(r"^ {12}(\w+) {2,}(\S+)", Writes.submit.__doc__, re.MULTILINE)
    assert table == [(column.name, column.dtype) for column in schemas.OUTCOMES.columns]
