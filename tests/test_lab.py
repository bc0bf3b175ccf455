"""The panel in real JupyterLab, in a real browser: mouse, keyboard, both themes, and what is left in the notebook."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gauntlet.canaries import leaked
from notebook_fixtures import SECONDS, Lab, NotebookPage, browser, running_lab, settle
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.slow

__all__ = ["browser"]  # a fixture, found by name

LOGIN = "%load_ext immune_nb\n%immune login --profile sandbox"
QUERY = "df = %immune readings vib_001 --last 1h\ndf.head(3)"
PATIENCE = 30 * SECONDS
Open = Callable[..., NotebookPage]


@pytest.fixture(scope="module")
def lab(sandbox_process, tmp_path_factory) -> Iterator[Lab]:
    """JupyterLab, with widget state saved and the sandbox's address, but no credential, in its environment."""
    home = tmp_path_factory.mktemp("lab")
    yield from running_lab(
        home, {"SANDBOX_BASE_URL": sandbox_process.base_url, "SANDBOX_TOKEN_URL": sandbox_process.token_url}
    )


@pytest.fixture
def open_notebook(lab, browser: Browser) -> Iterator[Open]:
    """Opens notebooks; at the end their pages are closed, and none of them complained or left loopback."""
    pages: list[NotebookPage] = []

    def open_it(name: str, *cells: str, width: int = 1100) -> NotebookPage:
        if cells:
            lab.write(name, *cells)
        pages.append(NotebookPage(browser, lab, name, width))
        return pages[-1]

    yield open_it
    for notebook in pages:
        notebook.close()
    assert [complaint for notebook in pages for complaint in notebook.complaints] == []
    assert [url for notebook in pages for url in notebook.strangers] == []


def with_panel(notebook: NotebookPage) -> NotebookPage:
    """The notebook with its first cell run and the panel shown."""
    notebook.select(0)
    notebook.run_next()
    notebook.page.get_by_label("API key").wait_for(timeout=PATIENCE)
    return notebook


def expect_login(notebook: NotebookPage) -> None:
    """Wait until the panel says who is logged in."""
    expect(notebook.page.get_by_text("Logged in to sandbox")).to_be_visible(timeout=PATIENCE)


def see_frame(notebook: NotebookPage, index: int = 1) -> None:
    """Run the query in that cell, and wait for its table and footer."""
    notebook.select(index)
    notebook.run_next()
    expect(notebook.output(index).locator("table.dataframe")).to_be_visible(timeout=PATIENCE)
    expect(
        notebook.output(index).get_by_text(re.compile(r"\d\d rows × 7 columns · complete · sandbox"))
    ).to_be_visible()


@pytest.mark.parametrize(("theme", "name"), [("JupyterLab Light", "light"), ("JupyterLab Dark", "dark")])
def test_a_key_typed_and_clicked_leads_to_a_frame(open_notebook, lab, sandbox, theme, name):
    """Panel, key, Connect, next cell, frame on the page; the saved notebook has no trace of the key (L04, L06)."""
    lab.wear(theme)
    notebook = with_panel(open_notebook(f"{name}.ipynb", LOGIN, QUERY))
    notebook.shoot(f"panel_{name}")
    notebook.page.get_by_label("API key").fill(sandbox.api_key)
    notebook.page.get_by_role("button", name="Connect").click()
    expect_login(notebook)
    expect(notebook.page.get_by_label("API key")).to_have_value("")
    see_frame(notebook)
    notebook.shoot(f"frame_{name}")
    notebook.save()
    saved = lab.read(f"{name}.ipynb")
    assert "application/vnd.jupyter.widget-state+json" in saved
    assert not leaked(saved, sandbox.api_key)


def test_the_keyboard_alone_is_enough(open_notebook, lab, sandbox):
    """Tab to the field, type, Enter; letters are not notebook commands; Log out by keyboard as well."""
    lab.wear("JupyterLab Light")
    notebook = with_panel(open_notebook("keyboard.ipynb", LOGIN, QUERY))
    keyboard = notebook.page.keyboard
    notebook.select(0)
    tab_to(notebook, notebook.page.get_by_label("Profile"))
    keyboard.type("dd")  # in command mode this deletes the cell
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(notebook.page.get_by_label("API key")).to_be_focused()
    notebook.shoot("focus")
    notebook.page.get_by_label("Profile").select_option("sandbox")
    keyboard.type(f"dd{sandbox.api_key}")
    keyboard.press("Home")
    keyboard.press("Delete")
    keyboard.press("Delete")
    keyboard.press("Enter")
    expect_login(notebook)
    expect(notebook.page.locator(".jp-CodeCell")).to_have_count(2)
    tab_to(notebook, notebook.page.get_by_role("button", name="Log out"))
    keyboard.press("Enter")
    expect(notebook.page.get_by_text("Logged out of sandbox.")).to_be_visible(timeout=PATIENCE)
    expect(notebook.page.get_by_role("button", name="Connect")).to_be_focused()


