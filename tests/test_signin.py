"""Signing in by a person: the code grant, the device grant, refresh and revocation, against a scripted server."""

import json
from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from gauntlet.canaries import frame_values
from hypothesis import given, settings
from hypothesis import strategies as st

import immune_nb as im
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.devices import DeviceGrant
from immune_nb.auth.grants import CodeGrant, client_credentials, refresh, revoke
from immune_nb.auth.secrets import Secret
from immune_nb.auth.server import Server
from immune_nb.auth.signin import BrowserSignIn
from immune_nb.auth.tokens import Token

ISSUER = "https://login.example"
SERVER = Server(f"{ISSUER}/t", f"{ISSUER}/a", f"{ISSUER}/d", f"{ISSUER}/r", ISSUER, sends_issuer=True)
PROFILE = im.Profile(
    "lab", "https://api.example", scopes=("read", "write"), resources=("https://api.example", "urn:b")
)
TOKEN = {"access_token": "at", "token_type": "Bearer", "expires_in": 60, "refresh_token": "rt", "scope": "read write"}
DEVICE = {
    "device_code": "canary-device",
    "user_code": "ABCD-EFGH",
    "verification_uri": f"{ISSUER}/device",
    "expires_in": 600,
    "interval": 7,
}


class Script:
    """Answers in turn, the last one for ever, and remembers each form with its path."""

    def __init__(self, *answers):
        self.answers = list(answers) or [TOKEN]
        self.seen = []

    def __call__(self, request):
        form = {
            name: values if len(values) > 1 else values[0]
            for name, values in parse_qs(request.content.decode()).items()
        }
        self.seen.append((request.url.path, form))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, content=json.dumps(answer))


def error(code, status=400, **more):
    return httpx.Response(status, json={"error": code, **more})


def client(script, server=SERVER, secret=None, clock=lambda: 0.0):
    return OAuthClient(PROFILE, "me", secret, transport=httpx.MockTransport(script), server=server, clock=clock)


def asked(grant):
    return dict(parse_qs(urlsplit(grant.url).query).items())


def answer_to(grant, **changes):
    fields = {"code": "c", "state": asked(grant)["state"][0], "iss": ISSUER, **changes}
    return str(httpx.QueryParams({name: value for name, value in fields.items() if value is not None}))


def test_the_address_to_open_holds_what_the_standards_want():
    """Code, PKCE with S256, state, the exact redirect URI, scopes, every resource: and no secret."""
    grant = CodeGrant(client(Script(), secret=Secret("canary")), "http://127.0.0.1:1/cb")
    query = asked(grant)
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == ["http://127.0.0.1:1/cb"]
    assert query["scope"] == ["read write"]
    assert query["resource"] == ["https://api.example", "urn:b"]
    assert len(query["code_challenge"][0]) == 43
    assert "canary" not in grant.url


def test_verifier_and_state_are_long_and_fresh():
    """A06: at least 43 characters, never twice."""
    script = Script()
    for _ in range(2):
        grant = CodeGrant(client(script), "http://127.0.0.1:1/cb")
        grant.redeem(answer_to(grant))
    verifiers = [form["code_verifier"] for _, form in script.seen]
    assert all(len(verifier) >= 43 for verifier in verifiers)
    assert verifiers[0] != verifiers[1]


def test_the_code_is_exchanged_with_verifier_and_resource():
    """RFC 6749 4.1.3, RFC 7636 4.5, RFC 8707 2.2: a public client names itself in the body."""
    script = Script()
    grant = CodeGrant(client(script), "http://127.0.0.1:1/cb")
    token = grant.redeem(answer_to(grant))
    path, form = script.seen[0]
    assert path == "/t"
    assert form.pop("code_verifier")
    assert form == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": "http://127.0.0.1:1/cb",
        "client_id": "me",
        "resource": ["https://api.example", "urn:b"],
    }
    assert (token.access.reveal(), token.refresh.reveal(), token.scopes) == ("at", "rt", ("read", "write"))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "wrong"},  # A01
        {"state": None},  # A02
        {"state": ""},
        {"iss": "https://evil.example"},  # A03
        {"iss": None},
        {"error": "server_error", "iss": "https://evil.example"},
        {"code": None},
        {"error": "access_denied", "code": None},  # A16
        {"error": "access_denied"},
    ],
)
def test_a_wrong_answer_sends_no_token_request(changes):
    """A01 to A05, A16: wrong, missing or foreign state and issuer, errors, no code: nothing is exchanged."""
    script = Script()
    grant = CodeGrant(client(script), "http://127.0.0.1:1/cb")
    with pytest.raises(im.LoginRejectedError):
        grant.redeem(answer_to(grant, **changes))
    assert script.seen == []
    grant.redeem(answer_to(grant))
    assert len(script.seen) == 1


