"""The sandbox as an authorization server: every grant, every page, and what must be refused."""

from __future__ import annotations

import secrets
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt
from joserfc.jwk import ECKey
from servers.visitor import visiting

from immune_nb.sandbox.server import running
from immune_nb.sandbox.settings import Settings

PLAIN = {"trust_env": False, "verify": False}  # http on loopback: no proxy, and no TLS context to build
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "http://127.0.0.1:50123/callback"
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


class Clock:
    """A clock that only a test moves."""

    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        """Seconds since 1970."""
        return self.now


class Lab:
    """A running sandbox and the few questions these tests ask it."""

    def __init__(self, address, clock):
        self.line, self.clock, self.origin = address.announcement(), clock, address.origin
        self.base_url, self.control_url = address.base_url, address.control_url

    def control(self, path, **body):
        return httpx.post(f"{self.control_url}/{path}", json=body, **PLAIN).raise_for_status().json()

    def log(self, path):
        return [n for n in httpx.get(self.control_url + "/log", **PLAIN).json()["data"] if n["path"] == path]

    def visiting(self):
        return visiting(self.line["user"], self.line["password"])

    def link(self, **changes):
        """An authorization URL of the public client; a change to None leaves the parameter out."""
        asked = {"response_type": "code", "client_id": self.line["public_client_id"], "redirect_uri": BACK}
        asked |= {"scope": "read", "state": "st&te"} | PKCE | changes
        return (
            f"{self.line['authorize_url']}?{urlencode({k: v for k, v in asked.items() if v is not None}, doseq=True)}"
        )

    def code(self, **changes):
        with self.visiting() as person:
            return landed(person.authorize(self.link(**changes)))["code"]

    def token(self, grant_type, *, secret=None, url="token_url", **fields):
        """Ask the token endpoint, as the public client or, with its secret, as the confidential one."""
        form = {"grant_type": grant_type, "client_id": self.line["public_client_id"]} | fields
        if secret:
            form |= {"client_id": self.line["client_id"], "client_secret": secret}
        return httpx.post(self.line[url], data=form, **PLAIN)

    def redeem(self, code, **changes):
        return self.token(
            "authorization_code", **{"code": code, "redirect_uri": BACK, "code_verifier": VERIFIER} | changes
        )

    def signed_in(self, **changes):
        """What a whole sign-in brings."""
        return self.redeem(self.code(**changes)).raise_for_status().json()

    def refresh(self, token, **fields):
        return self.token("refresh_token", refresh_token=token, **fields)

    def opens(self, access_token, method="GET"):
        headers = {"Authorization": f"Bearer {access_token}"}
        return httpx.request(method, self.base_url + "/sensors", headers=headers, **PLAIN).status_code

    def about(self, token):
        form = {"token": token, "client_id": self.line["client_id"], "client_secret": self.line["client_secret"]}
        return httpx.post(self.origin + "/oauth/introspect", data=form, **PLAIN).json()

    def device(self, **fields):
        form = {"client_id": self.line["public_client_id"], "scope": "read"} | fields
        return httpx.post(self.line["device_url"], data=form, **PLAIN).raise_for_status().json()

    def poll(self, started):
        reply = self.token(DEVICE_GRANT, device_code=started["device_code"])
        return reply.json().get("error", "") or reply.json()


@pytest.fixture(scope="module")
def server():
    """One server for the module, its time in the test's hands."""
    clock = Clock()
    with running(Settings(control=True, clock=clock)) as address:
        yield Lab(address, clock)


@pytest.fixture
def lab(server):
    """The server as it was at the start."""
    server.control("reset")
    return server


