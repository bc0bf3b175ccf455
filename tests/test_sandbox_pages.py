"""The sandbox's pages in a real browser without JavaScript: they lead where they should, and complain of nothing."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from notebook_fixtures import CHROMIUM, CHROMIUM_ARGUMENTS
from playwright.sync_api import sync_playwright
from servers.scripted import html, redirect, scripted

from immune_nb.sandbox.server import running
from immune_nb.sandbox.settings import Settings

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
def chromium(request):
    """Runs steps with a page, in each theme, on a thread of its own: another test's Playwright may hold this one."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda steps: pool.submit(visit, steps, request.param).result()


def visit(steps, theme):
    """Open a page that notes what a policy forbade, and take the steps."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        context = browser.new_context(color_scheme=theme, java_script_enabled=False)
        page = context.new_page()
        page.theme, page.forbidden = theme, []
        page.on("console", lambda said: page.forbidden.append(said.text) if POLICY in said.text else None)
        steps(page)
        browser.close()


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
def test_a_person_signs_in_and_is_led_back(chromium, sandbox, decision):
    """Login, a wrong password first, consent, and the browser arrives at the client's listener on another port."""
    asked = {"response_type": "code", "client_id": sandbox.credentials.public_client_id, "state": "xyz"}
    asked |= {"scope": "read write", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}

    def steps(page):
        page.goto(f"{sandbox.origin}/oauth/authorize?{urlencode(asked)}")
        log_in(page, sandbox, "wrong")
        assert "wrong" in page.get_by_role("alert").inner_text()
        look(page, "sign_in")
        log_in(page, sandbox)
        look(page, "consent")
        page.get_by_role("button", name=decision).click()
        page.wait_for_function("document.title === 'back'")
        assert page.forbidden == []

    with scripted() as listener:
        listener.says("/callback", html("<title>back</title>"))
        asked["redirect_uri"] = listener.origin + "/callback"
        chromium(steps)
        (back,) = listener.asked("/callback")
    assert back.query["state"] == ["xyz"]
    refusal = None if decision == "Allow" else ["access_denied"]
    assert ("code" in back.query, back.query.get("error")) == (decision == "Allow", refusal)
    assert "referer" not in back.headers


def test_a_device_is_connected(chromium, sandbox):
    """The link with the code in it: sign in, see the code, compare, allow."""
    form = {"client_id": sandbox.credentials.public_client_id}
    started = httpx.post(sandbox.origin + sandbox.role.device, data=form, **PLAIN).json()

    def steps(page):
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

    chromium(steps)
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": started["device_code"]}
    assert httpx.post(sandbox.token_url, data=form | grant, **PLAIN).status_code == 200


def test_a_wrong_link_is_explained(chromium, sandbox):
    """A page, not a redirect."""

    def steps(page):
        page.goto(f"{sandbox.origin}/oauth/authorize?{urlencode({'response_type': 'code', 'client_id': '<b>x</b>'})}")
        assert page.get_by_role("heading", name="This link does not work").is_visible()
        look(page, "wrong_link")

    chromium(steps)


def test_the_policy_is_what_lets_the_browser_go_back(chromium):
    """Positive control: with a redirect to another origin than the policy's, Chromium does not follow."""

    def steps(page):
        page.goto(client.origin + "/start")
        with page.expect_event("console", lambda said: POLICY in said.text):
            page.get_by_role("button", name="Go").click()

    with scripted() as client, scripted() as stranger:
        policy = ("Content-Security-Policy", f"form-action 'self' {client.origin}")
        start = html('<form method="post" action="/go"><button>Go</button></form>')
        client.says("/start", replace(start, headers=[*start.headers, policy]))
        client.says("/go", redirect(stranger.origin + "/", 303))
        chromium(steps)
        assert (len(client.asked("/go")), stranger.asked("/")) == (1, [])
