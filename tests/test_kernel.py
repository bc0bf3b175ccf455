"""The extension in a real kernel, driven by nbclient and jupyter_client."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import nbformat
import psutil
import pytest
from gauntlet.canaries import leaked
from jupyter_client import BlockingKernelClient, KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from servers.visitor import visiting

from immune_nb.connecting import connect

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
    assert re.match(r"hour: \d\d rows × 7 columns · complete · sandbox", run.text(4))
    assert re.search(r"\d\d \['temp_001', 'vib_001'\] True", run.text(5))
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
    assert not leaked(json.dumps(run.notebook), KEY_CANARY)


def test_no_credentials_stop_the_run_and_name_the_variables(environment):
    """Nbclient forbids input: no panel, no waiting, an error that says what to set."""
    run = Run(("%load_ext immune_nb", "%immune login"), {})
    assert run.error is not None
    assert run.error.ename == "NoCredentialsError"
    assert "IMMUNE_API_KEY" in str(run.error)


@pytest.mark.parametrize("link", ["environment", "secret file", "named variable", "named file", "remembered"])
def test_each_link_that_needs_nobody_logs_in(environment, sandbox, tmp_path, link):
    """As papermill runs it: from the environment, mounted files, places named on the line, or what is remembered."""
    key = environment.pop("SANDBOX_API_KEY")
    (tmp_path / "key").write_text(f"{key}\n")
    line, more = {
        "environment": ("", {"SANDBOX_API_KEY": key}),
        "secret file": ("", {"SANDBOX_API_KEY_FILE": str(tmp_path / "key")}),
        "named variable": ("--from env:MY_KEY", {"MY_KEY": key}),
        "named file": (f"--from file:{tmp_path / 'key'}", {}),
        "remembered": ("", {}),
    }[link]
    if link == "remembered":
        session = connect(sandbox.profile, api_key=key)
        assert session.remember()
        session.close()
    login = f"%load_ext immune_nb\n%immune login --profile sandbox {line}"
    run = Run((login, "%immune status --explain", "df = %immune sensors --limit 3\nlen(df)"), environment | more)
    assert run.error is None
    assert "taken" in run.text(1)
    assert "the secret is" in run.text(1)
    assert run.text(2).startswith("3\n")
    assert not leaked(json.dumps(run.notebook), key)


@pytest.mark.parametrize("method", ["", "--method browser", "--method device", "--method browser --from panel"])
def test_with_nothing_and_nobody_it_fails_within_a_second(environment, sandbox, method):
    """Every link that was tried is named, nothing is started, and the second after the login is not over."""
    environment.pop("SANDBOX_API_KEY")
    more = {"SANDBOX_ISSUER": sandbox.issuer, "SANDBOX_CLIENT_ID": sandbox.public_client_id}
    timed = f"import time; began = time.monotonic()\ntry:\n    %immune login --profile sandbox {method}\nfinally:\n"
    warm = "%load_ext immune_nb\nimport immune_nb.session"
    run = Run((warm, timed + "    print(time.monotonic() - began)"), environment | more)
    assert run.error is not None
    assert run.error.ename == "NoCredentialsError"
    for tried in () if "panel" in method else ("environment", "secret files", "JupyterHub", "remembered", "Nobody"):
        assert tried in run.error.evalue
    assert float(run.notebook.cells[1].outputs[0].text) < 1.0
    assert not sandbox.log("/oauth/")


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
    assert not leaked(json.dumps(run.notebook), sandbox.api_key)


def test_the_notebook_probe_can_fail(sandbox):
    """Positive control: the same probe finds a key in an ordinary password widget."""
    run = Run(("import ipywidgets, os\nipywidgets.Password(value=os.environ['LEAK'])",), {"LEAK": sandbox.api_key})
    assert leaked(json.dumps(run.notebook), sandbox.api_key)


class Kernel:
    """A kernel that a person sits at, so that it may ask for input, and a second front end that listens."""

    def __init__(self, client: BlockingKernelClient, witness: BlockingKernelClient, manager: KernelManager) -> None:
        self._client = client
        self._manager = manager
        self._witness = witness

    def run(self, code: str, hook: Callable[[dict], None] | None = None) -> list[dict]:
        """Run code; the messages it caused."""
        seen: list[dict] = []
        reply = self._client.execute_interactive(code, allow_stdin=True, output_hook=hook or seen.append, timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
        return seen

    def fails(self, code: str, interrupt_at: str = "") -> dict:
        """Run code that fails, interrupted once it shows what a pattern finds; the error."""

        def interrupt(message: dict) -> None:
            if interrupt_at and re.search(interrupt_at, json.dumps(message["content"], default=str)):
                self._manager.interrupt_kernel()

        reply = self._client.execute_interactive(code, allow_stdin=True, output_hook=interrupt, timeout=60)
        assert reply["content"]["status"] == "error", reply["content"]
        return reply["content"]

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
            return Kernel(client, witness, manager), manager

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
    assert not leaked(kernel.broadcast(), sandbox.api_key)


def test_the_broadcast_probe_can_fail(start_kernel, sandbox):
    """Positive control: a key typed into an ordinary password widget is echoed to every front end."""
    kernel, _ = start_kernel()
    model = kernel.value("import ipywidgets; w = ipywidgets.Password(); print(w.model_id)")
    kernel.comm(model, {"method": "update", "state": {"value": sandbox.api_key}, "buffer_paths": []})
    assert leaked(kernel.broadcast(), sandbox.api_key)


def sign_in_kernel(start_kernel, sandbox, line: str) -> Kernel:
    """A kernel with a sign-in underway, in the panel."""
    more = {"SANDBOX_ISSUER": sandbox.issuer, "SANDBOX_CLIENT_ID": sandbox.public_client_id}
    kernel, _ = start_kernel(SANDBOX_API_KEY="", **more)
    kernel.run(f"%load_ext immune_nb\n%immune login --profile sandbox {line}")
    return kernel


DESK = "get_ipython().magics_manager.registry['ImmuneMagics'].desk"


def test_a_sign_in_ends_without_anybody_asking(start_kernel, sandbox):
    """The kernel is free while it waits; when the person agrees, the session is there and the panel says so."""
    sandbox.breaks(device_interval_s=1)
    kernel = sign_in_kernel(start_kernel, sandbox, "--method device")
    assert kernel.value("print(6 * 7)") == "42"
    code = kernel.value(f"print({DESK}.panel.sign_in['code'])")
    sandbox.control("POST", "device", user_code=code, action="approve")
    kernel.run(f"waiting = {DESK}.waiting\nwaiting is None or waiting.wait(30)")
    assert "device sign-in" in kernel.value(f"print({DESK}.panel.logins['sandbox']['text'])")
    assert kernel.value("import immune_nb; print(immune_nb.current().status().method)") == "device sign-in"


def test_a_query_waits_for_the_sign_in_and_the_link_comes_again(start_kernel, sandbox):
    """The cell itself takes the login; meanwhile the panel, which cannot ask, is sent its link; no cell shows it."""
    kernel = sign_in_kernel(start_kernel, sandbox, "--method browser")
    link = kernel.value(f"print({DESK}.waiting.pending.url)")
    seen: list[dict] = []

    def agree(message: dict) -> None:
        seen.append(message)
        if message["msg_type"] == "comm_msg" and message["content"]["data"].get("content", {}).get("link") == link:
            with visiting(sandbox.user, sandbox.password) as person:
                httpx.get(person.authorize(link), trust_env=False)

    kernel.run("df = %immune sensors --limit 3", agree)
    shown = json.dumps([m["content"] for m in seen if m["msg_type"] in ("display_data", "stream")], default=str)
    assert "Waiting up to 120 s for the sign-in to sandbox" in shown
    assert "browser sign-in" in shown
    assert not leaked(shown, link)
    assert kernel.value("print(len(df))") == "3"


def test_a_waiting_query_can_be_interrupted_and_does_not_wait_again(start_kernel, sandbox):
    """The stop button ends it at once; the next query fails at once and says what to do; Cancel ends the sign-in."""
    kernel = sign_in_kernel(start_kernel, sandbox, "--method browser")
    stopped = kernel.fails("%immune sensors", interrupt_at="Waiting up to")
    assert stopped["ename"] == "KeyboardInterrupt"
    again = kernel.fails("%immune sensors")
    assert again["ename"] == "NoCredentialsError"
    assert "Finish or cancel it in the panel" in again["evalue"]
    kernel.run("%immune logout")
    assert "Not logged in" in kernel.fails("%immune sensors")["evalue"]


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


SIGN_IN = Path(__file__).parent.parent / "notebooks" / "02_sign_in.ipynb"


def test_the_sign_in_notebook_runs_with_nothing_set(clean_environment):
    """Every cell, in a kernel with an empty environment; no credential of its sandbox is anywhere in it."""
    notebook = nbformat.read(SIGN_IN, as_version=4)
    spy = "import json, os; print(json.dumps([v for n, v in os.environ.items() if n.endswith('_CLIENT_SECRET')]))"
    probe = nbformat.v4.new_code_cell(spy)
    notebook.cells.insert(2, probe)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(SIGN_IN.parent)}}).execute()
    (secret,) = json.loads(probe.outputs[0].text)
    assert leaked(json.dumps(notebook), secret)  # positive control: the spy's own output
    notebook.cells.remove(probe)
    assert not leaked(json.dumps(notebook), secret)
    shown = {cell.id: "\n".join(map(plain, cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"}
    told = "\n".join(shown.values())
    for line in (
        "environment: SANDBOX_CLIENT_ID with SANDBOX_CLIENT_SECRET",
        "Logged out of sandbox: revoked. It stays available to the next %immune login: environment",
        "secret file: SANDBOX_CLIENT_ID_FILE with SANDBOX_CLIENT_SECRET_FILE",
        "client credentials · read",
        "The login will be kept in a private file.",
        "remembered: a private file",
        "There is nothing to log in to 'sandbox' with (environment: no SANDBOX_… variable",
    ):
        assert line in told
    assert not list(clean_environment.rglob("logins/*.json"))


def test_the_sign_in_notebook_is_stored_without_outputs():
    """What is committed holds no results and no widget state."""
    notebook = nbformat.read(SIGN_IN, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "widgets" not in notebook.metadata


SLOW = "df = %immune readings vib_002 --last 20d"


def bars(messages: list[dict]) -> list[str]:
    """What was shown in outputs that are brought up to date, in order."""
    kinds = ("display_data", "update_display_data")
    return [
        m["content"]["data"]["text/plain"] for m in messages if m["msg_type"] in kinds and "transient" in m["content"]
    ]


def test_a_long_query_shows_how_far_it_is_and_leaves_nothing(start_kernel, sandbox):
    """Rows, pages, rate and time left, then an empty output and no widget; none when quiet, silent or short."""
    kernel, _ = start_kernel()
    kernel.run("%load_ext immune_nb\n%immune login --profile sandbox")
    sandbox.breaks(latency_ms=200)
    shown = [text for text in bars(kernel.run(SLOW)) if "rows/s" in text or not text]
    assert re.search(r"\d % \|.* \d[\d,]* of 172,8\d\d rows, \d+ pages? · [\d.]+k? rows/s · \d\d:\d\d left", shown[0])
    assert shown[-1] == ""
    assert kernel.value("import ipywidgets; print(len(ipywidgets.Widget.get_manager_state()['state']))") == "0"
    for line in (f"{SLOW} -q", f"{SLOW};"):
        assert not [text for text in bars(kernel.run(line)) if "% |" in text]
    sandbox.breaks(latency_ms=0)
    assert not [text for text in bars(kernel.run("df = %immune readings vib_001 --last 1h")) if "% |" in text]


def days_asked(query: dict[str, str]) -> set[date]:
    """The days of which a request asks for more than their edge."""
    first, last = (datetime.fromisoformat(query[name]) for name in ("start_time", "end_time"))
    first, last = (first + timedelta(seconds=1)).date(), (last - timedelta(seconds=1)).date()
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}


def test_ctrl_c_says_what_is_kept_and_a_second_run_goes_on(start_kernel, sandbox, tmp_path):
    """F27: interrupted while the bar is shown: one line, true of the files; no day of them is asked for again."""
    kernel, _ = start_kernel(IMMUNE_NB_CACHE=str(tmp_path))
    kernel.run("%load_ext immune_nb\n%immune login --profile sandbox")
    sandbox.breaks(latency_ms=200)
    error = kernel.fails(f"{SLOW} --cache", interrupt_at=r"[3-9]\d % \|")
    kept = {date.fromisoformat(file.stem) for file in tmp_path.glob("*/*.parquet")}
    assert kept
    assert error["ename"] == "Interrupted"
    assert f"kept {len(kept)} day{'s' * (len(kept) > 1)}; run it again to go on." in error["evalue"]
    assert error["traceback"] == [f"KeyboardInterrupt: {error['evalue']}"]
    kernel.run("%immune readings vib_001 --last 1m -q")  # as slow as what is still on its way, and asked after it
    sandbox.breaks(latency_ms=0)
    for options, asks_again in (("--cache", False), ("--cache --refresh", True)):
        seen = len(sandbox.log())
        kernel.run(f"{SLOW} {options}")
        asked = [dict(parse_qsl(entry["query"])) for entry in sandbox.log()[seen:] if entry["path"] == "/v1/readings"]
        assert asked
        assert bool(kept & set().union(*map(days_asked, asked))) is asks_again
        assert kernel.value("print(df.attrs['immune']['complete'])") == "True"


def test_no_bar_is_left_where_nobody_sits(environment, sandbox):
    """A notebook run by nbclient has the footer and nothing else, however long it took."""
    sandbox.breaks(latency_ms=200)
    run = Run(("%load_ext immune_nb", "%immune login --profile sandbox", SLOW), environment)
    assert run.error is None
    (footer,) = run.notebook.cells[2].outputs
    assert plain(footer).startswith("172,8")