def landed(url):
    """The parameters of a redirect, each exactly once."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query, strict_parsing=True).items()}


def error_of(reply):
    return reply.status_code, reply.json()["error"]


# Authorization code (RFC 6749 4.1, RFC 7636, RFC 9207)


def test_a_person_signs_in_and_the_code_becomes_a_token(lab):
    """Login page, consent page, redirect with code, state and iss; then tokens, and the API opens."""
    with lab.visiting() as person:
        assert person.open(lab.link()).status_code == 200
        assert person.form().asks_password
        person.log_in()
        assert person.form().fields.keys() == {"form_token", "scope:read"}
        back = person.submit().headers["location"]
    assert back.startswith(BACK + "?")
    got = landed(back)
    assert (got["state"], got["iss"], got.keys()) == ("st&te", lab.line["issuer"], {"code", "state", "iss"})
    reply = lab.redeem(got["code"])
    body = reply.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (body["token_type"], body["scope"], reply.headers["cache-control"]) == ("Bearer", "read", "no-store")
    assert lab.opens(body["access_token"]) == 200


def test_the_confidential_client_signs_a_person_in_too(lab):
    """With its secret, and with PKCE or without."""
    secret = lab.line["client_secret"]
    for proof in (PKCE, dict.fromkeys(PKCE)):
        code = lab.code(client_id=lab.line["client_id"], **proof)
        fields = {"code_verifier": VERIFIER} if proof is PKCE else {}
        reply = lab.token("authorization_code", secret=secret, code=code, redirect_uri=BACK, **fields)
        assert lab.opens(reply.json()["access_token"]) == 200
    stolen = lab.code(client_id=lab.line["client_id"])
    assert error_of(lab.redeem(stolen, client_id=lab.line["client_id"])) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_refusals_lead_back(lab, changes, error):
    """No PKCE, `plain`, an unknown scope: the client hears it, with state and iss, before anybody signs in."""
    reply = httpx.get(lab.link(**changes), **PLAIN)
    got = landed(reply.headers["location"])
    assert (reply.status_code, got["error"], got["state"], got["iss"]) == (303, error, "st&te", lab.line["issuer"])


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "http://127.0.0.1:50123/callback/"},
        {"redirect_uri": "http://127.0.0.1:50123/Callback"},
        {"redirect_uri": "http://127.0.0.1:50123/callback?x=1"},
        {"redirect_uri": "http://127.0.0.1:50123@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "https://127.0.0.1:50123/callback"},
        {"redirect_uri": "http://localhost:50123/callback"},
        {"redirect_uri": 'http://127.0.0.1/"é\\'},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": None},
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": ["a", "b"]},
        {"state": ["a", "b"]},
        {"response_type": 'é"', "redirect_uri": None},
    ],
)
def test_what_cannot_be_trusted_is_a_page_not_a_redirect(lab, changes):
    """An unknown client or redirect URI is answered here, and nothing that was sent is on the page as markup."""
    reply = httpx.get(lab.link(**changes), **PLAIN)
    assert reply.status_code == 400
    assert "location" not in reply.headers
    assert "This link does not work" in reply.text


@pytest.mark.parametrize("back", ["http://127.0.0.1:1/callback", "http://[::1]:65535/", "http://127.0.0.1/callback"])
def test_loopback_leads_back_to_any_port(lab, back):
    """RFC 8252, 7.3: the port is the client's choice, on either family."""
    with lab.visiting() as person:
        assert person.authorize(lab.link(redirect_uri=back)).startswith(back + "?")


def test_a_redirect_uri_can_be_registered(lab):
    """For a hub's proxy: exactly that one, from then on."""
    back = "http://hub.example/user/ada/proxy/4711/callback"
    assert httpx.get(lab.link(redirect_uri=back), **PLAIN).status_code == 400
    lab.control("clients", redirect_uris=[back])
    with lab.visiting() as person:
        assert person.authorize(lab.link(redirect_uri=back)).startswith(back + "?code=")


def test_who_declines_sends_the_client_away(lab):
    """access_denied with state and iss, and no code; unticking every scope is a no, too."""
    with lab.visiting() as person:
        got = landed(person.authorize(lab.link(), allow=False))
        assert (got["error"], got["state"], got["iss"]) == ("access_denied", "st&te", lab.line["issuer"])
        assert "code" not in got
        person.open(lab.link())
        token = person.form().fields["form_token"]
        page = person.client.post(lab.link(), data={"form_token": token, "action": "allow"})
        assert landed(page.headers["location"])["error"] == "access_denied"


def test_a_person_may_allow_less_than_was_asked(lab):
    """The token's scope says so, and it cannot be widened by a refresh."""
    with lab.visiting() as person:
        person.open(lab.link(scope="read write"))
        person.log_in()
        fields = person.form().fields
        assert {"scope:read", "scope:write"} <= fields.keys()
        form = {"form_token": fields["form_token"], "scope:read": "on", "action": "allow"}
        code = landed(person.client.post(lab.link(scope="read write"), data=form).headers["location"])["code"]
    got = lab.redeem(code).json()
    assert got["scope"] == "read"
    assert error_of(lab.refresh(got["refresh_token"], scope="read write")) == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": BACK + "/"}, "invalid_grant"),
        ({"code": "unknown"}, "invalid_grant"),
    ],
)
def test_a_code_is_bound_to_what_it_was_asked_with(lab, changes, error):
    """Verifier, redirect URI, client: each must match."""
    assert error_of(lab.redeem(**{"code": lab.code()} | changes)) == (400, error)


def test_a_code_lives_a_minute(lab):
    """Then it is worth nothing."""
    code = lab.code()
    lab.clock.now += 61
    assert error_of(lab.redeem(code)) == (400, "invalid_grant")