@pytest.mark.parametrize("doubled", ["&code=d", "&state=d", "&iss=https://evil.example"])
def test_a_doubled_field_is_refused(doubled):
    """A05: which of two codes is meant is not ours to guess."""
    script = Script()
    grant = CodeGrant(client(script), "http://127.0.0.1:1/cb")
    with pytest.raises(im.LoginRejectedError):
        grant.redeem(answer_to(grant) + doubled)
    assert script.seen == []


def test_another_sessions_answer_is_not_ours():
    """A04: a code with the state of another login is refused."""
    script = Script()
    ours, theirs = (CodeGrant(client(script), "http://127.0.0.1:1/cb") for _ in range(2))
    with pytest.raises(im.LoginRejectedError):
        ours.redeem(answer_to(theirs))
    assert script.seen == []


def test_a_server_without_s256_is_refused():
    """A07: never `plain`."""
    with pytest.raises(im.ConfigError, match="S256"):
        CodeGrant(client(Script(), replace(SERVER, takes_s256=False)), "http://127.0.0.1:1/cb")


def test_a_server_that_wants_pushed_requests_sends_nobody_to_a_browser():
    """RFC 9126: its refusal would be a page, and nothing would ever come back."""
    with pytest.raises(im.ConfigError, match="RFC 9126"):
        BrowserSignIn(client(Script(), replace(SERVER, wants_pushed=True)))


def test_a_servers_words_are_escaped_and_capped():
    """A12: ANSI, CRLF, bidi and a flood in `error_description` stay one short plain line."""
    grant = CodeGrant(client(Script()), "http://127.0.0.1:1/cb")
    nasty = "\x1b[31m<script>\r\nX\u202e" + "y" * 5000
    with pytest.raises(im.LoginRejectedError) as caught:
        grant.redeem(
            answer_to(grant, error="access_denied", error_description=nasty, error_uri="javascript:alert(1)")
        )
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 300
    assert "javascript" not in text


def test_a_pasted_address_finishes_the_login_and_a_wrong_one_does_not():
    """Paste back works without the listener; a wrong paste leaves the login open."""
    script = Script()
    registered = replace(PROFILE, redirect_uri="https://app.example/cb")
    asking = OAuthClient(registered, "me", transport=httpx.MockTransport(script), server=SERVER)
    sign_in = BrowserSignIn(asking)
    assert not sign_in.listens
    with pytest.raises(im.QueryError, match="not the address"):
        sign_in.paste("https://app.example/cb?code=x&state=y")
    token = sign_in.paste(f"https://app.example/cb?{answer_to(sign_in)}")
    assert token.access.reveal() == "at"
    assert script.seen[0][1]["redirect_uri"] == "https://app.example/cb"


def test_nobody_finishing_ends_the_sign_in():
    """After ten minutes the listener is closed and the error says to start again."""
    now = [0.0]
    sign_in = BrowserSignIn(client(Script(), clock=lambda: now[0]))
    assert sign_in.poll() is None
    now[0] = 601.0
    with pytest.raises(im.LoginRejectedError, match="in time"):
        sign_in.poll()


