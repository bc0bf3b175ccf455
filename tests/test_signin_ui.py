"""Signing in with a person: the panel in JupyterLab and a real browser, and prompts in a real terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pexpect
import pytest
from gauntlet.canaries import leaked
from notebook_fixtures import SECONDS, Lab, NotebookPage, browser, running_lab
from playwright.sync_api import Browser, Page, expect
from servers.visitor import visiting

pytestmark = pytest.mark.slow

__all__ = ["browser"]  # a fixture, found by name

LOGIN = "%load_ext immune_nb\n%immune login --profile sandbox"
QUERY = "df = %immune readings vib_001 --last 1h\ndf.head(3)"
PATIENCE = 30 * SECONDS
Open = Callable[..., NotebookPage]


def addresses(sandbox) -> dict[str, str]:
    """Where the sandbox is and which client signs in there; no secret."""
    return {
        "SANDBOX_BASE_URL": sandbox.base_url,
        "SANDBOX_TOKEN_URL": sandbox.token_url,
        "SANDBOX_ISSUER": sandbox.issuer,
        "SANDBOX_CLIENT_ID": sandbox.public_client_id,
    }


@pytest.fixture(scope="module")
def lab(sandbox_process, tmp_path_factory) -> Iterator[Lab]:
    """JupyterLab, with widget state saved, and a profile that a person can sign in to."""
    yield from running_lab(tmp_path_factory.mktemp("lab"), addresses(sandbox_process))


@pytest.fixture
def open_notebook(lab, browser: Browser, sandbox) -> Iterator[Open]:
    """Opens notebooks; at the end their pages are closed, and none of them complained or left loopback."""
    pages: list[NotebookPage] = []

    def open_it(name: str, *cells: str, width: int = 1100) -> NotebookPage:
        lab.write(name, *cells)
        pages.append(NotebookPage(browser, lab, name, width))
        return pages[-1]

    yield open_it
    for notebook in pages:
        notebook.close()
    assert [complaint for notebook in pages for complaint in notebook.complaints] == []
    assert [url for notebook in pages for url in notebook.strangers] == []


def run(notebook: NotebookPage, *cells: int) -> None:
    """Run cells, without waiting for them."""
    for cell in cells:
        notebook.select(cell)
        notebook.run_next()


def link(notebook: NotebookPage):
    """The link of the sign-in that the panel shows."""
    found = notebook.page.locator(".immune-link[href]")
    found.wait_for(timeout=PATIENCE)
    return found


def follow(notebook: NotebookPage) -> Page:
    """Click the link; the tab that opens."""
    with notebook.context.expect_page() as opened:
        link(notebook).click()
    return opened.value


def agree(tab: Page, sandbox) -> None:
    """Sign in on the server's pages, and allow what is asked."""
    tab.get_by_label("User name").fill(sandbox.user)
    tab.get_by_label("Password").fill(sandbox.password)
    tab.get_by_role("button", name="Sign in").click()
    if tab.get_by_label("Code").count():
        tab.get_by_role("button", name="Continue").click()
    tab.get_by_role("button", name="Allow").click()


def expect_login(notebook: NotebookPage, how: str) -> None:
    """Wait until the panel says who is logged in, and how."""
    status = notebook.page.locator(".immune-status")
    expect(status).to_contain_text(f"{how} sign-in", timeout=PATIENCE)


def expect_frame(notebook: NotebookPage, index: int = 1) -> None:
    """Wait for the query's table and footer."""
    expect(notebook.output(index).locator("table.dataframe")).to_be_visible(timeout=PATIENCE)
    expect(
        notebook.output(index).get_by_text(re.compile(r"\d\d rows × 7 columns · complete · sandbox"))
    ).to_be_visible()


@pytest.mark.parametrize(("theme", "name"), [("JupyterLab Light", "light"), ("JupyterLab Dark", "dark")])
def test_code_with_pkce_from_the_panel_to_a_frame(open_notebook, lab, sandbox, theme, name):
    """Link, login page, consent, back: the panel knows, the query runs; the saved notebook holds no state (L04)."""
    lab.wear(theme)
    notebook = open_notebook(f"browser_{name}.ipynb", LOGIN, QUERY)
    run(notebook, 0)
    address = link(notebook).get_attribute("href")
    notebook.shoot(f"sign_in_browser_{name}")
    tab = follow(notebook)
    agree(tab, sandbox)
    expect(tab.get_by_role("heading", name="Back to your notebook")).to_be_visible(timeout=PATIENCE)
    tab.close()
    expect_login(notebook, "browser")
    run(notebook, 1)
    expect_frame(notebook)
    notebook.shoot(f"signed_in_browser_{name}")
    notebook.save()
    (state,) = parse_qs(urlsplit(address).query)["state"]
    saved = lab.read(f"browser_{name}.ipynb")
    assert "widget-state" in saved
    assert not leaked(saved, state)


