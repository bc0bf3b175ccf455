"""Every fault switch does what it says, and nothing when it is off."""

from __future__ import annotations

import dataclasses
import gzip
import json
import zlib
from pathlib import Path

import httpx
import pytest

from immune_nb.sandbox.faults import Faults, read_faults
from immune_nb.sandbox.instants import SECOND, parse
from immune_nb.sandbox.server import running
from immune_nb.sandbox.settings import Settings

PLAIN = {"trust_env": False, "verify": False}  # http on loopback: no proxy, and no TLS context to build
NOW = parse("2024-01-20T15:30:00Z") // SECOND
QUESTION = {"sensor_id": "vib_001", "limit": 10}


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


@pytest.fixture(scope="module")
def clock():
    """The sandbox's clock."""
    return Clock()


@pytest.fixture(scope="module")
def sandbox(clock):
    """One server for the module, its time in the test's hands."""
    with running(Settings(now=NOW, control=True, clock=clock)) as address:
        yield address


@pytest.fixture
def api(sandbox):
    """A client with the API key, before a sandbox that breaks nothing."""
    key = sandbox.credentials.api_key
    with httpx.Client(base_url=sandbox.base_url, headers={"Authorization": f"ApiKey {key}"}, **PLAIN) as client:
        client.post(sandbox.control_url + "/reset").raise_for_status()
        yield client


@pytest.fixture
def breaks(api, sandbox):
    """Sets faults."""

    def switch(**faults: object) -> None:
        api.post(sandbox.control_url + "/faults", json=faults).raise_for_status()

    return switch


def statuses(api, count):
    """The statuses of some requests."""
    return [api.get("/sensors").status_code for _ in range(count)]


def token(sandbox):
    """A fresh token answer."""
    made = sandbox.credentials
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    return httpx.post(sandbox.token_url, data=form, **PLAIN).json()


def test_nothing_is_broken_by_default(api):
    """The defaults break nothing: positive control of every test below."""
    assert statuses(api, 5) == [200] * 5
    reply = api.get("/readings", params=QUESTION)
    assert len(reply.json()["data"]) == 10
    assert "content-encoding" not in reply.headers


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"next": 2}, [503, 503, 200, 200, 200, 200]),
        ({"every": 3}, [200, 200, 503, 200, 200, 503]),
        ({"after": 2, "next": 1}, [200, 200, 503, 200, 200, 200]),
        ({"after": 1, "every": 2, "next": 2}, [200, 200, 503, 200, 503, 200]),
        ({"path": "/v1/readings"}, [200] * 6),
        ({}, [503] * 6),
    ],
)
def test_who_is_hit(api, breaks, chosen, expected):
    """`path`, `after`, `every` and `next` choose the requests."""
    breaks(status=503, **chosen)
    assert statuses(api, 6) == expected


@pytest.mark.parametrize("wait", ["2", "Wed, 21 Oct 2015 07:28:00 GMT", "-1", "soon", ""])
def test_status_and_raw_retry_after(api, breaks, wait):
    """F01 to F03: any status, any Retry-After, in the contract's envelope."""
    breaks(status=429, retry_after=wait)
    reply = api.get("/sensors")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, wait)
    assert reply.json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"


def test_any_body_and_redirects(api, breaks):
    """F14, F15, F30: an HTML page with 200, an empty 204, a redirect."""
    breaks(body="<html>login</html>", body_type="text/html")
    reply = api.get("/sensors")
    assert (reply.status_code, reply.text, reply.headers["content-type"]) == (200, "<html>login</html>", "text/html")
    breaks(status=204)
    assert api.get("/sensors").content == b""
    breaks(status=307, location="http://127.0.0.1:1/elsewhere")
    assert api.get("/sensors").headers["location"] == "http://127.0.0.1:1/elsewhere"


@pytest.mark.parametrize("cut", ["length", "chunked"])
def test_a_cut_transfer_is_noticed_by_http(api, breaks, cut):
    """F08, F09: part of the body, then the connection is gone."""
    breaks(cut=cut, next=1)
    with pytest.raises(httpx.RemoteProtocolError):
        api.get("/readings", params=QUESTION)
    assert api.get("/readings", params=QUESTION).status_code == 200


def test_a_cut_gzip_stream_is_whole_for_http(api, breaks):
    """F10: the transfer is complete, the stream inside is not."""
    breaks(cut="gzip", cut_at=0.5)
    with api.stream("GET", "/readings", params=QUESTION) as reply:
        raw = b"".join(reply.iter_raw())
    assert reply.headers["content-encoding"] == "gzip"
    assert int(reply.headers["content-length"]) == len(raw)
    with pytest.raises(EOFError):
        gzip.decompress(raw)
    assert zlib.decompressobj(31).decompress(raw).startswith(b'{"data":[')