def tab_to(notebook: NotebookPage, target) -> None:
    """Press Tab until the focus is there."""
    for _ in range(40):
        notebook.page.keyboard.press("Tab")
        if target.evaluate("node => node === document.activeElement"):
            return
    pytest.fail("Tab does not get there")


def test_a_refused_key_is_explained_in_the_panel(open_notebook, lab, sandbox):
    """A wrong key, an empty field, then client credentials: each outcome in the panel's own words."""
    notebook = with_panel(open_notebook("refused.ipynb", LOGIN, QUERY))
    page = notebook.page
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("API key is empty.")).to_be_visible()
    page.get_by_label("API key").fill("canary-wrong-key")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("The login was refused")).to_be_visible(timeout=PATIENCE)
    notebook.shoot("refused")
    page.get_by_label("Method").select_option("Client credentials")
    page.get_by_label("Client id").fill(sandbox.client_id)
    page.get_by_label("Client secret").fill(sandbox.client_secret)
    page.get_by_label("Client secret").press("Enter")
    expect(page.get_by_text("min left")).to_be_visible(timeout=PATIENCE)
    notebook.shoot("client_credentials")
    notebook.save()
    assert not leaked(lab.read("refused.ipynb"), "canary-wrong-key")
    assert not leaked(lab.read("refused.ipynb"), sandbox.client_secret)


def test_who_is_in_stands_at_the_head_and_the_form_is_folded(open_notebook, lab, sandbox):
    """After a login: who it is, Renew and Log out; the form is one click away, and open again after the logout."""
    lab.wear("JupyterLab Light")
    notebook = with_panel(open_notebook("folded.ipynb", LOGIN))
    page, head = notebook.page, notebook.page.locator(".immune-panel header strong")
    expect(head).to_have_text("Log in")
    expect(page.get_by_text("Log in with something else")).to_be_hidden()
    page.get_by_label("Method").select_option("Client credentials")
    page.get_by_label("Client id").fill(sandbox.client_id)
    page.get_by_label("Client secret").fill(sandbox.client_secret)
    page.get_by_role("button", name="Connect").click()
    expect(head).to_have_text(f"Logged in to sandbox as {sandbox.client_id}", timeout=PATIENCE)
    expect(page.get_by_label("Profile")).to_be_hidden()
    expect(page.get_by_role("button", name="Renew")).to_be_visible()
    notebook.shoot("logged_in")
    page.get_by_text("Log in with something else").click()
    page.get_by_label("Method").select_option("API key")
    page.get_by_label("API key").fill(sandbox.api_key)
    notebook.shoot("logged_in_unfolded")
    page.get_by_role("button", name="Connect").click()
    expect(head).to_have_text("Logged in to sandbox", timeout=PATIENCE)
    expect(page.get_by_label("Profile")).to_be_hidden()
    page.get_by_role("button", name="Log out").click()
    expect(head).to_have_text("Log in", timeout=PATIENCE)
    expect(page.get_by_label("Profile")).to_be_visible()


def test_a_key_that_is_typed_and_not_sent_is_not_saved(open_notebook, lab):
    """Saving while the field is filled leaves nothing, in the checkpoint neither (L05, L06)."""
    notebook = with_panel(open_notebook("unsent.ipynb", LOGIN))
    notebook.page.get_by_label("API key").press_sequentially("canary-Xw93kd0Lz")
    notebook.save()
    assert "widget-state" in lab.read("unsent.ipynb")
    assert not leaked(lab.read("unsent.ipynb"), "canary-Xw93kd0Lz")


def test_the_saved_notebook_probe_can_fail(open_notebook, lab):
    """Positive control: L04 L05 L06: a value typed into an ordinary password widget is in the saved notebook."""
    notebook = open_notebook("control.ipynb", "import ipywidgets\nipywidgets.Password(description='Leaky')")
    notebook.select(0)
    notebook.run_next()
    notebook.page.get_by_label("Leaky").press_sequentially("canary-Xw93kd0Lz")
    notebook.page.get_by_label("Leaky").press("Tab")
    notebook.save()
    assert leaked(lab.read("control.ipynb"), "canary-Xw93kd0Lz")


def test_a_busy_kernel_is_explained(open_notebook, sandbox):
    """While a cell runs the panel says what it waits for, and logs in when the cell has ended."""
    notebook = with_panel(open_notebook("busy.ipynb", LOGIN, "input('hold')"))
    notebook.select(1)
    notebook.run_next()
    held = notebook.page.locator(".jp-Stdin-input")
    held.wait_for(timeout=PATIENCE)
    notebook.page.get_by_label("API key").fill(sandbox.api_key)
    notebook.page.get_by_role("button", name="Connect").click()
    expect(notebook.page.get_by_text("Waiting for the kernel")).to_be_visible(timeout=PATIENCE)
    held.press("Enter")
    expect_login(notebook)


