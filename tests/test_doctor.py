"""The doctor: what it looks at, and that its answer can be pasted anywhere."""

from __future__ import annotations

import re
from types import SimpleNamespace

import httpx
import pytest
from gauntlet.canaries import leaked
from servers.scripted import Answer, scripted
from test_magic import Shell, shell

from immune_nb.auth.probe import probe
from immune_nb.auth.transport import QuietTransport
from immune_nb.notebook.doctor import _network, examination
from immune_nb.profiles import Profile

__all__ = ["shell"]  # a fixture, found by name

CANARY = "canary9Xw3kd0LzPq7TnB2vM"


def test_it_is_safe_to_paste(shell: Shell, sandbox, monkeypatch, clean_environment):
    """Names of variables, versions, hosts and modes; no value, credential, proxy password or home folder (L10)."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SANDBOX_CLIENT_SECRET", CANARY)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{CANARY}@proxy.example:3128")
    monkeypatch.setenv("SSL_CERT_FILE", str(clean_environment / "ca.pem"))
    shell.run("%immune login --profile sandbox --method key")
    said = shell.shown("%immune doctor")
    for part in (
        r"login +API key, accepted",
        r"variables +SANDBOX_API_KEY, SANDBOX_CLIENT_SECRET",
        r"API +127\.0\.0\.1:\d+ answers",
        r"token endpoint +127\.0\.0\.1:\d+ answers",
        r"clock +agrees",
        r"CA +SSL_CERT_FILE=~/ca\.pem \(does not exist\)",
        r"asking +nobody can be asked",
        r"remembering +\S",
        r"versions +immune_nb \d",
    ):
        assert re.search(part, said), part
    assert not leaked(said, CANARY)
    assert not leaked(said, sandbox.api_key)
    assert str(clean_environment) not in said


def look(**environ: str) -> dict[str, str]:
    profile = Profile("lab", "http://127.0.0.1:9/v1", token_url="http://127.0.0.1:9/token")
    return dict(examination(SimpleNamespace(), profile, "none", environ))


def test_it_says_of_a_proxy_what_keeps_it_from_being_used(monkeypatch):
    """The very thing it is run for; and no password."""
    monkeypatch.setenv("HTTPS_PROXY", f"ftp://me:{CANARY}@proxy.example")
    monkeypatch.setenv("NO_PROXY", "")
    found = dict(examination(SimpleNamespace(), Profile("lab", "https://api.example"), "none", {}))
    assert found["proxy"].startswith("HTTPS_PROXY names a proxy of kind 'ftp'")
    assert found["API"] == found["proxy"]
    assert not leaked(str(found), CANARY)


def test_it_says_where_an_issuer_sends_the_clients_secret():
    """A17: another host than the issuer's may be right, as Google's is; a person can see it."""
    with scripted() as there:
        profile = Profile("lab", there.origin, issuer=there.origin)
        host = there.origin.removeprefix("http://")
        for endpoint, said in (("/token", f"at {host}, as"), ("https://else.example/t", f"else.example.*not {host}")):
            there.publishes(token_endpoint=endpoint)
            found = dict(examination(SimpleNamespace(), profile, "none", {}))
            assert re.search(said, found["token endpoint"])
        there.says("/.well-known/oauth-authorization-server", Answer(404))
        assert "no OAuth metadata" in dict(examination(SimpleNamespace(), profile, "none", {}))["token endpoint"]


def test_it_warns_of_a_key_log_and_tells_why_nothing_answers():
    """L47: SSLKEYLOGFILE is a warning; a closed port is said to be one, for API and token endpoint."""
    assert "SSLKEYLOGFILE" in look(SSLKEYLOGFILE="/tmp/keys")["WARNING"]
    quiet = look()
    assert "WARNING" not in quiet
    assert "cannot connect" in quiet["API"]
    assert "cannot connect" in quiet["token endpoint"]


def test_a_pool_for_https_warns_of_a_key_log(monkeypatch, tmp_path):
    """L47: who connects is told, too; plain loopback has nothing to log."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with pytest.warns(UserWarning, match="SSLKEYLOGFILE"):
        QuietTransport("https://api.example").close()
    QuietTransport("http://127.0.0.1:9").close()


@pytest.mark.parametrize(("date", "skew"), [("Sun, 06 Nov 1994 08:49:37 GMT", 600.0), ("soon", None), ("", None)])
def test_a_probe_tells_the_clocks_apart(date, skew):
    """The server's Date against ours; none, or junk, says nothing. Any status is an answer."""
    answer = httpx.MockTransport(lambda _: httpx.Response(405, headers={"Date": date} if date else {}))
    seen = probe("https://api.example/token", answer, clock=lambda: 784111777.0 - 600)
    assert (seen.status, seen.skew) == (405, skew)


def test_a_probe_carries_nothing():
    """Neither credential nor cookie nor query of ours is sent."""
    asked = []
    answer = httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(200))
    probe("https://api.example/token", answer)
    assert set(asked[0].headers) <= {"host", "user-agent"}


@pytest.mark.parametrize("password", ["p/ssw0rd-x1", "p#ssw0rd-x1", "p?ssw0rd-x1", "p[ssw0rd-x1", "80/ssw0rd"])
def test_a_proxy_that_is_no_address_is_said_without_its_password(monkeypatch, password):
    """A password that is not percent-encoded breaks the address: what is left of it is not shown."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{password}@proxy.example:3128")
    _, said = next(_network(Profile("lab", "https://api.invalid"), {}))
    assert "ssw0rd" not in said