def test_a_device_login_from_code_to_token():
    """RFC 8628: what is shown, and pending until it is not."""
    script = Script(
        {**DEVICE, "verification_uri_complete": f"{ISSUER}/device?c=1"}, error("authorization_pending"), TOKEN
    )
    grant = DeviceGrant(client(script))
    assert (grant.user_code, grant.url, grant.interval, grant.expires_at) == ("ABCD-EFGH", f"{ISSUER}/device", 7, 600)
    assert grant.url_complete == f"{ISSUER}/device?c=1"
    assert grant.poll() is None
    assert grant.poll().access.reveal() == "at"
    assert script.seen[0] == (
        "/d",
        {"scope": "read write", "resource": ["https://api.example", "urn:b"], "client_id": "me"},
    )
    assert script.seen[1][1]["device_code"] == "canary-device"


@pytest.mark.parametrize(
    "answer",
    [
        error("authorization_pending"),
        httpx.Response(503),
        httpx.Response(502, html="<h1>Bad gateway</h1>"),
        httpx.Response(200, html="<html>"),
        httpx.Response(429),
        httpx.Response(503, headers={"Retry-After": "2"}),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.DecodingError("broken gzip"),
    ],
)
def test_what_says_nothing_leaves_the_device_login_open(answer):
    """F31: pending, 5xx, HTML, a time-out: the next poll may bring the token."""
    grant = DeviceGrant(client(Script(DEVICE, answer, TOKEN)))
    assert grant.poll() is None
    assert grant.poll() is not None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(404), r"answered 404\. Is token_url right"),
        (httpx.Response(307, headers={"Location": "https://evil.example/"}), r"answered 307\. Is token_url right"),
        ({**TOKEN, "token_type": "DPoP"}, "token of type 'DPoP'"),
        ({"token_type": "Bearer"}, "no usable access_token"),
    ],
)
def test_what_will_not_pass_ends_the_device_login(answer, words):
    """Nobody waits ten minutes for what the first poll has told."""
    grant = DeviceGrant(client(Script(DEVICE, answer)))
    with pytest.raises(im.BadReplyError, match=words):
        grant.poll()


@pytest.mark.parametrize("status", [429, 503])
def test_a_device_login_is_as_patient_as_it_is_told(status):
    """RFC 9110 10.2.3: Retry-After holds for polls, too."""
    grant = DeviceGrant(client(Script(DEVICE, httpx.Response(status, headers={"Retry-After": "40"}))))
    assert grant.poll() is None
    assert grant.interval == 40


@pytest.mark.parametrize(("interval", "expires_in", "life"), [(10**400, 10**400, 900), (0, 0, 0), (-1, "x", 900)])
def test_nonsense_of_a_device_endpoint_is_no_time(interval, expires_in, life):
    """Beyond any number, or none; a code that lives for 0 s is over."""
    grant = DeviceGrant(client(Script({**DEVICE, "interval": interval, "expires_in": expires_in})))
    assert (grant.interval, grant.expires_at) == (5, life)


def test_a_device_code_is_not_shown_whatever_the_server_wants():
    """A13: it gets the token. An address that holds it is left out, and what else there is would be no secret."""
    complete = {"verification_uri_complete": f"{ISSUER}/device?c=canary%2Ddevice"}
    assert DeviceGrant(client(Script({**DEVICE, **complete}))).url_complete is None
    for shown in ({"user_code": "canary-device"}, {"verification_uri": f"{ISSUER}/canary-device"}):
        with pytest.raises(im.BadReplyError, match="device_code") as caught:
            DeviceGrant(client(Script({**DEVICE, **shown})))
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error("access_denied"), "declined"),
        (error("expired_token"), "expired"),
        (error("invalid_grant"), "invalid_grant"),
    ],
)
def test_a_no_ends_the_device_login(answer, words):
    """F31: denied, expired, refused: an error at once, that does not show the device code."""
    grant = DeviceGrant(client(Script(DEVICE, answer)))
    with pytest.raises(im.LoginRejectedError, match=words) as caught:
        grant.poll()
    assert "canary" not in str(caught.value)


