"""Whole sign-ins against servers as processes: from the address to open to rows in a frame."""

from dataclasses import replace

import httpx
import pytest
from servers.visitor import visiting

import immune_nb as im
from immune_nb.connecting import connect
from immune_nb.pending import PendingLogin


@pytest.fixture
def profile(sandbox):
    """The sandbox as a profile that knows only its issuer."""
    return im.Profile(
        "lab", sandbox.base_url, issuer=sandbox.issuer, scopes=("read",), client_id=sandbox.public_client_id
    )


@pytest.fixture
def ada(sandbox):
    """A person with an account at the sandbox."""
    with visiting(sandbox.user, sandbox.password) as visitor:
        yield visitor


def signed_in(pending, ada):
    """Walk the person through the pages, and take the session."""
    address = ada.authorize(pending.url)
    httpx.get(address, trust_env=False).raise_for_status()
    return pending.poll()


def test_browser_sign_in_from_an_issuer_alone(sandbox, profile, ada):
    """Discovery, code with PKCE, login and consent pages, the loopback answer, a token, rows."""
    pending = PendingLogin(profile)
    assert pending.poll() is None
    session = signed_in(pending, ada)
    assert len(session.sensors(limit=5)) == 5
    status = session.status()
    assert (status.method, status.renewable, status.verified) == ("browser sign-in", True, True)
    assert status.scopes == ("read",)
    session.logout()


def test_a_pasted_address_works_with_no_listener(sandbox, profile, ada):
    """The browser cannot reach the kernel: the address it shows is pasted."""
    pending = PendingLogin(profile)
    address = ada.authorize(pending.url)
    with pytest.raises(im.QueryError):
        pending.paste(address.replace("state=", "state=x"))
    session = pending.paste(f"  {address} ")
    assert len(session.sensors(limit=5)) == 5
    session.logout()


def test_a_declined_login_says_so_and_asks_for_no_token(sandbox, profile, ada):
    """A16: access_denied at the consent page."""
    pending = PendingLogin(profile)
    httpx.get(ada.authorize(pending.url, allow=False), trust_env=False)
    before = len(sandbox.log("/oauth/token"))
    with pytest.raises(im.LoginRejectedError, match="declined"):
        pending.poll()
    assert len(sandbox.log("/oauth/token")) == before


def test_a_confidential_client_signs_in_too(sandbox, profile, ada):
    """With a secret, PKCE is sent all the same."""
    pending = PendingLogin(profile, client_id=sandbox.client_id, client_secret=sandbox.client_secret)
    assert "code_challenge_method=S256" in pending.url
    session = signed_in(pending, ada)
    assert session.status().verified is False
    assert len(session.sensors(limit=2)) == 2
    session.logout()


def test_device_sign_in(sandbox, profile, ada):
    """RFC 8628: pending until the person has typed the code and agreed."""
    pending = PendingLogin(profile, "device")
    assert pending.poll() is None
    ada.connect(pending.url, pending.user_code)
    session = pending.poll()
    assert len(session.sensors(limit=5)) == 5
    assert session.status().method == "device sign-in"
    session.logout()


def test_a_declined_device_login_says_so(profile, ada):
    """The person says no."""
    pending = PendingLogin(profile, "device")
    ada.connect(pending.url, pending.user_code, allow=False)
    with pytest.raises(im.LoginRejectedError, match="declined"):
        pending.poll()


def test_refresh_rotates_and_the_newest_is_kept(sandbox, profile, ada):
    """Three renewals in a row, each with the refresh token of the last; a 401 renews as well."""
    session = signed_in(PendingLogin(profile), ada)
    seen = set()
    for _ in range(3):
        session.renew()
        seen.add(session._login.keeper.token.refresh.reveal())
    assert len(seen) == 3
    sandbox.control("POST", "tokens", action="expire")
    assert len(session.sensors(limit=2)) == 2
    session.logout()


def test_a_revoked_login_is_refreshed_once_and_then_expired(sandbox, profile, ada):
    """F25: the refresh token is dead: one attempt, then SessionExpiredError with the next step."""
    session = signed_in(PendingLogin(profile), ada)
    session.sensors(limit=2)
    sandbox.control("POST", "tokens", action="revoke")
    before = len(sandbox.log("/oauth/token"))
    with pytest.raises(im.SessionExpiredError, match="Log in again"):
        session.sensors(limit=2)
    assert len(sandbox.log("/oauth/token")) - before == 1
    session.close()


def test_logout_revokes_at_the_server(sandbox, profile, ada):
    """A19: afterwards neither the access token nor the refresh token works, and we said so."""
    session = signed_in(PendingLogin(profile), ada)
    token = session._login.keeper.token
    access, refresh = token.access.reveal(), token.refresh.reveal()
    reply = httpx.get(f"{sandbox.base_url}/sensors", headers={"Authorization": f"Bearer {access}"}, trust_env=False)
    assert reply.status_code == 200
    assert session.logout() == "revoked"
    reply = httpx.get(f"{sandbox.base_url}/sensors", headers={"Authorization": f"Bearer {access}"}, trust_env=False)
    assert reply.status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": sandbox.public_client_id}
    assert httpx.post(sandbox.token_url, data=form, trust_env=False).status_code == 400


@pytest.fixture
def home(monkeypatch, tmp_path):
    """Where logins are kept: in files of this test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("kind", ["public", "confidential"])
def test_a_remembered_sign_in_comes_back_without_a_person(sandbox, profile, ada, kind):
    """The next kernel renews by itself, and the rotated refresh token is kept for the one after; so is a client's
    secret, without which the server neither renews nor revokes."""
    secret = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    client = secret if kind == "confidential" else {}
    first = signed_in(PendingLogin(profile, **client), ada)
    first.renew()
    first.remember()
    first.close()
    for _ in range(3):
        session = connect(profile, environ={})
        session.renew()
        assert len(session.sensors(limit=2)) == 2
        assert session.status().method == "browser sign-in"
        session.close()
    assert connect(profile, environ={}).logout() == "revoked"
    with pytest.raises(im.NoCredentialsError):
        connect(profile, environ={})


def test_without_a_client_id_the_setting_is_named(profile):
    """Nothing is asked of anybody."""
    with pytest.raises(im.ConfigError, match="LAB_CLIENT_ID"):
        PendingLogin(replace(profile, client_id=None), environ={})
    with pytest.raises(im.ConfigError, match="browser or device"):
        PendingLogin(profile, "carrier pigeon")


def test_a_profile_without_endpoints_says_which_is_missing(sandbox):
    """Explicit addresses, and the one that the method needs is not there."""
    bare = im.Profile("lab", sandbox.base_url, token_url=sandbox.token_url, client_id="x")
    with pytest.raises(im.ConfigError, match="needs authorize_url"):
        PendingLogin(bare)
    with pytest.raises(im.ConfigError, match="needs device_url"):
        PendingLogin(bare, "device")
