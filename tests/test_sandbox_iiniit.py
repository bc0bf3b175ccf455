"""The sandbox playing iiniit: what is documented of it, what is plausible, and nothing that is neither."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from servers.visitor import visiting

from immune_nb.sandbox.server import running
from immune_nb.sandbox.settings import Settings

PLAIN = {"trust_env": False, "verify": False}  # http on loopback: no proxy, and no TLS context to build
BACK = "http://127.0.0.1:8976/callback"


@pytest.fixture(scope="module")
def server():
    """One server for the module."""
    with running(Settings(role="iiniit", control=True)) as address:
        yield address


@pytest.fixture
def lab(server):
    """The server as it was at the start."""
    httpx.post(server.control_url + "/reset", **PLAIN).raise_for_status()
    return server


def get(lab, path, **more):
    """Ask with the API key in the header."""
    headers = {"Authorization": f"ApiKey {lab.credentials.api_key}"}
    return httpx.get(lab.base_url + path, headers=headers, **PLAIN, **more)


def link(lab, **changes):
    """An authorization URL as the documentation writes it: without PKCE."""
    asked = {"response_type": "code", "client_id": lab.credentials.client_id, "redirect_uri": BACK}
    asked |= {"scope": "read:user read:projects", "state": "xyz"} | changes
    return f"{lab.origin}/auth/login?{urlencode(asked)}"


def signed_in(lab, **changes):
    """What a whole sign-in brings."""
    with visiting(lab.credentials.user, lab.credentials.password) as person:
        back = parse_qs(urlsplit(person.authorize(link(lab, **changes))).query)
    assert back.keys() == {"code", "state"}
    form = {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": BACK}
    return token(lab, **form).raise_for_status().json()


def token(lab, **fields):
    """Ask the token endpoint with the secret in the body, as documented."""
    made = lab.credentials
    form = {"client_id": made.client_id, "client_secret": made.client_secret} | fields
    return httpx.post(lab.token_url, data=form, **PLAIN)


def test_the_json_line_names_what_there_is():
    """No version segment, the documented paths, and null for what is not documented."""
    command = [sys.executable, "-m", "immune_nb.sandbox", "--as", "iiniit", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = json.loads(process.stdout.readline())
        process.stdin.close()
    base = line["base_url"]
    assert urlsplit(base).path == ""
    assert (line["authorize_url"], line["token_url"]) == (base + "/auth/login", base + "/oauth2/token")
    assert (line["issuer"], line["device_url"], line["revoke_url"]) == (None, None, None)
    assert line["redirect_uri"] == BACK


def test_a_key_opens_in_the_header_and_in_the_query(lab):
    """Both documented places, and neither a wrong key nor none."""
    key = lab.credentials.api_key
    url = lab.base_url + "/user"
    assert get(lab, "/user").json()["name"] == "ada"
    assert httpx.get(url, params={"api_key": key}, **PLAIN).status_code == 200
    for params in ({"api_key": "wrong"}, {}):
        assert httpx.get(url, params=params, **PLAIN).status_code == 401
    (note,) = [n for n in httpx.get(lab.control_url + "/log", **PLAIN).json()["data"] if n["query"]][:1]
    assert note["query"] == "api_key=***"


def test_a_person_signs_in_and_the_token_rotates(lab):
    """Code with state and without iss, exchange with the secret, API, refresh, and the old refresh token is over."""
    got = signed_in(lab)
    assert (got["scope"], got["expires_in"]) == ("read:user read:projects", 3600)
    bearer = {"Authorization": f"bearer {got['access_token']}"}
    assert httpx.get(lab.base_url + "/user", headers=bearer, **PLAIN).json()["id"] == "usr_ada"
    fresh = token(lab, grant_type="refresh_token", refresh_token=got["refresh_token"]).json()
    assert fresh["refresh_token"] != got["refresh_token"]
    old = token(lab, grant_type="refresh_token", refresh_token=got["refresh_token"])
    assert (old.status_code, old.json()["error"]) == (400, "invalid_grant")


def test_scopes_open_what_they_name(lab):
    """A token for the user does not show projects; any token shows what needs no scope."""
    bearer = {"Authorization": f"Bearer {signed_in(lab, scope='read:user')['access_token']}"}
    statuses = {
        path: httpx.get(lab.base_url + path, headers=bearer, **PLAIN) for path in ("/user", "/projects", "/resource")
    }
    assert [reply.status_code for reply in statuses.values()] == [200, 403, 200]
    assert "read:projects" in statuses["/projects"].json()["error"]["message"]


@pytest.mark.parametrize(
    "back", ["http://127.0.0.1:8977/callback", BACK + "/", BACK.upper(), "http://127.0.0.1/callback"]
)
def test_redirect_uris_match_exactly(lab, back):
    """Slash, case and port: no wildcards."""
    assert httpx.get(link(lab, redirect_uri=back), **PLAIN).status_code == 400
    assert httpx.get(link(lab), **PLAIN).status_code == 200


def test_api_errors_are_nested(lab):
    """The documented envelope: code, message, innererror, details."""
    error = get(lab, "/projects/nope").json()["error"]
    assert error.keys() == {"code", "message", "innererror", "details"}
    assert (error["code"], error["innererror"]) == ("not_found_error", {"code": "not_found"})
    assert error["details"] == [{"target": "id", "message": "an existing project"}]
    assert get(lab, "/nothing").json()["error"]["details"] == []


def test_oauth_errors_are_flat(lab):
    """The other documented shape, with request_id and documentation_url."""
    reply = token(lab, grant_type="refresh_token", refresh_token="unknown")
    assert reply.json().keys() >= {"error", "request_id", "documentation_url"}
    assert reply.status_code == 400


def test_projects_are_read_by_their_next_links(lab):
    """Every page once, filters kept, the key never in a link."""
    url, seen, pages = "/projects?per_page=25&status=active", [], 0
    key = {"params": {"api_key": lab.credentials.api_key}}
    first = httpx.get(lab.base_url + "/projects", **key, **PLAIN).json()
    assert "api_key" not in first["next"]
    while url:
        page = get(lab, url).json()
        url = page["next"] and page["next"].removeprefix(lab.base_url)
        seen += page["items"]
        pages += 1
    assert pages == 2
    assert len({project["id"] for project in seen}) == page["total"] == 49
    assert get(lab, "/projects/prj_001").json()["status"] == "active"
    assert isinstance(get(lab, "/resource").json(), list)


@pytest.mark.parametrize("params", [{"page": "0"}, {"per_page": "101"}, {"per_page": "x"}])
def test_a_wrong_page_is_named(lab, params):
    """422, and the field is the target."""
    reply = get(lab, "/projects", params=params)
    assert reply.status_code == 422
    assert reply.json()["error"]["details"][0]["target"] in params


def test_nothing_undocumented_is_there(lab):
    """No discovery, no device flow, no revocation."""
    for path in ("/.well-known/openid-configuration", "/oauth/revoke", "/device"):
        assert get(lab, path).status_code == 404
    reply = token(lab, grant_type="urn:ietf:params:oauth:grant-type:device_code", device_code="x")
    assert reply.json()["error"] == "unsupported_grant_type"


def test_faults_hit_the_api_and_not_the_sign_in(lab):
    """Without a path, a fault means the whole API."""
    httpx.post(lab.control_url + "/faults", json={"status": 503}, **PLAIN).raise_for_status()
    assert get(lab, "/user").status_code == 503
    assert httpx.get(link(lab), **PLAIN).status_code == 200
