"""What a proxy on the way out of a company gets to see: names of hosts, and bytes that tell it nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from servers.tunnel import Tunnel, tunnel

import immune_nb as im
from gauntlet.canaries import canary, leaked
from gauntlet.services import PLACES
from immune_nb.connecting import connect

KINDS = ["key", "token", "client"]


@pytest.fixture
def secret() -> str:
    """The credential, whatever its kind."""
    return canary()


@pytest.fixture(params=[False, True], ids=["http proxy", "https proxy"])
def way_out(request, secret, tmp_path, monkeypatch) -> Iterator[Tunnel]:
    """The proxy, named by the environment for everything, and the private CA that signs for what is behind it."""
    with tunnel(tmp_path, f"t{secret}", over_tls=request.param) as made:
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, made.proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
        yield made


@pytest.mark.parametrize("place", ["header", "query"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_sees_only_a_tunnel(way_out, secret, kind, place):
    """L37: queries and token requests go through it, in TLS: the host's name, and neither path nor credential."""
    profile = im.Profile(
        "lab",
        "https://api.example/v1",
        token_url="https://auth.example/token",
        api_key_in=PLACES[place],
    )
    given = {"key": {"api_key": secret}, "token": {"token": secret}}
    session = connect(profile, **given.get(kind, {"client_id": "me", "client_secret": secret}))
    assert len(session.sensors()) == 2
    session.close()
    paths = [path for path, _ in way_out.asked]
    assert paths == (["/token", "/v1/sensors"] if kind == "client" else ["/v1/sensors"])
    assert any(leaked(told, secret) for _, told in way_out.asked)
    seen = bytes(way_out.seen)
    assert b"CONNECT api.example:443" in seen
    assert (b"CONNECT auth.example:443" in seen) == (kind == "client")
    assert b"/v1/sensors" not in seen
    assert not leaked(seen, secret)


def test_a_proxy_that_is_told_is_seen(way_out, secret):
    """Positive control: L37, with a client that asks over plain http, through the same proxy."""
    context = httpx.create_ssl_context()
    proxy = httpx.Proxy(way_out.proxy, ssl_context=context if way_out.proxy.startswith("https") else None)
    with httpx.Client(proxy=proxy, verify=context) as client, suppress(httpx.HTTPError):
        client.get("http://api.example/v1/sensors", headers={"X-API-Key": secret})
    assert leaked(bytes(way_out.seen), secret)


def test_an_untrusted_ca_ends_it(way_out, secret, monkeypatch):
    """The private CA is needed: without it nothing is sent, and the hint says which variable names it."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(im.UnreachableError, match="SSL_CERT_FILE"):
        connect(im.Profile("lab", "https://api.example/v1"), api_key=secret).sensors()
    assert way_out.asked == []
