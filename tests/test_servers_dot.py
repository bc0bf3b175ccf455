"""The independent server does what it is there for, by plain HTTP: so that a client that fails at it knows why."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from servers.dot import running
from servers.visitor import visiting

pytestmark = pytest.mark.slow

PLAIN = {"trust_env": False, "verify": False}  # http on loopback: no proxy, and no TLS context to build
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "http://127.0.0.1:50123/callback"


@pytest.fixture(scope="module")
def dot():
    """One process for the module."""
    with running() as found:
        yield found


def token(dot, client="public_", **fields):
    """Ask the token endpoint as one of the clients."""
    line = vars(dot)
    form = {"client_id": line[client + "client_id"], "client_secret": line.get(client + "client_secret")} | fields
    return httpx.post(dot.token_url, data={k: v for k, v in form.items() if v}, **PLAIN)


def opens(dot, access_token):
    headers = {"Authorization": f"Bearer {access_token}"}
    return httpx.get(dot.base_url + "/sensors", headers=headers, **PLAIN)


def signed_in(dot, client="public_"):
    """Login page, consent page, code, tokens."""
    asked = {"response_type": "code", "client_id": vars(dot)[client + "client_id"], "redirect_uri": BACK}
    asked |= {"scope": "read", "state": "st&te", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    url = f"{dot.authorize_url}?{urlencode(asked)}"
    with visiting(dot.user, dot.password) as person:
        back = parse_qs(urlsplit(person.authorize(url)).query)
        refused = parse_qs(urlsplit(person.authorize(url, allow=False)).query)
    assert (back["state"], refused["error"]) == (["st&te"], ["access_denied"])
    form = {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": BACK}
    return token(dot, client, **form, code_verifier=VERIFIER).raise_for_status().json()


def test_client_credentials_open_the_list(dot):
    """With the secret in Basic and in the body; without, nothing."""
    basic = (dot.client_id, dot.client_secret)
    got = httpx.post(dot.token_url, data={"grant_type": "client_credentials"}, auth=basic, **PLAIN).json()
    assert len(opens(dot, got["access_token"]).json()["data"]) == 5
    assert token(dot, "", grant_type="client_credentials").status_code == 200
    assert token(dot, "", grant_type="client_credentials", client_secret="wrong").status_code == 401


@pytest.mark.parametrize("client", ["public_", "code_"])
def test_a_person_signs_in_and_tokens_rotate(dot, client):
    """Code and PKCE on the real pages; an old refresh token ends the family; an expired token is an empty 403."""
    first = signed_in(dot, client)
    assert opens(dot, first["access_token"]).status_code == 200
    dot.expire()
    reply = opens(dot, first["access_token"])
    assert (reply.status_code, reply.text, reply.headers.get("www-authenticate")) == (403, "", None)
    second = token(dot, client, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert opens(dot, second["access_token"]).status_code == 200
    for spent in (first, second):
        reply = token(dot, client, grant_type="refresh_token", refresh_token=spent["refresh_token"])
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


def test_revoking_the_refresh_token_ends_the_login(dot):
    """RFC 7009."""
    got = signed_in(dot)
    form = {"token": got["refresh_token"], "client_id": dot.public_client_id}
    assert httpx.post(dot.revoke_url, data=form, **PLAIN).status_code == 200
    assert opens(dot, got["access_token"]).status_code == 403


@pytest.mark.parametrize("allow", [True, False])
def test_a_device_waits_for_a_person(dot, allow):
    """Start, pending, the real pages, a token or a refusal."""
    started = httpx.post(dot.device_url, data={"client_id": dot.device_client_id, "scope": "read"}, **PLAIN).json()
    form = {"grant_type": DEVICE_GRANT, "device_code": started["device_code"]}
    assert token(dot, "device_", **form).json() == {"error": "authorization_pending"}
    with visiting(dot.user, dot.password) as person:
        person.connect(started["verification_uri_complete"], started["user_code"], allow=allow)
    reply = token(dot, "device_", **form).json()
    if allow:
        assert opens(dot, reply["access_token"]).status_code == 200
    else:
        assert reply == {"error": "access_denied"}


def test_metadata_is_where_an_issuer_with_a_path_has_it(dot):
    """RFC 8414, 3.1; it lists the device grant and leaves its endpoint out."""
    url = urlsplit(dot.issuer)
    said = httpx.get(f"{url.scheme}://{url.netloc}/.well-known/oauth-authorization-server{url.path}", **PLAIN).json()
    assert (said["issuer"], said["token_endpoint"]) == (dot.issuer, dot.token_url)
    assert DEVICE_GRANT in said["grant_types_supported"]
    assert "device_authorization_endpoint" not in said


def test_requests_are_counted(dot):
    """So that a test can say how many refreshes there were."""
    before = dot.asked(dot.token_url)
    token(dot, "", grant_type="client_credentials")
    assert dot.asked(dot.token_url) == before + 1


def test_lifetime_and_rotation_are_switches():
    """Short tokens, and a refresh token that stays."""
    with running("--access-seconds", "30", "--no-rotation") as other:
        got = signed_in(other)
        again = token(other, grant_type="refresh_token", refresh_token=got["refresh_token"]).json()
        assert (got["expires_in"], again["refresh_token"]) == (30, got["refresh_token"])
