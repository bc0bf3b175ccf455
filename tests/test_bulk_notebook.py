"""Ninety days of a machine, as the third notebook shows it."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "03_bulk_readings.ipynb"


@pytest.mark.slow
def test_the_bulk_notebook_runs(sandbox, monkeypatch, tmp_path):
    """Every cell, with credentials from the environment; the second ninety days are hardly fetched."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMMUNE_NB_CACHE", str(tmp_path / "kept"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    client.extra_arguments = ["--log-level=ERROR"]
    client.execute()
    printed = "".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))
    pages = {name: int(count) for name, count in re.findall(r"^(\w+): .* rows, (\d+) pages", printed, re.MULTILINE)}
    assert pages["again"] < pages["month"] / 4
    assert "the same from the store: True · as many in the folder: True" in printed
    assert any((tmp_path / "kept").glob("*/*.parquet"))


def test_the_bulk_notebook_is_stored_without_outputs():
    """What is committed holds no results and no widget state."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "widgets" not in notebook.metadata
