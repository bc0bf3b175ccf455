"""Authorization servers as they are: what the standards allow, and what well-known ones do beyond them.

Each case is one server's way, told to the scripted server; the login must live with it.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from servers.scripted import Answer, Asked, Scripted, error, reply, scripted, token

import immune_nb as im
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.devices import DeviceGrant
from immune_nb.auth.grants import CodeGrant, client_credentials, refresh, revoke
from immune_nb.auth.renewal import TokenKeeper
from immune_nb.auth.secrets import Secret
from immune_nb.auth.server import find_server
from immune_nb.auth.tokens import Token
from immune_nb.challenges import Challenge, read_challenge
from immune_nb.connecting import connect
from immune_nb.pending import PendingLogin

pytestmark = pytest.mark.slow
SECRET = "s+e/c=r:t"
ROWS = {"data": [{"id": "vib_001"}], "has_more": False}
DEVICE = {"device_code": "dc", "user_code": "ABCD", "expires_in": 600, "interval": 5}


@pytest.fixture
def there() -> Iterator[Scripted]:
    """A server that publishes its metadata, and has an API of one sensor."""
    with scripted() as server:
        server.publishes()
        server.says("/token", token())
        server.says("/api/sensors", reply(ROWS))
        yield server


def profile(there: Scripted, **more) -> im.Profile:
    """The server by its issuer alone."""
    return im.Profile("lab", f"{there.origin}/api", **{"issuer": there.origin, "client_id": "me", **more})


def client(there: Scripted, secret: str | None = SECRET, **more) -> OAuthClient:
    """A client of it."""
    return OAuthClient(profile(there, **more), "me", secret and Secret(secret, "client secret"))


def form(**fields: str) -> Answer:
    """An answer in the form that JSON replaced."""
    return Answer(
        200, [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")], urlencode(fields).encode()
    )


def jwt(**claims) -> str:
    """A token that says something of itself."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "c2lnbmF0dXJl"])


def basic(asked: Asked) -> str:
    """What a request's Basic credentials decode to; "" without any."""
    return base64.b64decode(asked.headers.get("authorization", "").removeprefix("Basic ")).decode()


@pytest.mark.parametrize(
    ("answer", "scopes", "life"),
    [
        (
            form(access_token="at_1", token_type="bearer", scope="repo,gist", expires_in="28800"),
            ("repo", "gist"),
            28800,
        ),
        (token(token_type="BEARER", expires_in="3599", scope=["a", "b"]), ("a", "b"), 3599),
        (token(token_type=None, expires_in=None, scope=None), None, None),
        (token(expires_in=3600.0, ext_expires_in=3600, not_before="1", scope="b a", id_token=None), ("b", "a"), 3600),
        (token(refresh_token=None, refresh_expires_in=0, session_state="x", scope=""), (), 3600),
        (
            Answer(201, [("Content-Type", "text/html")], b'\n{"access_token": "at_1", "token_type": "Bearer"}'),
            None,
            None,
        ),
    ],
    ids=["GitHub's form", "a list", "only a token", "Entra", "Keycloak", "wrong type"],
)
def test_a_token_is_read_as_servers_send_it(there, answer, scopes, life):
    """RFC 6749 5.1, and what is seen in its place."""
    there.says("/token", answer)
    got = client_credentials(client(there))
    assert (got.access.reveal(), got.scopes, got.expires_in) == ("at_1", scopes, life)