def test_a_code_used_twice_takes_back_the_first_use(lab):
    """RFC 6749, 4.1.2: whoever stole it, nobody keeps it."""
    code = lab.code()
    first = lab.redeem(code).json()
    assert lab.opens(first["access_token"]) == 200
    assert error_of(lab.redeem(code)) == (400, "invalid_grant")
    assert lab.opens(first["access_token"]) == 401
    assert error_of(lab.refresh(first["refresh_token"])) == (400, "invalid_grant")


# The pages


def test_pages_load_nothing_and_run_nothing(lab):
    """A policy without a hole: no script, no frame, no foreign form target but the client's own origin."""
    with lab.visiting() as person:
        login = person.open(lab.link())
        consent = person.log_in()
        device = person.open(lab.origin + "/device")
    for page in (login, consent, device):
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "<script" not in page.text
        assert page.headers["cache-control"] == "no-store"
    assert "form-action 'self' ;" in login.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:50123;" in consent.headers["content-security-policy"]


def test_a_wrong_password_says_so_and_lets_nobody_in(lab):
    """And it never comes back in the page."""
    with lab.visiting() as person:
        person.open(lab.link())
        page = person.submit({"user": lab.line["user"], "password": "canary-991"})
        assert page.status_code == 403
        assert "are wrong" in page.text
        assert "canary" not in page.text
        assert person.form().asks_password


def test_a_form_from_elsewhere_is_not_taken(lab):
    """Cross-site request forgery: without the page's own token neither a login nor a decision counts."""
    with lab.visiting() as person:
        person.open(lab.link())
        person.log_in()
        for token in ("", "0" * 64, "é"):
            reply = person.client.post(lab.link(), data={"form_token": token, "action": "allow", "scope:read": "on"})
            assert (reply.status_code, "too old" in reply.text) == (403, True)
        assert person.authorize(lab.link()).startswith(BACK)


def test_a_person_can_sign_out_and_in_again(lab):
    """The consent page offers it, and the cookie from before is worth nothing."""
    with lab.visiting() as person:
        person.open(lab.link())
        before = dict(person.client.cookies)
        person.log_in()
        after = dict(person.client.cookies)
        person.submit({"action": "sign-out"})
        assert person.form().asks_password
    assert before != after
    assert "Sign in" in httpx.get(lab.link(), cookies=after, **PLAIN).text


# Refresh (RFC 6749 6, RFC 9700 4.14)


