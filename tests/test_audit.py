"""The audit: it finds what was planted, in any spelling and any place, and is quiet about everything else."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
import yaml
from gauntlet.canaries import leaked
from test_magic import Shell, shell

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError
from immune_nb.notebook.audit import Audit, main
from immune_nb.notebook.shapes import has_scanner, shape_in

__all__ = ["shell"]  # a fixture, found by name

ROOT = Path(__file__).parent.parent
LIVE = 'Xw9"3kd0/LzPq+7TnB2vM'
SHAPED = "Zk81mQ0xTr7Lb2Yw9Hc4"  # pragma: allowlist secret
# Assembled, so that this file holds nothing that looks real.
WEB_TOKEN = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256"}', b'{"sub":"7"}', b"12345678")
)
SOURCES = {
    "named": f'api_key = "{SHAPED}"',
    "in a dict": f"login = {{'client_secret': '{SHAPED}'}}",
    "an argument": f'session = connect("immune", token="{SHAPED}")',
    "a header": f'headers["Authorization"] = "Bearer {SHAPED}"',
    "a key header": f"!curl -H 'X-API-Key: {SHAPED}' https://api.example",
    "in a URL": f"!curl 'https://api.example/v1/sensors?api_key={SHAPED}'",
    "in an address": f"url = 'postgres://user:{SHAPED}@db.example/x'",
    "set by magic": f"%env IMMUNE_API_KEY={SHAPED}",
    "a web token": f"x = '{WEB_TOKEN}'",
    "a private key": "pem = '''-----BEGIN RSA PRIVATE " + "KEY-----\nMIIB\n'''",
    "a prefixed key": f"x = 'sk_live_{SHAPED}'",
    "a GitHub token": "x = 'ghp_" + SHAPED + SHAPED[:16] + "'",
    "an AWS key": "x = 'AKIA" + SHAPED[:16].upper() + "'",
    "commented out": f"# password: '{SHAPED}'",
    "live": f"x = {LIVE!r}",
}


def cell(source: str = "x", outputs: list | None = None) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, outputs=outputs or [])


def stream(text: str) -> list:
    return [nbformat.v4.new_output("stream", text=text)]


def shown(kind: str, value: object) -> list:
    return [nbformat.v4.new_output("display_data", data={kind: value})]


OUTPUTS = {
    "environment": stream(f"HOME=/root\nIMMUNE_CLIENT_SECRET={SHAPED}\nLANG=C"),
    "printed live": stream(f"the key is {LIVE}"),
    "URL-encoded": stream(f"GET /x?k={quote(LIVE, safe='')} 200"),
    "basic": stream("Authorization: Basic " + base64.b64encode(f"user:{LIVE}".encode()).decode()),
    "base64 anywhere": shown("text/html", "<b>" + base64.b64encode(f"a:{LIVE}:b".encode()).decode()),
    "in JSON": shown("application/json", {"deep": [{"token": SHAPED}]}),
    "in an error": [
        nbformat.v4.new_output("error", ename="E", evalue="x", traceback=[f"\x1b[31mapi_key='{SHAPED}'"])
    ],
    "within an image": shown("image/svg+xml", f"<svg>{LIVE}</svg>"),
    "a reply": stream(f'{{"access_token": "{SHAPED}", "expires_in": 3600}}'),
}


def write(path: Path, *cells: nbformat.NotebookNode, **metadata: object) -> Path:
    notebook = nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def widgets(name: str, **state: object) -> dict:
    kind = "application/vnd.jupyter.widget-state+json"
    return {kind: {"version_major": 2, "version_minor": 0, "state": {"m1": {"model_name": name, "state": state}}}}


def history(path: Path, *inputs: str) -> Path:
    """A history file as IPython makes it, with one output."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE history (session integer, line integer, source text, source_raw text)")
        database.execute("CREATE TABLE output_history (session integer, line integer, output text)")
        rows = [(1, number, text, text) for number, text in enumerate(inputs, 1)]
        database.executemany("INSERT INTO history VALUES (?, ?, ?, ?)", rows)
        database.execute("INSERT INTO output_history VALUES (1, 1, ?)", (f"token='{SHAPED}'",))
    database.close()
    return path


def look(path: Path, past: Path | None = None) -> Audit:
    return Audit(path, [("the API key of lab", Secret(LIVE, "API key"))], past)


@pytest.fixture
def planted(tmp_path) -> Path:
    """A folder with 30 leaks, each in a place of its own, and the history beside it."""
    folder = tmp_path / "work"
    for number, source in enumerate(SOURCES.values()):
        write(folder / f"source_{number}.ipynb", cell("import os"), cell(source))
    write(folder / "outputs.ipynb", *(cell("x", outputs) for outputs in OUTPUTS.values()))
    write(folder / ".ipynb_checkpoints" / "old-checkpoint.ipynb", cell(f'api_key = "{SHAPED}"'))
    write(folder / "typed.ipynb", cell(), widgets=widgets("PasswordModel", value="short"))
    write(folder / "state.ipynb", cell(), widgets=widgets("TextModel", value=LIVE))
    (folder / "dump.env").write_text(f"A=1\nLAB_TOKEN={SHAPED}\n")
    (folder / "frame.bin").write_bytes(b"PAR1\0\0" + LIVE.encode("utf-16-le") + b"\0PAR1")
    return folder