@pytest.mark.parametrize(
    "answer",
    [
        form(error="bad_verification_code", error_description="The code has expired."),
        reply({"error": "bad_verification_code", "error_description": "The code has expired."}),
        reply({"error": {"message": "bad", "code": 7}, "error_description": "The code has expired."}, 401),
    ],
)
def test_a_refusal_with_any_status_is_one(there, answer):
    """GitHub refuses with 200; others nest the word."""
    there.says("/token", answer)
    with pytest.raises(im.LoginRejectedError, match="expired"):
        client_credentials(client(there))


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        (["client_secret_post"], ["body"]),
        (["client_secret_basic", "private_key_jwt"], ["basic", "basic, as it is"]),
        (["client_secret_post", "client_secret_basic"], ["basic", "body", "basic, as it is"]),
        (None, ["basic", "body", "basic, as it is"]),
        (["none"], ["none"]),
        (["none", "private_key_jwt"], ["none"]),
    ],
)
def test_client_authentication_is_as_the_metadata_say(there, offered, asked):
    """RFC 8414: only the ways offered are tried, one after the other; without a word, all; "none" means no secret."""
    there.publishes(token_endpoint_auth_methods_supported=offered)
    there.says("/token", error("invalid_client", 401))
    with pytest.raises(im.LoginRejectedError):
        client_credentials(client(there))
    assert [way_of(one) for one in there.asked("/token")] == asked


def way_of(asked: Asked) -> str:
    """How a client said who it is."""
    if "client_secret" in asked.form:
        return "body"
    if "authorization" not in asked.headers:
        return "none"
    return "basic, as it is" if basic(asked) == f"me:{SECRET}" else "basic"


@pytest.mark.parametrize("offered", [["private_key_jwt"], ["tls_client_auth", "client_secret_jwt"], [5]])
def test_a_server_that_takes_no_secret_is_not_sent_one(there, offered):
    """RFC 8414 2: it would be of no use there. A profile that knows better says so."""
    there.publishes(token_endpoint_auth_methods_supported=offered)
    with pytest.raises(im.ConfigError, match=f"takes no client secret, but {offered[0]}.*client_auth in the profile"):
        client(there)
    assert there.asked("/token") == []
    where = im.Profile("lab", there.origin, issuer=there.origin, client_auth="body")
    there.says("/token", token("at_1"))
    client_credentials(OAuthClient(where, "me", Secret(SECRET)))
    assert way_of(there.asked("/token")[0]) == "body"


def only(way: str):
    """A server that takes one way of client authentication, and says no in its own words."""

    def answer(asked: Asked) -> Answer:
        took = {"raw": basic(asked) == f"me:{SECRET}", "body": asked.form.get("client_secret") == SECRET}
        took["basic"] = basic(asked) == "me:s%2Be%2Fc%3Dr%3At"
        return token() if took[way] else error("access_denied", 401, error_description="Unauthorized")

    return answer


@pytest.mark.parametrize("way", ["basic", "body", "raw"])
def test_the_way_that_works_is_kept_to(there, way):
    """A 401 in any words may be about the way; the second request knows better."""
    there.says("/token", only(way))
    asking = client(there)
    client_credentials(asking)
    first = len(there.asked("/token"))
    client_credentials(asking)
    assert (first, len(there.asked("/token"))) == ({"basic": 1, "body": 2, "raw": 3}[way], first + 1)


@pytest.mark.parametrize("status", [404, 405, 429, 500, 503])
def test_what_is_no_refusal_is_not_tried_another_way(there, status):
    """A server that asks for patience gets it."""
    there.says("/token", Answer(status))
    with pytest.raises(im.ServiceError):
        client_credentials(client(there))
    assert len(there.asked("/token")) == 1


def test_an_audience_goes_wherever_a_token_is_asked_for(there):
    """Auth0's `audience`, Google's `access_type`: in the address, the device request and the token request."""
    asking = client(there, None, auth_params={"audience": "https://api.example", "access_type": "offline"})
    grant = CodeGrant(asking, "http://127.0.0.1/cb")
    assert parse_qs(urlsplit(grant.url).query)["audience"] == ["https://api.example"]
    there.says("/device_authorization", reply({**DEVICE, "verification_url": f"{there.origin}/device"}))
    assert DeviceGrant(asking).url == f"{there.origin}/device"
    client_credentials(asking)
    assert there.asked("/device_authorization")[0].form["audience"] == "https://api.example"
    assert there.asked("/token")[0].form["access_type"] == "offline"
    with pytest.raises(im.ConfigError, match="sets 'state'"):
        profile(there, auth_params={"state": "x"})