def test_a_cut_json_text_is_whole_for_http(api, breaks):
    """F13: 200, the right length, half the JSON."""
    breaks(cut="json")
    reply = api.get("/readings", params=QUESTION)
    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        reply.json()


def pages(api, count):
    """Follow the cursor for some pages; ids of each."""
    found, params = [], dict(QUESTION)
    for _ in range(count):
        reply = api.get("/readings", params=params).json()
        found.append([row["id"] for row in reply["data"]])
        params["starting_after"] = found[-1][-1]
    return found


def test_a_page_comes_twice(api, breaks):
    """F16: the same page under the same cursor; afterwards the list goes on."""
    first, second = pages(api, 2)
    breaks(page="repeat", after=0, next=2)
    assert pages(api, 3) == [first, first, second]


def test_a_page_comes_twice_with_new_ids(api, breaks):
    """F17: the same readings under new ids, which work as cursors; afterwards the list goes on."""
    first, second = pages(api, 2)
    breaks(page="repeat-new-ids", next=2)
    again = pages(api, 3)
    assert again[0] == first
    assert again[1] != first
    assert [record_id.partition("~")[0] for record_id in again[1]] == first
    assert again[2] == second


def test_an_empty_page_claims_more(api, breaks):
    """F18: no rows, has_more."""
    breaks(page="empty", next=1)
    reply = api.get("/readings", params=QUESTION).json()
    assert (reply["data"], reply["has_more"]) == ([], True)
    assert reply["total_count"] > 10


def test_counts_are_wrong_or_change(api, breaks):
    """F19: total_count off by some, or another each time; rows are untouched."""
    true = api.get("/readings", params=QUESTION).json()
    breaks(count_off=-1)
    wrong = api.get("/readings", params=QUESTION).json()
    assert wrong == true | {"total_count": true["total_count"] - 1}
    breaks(count_varies=True)
    counts = [api.get("/readings", params=QUESTION).json()["total_count"] for _ in range(3)]
    assert [count - true["total_count"] for count in counts] == [1, 2, 3]


@pytest.mark.parametrize("action", ["expire", "revoke"])
def test_tokens_end_between_two_pages(api, sandbox, breaks, action):
    """F21, F25: good for three requests, then never again."""
    bearer = {"Authorization": "Bearer " + token(sandbox)["access_token"]}
    breaks(tokens=action, after=3, next=1)
    assert [api.get("/sensors", headers=bearer).status_code for _ in range(5)] == [200, 200, 200, 401, 401]


def test_latency_and_dripping_take_time(api, sandbox, breaks):
    """F12: latency before every answer, the token's too; a body in twenty pieces."""
    breaks(latency_ms=30)
    assert api.get("/sensors").elapsed.total_seconds() >= 0.03
    began = token(sandbox)
    assert began["token_type"] == "Bearer"
    breaks(drip_ms=5)
    reply = api.get("/readings", params=QUESTION)
    assert reply.elapsed.total_seconds() >= 0.095
    assert len(reply.json()["data"]) == 10


def test_the_rate_limit_counts_down_and_recovers(api, clock, breaks):
    """1.5: three headers on every answer, 429 with Retry-After, and a new window."""
    breaks(rate_limit=3, rate_window_s=60)
    clock.now += 60 - clock.now % 60 + 1
    replies = [api.get("/nothing") for _ in range(5)]
    assert [reply.status_code for reply in replies] == [404, 404, 404, 429, 429]
    assert [reply.headers["x-ratelimit-remaining"] for reply in replies] == ["2", "1", "0", "0", "0"]
    assert {reply.headers["x-ratelimit-limit"] for reply in replies} == {"3"}
    assert {int(reply.headers["x-ratelimit-reset"]) for reply in replies} == {int(clock.now) + 59}
    assert replies[-1].headers["retry-after"] == "59"
    assert replies[-1].json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    clock.now += 59
    assert api.get("/sensors").status_code == 200


def test_the_rate_limit_is_per_caller(api, sandbox, breaks):
    """One caller's limit is not another's."""
    bearer = {"Authorization": "Bearer " + token(sandbox)["access_token"]}
    breaks(rate_limit=1, rate_window_s=60)
    assert statuses(api, 2) == [200, 429]
    assert api.get("/sensors", headers=bearer).status_code == 200


