"""Before a query is asked: the catalog on the line, what a dry run shows, and code that asks the same elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import day
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from servers.scripted import reply, scripted
from traitlets.config import Config

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.errors import NoCredentialsError, QueryError
from immune_nb.notebook.calls import Call
from immune_nb.notebook.code import curl_of, literal, python_call, python_of
from immune_nb.notebook.endpoints import Sections
from immune_nb.notebook.memory import Memory
from immune_nb.plans import plan_of
from immune_nb.session import Session

WATER = json.loads((Path(__file__).parent / "documents" / "water.json").read_text(encoding="utf-8"))
KEY = im.Profile(name="lab", base_url="https://lab.example/api")
WEIRD = """it's "50 %" $HOME `id` \\ *;&|<é>\n"""


# Code


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("vib_001", '"vib_001"'),
        ('say "hi"', "'say \"hi\"'"),
        (["a", "b"], '["a", "b"]'),
        (("a",), '["a"]'),
        (pd.Series(["a", "b"]), '["a", "b"]'),
        (np.array([1, 2]), "[1, 2]"),
        (np.int64(3), "3"),
        (np.float64(0.5), "0.5"),
        (np.bool_(1), "True"),
        (None, "None"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), '"2026-01-02T03:00:00+00:00"'),
        (pd.Timestamp("2026-01-02T03:00Z"), '"2026-01-02T03:00:00+00:00"'),
        (np.datetime64("2026-01-02T03:00:00"), '"2026-01-02T03:00:00"'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (timedelta(minutes=90), '"5400s"'),
        (timedelta(seconds=1.5), '"1.5s"'),
        ({"$top": 5}, '{"$top": 5}'),
    ],
)
def test_a_value_is_written_as_plain_python(value, text):
    """Nothing to import for it, whatever library it came from."""
    assert literal(value) == text


def test_a_call_with_names_python_cannot_write():
    """They go in as a dictionary; one id stands alone."""
    call = Call("get", ("/x",), {"limit": 3, "$top": "5", "from": "1"})
    assert python_call(call) == 'get("/x", limit=3, **{"$top": "5", "from": "1"})'
    assert python_call(Call("readings", (["vib_001"],), {"last": "7d"})) == 'readings("vib_001", last="7d")'


def test_a_profile_of_ones_own_is_spelled_out():
    """What is not in the profile file goes with the code, without what is as usual."""
    assert 'im.connect("immune")' in python_of(Call("sensors", (), {}), im.IMMUNE)
    text = python_of(Call("sensors", (), {}), im.Profile(name="lab", base_url="https://lab.example", scopes=("a",)))
    assert 'im.Profile(\n    name="lab",\n    base_url="https://lab.example",\n    scopes=["a"],\n)' in text
    compile(text, "shown", "exec")


def shown_to_bash(profile: im.Profile, login: str, **params: str) -> list[str]:
    """The arguments that curl would get, in a shell where the credential is awkward, too."""
    text = curl_of(plan_of(profile, login, "get", ("/x[1]",), params), profile, login)
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{text}"
    env = {"PATH": os.environ["PATH"], "LAB_API_KEY": "k'e\"y $1", "LAB_TOKEN": "t"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=env)
    return done.stdout.split("\0")[:-1]


def test_curl_survives_the_shell_and_its_own_rules():
    """Quotes, dollars, backticks, line ends, an @ arrive as they are; names are encoded; brackets are no ranges."""
    arguments = shown_to_bash(KEY, "API key", **{"note": WEIRD, "$top": "5", "filter[a]": "@file", "plain": "a=b"})
    assert f"note={WEIRD}" in arguments
    assert {"%24top=5", "filter%5Ba%5D=@file", "plain=a=b", "--globoff"} <= set(arguments)
    assert "Authorization: ApiKey k'e\"y $1" in arguments


