"""The extension in a real kernel, driven by nbclient and jupyter_client."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator

import nbformat
import psutil
import pytest
from jupyter_client import BlockingKernelClient, KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from notebook_fixtures import leaks

pytestmark = pytest.mark.slow

KEY_CANARY = "canary-Xw93kd0LzPq"


@pytest.fixture
def environment(sandbox) -> dict[str, str]:
    """What a kernel needs to log in to the running sandbox."""
    return {
        "SANDBOX_BASE_URL": sandbox.base_url,
        "SANDBOX_TOKEN_URL": sandbox.token_url,
        "SANDBOX_API_KEY": sandbox.api_key,
    }


class Run:
    """One notebook, executed as nbclient and papermill do it."""

    def __init__(self, cells: tuple[str, ...], environment: dict[str, str]) -> None:
        self.notebook: NotebookNode = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        self.error: CellExecutionError | None = None
        client = NotebookClient(self.notebook, timeout=60, kernel_name="python3")
        try:
            client.execute(env={**os.environ, **environment})
        except CellExecutionError as error:
            self.error = error

    def text(self, index: int) -> str:
        """Everything a cell shows, as plain text."""
        return "\n".join(map(plain, self.notebook.cells[index].outputs))

    @property
    def ran(self) -> int:
        """How many cells ran."""
        return sum(cell.execution_count is not None for cell in self.notebook.cells)


def plain(output: NotebookNode) -> str:
    """One output as plain text."""
    match output.output_type:
        case "stream":
            return str(output.text)
        case "error":
            return f"{output.ename}: {output.evalue}"
    return str(output.data.get("text/plain", ""))


def test_login_from_the_environment_to_a_frame(environment):
    """Load, log in, ask in every form; the frame is there and complete."""
    run = Run(
        (
            "%load_ext immune_nb",
            "%immune login --profile sandbox",
            "ids = ['vib_001', 'temp_001']",
            "df = %immune readings {ids} --last 1d",
            "%immune readings vib_001 --last 1h --out hour",
            "print(len(df), len(hour), sorted(set(df.sensor_id)), df.attrs['immune']['complete'])",
            "%immune readings vib_001 --last 1h",
            "%reload_ext immune_nb\n%immune status",
        ),
        environment,
    )
    assert run.error is None
    assert "Logged in to sandbox · API key" in run.text(1)
    assert "2 pages" in run.text(3) or "4 pages" in run.text(3)
    assert run.text(4).startswith("hour: 60 rows × 7 columns · complete · sandbox")
    assert "60 ['temp_001', 'vib_001'] True" in run.text(5)
    shown = run.notebook.cells[6].outputs
    assert "text/html" in shown[0].data
    assert "rows × 7 columns · complete" in plain(shown[-1])
    assert "sandbox (current)" in run.text(7)


def test_a_wrong_key_stops_the_run(environment):
    """The run fails with LoginRejectedError, in one readable line, and no later cell runs (L02)."""
    cells = ("%load_ext immune_nb", "%immune login --profile sandbox", "print('never')")
    run = Run(cells, {**environment, "SANDBOX_API_KEY": KEY_CANARY})
    assert run.error is not None
    assert run.error.ename == "LoginRejectedError"
    assert run.ran == 2
    (error,) = run.notebook.cells[1].outputs
    assert len(error.traceback) == 1
    assert "\n" not in error.traceback[0]
    assert not leaks(json.dumps(run.notebook), KEY_CANARY)


def test_no_credentials_stop_the_run_and_name_the_variables(environment):
    """Nbclient forbids input: no panel, no waiting, an error that says what to set."""
    run = Run(("%load_ext immune_nb", "%immune login"), {})
    assert run.error is not None
    assert run.error.ename == "NoCredentialsError"
    assert "IMMUNE_API_KEY" in str(run.error)


def test_a_usage_error_stops_the_run_in_one_line(environment):
    """A user's mistake is UsageError for tools as well, one line on stderr, and stops the run."""
    run = Run(("%load_ext immune_nb", "%immune readngs vib_001", "print('never')"), environment)
    assert run.error is not None
    assert run.error.ename == "UsageError"
    assert "did you mean readings?" in run.error.evalue
    assert "\n" not in run.error.evalue
    assert run.ran == 2


def test_silence_in_a_real_kernel(environment):
    """`;` shows nothing at all, assigned or not, and the assigned frame is there."""
    run = Run(
        (
            "%load_ext immune_nb\n%immune login --profile sandbox",
            "%immune sensors --limit 2;",
            "df = %immune sensors --limit 2;",
            "print(len(df))",
        ),
        environment,
    )
    assert run.error is None
    assert run.notebook.cells[1].outputs == []
    assert run.notebook.cells[2].outputs == []
    assert run.text(3) == "2\n"


def test_the_executed_notebook_holds_no_credential(environment, sandbox):
    """After login, fetch, status, profiles and logout the notebook and its widget state are clean (L02, L03)."""
    run = Run(
        (
            "%load_ext immune_nb\n%immune login --profile sandbox",
            "%immune login --profile sandbox --from panel",
            "s = __import__('immune_nb').current(); s",
            "%immune status",
            "%immune profiles",
            "%immune sensors --limit 2 -v",
            "%immune logout",
        ),
        environment,
    )
    assert run.error is None
    assert "widgets" in run.notebook.metadata
    assert not leaks(json.dumps(run.notebook), sandbox.api_key)


def test_the_notebook_probe_can_fail(sandbox):
    """Positive control: the same probe finds a key in an ordinary password widget."""
    run = Run(("import ipywidgets, os\nipywidgets.Password(value=os.environ['LEAK'])",), {"LEAK": sandbox.api_key})
    assert leaks(json.dumps(run.notebook), sandbox.api_key)


