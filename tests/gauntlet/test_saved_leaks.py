"""What tools write down of a login: notebooks, widget state and pages made by nbconvert and nbclient."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ipywidgets
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from gauntlet.canaries import files_with, leaked
from gauntlet.services import Service
from immune_nb.notebook.magic import ImmuneMagics

CELLS = (
    "%load_ext immune_nb\n%immune login --profile lab",
    "%immune login --profile lab --from panel",
    "import os; panel = get_ipython().magics_manager.registry['ImmuneMagics'].desk.panel",
    "panel.hear({'do': 'connect', 'profile': 'lab', 'method': 'key', 'secret': os.environ['LAB_API_KEY']})",
    "df = %immune sensors -v\ndf",
    "%immune status --explain",
    "%immune logout",
)


def convert(folder: Path, form: str, secret: str, *cells: str) -> Path:
    """Run a notebook by ``nbconvert --execute``, and keep it in that form."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, folder / "run.ipynb")
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--execute",
        "--to",
        form,
        "--output",
        "done",
        "run.ipynb",
    ]
    environ = {**os.environ, "LAB_API_KEY": secret}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environ, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not leaked(done.stderr + done.stdout, secret)
    return folder / f"done.{'html' if form == 'html' else 'ipynb'}"


@pytest.mark.slow
@pytest.mark.parametrize(("form", "place"), [("html", "header"), ("notebook", "query")], indirect=["place"])
def test_nothing_is_in_what_nbconvert_writes(lab: Service, tmp_path, form):
    """L02 L03 L07: a panel shown and used, a fetch, a logout, executed to HTML and to a notebook with state."""
    (tmp_path / "work").mkdir()
    made = convert(tmp_path / "work", form, lab.secret, *CELLS)
    assert lab.was_used()
    text = made.read_text(encoding="utf-8")
    assert "vib_001" in text
    assert "application/vnd.jupyter.widget-state+json" in text
    assert files_with(lab.secret, tmp_path / "work") == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["header"], indirect=True)
def test_a_password_widget_is_in_what_nbconvert_writes(lab: Service, tmp_path):
    """Positive control: L02 L03 L07, with an ordinary password widget and a printed key."""
    leaky = "import ipywidgets, os\nipywidgets.Password(value=os.environ['LAB_API_KEY'])"
    page = convert(tmp_path, "html", lab.secret, leaky, "print(os.environ['LAB_API_KEY'])").read_text()
    outputs, _, widgets = page.partition("application/vnd.jupyter.widget-state+json")
    assert leaked(outputs, lab.secret)
    assert leaked(widgets, lab.secret)


def state() -> str:
    """All widget state there is, as a notebook would keep it."""
    return json.dumps(ipywidgets.Widget.get_manager_state(), ensure_ascii=False)


@pytest.mark.parametrize("ending", ["", "-wrong"])
def test_widget_state_is_clean_before_and_after(lab: Service, ending):
    """L09 L10: shown, submitted, refused: state, traits, repr and mimebundle of the panel."""
    from immune_nb.notebook.attempts import Attempt
    from immune_nb.notebook.panel import LoginPanel

    desk = ImmuneMagics(InteractiveShell(config=Config(HistoryManager={"enabled": False}))).desk
    panel = LoginPanel(desk, Attempt("lab"))
    before = state()
    panel.hear({"do": "connect", "profile": "lab", "method": "key", "secret": lab.secret + ending})
    assert lab.was_used() != bool(ending)
    assert not leaked(before + state() + repr(panel) + str(panel._repr_mimebundle_()), lab.secret)
    desk.close()
    panel.close()


def test_widget_state_that_holds_it_is_seen(lab: Service):
    """Positive control: L09, with an ordinary password widget."""
    widget = ipywidgets.Password(value=lab.secret)
    assert leaked(state(), lab.secret)
    widget.close()
