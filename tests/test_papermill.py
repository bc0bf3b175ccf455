"""Runs without a person: papermill and nbclient, through every link of the chain that needs nobody, and with none."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import nbformat
import papermill
import pytest
from gauntlet.canaries import leaked
from nbclient import NotebookClient
from servers.scripted import reply, scripted

import immune_nb as im
from immune_nb.auth import keep
from immune_nb.auth.secrets import Secret
from immune_nb.connecting import connect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:papermill"),
]
RING = """
import json, os, pathlib
from keyring.backend import KeyringBackend
class Ring(KeyringBackend):
    priority = 9
    def _all(self):
        path = pathlib.Path(os.environ["VAULT"])
        return json.loads(path.read_text()) if path.exists() else {}
    def get_password(self, service, name): return self._all().get(f"{service} {name}")
    def set_password(self, service, name, text):
        pathlib.Path(os.environ["VAULT"]).write_text(json.dumps({**self._all(), f"{service} {name}": text}))
    def delete_password(self, service, name):
        held = {key: text for key, text in self._all().items() if key != f"{service} {name}"}
        pathlib.Path(os.environ["VAULT"]).write_text(json.dumps(held))
"""
CELL = """
before = dict(os.environ)
os.environ.update(json.loads(Path({path!r}).read_text()))
%immune login --profile sandbox {words}
%immune status --explain
frame = %immune sensors --limit 3
print(f"{len(frame)} sensors")
%immune logout
os.environ.clear()
os.environ.update(before)
"""
NAMES = ("environment", "secret files", "JupyterHub", "keyring", "remembered")


@pytest.fixture
def here(sandbox, tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """A place with every kind of store in it, all empty: a keyring, a hub, a profile that takes its token."""
    (tmp_path / "ring.py").write_text(RING)
    (tmp_path / "profiles.toml").write_text('[sandbox]\nhub_token = "access_token"\n')
    places = {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PYTHON_KEYRING_BACKEND": "ring.Ring",
        "VAULT": str(tmp_path / "vault.json"),
        "IMMUNE_NB_CONFIG": str(tmp_path / "profiles.toml"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "SANDBOX_BASE_URL": sandbox.base_url,
        "SANDBOX_TOKEN_URL": sandbox.token_url,
    }
    with scripted() as hub:
        for name, value in places.items():
            monkeypatch.setenv(name, value)
        yield SimpleNamespace(sandbox=sandbox, folder=tmp_path, hub=hub)


Prepared = tuple[dict[str, str], str]


def environment(here: SimpleNamespace) -> Prepared:
    """A client and its secret in the environment."""
    there = here.sandbox
    return {"SANDBOX_CLIENT_ID": there.client_id, "SANDBOX_CLIENT_SECRET": there.client_secret}, ""


def secret_files(here: SimpleNamespace) -> Prepared:
    """The secret in a file, as containers mount it."""
    path = here.folder / "secret"
    path.write_text(here.sandbox.client_secret)
    return {"SANDBOX_CLIENT_ID": here.sandbox.client_id, "SANDBOX_CLIENT_SECRET_FILE": str(path)}, ""


def jupyterhub(here: SimpleNamespace) -> Prepared:
    """The hub's own login, in `auth_state`, by its documented API."""
    there = here.sandbox
    made = connect(there.profile, client_id=there.client_id, client_secret=there.client_secret, environ={})
    access = made._login.keeper.token.access.reveal()
    made.close()
    here.hub.says("/hub/api/users/ada", reply({"name": "ada", "auth_state": {"access_token": access}}))
    url = f"{here.hub.origin}/hub/api"
    return {"JUPYTERHUB_API_URL": url, "JUPYTERHUB_API_TOKEN": "hub-token", "JUPYTERHUB_USER": "ada"}, ""


def keyring(here: SimpleNamespace) -> Prepared:
    """A key that was put into the keyring by hand."""
    vault = here.folder / "by_hand.json"
    vault.write_text(json.dumps({"immune_nb SANDBOX_API_KEY": here.sandbox.api_key}))
    return {"VAULT": str(vault)}, ""