@pytest.mark.parametrize("how", ["shut down", "restarted"])
def test_a_kernel_that_is_gone_is_noticed_on_connect(open_notebook, how):
    """JupyterLab does not mark the view; sending fails, and the panel says what to do and keeps no key."""
    notebook = with_panel(open_notebook(f"{how.replace(' ', '_')}.ipynb", LOGIN))
    page = notebook.page
    if how == "restarted":
        page.get_by_role("button", name="Restart the kernel", exact=True).click()
        page.locator(".jp-Dialog .jp-mod-accept").click()
        page.locator(".jp-Dialog").wait_for(state="detached")
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=PATIENCE)
    else:
        page.get_by_role("menuitem", name="Kernel", exact=True).click()
        page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
        expect(page.get_by_text("No Kernel").first).to_be_visible(timeout=PATIENCE)
    page.get_by_label("API key").fill("canary-Xw93kd0Lz")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("This panel is from an earlier kernel.")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_label("API key")).to_have_value("")
    notebook.shoot(how.replace(" ", "_"))


@pytest.mark.parametrize("state_saved", [True, False])
def test_a_reopened_panel_says_that_it_is_dead(open_notebook, lab, state_saved):
    """With a new kernel the old panel offers no form; it says to run the login again."""
    name = f"reopened_{state_saved}.ipynb"
    widgets = "@jupyter-widgets/jupyterlab-manager/plugin"
    settle(lab.root.parent, widgets, saveState=state_saved)
    notebook = with_panel(open_notebook(name, LOGIN))
    notebook.save()
    notebook.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    notebook.page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    expect(notebook.page.get_by_text("No Kernel").first).to_be_visible(timeout=PATIENCE)
    notebook.close()
    again = open_notebook(name)
    again.complaints.clear()
    said = "This panel is from an earlier kernel." if state_saved else "No login panel here?"
    expect(again.page.get_by_text(said)).to_be_visible(timeout=PATIENCE)
    expect(again.page.get_by_role("button", name="Connect")).to_have_count(0)
    again.shoot(f"reopened_{'with' if state_saved else 'without'}_state")
    again.complaints[:] = [text for text in again.complaints if "model not found" not in text]
    settle(lab.root.parent, widgets, saveState=True)


def test_a_narrow_cell_wraps(open_notebook, lab):
    """At phone width nothing is cut off or needs sideways scrolling."""
    lab.wear("JupyterLab Light")
    notebook = with_panel(open_notebook("narrow.ipynb", LOGIN, width=560))
    panel = notebook.page.locator(".immune-panel")
    assert panel.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert panel.evaluate(
        "node => node.getBoundingClientRect().right <= node.parentElement.getBoundingClientRect().right"
    )
    notebook.shoot("narrow")


def test_help_is_no_formula_and_its_columns_are_straight(open_notebook):
    """Dollars and braces stand as they are, in the font of code."""
    notebook = open_notebook("help.ipynb", "%load_ext immune_nb\n%immune")
    notebook.select(0)
    notebook.run_next()
    help_text = notebook.output(0).locator("pre", has_text="pass Python objects")
    expect(help_text).to_contain_text(
        "%immune readings {ids} --start $noon         {name} and $name", timeout=30 * SECONDS
    )
    assert "mono" in help_text.evaluate("node => getComputedStyle(node).fontFamily").lower()
    expect(notebook.output(0).locator("mjx-container")).to_have_count(0)


def test_what_describe_tells_fits_a_narrow_page(open_notebook):
    """Where an output is 400 pixels wide, no table of an endpoint must be scrolled sideways."""
    names = ("GET /readings", "GET /alerts", "GET /sensors", "GET /predictions", "POST /webhooks")
    lines = "\n".join(f"%immune describe {name}" for name in names)
    notebook = open_notebook("describe.ipynb", f"%load_ext immune_nb\n{lines}")
    notebook.select(0)
    notebook.run_next()
    expect(notebook.output(0).get_by_text("POST /webhooks: register a webhook")).to_be_visible(timeout=PATIENCE)
    page, wide = notebook.page, "() => document.querySelector('.jp-OutputArea-output').clientWidth"
    page.set_viewport_size({"width": page.viewport_size["width"] + 400 - page.evaluate(wide), "height": 900})
    page.wait_for_function(f"({wide})() === 400")
    boxes = (
        notebook.output(0)
        .locator("table")
        .evaluate_all("tables => tables.map(table => [table.offsetWidth, table.parentElement.clientWidth])")
    )
    assert len(boxes) == 10
    assert [box for box in boxes if box[0] > box[1]] == []


def test_chromium_is_the_systems(browser: Browser):
    """The browser under test is Debian's, by name."""
    assert Path(shutil.which("chromium") or "").exists()
    assert browser.version
