"""Every sign-in at an OAuth server that nobody here wrote: django-oauth-toolkit, as a process."""

from dataclasses import replace

import httpx
import pytest
from notebook_fixtures import browser  # noqa: F401 - a fixture
from servers.dot import running
from servers.visitor import visiting

import immune_nb as im
from immune_nb.connecting import connect
from immune_nb.pending import PendingLogin

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dot():
    """One server for the module."""
    with running() as found:
        yield found


@pytest.fixture
def grace(dot):
    """A person with an account there."""
    with visiting(dot.user, dot.password) as visitor:
        yield visitor


@pytest.fixture
def profile(dot):
    """A profile that knows the issuer, and the device endpoint that its metadata leaves out."""
    return im.Profile(
        "dot",
        dot.base_url,
        issuer=dot.issuer,
        device_url=dot.device_url,
        scopes=("read",),
        client_id=dot.public_client_id,
    )


def signed_in(pending, grace):
    """Through the real login and consent pages to a session."""
    httpx.get(grace.authorize(pending.url), trust_env=False).raise_for_status()
    return pending.poll()


@pytest.mark.parametrize("way", ["basic", "body", "auto"])
def test_client_credentials(dot, profile, way):
    """Both ways of client authentication, and finding out which, from the issuer's metadata."""
    session = connect(replace(profile, client_auth=way), client_id=dot.client_id, client_secret=dot.client_secret)
    assert len(session.sensors()) == 5
    session.renew()
    assert len(session.sensors()) == 5
    session.logout()


def test_a_wrong_secret_is_refused(dot, profile):
    """LoginRejectedError in the server's words."""
    with pytest.raises(im.LoginRejectedError, match="invalid_client"):
        connect(profile, client_id=dot.client_id, client_secret="wrong")


@pytest.mark.parametrize("kind", ["public", "code"])
def test_code_with_pkce(dot, profile, grace, kind):
    """A public and a confidential client, through their pages, to a frame."""
    secret = dot.code_client_secret if kind == "code" else None
    pending = PendingLogin(profile, client_id=getattr(dot, f"{kind}_client_id"), client_secret=secret)
    session = signed_in(pending, grace)
    frame = session.sensors()
    assert len(frame) == 5
    assert frame.attrs["immune"]["complete"]
    session.logout()


def test_a_declined_consent(profile, grace):
    """Their "no" is ours."""
    pending = PendingLogin(profile)
    httpx.get(grace.authorize(pending.url, allow=False), trust_env=False)
    with pytest.raises(im.LoginRejectedError, match="declined"):
        pending.poll()


def test_device(dot, profile, grace):
    """Pending, then the code typed and agreed, then a frame."""
    pending = PendingLogin(profile, "device", client_id=dot.device_client_id)
    assert pending.poll() is None
    grace.connect(pending.url, pending.user_code)
    session = pending.poll()
    assert len(session.sensors()) == 5
    session.logout()


def test_an_expired_token_is_renewed_though_the_answer_is_an_empty_403(dot, profile, grace):
    """Their 403 without `WWW-Authenticate`: one refresh, rotated, and the query goes on; twice in a row."""
    session = signed_in(PendingLogin(profile), grace)
    for _ in range(2):
        session.sensors()
        before = dot.asked(dot.token_url)
        old = session._login.keeper.token.refresh.reveal()
        dot.expire()
        assert len(session.sensors()) == 5
        assert dot.asked(dot.token_url) - before == 1
        assert session._login.keeper.token.refresh.reveal() != old
    session.logout()


def test_a_real_403_is_not_renewed_for_again_and_again(dot, profile):
    """The control: a token without the scope is renewed for once, and then believed."""
    writes = replace(profile, scopes=("write",))
    session = connect(writes, client_id=dot.client_id, client_secret=dot.client_secret)
    before = dot.asked(dot.token_url)
    for _ in range(3):
        with pytest.raises(im.LoginRejectedError, match="may not do that"):
            session.sensors()
    assert dot.asked(dot.token_url) - before == 1
    session.close()


def test_logout_revokes(dot, profile, grace):
    """Afterwards the refresh token is dead at the server."""
    session = signed_in(PendingLogin(profile), grace)
    refresh = session._login.keeper.token.refresh.reveal()
    assert session.logout() == "revoked"
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": dot.public_client_id}
    assert httpx.post(dot.token_url, data=form, trust_env=False).status_code == 400


def test_code_with_pkce_in_chromium(dot, profile, browser):  # noqa: F811
    """A real browser walks their login and consent pages, ends at our listener, and sees where to go next."""
    pending = PendingLogin(profile)
    page = browser.new_context().new_page()
    page.goto(pending.url)
    page.get_by_label("Username").fill(dot.user)
    page.get_by_label("Password").fill(dot.password)
    page.get_by_role("button", name="Log in").click()
    page.locator("input[name=allow]").click()
    page.get_by_role("heading", name="Back to your notebook").wait_for()
    page.context.close()
    session = pending.poll()
    assert len(session.sensors()) == 5
    session.logout()