def test_thirty_planted_leaks_are_found(planted, tmp_path):
    """Sources, outputs, widget state, checkpoints, files, history: every one is named by its place, none is shown."""
    past = history(tmp_path / "history.sqlite", "x = 1")
    findings = look(planted, past).findings()
    by_file = [Path(finding.piece.file).name for finding in findings]
    assert len(SOURCES) + len(OUTPUTS) + 6 == 30
    assert {f"source_{n}.ipynb" for n in range(len(SOURCES))} <= set(by_file)
    cells = {finding.piece.where.partition(",")[0] for finding in findings if "outputs.ipynb" in finding.piece.file}
    assert cells == {f"cell {n}" for n in range(1, len(OUTPUTS) + 1)}
    rest = {"old-checkpoint.ipynb", "typed.ipynb", "state.ipynb", "dump.env", "frame.bin", "IPython history"}
    assert rest <= set(by_file)
    said = "\n".join(map(str, findings)) + repr(findings)
    assert not leaked(said, LIVE)
    assert not leaked(said, SHAPED)


@pytest.mark.parametrize("name", SOURCES)
def test_a_place_is_named_exactly(tmp_path, name):
    """File, cell, field and line; a source's second cell is where it was put."""
    file = write(tmp_path / "one.ipynb", cell("import os"), cell(f"# first\n{SOURCES[name]}"))
    (finding,) = look(file).findings()
    assert (finding.piece.where, finding.line) == ("cell 2, source", 2)


def test_a_plain_text_scan_misses_what_json_escapes(tmp_path):
    """The scanner alone, on the lines of the .ipynb, does not see it; the audit does."""
    from detect_secrets.plugins.keyword import KeywordDetector

    source = f'api_key = "{SHAPED}"'
    file = write(tmp_path / "one.ipynb", cell(source))
    scan = KeywordDetector()
    assert scan.analyze_line(filename="one.py", line=source, line_number=1)
    lines = file.read_text().splitlines()
    assert [line for line in lines if scan.analyze_line(filename="one.ipynb", line=line, line_number=1)] == []
    assert len(look(file).findings()) == 1


def harmless(rng: random.Random) -> list[nbformat.NotebookNode]:
    """Cells as people have them: hashes, ids, images, base64 data, prose, and code that handles credentials well."""
    digest = hashlib.sha256(rng.randbytes(8)).hexdigest()
    data = base64.b64encode(rng.randbytes(rng.randrange(60, 4000))).decode()
    some_id = str(uuid.UUID(int=rng.getrandbits(128)))
    sensors = ", ".join(f"'vib_{rng.randrange(1000):03}'" for _ in range(5))
    return [
        cell(f"ids = [{sensors}]", stream(f"{digest}  readings.parquet\n")),
        cell(f"job = '{some_id}'  # rd_{digest[:12]}", stream(f"commit {digest[:40]}\n")),
        cell("plot(df)", shown("image/png", data)),
        cell("payload", shown("text/plain", repr(base64.b64decode(data)))),
        cell("data", shown("text/html", f'<img src="data:image/png;base64,{data}">')),
        cell("api_key = os.environ['IMMUNE_API_KEY']\ntoken = getpass('token: ')\nconnect(token=token)"),
        cell(f"headers = {{'Authorization': f'Bearer {{token}}'}}\nnext_page_token = '{digest[:20]}'"),
        cell("%immune login --from env:IMMUNE_TOKEN", stream("Logged in to immune as plant-7 · access token\n")),
        cell("api_key = 'YOUR_API_KEY_1'\npassword = '<your password>'\nsecret = 'xxxxxxxx1'"),
        cell(f"checksum = {data[:44]!r}\nurl = 'https://api.example/v1/readings?starting_after=rd_{digest[:12]}'"),
    ]


def test_two_hundred_harmless_cells_are_left_alone(tmp_path):
    """No hash, id, image, base64 datum or well-kept credential is reported."""
    rng = random.Random(5)
    cells = [one for _ in range(20) for one in harmless(rng)]
    assert len(cells) == 200
    state = widgets("HBoxModel", children=["IPY_MODEL_" + uuid.UUID(int=rng.getrandbits(128)).hex], value="")
    assert look(write(tmp_path / "fine.ipynb", *cells, widgets=state)).findings() == []


def test_a_line_may_be_allowed():
    """`pragma: allowlist secret` says that one is meant, as in detect-secrets; a live credential is not excused."""
    assert shape_in(f"api_key = '{SHAPED}'") == (1, "a named secret")
    assert shape_in(f"api_key = '{SHAPED}'  # pragma: allowlist secret") == (0, "")