@pytest.mark.parametrize(
    ("api_key_in", "login", "sent"),
    [
        ("Authorization: ApiKey {key}", "API key", "Authorization: ApiKey k'e\"y $1"),
        ("X-API-Key: {key}", "API key", "X-API-Key: k'e\"y $1"),
        ('Authorization: Token token="{key}"', "API key", 'Authorization: Token token="k\'e"y $1"'),
        ("X-Key: pre$fix`{key}suffix", "API key", "X-Key: pre$fix`k'e\"y $1suffix"),
        ("?api_key={key}", "API key", "api_key=k'e\"y $1"),
        ("Authorization: ApiKey {key}", "client credentials", "Authorization: Bearer t"),
        ("?api_key={key}", "access token", "Authorization: Bearer t"),
    ],
)
def test_the_credential_goes_where_the_profile_says(api_key_in, login, sent):
    """From a variable, never written out."""
    profile = im.Profile(name="lab", base_url="https://lab.example/api", api_key_in=api_key_in)
    assert sent in shown_to_bash(profile, login)


# Plans


def test_a_plan_is_what_is_sent(sandbox):
    """Each first request of a query, to the letter; and planning sends nothing."""
    credentials = find_credentials(sandbox.profile, {}, api_key=sandbox.api_key)
    session = Session(sandbox.profile, credentials, clock=lambda: 1_800_000_000.5)
    asked = (
        ("readings", (["vib_001", "temp_001"],), {"start": f"{day(20)}T00:00:07", "end": day(19)}),
        ("readings", ("vib_001",), {"start": day(20), "end": f"{day(20)}T01:00", "limit": 5, "quality": "good"}),
        ("alerts", (), {"severity": ["critical", "warning"], "limit": 3}),
        ("sensors", (), {"status": "online"}),
        ("predictions", (), {}),
        ("get", ("/alerts?status=active",), {"severity": "info"}),
    )
    for query, words, named in asked:
        seen = len(sandbox.log())
        plan = session.plan(query, *words, **named)
        assert len(sandbox.log()) == seen
        getattr(session, query)(*words, **named)
        sent = [(entry["path"], entry["query"]) for entry in sandbox.log()[seen:]]
        for request in plan.requests:
            path = "/" + request.address.split("/", 3)[3]
            assert any(p == path and parse_qsl(q) == list(request.query) for p, q in sent), (query, sent)
    session.logout()


def test_a_plan_hides_the_credential():
    """In a header it is three stars; in a query it is not there at all."""
    plan = plan_of(KEY, "API key", "sensors", (), {})
    assert plan.requests[0].headers["Authorization"] == "ApiKey ***"
    in_query = im.Profile(name="lab", base_url="https://lab.example/api", api_key_in="?api_key={key}")
    plan = plan_of(in_query, "API key", "get", ("/x?api_key=typed&a=1",), {})
    assert "Authorization" not in plan.requests[0].headers
    assert plan.requests[0].query == (("a", "1"),)
    assert plan.secret_in_query == "api_key"
    assert plan_of(in_query, "access token", "sensors", (), {}).requests[0].headers["Authorization"] == "Bearer ***"


def test_pages_follow_from_totals():
    """A thousand rows a page, up to the limit; where the service chooses the size, nobody knows."""
    plan = plan_of(KEY, "API key", "readings", (["a", "b"],), {})
    assert plan.pages([10_058, 999]) == 12
    assert plan.pages([0, 0]) == 2
    assert plan_of(KEY, "API key", "readings", ("a",), {"limit": 1500}).pages([10_058]) == 2
    assert plan_of(KEY, "API key", "get", ("/x",), {}).pages([5]) is None


@pytest.mark.parametrize(
    ("query", "words", "named", "complaint"),
    [
        ("readings", ("a",), {"start": "soon"}, "start 'soon' is not a time"),
        ("readings", ([],), {}, "holds no ids"),
        ("sensors", (), {"limit": 0}, "limit is 0"),
        ("get", ("https://elsewhere.example/x",), {}, "is not this API's host"),
        ("submit", (), {}, "There is no query 'submit' to plan"),
    ],
)
def test_a_wrong_question_is_as_wrong_in_a_plan(query, words, named, complaint):
    """The same sentence as when it is asked."""
    with pytest.raises(QueryError, match=complaint):
        plan_of(KEY, "API key", query, words, named)


