"""The explorer and the tail in JupyterLab, Notebook 7 and Voilà, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from notebook_fixtures import SECONDS, Lab, NotebookPage, browser, running_lab
from playwright.sync_api import Browser, Locator, expect

from immune_nb.connecting import connect

pytestmark = pytest.mark.slow

__all__ = ["browser"]  # a fixture, found by name

LOGIN = "%load_ext immune_nb\n%immune login --profile sandbox"
SAME = "import pandas\npandas.testing.assert_frame_equal(shown, df)\nprint('the same', len(df), 'rows')"
PATIENCE = 30 * SECONDS
MEGABYTE = 1_000_000
FIRST_PAINT, ZOOM = 1_500, 300  # milliseconds


class Notebook7Page(NotebookPage):
    """One notebook open in Notebook 7."""

    def open(self, name: str) -> None:
        """Open a notebook, and wait until its kernel answers."""
        self.page.goto(f"{self.lab.url}/notebooks/{name}?token={self.lab.token}")
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60 * SECONDS)
        self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60 * SECONDS)


class VoilaPage(NotebookPage):
    """One notebook as a page of Voilà."""

    def open(self, name: str) -> None:
        """Open it; Voilà runs it by itself."""
        self.page.goto(f"{self.lab.url}/voila/render/{name}?token={self.lab.token}")


@pytest.fixture(scope="module")
def lab(sandbox_process, tmp_path_factory) -> Iterator[Lab]:
    """A Jupyter server with all three front ends, and the sandbox's login in its environment."""
    yield from running_lab(tmp_path_factory.mktemp("lab"), sandbox_process.environment)


@pytest.fixture
def open_in(lab, browser: Browser) -> Iterator[Callable[..., NotebookPage]]:
    """Opens notebooks; at the end their pages are closed, and JupyterLab's complained of nothing."""
    pages: list[NotebookPage] = []

    def open_it(kind: type[NotebookPage], name: str, *cells: str, width: int = 1280) -> NotebookPage:
        lab.write(name, *cells)
        pages.append(kind(browser, lab, name, width))
        return pages[-1]

    yield open_it
    for page in pages:
        page.close()
    assert [text for page in pages if type(page) is NotebookPage for text in page.complaints] == []
    assert [url for page in pages if type(page) is not VoilaPage for url in page.strangers] == []


def run(notebook: NotebookPage, index: int) -> None:
    """Run a cell, again if the front end was not ready, and wait until it has run."""
    prompt = notebook.page.locator(".jp-CodeCell").nth(index).locator(".jp-InputPrompt")
    asked = notebook.page.locator(".jp-Dialog .jp-mod-accept")  # for a kernel, where the one it has is slow to come
    for _ in range(3):
        if asked.count():
            asked.first.click()
        notebook.select(index)
        notebook.run_next()
        try:
            expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=10 * SECONDS)
        except AssertionError:
            continue
        return
    pytest.fail("the cell does not run")


def drawn(notebook: NotebookPage) -> None:
    """Wait until the explorer has drawn and has nothing left to do."""
    expect(explorer(notebook)).to_have_attribute("data-drawn", re.compile(r"\d+"), timeout=PATIENCE)
    expect(explorer(notebook)).to_have_attribute("aria-busy", "false", timeout=PATIENCE)


def explored(open_in: Callable[..., NotebookPage], lab: Lab, name: str, line: str) -> NotebookPage:
    """A notebook in which a line has drawn an explorer, on a light ground."""
    lab.wear("JupyterLab Light")
    notebook = open_in(NotebookPage, name, LOGIN, line)
    run(notebook, 0)
    run(notebook, 1)
    drawn(notebook)
    return notebook


def explorer(notebook: NotebookPage) -> Locator:
    return notebook.page.locator(".immune-explorer")


def redrawn(notebook: NotebookPage, act: Callable[[], object]) -> None:
    """Do something, and wait until the plot is drawn anew."""
    before = int(explorer(notebook).get_attribute("data-drawn"))
    act()
    notebook.page.wait_for_function(
        "before => Number(document.querySelector('.immune-explorer').dataset.drawn) > before",
        arg=before,
        timeout=PATIENCE,
    )
    drawn(notebook)