@pytest.mark.parametrize(("theme", "name"), [("JupyterLab Light", "light"), ("JupyterLab Dark", "dark")])
def test_a_device_code_from_the_panel_to_a_frame(open_notebook, lab, sandbox, theme, name):
    """The code is large and can be copied; entered on the server's page, it logs the kernel in."""
    lab.wear(theme)
    sandbox.breaks(device_interval_s=1)
    notebook = open_notebook(f"device_{name}.ipynb", f"{LOGIN} --method device", QUERY)
    run(notebook, 0)
    link(notebook)
    notebook.shoot(f"sign_in_device_{name}")
    agree(follow(notebook), sandbox)
    expect_login(notebook, "device")
    run(notebook, 1)
    expect_frame(notebook)


def test_run_all_waits_for_the_person(open_notebook, sandbox):
    """A query behind the login waits, says for what, and goes on when the person is through."""
    notebook = open_notebook("run_all.ipynb", LOGIN, QUERY)
    run(notebook, 0, 1)
    expect(notebook.output(1).get_by_text("Waiting up to 120 s for the sign-in to sandbox")).to_be_visible(
        timeout=PATIENCE
    )
    tab = follow(notebook)
    notebook.shoot("query_waits")
    agree(tab, sandbox)
    expect_frame(notebook)
    expect_login(notebook, "browser")


def test_a_pasted_address_signs_in_where_the_listener_cannot_be_reached(open_notebook, sandbox):
    """The browser is on another computer: the address it ends at, pasted, is as good; a wrong one changes nothing."""
    notebook = open_notebook("paste.ipynb", LOGIN, QUERY)
    run(notebook, 0)
    tab = follow(notebook)
    cut = notebook.context.new_cdp_session(tab)
    cut.on(
        "Fetch.requestPaused",
        lambda paused: cut.send(
            "Fetch.failRequest", {"requestId": paused["requestId"], "errorReason": "ConnectionRefused"}
        ),
    )
    cut.send("Fetch.enable", {"patterns": [{"urlPattern": "*/callback?*"}]})
    with tab.expect_event("requestfailed", lambda request: "/callback?" in request.url) as lost:
        agree(tab, sandbox)
    page = notebook.page
    page.get_by_text("The browser ends at a page that cannot be reached?").click()
    page.get_by_label("Address", exact=True).fill("http://127.0.0.1/callback?code=made-up&state=made-up")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("That is not the address of this login.")).to_be_visible(timeout=PATIENCE)
    notebook.shoot("paste_refused")
    page.get_by_label("Address", exact=True).fill(lost.value.url)
    page.get_by_label("Address", exact=True).press("Enter")
    expect_login(notebook, "browser")
    run(notebook, 1)
    expect_frame(notebook)


def test_a_declined_and_a_cancelled_sign_in_lead_back_to_the_form(open_notebook, sandbox):
    """Declining on the server's page and Cancel in the panel: said, and the form is there again."""
    notebook = open_notebook("declined.ipynb", LOGIN, "%immune sensors")
    run(notebook, 0)
    tab = follow(notebook)
    tab.get_by_label("User name").fill(sandbox.user)
    tab.get_by_label("Password").fill(sandbox.password)
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_role("button", name="Decline").click()
    page = notebook.page
    expect(page.get_by_text("The login was declined")).to_be_visible(timeout=PATIENCE)
    notebook.shoot("declined")
    page.get_by_label("Method").select_option("Device code")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".immune-code")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The sign-in is cancelled.")).to_be_visible(timeout=PATIENCE)
    run(notebook, 1)
    expect(notebook.output(1).get_by_text("NoCredentialsError: Not logged in.")).to_be_visible(timeout=PATIENCE)


def test_a_custom_profile_typed_into_the_panel(open_notebook, sandbox):
    """API address, issuer, client and scopes are enough for a sign-in; the account, Renew and Log out follow."""
    notebook = open_notebook(
        "custom.ipynb", "%load_ext immune_nb\n%immune login --from panel", "%immune sensors --limit 3"
    )
    run(notebook, 0)
    page = notebook.page
    page.get_by_label("Profile").select_option("custom…")
    page.get_by_label("API address").fill(sandbox.base_url)
    page.get_by_label("Issuer").fill(sandbox.issuer)
    page.get_by_label("Method").select_option("Browser sign-in")
    page.get_by_label("Client id").fill(sandbox.public_client_id)
    page.get_by_label("Scopes").fill("read")
    notebook.shoot("custom")
    page.get_by_label("Scopes").press("Enter")
    agree(follow(notebook), sandbox)
    expect_login(notebook, "browser")
    expect(page.locator(".immune-status")).to_contain_text("read")
    page.get_by_role("button", name="Renew").click()
    expect(page.get_by_text("Renewed.")).to_be_visible(timeout=PATIENCE)
    run(notebook, 1)
    expect(notebook.output(1).get_by_text("· custom ·")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("Logged out of custom: revoked.")).to_be_visible(timeout=PATIENCE)