# What the kernel remembers


SECONDS = count()


def frame_of(path: str, columns: dict[str, object], **receipt: object) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    told = {"profile": "lab", "path": path, "parameters": {}, "rows": len(frame), "pages": 1, "seconds": 0.5}
    told["fetched_at"] = next(SECONDS)
    frame.attrs["immune"] = {**told, "complete": True, **receipt}
    return frame


def test_ids_and_words_are_remembered_and_bounded():
    """Ids by what other records call them; words of few; free text and long values not; a thousand at most."""
    memory = Memory()
    memory.note(frame_of("/sensors", {"id": ["s1", "s2"], "place": ["A", "A"], "n": [1, 2], "long": ["x" * 99] * 2}))
    assert memory.values("lab", "sensor_id") == ["s1", "s2"]
    assert memory.values("lab", "place") == ["A"]
    assert memory.values("lab", "n") == memory.values("lab", "long") == memory.values("other", "place") == []
    memory.note(frame_of("/x", {"text": [f"t{i}" for i in range(100)], "sensor_id": [f"i{i}" for i in range(100)]}))
    assert memory.values("lab", "text") == []
    for start in range(0, 5000, 500):
        memory.note(frame_of("/sensors", {"id": [f"s{i}" for i in range(start, start + 500)]}))
    assert len(memory.values("lab", "sensor_id")) == 1000
    assert memory.values("lab", "sensor_id")[-1] == "s4999"
    for number in range(500):
        memory.note(frame_of(f"/p{number}", {"a": [1]}))
    assert len(memory.paths("lab")) == 200


def test_any_frame_can_be_noted():
    """Columns that are numbers, twice there, nested or empty; a frame of somebody else's."""
    odd = frame_of("/x", {"a": [{"b": 1}], "c": [None]}).rename(columns={"a": 1})
    wide = pd.DataFrame([[1.0, 2.0]], columns=pd.CategoricalIndex(["s1", "s1"]))
    wide.attrs["immune"] = odd.attrs["immune"]
    memory = Memory()
    for frame in (odd, wide, pd.DataFrame()):
        memory.note(frame)
    assert memory.paths("lab") == ["/x"]


def test_the_same_question_is_known_again_though_time_goes_on():
    """A week is a week; another sensor, another length, another profile is another question."""
    memory = Memory()
    week = {"sensor_id": "s1", "start_time": "2026-11-01T00:00:00Z", "end_time": "2026-11-08T00:00:00Z"}
    later = {"sensor_id": "s1", "start_time": "2026-11-02T00:00:00Z", "end_time": "2026-11-09T00:00:00Z"}
    memory.note(frame_of("/readings", {"a": [1]}, parameters=week, reported_total=10_058, pages=11))
    seen = memory.answer_to("lab", "/readings", later)
    assert seen is not None
    assert (seen.rows, seen.pages) == (10_058, 11)
    assert memory.answer_to("lab", "/readings", later | {"sensor_id": "s2"}) is None
    assert memory.answer_to("lab", "/readings", later | {"end_time": "2026-11-10T00:00:00Z"}) is None
    assert memory.answer_to("other", "/readings", later) is None


# On a line


@pytest.fixture
def shell(capsys, sandbox, monkeypatch) -> Iterator[InteractiveShell]:
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    shell.run_cell("%load_ext immune_nb")
    yield shell
    shell.run_cell("%unload_ext immune_nb")
    InteractiveShell.clear_instance()


@pytest.fixture
def run(shell, capsys):
    """Runs a cell that works; what it prints."""

    def run(cell: str) -> str:
        capsys.readouterr()
        result = shell.run_cell(cell)
        assert result.success, result.error_in_exec
        return capsys.readouterr().out

    return run


