"""Finding the authorization server: RFC 8414 and OpenID metadata, and what of it is trusted."""

import json

import httpx
import pytest

import immune_nb as im
from immune_nb.auth.server import find_server

ISSUER = "https://login.example/tenant"
METADATA = {
    "issuer": ISSUER,
    "token_endpoint": "https://login.example/t",
    "authorization_endpoint": "/relative/a",
    "device_authorization_endpoint": "https://login.example/d",
    "revocation_endpoint": "https://other.example/r",
}


def profile(**more):
    return im.Profile("lab", "https://api.example", **{"issuer": ISSUER, **more})


class WellKnown:
    """Serves documents by path and remembers what was asked for."""

    def __init__(self, **documents):
        self.documents = {name.replace("_at_", "/"): body for name, body in documents.items()}
        self.asked = []

    def __call__(self, request):
        self.asked.append(request.url.path)
        body = self.documents.get(request.url.path)
        if isinstance(body, httpx.Response):
            return body
        return httpx.Response(404) if body is None else httpx.Response(200, content=json.dumps(body))


def found(body, place="/.well-known/oauth-authorization-server/tenant", **more):
    service = WellKnown()
    service.documents = {place: body}
    return find_server(profile(**more), httpx.MockTransport(service))


@pytest.mark.parametrize(
    "place",
    [
        "/.well-known/oauth-authorization-server/tenant",
        "/tenant/.well-known/openid-configuration",
        "/tenant/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/tenant",
    ],
)
def test_metadata_is_found_where_servers_put_it(place):
    """RFC 8414 3.1 before the path, OpenID behind it; a relative address is resolved, grants are not asked for."""
    server = found(METADATA, place)
    assert server.token_url == "https://login.example/t"
    assert server.authorize_url == "https://login.example/relative/a"
    assert server.revoke_url == "https://other.example/r"
    assert (server.sends_issuer, server.takes_s256) == (False, True)


def test_a_profile_without_an_issuer_asks_nobody():
    """Its own addresses are all there is."""
    lonely = im.Profile("lab", "https://api.example", token_url="https://login.example/t")
    server = find_server(lonely, httpx.MockTransport(lambda request: pytest.fail("nothing is to be asked")))
    assert server.token_url == "https://login.example/t"
    with pytest.raises(im.ConfigError, match="'lab' needs device_url.*LAB_DEVICE_URL"):
        server.url("device_url", lonely)


def test_the_profiles_own_addresses_win():
    """What the user wrote stands; the metadata completes it."""
    server = found(METADATA, token_url="https://mine.example/t")
    assert (server.token_url, server.device_url) == ("https://mine.example/t", "https://login.example/d")


def test_another_issuers_metadata_is_refused():
    """A03: RFC 8414 3.3; only a slash at the end may differ."""
    with pytest.raises(im.ConfigError, match="another issuer: https://evil.example"):
        found({**METADATA, "issuer": "https://evil.example"})
    assert found({**METADATA, "issuer": f"{ISSUER}/"}).issuer == f"{ISSUER}/"


@pytest.mark.parametrize(
    "address", ["http://login.example/t", "ftp://login.example/t", "https://u:p@login.example/", "https://[bad"]
)
def test_an_unsafe_address_in_the_metadata_is_refused(address):
    """A17, L36: the client secret would go there."""
    with pytest.raises(im.ConfigError, match="token_endpoint in lab's metadata"):
        found({**METADATA, "token_endpoint": address})


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
        httpx.Response(200, html="<html>"),
        httpx.Response(200, json=["x"]),
        httpx.Response(200, json={"token_endpoint": "https://login.example/t"}),
        httpx.Response(200, content=b'{"issuer": "' + ISSUER.encode() + b'", "x": "' + b"x" * 2**20 + b'"}'),
        httpx.Response(404),
    ],
)
def test_what_is_no_metadata_is_said_so(answer):
    """A17: no redirect is followed, nothing huge or HTML is read; the way out is named."""
    with pytest.raises(im.BadReplyError, match="publishes no OAuth metadata.*token_url"):
        found(answer)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_outage_of_the_metadata_is_one(status):
    """F01: what may pass is not called missing, whoever else's metadata lie beside it."""
    service = WellKnown()
    service.documents = {
        "/.well-known/oauth-authorization-server/tenant": httpx.Response(status),
        "/.well-known/openid-configuration/tenant": {**METADATA, "issuer": "https://other.example"},
    }
    with pytest.raises(im.UnreachableError, match=f"answered {status}.*Try again later"):
        find_server(profile(), httpx.MockTransport(service))


def test_a_redirect_is_named_and_not_followed():
    """A17: where it points is for a person to judge; a query is not shown."""
    with pytest.raises(im.BadReplyError, match="points to https://moved.example/x. Set issuer") as caught:
        found(httpx.Response(301, headers={"Location": "https://moved.example/x?session=canary"}))
    assert "canary" not in str(caught.value)


def test_a_document_without_a_token_endpoint_hides_no_better_one():
    """RFC 8414 before OpenID, but for one that is of no use; where there is no better one it stands."""
    poor = {name: value for name, value in METADATA.items() if name != "token_endpoint"}
    service = WellKnown()
    service.documents = {"/.well-known/oauth-authorization-server/tenant": poor}
    assert find_server(profile(), httpx.MockTransport(service)).token_url is None
    service.documents["/tenant/.well-known/openid-configuration"] = METADATA
    assert find_server(profile(), httpx.MockTransport(service)).token_url == "https://login.example/t"


@pytest.mark.parametrize(("said", "wants"), [(True, True), (False, False), (None, False), ("true", False)])
def test_a_wish_for_pushed_requests_is_read(said, wants):
    """RFC 9126 5."""
    assert found({**METADATA, "require_pushed_authorization_requests": said}).wants_pushed is wants


@pytest.mark.parametrize(("methods", "takes"), [(["plain"], False), (["S256"], True), ([], False), (None, True)])
def test_pkce_is_believed_unless_denied(methods, takes):
    """A07: a server that lists methods without S256 does not take it; one that lists none may."""
    assert found({**METADATA, "code_challenge_methods_supported": methods}).takes_s256 is takes