OLD = Token(Secret("at0"), 0.0, 60.0, ("api://lab/read", "openid"), Secret("rt0"), "ann@lab.example", "7")


@pytest.mark.parametrize(
    "answer",
    [
        token(scope="openid api://lab/read"),
        token(scope="read profile offline_access"),
        token(scope="api://lab/Read email"),
        token(scope=None),
        token(jwt(sub="7"), scope="api://lab/read"),
        token(id_token=jwt(sub="7")),
    ],
    ids=["reordered", "bare", "another case", "absent", "sub instead of address", "no address"],
)
def test_a_refresh_that_is_the_same_login_is_taken(there, answer):
    """Scopes in another order or form, an account told in other words: still the same person and no more rights."""
    there.says("/token", answer)
    got = refresh(client(there, scopes=("read",)), OLD)
    assert (got.account, got.subject, got.refresh.reveal()) == ("ann@lab.example", "7", "rt0")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (token(scope="api://lab/read api://lab/write"), "api://lab/write"),
        (token(scope="api://other/read admin"), "admin"),
        (token(id_token=jwt(sub="8", email="ann@lab.example")), "another user"),
    ],
)
def test_a_refresh_that_is_not_is_refused(there, answer, words):
    """The controls of the above: more rights, another person under the same address."""
    there.says("/token", answer)
    with pytest.raises(im.SessionExpiredError, match=words):
        refresh(client(there, scopes=("read",)), OLD)


@pytest.mark.parametrize("skew", [-600, 0, 600])
def test_a_life_told_only_by_the_token_is_corrected_by_the_servers_clock(there, skew):
    """F26: no `expires_in`, and an `exp` by a clock that is ten minutes off: the life is what it is."""
    now = time.time() + skew
    there.says(
        "/token",
        lambda asked: reply(
            {"access_token": jwt(exp=int(now + 3600), sub="me"), "token_type": "Bearer"},
            date=formatdate(now, usegmt=True),
        ),
    )
    got = client_credentials(client(there))
    assert got.expires_in == pytest.approx(3600, abs=5)
    assert got.account == "me"


@pytest.mark.parametrize("life", [{"expires_in": 30}, {"expires_in": 0}, {"expires_in": -5}, {"expires_in": None}])
def test_a_short_life_is_not_renewed_for_every_request(there, life):
    """F26: half a minute, nothing, less than nothing, no word: it is used until the API refuses it."""
    there.says("/token", token(**life))
    session = connect(profile(there), client_id="me", client_secret="x")
    for _ in range(5):
        session.sensors()
    assert len(there.asked("/token")) == 1
    session.close()


def test_a_mounted_token_that_is_over_by_our_clock_is_not_read_for_every_request():
    """F26: our clock is ten minutes ahead; one look for a newer one, then the API has the word."""
    looked = []

    def again(_seen):
        looked.append(1)
        return Token.found(Secret(jwt(exp=1000)), 1600.0)

    keeper = TokenKeeper(again, Token.found(Secret(jwt(exp=1650)), 1600.0), clock=lambda: 1649.0)
    for _ in range(5):
        keeper.usable()
    assert len(looked) == 1


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([Answer(200), Answer(200)], "revoked"),
        ([Answer(200), error("invalid_token", 400)], "revoked"),
        (
            [Answer(200), error("unsupported_token_type", 400)],
            "revoked; the access token stays valid until it expires",
        ),
        ([error("unsupported_token_type", 400), Answer(200)], "revocation failed: status 400"),
        ([Answer(200), Answer(503)], "revoked; revocation failed: status 503"),
    ],
    ids=["all", "Google's", "tokens nobody keeps", "no refresh tokens", "half"],
)
def test_what_a_server_says_of_a_revocation(there, answers, said):
    """RFC 7009 2.2: neither more nor less is claimed than was done."""
    there.says("/revoke", *answers)
    assert revoke(client(there, None), OLD) == said


