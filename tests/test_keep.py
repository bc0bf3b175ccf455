"""Remembered logins: only on request, private, versioned, and shared between processes without harm."""

import json
import multiprocessing
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import keyring
import pytest
from gauntlet.canaries import frame_values, leaked
from keyring.backends import null

import immune_nb as im
from immune_nb.auth import keep
from immune_nb.auth.chain import find_credentials
from immune_nb.auth.secrets import Secret
from immune_nb.auth.sharing import Shared
from immune_nb.auth.tokens import Token
from immune_nb.connecting import connect

CANARY = "canary-91c3f0"
PROFILE = im.Profile("lab", "https://lab.example", token_url="https://lab.example/t")
TOKEN = Token(Secret("at0"), 0.0, 1.0, ("read",), Secret(CANARY), "ann")


@pytest.fixture(autouse=True)
def data_folder(clean_environment, monkeypatch):
    """A data folder of this test's own, and no keyring backend of the machine."""
    monkeypatch.setenv("XDG_DATA_HOME", str(clean_environment / "data"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return clean_environment / "data" / "immune_nb" / "logins"


def test_nothing_is_written_unless_asked(data_folder):
    """Looking for a remembered login leaves no trace."""
    assert keep.recall(PROFILE) == "nothing is remembered"
    assert not data_folder.exists()


def test_a_login_comes_back_whole(data_folder):
    """Every field of every kind survives, in a file for its owner alone."""
    keep.remember(PROFILE, keep.Record(token=TOKEN, client_id="me", sign_in="device"))
    record = keep.recall(PROFILE)
    assert (record.client_id, record.sign_in, record.place) == ("me", "device", "a private file")
    assert (record.token.access.reveal(), record.token.refresh.reveal()) == ("at0", CANARY)
    assert replace(record.token, access=TOKEN.access, refresh=TOKEN.refresh) == TOKEN
    assert record.days == 0
    path = data_folder / "lab.json"
    assert CANARY in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(data_folder.stat().st_mode) == 0o700
    assert [p.name for p in data_folder.iterdir() if p.read_text()] == ["lab.json"]


def test_an_old_key_is_due_for_rotation():
    """After 90 days the source says so; a sign-in, which renews itself, does not age."""
    ago = time.time() - 100 * 86_400
    keep.remember(PROFILE, keep.Record(key=Secret("k"), kept_since=ago))
    assert find_credentials(PROFILE, {}).source.endswith("for 100 days: time to rotate it")
    keep.remember(PROFILE, keep.Record(token=TOKEN, client_id="me", sign_in="device", kept_since=ago))
    assert "rotate" not in find_credentials(PROFILE, {}).source


def test_forgetting_leaves_nothing(data_folder):
    """And says whether there was something."""
    keep.remember(PROFILE, keep.Record(key=Secret(CANARY)))
    assert keep.forget(PROFILE)
    assert not keep.forget(PROFILE)
    assert [p.name for p in data_folder.iterdir() if p.read_text()] == []


def test_a_file_that_others_can_read_is_refused(data_folder):
    """L41: the error names the file and the way out, and quotes nothing of it."""
    keep.remember(PROFILE, keep.Record(key=Secret(CANARY)))
    (data_folder / "lab.json").chmod(0o644)
    with pytest.raises(im.ConfigError, match="chmod 600") as caught:
        keep.recall(PROFILE)
    assert CANARY not in str(caught.value)
    with pytest.raises(im.NoCredentialsError, match=r"can be read by others\. Run: chmod 600 .*, and log in anew\)"):
        find_credentials(PROFILE, {})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "broken record"),
        ('{"version": 1}', "another address"),
        ('{"version": 2}', "another version"),
        ("[]", "broken record"),
        (
            json.dumps({"version": 1, "base_url": "https://evil.example", "token_url": PROFILE.token_url}),
            "another address",
        ),
    ],
)
def test_a_record_that_cannot_be_trusted_is_not(data_folder, text, why):
    """Broken, of another version, or of another address: skipped with a reason, nothing is sent anywhere."""
    keep.remember(PROFILE, keep.Record(key=Secret("k")))
    (data_folder / "lab.json").write_text(text)
    assert why in keep.recall(PROFILE)