def drag(notebook: NotebookPage, start: float, end: float) -> None:
    """Drag across a part of the plot."""
    box = notebook.page.locator(".immune-plot .nsewdrag").last.bounding_box()
    height = box["y"] + box["height"] / 2
    notebook.page.mouse.move(box["x"] + start * box["width"], height)
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] + end * box["width"], height, steps=5)
    notebook.page.mouse.up()


def measured(notebook: NotebookPage, name: str) -> list[float]:
    """How long each drawing took, in milliseconds, as the page has measured it."""
    return notebook.page.evaluate(
        "name => performance.getEntriesByName(`immune:${name}`).map(one => one.duration)", name
    )


def look_around(notebook: NotebookPage) -> None:
    """Choose a second sensor, zoom in, and take the frame."""
    drawn(notebook)
    redrawn(notebook, notebook.page.get_by_role("option", name="temp_001").click)
    redrawn(notebook, lambda: drag(notebook, 0.3, 0.7))
    explorer(notebook).get_by_label("Variable").fill("shown")
    notebook.page.get_by_role("button", name="DataFrame").click()
    expect(notebook.page.locator(".immune-explorer .immune-notice")).to_have_text(
        re.compile(r"^shown: [\d,]+ rows × 7 columns\.$"), timeout=PATIENCE
    )
    explorer(notebook).get_by_label("Variable").fill("df")
    explorer(notebook).get_by_label("Variable").press("Tab")
    expect(notebook.page.locator(".immune-code-box")).to_have_text(re.compile("--out df$"), timeout=PATIENCE)


@pytest.mark.parametrize(
    ("kind", "theme", "name"),
    [(NotebookPage, "JupyterLab Dark", "lab_dark"), (Notebook7Page, "JupyterLab Light", "notebook7_light")],
)
def test_what_is_explored_is_what_the_inserted_code_fetches(open_in, lab, kind, theme, name):
    """Two sensors, zoomed; the code goes into the cell below, runs, and gives the frame that was shown."""
    lab.wear(theme)
    notebook = open_in(kind, f"{name}.ipynb", LOGIN, "%immune explore vib_001", SAME)
    run(notebook, 0)
    run(notebook, 1)
    look_around(notebook)
    notebook.shoot(f"explorer_{name}")
    notebook.page.get_by_role("button", name="Insert code").click()
    expect(notebook.page.get_by_text("The code is in the cell below.")).to_be_visible(timeout=PATIENCE)
    expect(notebook.page.locator(".jp-CodeCell")).to_have_count(4)
    notebook.page.keyboard.press("Shift+Enter")  # it has the focus
    expect(notebook.output(2).get_by_text("complete · sandbox")).to_be_visible(timeout=PATIENCE)
    run(notebook, 3)
    expect(notebook.output(3).get_by_text(re.compile(r"the same [\d]{4} rows"))).to_be_visible(timeout=PATIENCE)


def test_in_voila_the_code_is_there_to_copy(open_in, lab, sandbox):
    """Two sensors, zoomed; there are no cells, so the code is copied; run here, it gives what the page shows."""
    plain = open_in(VoilaPage, "plain.ipynb", "1 + 1")
    plain.page.get_by_text("2", exact=True).wait_for(timeout=PATIENCE)
    page = open_in(VoilaPage, "voila.ipynb", LOGIN, "%immune explore vib_001")
    look_around(page)
    page.shoot("explorer_voila")
    page.page.get_by_role("button", name="Insert code").click()
    expect(page.page.get_by_text("This page has no cells to insert into")).to_be_visible(timeout=PATIENCE)
    page.page.get_by_role("button", name="Python").click()
    code = page.page.locator(".immune-code-box").inner_text()
    shown = [row.locator("td").all_inner_texts() for row in page.page.locator(".immune-statistics tbody tr").all()]
    with_session = {"session": connect(sandbox.profile, api_key=sandbox.api_key)}
    exec(code.split("\n")[-1], with_session)
    df = with_session["df"]
    for text, (sensor, part) in zip(shown, sorted(df.groupby("sensor_id", observed=True), reverse=True), strict=True):
        assert text[0].startswith(sensor)
        assert int(text[1].replace(",", "")) == len(part)
        values = part["value"][part["quality"] != "bad"]
        assert float(text[2].replace(",", "")) == pytest.approx(values.min(), rel=1e-4)
        assert float(text[4].replace(",", "")) == pytest.approx(values.max(), rel=1e-4)
    assert set(page.strangers) <= set(plain.strangers)  # Voilà's own page asks for fonts and MathJax
    said, usual = ({text.split("\n")[0] for text in one.complaints} for one in (page, plain))
    assert said <= usual


