"""The README's blocks are run, so that they cannot rot."""

import os
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from immune_nb.profiles import load_profiles

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_python_blocks_run_in_one_kernel(sandbox, monkeypatch):
    """Every block, in order, in a real kernel; "immune" is moved to the sandbox by its environment."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.replace("SANDBOX", "IMMUNE"), value)
    cells = [nbformat.v4.new_code_cell(block) for block in blocks("python")]
    assert len(cells) >= 5
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [out for cell in notebook.cells for out in cell.outputs]
    assert any("complete" in out.get("data", {}).get("text/plain", "") for out in shown)


def test_the_toml_block_is_a_profile(tmp_path):
    """The profile shown loads, with what it says."""
    (tmp_path / "profiles.toml").write_text(blocks("toml")[0], encoding="utf-8")
    profile = load_profiles({"IMMUNE_NB_CONFIG": str(tmp_path)})["my-lab"]
    assert profile.paths["readings"] == "/sensors/readings"
    assert profile.key_place.name == "X-API-Key"


def test_the_second_toml_block_is_a_profile(tmp_path):
    """An issuer, a client, scopes and what else the server wants: that is all."""
    (tmp_path / "profiles.toml").write_text(blocks("toml")[1], encoding="utf-8")
    profile = load_profiles({"IMMUNE_NB_CONFIG": str(tmp_path)})["plant"]
    assert profile.issuer == "https://plant.eu.auth0.com/"
    assert profile.auth_params == {"audience": profile.base_url}


@pytest.mark.parametrize("target", re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE))
def test_every_make_command_is_one(target):
    """What the README tells people to type exists."""
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_export_block_sets_what_the_login_reads():
    """The shell lines run, and set the variables of the table; the secret comes from standard input."""
    script = next(block for block in blocks("bash") if "export" in block)
    done = subprocess.run(
        ["bash", "-c", f"{script}\nenv | grep ^IMMUNE_CLIENT"],
        input="typed\n",
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert sorted(done.stdout.split()) == ["IMMUNE_CLIENT_ID=plant-7-analytics", "IMMUNE_CLIENT_SECRET=typed"]


def test_the_first_result_comes_early():
    """A reader sees what it does before line 30."""
    before = "\n".join(README.splitlines()[:30])
    assert "rows × 7 columns · complete" in before


def test_every_link_leads_somewhere():
    """Files the README links to exist."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
