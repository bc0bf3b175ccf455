"""The way back through jupyter-server-proxy: a real Jupyter server, as a hub starts one, and a listener behind it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from notebook_fixtures import lines_of
from servers.scripted import reply, scripted, token

import immune_nb as im
from immune_nb.auth.callback import Callback
from immune_nb.pending import PendingLogin

pytestmark = pytest.mark.slow
KEY = "the-token-of-this-server"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Jupyter server with jupyter-server-proxy below ``/user/ada/``; its public address."""
    home = tmp_path_factory.mktemp("hub")
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.port=0"),
        *(f"--IdentityProvider.token={KEY}", f"--ServerApp.root_dir={home}", "--ServerApp.base_url=/user/ada/"),
    ]
    environ = {**os.environ, "HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home), "JUPYTER_DATA_DIR": str(home)}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        lines = lines_of(process.stderr)
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+/user/ada/)", lines.get(timeout=60))):
            pass
        yield found[1]
        process.terminate()
        process.wait(30)


def test_an_answer_comes_through_to_the_listener(server, monkeypatch):
    """The public address reaches the listener and nothing else does: without the hub's cookie, or at another port."""
    made = Callback("{server}/proxy/{port}/callback", {"JUPYTERHUB_PUBLIC_URL": server})
    made.listen(lambda query: query == "code=a&state=b")
    assert made.redirect_uri.startswith(f"{server}proxy/")
    headers = {"Authorization": f"token {KEY}"}
    with httpx.Client(trust_env=False, timeout=30) as browser:
        assert browser.get(f"{made.redirect_uri}?code=a&state=b").status_code in (302, 403)
        assert browser.get(f"{made.redirect_uri}?code=a&state=c", headers=headers).status_code == 404
        assert made.take() is None
        answer = browser.get(f"{made.redirect_uri}?code=a&state=b", headers=headers)
    assert (answer.status_code, "Back to your notebook" in answer.text) == (200, True)
    assert made.take(5) == "code=a&state=b"
    made.close()


def test_a_person_signs_in_on_a_hub(server, monkeypatch):
    """From one address for hubs and laptops to rows: it is sent twice to the letter, and it leads back."""
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", server)
    with scripted() as there, httpx.Client(headers={"Authorization": f"token {KEY}"}, trust_env=False) as browser:
        there.publishes()
        there.says("/token", token())
        there.says("/api/sensors", reply({"data": [{"id": "a"}], "has_more": False}))
        profile = im.Profile(
            "lab",
            f"{there.origin}/api",
            issuer=there.origin,
            client_id="me",
            redirect_uri="{server}/proxy/{port}/callback",
        )
        pending = PendingLogin(profile)
        asked = httpx.URL(pending.url).params
        assert asked["redirect_uri"].startswith(f"{server}proxy/")
        browser.get(asked["redirect_uri"], params={"code": "c", "state": asked["state"]}).raise_for_status()
        session = pending.poll()
        assert len(session.sensors()) == 1
        assert there.asked("/token")[0].form["redirect_uri"] == asked["redirect_uri"]
        session.logout()
