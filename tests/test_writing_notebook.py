"""Alerts and writing back, as the fifth notebook shows it."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "05_alerts_and_writing_back.ipynb"


def printed(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs)


@pytest.mark.slow
def test_the_writing_notebook_runs(sandbox, monkeypatch):
    """Every cell, with nobody to ask; each write arrives once; no signing secret is in the notebook."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    said = printed(notebook)
    for line in (
        "Nothing was sent.",
        "read back as sent: True",
        "1 of 3 readings cannot be sent: row 1: value is missing.",
        "mended: ['accepted']",
        "POST /v1/alert-rules: 201 Created",
        "genuine: True",
        "forged: False",
        "('alert.triggered', 'critical', 'Bearing close to failure: 31.5 > 25 mm/s')",
    ):
        assert line in said
    assert "whsec_" not in json.dumps(notebook)
    assert sandbox.api_key not in json.dumps(notebook)
    sent = [(e["method"], e["path"].partition("/v1")[2]) for e in sandbox.log("/v1/") if e["method"] != "GET"]
    assert sent[0][0] == "PATCH"
    assert sent[1:] == [
        ("POST", "/readings/batch"),
        ("POST", "/readings/batch"),
        ("POST", "/readings"),
        ("POST", "/webhooks"),
        ("POST", "/alert-rules"),
        ("POST", "/readings"),
    ]


def test_the_writing_notebook_is_stored_without_outputs():
    """What is committed holds no results and no widget state."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "widgets" not in notebook.metadata