def test_slow_down_adds_five_seconds_each_time():
    """RFC 8628 3.5; without an `interval` it starts from five."""
    bare = {name: value for name, value in DEVICE.items() if name != "interval"}
    grant = DeviceGrant(client(Script(bare, error("slow_down"), error("slow_down"), error("authorization_pending"))))
    assert grant.interval == 5
    grant.poll()
    grant.poll()
    assert grant.interval == 15
    grant.poll()
    assert grant.interval == 15


def test_an_expired_code_asks_no_more():
    """F31: after `expires_in` nothing is sent."""
    now = [0.0]
    script = Script(DEVICE)
    grant = DeviceGrant(client(script, clock=lambda: now[0]))
    now[0] = 600.0
    with pytest.raises(im.LoginRejectedError, match="expired"):
        grant.poll()
    assert len(script.seen) == 1


@pytest.mark.parametrize("missing", ["device_code", "user_code", "verification_uri"])
def test_a_device_answer_without_its_fields_is_a_bad_reply(missing):
    """The field is named."""
    with pytest.raises(im.BadReplyError, match=missing):
        DeviceGrant(client(Script({name: value for name, value in DEVICE.items() if name != missing})))


def test_a_plain_http_verification_address_is_refused():
    """A13: nobody is sent to type a code over http."""
    with pytest.raises(im.ConfigError, match="plain http"):
        DeviceGrant(client(Script({**DEVICE, "verification_uri": "http://evil.example/device"})))


FIELDS = st.sampled_from(["code", "state", "iss", "error", "error_description", "error_uri", "x", ""])
KNOWN = ["canary-c0de", "OURS", ISSUER, "access_denied", "\x1b[31m"]
VALUES = st.one_of(st.text(max_size=20), st.sampled_from(KNOWN))


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(st.lists(st.tuples(FIELDS, VALUES), max_size=7), st.sampled_from(["", "&", "#", "&&code", "%00", ";"]))
def test_no_answer_but_the_right_one_is_redeemed(fields, tail):
    """A01 to A05, A12: of thousands of answers only the right one is redeemed; a refusal is one printable line."""
    script = Script()
    grant = CodeGrant(client(script), "http://127.0.0.1:1/cb")
    sent = [(name, asked(grant)["state"][0] if value == "OURS" else value) for name, value in fields]
    query = str(httpx.QueryParams(sent)) + tail
    pairs = parse_qsl(query)
    states, codes = ([value for name, value in pairs if name == wanted] for wanted in ("state", "code"))
    right = states == asked(grant)["state"] and len(codes) == 1 and dict(pairs).get("iss") == ISSUER
    right = right and codes[0].isascii() and codes[0].isprintable() and not codes[0].isspace()  # RFC 6749 A.11
    right = right and "error" not in dict(pairs) and len(dict(pairs)) == len(pairs)
    try:
        grant.redeem(query)
    except im.LoginRejectedError as refusal:
        said = str(refusal)
    else:
        said = ""
    assert bool(said) == (not right)
    assert len(script.seen) == right
    assert said.isprintable()
    assert "canary" not in said or any(
        "canary" in value for name, value in pairs if name == "iss" or name.startswith("error")
    )


OLD = Token(Secret("at0"), 0.0, 60.0, ("read", "write"), Secret("rt0"), "ann@lab.example", "ann")


@pytest.mark.parametrize(("reply", "kept"), [(TOKEN, "rt"), ({"access_token": "at"}, "rt0")])
def test_a_rotated_refresh_token_replaces_and_an_absent_one_stays(reply, kept):
    """RFC 6749 6: the newest is kept; without one the old one goes on; scopes and account too."""
    script = Script(reply)
    token = refresh(client(script), OLD)
    assert token.refresh.reveal() == kept
    assert (token.scopes, token.account, token.subject) == (("read", "write"), "ann@lab.example", "ann")
    assert script.seen[0][1]["refresh_token"] == "rt0"


def jwt(**claims):
    import base64

    return "x." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".x"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({**TOKEN, "scope": "read admin"}, "scopes"),
        ({**TOKEN, "id_token": jwt(sub="eve")}, "another user"),
        (error("invalid_grant"), "refused this login"),
    ],
)
def test_a_refresh_that_is_not_the_same_login_is_refused(reply, words):
    """A14: a wider scope, somebody else's token, a replayed refresh token."""
    with pytest.raises(im.SessionExpiredError, match=words):
        refresh(client(Script(reply)), OLD)


