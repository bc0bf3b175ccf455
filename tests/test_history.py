"""What is refused on a magic line stays out of IPython's history, in memory and on disk (gauntlet L11 to L14)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from gauntlet.canaries import leaked
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.notebook.history import HIDDEN, scrubbed
from immune_nb.session import Session
from immune_nb.sessions import sessions_of

CANARY = "canary9Xw3kd0LzPq7TnB2vM"
LINES = [
    "%immune login --api-key {}",
    "%immune login --client-secret='{}'",
    "%immune get /sensors api_key={}",
    "df = %immune readings vib_001 token={}",
    "%%immune post /readings --token {}\nvalue: 1",
    "for _ in [0]:\n    %immune login {}",
    "%immune login \\\n    --api-key {}",
    "immune login --password {}",
    "get_ipython().run_line_magic('immune', 'login --api-key {}')",
    "print('before')\n%immune sensors --key {}\nprint('after')",
]


@pytest.fixture
def shell(tmp_path, capsys) -> Iterator[InteractiveShell]:
    """An IPython that keeps its history in a file under `tmp_path`."""
    config = Config()
    config.HistoryManager.hist_file = str(tmp_path / "history.sqlite")
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    shell.run_cell("%load_ext immune_nb")
    yield shell
    shell.run_cell("%unload_ext immune_nb")
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def on_disk(shell: InteractiveShell) -> bytes:
    """The raw bytes of the history, with its journal or log, once all is written."""
    shell.history_manager.writeout_cache()
    folder = Path(shell.history_manager.hist_file).parent
    return b"".join(path.read_bytes() for path in folder.glob("history.sqlite*"))


def in_memory(shell: InteractiveShell) -> str:
    """Everything IPython keeps of what was typed."""
    names = ("In", "Out", "_ih", "_oh", "_dh", "_i", "_ii", "_iii", "_", "__", "___")
    kept = [shell.user_ns.get(name) for name in names]
    kept += [value for name, value in shell.user_ns.items() if name.startswith("_i")]
    manager = shell.history_manager
    kept += [manager.input_hist_raw, manager.input_hist_parsed, manager.db_input_cache, manager.output_hist_reprs]
    return f"{kept} {shell.last_execution_result.info!r}"


def leaky(shell: InteractiveShell, secret: str = CANARY) -> list[str]:
    """Where the secret is."""
    places = {"memory": in_memory(shell), "disk": on_disk(shell)}
    return [place for place, held in places.items() if leaked(held, secret)]


@pytest.mark.parametrize("line", LINES)
def test_a_refused_secret_is_in_no_history(shell, line, capsys):
    """L11 to L14: 20 times each, `In`, `_i…`, `Out`, the bytes of history.sqlite and the error are without it."""
    for _ in range(20):
        shell.run_cell(line.format(CANARY), store_history=True)
    assert leaky(shell) == []
    assert HIDDEN in in_memory(shell)
    said = capsys.readouterr()
    assert "No secret belongs on a magic line" in said.out + said.err
    assert not leaked(said.out + said.err, CANARY)


@pytest.mark.parametrize(
    "cell",
    [
        "%%immune post /login\nuser: ada\npassword: {}",
        '%%immune patch /settings --form\n{{\n  "name": "x",\n  "api_key": "{}"\n}}',
        "%%time\n%%immune put /x\nnote: {}",
        "\n%%immune post /x\n- one\n- Authorization: Bearer {}",
        "get_ipython().run_cell_magic('immune', 'post /x', 'token: {}')",
    ],
)
def test_a_secret_in_a_cell_body_is_in_no_history(shell, cell, capsys):
    """The body is refused before it is read, and neither kept nor repeated; the line above it is kept."""
    for _ in range(5):
        shell.run_cell(cell.format(CANARY), store_history=True)
    assert leaky(shell) == []
    assert HIDDEN in in_memory(shell)
    said = capsys.readouterr()
    assert "No secret belongs in the body of a cell" in said.out + said.err
    assert not leaked(said.out + said.err, CANARY)
    assert "immune" in shell.history_manager.input_hist_raw[-1] or "pass" in shell.history_manager.input_hist_raw[-1]


def test_an_unguarded_cell_body_leaks(shell):
    """Positive control: after `%unload_ext` the same body is found in memory and on disk."""
    shell.run_cell("%unload_ext immune_nb", store_history=True)
    shell.run_cell(f"%%immune post /login\npassword: {CANARY}", store_history=True)
    assert leaky(shell) == ["memory", "disk"]


def test_an_unguarded_shell_leaks(shell):
    """Positive control: L11 L12: after `%unload_ext` the same line is found in memory and on disk."""
    shell.run_cell("%unload_ext immune_nb", store_history=True)
    shell.run_cell(LINES[0].format(CANARY), store_history=True)
    assert leaky(shell) == ["memory", "disk"]


def test_loading_again_guards_once_and_unloading_restores(shell):
    """Reloading keeps one guard; unloading puts back exactly what was there."""
    manager = shell.history_manager
    shell.run_cell("%reload_ext immune_nb\n%load_ext immune_nb", store_history=True)
    shell.run_cell(LINES[0].format(CANARY), store_history=True)
    assert leaky(shell) == []
    assert len(manager.input_hist_raw) == len(set(manager.input_hist_raw)) == 3
    shell.run_cell("%unload_ext immune_nb", store_history=True)
    assert manager.store_inputs.__func__ is type(manager).store_inputs


def test_an_alias_is_guarded_too(shell):
    """`%alias_magic` gives it another name, not another rule."""
    shell.run_cell("%alias_magic nb immune", store_history=True)
    shell.run_cell(f"%nb login --api-key {CANARY}", store_history=True)
    assert leaky(shell) == []


def test_what_is_typed_wrong_is_not_repeated(shell, capsys):
    """L14: unknown flags, bad choices, missing values and quotes: one sentence, without what was typed."""
    for line in (
        f"%immune login --zzz {CANARY}",
        f"%immune login --method {CANARY}",
        f"%immune login --from {CANARY}",
        f"%immune readings --limit {CANARY}",
        f"%immune {CANARY}",
        f"%immune use '{CANARY}",
        f"%immune status {CANARY}",
    ):
        shell.run_cell(line, store_history=True)
        said = capsys.readouterr()
        assert said.out + said.err
        assert not leaked(said.out + said.err, CANARY), line


@pytest.mark.parametrize(
    "cell",
    [
        "df = %immune readings vib_001 --last 7d",
        "key = %immune sensors status=online",
        "immune = 'sk_' + name",
        "token = os.environ['X']\n%immune login --from env:TOKEN_OF_MINE",
        "%time x = 3 % immune_to(key='a')",
        "%%immune post /alert-rules\nname: hot\nseverity: critical",
        "token = get()\nprint(token)\n%immune sensors",
        "",
    ],
)
def test_what_carries_no_secret_is_kept_as_typed(shell, cell):
    """History is for going back to: an ordinary line is stored as it stands."""
    assert scrubbed(cell) == cell


def test_the_rest_of_the_cell_is_kept():
    """Only the line that carries the secret is replaced, in its place and indentation."""
    cell = f"x = 1\nif x:\n    df = %immune get /a api_key={CANARY}\n    y = 2"
    assert scrubbed(cell) == f"x = 1\nif x:\n    df = %immune {HIDDEN}\n    y = 2"


@given(before=st.text(max_size=80), after=st.text(max_size=80))
def test_no_surroundings_hide_a_secret(before, after):
    """Whatever stands around it, the secret of a magic line is scrubbed, and nothing crashes."""
    assert CANARY not in scrubbed(f"{before}\n%immune login --api-key {CANARY}\n{after}").replace(before, "")


def test_the_own_credential_is_known_by_itself(shell):
    """A key in use that looks like nothing is refused on a line and in a body, and stays out of the history."""
    plain, profile = "plain words as a key", im.Profile("lab", "http://127.0.0.1:9")
    sessions_of(shell).add(Session(profile, find_credentials(profile, {}, api_key=plain)))
    for cell in (f"%immune get /x/{quote(plain)}", f"%%immune post /x --yes\nnote: {plain}"):
        result = shell.run_cell(cell, store_history=True)
        assert "No secret belongs" in str(result.error_in_exec)
        assert leaky(shell, plain) == []


def test_a_name_given_in_the_same_cell_is_known(shell):
    """`%alias_magic` and what it names, in one cell: the line below it is scrubbed, too."""
    shell.run_cell(f"%alias_magic im immune\n%im login --api-key {CANARY}", store_history=True)
    assert leaky(shell) == []
