"""The gauntlet catches a leak that is built in: a copy of the package with one line changed, in five places.

Nothing of the shipped package is touched: the copy is another folder, which a process of its own imports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import immune_nb
from gauntlet.canaries import leaked
from gauntlet.services import Service

pytestmark = pytest.mark.slow

PACKAGE = Path(immune_nb.__file__).parent
MUTANTS = {
    "log line": (
        "auth/schemes.py",
        "        del text\n        yield request",
        "        __import__('logging').getLogger('immune_nb').warning('sent %s', text)\n        yield request",
    ),
    "repr": ("auth/secrets.py", 'return f"<{self.name}: hidden>"', 'return f"<{self.name}: {self._reveal()}>"'),
    "receipt": (
        "anywhere.py",
        "        self._account = account",
        "        self._account = client._transport._auth.held()[0]",
    ),
    "widget trait": (
        "notebook/panel.py",
        'self._say(str(error), tone="error")',
        'self._say(f"{error} {typed}", tone="error")',
    ),
    "error text": (
        "auth/transport.py",
        'where = f"{url.scheme}://{url.netloc.decode()}{url.path}"',
        "where = str(url)",
    ),
}
LIFE = """
import json, logging, os, pathlib, sys, traceback, warnings
secret = pathlib.Path(sys.argv[1]).read_text()
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
import immune_nb as im
assert pathlib.Path(im.__file__).is_relative_to(sys.argv[2]), im.__file__
from immune_nb.auth.secrets import Secret
s = im.connect("lab", api_key=Secret(secret))
print(s, s.status(), s._login.credentials, json.dumps(s.sensors().attrs))
for act in (lambda: s.request("POST", "/broken"), lambda: s.get("/nowhere")):
    try: act()
    except im.ImmuneError as error: traceback.print_exc(file=sys.stdout)
import ipywidgets
from types import SimpleNamespace
from immune_nb.notebook.attempts import Attempt
from immune_nb.notebook.desk import Desk
from immune_nb.notebook.panel import LoginPanel
panel = LoginPanel(Desk(SimpleNamespace()), Attempt("lab"))
panel.hear({"do": "connect", "profile": "nowhere", "method": "key", "secret": secret})
print(json.dumps(ipywidgets.Widget.get_manager_state(), ensure_ascii=False))
s.close()
print("the end")
"""


def life_of(package: Path, service: Service, vault: Path) -> str:
    """All that a login says in a process that imports the package in that folder."""
    vault.write_text(service.secret, encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(package), "IMMUNE_NB_CONFIG": str(service.config)}
    command = [sys.executable, "-c", LIFE, str(vault), str(package)]
    done = subprocess.run(command, env=environ, cwd=vault.parent, capture_output=True, text=True, timeout=120)
    assert "the end" in done.stdout, done.stderr
    return done.stdout + done.stderr


def build(folder: Path) -> Path:
    """A copy of the package, as it is."""
    shutil.copytree(PACKAGE, folder / "immune_nb", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_package_as_it_is_is_clean(service: Service, tmp_path):
    """L10 L16 L17 L18 L30: log, repr, receipt, widget state and error text of a copy that nobody changed."""
    assert not leaked(life_of(build(tmp_path / "copy"), service, tmp_path / "key"), service.secret)
    assert service.was_used()


@pytest.mark.parametrize("place", ["query"], indirect=True)
@pytest.mark.parametrize("room", MUTANTS)
def test_a_leaking_build_is_caught(service: Service, tmp_path, room):
    """Positive control: L09 L10 L16 L17 L18 L30: a log line, repr, receipt, widget trait or error text that leaks."""
    copy = build(tmp_path / "copy")
    name, clean, leaky = MUTANTS[room]
    file = copy / "immune_nb" / name
    text = file.read_text(encoding="utf-8")
    assert text.count(clean) >= 1, f"{name} has changed; choose another line"
    file.write_text(text.replace(clean, leaky, 1), encoding="utf-8")
    assert leaked(life_of(copy, service, tmp_path / "key"), service.secret)