def test_refresh_tokens_rotate_and_an_old_one_ends_the_login(lab):
    """Each refresh brings a new one; the old one revokes the whole family, the newest included."""
    first = lab.signed_in()
    second = lab.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    third = lab.refresh(second["refresh_token"]).json()
    assert lab.opens(third["access_token"]) == 200
    assert error_of(lab.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert lab.opens(third["access_token"]) == 401
    assert error_of(lab.refresh(third["refresh_token"])) == (400, "invalid_grant")


def test_rotation_can_be_switched_off(lab):
    """Then a refresh brings no new one, and the old one goes on."""
    lab.control("faults", refresh_rotates=False)
    first = lab.signed_in()
    for _ in range(2):
        again = lab.refresh(first["refresh_token"])
        assert again.status_code == 200
        assert "refresh_token" not in again.json()


def test_refresh_tokens_expire_and_are_not_access_tokens(lab):
    """Each kind does its own work only, for its own client, for its own time."""
    got = lab.signed_in()
    assert lab.opens(got["refresh_token"]) == 401
    assert error_of(lab.refresh(got["access_token"])) == (400, "invalid_grant")
    theirs = lab.refresh(got["refresh_token"], secret=lab.line["client_secret"])
    assert error_of(theirs) == (400, "invalid_grant")
    lab.clock.now += 3601
    assert lab.opens(got["access_token"]) == 401
    fresh = lab.refresh(got["refresh_token"]).json()
    lab.clock.now += 31 * 86_400
    assert error_of(lab.refresh(fresh["refresh_token"])) == (400, "invalid_grant")


def test_expire_leaves_refresh_tokens_and_revoke_does_not(lab):
    """The control's two words, for F21 and F25."""
    got = lab.signed_in()
    lab.control("tokens", action="expire")
    assert lab.opens(got["access_token"]) == 401
    fresh = lab.refresh(got["refresh_token"]).json()
    assert lab.opens(fresh["access_token"]) == 200
    lab.control("tokens", action="revoke")
    assert error_of(lab.refresh(fresh["refresh_token"])) == (400, "invalid_grant")


def test_the_log_counts_grants(lab):
    """A test can say how many refreshes there were, and by whom."""
    got = lab.signed_in()
    lab.refresh(got["refresh_token"])
    notes = [(note["grant"], note["caller"]) for note in lab.log("/oauth/token")]
    me = lab.line["public_client_id"]
    assert notes == [("authorization_code", me), ("refresh_token", me)]


# Revocation and introspection (RFC 7009, RFC 7662)


def test_revoking_a_refresh_token_ends_the_login(lab):
    """Its access tokens end with it; another login goes on; revoking an access token ends only that."""
    mine, other = lab.signed_in(), lab.signed_in()
    form = {"client_id": lab.line["public_client_id"], "token": other["access_token"]}
    assert httpx.post(lab.line["revoke_url"], data=form, **PLAIN).status_code == 200
    assert lab.opens(other["access_token"]) == 401
    assert lab.refresh(other["refresh_token"]).status_code == 200
    form["token"] = mine["refresh_token"]
    assert httpx.post(lab.line["revoke_url"], data=form, **PLAIN).status_code == 200
    assert lab.opens(mine["access_token"]) == 401
    assert error_of(lab.refresh(mine["refresh_token"])) == (400, "invalid_grant")


def test_introspection_tells_a_client_about_tokens(lab):
    """Who allowed it, for what, until when; nothing about one that has ended, nothing without the secret."""
    got = lab.signed_in()
    said = lab.about(got["access_token"])
    assert (said["active"], said["username"], said["scope"]) == (True, "ada", "read")
    lab.clock.now += 3601
    assert lab.about(got["access_token"]) == {"active": False}
    assert httpx.post(lab.origin + "/oauth/introspect", data={"token": "x"}, **PLAIN).status_code == 401


# Resources (RFC 8707)


def test_a_token_is_good_where_it_is_meant_for(lab):
    """The audience is what was asked for; a token for another API does not open this one."""
    here, there = lab.base_url, "https://other.example/api"
    got = lab.signed_in(resource=[here, there])
    assert lab.about(got["access_token"])["aud"] == [here, there]
    assert lab.opens(got["access_token"]) == 200
    narrowed = lab.refresh(got["refresh_token"], resource=there).json()
    assert lab.about(narrowed["access_token"])["aud"] == [there]
    assert lab.opens(narrowed["access_token"]) == 401
    assert error_of(lab.refresh(narrowed["refresh_token"], resource=here)) == (400, "invalid_target")


@pytest.mark.parametrize("resource", ["readings", "https://a.example/#x", "https://[", ""])
def test_a_resource_is_an_absolute_uri(lab, resource):
    """Anything else is invalid_target."""
    reply = lab.token("client_credentials", secret=lab.line["client_secret"], resource=resource)
    assert error_of(reply) == (400, "invalid_target")


# Public and confidential clients, and a key pair (RFC 6749 2, RFC 7523)


def test_a_public_client_has_no_credentials_grant(lab):
    """It cannot prove anything, so it gets nothing on its own behalf."""
    assert error_of(lab.token("client_credentials"))[1] == "invalid_client"
    assert error_of(lab.token("refresh_token", client_secret="guess", refresh_token="x"))[1] == "invalid_client"


def assertion(lab, key, **claims):
    """A signed proof of being the confidential client."""
    me, now = lab.line["client_id"], int(time.time())
    body = {"iss": me, "sub": me, "aud": lab.line["token_url"], "exp": now + 60, "jti": secrets.token_hex(8)} | claims
    text = jwt.encode({"alg": "ES256"}, body, key)
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": text,
    }


def test_a_signature_instead_of_a_secret(lab):
    """private_key_jwt: right for the registered key, once, for this server; wrong for everything else."""
    key, stranger = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    good = assertion(lab, key)

    def ask(form):
        return httpx.post(lab.line["token_url"], data=form, **PLAIN)

    assert error_of(ask(good)) == (400, "invalid_client")
    lab.control("clients", jwks={"keys": [key.as_dict(private=False)]})
    assert lab.opens(ask(good).json()["access_token"]) == 200
    wrong = [
        good,
        assertion(lab, stranger),
        assertion(lab, key, aud="https://other.example/token"),
        assertion(lab, key, exp=1),
        assertion(lab, key, iss="someone"),
        assertion(lab, key) | {"client_assertion": "a.b.c"},
    ]
    assert [error_of(ask(form)) for form in wrong] == [(400, "invalid_client")] * len(wrong)
    assert lab.opens(ask(assertion(lab, key, aud=lab.line["issuer"])).json()["access_token"]) == 200


# Devices (RFC 8628)


