"""TAB in a real kernel: every form of a line, the text that is replaced, and not one request."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client import BlockingKernelClient, KernelManager
from traitlets.config import Config

from immune_nb.notebook.arguments import parse

pytestmark = pytest.mark.slow


@dataclass
class Tab:
    """A kernel, and its TAB key."""

    client: BlockingKernelClient

    def run(self, code: str) -> None:
        """Run a cell that works."""
        reply = self.client.execute_interactive(code, timeout=60, output_hook=lambda _: None)
        assert reply["content"]["status"] == "ok", reply["content"]

    def __call__(self, code: str) -> list[str]:
        """The cell as each completion leaves it; the cursor is at ``|``, or at the end."""
        before, _, behind = code.partition("|")
        message = self.client.complete(before + behind, len(before))
        while (reply := self.client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != message:
            pass
        found = reply["content"]
        whole, start, end = before + behind, found["cursor_start"], found["cursor_end"]
        assert end == len(before)
        return [whole[:start] + match + whole[end:] for match in found["matches"]]


@pytest.fixture(scope="module")
def tab(sandbox_process) -> Iterator[Tab]:
    """A kernel that is logged in, and has seen some sensors, alerts and readings."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, **sandbox_process.environment, "MY_SPARE_KEY": "x"})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        tab = Tab(client)
        tab.run("%load_ext immune_nb\n%immune login --profile sandbox")
        tab.run("df = %immune sensors\nalerts = %immune alerts\nhour = %immune readings vib_001 --last 1h")
        tab.run("import immune_nb as im\nsession = im.current()\nids = ['vib_001']\nclass Lab: pass")
        tab.run("lab = Lab()\nlab.api = session\nplain = {'/alerts': 1}\n%alias_magic im_line immune")
        yield tab
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


LINES = (
    ("%immune rea", "%immune readings"),
    ("%%immune po", "%%immune post"),
    ("%%immune post /re", "%%immune post /readings/batch"),
    ("%%immune patch /alerts/alert_0", "%%immune patch /alerts/alert_0001"),
    ("%immune acknowledge alert_00", "%immune acknowledge alert_0002"),
    ("%immune ack alert_0001 --com", "%immune ack alert_0001 --comment"),
    ("%immune submit ho", "%immune submit {hour}"),
    ("df = %immune al", "df = %immune alerts"),
    ("a, b = %immune get /al", "a, b = %immune get /alerts"),
    ("for x in ids:\n    df = %immune sens", "for x in ids:\n    df = %immune sensors"),
    ("%immune week << rea", "%immune week << readings"),
    ("immune rea", "immune readings"),
    ("%im_line rea", "%im_line readings"),
    ("%immune readings vib_001 \\\n  --las", "%immune readings vib_001 \\\n  --last"),
    ("%immune readings vib_00", "%immune readings vib_007"),
    ("%immune readings vib_001 tem", "%immune readings vib_001 temp_001"),
    ("%immune readings vib_001 --last ", "%immune readings vib_001 --last 7d"),
    ("%immune readings vib_001 --start yes", "%immune readings vib_001 --start yesterday"),
    ("%immune readings vib_001 quality=qu", "%immune readings vib_001 quality=questionable"),
    ("%immune readings {id", "%immune readings {ids}"),
    ("%immune readings $id", "%immune readings $ids"),
    ("%immune alerts se", "%immune alerts severity="),
    ("%immune alerts severity=cr", "%immune alerts severity=critical"),
    ("%immune alerts severity=critical,wa", "%immune alerts severity=critical,warning"),
    ("%immune alerts --severity critical,in", "%immune alerts --severity critical,info"),
    ("%immune alerts --severity=cri", "%immune alerts --severity=critical"),
    ("%immune alerts status=act| --limit 3", "%immune alerts status=active --limit 3"),
    ('%immune alerts status="act', '%immune alerts status="active"'),
    ('%immune alerts status="act|"', '%immune alerts status="active"'),
    ("%immune alerts sensor_id=pre", "%immune alerts sensor_id=press_001"),
    ("%immune sensors location=Ut", "%immune sensors location=Utilities"),
    ("%immune sensors location=Ha", "%immune sensors location='Hall A'"),
    ("%immune get /sensors/vib", "%immune get /sensors/vib_012"),
    ("%immune get /alerts/alert_0", "%immune get /alerts/alert_0001"),
    ("%immune get eq", "%immune get /equipment"),
    ("%immune get /alerts?sev", "%immune get /alerts?severity="),
    ("%immune get '/alerts?severity=critical&sta", "%immune get '/alerts?severity=critical&status="),
    ("%immune get /alerts?severity=critical,wa", "%immune get /alerts?severity=critical,warning"),
    ("%immune get /alerts type=ano", "%immune get /alerts type=anomaly"),
    ("%immune describe PATCH /al", "%immune describe PATCH /alerts/{id}"),
    ("%immune describe predi", "%immune describe predictions"),
    ("%immune use sand", "%immune use sandbox"),
    ("%immune sensors --profile imm", "%immune sensors --profile immune"),
    ("%immune login --method bro", "%immune login --method browser"),
    ("%immune login --from pro", "%immune login --from prompt"),
    ("%immune login --from env:MY_", "%immune login --from env:MY_SPARE_KEY"),
    ("%immune sandbox st", "%immune sandbox status"),
    ("%immune readings vib_001 --dr", "%immune readings vib_001 --dry-run"),
)  # fmt: skip