TERMINAL = ("-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=nocolor")
CLICKS = """#!{python}
import sys
sys.path.insert(0, {tests!r})
import httpx
from servers.visitor import visiting
with visiting({user!r}, {password!r}) as person:
    httpx.get(person.authorize(sys.argv[1]), trust_env=False)
"""


class Terminal:
    """IPython in a terminal, and what stands in it."""

    def __init__(self, sandbox, **environment: str) -> None:
        unseen = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
        inherited = {name: value for name, value in os.environ.items() if name not in unseen}
        self.child = pexpect.spawn(
            sys.executable,
            list(TERMINAL),
            env={**inherited, "COLUMNS": "500", **addresses(sandbox), **environment},
            dimensions=(50, 500),
            encoding="utf-8",
            timeout=60,
        )
        self.run("%load_ext immune_nb")
        self.sees(r"In \[2\]: ")

    def run(self, line: str) -> None:
        """Type a line."""
        self.child.sendline(line)

    def sees(self, pattern: str) -> str:
        """Wait for a pattern; its first group, or all of it."""
        self.child.expect(pattern)
        found = self.child.match
        return found[found.lastindex or 0]


@pytest.fixture
def open_terminal(sandbox) -> Iterator[Callable[..., Terminal]]:
    """Opens terminals, and closes them."""
    opened: list[Terminal] = []

    def open_it(**environment: str) -> Terminal:
        opened.append(Terminal(sandbox, **environment))
        return opened[-1]

    yield open_it
    for terminal in opened:
        terminal.child.close(force=True)


def test_a_device_code_at_the_prompt(open_terminal, sandbox):
    """The address and the code are shown; the prompt comes back, logged in, when the person has agreed."""
    sandbox.breaks(device_interval_s=1)
    terminal = open_terminal()
    terminal.run("%immune login --profile sandbox --method device")
    assert terminal.sees(r"Sign in at \S+: (\S+)").startswith(f"{sandbox.issuer}/device")
    code = terminal.sees(r"The code is ([A-Z]{4}-[A-Z]{4})")
    sandbox.control("POST", "device", user_code=code, action="approve")
    terminal.sees(r"Logged in to sandbox.*device sign-in")
    terminal.run("print(len(get_ipython().run_line_magic('immune', 'sensors --limit 3')), 'sensors')")
    terminal.sees("3 sensors")


def test_a_browser_of_this_machine_is_opened(open_terminal, sandbox, tmp_path):
    """Where there is a browser it gets the address, and the answer arrives by itself; no method need be named."""
    script = tmp_path / "browser"
    fields = {"python": sys.executable, "tests": str(Path(__file__).parent)}
    script.write_text(CLICKS.format(**fields, user=sandbox.user, password=sandbox.password))
    script.chmod(0o700)
    terminal = open_terminal(BROWSER=str(script))
    terminal.run("%immune login --profile sandbox")
    terminal.sees(r"Logged in to sandbox.*browser sign-in")


def test_without_a_browser_the_address_is_pasted_unseen(open_terminal, sandbox):
    """No browser here: a wrong address is refused, the right one logs in, and neither is echoed."""
    terminal = open_terminal()
    terminal.run("%immune login --profile sandbox --method browser")
    link = terminal.sees(r"Sign in at \S+: (\S+)")
    terminal.sees("Paste the address")
    terminal.run("http://127.0.0.1/callback?code=made-up&state=made-up")
    assert "made-up" not in terminal.sees(r"(?s)(.*)That is not the address of this login")
    terminal.sees("Paste the address")
    with visiting(sandbox.user, sandbox.password) as person:
        answer = person.authorize(link)
    terminal.run(answer)
    (code,) = parse_qs(urlsplit(answer).query)["code"]
    assert code not in terminal.sees(r"(?s)(.*)Logged in to sandbox.*browser sign-in")


def test_no_browser_is_opened_when_told_so(open_terminal):
    """`--no-browser` asks for the address although there is a browser."""
    terminal = open_terminal(BROWSER="false")
    terminal.run("%immune login --profile sandbox --method browser --no-browser")
    terminal.sees("Paste the address")


def test_interrupting_gives_the_prompt_back(open_terminal):
    """Ctrl-C ends the wait at once, and with it the sign-in."""
    terminal = open_terminal()
    terminal.run("%immune login --profile sandbox --method device")
    terminal.sees("The code is ")
    terminal.child.sendintr()
    terminal.sees("KeyboardInterrupt")
    terminal.run("%immune status")
    terminal.sees("Not logged in")
    terminal.run("[t.join(30) or t.is_alive() for t in __import__('threading').enumerate() if 'sign-in' in t.name]")
    assert "True" not in terminal.sees(r"Out\[\d+\]: (\[.*?\])")