def test_a_million_points_are_smooth_and_not_saved(open_in, lab):
    """First paint and zooms within their times; the notebook, saved with its widgets, stays small."""
    lab.wear("JupyterLab Light")
    notebook = open_in(NotebookPage, "million.ipynb", LOGIN, "%immune explore vib_002 --last 90d")
    before = len(lab.read("million.ipynb"))
    run(notebook, 0)
    run(notebook, 1)
    page = notebook.page
    expect(page.get_by_text("That is 777,")).to_be_visible(timeout=PATIENCE)
    for sensor in ("vib_001", "temp_001"):
        page.get_by_role("option", name=sensor).click()
        expect(explorer(notebook)).to_have_attribute("aria-busy", "false", timeout=PATIENCE)
    expect(page.get_by_text("That is 1,03")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Load them").click()
    expect(page.locator(".immune-statistics")).to_contain_text("777,", timeout=60 * SECONDS)
    drawn(notebook)
    notebook.shoot("explorer_million")
    redrawn(notebook, lambda: drag(notebook, 0.2, 0.8))
    page.locator(".immune-plot").focus()
    for key in ("+", "+", "ArrowLeft", "-", "ArrowRight", "0"):
        redrawn(notebook, lambda key=key: page.keyboard.press(key))
    paints, zooms = measured(notebook, "paint"), measured(notebook, "zoom")
    assert min(paints) < FIRST_PAINT, paints
    assert min(zooms) < ZOOM, zooms  # whatever else this machine does meanwhile
    notebook.select(1)
    notebook.save()
    saved = lab.read("million.ipynb")
    assert "widget-state" in saved
    assert len(saved) - before < 2 * MEGABYTE


def test_the_keyboard_is_enough_and_narrow_is_wide_enough(open_in, lab, sandbox):
    """Search, arrows and space choose; letters are not notebook commands; nothing is cut off at phone width."""
    lab.wear("JupyterLab Dark")
    notebook = open_in(NotebookPage, "keys.ipynb", LOGIN, "%immune explore --last 1d", width=720)
    run(notebook, 0)
    run(notebook, 1)
    page = notebook.page
    page.get_by_role("option", name="vib_001").wait_for(timeout=PATIENCE)
    page.get_by_label("Search sensors").fill("dd bearing")  # no sensor, and no cell deleted either
    expect(page.get_by_text("No sensor is called so.")).to_be_visible()
    page.get_by_label("Search sensors").fill("feed pump 1 vibration")
    page.get_by_label("Search sensors").press("ArrowDown")
    expect(page.get_by_role("option", name="vib_001")).to_be_focused()
    page.keyboard.press("Space")
    drawn(notebook)
    page.get_by_label("Search sensors").fill("")
    page.get_by_role("button", name="Table", exact=True).click()
    expect(page.locator(".immune-rows")).to_contain_text("vib_001", timeout=PATIENCE)
    page.get_by_role("button", name="Later").click()
    expect(page.get_by_text("51–100 of 1,4")).to_be_visible(timeout=PATIENCE)
    redrawn(notebook, page.get_by_role("button", name="Plot", exact=True).click)
    redrawn(notebook, lambda: page.get_by_label("Average").select_option("1 h mean"))
    expect(page.locator(".immune-code-box")).to_contain_text('resample("1h")')
    expect(page.locator(".jp-CodeCell")).to_have_count(3)
    assert explorer(notebook).evaluate("node => node.scrollWidth <= node.clientWidth")
    explorer(notebook).evaluate("node => node.scrollIntoView()")
    notebook.shoot("explorer_narrow")


def test_the_theme_is_followed_and_a_reopened_explorer_is_dead(open_in, lab):
    """Another theme: the plot's colours change at once. With a new kernel the saved explorer says what to run."""
    notebook = explored(open_in, lab, "theme.ipynb", "%immune explore vib_001 --last 1d")
    stroke = "() => getComputedStyle(document.querySelector('.immune-plot .lines path')).stroke"
    light = notebook.page.evaluate(stroke)
    redrawn(notebook, lambda: choose_dark(notebook))
    assert notebook.page.evaluate(stroke) != light
    notebook.select(1)
    notebook.save()
    notebook.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    notebook.page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    expect(notebook.page.get_by_text("No Kernel").first).to_be_visible(timeout=PATIENCE)
    notebook.open("theme.ipynb")
    expect(notebook.page.get_by_text("This explorer is from an earlier kernel.")).to_be_visible(timeout=PATIENCE)
    notebook.complaints[:] = [text for text in notebook.complaints if "model not found" not in text]


def choose_dark(notebook: NotebookPage) -> None:
    """JupyterLab's own menu."""
    notebook.page.get_by_role("menuitem", name="Settings", exact=True).click()
    notebook.page.locator(".lm-Menu-itemLabel").get_by_text("Theme", exact=True).hover()
    notebook.page.locator(".lm-Menu-itemLabel").get_by_text("JupyterLab Dark", exact=True).click()


def test_what_stands_beside_the_lines_says_what_it_is(open_in, lab):
    """The zone, the limits, the marks; an alert's line is in its sensor's panel; no mark has the colour of a line."""
    notebook = explored(open_in, lab, "marks.ipynb", "%immune explore vib_001 press_001 --last 7d")
    page = notebook.page
    texts = page.locator(".immune-plot .annotation-text").all_text_contents()
    assert texts == ["UTC", "warning 4.5", "critical 7.1", "↑ warning 2.4 · critical 2.9"]
    legend = page.locator(".immune-legend")
    for word in ("questionable", "bad", "critical alert"):
        expect(legend).to_contain_text(word)
    boxes = {
        name: [
            box for part in page.locator(f".immune-plot {query}").all() if (box := part.bounding_box())["height"] > 50
        ]
        for name, query in (("panels", ".nsewdrag"), ("alerts", ".shapelayer path"))
    }
    first = min(panel["y"] + panel["height"] for panel in boxes["panels"])
    assert boxes["alerts"]
    assert all(line["y"] + line["height"] < first + 5 for line in boxes["alerts"])
    expect(page.locator(".immune-without")).to_have_text(re.compile(r"^Min to Last are without \d+ marked bad\.$"))
    color = "(nodes, part) => nodes.map((node) => getComputedStyle(node)[part])"
    marks = page.locator(".immune-plot .points path").evaluate_all(color, "fill")
    lines = page.locator(".immune-plot .lines path").evaluate_all(color, "stroke")
    assert marks
    assert not set(marks) & set(lines)
    notebook.shoot("explorer_marks")


def test_a_range_that_fails_is_not_chosen_and_is_said_beside_the_choice(open_in, lab, sandbox):
    """The plot stays, and so does the button that is pressed; the next try clears the message."""
    notebook = explored(open_in, lab, "refused.ipynb", "%immune explore vib_001 --last 1d")
    pressed = explorer(notebook).locator(".immune-choices").first.locator("[aria-pressed=true]")
    sandbox.breaks(status=403, path="/v1/readings")
    explorer(notebook).get_by_role("button", name="6 h").click()
    trouble = explorer(notebook).locator(".immune-right .immune-trouble")
    expect(trouble).to_contain_text("this login may not do that", timeout=PATIENCE)
    expect(pressed).to_have_text("1 d")
    below, plot = trouble.bounding_box(), notebook.page.locator(".immune-plot").bounding_box()
    assert below["y"] < plot["y"]
    notebook.shoot("explorer_refused")
    sandbox.breaks()
    redrawn(notebook, explorer(notebook).get_by_role("button", name="6 h").click)
    expect(pressed).to_have_text("6 h")
    expect(trouble).to_have_text("")


def test_what_is_pressed_during_a_load_waits_for_its_turn(open_in, lab, sandbox):
    """DataFrame while a range is refused: that is said beside the choice, the range returns, and the frame comes."""
    notebook = explored(open_in, lab, "turns.ipynb", "%immune explore vib_001 --last 1d")
    pressed = explorer(notebook).locator(".immune-choices").first.locator("[aria-pressed=true]")
    sandbox.breaks(status=403, path="/v1/readings", latency_ms=1_500)
    explorer(notebook).get_by_role("button", name="6 h").click()
    explorer(notebook).get_by_role("button", name="DataFrame").click()
    expect(pressed).to_have_text("6 h")
    expect(explorer(notebook).locator(".immune-notice")).to_have_text(
        re.compile(r"^df: 1,4\d\d rows"), timeout=PATIENCE
    )
    expect(explorer(notebook).locator(".immune-right .immune-trouble")).to_contain_text("this login may not do that")
    expect(pressed).to_have_text("1 d")
    expect(explorer(notebook)).to_have_attribute("aria-busy", "false")


def test_a_tail_and_a_login_beside_it_leave_the_explorer_as_it_is(open_in, lab):
    """Their stylesheets are loaded after the explorer's: it stays as wide, and its buttons as high."""
    lab.wear("JupyterLab Light")
    notebook = open_in(
        NotebookPage, "beside.ipynb", LOGIN, "%immune explore", "%immune tail vib_001", "%immune login"
    )
    run(notebook, 0)
    run(notebook, 1)
    explorer(notebook).get_by_role("option", name="vib_001").wait_for(timeout=PATIENCE)
    measure = "node => [node.offsetWidth, node.querySelector('.immune-choices button').offsetHeight]"
    before = explorer(notebook).evaluate(measure)
    run(notebook, 2)
    expect(notebook.page.locator(".immune-tail")).to_contain_text("vib_001", timeout=PATIENCE)
    run(notebook, 3)
    expect(notebook.page.get_by_label("Log in to a sensor API")).to_be_visible(timeout=PATIENCE)
    assert explorer(notebook).evaluate(measure) == before


def test_a_tail_shows_what_is_submitted_and_stops(open_in, lab, sandbox):
    """A reading sent from elsewhere turns up; Stop stops; so does clearing the cell's output."""
    lab.wear("JupyterLab Light")
    follow = "%immune tail temp_003 vib_002 --every 1s"
    threads = "import threading\n[t.name for t in threading.enumerate() if t.name == 'immune-tail']"
    notebook = open_in(NotebookPage, "tail.ipynb", LOGIN, follow, threads)
    run(notebook, 0)
    run(notebook, 1)
    page, widget = notebook.page, notebook.page.locator(".immune-tail")
    expect(widget).to_contain_text("vib_002", timeout=PATIENCE)
    instant = datetime.now(UTC).isoformat()
    body = {"sensor_id": "temp_003", "value": 77.125, "unit": "°C", "timestamp": instant}
    headers = {"Authorization": f"ApiKey {sandbox.api_key}"}
    httpx.post(f"{sandbox.base_url}/readings", json=body, headers=headers).raise_for_status()
    expect(widget.locator(".immune-value").first).to_have_text("77.125", timeout=PATIENCE)
    expect(widget.locator(".immune-log")).to_have_text(re.compile(r"\d\d:\d\d:\d\d UTC  temp_003  77\.125 °C"))
    notebook.shoot("tail_light")
    widget.get_by_role("button", name="Stop").click()
    expect(widget.get_by_text("Stopped.")).to_be_visible(timeout=PATIENCE)
    run(notebook, 1)
    expect(widget).to_have_attribute("data-live", "true", timeout=PATIENCE)
    run(notebook, 2)
    expect(notebook.output(2)).to_contain_text("['immune-tail']")
    notebook.select(1)
    page.get_by_role("menuitem", name="Edit", exact=True).click()
    page.get_by_role("menuitem", name="Clear Cell Output", exact=True).click()
    expect(widget).to_have_count(0)
    for _ in range(5):
        run(notebook, 2)
        if "immune-tail" not in notebook.output(2).inner_text():
            break
    assert "[]" in notebook.output(2).inner_text()


@pytest.mark.parametrize(("kind", "name"), [(Notebook7Page, "notebook7"), (VoilaPage, "voila")])
def test_the_login_panel_works_in_the_other_front_ends(open_in, lab, sandbox, kind, name):
    """A key typed into the panel logs in there, too."""
    lab.wear("JupyterLab Light")
    line = "%load_ext immune_nb\n%immune login --profile sandbox --from panel --method key"
    notebook = open_in(kind, f"panel_{name}.ipynb", line)
    if kind is Notebook7Page:
        run(notebook, 0)
    notebook.page.get_by_label("API key").wait_for(timeout=PATIENCE)
    notebook.shoot(f"panel_{name}")
    notebook.page.get_by_label("API key").fill(sandbox.api_key)
    notebook.page.get_by_role("button", name="Connect").click()
    expect(notebook.page.get_by_text("Logged in to sandbox")).to_be_visible(timeout=PATIENCE)