def a_named_entry(here: SimpleNamespace) -> Prepared:
    """Any entry of the keyring, named on the line."""
    vault = here.folder / "named.json"
    vault.write_text(json.dumps({"immune_nb plant": here.sandbox.api_key}))
    return {"VAULT": str(vault)}, "--method key --from keyring:plant"


def remembered(here: SimpleNamespace) -> Prepared:
    """A login that was kept, in the private file."""
    keep.remember(here.sandbox.profile, keep.Record(key=Secret(here.sandbox.api_key)))
    return {}, ""


LINKS: dict[Callable[[SimpleNamespace], Prepared], str] = {
    environment: "environment: SANDBOX_CLIENT_ID with SANDBOX_CLIENT_SECRET",
    secret_files: "secret file: SANDBOX_CLIENT_ID_FILE with SANDBOX_CLIENT_SECRET_FILE",
    jupyterhub: "JupyterHub: auth_state",
    keyring: "keyring: SANDBOX_API_KEY",
    a_named_entry: "keyring entry plant",
    remembered: "remembered: a private file",
}


def by_papermill(folder: Path) -> None:
    """Execute the notebook as papermill does."""
    papermill.execute_notebook(folder / "in.ipynb", folder / "out.ipynb", progress_bar=False, log_output=False)


def by_nbclient(folder: Path) -> None:
    """Execute the notebook as nbclient does."""
    notebook = nbformat.read(folder / "in.ipynb", as_version=4)
    NotebookClient(notebook, timeout=60).execute()
    nbformat.write(notebook, folder / "out.ipynb")


def run(folder: Path, *cells: str, by: Callable[[Path], None] = by_papermill) -> list[str]:
    """Execute a notebook; what it wrote down, cell by cell."""
    sources = ["import json, os\nfrom pathlib import Path\n%load_ext immune_nb", *cells]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)))
    notebook.metadata["kernelspec"] = kernel
    nbformat.write(notebook, folder / "in.ipynb")
    by(folder)
    return [json.dumps(cell) for cell in nbformat.read(folder / "out.ipynb", as_version=4).cells[1:]]


@pytest.mark.parametrize("by", [by_papermill, by_nbclient])
def test_each_link_logs_in(here, by):
    """A frame comes of each, the notebook says which link won, and nothing of a secret is written down."""
    cells = []
    for number, prepare in enumerate(LINKS):
        environ, words = prepare(here)
        path = here.folder / f"environ_{number}.json"
        path.write_text(json.dumps(environ))
        cells.append(CELL.replace("{path!r}", repr(str(path))).replace("{words}", words))
    written = run(here.folder, *cells, by=by)
    assert len(written) == len(LINKS) == 6
    for text, source in zip(written, LINKS.values(), strict=True):
        assert source in text
        assert "3 sensors" in text
    for secret in (here.sandbox.api_key, here.sandbox.client_secret):
        assert not leaked("".join(written), secret)


def test_papermill_fails_when_there_is_nothing(here):
    """NoCredentialsError stops the run, in one line that names every link; nothing was asked of any server."""
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        run(here.folder, "%immune login --profile sandbox")
    assert caught.value.ename == "NoCredentialsError"
    for tried in NAMES:
        assert tried in caught.value.evalue
    assert not here.sandbox.log("/oauth/")
    assert here.hub.requests == []


def test_it_fails_within_a_second(here):
    """The same from Python: every link is looked at in well under a second."""
    began = time.monotonic()
    with pytest.raises(im.NoCredentialsError) as caught:
        connect(here.sandbox.profile)
    assert time.monotonic() - began < 1.0
    assert all(tried in str(caught.value) for tried in NAMES)


def test_a_dead_remembered_login_says_how_to_be_rid_of_it(here):
    """Else the next login would find it again: the hint names the line that forgets it, and the line works."""
    profile = here.sandbox.profile
    keep.remember(profile, keep.Record(key=Secret("revoked-long-ago")))
    with pytest.raises(im.LoginRejectedError, match="%immune logout --profile sandbox"):
        connect(profile)
    assert keep.forget(profile)
    with pytest.raises(im.NoCredentialsError):
        connect(profile)
