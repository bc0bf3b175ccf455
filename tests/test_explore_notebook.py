"""The fourth notebook, and `%immune explore` and `tail` where nobody can click: nbclient, and a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "04_explore.ipynb"
LOGIN = "%load_ext immune_nb\n%immune login --profile sandbox"
MEGABYTE = 1_000_000
MILLION = """
from immune_nb.notebook.exploration import Exploration
from immune_nb.notebook.explorer import Explorer
import immune_nb as im
exploration = Exploration(im.current(), ["vib_002", "vib_001", "temp_001"], last="90d")
explorer = Explorer(exploration, get_ipython())
display(explorer)
explorer.hear({"do": "plotly"})
explorer.hear({"do": "load", "chosen": exploration.chosen, "sure": True})
explorer.hear({"do": "frame", "name": "df"})
print(len(df), "rows")
"""


@pytest.fixture
def executed(sandbox, monkeypatch):
    """Runs cells, or a notebook, in a real kernel that is logged in from its environment."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)

    def execute(*sources):
        cells = [nbformat.v4.new_code_cell(source) for source in (LOGIN, *sources)]
        return run(nbformat.v4.new_notebook(cells=cells))

    return execute


def run(notebook):
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    client.extra_arguments = ["--log-level=ERROR"]
    try:
        client.execute()
    except CellExecutionError as error:
        error.notebook = notebook
        raise
    return notebook


def shown(cell, mime):
    """What a cell shows of a kind."""
    return [out["data"][mime] for out in cell.outputs if mime in out.get("data", {})]


def printed(cell):
    return "".join(out.get("text", "") for out in cell.outputs)


@pytest.mark.slow
def test_the_notebook_runs_where_nobody_clicks(executed):
    """Every cell: tables with units, a picture in place of the widget, and the tail within its bound."""
    notebook = run(nbformat.read(NOTEBOOK, as_version=4))
    cells = {cell.source.splitlines()[0]: cell for cell in notebook.cells if cell.cell_type == "code"}
    explore = cells["%immune explore vib_001 temp_001 --last 7d"]
    assert len(shown(explore, "image/png")) == 1
    assert "10,0" in "".join(shown(explore, "text/plain"))
    assert "%immune readings vib_001 temp_001 --start" in "".join(shown(explore, "text/plain"))
    assert not any("widget-view" in mime for out in explore.outputs for mime in out.get("data", {}))
    assert "immune-table" in "".join(shown(cells["sensors = %immune sensors"], "text/html"))
    tail = next(cell for cell in notebook.cells if cell.source.startswith("%immune tail"))
    assert "vib_002" in printed(tail)


def test_the_notebook_is_stored_without_outputs():
    """What is committed holds no results and no widget state."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "widgets" not in notebook.metadata


@pytest.mark.slow
def test_a_million_readings_do_not_swell_the_notebook(executed):
    """nbclient keeps the state of widgets; an explorer that has drawn a million readings adds its own script."""
    notebook = executed(MILLION)
    assert int(printed(notebook.cells[1]).split()[0]) > MEGABYTE
    assert "application/vnd.jupyter.widget-state+json" in notebook.metadata["widgets"]
    assert len(nbformat.writes(notebook)) < 2 * MEGABYTE


@pytest.mark.slow
def test_the_size_probe_can_fail(executed):
    """Positive control: plotly's own widget, without a single reading, swells it."""
    control = "import plotly.graph_objects as go\ndisplay(go.FigureWidget())"
    assert len(nbformat.writes(executed(control))) > 2 * MEGABYTE


@pytest.mark.slow
def test_without_sensors_there_are_machines_and_without_a_bound_no_tail(executed):
    """Which machine has which sensors, and how they are; a tail that nobody could stop is refused in one line."""
    with pytest.raises(CellExecutionError, match="UsageError: Nobody can stop a tail here") as refused:
        executed("%immune explore", "%immune tail vib_001")
    explore = refused.value.notebook.cells[1]
    text = "\n".join(shown(explore, "text/plain"))
    assert "pump_001" in text
    assert "hum_002 (offline)" in text
    assert "66 online, 1 offline, 1 error" in text


@pytest.mark.slow
def test_in_a_terminal_there_are_tables_and_lines(sandbox, tmp_path):
    """IPython: statistics with a line of blocks, and new readings as lines until the time is over."""
    script = tmp_path / "session.ipy"
    lines = ["%immune explore vib_001 temp_001 --last 1d", "%immune tail vib_001 --for 1s"]
    script.write_text("\n".join([LOGIN, *lines, ""]), encoding="utf-8")
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | sandbox.environment)
    assert done.returncode == 0, done.stderr
    assert "over time" in done.stdout
    assert "▇" in done.stdout
    assert "vib_001  " in done.stdout
    assert "mm/s  good" in done.stdout
