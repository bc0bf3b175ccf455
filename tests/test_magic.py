"""The magic in a plain IPython shell, against the sandbox."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from conftest import day
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import immune_nb
from immune_nb.errors import (
    BadReplyError,
    ConfigError,
    LoginRejectedError,
    NoCredentialsError,
    QueryError,
    UnreachableError,
)
from immune_nb.notebook.desk import Desk
from immune_nb.notebook.sandbox_process import SandboxProcess
from immune_nb.notebook.show import as_notes, footer
from immune_nb.notebook.surroundings import has_browser, sign_ins

FRAME_COLUMNS = ["timestamp", "sensor_id", "value", "unit", "quality", "equipment_id", "id"]


@dataclass
class Shell:
    """A shell that runs cells as a notebook would."""

    ip: InteractiveShell
    capture: pytest.CaptureFixture[str]

    def run(self, cell: str) -> Any:
        """Run a cell that works; its value."""
        result = self.ip.run_cell(cell, store_history=True)
        assert result.success, result.error_in_exec
        return result.result

    def shown(self, cell: str) -> str:
        """What a cell that works prints."""
        self.capture.readouterr()
        self.run(cell)
        return self.capture.readouterr().out

    def fails(self, cell: str) -> BaseException:
        """Run a cell that fails; what it raised."""
        result = self.ip.run_cell(cell, store_history=True)
        assert result.error_in_exec is not None
        return result.error_in_exec


@pytest.fixture
def shell(capsys) -> Iterator[Shell]:
    """A fresh IPython with the extension loaded."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    ip = InteractiveShell.instance(config=config)
    shell = Shell(ip, capsys)
    shell.run("%load_ext immune_nb")
    yield shell
    ip.run_cell("%unload_ext immune_nb")
    InteractiveShell.clear_instance()