def test_long_lines_are_searched_whole():
    """A credential at the seam of two windows of a megabyte is found."""
    assert shape_in("x" * 9_990 + f" api_key = '{SHAPED}' " + "y" * 1_000_000)[0] == 1


def test_fix_clears_what_can_be_cleared(planted, tmp_path):
    """Outputs, widget state and history rows go, their bytes too; sources, files and everything harmless stay."""
    write(planted / "mixed.ipynb", cell("1", stream("fine\n")), cell("2", OUTPUTS["printed live"] + stream("kept\n")))
    past = history(tmp_path / "history.sqlite", "kept = 1", f"x = '{LIVE}'")
    search = look(planted, past)
    search.fix(search.findings())
    left = search.findings()
    assert {finding.piece.kind for finding in left} == {"source", "file"}
    assert len(left) == len(SOURCES) + 1 + 2
    mixed = nbformat.read(planted / "mixed.ipynb", as_version=4)
    assert [[out.text for out in one.outputs] for one in mixed.cells] == [["fine\n"], ["kept\n"]]
    assert "widgets" not in nbformat.read(planted / "typed.ipynb", as_version=4).metadata
    bytes_left = b"".join(path.read_bytes() for path in tmp_path.glob("history.sqlite*"))
    assert LIVE.encode() not in bytes_left
    assert SHAPED.encode() not in bytes_left
    assert b"kept = 1" in bytes_left


def test_a_broken_notebook_is_searched_as_text(tmp_path):
    """What is no notebook, or not one any more, is a file like others."""
    (tmp_path / "torn.ipynb").write_text('{"cells": [{"source": "' + LIVE.replace('"', '\\"'))
    (tmp_path / "list.ipynb").write_text("[1, 2]")
    (finding,) = look(tmp_path).findings()
    assert "torn.ipynb" in str(finding)


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "immune_nb", *words]
    nobody = subprocess.DEVNULL
    return subprocess.run(
        command, capture_output=True, stdin=nobody, text=True, env={**os.environ, **environ}, cwd=ROOT
    )


@pytest.mark.slow
def test_the_command_line_has_an_exit_status(tmp_path):
    """0 for clean, 1 for a finding by shape or by the environment, 2 for a wrong path; `--fix --yes` makes it 0."""
    file = write(tmp_path / "one.ipynb", cell("x", OUTPUTS["printed live"]))
    assert run("audit", str(file)).returncode == 0
    done = run("audit", str(tmp_path), IMMUNE_API_KEY=LIVE)
    assert done.returncode == 1
    assert "one.ipynb: cell 1, output 1 (text), line 1: $IMMUNE_API_KEY, in use" in done.stdout
    assert not leaked(done.stdout + done.stderr, LIVE)
    unasked = run("audit", str(tmp_path), "--fix", IMMUNE_API_KEY=LIVE)  # where nobody can answer
    assert (unasked.returncode, unasked.stderr) == (1, "")
    assert leaked(file.read_text(), LIVE)
    assert run("audit", str(tmp_path), "--fix", "--yes", IMMUNE_API_KEY=LIVE).returncode == 0
    assert run("audit", str(tmp_path), IMMUNE_API_KEY=LIVE).returncode == 0
    assert run("audit", str(tmp_path / "nowhere")).returncode == 2
    assert run().returncode == 2


def test_the_commit_hook_is_the_command_line():
    """The hook runs what exists, on what a notebook or text file is to pre-commit."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "python -m immune_nb audit"
    assert set(hook["types_or"]) == {"jupyter", "text"}


def test_our_own_notebooks_are_clean(capsys):
    """What the repository ships passes its own audit."""
    assert has_scanner()
    assert main([str(ROOT / "notebooks")]) == 0
    assert "No credential found" in capsys.readouterr().out


def test_the_magic_knows_the_live_login(shell: Shell, sandbox, monkeypatch, tmp_path):
    """`%immune audit` finds this kernel's key where it was printed; `--fix` wants `--yes` where nobody sits."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    shell.run("%immune login --profile sandbox")
    monkeypatch.delenv("SANDBOX_API_KEY")
    file = write(tmp_path / "one.ipynb", cell("print(key)", stream(sandbox.api_key)))
    said = shell.shown(f"%immune audit {file}")
    assert "cell 1, output 1 (text), line 1: the API key of sandbox, in use" in said
    assert not leaked(said, sandbox.api_key)
    assert "--yes" in str(shell.fails(f"%immune audit {file} --fix"))
    assert sandbox.api_key in file.read_text()
    assert "1 of 3 places" in said
    assert "Left: No credential found in 2 places." in shell.shown(f"%immune audit {file} --fix --yes")
    assert sandbox.api_key not in file.read_text()
    with pytest.raises(ConfigError):
        Audit(tmp_path / "nowhere", [])
    assert json.loads(file.read_text())["nbformat"] == 4