def test_the_device_grant_waits_as_it_is_told(there):
    """RFC 8628 3.5: slower when told so, by as much as told (GitHub), and ever slower while nobody answers."""
    there.says("/device_authorization", reply({**DEVICE, "verification_uri": f"{there.origin}/device"}))
    grant = DeviceGrant(client(there, None))
    there.says("/token", reply({"error": "slow_down", "interval": 30}), error("slow_down"), Answer(0), Answer(0))
    waits = []
    for _ in range(4):
        assert grant.poll() is None
        waits.append(grant.interval)
    assert waits == [30, 35, 60, 60]
    there.says("/token", error("authorization_declined"))
    with pytest.raises(im.LoginRejectedError, match="declined"):
        grant.poll()


def test_a_device_request_may_be_refused_with_200(there):
    """GitHub: the error's words, not "no device_code"."""
    there.says("/device_authorization", reply({"error": "device_flow_disabled"}))
    with pytest.raises(im.LoginRejectedError, match="device_flow_disabled"):
        DeviceGrant(client(there, None))


@pytest.mark.parametrize(
    ("configured", "published"),
    [("/common/v2.0", "/{tenantid}/v2.0"), ("/realms/x", "/realms/x"), ("", "/"), ("/", "")]
    + [("/.well-known/openid-configuration", ""), ("/realms/x/.well-known/openid-configuration", "/realms/x")],
)
def test_an_issuer_is_found_as_people_write_it(there, configured, published):
    """Entra's template for all tenants, Keycloak's path, a slash more or less, the address of the metadata itself."""
    path = published.replace("{tenantid}", "common").rstrip("/")
    there.publishes(f"{path}/.well-known/openid-configuration", issuer=there.origin + published)
    there.says("/.well-known/oauth-authorization-server", Answer(404))
    found = find_server(profile(there, issuer=there.origin + configured))
    assert found.token_url == f"{there.origin}/token"
    assert found.issuer == (None if "{" in published else there.origin + published)


def test_metadata_of_another_issuer_on_the_same_host_are_passed_over(there):
    """A host that answers every path with its own: the tenant's are looked for on, and only then is it an error."""
    there.publishes("/.well-known/oauth-authorization-server/t")
    with pytest.raises(im.ConfigError, match="another issuer"):
        find_server(profile(there, issuer=f"{there.origin}/t"))
    there.publishes("/t/.well-known/openid-configuration", issuer=f"{there.origin}/t")
    assert find_server(profile(there, issuer=f"{there.origin}/t")).issuer == f"{there.origin}/t"


def test_an_id_token_of_another_login_is_refused(there):
    """OpenID Connect Core 3.1.3.7: a nonce goes out with `openid`; ours comes back, a wrong one is not taken."""
    for ours in (True, False):
        grant = CodeGrant(client(there, None, scopes=("openid", "read")), "http://127.0.0.1/cb")
        sent = {name: values[0] for name, values in parse_qs(urlsplit(grant.url).query).items()}
        there.says("/token", token(id_token=jwt(sub="7", email="ann@x", nonce=sent["nonce"] if ours else "theirs")))
        if ours:
            assert grant.redeem(urlencode({"code": "c", "state": sent["state"]})).account == "ann@x"
        else:
            with pytest.raises(im.LoginRejectedError, match="another login"):
                grant.redeem(urlencode({"code": "c", "state": sent["state"]}))
    plain = CodeGrant(client(there, None), "http://127.0.0.1/cb")
    assert "nonce" not in plain.url


def signed_in(there: Scripted, **more) -> im.Session:
    """A browser sign-in whose person says yes."""
    pending = PendingLogin(profile(there, **more))
    asked = parse_qs(urlsplit(pending.url).query)
    httpx.get(asked["redirect_uri"][0], params={"code": "c", "state": asked["state"][0]}, trust_env=False)
    return pending.poll()