def fails(shell, cell: str) -> BaseException:
    error = shell.run_cell(cell).error_in_exec
    assert error is not None
    return error


def test_ls_needs_no_login_where_the_document_is_here(run, sandbox):
    """It lists, searches, marks what is assumed, and says where it knows it from; nothing is sent."""
    listed = run("%immune ls")
    assert "GET     /readings" in listed
    assert "list predictions of failures · assumed" in listed
    assert f"assumed: {listed.count(' · assumed')} of them" in listed
    assert "21 endpoints · IMMUNE · the document in this package" in listed
    found = run("%immune ls alert severity")
    assert "2 of 21 endpoints" in found
    assert "/readings" not in found
    assert sandbox.log() == []


def test_ls_and_describe_give_did_you_mean(shell):
    """A mistake is one line."""
    assert type(fails(shell, "%immune ls nonsense")) is UsageError
    assert "Did you mean readings?" in str(fails(shell, "%immune describe reading"))
    assert "describe wants an ENDPOINT" in str(fails(shell, "%immune describe"))


def test_describe_tells_all_there_is(run):
    """Parameters with words, defaults, examples; columns with their dtypes; lines that work; the body of a write."""
    text = run("%immune describe readings")
    for piece in (
        *("list of string · good, questionable, bad", "integer · 1 to 1000", "records on a page · default 100"),
        *(
            "the sensor · e.g. vib_001",
            "string → datetime64[us, UTC]",
            "string → category",
            "  float64  ",
            "required",
        ),
    ):
        assert piece in text
    assert "df = %immune readings vib_001 temp_001 --last 7d" in text
    assert 'df = session.readings(["vib_001", "temp_001"], last="7d")' in text
    text = run("%immune describe PATCH /alerts/{id}")
    assert "Body, application/json" in text
    assert 'session.request("PATCH", "/alerts/alert_0001", json={"status": "acknowledged"' in text
    text = run("%immune describe POST /webhooks")
    assert 'form={"url": "https://example.org/hook"' in text
    assert "Assumed: a list of predictions is documented to exist" in run("%immune describe predictions")


def test_the_lines_that_describe_shows_work(run, shell):
    """Every example of a GET, run as it stands."""
    run("%immune login --profile sandbox")
    run("import immune_nb\nsession = immune_nb.current()")
    lines = []
    for endpoint in immune_endpoints("GET"):
        text = run(f"%immune describe {endpoint}").partition("Examples\n")[2]
        lines += [line for line in text.splitlines() if line.startswith(("df = ", "%immune"))]
    assert len(lines) > 20
    for line in lines:
        run(line + (";" if line.startswith("%") else ""))


def test_the_cells_that_describe_shows_work(run, shell, sandbox):
    """Every example of a write, sent as it stands; the webhook to a place the sandbox delivers to."""
    run("%immune login --profile sandbox")
    done = 0
    for endpoint in immune_endpoints("POST", "PATCH"):
        text = run(f"%immune describe {endpoint}").partition("Examples\n")[2]
        head, _, body = text.partition("\n\nsession.")[0].partition("\n")
        assert head.startswith("%%immune")
        run(f"{head} --yes\n{body.replace('https://example.org/hook', 'http://127.0.0.1:9/hook')}")
        done += 1
    assert done == 8
    assert {entry["status"] for entry in sandbox.log() if entry["method"] != "GET"} == {200, 201}


def immune_endpoints(*methods: str) -> list[str]:
    from immune_nb.catalog.places import known_catalog

    return [endpoint.name for endpoint in known_catalog(im.IMMUNE) or () if endpoint.method in methods]


