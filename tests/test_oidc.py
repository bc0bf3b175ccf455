"""A second server that nobody here wrote: oidc-provider-mock, an OpenID provider on authlib's server, as a process.

Unlike django-oauth-toolkit it issues ID tokens, wants a nonce, keeps one refresh token, offers neither revocation nor
a device grant, and its tokens tell nothing: only its userinfo endpoint knows who somebody is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from notebook_fixtures import lines_of
from servers.scripted import reply, scripted
from servers.visitor import visiting

import immune_nb as im
from immune_nb.connecting import connect
from immune_nb.pending import PendingLogin

pytestmark = pytest.mark.slow
ADA = '{"sub": "7", "email": "ada@lab.example", "name": "Ada"}'


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The provider, with a nonce required; tokens live for half a minute."""
    command = [sys.executable, "-m", "oidc_provider_mock", "-p", "0", "-n", "-e", "30", "--user-claims", ADA]
    environ = {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}  # theirs, of their own libraries
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        lines = lines_of(process.stderr)
        while not (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", lines.get(timeout=60))):
            pass
        yield found[1]
        process.terminate()
        process.wait(30)


@pytest.fixture
def profile(issuer: str) -> Iterator[im.Profile]:
    """An API that takes any token, and the provider by its issuer alone."""
    with scripted() as api:
        api.says("/sensors", reply({"data": [{"id": "a"}], "has_more": False}))
        yield im.Profile("oidc", api.origin, issuer=issuer, client_id="me", scopes=("openid", "email"))


def agreed(pending: PendingLogin) -> im.Session | None:
    """The person says who they are, and agrees."""
    with visiting("7", "") as person:
        person.open(pending.url)
        address = person.submit({"sub": "7"}).headers["location"]
    httpx.get(address, trust_env=False).raise_for_status()
    return pending.poll()


@pytest.mark.parametrize("secret", ["plain", "a:b+c/d e%="])
def test_a_confidential_client_signs_in_and_stays_in(profile, secret):
    """Code, PKCE, nonce, ID token, two renewals: one account throughout, and an honest word at the end."""
    session = agreed(PendingLogin(profile, client_secret=secret))
    assert len(session.sensors()) == 1
    assert session.status().account == "ada@lab.example"
    assert session.status().scopes == ("openid", "email")
    for _ in range(2):
        session.renew()
        assert session.status().account == "ada@lab.example"
    assert session.logout() == "the server offers no revocation"


def test_the_nonce_is_really_wanted(profile):
    """The control: without it, this server sends nobody back with a code."""
    with visiting("7", "") as person:
        pending = PendingLogin(profile, client_secret="x")
        bare = pending.url.replace("&nonce=", "&not_nonce=")
        person.open(bare)
        target = person.submit({"sub": "7"}).headers["location"] if person.page.status_code == 200 else ""
        assert "code" not in parse_qs(urlsplit(target).query)
        pending.cancel()


def test_what_it_does_not_offer_is_said(profile):
    """Client credentials are refused in its words; a device login names the missing address."""
    with pytest.raises(im.LoginRejectedError, match="unsupported_grant_type"):
        connect(profile, client_id="me", client_secret="x")
    with pytest.raises(im.ConfigError, match="needs device_url, which is neither in it nor in its issuer's metadata"):
        PendingLogin(profile, "device")


def test_a_public_client_is_refused_in_its_words(profile):
    """It wants every client to authenticate: the reason reaches the person."""
    with pytest.raises(im.LoginRejectedError, match="cannot authenticate with methods"):
        agreed(PendingLogin(profile))