@pytest.mark.parametrize(("typed", "left"), LINES)
def test_tab_on_a_line(tab, typed, left):
    """The completion is offered, and the cell it leaves is the one meant."""
    assert left in tab(typed)


PYTHON = (
    ('session.get("/al', 'session.get("/alerts'),
    ("x = session.get('/sensors/fl|')", "x = session.get('/sensors/flow_004')"),
    ('im.current().get("/pre', 'im.current().get("/predictions'),
    ('lab.api.get("/re', 'lab.api.get("/readings'),
    ('session.get("/alerts?seve', 'session.get("/alerts?severity='),
    ('session.get("/alerts", seve', 'session.get("/alerts", severity='),
    ('session.get(\n    "/alerts",\n    status="act', 'session.get(\n    "/alerts",\n    status="active'),
    ('session.get("/alerts", severity="critical,wa', 'session.get("/alerts", severity="critical,warning'),
    ('session.readings(["vib_001", "temp_00', 'session.readings(["vib_001", "temp_004'),
)


@pytest.mark.parametrize(("typed", "left"), PYTHON)
def test_tab_in_python(tab, typed, left):
    """Inside a session's `get`, wherever the session is kept, and nothing else is offered beside."""
    offered = tab(typed)
    assert left in offered
    assert not [one for one in offered if "%" in one or "README" in one]


@pytest.mark.parametrize(
    "typed", ['plain.get("/al', 'unknown.get("/al', 'im.connect().get("/al', '"%immune".get("/al']
)
def test_other_peoples_get_is_left_alone(tab, typed):
    """A dictionary, an unknown name, a call that would log in: no paths of ours."""
    assert not [one for one in tab(typed) if "/alert-rules" in one]


def test_a_cell_is_offered_only_what_takes_a_body(tab):
    """``%%immune sensors`` would be a mistake, so it is not offered."""
    assert set(tab("%%immune ")) == {f"%%immune {verb}" for verb in ("post", "patch", "put", "delete")}


def test_a_fresh_word_offers_values_parameters_and_options(tab):
    """In this order; what was given is not offered again."""
    offered = [
        one.removeprefix("%immune readings vib_001 --last 1h ") for one in tab("%immune readings vib_001 --last 1h ")
    ]
    assert "vib_002" in offered
    assert "vib_001" not in offered
    assert "--last" not in offered
    assert offered.index("vib_002") < offered.index("quality=") < offered.index("--limit")


def test_ids_of_frames_fetched_in_python_are_offered_too(tab):
    """What stands in a variable was seen, whoever asked for it."""
    assert "%immune get /predictions/pred_0001" not in tab("%immune get /predictions/pr")
    tab.run("expected = session.predictions()")
    assert "%immune get /predictions/pred_0001" in tab("%immune get /predictions/pr")


def test_nothing_is_sent(tab, sandbox):
    """A TAB for every form leaves the service's log as it was; the log is one that notes requests."""
    before = len(sandbox.log())
    for typed, _ in (*LINES, *PYTHON):
        tab(typed)
    tab("%immune ")
    assert len(sandbox.log()) == before
    tab.run("%immune get /equipment -q;")
    assert len(sandbox.log()) == before + 1