def test_an_opaque_sign_in_asks_who_it_is(there):
    """With `openid`, the server's userinfo says it; the client's id is nobody's name."""
    there.publishes(userinfo_endpoint=f"{there.origin}/userinfo")
    there.says("/userinfo", reply({"sub": "7", "email": "ann@lab.example"}))
    session = signed_in(there, scopes=("openid", "read"))
    assert session.status().account == "ann@lab.example"
    assert there.asked("/userinfo")[0].headers["authorization"] == "Bearer at_1"
    assert there.asked("/userinfo")[0].query == {}
    session.close()


@pytest.mark.parametrize("answer", [Answer(500), Answer(0), Answer(200, body=b"<p>"), error("invalid_token", 401)])
def test_nobody_known_is_nobody_claimed(there, answer):
    """No userinfo, or a broken one: the login holds, and no account is made up."""
    there.publishes(userinfo_endpoint=f"{there.origin}/userinfo")
    there.says("/userinfo", answer)
    session = signed_in(there, scopes=("openid",))
    assert (session.status().account, len(session.sensors())) == ("", 1)
    session.close()


def test_the_token_is_shown_to_no_other_server(there):
    """A userinfo endpoint elsewhere, or none of the person's business: it is not asked."""
    with scripted() as elsewhere:
        elsewhere.says("/userinfo", reply({"sub": "7"}))
        there.publishes(userinfo_endpoint=f"{elsewhere.origin}/userinfo")
        signed_in(there, scopes=("openid",)).close()
        assert elsewhere.requests == []
    there.publishes(userinfo_endpoint=f"{there.origin}/userinfo")
    signed_in(there, scopes=("read",)).close()
    assert there.asked("/userinfo") == []


def challenged(text: str, status: int) -> Answer:
    """A refusal of the API."""
    return Answer(status, [("WWW-Authenticate", text)])


def test_a_missing_scope_is_named_and_not_renewed_for(there):
    """RFC 6750 3.1: a newer token would not have it either."""
    session = connect(profile(there), client_id="me", client_secret="x")
    for status in (403, 401):
        there.says(
            "/api/sensors", challenged('Bearer realm="api", error="insufficient_scope", scope="read:sensors"', status)
        )
        with pytest.raises(im.LoginRejectedError, match="needs the scope 'read:sensors'.*--scopes"):
            session.sensors()
    assert len(there.asked("/token")) == 1
    session.close()


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_invalid_token_is_renewed_whatever_the_status(there, status):
    """RFC 6750 3.1 says 401; the word counts."""
    session = connect(profile(there), client_id="me", client_secret="x")
    there.says("/api/sensors", challenged('Bearer error="invalid_token"', status), reply(ROWS))
    assert len(session.sensors()) == 1
    assert len(there.asked("/token")) == 2
    session.close()


def test_a_refused_login_hears_what_the_service_takes(there):
    """401 with another scheme: the hint names it."""
    there.says("/api/sensors", challenged('ApiKey realm="x"', 401))
    session = connect(replace(profile(there), issuer=None), token="pasted-token")
    with pytest.raises(im.LoginRejectedError, match="It asks for ApiKey"):
        session.sensors()
    session.close()


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("", Challenge()),
        ("Bearer", Challenge(("Bearer",))),
        ('Bearer error="invalid_token"', Challenge(("Bearer",), "invalid_token")),
        (
            'Basic realm="a, b", Bearer error = insufficient_scope , scope="a b"',
            Challenge(("Basic", "Bearer"), "insufficient_scope", "a b"),
        ),
        ('Bearer scope="say \\"x\\""', Challenge(("Bearer",), "", 'say "x"')),
        ('="', Challenge()),
    ],
)
def test_challenges_are_read(header, read):
    """RFC 9110 11.6.1: several in one header, quoted or not, or junk."""
    assert read_challenge(header) == read
