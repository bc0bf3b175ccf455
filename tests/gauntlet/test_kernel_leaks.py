"""The whole life of a login in a real kernel, by every way in and both places of the key, all messages recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from gauntlet.canaries import files_with, leaked
from gauntlet.services import Service

pytestmark = pytest.mark.slow

WAYS = ["environment", "file", "keyring", "prompt", "panel", "explicit"]
RING = """
import os, pathlib
from keyring.backend import KeyringBackend
class Ring(KeyringBackend):
    priority = 9
    def get_password(self, service, name):
        return pathlib.Path(os.environ["VAULT"]).read_text() if name == "LAB_API_KEY" else None
    def set_password(self, service, name, text): raise RuntimeError
    def delete_password(self, service, name): raise RuntimeError
"""
LISTEN = """
import logging, sys, warnings, pprint, subprocess, traceback, inspect
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
for name in ("httpx", "httpcore", "hpack", "authlib", "asyncio", "urllib3", "immune_nb"):
    logging.getLogger(name).setLevel(logging.DEBUG)
warnings.simplefilter("always")
"""
LOOK = [
    "%immune sensors",
    "df = %immune sensors --limit 1 -v\ndf.attrs",
    "%immune status --explain",
    "%immune profiles",
    "%immune doctor",
    "%immune sensors --dry-run --count --show-code",
    "%immune ls",
    "s = __import__('immune_nb').current(); s",
    "pprint.pprint([vars(s), dir(s), s.status(), s._client, vars(s._client), vars(s._login)])",
    "print(s.plan('sensors'))",
    "%whos\n%pdoc s\n%pinfo s\n%pinfo2 s\n%who_ls",
    "pprint.pprint([inspect.getmembers(s.profile), inspect.getmembers(s.status())])",
    "!env\nprint(subprocess.run(['env'], capture_output=True).stdout, sys.argv)",
    "%store s",
    "%store df",
    "import ipywidgets, json; print(json.dumps(ipywidgets.Widget.get_manager_state()))",
    "from rich.traceback import install; from rich.console import Console; console = Console(width=200)",
]
SHOW_LOCALS = """
try:
    s.request('POST', '/broken')
except Exception as e:
    console.print_exception(show_locals=True)
    logging.exception('failed')
    print(''.join(traceback.TracebackException.from_exception(e, capture_locals=True).format()))
"""
FAIL = [
    "%xmode {mode}",
    "%immune get /junk",
    "%immune get /refused",
    "%immune get /nowhere",
    "s.request('POST', '/broken')",
    SHOW_LOCALS,
    "%tb",
]
END = ["%history -n", "print(In, Out, _ih, _oh)", "%immune logout", "%immune sensors", "repr(s)"]


def as_text(message: object) -> str:
    """A message as it would be written down."""
    return json.dumps(message, default=str, ensure_ascii=False)


class Kernel:
    """A kernel, a person who answers its prompts, and a second front end that hears everything."""

    def __init__(self, client: BlockingKernelClient, witness: BlockingKernelClient, secret: str) -> None:
        self.client, self.witness, self.secret = client, witness, secret
        self.replies: list[dict] = []

    def run(self, code: str) -> str:
        """Run code, whether it fails or not; its status."""
        reply = self.client.execute_interactive(
            code, allow_stdin=True, stdin_hook=self._answer, output_hook=lambda _: None, timeout=60
        )
        self.replies.append(reply)
        return str(reply["content"]["status"])

    def _answer(self, _message: dict) -> None:
        self.client.input(self.secret)

    def type_into_the_panel(self) -> None:
        """Send what the form sends."""
        desk = "get_ipython().magics_manager.registry['ImmuneMagics'].desk.panel.model_id"
        self.run(f"print('model', {desk})")
        heard = self.heard("model")
        said = "".join(m["content"].get("text", "") for m in heard)
        typed = {"do": "connect", "profile": "lab", "method": "key", "client_id": "", "secret": self.secret}
        content = {"comm_id": said.rpartition("model ")[2].split()[0], "data": {"method": "custom", "content": typed}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))

    def heard(self, mark: str) -> list[dict]:
        """All that the second front end has heard up to now."""
        self.run(f"print('mark', {mark!r})")
        heard: list[dict] = []
        said = ""
        while f"mark {mark}\n" not in said:  # a line may come in pieces, or together with a log's
            heard.append(self.witness.get_iopub_msg(timeout=60))
            said += heard[-1]["content"].get("text", "")
        return heard


@pytest.fixture
def start(service: Service, tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Starts a kernel that knows the service; it ends with the test."""
    manager = KernelManager(kernel_name="python3")
    opened: list[BlockingKernelClient] = []

    def begin(**environ: str) -> Kernel:
        (tmp_path / "notebooks").mkdir()
        manager.start_kernel(
            env={**os.environ, "IMMUNE_NB_CONFIG": str(service.config), **environ}, cwd=str(tmp_path / "notebooks")
        )
        for talks in (True, False):
            opened.append(manager.client())
            opened[-1].start_channels(shell=talks, stdin=talks, hb=talks, control=talks)
        opened[0].wait_for_ready(timeout=60)
        return Kernel(opened[0], opened[1], service.secret)

    yield begin
    for client in opened:
        client.stop_channels()
    manager.shutdown_kernel(now=True)