def test_a_narrower_refresh_of_the_same_user_is_fine():
    """A14's control: less scope, same account."""
    assert refresh(client(Script({**TOKEN, "scope": "read", "id_token": jwt(sub="ann")})), OLD).scopes == ("read",)


def test_revocation_takes_the_refresh_token_first():
    """A19, RFC 7009 2.1: then the access token, each with its hint."""
    script = Script(httpx.Response(200))
    assert revoke(client(script), OLD) == "revoked"
    assert [(path, form["token"], form["token_type_hint"]) for path, form in script.seen] == [
        ("/r", "rt0", "refresh_token"),
        ("/r", "at0", "access_token"),
    ]


@pytest.mark.parametrize(
    ("answer", "server", "said"),
    [
        (httpx.Response(503), SERVER, "revocation failed: status 503"),
        (httpx.ConnectError("refused"), SERVER, "revocation failed: no answer"),
        (httpx.Response(200), replace(SERVER, revoke_url=None), "the server offers no revocation"),
    ],
)
def test_a_revocation_that_did_not_happen_is_not_claimed(answer, server, said):
    """A19, F25: the remote result is reported as it was."""
    assert revoke(client(Script(answer), server), OLD) == said


def test_a_private_key_signs_the_client_in():
    """RFC 7523: the assertion is a JWT by the key, for this endpoint; no secret is sent."""
    import base64

    from joserfc.jwk import ECKey, RSAKey

    curves = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
    keys = [(RSAKey.generate_key(2048), "RS256"), *((ECKey.generate_key(c), a) for c, a in curves.items())]
    for key, algorithm in keys:
        script = Script()
        pem = Secret(key.as_pem(private=True).decode(), "private key")
        client_credentials(client(script, secret=pem))
        form = script.seen[0][1]
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        head, body = (
            json.loads(base64.urlsafe_b64decode(part + "==")) for part in form["client_assertion"].split(".")[:2]
        )
        assert head["alg"] == algorithm
        assert (body["iss"], body["sub"], body["aud"]) == ("me", "me", f"{ISSUER}/t")
        assert "client_secret" not in form


def pem(key: object, password: bytes = b"") -> str:
    """A key as files have it."""
    locked = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()


RSA = rsa.generate_private_key(65537, 2048)
PUBLIC = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
NOT_A_KEY = {
    "junk": ("-----BEGIN JUNK-----\nabc", "neither an RSA nor an EC key in PEM form. Use an RSA key, or one on"),
    "locked": (pem(RSA, b"pw"), "encrypted. Decrypt it: openssl pkey"),
    "public": (PUBLIC, "That is a public key"),
    "Bitcoin's curve": (pem(ec.generate_private_key(ec.SECP256K1())), "on the curve secp256k1. Use .* P-256, P-384"),
    "Germany's curve": (pem(ec.generate_private_key(ec.BrainpoolP256R1())), "on the curve brainpoolP256r1"),
    "Edwards' curve": (pem(ed25519.Ed25519PrivateKey.generate()), "neither an RSA nor an EC key"),
}


@pytest.mark.parametrize(("text", "said"), NOT_A_KEY.values(), ids=NOT_A_KEY)
def test_a_key_that_does_not_do_is_said_so(text, said):
    """A setting, as nothing was sent; and no frame holds the key."""
    secret, line = Secret(text), text.splitlines()[1]
    with pytest.raises(im.ConfigError, match=said) as caught:
        client_credentials(client(Script(), secret=secret))
    assert line not in frame_values(caught.value, __file__)


def test_what_a_file_says_of_its_key_is_passed_over():
    """`openssl pkcs12` writes Bag Attributes before the key."""
    script = Script()
    client_credentials(client(script, secret=Secret(f"Bag Attributes\n    friendlyName: Ann Lée\n{pem(RSA)}")))
    assert "client_assertion" in script.seen[0][1]
