"""Writing from a cell: what is shown first, who is asked, what is refused, and what comes back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import nbformat
import pytest
from gauntlet.canaries import leaked
from IPython.core.error import UsageError
from jupyter_client import BlockingKernelClient, KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from servers.scripted import Answer, reply, scripted
from test_magic import Shell, logged_in, shell

import immune_nb as im

__all__ = ["logged_in", "shell"]  # fixtures

RULE = "name: hot\nequipment_id: pump_001\nconditions: {operator: '>', value: 80}\nseverity: critical"
FRAME = """
import pandas as pd
when = pd.Timestamp.now("UTC").floor("h")
frame = pd.DataFrame({"sensor_id": "vib_001", "value": [1.0, 2.0], "unit": "mm/s", "timestamp": when})
"""


def writes(sandbox) -> list[tuple[str, str, int]]:
    """Every request that was to change something."""
    return [(e["method"], e["path"], e["status"]) for e in sandbox.log("/v1/") if e["method"] != "GET"]


def refused(shell: Shell, cell: str) -> str:
    """The one line of a UsageError."""
    error = shell.fails(cell)
    assert type(error) is UsageError
    assert "\n" not in str(error)
    return str(error)


def test_a_rule_is_posted_from_yaml_and_shown(logged_in, sandbox):
    """The body is YAML; status and record are shown, and the frame is in `--out`."""
    said = logged_in.shown(f"%%immune post /alert-rules --yes --out rule\n{RULE}")
    assert "POST /v1/alert-rules: 201 Created" in said
    assert "rule: 1 row × " in said
    rule = logged_in.ip.user_ns["rule"]
    assert rule["conditions.value"].tolist() == [80]
    assert writes(sandbox) == [("POST", "/v1/alert-rules", 201)]
    body = '{"name": "x", "severity": "info", "conditions": {"operator": "<", "value": 1}}'
    made = logged_in.run(f"%%immune post /alert-rules --yes -q\n{body}")
    assert made["name"].tolist() == ["x"]


def test_the_path_and_the_body_take_variables(logged_in, sandbox):
    """`{alert}` in the path and `$text` in the body are Python's; query parameters go along."""
    logged_in.run("open_now = %immune alerts --status active;\nalert, text = open_now['id'].iloc[0], 'On it.'")
    logged_in.run("%%immune patch /alerts/{alert} trace=yes --yes\nstatus: acknowledged\ncomment: $text")
    (entry,) = [e for e in sandbox.log("/v1/alerts/") if e["method"] == "PATCH"]
    assert entry["query"] == "trace=yes"
    alert = logged_in.ip.user_ns["alert"]
    assert im.current().get(f"/alerts/{alert}")["comment"].tolist() == ["On it."]


@pytest.mark.parametrize(
    "cell",
    [
        f"%%immune post /alert-rules\n{RULE}",
        "%immune delete /alert-rules/rule_1",
        "%immune submit {frame}",
        "%immune acknowledge alert_0001",
    ],
)
def test_where_nobody_can_be_asked_nothing_is_sent(logged_in, sandbox, cell):
    """One line that says how to send it all the same; the variable is left alone."""
    logged_in.run(FRAME + "r = 'before'")
    first, _, rest = cell.partition("\n")
    assert "Add --yes" in refused(logged_in, f"{first} --out r\n{rest}" if rest else f"{first} --out r")
    assert logged_in.ip.user_ns["r"] == "before"
    assert writes(sandbox) == []


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (f"%%immune post /alert-rules x=1 --dry-run\n{RULE}", ("POST http", "-rules?x=1", '"value": 80', "API key")),
        ("%immune delete /alert-rules/r1 --dry-run", ("DELETE http", "no body")),
        ("%%immune post /x --form --dry-run\nurl: http://h\nevents[]: [a, b]", ("events[] = a", "events[] = b")),
        ("%immune submit {frame} --dry-run", ("/v1/readings/batch", "2 readings, 1 sensor, 1 request", '"vib_001"')),
        ("%immune ack a1 a2 --comment seen --dry-run", ("PATCH http", "2 alerts: a1, a2", '"comment": "seen"')),
    ],
)  # fmt: skip
def test_a_dry_run_shows_what_would_be_sent(logged_in, sandbox, cell, words):
    """Method, whole address, who sends it where, the body; nothing leaves, not even with --yes."""
    logged_in.run(FRAME)
    first, newline, rest = cell.partition("\n")
    said = logged_in.shown(f"{first} --yes{newline}{rest}")
    for word in (*words, "profile sandbox", "Nothing was sent."):
        assert word in said
    assert sandbox.api_key not in said
    assert writes(sandbox) == []