def log_in(start: Callable[..., Kernel], service: Service, vault: Path, way: str) -> Kernel:
    """A kernel that has logged in that way, with every logger at DEBUG."""
    vault.mkdir()
    (vault / "key").write_text(service.secret, encoding="utf-8")
    (vault / "ring.py").write_text(RING, encoding="utf-8")
    environ = {"PYTHONPATH": f"{vault}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", "VAULT": str(vault / "key")}
    environ["PYTHON_KEYRING_BACKEND"] = "ring.Ring" if way == "keyring" else "keyring.backends.null.Keyring"
    if way == "environment":
        environ["LAB_API_KEY"] = service.secret
    kernel = start(**environ)
    kernel.run(LISTEN)
    kernel.run("%load_ext immune_nb\n%load_ext storemagic")
    login = {
        "file": f"%immune login --profile lab --method key --from file:{vault / 'key'}",
        "prompt": "%immune login --profile lab --method key --from prompt",
        "panel": "%immune login --profile lab --method key --from panel",
        "explicit": "import os, immune_nb\n_ = immune_nb.connect('lab', api_key=open(os.environ['VAULT']).read())",
    }
    kernel.run(login.get(way, "%immune login --profile lab"))
    if way == "panel":
        kernel.type_into_the_panel()
    if way == "environment":
        kernel.run("import os; del os.environ['LAB_API_KEY']")  # it was there before us; what follows is ours
    return kernel


@pytest.mark.parametrize("way", WAYS)
def test_no_message_of_a_kernel_holds_the_key(start, service, tmp_path, clean_environment, way):
    """L01 L02 L08 L10 L13 L15 L16 L17 L19 L20 L21 L24 L25 L27 L38 L41 L46: login, use, failures, logout."""
    kernel = log_in(start, service, tmp_path / "vault", way)
    for cell in LOOK:
        kernel.run(cell)
    for code in ("s.", "s._login.credentials.", "%immune ", "%immune login --profile lab --from "):
        kernel.replies += [
            kernel.client.complete(code, reply=True),
            kernel.client.inspect(code.strip("."), reply=True),
        ]
    for mode in ("Context", "Plain", "Minimal", "Verbose")[0 if way == "environment" else 3 :]:
        for cell in FAIL:
            kernel.run(cell.replace("{mode}", mode))
    for cell in END:
        kernel.run(cell)
    heard = kernel.heard("end")
    assert service.was_used()
    assert len(service.server.asked("/v1/broken")) >= 2
    assert [m["content"] for m in [*heard, *kernel.replies] if leaked(as_text(m), service.secret)] == []
    assert files_with(service.secret, clean_environment, tmp_path / "notebooks") == []


LEAKS = {
    "L01": "get_ipython().set_next_input('x = %r' % key)",
    "L02 L08 L46": "print(key)",
    "L10": "key",
    "L13": "key;\nprint(_oh, [key])",
    "L15": "import linecache; print(key, len(linecache.cache))",
    "L16": "logging.getLogger('httpx').debug('GET /?api_key=%s', key)",
    "L17": "warnings.warn(key)",
    "L19": "%xmode Verbose\ndef f(key):\n    raise ValueError\nf(key)",
    "L20 L21": "from rich.console import Console\ndef f(key):\n    1/0\ntry: f(key)\nexcept Exception: "
    "Console(width=200).print_exception(show_locals=True)",
    "L24 L25": "%whos",
    "L38": "import os; os.environ['K'] = key\n!env",
    "L27 L41": "open('dump', 'w').write(key) and None",
}


@pytest.mark.parametrize("place", ["header"], indirect=True)
def test_every_kind_of_leak_in_a_kernel_is_seen(start, service, tmp_path, clean_environment):
    """Positive control: L01 L02 L08 L10 L13 L15 L16 L17 L19 L20 L21 L24 L25 L27 L38 L41 L46 turn the probe red."""
    kernel = log_in(start, service, tmp_path / "vault", "file")
    kernel.run("import os; key = open(os.environ['VAULT']).read()")
    for number, cell in LEAKS.items():
        kernel.replies.clear()
        kernel.run(cell)
        seen = leaked(as_text([kernel.heard(number), kernel.replies]), service.secret)
        assert seen or files_with(service.secret, tmp_path / "notebooks") == ["dump"], number
