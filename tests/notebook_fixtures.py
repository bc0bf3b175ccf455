"""JupyterLab and a browser, as real processes on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
CHROMIUM_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"
SECONDS = 1000  # playwright counts milliseconds


@dataclass
class Lab:
    """A running JupyterLab.

    Attributes:
        url: Its address, without a slash at the end.
        token: What it wants to see.
        root: Where its notebooks lie.
    """

    url: str
    token: str
    root: Path

    def write(self, name: str, *cells: str) -> Path:
        """Write a notebook of code cells."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.root / name
        nbformat.write(notebook, path)
        return path

    def wear(self, theme: str) -> None:
        """Choose the theme of pages opened from now on."""
        settle(self.root.parent, "@jupyterlab/apputils-extension/themes", theme=theme)

    def read(self, name: str) -> str:
        """Everything of a notebook on disk, its checkpoint included."""
        files = [self.root / name, *(self.root / ".ipynb_checkpoints").glob(f"{Path(name).stem}*")]
        return "\n".join(path.read_text(encoding="utf-8") for path in files)


def lines_of(stream: IO[str]) -> queue.Queue[str]:
    """What a process says, line by line, without ever blocking it."""
    lines: queue.Queue[str] = queue.Queue()

    def pump() -> None:
        with contextlib.suppress(ValueError):  # closed while it is read: the process has ended
            for line in stream:
                lines.put(line)

    threading.Thread(target=pump, daemon=True).start()
    return lines


def settle(home: Path, plugin: str, **settings: object) -> None:
    """Set a user setting of JupyterLab; pages opened from now on have it."""
    path = home / "settings" / f"{plugin}.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings), encoding="utf-8")


def lab_environment(home: Path, extra: dict[str, str]) -> dict[str, str]:
    """An environment in which JupyterLab keeps everything under `home`."""
    folders = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
    }
    settle(home, "@jupyter-widgets/jupyterlab-manager/plugin", saveState=True)
    settle(home, "@jupyterlab/apputils-extension/notification", fetchNews="false", checkForUpdates=False)
    secrets = ("_API_KEY", "_TOKEN", "_CLIENT_ID", "_CLIENT_SECRET")
    inherited = {name: value for name, value in os.environ.items() if not name.endswith(secrets)}
    return {**inherited, **{name: str(path) for name, path in folders.items()}, **extra}


def running_lab(home: Path, extra: dict[str, str]) -> Iterator[Lab]:
    """Start JupyterLab with its folders under `home`, and end it."""
    root = home / "notebooks"
    root.mkdir(parents=True)
    token = "the-token-of-this-test-lab"
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *("--ServerApp.port=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}"),
        *("--LabApp.news_url=None", "--LabApp.extension_manager=readonly"),
    ]
    process = subprocess.Popen(
        command,
        env=lab_environment(home, extra),
        cwd=root,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    lines = lines_of(process.stderr)
    try:
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+)/", lines.get(timeout=60))):
            pass
        yield Lab(found[1], token, root)
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()


BROWSER = pytest.StashKey[Browser]()


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Browser:
    """Debian's Chromium, headless: one for all the modules that ask, as playwright starts only once on a thread."""
    if CHROMIUM is None:
        pytest.fail("chromium is missing: apt-get install chromium")
    config = request.config
    if BROWSER not in config.stash:
        playwright = sync_playwright().start()
        config.add_cleanup(playwright.stop)
        config.stash[BROWSER] = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        config.add_cleanup(config.stash[BROWSER].close)
    return config.stash[BROWSER]


class NotebookPage:
    """One notebook open in JupyterLab, and what its page complained about."""

    def __init__(self, browser: Browser, lab: Lab, name: str, width: int = 1100) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900})
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._note_stranger(request.url, lab.url))
        self.lab = lab
        self.open(name)

    def open(self, name: str) -> None:
        """Open a notebook, and wait until its kernel is idle."""
        self.page.goto(f"{self.lab.url}/lab/tree/{name}?token={self.lab.token}&reset")
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60 * SECONDS)
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60 * SECONDS)

    def run_next(self) -> None:
        """Run the selected cell and select the next one."""
        self.page.keyboard.press("Shift+Enter")

    def select(self, index: int) -> None:
        """Select a cell by its number, in command mode."""
        self.page.locator(".jp-Cell .jp-InputPrompt").nth(index).click()

    def output(self, index: int):
        """What stands under a cell."""
        return self.page.locator(".jp-CodeCell").nth(index).locator(".jp-Cell-outputWrapper")

    def save(self) -> None:
        """Save the notebook, and wait until it is saved."""
        self.page.keyboard.press("Control+s")
        expect(self.page.locator(".jp-mod-dirty")).to_have_count(0, timeout=30 * SECONDS)

    def shoot(self, name: str) -> Path:
        """Keep a picture of the page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def close(self) -> None:
        """Close the page."""
        self.context.close()

    def _note_stranger(self, url: str, home: str) -> None:
        if url.startswith(("http://", "https://", "ws://", "wss://")) and home.split("//")[1] not in url:
            self.strangers.append(url)
