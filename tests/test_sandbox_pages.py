"""The sandbox's pages in a real browser without JavaScript: they lead where they should, and complain of nothing."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from notebook_fixtures import browser
from servers.scripted import html, scripted

from immune_nb.sandbox.server import running
from immune_nb.sandbox.settings import Settings

__all__ = ["browser"]

pytestmark = pytest.mark.slow

PLAIN = {"trust_env": False, "verify": False}  # http on loopback: no proxy, and no TLS context to build
POLICY = "Content Security Policy"
CHALLENGE = urlsafe_b64encode(sha256(b"v" * 43).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def sandbox():
    """One server for the module."""
    with running(Settings(control=True)) as address:
        yield address


@pytest.fixture(params=["light", "dark"])
def page(request, browser):
    """A page without JavaScript, in both themes, that notes what the policy forbade."""
    with browser.new_context(
        color_scheme=request.param, java_script_enabled=False, viewport={"width": 900, "height": 760}
    ) as context:
        page = context.new_page()
        page.theme, page.forbidden = request.param, []
        page.on("console", lambda said: page.forbidden.append(said.text) if POLICY in said.text else None)
        yield page


def look(page, name):
    """Keep a picture for whoever wants to look: IMMUNE_NB_PICTURES names a folder."""
    folder = os.environ.get("IMMUNE_NB_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}_{page.theme}.png")


def log_in(page, sandbox, password=None):
    page.get_by_label("User name").fill(sandbox.credentials.user)
    page.get_by_label("Password").fill(password or sandbox.credentials.password)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("decision", ["Allow", "Decline"])
def test_a_person_signs_in_and_is_led_back(page, sandbox, decision):
    """Login, a wrong password first, consent, and the browser arrives at the client's listener on another port."""
    with scripted() as listener:
        listener.says("/callback", html("<title>back</title>"))
        asked = {"response_type": "code", "client_id": sandbox.credentials.public_client_id, "state": "xyz"}
        asked |= {"redirect_uri": listener.origin + "/callback", "scope": "read write"}
        asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        page.goto(f"{sandbox.origin}/oauth/authorize?{urlencode(asked)}")
        log_in(page, sandbox, "wrong")
        assert "wrong" in page.get_by_role("alert").inner_text()
        look(page, "sign_in")
        log_in(page, sandbox)
        look(page, "consent")
        page.get_by_role("button", name=decision).click()
        assert page.title() == "back"
        (back,) = listener.asked("/callback")
    assert back.query["state"] == ["xyz"]
    assert ("code" in back.query, back.query.get("error")) == (
        (True, None) if decision == "Allow" else (False, ["access_denied"])
    )
    assert "referer" not in back.headers
    assert page.forbidden == []


def test_a_device_is_connected(page, sandbox):
    """The link with the code in it: sign in, see the code, compare, allow."""
    form = {"client_id": sandbox.credentials.public_client_id}
    started = httpx.post(sandbox.origin + sandbox.role.device, data=form, **PLAIN).json()
    page.goto(started["verification_uri_complete"])
    log_in(page, sandbox)
    assert page.get_by_label("Code").input_value() == started["user_code"]
    look(page, "code")
    page.get_by_role("button", name="Continue").click()
    assert started["user_code"] in page.locator("main").inner_text()
    look(page, "device_consent")
    page.get_by_role("button", name="Allow").click()
    assert page.get_by_role("heading", name="Signed in").is_visible()
    look(page, "device_done")
    assert page.forbidden == []
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": started["device_code"]}
    assert httpx.post(sandbox.token_url, data=form | grant, **PLAIN).status_code == 200


def test_a_wrong_link_is_explained(page, sandbox):
    """A page, not a redirect."""
    page.goto(f"{sandbox.origin}/oauth/authorize?{urlencode({'response_type': 'code', 'client_id': '<b>x</b>'})}")
    assert page.get_by_role("heading", name="This link does not work").is_visible()
    look(page, "wrong_link")


def test_the_policy_is_what_lets_the_browser_go_back(page, sandbox):
    """Positive control: with a redirect to another origin than the policy's, Chromium does not follow."""
    with scripted() as client, scripted() as stranger:
        policy = ("Content-Security-Policy", f"form-action 'self' {client.origin}")
        start = html('<form method="post" action="/go"><button>Go</button></form>')
        client.says("/start", type(start)(200, [*start.headers, policy], start.body))
        client.says("/go", type(start)(303, [("Location", stranger.origin + "/")]))
        page.goto(client.origin + "/start")
        with page.expect_event("console", lambda said: POLICY in said.text):
            page.get_by_role("button", name="Go").click()
        assert (len(client.asked("/go")), stranger.asked("/")) == (1, [])