def test_a_write_that_fails_leaves_the_old_record(data_folder):
    """L42: whole or not at all, and no half-written file stays: here a folder stands in the way."""
    keep.remember(PROFILE, keep.Record(key=Secret("old")))
    blocked = im.Profile("blocked", "https://lab.example")
    (data_folder / "blocked.json").mkdir()
    with pytest.raises(im.ConfigError, match="blocked.json cannot be written"):
        keep.remember(blocked, keep.Record(key=Secret(CANARY)))
    assert sorted(p.name for p in data_folder.iterdir() if p.suffix != ".lock") == ["blocked.json", "lab.json"]
    assert keep.recall(PROFILE).key.reveal() == "old"


def test_a_place_that_takes_nothing_is_a_config_error_that_shows_nothing(monkeypatch, ring):
    """A file where the folder should be, and a keyring that will not: one of ours, and no record in any frame."""
    ring.refuses = "set_password"
    with pytest.raises(im.ConfigError, match=r"the keyring \(rings\) failed \(KeyError\)") as locked:
        keep.remember(PROFILE, keep.Record(key=Secret(CANARY)))
    keyring.set_keyring(null.Keyring())
    monkeypatch.setenv("XDG_DATA_HOME", os.devnull)
    assert keep.recall(PROFILE) == "nothing is remembered"
    assert not keep.forget(PROFILE)
    with pytest.raises(im.ConfigError, match="lab.json cannot be written") as nowhere:
        keep.remember(PROFILE, keep.Record(key=Secret(CANARY)))
    assert not [error for error in (locked.value, nowhere.value) if leaked(frame_values(error, __file__), CANARY)]


def test_a_remembered_key_logs_in_and_a_logout_forgets_it(sandbox, data_folder):
    """`remember=True`, then a new kernel with nothing in its environment, then a logout."""
    session = connect(sandbox.profile, api_key=sandbox.api_key, remember=True)
    assert session.status().remembered == "a private file"
    session.close()
    again = connect(sandbox.profile, environ={})
    assert again.status().source == "remembered: a private file"
    assert [link for link, _ in again.status().skipped] == ["environment", "secret files", "JupyterHub", "keyring"]
    assert len(again.sensors(limit=3)) == 3
    again.logout()
    with pytest.raises(im.NoCredentialsError, match="nothing is remembered"):
        connect(sandbox.profile, environ={})


def test_a_keyring_is_preferred_where_there_is_one(data_folder, ring):
    """A keyring backend holds the login; the private file is not made."""
    assert keep.remember(PROFILE, keep.Record(key=Secret(CANARY))) == "the keyring (rings)"
    assert CANARY in ring.held["immune_nb", "lab"]
    assert not (data_folder / "lab.json").exists()
    assert keep.recall(PROFILE).key.reveal() == CANARY
    assert keep.forget(PROFILE)
    assert keep.recall(PROFILE) == "nothing is remembered"
    keyring.set_password("immune_nb", "LAB_API_KEY", CANARY)
    assert find_credentials(PROFILE, {}).source == "keyring: LAB_API_KEY"
    assert find_credentials(PROFILE, {}).key.reveal() == CANARY


def rotate(folder, rounds, barrier, results):
    """One of many processes: meets every expiry, and renews by the shared record."""
    served = Path(folder) / "served"

    def obtain(seen):
        # The server: one refresh token is valid at a time, and a replay would be an invalid_grant.
        number = int(served.read_text())
        if seen.refresh.reveal() != f"rt{number}":
            results.put("invalid_grant")
        served.write_text(str(number + 1))
        return Token(Secret(f"at{number + 1}"), 0.0, None, ("read",), Secret(f"rt{number + 1}"), "ann")

    renew = Shared(PROFILE, "me", obtain)
    token = keep.recall(PROFILE).token
    for _ in range(rounds):
        barrier.wait(60)
        token = renew(token)
    results.put(token.access.reveal())