def test_every_line_that_is_left_can_be_read():
    """Wherever the completion ends the line, the line is one that the magic takes."""
    lines = [left.partition("%immune ")[2] for _, left in LINES if not left.endswith(("=", "--last", "--comment"))]
    whole = [line for line in lines if line not in ("", "post", "submit") and "\\" not in line]
    assert len(whole) > 30
    for line in whole:
        asked = parse(line, {"ids": ["vib_001"], "hour": 1})
        assert asked.command is not None
        assert "{" not in str(asked.words) or asked.command.name == "describe"


@pytest.fixture
def shell(capsys) -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    yield shell
    shell.run_cell("%unload_ext immune_nb")
    InteractiveShell.clear_instance()


def test_the_matcher_comes_and_goes_with_the_extension(shell):
    """Loading twice adds one, unloading takes it away, reloading keeps one."""

    def ours() -> int:
        return sum(getattr(m, "matcher_identifier", "") == "immune_nb" for m in shell.Completer.custom_matchers)

    for cell, there in (
        ("%load_ext immune_nb", 1),
        ("import immune_nb\nimmune_nb.load_ipython_extension(get_ipython())", 1),
        ("%reload_ext immune_nb", 1),
        ("%unload_ext immune_nb", 0),
        ("%load_ext immune_nb", 1),
    ):
        assert shell.run_cell(cell).success
        assert ours() == there


def test_a_broken_profile_file_breaks_no_tab(shell, monkeypatch, tmp_path):
    """Subcommands and options are still offered; the mistake is said when the profile is used."""
    (tmp_path / "profiles.toml").write_text("this is not TOML", encoding="utf-8")
    monkeypatch.setenv("IMMUNE_NB_CONFIG", str(tmp_path))
    shell.run_cell("%load_ext immune_nb")
    with provisionalcompleter():
        assert [c.text for c in shell.Completer.completions("%immune sensors --pro", 21)] == ["--profile"]
        assert "iiniit" not in [c.text for c in shell.Completer.completions("%immune sensors --profile ii", 28)]


HOSTILE = (
    "{__import__('os').abort()}",
    "x{__import__('os').abort()}",
    "$HOME",
    "a; b",
    "'); __import__('os').abort() #",
    '"); __import__("os").abort() #',
    "a\x1b[31m\nb",
)


def test_what_a_document_says_becomes_no_code(shell, tmp_path, monkeypatch):
    """Enum words, paths and names of a document that means ill: a line that is completed evaluates nothing of it."""
    words = {"name": "kind", "in": "query", "schema": {"enum": list(HOSTILE)}}
    names = [{"name": name, "in": "query"} for name in HOSTILE]
    paths = {f"/{text}": {"get": {}} for text in HOSTILE} | {"/x": {"get": {"parameters": [words, *names]}}}
    document = {"openapi": "3.1.0", "info": {"title": HOSTILE[-1]}, "paths": paths}
    (tmp_path / "lab.json").write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "profiles.toml").write_text(
        '[lab]\nbase_url = "http://127.0.0.1:9"\ncatalog = "lab.json"\n', encoding="utf-8"
    )
    monkeypatch.setenv("IMMUNE_NB_CONFIG", str(tmp_path))
    monkeypatch.setenv("LAB_API_KEY", "made-up-key-1")
    assert shell.run_cell("%load_ext immune_nb\n%immune login --profile lab").success
    assert shell.run_cell("import immune_nb\nsession = immune_nb.current()").success
    offered = []
    for start in (
        "%immune get /",
        "%immune get '/",
        '%immune get "/',
        "%immune get /x kind=",
        '%immune get /x kind="',
        "%immune get /x ",
    ):
        with provisionalcompleter():
            done = [start[: c.start] + c.text for c in shell.Completer.completions(start, len(start))]
        offered += [line.partition("%immune ")[2] for line in done if line.count('"') % 2 == 0]
    assert any("abort" in line for line in offered)
    for line in offered:
        for closed in (line, f"{line}'", f'{line}"'):
            with contextlib.suppress(UsageError):
                parse(closed, {"os": os})  # which evaluates what is a variable, and would end this process
    for start in ('session.get("/', "session.get('/", 'session.get("/x", kind="', 'session.get("/x", '):
        with provisionalcompleter():
            texts = [c.text for c in shell.Completer.completions(start, len(start)) if c.type == "immune"]
        assert not [text for text in texts if '"' in text or "'" in text or not text.isprintable()]
    assert not [line for line in repr(shell.user_ns["session"].catalog()).splitlines() if not line.isprintable()]