def test_a_long_body_is_cut_in_the_preview(logged_in):
    """Forty lines, and how many more."""
    said = logged_in.shown(f"%%immune post /x --dry-run\n{json.dumps(list(range(200)))}")
    assert "… 162 more lines" in said


def test_a_frame_is_submitted_and_read_back(logged_in, sandbox):
    """Two readings go in as a batch, with their outcomes; `--batch 1` sends them alone."""
    logged_in.run(FRAME)
    said = logged_in.shown("done = %immune submit {frame} --yes")
    assert "2 rows × 4 columns · complete · sandbox" in said
    assert logged_in.ip.user_ns["done"]["status"].tolist() == ["accepted", "accepted"]
    logged_in.run("%immune submit {frame.to_dict('records')} --batch 1 --yes -q;")
    logged_in.run("%immune submit {(row for row in frame.to_dict('records'))} --yes -q;")
    assert [path for _, path, _ in writes(sandbox)] == ["/v1/readings/batch"] + ["/v1/readings"] * 2 + [
        "/v1/readings/batch"
    ]


def test_what_is_not_accepted_is_shown_and_raised(logged_in):
    """A real error that stops Run All, the rows that are not in above it, and the outcomes in the error."""
    logged_in.run(FRAME + "frame['sensor_id'] = ['vib_001', 'no_such']\ndone = 'before'")
    logged_in.capture.readouterr()
    error = logged_in.fails("%immune submit {frame} --yes --out done")
    said = logged_in.capture.readouterr().out
    assert type(error) is im.IncompleteError
    assert "1    rejected" in said
    assert "1 of 1 that were not accepted; all rows are in sys.last_value.frame" in said
    assert error.frame["status"].tolist() == ["accepted", "rejected"]
    assert logged_in.ip.user_ns["done"] == "before"


