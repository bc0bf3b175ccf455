"""A01 to A19: attacks on the login, each against a real server, each shown to catch a client as tutorials write it.

A probe returns what went wrong; nothing, when the attack got nowhere. `Ours` must hold, `Naive` must be caught: so
every probe has its positive control, and nothing of the package is patched.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from servers.naive import RESOURCES, Naive, Ours, RefusedError
from servers.scripted import Answer, Scripted, html, redirect, reply, scripted, token

pytestmark = pytest.mark.slow
Client = Ours | Naive
EVIL = "https://evil.example"
MARKUP = "<script>alert(1)</script>\x1b[31m\r\nSet-Cookie: a=b\u202e"


@pytest.fixture
def there() -> Iterator[Scripted]:
    """A decent server."""
    with scripted() as server:
        server.publishes()
        server.says("/token", token("at_1", refresh_token="rt_1", scope="read write"))
        server.says("/device_authorization", device(server))
        server.says("/revoke", Answer(200))
        server.says("/api/items", reply({"data": [{"id": "1"}], "has_more": False}))
        yield server


def device(there: Scripted, **changes: Any) -> Answer:
    """A decent device answer."""
    usual = {"device_code": "secret-device-code", "user_code": "ABCD-EFGH", "interval": 5, "expires_in": 600}
    return reply({**usual, "verification_uri": f"{there.origin}/device", **changes})


def asked(client: Client) -> dict[str, list[str]]:
    """What the client asks the person to bring to the server."""
    return parse_qs(urlsplit(client.url).query)


def land(client: Client, query: str | dict[str, str] = "", *, method: str = "GET", path: str = "", **headers: str):
    """The browser comes back, with whatever the attacker made it bring; None when nobody listens any more."""
    parts = urlsplit(asked(client)["redirect_uri"][0])
    sent = query if isinstance(query, str) else urlencode(query)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=1)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request(method, f"{path or parts.path}?{sent}", headers={"Host": parts.netloc, **headers})
        answer = connection.getresponse()
        return answer, answer.read().decode()
    return None, ""


def good(client: Client, **changes: str) -> dict[str, str]:
    """A good answer, but for what the attacker changes."""
    return {"code": "good", "state": asked(client)["state"][0], **changes}


def codes(there: Scripted) -> list[str]:
    """The codes that were sent to the token endpoint."""
    return [request.fields.get("code", ["none"])[0] for request in there.asked("/token")]


def after(client: Client, there: Scripted, *landings: Any) -> str:
    """Start, land, finish; which codes were redeemed."""
    client.start()
    for landing in landings:
        land(client, landing(client) if callable(landing) else landing)
    with suppress(httpx.HTTPError, ValueError):
        client.finish()
    return " ".join(codes(there))


def a01_wrong_state(client: Client, there: Scripted) -> str:
    """A forged answer comes first, then the real one."""
    redeemed = after(client, there, {"code": "evil", "state": "wrong"}, good)
    return "" if redeemed == "good" else f"redeemed {redeemed!r}"


def a02_no_state(client: Client, there: Scripted) -> str:
    """The same without any state."""
    redeemed = after(client, there, {"code": "evil"}, {"code": "evil", "state": ""}, good)
    return "" if redeemed == "good" else f"redeemed {redeemed!r}"


def a03_another_issuer(client: Client, there: Scripted) -> str:
    """`iss` is another's, or missing though promised, or on an error; the metadata are another's."""
    there.publishes(authorization_response_iss_parameter_supported=True)
    sent = after(client, there, lambda c: good(c, iss=EVIL))
    client.close()
    for more in ({}, {"error": "server_error", "iss": EVIL}):
        again = client.another()
        sent += after(again, there, lambda c, more=more: good(c, **more))
    there.publishes(issuer=EVIL)
    with suppress(RefusedError):
        again = client.another()
        again.start()
        return "went on with metadata of another issuer"
    return f"sent {sent!r}" if sent else ""


def a04_a_code_of_another_session(client: Client, there: Scripted) -> str:
    """An answer that was made for one login is brought to another."""
    other = client.another()
    other.start()
    redeemed = after(client, there, {"code": "evil", "state": asked(other)["state"][0]})
    return f"redeemed {redeemed!r}" if redeemed else ""


def a05_two_codes(client: Client, there: Scripted) -> str:
    """Which of two codes, or of two states, is meant is not for a client to guess."""
    redeemed = after(client, there, lambda c: f"code=evil&code=good&state={asked(c)['state'][0]}")
    again = client.another()
    redeemed += after(again, there, lambda c: f"code=evil&state=x&state={asked(c)['state'][0]}")
    return f"redeemed {redeemed!r}" if redeemed else ""


def a06_verifier(client: Client, there: Scripted) -> str:
    """PKCE: long, fresh each time, and the hash of what was announced."""
    challenges = []
    again = client.another()
    for one in (client, again):
        after(one, there, good)
        challenges.append(asked(one).get("code_challenge", [""])[0])
    verifiers = [request.fields.get("code_verifier", [""])[0] for request in there.asked("/token")]
    hashed = [base64.urlsafe_b64encode(hashlib.sha256(v.encode()).digest()).decode().rstrip("=") for v in verifiers]
    holds = hashed == challenges and min(map(len, verifiers)) >= 43 and verifiers[0] != verifiers[1]
    return "" if holds else f"verifiers {verifiers}"


def a07_no_s256(client: Client, there: Scripted) -> str:
    """A server that takes only `plain` gets no login, and never that."""
    there.publishes(code_challenge_methods_supported=["plain"])
    with suppress(RefusedError):
        client.start()
        return f"went on with {client.url}"
    return ""


def a08_other_paths_and_methods(client: Client, there: Scripted) -> str:
    """The right answer at the wrong place, or by the wrong method; and nothing leads anywhere."""
    client.start()
    ways = [("GET", "/"), ("GET", "/other"), ("GET", "/callback/../x"), ("POST", ""), ("HEAD", ""), ("OPTIONS", "")]
    for method, path in ways:
        answer, _ = land(client, good(client), method=method, path=path)
        if answer is not None and (answer.status == 200 or answer.headers["Location"]):
            return f"{method} {path} is answered {answer.status}"
    return "took one of them" if client.finish() else ""


def a09_a_squatter(client: Client, there: Scripted) -> str:
    """Somebody else holds the other address that `localhost` stands for; a browser asks there first."""
    client.start()
    parts = urlsplit(asked(client)["redirect_uri"][0])
    addresses = [info[4][0] for info in socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)]
    reachable = {"::1", "127.0.0.1"} if parts.hostname == "localhost" else set(addresses)
    with socket.socket(socket.AF_INET6) as squatter:
        if "::1" in reachable:
            squatter.bind(("::1", parts.port))
            return "the answer goes to whoever holds [::1]"
    with pytest.raises((RefusedError, OSError)):  # and a fixed port that is taken is not shared, nor quietly another
        client.another(redirect_uri=asked(client)["redirect_uri"][0]).start()
    return ""


def a10_dns_rebinding(client: Client, there: Scripted) -> str:
    """A page whose name was pointed at this machine, and a script of another page."""
    client.start()
    port = urlsplit(asked(client)["redirect_uri"][0]).port
    for headers in ({"Host": f"evil.example:{port}"}, {"Origin": EVIL}, {"Host": "127.0.0.1:1"}, {"Origin": "null"}):
        answer, _ = land(client, good(client), **headers)
        if answer is not None and (answer.status == 200 or answer.headers["Access-Control-Allow-Origin"]):
            return f"{headers} is let in"
    return "took one of them" if client.finish() else ""


def a11_junk(client: Client, there: Scripted) -> str:
    """Half-open sockets, a megabyte, junk, then the answer, and the answer again."""
    client.start()
    parts = urlsplit(asked(client)["redirect_uri"][0])
    with (
        socket.create_connection(("127.0.0.1", parts.port)) as one,
        socket.create_connection(("127.0.0.1", parts.port)),
    ):
        with suppress(OSError):
            one.sendall(b"GET /callback?" + b"x" * 2**20)
        land(client, "%00%ff=&&&&")
        land(client, good(client))
        with suppress(httpx.HTTPError, ValueError):
            client.finish()
        land(client, good(client, code="replayed"))
        with suppress(httpx.HTTPError, ValueError):
            client.finish()
    return "" if codes(there) == ["good"] else f"redeemed {codes(there)}"


def a12_markup(client: Client, there: Scripted) -> str:
    """An error whose words are a script, a colour, a header and a trick; its link is another one."""
    client.start()
    bad = good(client, error="server_error", error_description=MARKUP, error_uri="javascript:alert(1)")
    answer, page = land(client, bad)
    with suppress(httpx.HTTPError, ValueError):
        client.finish()
    if "script>" in page or "default-src 'none'" not in (answer.headers["Content-Security-Policy"] or ""):
        return "the page shows what it was given"
    odd = [c for c in client.said if not c.isprintable()] + ["javascript"] * ("javascript" in client.said)
    return f"said {odd}" if odd else ""


def a13_device_address(client: Client, there: Scripted) -> str:
    """The address to open is plain http, or somebody else's; the device code is nobody's business."""
    for address in ("http://evil.example/device", "javascript:alert(1)"):
        there.says("/device_authorization", device(there, verification_uri=address))
        with suppress(RefusedError):
            client.start("device")
            return f"sends people to {address}"
    there.says("/device_authorization", device(there, verification_uri=f"{EVIL}/device"))
    client.start("device")
    warned = "evil.example is not a host of 'lab'" in client.said
    return "" if warned and "secret-device-code" not in client.said else f"said {client.said!r}"


def a14_refresh(client: Client, there: Scripted) -> str:
    """A renewal with more rights, or as somebody else, is none; one without a new refresh token keeps the old."""
    there.says("/api/items", Answer(401))
    for wrong in (token("at1", scope="read write admin"), token("at1", id_token=".eyJzdWIiOiJldmUifQ.")):
        there.says("/token", wrong)
        client.hold()
        before = len(there.asked("/api/items"))
        with suppress(RefusedError, httpx.HTTPError, RecursionError):
            there.says("/api/items", Answer(401), reply({"data": [], "has_more": False}))
            client.fetch()
        if len(there.asked("/api/items")) - before > 1:
            return "used a token that is not the same login's"
    return ""


def a15_audience(client: Client, there: Scripted) -> str:
    """A token is for the APIs it was asked for, all of them, and goes to no other."""
    after(client, there, good)
    with scripted() as other:
        other.says("/api/items", reply({"data": [], "has_more": False}))
        page = {"data": [{"id": "1"}], "has_more": True, "next": f"{other.origin}/api/items"}
        there.says("/api/items", reply(page))
        with suppress(RefusedError):
            client.fetch()
        told = [request for request in other.requests if "authorization" in request.headers]
    wanted = asked(client).get("resource"), there.asked("/token")[0].fields.get("resource")
    return (
        "" if wanted == (list(RESOURCES), list(RESOURCES)) and not told else f"asked for {wanted}, told {len(told)}"
    )


def a16_declined(client: Client, there: Scripted) -> str:
    """`access_denied` is a no, with a code beside it or without; no token is asked for."""
    sent = after(client, there, lambda c: {**good(c), "error": "access_denied"})
    again = client.another()
    sent += after(again, there, lambda c: {"error": "access_denied", "state": asked(c)["state"][0]})
    return "" if not sent and "declined" in client.said else f"sent {sent!r}"


def a17_discovery(client: Client, there: Scripted) -> str:
    """Metadata that redirect, are huge, or send the secret over plain http."""
    with scripted() as other:
        place = "/.well-known/oauth-authorization-server"
        other.publishes(issuer=there.origin)
        huge = there.publishes() | {"padding": "x" * 2**21}
        for answer in (redirect(f"{other.origin}{place}"), reply(huge)):
            there.says(place, answer)
            with suppress(RefusedError):
                client.start()
                return "went on"
        there.publishes(token_endpoint="http://auth.example/token")
        with suppress(RefusedError):
            client.start()
            return "would send codes over plain http"
        return f"asked {other.requests}" if other.requests else ""


def a18_token_endpoint(client: Client, there: Scripted) -> str:
    """A redirect, a page, another type of token, a token with a line break: none of them is a login."""
    with scripted() as other:
        other.says("/token", token("stolen"))
        answers = [
            redirect(f"{other.origin}/token", 307),
            html("<h1>Log in</h1> access_token"),
            token("x", token_type="mac"),
            token("x\r\nX-Evil: 1"),
        ]
        for answer in answers:
            there.says("/token", answer)
            one = client.another()
            one.start()
            land(one, good(one))
            with suppress(httpx.HTTPError, ValueError):
                if one.finish():
                    return f"took {answer.status} {answer.body[:40]!r}"
        return "sent the code elsewhere" if other.requests else ""


def a19_logout(client: Client, there: Scripted) -> str:
    """The refresh token first, then the other; a failure is said; and here it is over in any case."""
    client.hold()
    said = client.log_out()
    order = [request.form["token"] for request in there.asked("/revoke")]
    there.says("/revoke", Answer(503))
    again = client.another()
    again.hold()
    failed = again.log_out()
    with suppress(RefusedError):
        again.fetch()
        return "is still logged in"
    holds = (order, said) == (["rt0", "at0"], "revoked") and "failed" in failed
    return "" if holds else f"revoked {order}, said {said!r} and {failed!r}"


ATTACKS: dict[str, Callable[[Client, Scripted], str]] = {
    name[:3].upper(): probe for name, probe in list(globals().items()) if name[:3].removeprefix("a").isdigit()
}


def outcome(kind: type[Ours | Naive], attack: str, there: Scripted) -> str:
    """What comes of an attack on such a client."""
    client = kind(there)
    try:
        return ATTACKS[attack](client, there)
    finally:
        client.close()


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_login_holds(there, attack):
    """A01 to A19, by number: the attack gets nowhere."""
    assert outcome(Ours, attack, there) == ""


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_naive_login_is_caught(there, attack):
    """Positive control: A01 to A19, by number, against a client as tutorials write it."""
    assert outcome(Naive, attack, there) != ""


def test_a_naive_login_works(there):
    """The premise of the control: at a decent server, the naive client is as good as ours."""
    for kind in (Ours, Naive):
        client = kind(there)
        client.start()
        land(client, good(client))
        assert client.finish()
        assert client.fetch() == ["1"]
        assert client.log_out() == "revoked"
        client.close()


def test_every_attack_has_its_number():
    """A01 to A19, none left out."""
    assert list(ATTACKS) == [f"A{number:02}" for number in range(1, 20)]