def test_an_unannounced_limit_says_nothing(api, breaks):
    """A bare 429: no headers before, none with it."""
    breaks(rate_limit=1, rate_announced=False)
    for reply, status in zip([api.get("/sensors"), api.get("/sensors")], [200, 429], strict=True):
        assert reply.status_code == status
        assert not {"retry-after", "x-ratelimit-limit", "x-ratelimit-reset"} & set(reply.headers)


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "delta"])
def test_the_reset_comes_in_three_forms(api, clock, breaks, form):
    """F04: seconds, milliseconds, or what is left."""
    breaks(rate_reset=form, rate_window_s=60)
    clock.now += 60 - clock.now % 60 + 43
    reset = int(api.get("/sensors").headers["x-ratelimit-reset"])
    assert reset == {"seconds": clock.now + 17, "milliseconds": (clock.now + 17) * 1000, "delta": 17}[form]


@pytest.mark.parametrize(
    ("form", "announced"),
    [("number", 30), ("string", "30"), ("float", 30.5), ("zero", 0), ("negative", -1), ("missing", None)],
)
def test_tokens_live_as_long_as_told_whatever_they_say(api, sandbox, clock, *, breaks, form, announced):
    """F26: `expires_in` in every odd form; the real lifetime is thirty seconds each time."""
    breaks(token_lifetime_s=30, expires_in=form)
    answer = token(sandbox)
    assert answer.get("expires_in") == announced
    bearer = {"Authorization": "Bearer " + answer["access_token"]}
    clock.now += 29
    assert api.get("/sensors", headers=bearer).status_code == 200
    clock.now += 1
    assert api.get("/sensors", headers=bearer).status_code == 401


def test_the_token_endpoint_can_fail_too(sandbox, breaks):
    """`path` leads faults to the token endpoint."""
    breaks(path="/oauth/", status=503, next=1)
    made = sandbox.credentials
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    codes = [httpx.post(sandbox.token_url, data=form, **PLAIN).status_code for _ in range(2)]
    assert codes == [503, 200]


def test_faults_can_be_read_back_and_reset(api, sandbox, breaks):
    """What holds is visible; a reset ends it."""
    breaks(status=500, every=2)
    assert api.get(sandbox.control_url + "/faults").json() == dataclasses.asdict(Faults(status=500, every=2))
    api.post(sandbox.control_url + "/reset")
    assert api.get(sandbox.control_url + "/faults").json() == dataclasses.asdict(Faults())
    assert statuses(api, 2) == [200, 200]


@pytest.mark.parametrize(
    "changes", [{"statsu": 500}, {"status": "500"}, {"status": True}, {"cut": "half"}, {"latency_ms": None}]
)
def test_a_wrong_switch_is_an_error(api, sandbox, changes):
    """A misspelt fault must not make a test pass."""
    reply = api.post(sandbox.control_url + "/faults", json=changes)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "INVALID_PARAMETER")
    with pytest.raises(ValueError, match=next(iter(changes))):
        read_faults(changes, Faults())


def test_how_a_login_lives_is_a_switch(api, sandbox, breaks):
    """Rotation, the life of refresh tokens, and the pace and life of a device's codes."""
    url = sandbox.origin + sandbox.role.device
    client = {"client_id": sandbox.credentials.public_client_id}
    breaks(device_interval_s=2, device_lifetime_s=7, refresh_rotates=False, refresh_lifetime_s=60.0)
    started = httpx.post(url, data=client, **PLAIN).json()
    assert (started["interval"], started["expires_in"]) == (2, 7)
    approve = {"user_code": started["user_code"], "action": "approve"}
    api.post(sandbox.control_url + "/device", json=approve).raise_for_status()
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": started["device_code"]}
    got = httpx.post(sandbox.token_url, data=client | grant, **PLAIN).json()
    form = client | {"grant_type": "refresh_token", "refresh_token": got["refresh_token"]}
    assert "refresh_token" not in httpx.post(sandbox.token_url, data=form, **PLAIN).json()
    breaks()
    assert "refresh_token" in httpx.post(sandbox.token_url, data=form, **PLAIN).json()


def test_every_switch_has_a_test():
    """A new switch without a test in this file is noticed."""
    here = Path(__file__).read_text(encoding="utf-8")
    switches = [field.name for field in dataclasses.fields(Faults)]
    assert [name for name in switches if f"{name}=" not in here and f'"{name}"' not in here] == []
