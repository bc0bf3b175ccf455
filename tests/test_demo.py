"""The main job, end to end: the demo's notebook in a real kernel, logged in for real."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "01_first_query.ipynb"


def run(arguments, **env):
    command = [sys.executable, "-m", "immune_nb.notebook.demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=300)


@pytest.mark.slow
def test_the_demo_prints_whole_frames_and_leaves_a_page(tmp_path):
    """At least 64 sensors, a week of about 10,000 readings, as many as reported, with their dtypes."""
    done = run([NOTEBOOK, "--to", tmp_path])
    assert done.returncode == 0, done.stderr
    sensors = re.search(r"^sensors: (\d+) rows x .*, (\d+) reported, complete: True$", done.stdout, re.MULTILINE)
    week = re.search(
        r"^week: ([\d,]+) rows x 7 columns, ([\d,]+) reported, complete: True$", done.stdout, re.MULTILINE
    )
    assert int(sensors[1]) >= 64
    assert week[1] == week[2]
    assert 9_500 < int(week[1].replace(",", "")) <= 10_080
    for dtype in ("datetime64[us, UTC]", "float64", "category"):
        assert dtype in done.stdout
    page = (tmp_path / "01_first_query.html").read_text(encoding="utf-8")
    assert "image/png" in page
    assert "https://cdn" not in page


@pytest.mark.slow
def test_a_failing_cell_fails_the_demo(tmp_path):
    """Positive control: an error in a cell is a non-zero exit that names it, in one line."""
    path = tmp_path / "bad.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in ("%load_ext immune_nb", "%immune sensors")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    done = run([path, "--to", tmp_path])
    assert done.returncode == 1
    assert "NoCredentialsError" in done.stderr
    assert not (tmp_path / "bad.html").exists()


@pytest.mark.slow
def test_a_frame_without_a_reported_total_is_described(tmp_path):
    """What was kept before comes with no count of the service; the demo says so and goes on."""
    lines = ("%load_ext immune_nb", "%immune login --profile sandbox")
    lines += tuple(f"{name} = %immune readings vib_001 --last 2d --cache" for name in ("first", "again"))
    path = tmp_path / "kept.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in lines]), path)
    done = run([path, "--to", tmp_path])
    assert done.returncode == 0, done.stderr
    assert re.search(r"^again: [\d,]+ rows x 7 columns, none reported, complete: True$", done.stdout, re.MULTILINE)


def execute(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    return notebook


@pytest.mark.slow
def test_the_notebook_runs_with_credentials_from_the_environment(sandbox, monkeypatch):
    """Through nbclient, as papermill would: no panel, no prompt, every cell."""
    notebook = execute(monkeypatch, sandbox.environment)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.slow
def test_the_notebook_stops_at_a_wrong_key(sandbox, monkeypatch):
    """The run fails with LoginRejectedError, in one readable line, and no later cell runs."""
    environment = {**sandbox.environment, "SANDBOX_API_KEY": "canary-wrong-key"}
    with pytest.raises(CellExecutionError) as caught:
        execute(monkeypatch, environment)
    assert caught.value.ename == "LoginRejectedError"
    assert "canary-wrong-key" not in str(caught.value)
    assert "\n" not in caught.value.evalue
    assert re.search(r"^LoginRejectedError: GET /v1/sensors: .*Check the credential", str(caught.value), re.MULTILINE)
    assert "Traceback" not in str(caught.value)
    assert not sandbox.log("/v1/readings")


def test_the_notebook_is_stored_without_outputs():
    """What is committed holds no results and no widget state."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "widgets" not in notebook.metadata