def test_the_html_is_escaped_and_has_every_part(run, shell):
    """What a document says is text, not markup."""
    wild = {"/x": {"get": {"summary": "<script>alert(1)</script>", "parameters": [{"name": "<b>", "in": "query"}]}}}
    with scripted() as server:
        server.says("/openapi.json", reply({"openapi": "3.0.0", "info": {"title": "<i>"}, "paths": wild}))
        profile = im.Profile(name="lab", base_url=server.origin)
        session = Session(profile, find_credentials(profile, {}, api_key="made-up-key-1"))
        catalog = session.catalog()
        html = shell.display_formatter.format(catalog)[0]["text/html"]
    assert "<table>" in html
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    shell.run_cell("%unload_ext immune_nb")
    assert "text/html" not in shell.display_formatter.format(catalog)[0]
    assert Sections([])._repr_html_() == ""


def test_a_profile_of_ones_own_is_discovered_from_the_line(run, shell, tmp_path, monkeypatch):
    """`ls` asks once, with the login; TAB then knows; without a login it says so; `--refresh` asks again."""
    with scripted() as server:
        server.says("/openapi.json", reply(WATER))
        (tmp_path / "profiles.toml").write_text(f'[lab]\nbase_url = "{server.origin}"\n', encoding="utf-8")
        monkeypatch.setenv("IMMUNE_NB_CONFIG", str(tmp_path))
        monkeypatch.setenv("LAB_API_KEY", "made-up-key-1")
        assert type(fails(shell, "%immune ls --profile lab")) is NoCredentialsError
        run("%immune login --profile lab")
        assert shell.Completer.custom_matchers
        listed = run("%immune ls")
        assert "/api/stations/{station_id}/values" in listed
        assert "Left out of the document: " in listed
        assert "river" in run("%immune describe /api/stations")
        assert len(server.requests) == 1
        run("%immune ls --refresh")
        assert len(server.requests) == 2


def test_no_document_is_one_clear_sentence(shell, run, tmp_path, monkeypatch):
    """It names where it looked, and what can be done."""
    with scripted() as server:
        (tmp_path / "profiles.toml").write_text(f'[lab]\nbase_url = "{server.origin}/v2"\n', encoding="utf-8")
        monkeypatch.setenv("IMMUNE_NB_CONFIG", str(tmp_path))
        monkeypatch.setenv("LAB_API_KEY", "made-up-key-1")
        run("%immune login --profile lab")
        error = fails(shell, "%immune ls")
    assert type(error) is UsageError
    assert "lab publishes no OpenAPI document: none is at /v2/openapi.json, /openapi.json" in str(error)


def test_a_dry_run_sends_nothing_and_shows_no_secret(run, sandbox, shell):
    """Method, address and headers; the variable is left alone; nothing is known of the size."""
    run("%immune login --profile sandbox")
    seen = len(sandbox.log())
    shown = run("df = %immune readings vib_001 temp_001 --last 7d --dry-run\nassert df is None")
    assert len(sandbox.log()) == seen
    assert shown.count("GET http://127.0.0.1") == 2
    assert "sensor_id=temp_001&start_time=" in shown
    assert "Authorization: ApiKey ***" in shown
    assert sandbox.api_key not in shown
    assert "--count asks for one row" in shown
    run("%immune sensors --out kept --dry-run")
    assert "kept" not in shell.user_ns
    assert "assumed" in run("%immune predictions --dry-run")


def test_a_dry_run_knows_the_size_of_what_was_asked_before(run, sandbox, shell):
    """Rows, pages and time of the same question; `--count` asks one row per list, now."""
    run("%immune login --profile sandbox")
    run("df = %immune readings vib_001 --last 7d")
    shown = run("%immune readings vib_001 --last 7d --dry-run")
    assert "pages, about" in shown
    assert "as this kernel has seen before" in shown
    seen = len(sandbox.log())
    shown = run("%immune readings vib_001 temp_001 --last 2d --dry-run --count")
    assert len(sandbox.log()) == seen + 2
    assert all("limit=1" in entry["query"] for entry in sandbox.log()[seen:])
    assert "the service counts now" in shown
    rows = int(shown.rpartition("\n")[0].rpartition("\n")[2].partition(" rows")[0].replace(",", ""))
    run("two = %immune readings vib_001 temp_001 --last 2d")
    assert abs(rows - len(shell.user_ns["two"])) <= 4  # the sandbox measures on