class Kernel:
    """A kernel that a person sits at, so that it may ask for input, and a second front end that listens."""

    def __init__(self, client: BlockingKernelClient, witness: BlockingKernelClient) -> None:
        self._client = client
        self._witness = witness

    def run(self, code: str) -> list[dict]:
        """Run code; the messages it caused."""
        seen: list[dict] = []
        reply = self._client.execute_interactive(code, allow_stdin=True, output_hook=seen.append, timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
        return seen

    def broadcast(self) -> str:
        """All that the second front end has heard, whoever caused it."""
        heard: list[dict] = []
        self.run("print('so far')")
        while not heard or heard[-1]["content"].get("text") != "so far\n":
            heard.append(self._witness.get_iopub_msg(timeout=60))
        return json.dumps(heard, default=str)

    def value(self, code: str) -> str:
        """What code prints."""
        return "".join(m["content"]["text"] for m in self.run(code) if m["msg_type"] == "stream").strip()

    def comm(self, model_id: str, data: dict) -> None:
        """Send a widget a message, as its front end would."""
        message = {"comm_id": model_id, "data": data}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", message))


@pytest.fixture
def start_kernel(environment) -> Iterator[Callable[[], tuple[Kernel, KernelManager]]]:
    """Starts kernels, and ends those that still run."""
    with contextlib.ExitStack() as stack:

        def start(**extra: str) -> tuple[Kernel, KernelManager]:
            manager = KernelManager(kernel_name="python3")
            manager.start_kernel(env={**os.environ, **environment, **extra})
            stack.callback(manager.shutdown_kernel, now=True)
            client, witness = manager.client(), manager.client()
            for one, talks in ((client, True), (witness, False)):
                one.start_channels(shell=talks, stdin=talks, hb=talks, control=talks)
                stack.callback(one.stop_channels)
            client.wait_for_ready(timeout=60)
            return Kernel(client, witness), manager

        yield start


def test_the_panel_shows_where_a_person_can_act(start_kernel):
    """With input allowed and no credentials, login shows the panel and returns at once."""
    kernel, _ = start_kernel(SANDBOX_API_KEY="")
    kernel.run("%load_ext immune_nb")
    shown = kernel.run("%immune login --profile sandbox")
    bundles = [message["content"]["data"] for message in shown if message["msg_type"] == "display_data"]
    assert "application/vnd.jupyter.widget-view+json" in bundles[0]
    assert "%immune login --from prompt" in bundles[0]["text/plain"]


def test_a_key_typed_into_the_panel_is_broadcast_nowhere(start_kernel, sandbox):
    """Of the one message with the key, no other front end and no state hears (L08, L46); the login stands."""
    kernel, _ = start_kernel(SANDBOX_API_KEY="")
    kernel.run("%load_ext immune_nb\n%immune login --profile sandbox")
    model = kernel.value("print(get_ipython().magics_manager.registry['ImmuneMagics'].desk.panel.model_id)")
    typed = {"do": "connect", "profile": "sandbox", "method": "key", "client_id": "", "secret": sandbox.api_key}
    kernel.comm(model, {"method": "custom", "content": typed})
    assert "API key" in kernel.value("import immune_nb; print(immune_nb.current().status().method)")
    kernel.run("import ipywidgets, json; print(json.dumps(ipywidgets.Widget.get_manager_state()))")
    assert not leaks(kernel.broadcast(), sandbox.api_key)


def test_the_broadcast_probe_can_fail(start_kernel, sandbox):
    """Positive control: a key typed into an ordinary password widget is echoed to every front end."""
    kernel, _ = start_kernel()
    model = kernel.value("import ipywidgets; w = ipywidgets.Password(); print(w.model_id)")
    kernel.comm(model, {"method": "update", "state": {"value": sandbox.api_key}, "buffer_paths": []})
    assert leaks(kernel.broadcast(), sandbox.api_key)


def test_the_kernels_sandbox_dies_with_a_killed_kernel(start_kernel, tmp_path):
    """SIGKILL leaves no sandbox behind: it watches its standard input."""
    kernel, manager = start_kernel(SANDBOX_BASE_URL="", SANDBOX_TOKEN_URL="", SANDBOX_API_KEY="")
    kernel.run("%load_ext immune_nb\n%immune login --profile sandbox")
    kernel_process = psutil.Process(manager.provisioner.pid)
    (own,) = [child for child in kernel_process.children() if "immune_nb.sandbox" in " ".join(child.cmdline())]
    kernel_process.kill()
    own.wait(timeout=20)


def test_loading_imports_nothing_heavy(start_kernel):
    """`%load_ext` leaves pandas, httpx, ipywidgets and anywidget alone until they are used."""
    kernel, _ = start_kernel()
    kernel.run("import sys; before = set(sys.modules)\n%load_ext immune_nb")
    heavy = ("pandas", "numpy", "httpx", "authlib", "pyarrow", "ipywidgets", "anywidget")
    assert kernel.value(f"print([m for m in {heavy} if m in set(sys.modules) - before])") == "[]"


def test_nothing_of_ours_is_written_to_disk(environment, clean_environment, sandbox):
    """A login and a query leave no file with the key under HOME and IPython's folders (L41); the probe can fail."""

    def found() -> bool:
        files = [path for path in clean_environment.rglob("*") if path.is_file()]
        assert files
        return any(sandbox.api_key.encode() in path.read_bytes() for path in files)

    Run(("%load_ext immune_nb\n%immune login --profile sandbox", "%immune sensors"), environment)
    assert not found()
    Run(
        ("import os, pathlib\npathlib.Path.home().joinpath('x').write_text(os.environ['SANDBOX_API_KEY'])",),
        environment,
    )
    assert found()