def test_a_device_waits_until_a_person_has_decided(lab):
    """Start, pending, a person allows it on the pages, a token; and the code is over."""
    started = lab.device()
    assert started.keys() == {
        "device_code",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
        "expires_in",
        "interval",
    }
    assert (started["expires_in"], started["interval"]) == (600, 5)
    assert lab.poll(started) == "authorization_pending"
    with lab.visiting() as person:
        assert "Signed in" in person.connect(
            started["verification_uri"], started["user_code"].lower().replace("-", " ")
        )
    got = lab.poll(started)
    assert (lab.opens(got["access_token"]), got["scope"]) == (200, "read")
    assert lab.refresh(got["refresh_token"]).status_code == 200
    assert lab.poll(started) == "invalid_grant"


def test_a_complete_link_still_asks(lab):
    """RFC 8628, 5.4: the code is filled in, but a person compares and decides."""
    started = lab.device()
    with lab.visiting() as person:
        person.open(started["verification_uri_complete"])
        person.log_in()
        assert person.form().fields["user_code"] == started["user_code"]
        assert "Allow access?" in person.submit().text
        assert lab.poll(started) == "authorization_pending"
        assert "Declined" in person.submit(allow=False).text
    assert lab.poll(started) == "access_denied"


def test_a_hasty_device_is_slowed_down(lab):
    """slow_down, and 5 s more from then on."""
    started = lab.device()
    answers = []
    for pause in (0, 4, 9, 15):
        lab.clock.now += pause
        answers.append(lab.poll(started))
    assert answers == ["authorization_pending", "slow_down", "slow_down", "authorization_pending"]


def test_the_control_decides_in_a_persons_place(lab):
    """approve, deny, expire; and what is not known is said."""
    for action, outcome in (("deny", "access_denied"), ("expire", "expired_token")):
        started = lab.device()
        lab.control("device", user_code=started["user_code"], action=action)
        assert lab.poll(started) == outcome
    started = lab.device()
    lab.control("device", user_code=started["user_code"], action="approve")
    assert lab.opens(lab.poll(started)["access_token"]) == 200
    for body in ({"user_code": "NOPE-NOPE", "action": "approve"}, {"user_code": lab.device()["user_code"]}):
        assert httpx.post(lab.control_url + "/device", json=body, **PLAIN).status_code in {404, 422}


def test_device_codes_expire_and_the_interval_may_be_missing(lab):
    """The switches of F31."""
    lab.control("faults", device_interval_s=-1, device_lifetime_s=30)
    started = lab.device()
    assert "interval" not in started
    assert lab.poll(started) == "authorization_pending"
    lab.clock.now += 4
    assert lab.poll(started) == "slow_down"
    lab.clock.now += 27
    assert lab.poll(started) == "expired_token"
    with lab.visiting() as person:
        assert "time is over" in person.connect(started["verification_uri"], started["user_code"])


def test_a_device_code_is_its_clients(lab):
    """Another client cannot poll with it, and an unknown one cannot start."""
    started = lab.device()
    reply = lab.token(DEVICE_GRANT, secret=lab.line["client_secret"], device_code=started["device_code"])
    assert error_of(reply)[1] == "unauthorized_client"
    assert httpx.post(lab.line["device_url"], data={"client_id": "x"}, **PLAIN).status_code == 400


# Metadata (RFC 8414)


def test_metadata_is_what_rfc_8414_says(lab):
    """Both well-known places say the same, authlib finds nothing wrong, and every address is the announced one."""
    places = ("oauth-authorization-server", "openid-configuration")
    one, two = (httpx.get(f"{lab.origin}/.well-known/{place}", **PLAIN).json() for place in places)
    assert one == two
    AuthorizationServerMetadata(one).validate()
    announced = ("issuer", "authorize_url", "token_url", "device_url", "revoke_url")
    names = (
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "device_authorization_endpoint",
        "revocation_endpoint",
    )
    assert [one[name] for name in names] == [lab.line[name] for name in announced]
    assert set(one["grant_types_supported"]) == {
        "authorization_code",
        "client_credentials",
        "refresh_token",
        DEVICE_GRANT,
    }


def test_nothing_secret_is_kept_or_logged(lab, tmp_path):
    """Password, codes and tokens are neither in the log nor in the database."""
    with running(Settings(control=True, db=tmp_path / "db", log=tmp_path / "log")) as address:
        kept = Lab(address, None)
        code = kept.code()
        got = kept.redeem(code).json()
    leaked = [kept.line["password"], code, got["access_token"], got["refresh_token"]]
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [secret for secret in leaked if secret.encode() in files] == []
    assert kept.line["client_id"].encode() in files