@pytest.fixture
def logged_in(shell, sandbox, monkeypatch) -> Shell:
    """The shell, logged in to the running sandbox from the environment."""
    monkeypatch.setenv("SANDBOX_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("SANDBOX_TOKEN_URL", sandbox.token_url)
    monkeypatch.setenv("SANDBOX_API_KEY", sandbox.api_key)
    shell.run("%immune login --profile sandbox")
    return shell


def test_login_from_the_environment_is_one_line(logged_in):
    """Login prints who and how, and nothing else."""
    said = logged_in.shown("%immune login --profile sandbox")
    assert said == "Logged in to sandbox · API key\n"


def test_login_takes_the_kind_that_is_asked_for(logged_in, sandbox, monkeypatch):
    """`--method key` prefers the key over the stronger client credentials."""
    monkeypatch.setenv("SANDBOX_CLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("SANDBOX_CLIENT_SECRET", sandbox.client_secret)
    assert "client credentials" in logged_in.shown("%immune login --profile sandbox")
    assert "API key" in logged_in.shown("%immune login --profile sandbox --method key")


def test_without_credentials_or_a_person_login_fails_at_once(shell):
    """Nobody to ask: the error names the variables that would help."""
    error = shell.fails("%immune login")
    assert type(error) is NoCredentialsError
    assert "IMMUNE_API_KEY" in str(error)
    assert type(shell.fails("%immune login --from prompt")) is NoCredentialsError


def test_a_wrong_key_is_a_real_error(logged_in, monkeypatch):
    """A refused login is no usage error, and names no key."""
    monkeypatch.setenv("SANDBOX_API_KEY", "wrong-key-Xw93kd0Lz")
    error = logged_in.fails("%immune login --profile sandbox")
    assert type(error) is LoginRejectedError
    assert "wrong-key" not in str(error)


def test_login_takes_a_secret_from_a_variable_or_a_file(logged_in, sandbox, monkeypatch, tmp_path):
    """`--from env:NAME` and `--from file:PATH`, and status says which; the chain is not asked."""
    monkeypatch.setenv("MY_KEY", f"{sandbox.api_key}\n")
    logged_in.run("%immune login --profile sandbox --from env:MY_KEY")
    assert "API key, environment variable MY_KEY" in logged_in.shown("%immune status")
    (tmp_path / "secret").write_text(sandbox.client_secret)
    monkeypatch.setenv("SANDBOX_CLIENT_ID", sandbox.client_id)
    said = logged_in.shown(
        f"%immune login --profile sandbox --method client --scopes read --from file:{tmp_path}/secret"
    )
    assert "client credentials · read\n" in said
    assert "The next plain %immune login takes environment: SANDBOX_API_KEY." in said


@pytest.mark.parametrize("place", ["env:NOT_SET", "file:/not/there/at/all", "NOT_SET", "env:", "file:"])
def test_a_place_without_a_secret_is_one_line_that_repeats_nothing(logged_in, place):
    """A mistyped place may be a secret: the message names the option, not what was typed."""
    error = logged_in.fails(f"%immune login --profile sandbox --from {place}")
    assert type(error) is UsageError
    assert "--from" in str(error)
    assert "NOT_SET" not in str(error)
    assert "there/" not in str(error)


def test_status_explains_the_chain(logged_in, monkeypatch, tmp_path, sandbox):
    """Which link won, which had nothing and why, where the secret is, and what comes next time."""
    said = logged_in.shown("%immune status --explain")
    assert re.search(r"taken +environment: SANDBOX_API_KEY", said)
    assert re.search(r"the secret is +in the memory of this kernel and in the environment\n", said)
    (tmp_path / "key").write_text(sandbox.api_key)
    monkeypatch.setenv("SANDBOX_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("SANDBOX_API_KEY")
    logged_in.run("%immune login --profile sandbox")
    said = logged_in.shown("%immune status --explain")
    assert re.search(r"environment +skipped: no SANDBOX_… variable", said)
    assert re.search(r"taken +secret file: SANDBOX_API_KEY_FILE", said)
    assert re.search(r"the next plain %immune login +takes secret file", said)


def test_status_explains_a_login_that_is_not_there(shell, monkeypatch):
    """Before any login: every link with its reason, or the one that would win."""
    said = shell.shown("%immune status --explain")
    for link in ("environment", "secret files", "JupyterHub", "remembered"):
        assert f"{link}: " in said
    assert "asks a person" in said
    monkeypatch.setenv("IMMUNE_API_KEY", "made-up")
    assert "takes environment: IMMUNE_API_KEY" in shell.shown("%immune status --explain")


def test_a_logout_that_the_environment_undoes_says_so(logged_in, monkeypatch):
    """The next login would have the same key; without the variable nothing is said."""
    said = logged_in.shown("%immune logout")
    assert said.startswith(
        "Logged out of sandbox. It stays available to the next %immune login: environment: SANDBOX_"
    )
    logged_in.run("%immune login --profile sandbox")
    monkeypatch.delenv("SANDBOX_API_KEY")
    assert logged_in.shown("%immune logout") == "Logged out of sandbox.\n"


def test_renew_gets_a_new_token_and_a_key_has_none(logged_in, sandbox, monkeypatch):
    """One more token request; an API key is the user's mistake, in one line."""
    assert type(logged_in.fails("%immune renew")) is UsageError
    monkeypatch.setenv("SANDBOX_CLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("SANDBOX_CLIENT_SECRET", sandbox.client_secret)
    logged_in.run("%immune login --profile sandbox")
    before = len(sandbox.log("/oauth/token"))
    assert "sandbox has a new access token. It expires in " in logged_in.shown("%immune renew")
    assert len(sandbox.log("/oauth/token")) == before + 1


def test_remembering_is_said_before_and_undone_by_logout(logged_in, monkeypatch):
    """`--remember` names the place first; the next kernel finds it; logout forgets it, with or without a login."""
    said = logged_in.shown("%immune login --profile sandbox --remember")
    assert said.startswith("The login will be kept in a private file.\nLogged in to sandbox · API key")
    monkeypatch.delenv("SANDBOX_API_KEY")
    logged_in.run("%unload_ext immune_nb")
    logged_in.run("%load_ext immune_nb")
    logged_in.run("%immune login --profile sandbox")
    said = logged_in.shown("%immune status --explain")
    assert re.search(r"taken +remembered: a private file", said)
    assert "in the memory of this kernel and in a private file" in said
    logged_in.run("%unload_ext immune_nb")
    logged_in.run("%load_ext immune_nb")
    assert logged_in.shown("%immune logout --profile sandbox") == "Logged out of sandbox.\n"
    assert type(logged_in.fails("%immune login --profile sandbox")) is NoCredentialsError
    assert type(logged_in.fails("%immune logout --profile sandbox")) is NoCredentialsError


@pytest.mark.parametrize("method", ["browser", "device"])
@pytest.mark.parametrize("place", ["", "--from panel", "--from prompt"])
def test_a_sign_in_without_a_person_fails_at_once(logged_in, sandbox, monkeypatch, method, place):
    """Nothing is started, nothing is waited for."""
    monkeypatch.setenv("SANDBOX_ISSUER", sandbox.issuer)
    error = logged_in.fails(f"%immune login --profile sandbox --method {method} --client-id x {place}")
    assert type(error) is NoCredentialsError
    assert "Nobody can be asked here." in str(error)
    assert not sandbox.log("/oauth/")


def test_the_line_returns_the_frame(logged_in):
    """`df = %immune readings …` is the frame, complete, with its receipt."""
    logged_in.run("df = %immune readings vib_001 --last 2h")
    frame = logged_in.ip.user_ns["df"]
    assert list(frame.columns) == FRAME_COLUMNS
    assert frame.attrs["immune"]["complete"]
    assert frame.attrs["immune"]["rows"] == len(frame) > 0


def test_a_list_of_ids_is_passed_as_objects(logged_in):
    """`{ids}` asks for each id in the list, from local and global names."""
    logged_in.run("import pandas as pd\nids = ['vib_001', 'vib_002']")
    logged_in.run("df = %immune readings {ids} --last 1h")
    assert set(logged_in.ip.user_ns["df"]["sensor_id"]) == {"vib_001", "vib_002"}
    logged_in.run("def ask(some):\n    return get_ipython().run_line_magic('immune', 'readings {some} --last 1h')")
    logged_in.run("df = ask(pd.Series(ids))")
    assert set(logged_in.ip.user_ns["df"]["sensor_id"]) == {"vib_001", "vib_002"}


def test_times_are_passed_as_objects(logged_in):
    """`--start` and `--end` take datetimes, and the range is half open."""
    logged_in.run("import pandas as pd\nend = pd.Timestamp.now('UTC').floor('h')\nstart = end - pd.Timedelta('1h')")
    logged_in.run("df = %immune readings vib_001 --start {start} --end $end")
    times = logged_in.ip.user_ns["df"]["timestamp"]
    assert times.min() >= logged_in.ip.user_ns["start"]
    assert times.max() < logged_in.ip.user_ns["end"]


def test_words_and_the_sensor_filter_add_up(logged_in):
    """`sensor=` beside a word asks for both, and is no crash."""
    logged_in.run("two = %immune sensors type=vibration --limit 2")
    logged_in.run("df = %immune readings {two} --last 1h")
    assert set(logged_in.ip.user_ns["df"]["sensor_id"]) == set(logged_in.ip.user_ns["two"]["id"])
    logged_in.run("df = %immune readings vib_001 sensor=vib_002 --last 1h")
    assert set(logged_in.ip.user_ns["df"]["sensor_id"]) == {"vib_001", "vib_002"}


def test_no_sensors_at_all_is_not_all_sensors(logged_in):
    """An empty list of ids does not quietly fetch everything."""
    logged_in.run("none = []")
    assert type(logged_in.fails("%immune readings {none} --last 1h")) is UsageError


@pytest.mark.parametrize(
    "line", ["%immune readings vib_001 --last 1h --out week", "%immune week << readings vib_001 last=1h"]
)
def test_out_fills_a_variable_and_shows_only_the_footer(logged_in, line):
    """`--out` and `<<` put the frame into a variable; nothing but one line is shown."""
    said = logged_in.shown(line)
    assert isinstance(logged_in.ip.user_ns["week"], pd.DataFrame)
    assert said.startswith("week: ")
    assert said.count("\n") == 1


def test_the_footer_stands_under_the_frame(logged_in):
    """One line, below the table: rows, completeness, profile, pages, seconds."""
    said = logged_in.shown("%immune readings vib_001 --last 1h").splitlines()
    assert "timestamp" in said[1]
    assert re.match(r"\d\d rows × 7 columns · complete · sandbox · 1 page · ", said[-1])


def test_a_limited_answer_says_that_it_is_not_whole(logged_in):
    """`--limit` is named as the reason, with the number there is."""
    said = logged_in.shown("df = %immune sensors --limit 3")
    assert "3 rows" in said
    assert re.search(r"NOT complete \(stopped by --limit, \d+ reported\)", said)


def test_quiet_leaves_out_the_footer_and_a_semicolon_everything(logged_in):
    """`-q` shows the frame alone; `;` shows nothing, and an assigned frame is still there."""
    assert "rows ×" not in logged_in.shown("%immune sensors --limit 2 -q")
    assert logged_in.shown("%immune sensors --limit 2;") == ""
    assert logged_in.shown("df = %immune sensors --limit 2;") == ""
    logged_in.run("%alias_magic im immune")
    assert logged_in.shown("%im sensors --limit 2;") == ""
    assert len(logged_in.ip.user_ns["df"]) == 2


def test_a_silenced_line_does_not_silence_the_cell(logged_in):
    """`;` belongs to its line: the last expression of the cell still shows."""
    assert "42" in logged_in.shown("%immune sensors --limit 2;\n42")


def test_verbose_tells_the_rest_of_the_receipt(logged_in):
    """`-v` adds path, parameters and versions."""
    said = logged_in.shown("%immune readings vib_001 --last 1h --out df -v")
    assert "path: /readings" in said
    assert "sensor_id vib_001" in said
    assert "records data[], sure True" in said


def test_where_the_records_are_may_be_stated(logged_in):
    """`--records` and `--paging` are taken as they stand; a place that is not there is the service's fault."""
    assert len(logged_in.run("df = %immune get /sensors --records data --paging id\ndf")) > 60
    assert isinstance(logged_in.fails("%immune get /sensors --records payload.rows"), BadReplyError)


def test_alerts_and_any_path(logged_in):
    """`alerts` filters; `get` fetches what has no helper, with filters as they stand."""
    logged_in.run("df = %immune alerts --status active")
    assert set(logged_in.ip.user_ns["df"]["status"]) == {"active"}
    logged_in.run("df = %immune get /sensors status=online --limit 5")
    assert len(logged_in.ip.user_ns["df"]) == 5


@pytest.mark.parametrize(
    "line",
    [
        "readings vib_001 --last 7x",
        "readings vib_001 --start yesteryear",
        "alerts severity=critical sttaus=active",
        "alerts --severity criticle",
        "use imune",
        "sensors --limit none",
        "get /sensors path=x",
        "get /sensors records=x",
        "get /sensors --paging sideways",
        "status --profile nowhere",
        "login --profile nowhere",
    ],
)
def test_a_users_mistake_is_one_line(logged_in, line):
    """Bad spans, times, names and options: exactly UsageError, one line, no traceback."""
    error = logged_in.fails(f"%immune {line}")
    assert type(error) is UsageError
    assert "\n" not in str(error)


def test_what_the_service_refuses_is_a_real_error(logged_in):
    """An unknown sensor is the service's answer: QueryError, which stops Run All by name."""
    error = logged_in.fails("%immune readings no_such_sensor --last 1h")
    assert type(error) is QueryError


def test_all_readings_are_not_taken_by_accident(logged_in, sandbox):
    """Where a person sits: a line without sensor and range is refused with its size and the way on."""
    logged_in.ip.kernel = None  # as a kernel's shell has one, and knows whether input is allowed
    logged_in.ip.get_parent = lambda: {"content": {"allow_stdin": True}}
    error = logged_in.fails("%immune readings --cache")
    assert type(error) is UsageError
    assert re.search(r"all readings there are: [\d,]{7,} rows on [\d,]+ pages\. .*--last 7d.*--yes takes", str(error))
    (asked,) = sandbox.log("/v1/readings")
    assert "limit=1" in asked["query"]
    assert len(logged_in.run("%immune readings --limit 5")) == 5
    assert len(logged_in.run("%immune readings --last 10min"))


def test_an_unknown_sensor_is_told_the_one_that_was_seen(logged_in):
    """With the sensors listed before, the service's refusal names the nearest ids; else nothing is made up."""
    assert "Did you mean" not in str(logged_in.fails("%immune readings vib_01 --last 1h"))
    logged_in.run("%immune sensors")
    error = logged_in.fails("%immune readings temp_001 vib_01 --last 1h")
    assert type(error) is QueryError
    assert "Did you mean vib_001?" in str(error)
    assert "Did you mean" in str(logged_in.fails("%immune readings vibr_001 --last 1h"))


def test_on_failure_the_variable_is_left_alone(logged_in):
    """Neither assignment nor `--out` touch the target when the query fails."""
    logged_in.run("df = 'before'")
    logged_in.fails("df = %immune readings no_such_sensor --last 1h")
    logged_in.fails("%immune readings no_such_sensor --last 1h --out df")
    assert logged_in.ip.user_ns["df"] == "before"


def test_an_error_is_shown_in_one_line(logged_in, capsys):
    """Also in Verbose mode, which would print locals."""
    logged_in.run("%xmode Verbose")
    capsys.readouterr()
    logged_in.fails("%immune readings no_such_sensor --last 1h")
    said = capsys.readouterr().out.strip()
    assert said.startswith("QueryError: GET ")
    assert "\n" not in said


def test_status_profiles_use_and_logout(logged_in):
    """The housekeeping commands tell and change who is logged in."""
    assert "sandbox (current)" in logged_in.shown("%immune status")
    assert "API key (current)" in logged_in.shown("%immune profiles")
    assert "sandbox is the current profile" in logged_in.shown("%immune use sandbox")
    assert "Logged out of sandbox" in logged_in.shown("%immune logout")
    assert "Not logged in" in logged_in.shown("%immune status")
    assert type(logged_in.fails("%immune sensors")) is NoCredentialsError
    assert "Nobody was logged in" in logged_in.shown("%immune logout --all")


def test_two_profiles_side_by_side(logged_in, sandbox, tmp_path, monkeypatch):
    """A second profile becomes current; `--profile` asks the other for one line."""
    profiles = tmp_path / "two.toml"
    profiles.write_text(f'[lab]\nbase_url = "{sandbox.base_url}"\ncheck = "/sensors"\n')
    monkeypatch.setenv("IMMUNE_NB_CONFIG", str(profiles))
    monkeypatch.setenv("LAB_API_KEY", sandbox.api_key)
    logged_in.run("%immune login --profile lab")
    assert "· lab ·" in logged_in.shown("df = %immune sensors --limit 2")
    assert "· sandbox ·" in logged_in.shown("df = %immune sensors --limit 2 --profile sandbox")
    said = logged_in.shown("%immune logout --all")
    assert "Logged out of sandbox." in said
    assert "Logged out of lab." in said


def test_python_and_magic_share_one_login(logged_in):
    """`immune_nb.current()` is the session the magic made."""
    assert immune_nb.current().profile.name == "sandbox"


def test_reload_keeps_the_login_and_unload_ends_it(logged_in):
    """`%reload_ext` keeps everything; `%unload_ext` takes magic and login away."""
    logged_in.run("%load_ext immune_nb")
    logged_in.run("%reload_ext immune_nb")
    assert "sandbox (current)" in logged_in.shown("%immune status")
    assert logged_in.shown("df = %immune sensors --limit 2").count("rows ×") == 1
    logged_in.run("%unload_ext immune_nb")
    assert type(logged_in.fails("%immune status")) is UsageError
    with pytest.raises(NoCredentialsError):
        immune_nb.current()


def test_an_endpoint_is_told_from_a_subcommand(shell):
    """`%immune equipment` says how to ask for it; `help` shows what there is."""
    assert str(shell.fails("%immune equipment")).endswith("%immune get /equipment")
    assert "readings of some sensors" in shell.shown("%immune help")


def test_help_is_shown_everywhere(shell):
    """`%immune`, `--help` on each subcommand, and the docstring that `%immune?` prints."""
    assert "readings of some sensors" in shell.shown("%immune")
    for name in (
        "login",
        "status",
        "renew",
        "logout",
        "profiles",
        "use",
        "sensors",
        "readings",
        "alerts",
        "get",
        "sandbox",
    ):
        assert f"%immune {name}" in shell.shown(f"%immune {name} --help")
    assert "readings of some sensors" in shell.ip.find_line_magic("immune").__doc__


def test_a_cell_body_is_refused(shell):
    """A subcommand that asks has no body to take, and says so in one line."""
    assert type(shell.fails("%%immune get /x\nbody")) is UsageError


def test_a_panel_is_only_a_sentence_in_a_plain_shell(shell):
    """Where widgets cannot show, the fallback says what to do."""
    assert "%immune login --from prompt" in shell.shown("%immune login --from panel")


@pytest.mark.slow
def test_an_unreachable_service_is_a_real_error(shell, monkeypatch):
    """Nobody listens: UnreachableError, not a usage error and not silence."""
    monkeypatch.setenv("SANDBOX_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("SANDBOX_API_KEY", "some-key")
    assert type(shell.fails("%immune login --profile sandbox")) is UnreachableError


@pytest.mark.slow
def test_the_sandbox_starts_on_login_and_stops_with_the_extension(shell):
    """`login --profile sandbox` starts one; a second login uses it; unload stops it."""
    assert "client credentials" in shell.shown("%immune login --profile sandbox")
    desk: Desk = shell.ip.magics_manager.registry["ImmuneMagics"].desk
    first = desk.sandbox
    assert first is not None
    assert "API key" in shell.shown("%immune login --profile sandbox --method key")
    assert desk.sandbox is first
    assert first.profile.base_url in shell.shown("%immune sandbox status")
    shell.run("%unload_ext immune_nb")
    assert not first.running


@pytest.mark.slow
def test_stopping_the_sandbox_forgets_its_login(shell):
    """`sandbox stop` leaves no login to a service that is gone; `start` makes a new one."""
    shell.run("%immune login --profile sandbox")
    assert "stopped" in shell.shown("%immune sandbox stop")
    assert "Not logged in" in shell.shown("%immune status")
    assert "No sandbox" in shell.shown("%immune sandbox stop")
    assert "No sandbox" in shell.shown("%immune sandbox status")
    assert "runs at http://127.0.0.1:" in shell.shown("%immune sandbox start")


@pytest.mark.slow
def test_a_sandbox_that_does_not_start_says_so():
    """No first line in time: one clear error, and no process left behind."""
    with pytest.raises(UnreachableError, match="did not start"):
        SandboxProcess.start(patience=0.001)


def test_every_footer_part_is_there():
    """The footer's own words, from a receipt alone."""
    receipt = {"rows": 10080, "complete": True, "stopped_by": "end", "profile": "immune", "pages": 11}
    line = footer({**receipt, "seconds": 1.26, "calls_left": 9982, "reported_total": 10080}, 7, name="df")
    assert line == "df: 10,080 rows × 7 columns · complete · immune · 11 pages · 1.3 s · 9,982 calls left"


def test_config_faults_are_usage_errors(shell, tmp_path, monkeypatch):
    """A broken profile file is the user's to mend: one line."""
    broken = tmp_path / "broken.toml"
    broken.write_text("[lab]\nbase_urn = 1\n")
    monkeypatch.setenv("IMMUNE_NB_CONFIG", str(broken))
    error = shell.fails("%immune profiles")
    assert type(error) is UsageError
    assert not isinstance(error, ConfigError)


@pytest.mark.parametrize(
    ("environ", "methods"),
    [
        ({}, []),
        ({"LAB_CLIENT_ID": "x"}, ["browser", "device"]),
        ({"LAB_CLIENT_ID": "x", "SSH_CONNECTION": "10.0.0.1 22"}, ["device", "browser"]),
        ({"LAB_CLIENT_ID": "x", "JUPYTERHUB_API_URL": "http://hub"}, ["device", "browser"]),
    ],
)
def test_the_way_to_sign_in_fits_the_place(environ, methods):
    """A browser where the kernel is, a code from afar, and neither without a client."""
    profile = immune_nb.Profile(name="lab", base_url="https://lab.example", issuer="https://lab.example")
    assert sign_ins(profile, environ) == methods


def test_a_way_back_through_the_hub_makes_the_browser_the_first_choice():
    """A redirect URI that leads through the hub's proxy brings the kernel as near as on a laptop."""
    there = {"base_url": "https://lab.example", "issuer": "https://lab.example", "client_id": "x"}
    profile = immune_nb.Profile("lab", **there, redirect_uri="{server}/proxy/{port}/callback")
    hub = {"JUPYTERHUB_API_URL": "http://hub", "JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/"}
    assert sign_ins(profile, hub) == ["browser", "device"]
    assert sign_ins(profile, {"JUPYTERHUB_API_URL": "http://hub"}) == ["device", "browser"]
    assert sign_ins(immune_nb.Profile("lab", **there), hub) == ["device", "browser"]


@pytest.mark.parametrize("environ", [{"DISPLAY": ":0", "SSH_CONNECTION": "10.0.0.1 22"}, {"BROWSER": ""}])
def test_a_browser_far_away_or_absent_is_none(environ, monkeypatch):
    """A forwarded display is no browser before the person's eyes."""
    monkeypatch.setattr("sys.platform", "linux")
    assert not has_browser(environ)


def test_usage_is_a_row_per_profile(logged_in):
    """Calls and bytes of this kernel, and what the service allows; it sends nothing itself."""
    assert re.search(r"sandbox +1 +\d+ B|sandbox +1 +[\d.]+ kB", logged_in.shown("%immune usage"))
    logged_in.run("df = %immune readings vib_001 --last 1h")
    said = logged_in.shown("%immune usage")
    assert said.splitlines()[0].split("  ")[0] == "profile"
    assert re.search(r"sandbox +2 +[\d.]+ kB +0 +10,000 +\d,\d+ +(?:\d+ s|now)", said)


def test_kept_days_are_shown_used_and_forgotten(logged_in, monkeypatch, tmp_path):
    """`--cache` keeps, the footer names its age, `%immune cache` lists and clears, `--no-cache` asks anew."""
    monkeypatch.setenv("IMMUNE_NB_CACHE", str(tmp_path / "kept"))
    assert "Nothing is kept" in logged_in.shown("%immune cache")
    line = f"df = %immune readings vib_001 --start {day(20)} --end {day(18)}"
    assert "from cache" not in logged_in.shown(f"{line} --cache")
    assert re.search(r"0 pages · from cache \(\d+ s old\)", logged_in.shown(f"{line} --cache"))
    assert "from cache" not in logged_in.shown(f"{line} --cache --no-cache")
    listed = logged_in.shown("%immune cache")
    assert re.search(r"sandbox .*/readings sensor_id=vib_001 +2 +[\d.]+ kB +\d+ s ago", listed)
    assert "0 days" in logged_in.shown("%immune cache clear --profile immune")
    assert "2 days of readings forgotten" in logged_in.shown("%immune cache clear")


def test_readings_may_be_wide_or_go_to_a_folder(logged_in, tmp_path):
    """`--wide` has a column per sensor; `--to` gives a handle on Parquet files, with the same footer."""
    logged_in.run("df = %immune readings vib_001 temp_001 --last 1h --wide")
    assert set(logged_in.ip.user_ns["df"]) == {"timestamp", "vib_001", "temp_001"}
    logged_in.ip.user_ns["place"] = tmp_path / "out"
    said = logged_in.shown("out = %immune readings vib_001 --last 1h --to {place}")
    assert said.startswith(f"{logged_in.ip.user_ns['out'].rows} rows × 7 columns · complete · sandbox")
    assert logged_in.ip.user_ns["out"].rows > 50


def test_a_warning_of_ours_is_a_note_and_one_of_others_stays_as_it_is(logged_in):
    """A filter nobody documents is one plain line, each time; another library's warning still names its place."""
    warnings.simplefilter("default")
    for _ in range(2):
        logged_in.shown("%immune logout")
        logged_in.run("%immune login --profile sandbox")
        said = logged_in.shown("df = %immune alerts region=north")
        assert "the documentation knows no parameter 'region'" in said
        assert "Warning" not in said
    with pytest.warns(UserWarning, match="not ours"), as_notes():
        warnings.warn("not ours", stacklevel=1)