def test_a_frame_of_alerts_is_acknowledged(logged_in, sandbox):
    """`ack` is short for it; ids, lists and frames of alerts may be mixed."""
    logged_in.run("a = %immune alerts --status active;\nids = a['id'].tolist()")
    done = logged_in.run("%immune ack {a.iloc[:2]} {ids[2:4]} --yes -q")
    assert done["status"].tolist() == ["accepted"] * 4
    assert [method for method, _, _ in writes(sandbox)] == ["PATCH"] * 4


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ("%immune submit frame --yes", "in a variable"),
        ("%immune submit {frame.drop(columns='unit')} --yes", "there is no column unit"),
        ("%immune submit {frame.assign(value=float('nan'))} --yes", "rows 0–1: value is missing"),
        ("%immune submit {frame} --batch 0 --yes", "--batch wants"),
        ("%%immune post /x --yes\na: 1: 2", "line 2 of the cell"),
        ("%%immune post /x --form --yes\n[1, 2]", "--form wants names"),
        ("%%immune post /x --form --yes\na: {b: c}", "mapping"),
        ("%%immune readings vib_001\nx: 1", "takes no cell body"),
        ("%%immune post\nx: 1", "post wants a PATH"),
        ("%%immune post https://elsewhere.example/x --yes\nx: 1", "not this API's host"),
        ("%%immune post /x --yes\npassword: hunter2hunter2", "No secret belongs in the body"),
        ("%%immune post /x --yes --api-key abc\nx: 1", "No secret belongs on a magic line"),
        ("%immune acknowledge --yes", "wants an ALERT"),
        ("%immune ack {when} --yes", "holds no ids"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_sends_nothing(logged_in, sandbox, cell, word):
    """UsageError in every case, and the service hears nothing."""
    logged_in.run(FRAME)
    assert word in refused(logged_in, cell)
    assert writes(sandbox) == []


def test_a_read_only_profile_refuses_before_it_asks(logged_in, sandbox, tmp_path, monkeypatch):
    """`read_only = true`: one line each, no preview, no request; reading works."""
    profiles = tmp_path / "lab.toml"
    profiles.write_text(f'[lab]\nbase_url = "{sandbox.base_url}"\nread_only = true\n')
    monkeypatch.setenv("IMMUNE_NB_CONFIG", str(profiles))
    monkeypatch.setenv("LAB_API_KEY", sandbox.api_key)
    logged_in.run("%immune login --profile lab\n" + FRAME)
    for cell in (
        "%immune submit {frame} --yes",
        "%immune ack a1 --yes",
        "%%immune post /alert-rules --yes\nx: 1",
        "%immune delete /x --dry-run",
    ):
        assert "'lab' is read-only" in refused(logged_in, cell)
    assert writes(sandbox) == []
    logged_in.run("%immune sensors --limit 1;")


def test_what_the_service_refuses_is_a_real_error(logged_in, sandbox):
    """422 and 404 of the service stop the run by name, and the target is left alone."""
    logged_in.run("r = 'before'")
    assert type(logged_in.fails("%%immune post /alert-rules --yes --out r\nname: hot")) is im.QueryError
    assert type(logged_in.fails("%immune delete /alert-rules/nowhere --yes --out r")) is im.QueryError
    assert logged_in.ip.user_ns["r"] == "before"
    sandbox.breaks(path="/v1/alert-rules", status=503)
    assert type(logged_in.fails(f"%%immune post /alert-rules --yes\n{RULE}")) is im.UnreachableError
    assert len(writes(sandbox)) == 3


def test_every_kind_of_answer_is_shown(shell, monkeypatch):
    """No body, text, a list, 207: what came is there, nothing is made up; each verb is sent as itself, once."""
    with scripted() as server:
        monkeypatch.setenv("SANDBOX_BASE_URL", server.origin)
        monkeypatch.setenv("SANDBOX_API_KEY", "some-key")
        server.says("/sensors", reply({"data": []}))
        server.says("/none", Answer(204))
        server.says("/list", reply([{"a": 1}, {"a": 2}], 207))
        shell.run("%immune login --profile sandbox")
        assert "DELETE /none: 204 No Content" in shell.shown("%immune delete /none --yes")
        said = shell.shown("%%immune put /list --yes\n{}")
        assert "PUT /list: 207 Multi-Status; parts of it may have failed" in said
        assert "2 rows × 1 column" in said
        shell.run("%immune post /list --yes -q;")
        assert [asked.method for asked in server.asked("/list")] == ["PUT", "POST"]
        assert [asked.body for asked in server.asked("/list")] == [b"{}", b""]


def test_a_secret_that_the_service_hands_out_is_not_shown(logged_in):
    """The answer to `POST /webhooks` holds a signing secret: the frame has it sealed."""
    said = logged_in.shown(
        "%%immune post /webhooks --form --yes --out hook\nurl: http://127.0.0.1:9/x\nevents[]: [alert.triggered]"
    )
    said += logged_in.shown("hook") + repr(logged_in.run("hook")) + logged_in.run("hook").to_html()
    secret = logged_in.ip.user_ns["hook"]["secret"].iloc[0].reveal()
    assert secret.startswith("whsec_")
    assert secret not in said
    assert "&lt;secret: hidden&gt;" in said


@pytest.mark.parametrize(
    "cell",
    [
        "%%immune post /x {switch}\nnote: $innocent",
        "%%immune post /x {switch}\na: [{{b: $listed}}]",
        "%immune delete /x/{{innocent}} {switch}",
        "%immune delete /x note={{innocent}} {switch}",
        '%immune ack a1 --comment "{{innocent}}" {switch}',
    ],
)
@pytest.mark.parametrize("switch", ["--yes", "--dry-run"])
def test_the_logins_own_credential_is_neither_shown_nor_sent(logged_in, sandbox, cell, switch):
    """In a variable with an innocent name it would be in the preview, which is saved with the notebook."""
    logged_in.ip.user_ns |= {"innocent": f"see {sandbox.api_key}", "listed": [sandbox.api_key]}
    logged_in.capture.readouterr()
    assert "credential of the login" in refused(logged_in, cell.format(switch=switch))
    said = logged_in.capture.readouterr()
    assert not leaked(said.out + said.err, sandbox.api_key)
    assert writes(sandbox) == []
    logged_in.ip.user_ns["innocent"] = "another text"  # positive control: the same line with another value is shown
    logged_in.ip.user_ns["listed"] = ["another text"]
    assert "another" in logged_in.shown(cell.format(switch="--dry-run"))


class Person:
    """A kernel, and somebody who answers what it asks."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client
        self.asked: list[str] = []

    def run(self, code: str, answer: str = "") -> str:
        """Run code that works; all it shows."""
        seen: list[dict] = []

        def hear(message: dict) -> None:
            self.asked.append(message["content"]["prompt"])
            self._client.input(answer)

        done = self._client.execute_interactive(
            code, allow_stdin=True, stdin_hook=hear, output_hook=seen.append, timeout=60
        )
        assert done["content"]["status"] == "ok", done["content"]
        return json.dumps([m["content"] for m in seen if m["msg_type"] != "status"], default=str)


@pytest.fixture
def person(sandbox) -> Iterator[Person]:
    """Somebody in front of a kernel that is logged in."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, **sandbox.environment})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    person = Person(client)
    person.run(f"%load_ext immune_nb\n%immune login --profile sandbox\n{FRAME}")
    yield person
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_person_sees_it_and_is_asked(person, sandbox):
    """The preview comes first; anything but yes sends nothing and leaves the variable; yes sends it once."""
    cell = f"%%immune post /alert-rules --out rule\n{RULE}"
    for answer in ("", "n", "maybe"):
        said = person.run(cell, answer)
        assert "POST http://127.0.0.1" in said
        assert "Nothing was sent." in said
    assert writes(sandbox) == []
    assert "False" in person.run("'rule' in globals()")
    assert "201 Created" in person.run(cell, "y")
    assert "accepted" in person.run("%immune submit {frame}", "YES")
    person.run("%immune ack alert_0001", "n")
    assert writes(sandbox) == [("POST", "/v1/alert-rules", 201), ("POST", "/v1/readings/batch", 201)]
    assert person.asked == ["Send it? [y/N] "] * 6
    person.run(f"{cell} ".replace("--out", "--yes --out"))
    assert len(person.asked) == 6


def run(environment, *cells) -> tuple[nbformat.NotebookNode, CellExecutionError | None]:
    """A notebook as papermill runs it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    try:
        client.execute(env={**os.environ, **environment})
    except CellExecutionError as error:
        return notebook, error
    return notebook, None


def test_a_script_says_yes(sandbox):
    """Under nbclient: with --yes all is sent; without, the run stops at that cell in one line."""
    login = f"%load_ext immune_nb\n%immune login --profile sandbox\n{FRAME}"
    _, error = run(
        sandbox.environment, login, f"%%immune post /alert-rules --yes\n{RULE}", "%immune submit {frame} --yes"
    )
    assert error is None
    assert [status for _, _, status in writes(sandbox)] == [201, 201]
    notebook, error = run(sandbox.environment, login, "%immune submit {frame}", "print('never')")
    assert (error.ename, notebook.cells[2].execution_count) == ("UsageError", None)
    assert "Add --yes" in error.evalue
    assert len(writes(sandbox)) == 2


def test_a_failure_stops_the_run_with_its_outcomes(sandbox):
    """IncompleteError by name, one line of traceback, and the rows that are not in above it."""
    login = f"%load_ext immune_nb\n%immune login --profile sandbox\n{FRAME}"
    sandbox.breaks(path="/v1/readings/batch", cut="length")
    notebook, error = run(sandbox.environment, login, "%immune submit {frame} --yes")
    assert error.ename == "IncompleteError"
    assert "2 unknown (row 0: It was sent, and then: " in error.evalue
    shown = json.dumps(notebook.cells[1].outputs)
    assert "sys.last_value.frame" in shown
    assert len(notebook.cells[1].outputs[-1].traceback) == 1
    assert len(writes(sandbox)) == 1