def test_count_alone_is_a_mistake(shell, run):
    """One line says what it goes with."""
    run("%immune login --profile sandbox")
    assert str(fails(shell, "%immune sensors --count")) == "--count goes with --dry-run."


def test_predictions_are_a_subcommand_that_says_it_is_assumed(run, shell):
    """A frame like any other; its help says what is not documented."""
    run("%immune login --profile sandbox")
    run("df = %immune predictions equipment_id=pump_001")
    assert list(shell.user_ns["df"].equipment_id) == ["pump_001"]
    assert "assumed" in run("%immune predictions --help")


# The code that is shown, run


DAY = datetime.now(UTC).date() - timedelta(days=3)
QUERIES = (
    f"%immune readings vib_001 --start {DAY} --end {DAY}T12:00",
    "%immune readings {ids} --start $noon --end {end} quality=good",
    "%immune alerts status=active,acknowledged --severity critical,warning",
    "%immune sensors status=online location='Hall A'",
    "%immune get '/alerts?status=active' type=threshold",
    "%immune predictions",
)
SETUP = f"""
%load_ext immune_nb
%immune login --profile sandbox
import json
import pandas as pd
from IPython.utils.capture import capture_output
ids, noon = ["vib_001", "temp_001"], pd.Timestamp("{DAY}T12:00Z")
end = noon + pd.Timedelta("1h")
"""
COMPARE = """
with capture_output() as caught:
    get_ipython().run_line_magic("immune", {line!r})
*_, python, curl = (output.data["text/plain"] for output in caught.outputs)  # after what it warns of
scope = {{}}
exec(python, scope)
key = "prediction_id" if "prediction_id" in asked else "id"
print(json.dumps([curl, sorted(asked[key]), scope["df"].equals(asked)]))
"""


@pytest.fixture(scope="module")
def shown(sandbox_process) -> list[tuple[str, list[str], bool]]:
    """Per query: the curl lines shown, the frame's ids, and whether the Python shown brought the same frame."""
    cells = [SETUP]
    for query in QUERIES:
        line = f"{query.removeprefix('%immune ')} --show-code"
        cells += [f"asked = {query}", COMPARE.format(line=line)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute(
        env={**os.environ, **sandbox_process.environment}
    )
    return [json.loads(cell.outputs[0].text) for cell in notebook.cells[2::2]]


@pytest.mark.parametrize("number", range(len(QUERIES)), ids=QUERIES)
def test_the_python_shown_brings_the_same_frame(shown, number):
    """Run in the kernel as it stands, it logs in by itself and the frames are equal in every value."""
    _, ids, same = shown[number]
    assert same
    assert ids


@pytest.mark.parametrize("number", range(len(QUERIES)), ids=QUERIES)
def test_the_curl_shown_brings_the_same_rows(shown, number, sandbox_process):
    """Bash and curl, with the key in a variable and nothing else of ours: the same records."""
    curl, ids, _ = shown[number]
    assert sandbox_process.api_key not in curl
    env = {"PATH": os.environ["PATH"], "SANDBOX_API_KEY": sandbox_process.api_key}
    done = subprocess.run(["bash", "-euc", curl], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    answers, text = [], done.stdout
    while text:
        answer, end = json.JSONDecoder().raw_decode(text)
        answers.append(answer)
        text = text[end:].lstrip()
    assert sorted(record["id"] for answer in answers for record in answer["data"]) == ids
    refused = subprocess.run(
        ["bash", "-euc", curl], capture_output=True, text=True, env=env | {"SANDBOX_API_KEY": "no"}
    )
    assert refused.returncode == 22
