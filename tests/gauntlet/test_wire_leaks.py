"""What other servers, proxies, processes and files get to see of a credential: nothing."""

from __future__ import annotations

import contextlib
import http.server
import os
import ssl
import stat
import subprocess
import sys
import threading
import urllib.request
import warnings
from collections.abc import Iterator

import httpx
import psutil
import pytest
from servers.scripted import Answer, Scripted, redirect, reply, scripted

import immune_nb as im
from gauntlet.canaries import canary, files_with, leaked
from gauntlet.services import Service
from immune_nb.auth import keep, places
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.secrets import Secret
from immune_nb.connecting import connect
from immune_nb.session import Session

KINDS = ["key", "token", "client"]


@pytest.fixture(params=KINDS)
def session(lab: Service, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session with the service's secret as that kind of credential, used once."""
    given = {"key": {"api_key": lab.secret}, "token": {"token": lab.secret}}
    made = connect("lab", **given.get(request.param, {"client_id": "me", "client_secret": lab.secret}))
    made.sensors()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[Scripted]:
    """Another origin, that answers everything it knows."""
    with scripted() as server:
        server.says("/x", reply({"data": [{"id": "1"}], "has_more": False}))
        yield server


def seen(server: Scripted) -> str:
    """All that a server was told."""
    return repr(server.requests)


def targets(other: Scripted) -> list[str]:
    """The other origin as a redirect may write it: by port, by name, without a scheme, in TLS."""
    port = other.origin.rpartition(":")[2]
    return [f"{other.origin}/x", f"http://localhost:{port}/x", f"//127.0.0.1:{port}/x", f"https://127.0.0.1:{port}/x"]


@pytest.mark.parametrize("target", range(4))
@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_takes_nothing_along(session, lab, other, target, status):
    """L33: to another port, host, scheme: headers, URL and body of what arrives, for GET and POST."""
    lab.server.says("/v1/away", redirect(targets(other)[target], status))
    for act in (lambda: session.get("/away"), lambda: session.request("POST", "/away", json={"a": 1})):
        with contextlib.suppress(im.ImmuneError):
            act()
    assert len(lab.server.asked("/v1/away")) >= 2
    assert not leaked(seen(other), lab.secret)


def test_a_next_link_takes_nothing_along(session, lab, other):
    """L34: a page that continues elsewhere is not followed with the credential."""
    page = {
        "data": [{"id": "1"}],
        "has_more": True,
        "next": f"{other.origin}/x",
        "links": {"next": f"{other.origin}/x"},
    }
    lab.server.says("/v1/list", reply(page, link=f'<{other.origin}/x>; rel="next"'))
    with contextlib.suppress(im.ImmuneError):
        session.get("/list", limit=5)
    assert not leaked(seen(other), lab.secret)


def test_a_careless_client_takes_it_along(lab, other):
    """Positive control: L33 L34 L35, with a plain client that follows redirects."""
    lab.server.says("/v1/away", redirect(f"{other.origin}/x"))
    with httpx.Client(headers={"X-API-Key": lab.secret}, follow_redirects=True, trust_env=False) as client:
        client.get(f"{lab.base_url}/away")
        client.get(f"{other.origin}/x", headers={"Referer": f"{lab.base_url}?api_key={lab.secret}"})
    assert leaked(seen(other), lab.secret)


def test_nothing_else_of_ours_is_in_a_request(session, lab):
    """L35: no Referer, no cookie that a server set, and a User-Agent that is only our name."""
    lab.server.says(
        "/v1/cookie", Answer(200, [("Set-Cookie", "track=me; Path=/"), ("Content-Type", "application/json")], b"[]")
    )
    with contextlib.suppress(im.ImmuneError):
        session.get("/cookie")
    session.sensors()
    last = lab.server.asked("/v1/sensors")[-1]
    assert not {"referer", "cookie", "x-forwarded-for"} & set(last.headers)
    assert last.headers["user-agent"] == "immune_nb"


@pytest.mark.parametrize("field", ["base_url", "token_url", "authorize_url", "device_url", "revoke_url", "issuer"])
def test_plain_http_off_loopback_is_refused_before_a_byte(field):
    """L36: in a profile, whatever the address is for; with control: on loopback it is allowed."""
    addresses = {"base_url": "https://api.example"}
    with pytest.raises(im.ConfigError, match="plain http"):
        im.Profile("lab", **(addresses | {field: "http://api.example/x"}))
    assert im.Profile("lab", **(addresses | {field: "http://127.0.0.1:1/x"}))


def test_metadata_cannot_lead_to_plain_http(lab):
    """L36: an issuer that names a token endpoint in the clear is refused; nothing is sent there."""
    lab.server.publishes(token_endpoint="http://auth.example/token")
    profile = im.Profile("lab", "https://api.example", issuer=lab.server.origin)
    with pytest.raises(im.ConfigError, match="plain http"):
        OAuthClient(profile, "me", Secret(lab.secret))
    assert not leaked(seen(lab.server), lab.secret)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A proxy that the environment names for everything."""
    with scripted() as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, server.origin)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield server


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_sees_no_loopback_traffic(lab, proxy, kind):
    """L37: neither queries nor token requests, though the environment says so for all."""
    given = {"key": {"api_key": lab.secret}, "token": {"token": lab.secret}}
    session = connect("lab", **given.get(kind, {"client_id": "me", "client_secret": lab.secret}))
    assert len(session.sensors()) == 2
    session.logout()
    assert proxy.requests == []


def test_a_proxy_that_is_used_is_seen(lab, proxy):
    """Positive control: L37, with a client that does as the environment says."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.origin}))
    with contextlib.suppress(OSError):
        opener.open(urllib.request.Request(f"{lab.base_url}/x", headers={"X-API-Key": lab.secret}), timeout=10)
    assert leaked(seen(proxy), lab.secret)


@pytest.mark.slow
def test_no_process_of_ours_is_told_in_its_arguments(session, lab):
    """L39: neither the sandbox we start nor any other child has it in argv; control: a child that has is seen."""
    from immune_nb.notebook.sandbox_process import SandboxProcess

    sandbox = SandboxProcess.start()
    children = psutil.Process().children(recursive=True)
    assert children
    assert not any(leaked(str(child.cmdline()), lab.secret) for child in children)
    for own in (sandbox.api_key, sandbox.client_secret):
        assert not any(own.reveal() in str(child.cmdline()) for child in children)
    sandbox.stop()
    command = [sys.executable, "-c", "print(flush=True); input()", lab.secret]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as told:
        told.stdout.readline()  # it is there
        assert leaked(str(psutil.Process(told.pid).cmdline()), lab.secret)
        told.communicate(b"\n")


class Chatty(http.server.BaseHTTPRequestHandler):
    """A listener as the standard library makes it."""

    def do_GET(self) -> None:
        """Answer, and log the request as inherited."""
        self.send_response(302)
        self.send_header("Location", f"/done{self.path}")
        self.end_headers()


def test_an_ordinary_listener_prints_the_code(capfd):
    """Positive control: L40, with the standard library's own, which logs and forwards what it gets."""
    code = canary().replace('"', "").replace("%", "")
    with http.server.HTTPServer(("127.0.0.1", 0), Chatty) as server:
        threading.Thread(target=server.handle_request).start()
        address = f"http://127.0.0.1:{server.server_port}/cb?code={code}"
        answer = httpx.get(address, trust_env=False)
    assert leaked(capfd.readouterr().err, code)
    assert leaked(answer.headers["Location"], code)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_remembered_credential_is_private(lab, clean_environment, monkeypatch):
    """L41 L42: 0600 in 0700 whatever the umask, only in that file; control: an ordinary file is not."""
    monkeypatch.setenv("XDG_DATA_HOME", str(clean_environment / "data"))
    before = os.umask(0)
    try:
        keep.remember(im.Profile("lab", "https://lab.example"), keep.Record(key=Secret(lab.secret)))
        (clean_environment / "naive").write_text(lab.secret)
    finally:
        os.umask(before)
    assert sorted(files_with(lab.secret, clean_environment)) == ["lab.json", "naive"]
    assert stat.S_IMODE((places.folder() / "lab.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(places.folder().stat().st_mode) == 0o700
    assert stat.S_IMODE((clean_environment / "naive").stat().st_mode) & 0o077


CRASH = """
import os, sys, pathlib
from immune_nb.auth import keep
from immune_nb.auth.secrets import Secret
import immune_nb as im
secret = Secret(pathlib.Path(sys.argv[1]).read_text())
sys.addaudithook(lambda event, args: os._exit(9) if event == "os.rename" else None)
keep.remember(im.Profile("lab", "https://lab.example"), keep.Record(key=secret))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_crash_in_the_middle_leaves_nothing_others_can_read(lab, tmp_path, clean_environment, monkeypatch):
    """L42: the process dies before the file is in place; what lies there is for its owner alone."""
    monkeypatch.setenv("XDG_DATA_HOME", str(clean_environment / "data"))
    vault = tmp_path / "key"
    vault.write_text(lab.secret)
    done = subprocess.run([sys.executable, "-c", CRASH, vault], preexec_fn=lambda: os.umask(0), capture_output=True)
    assert done.returncode == 9, done.stderr
    left = [path for path in places.folder().rglob("*") if path.is_file()]
    assert left
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in left)


def test_a_key_log_is_warned_of(monkeypatch, tmp_path):
    """L47: SSLKEYLOGFILE set: who connects over TLS is warned; with control: unset, there is no warning."""
    profile = im.Profile("lab", "https://api.example")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with pytest.warns(UserWarning, match="SSLKEYLOGFILE"):
        connect(profile, api_key=canary()).close()
    monkeypatch.delenv("SSLKEYLOGFILE")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        connect(profile, api_key=canary()).close()


def test_tls_is_verified_and_a_private_ca_is_added(tmp_path, monkeypatch):
    """Whoever is trusted: certificates are required, names are checked, and SSL_CERT_FILE is honoured."""
    import certifi

    from immune_nb.auth.transport import QuietTransport

    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    with QuietTransport("https://api.example")._lane() as lane:
        context = lane._verify
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) > 50


def test_each_placement_is_where_it_says(lab, place):
    """The gauntlet's own premise: a header or the query carries the key, as the profile says."""
    connect("lab", api_key=lab.secret).close()
    (asked, *_) = lab.server.asked("/v1/sensors")
    assert (lab.secret in asked.query.get("api_key", [])) == (place == "query")