@pytest.mark.slow
def test_eight_processes_share_a_rotating_refresh_token(tmp_path, data_folder):
    """F23: 50 expiries met by all eight at once make 50 refreshes, no replay, and one token for all."""
    (tmp_path / "served").write_text("0")
    first = Token(Secret("at0"), 0.0, None, ("read",), Secret("rt0"), "ann")
    keep.remember(PROFILE, keep.Record(token=first, client_id="me", sign_in="device"))
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(8), spawn.Queue()
    crew = [spawn.Process(target=rotate, args=(str(tmp_path), 50, barrier, results)) for _ in range(8)]
    for process in crew:
        process.start()
    said = [results.get(timeout=120) for _ in crew]
    for process in crew:
        process.join(30)
    assert said == ["at50"] * 8
    assert (tmp_path / "served").read_text() == "50"


def test_secrets_mounted_as_files_log_in(sandbox, tmp_path):
    """`<NAME>_FILE`: a key, and a client whose id is in the environment; the status names the variable."""
    for name in ("api_key", "client_secret"):
        (tmp_path / name).write_text(f"{getattr(sandbox, name)}\n")
    key = connect(sandbox.profile, environ={"SANDBOX_API_KEY_FILE": str(tmp_path / "api_key")})
    assert key.status().source == "secret file: SANDBOX_API_KEY_FILE"
    environ = {"SANDBOX_CLIENT_ID": sandbox.client_id, "SANDBOX_CLIENT_SECRET_FILE": str(tmp_path / "client_secret")}
    assert connect(sandbox.profile, environ=environ).status().method == "client credentials"
    with pytest.raises(im.ConfigError, match=r"SANDBOX_TOKEN_FILE names .*none.*FileNotFoundError"):
        connect(sandbox.profile, environ={"SANDBOX_TOKEN_FILE": str(tmp_path / "none")})


def test_a_mounted_token_that_rotates_is_read_again(sandbox, tmp_path):
    """A platform replaces the file: after the 401 the new token is read, and the query goes on."""
    first = connect(sandbox.profile, client_id=sandbox.client_id, client_secret=sandbox.client_secret)
    path = tmp_path / "token"
    path.write_text(first._login.keeper.token.access.reveal())
    mounted = connect(sandbox.profile, environ={"SANDBOX_TOKEN_FILE": str(path)})
    sandbox.control("POST", "tokens", action="expire")
    first.renew()
    path.write_text(first._login.keeper.token.access.reveal())
    assert len(mounted.sensors(limit=3)) == 3


def test_the_environment_beats_a_file_and_a_file_beats_a_memory(sandbox, tmp_path):
    """The order of the chain, link by link."""
    connect(sandbox.profile, api_key=sandbox.api_key, remember=True)
    (tmp_path / "key").write_text(sandbox.api_key)
    environ = {"SANDBOX_API_KEY": sandbox.api_key, "SANDBOX_API_KEY_FILE": str(tmp_path / "key")}
    sources = []
    for gone in (None, "SANDBOX_API_KEY", "SANDBOX_API_KEY_FILE"):
        environ.pop(gone, None)
        sources.append(connect(sandbox.profile, environ=environ).status().source.partition(":")[0])
    assert sources == ["environment", "secret file", "remembered"]


def test_every_link_is_named_when_none_holds_anything():
    """The error is a checklist."""
    with pytest.raises(
        im.NoCredentialsError, match="environment: .*; secret files: .*; JupyterHub: .*; remembered: "
    ):
        connect(PROFILE, environ=dict(os.environ))
