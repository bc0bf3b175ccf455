"""The hub's login, passed through: against a real JupyterHub with auth_state on."""

import socket
from dataclasses import replace

import pytest
from servers.hub import running

import immune_nb as im
from immune_nb.auth.hub import upstream_token
from immune_nb.connecting import connect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hub_and_token(sandbox_process, tmp_path_factory):
    """A hub whose users' upstream token is one of the sandbox's."""
    made = connect(
        sandbox_process.profile, client_id=sandbox_process.client_id, client_secret=sandbox_process.client_secret
    )
    token = made._login.keeper.token.access.reveal()
    with running(tmp_path_factory.mktemp("hub"), token) as hub:
        yield hub, token
    made.close()


def test_the_upstream_token_logs_in(sandbox, hub_and_token):
    """On a hub, with a profile that says so, nothing is typed and nothing is set: the frame comes."""
    hub, _ = hub_and_token
    session = connect(replace(sandbox.profile, hub_token="access_token"), environ=hub.environment())
    assert session.status().source == "JupyterHub: auth_state"
    assert session.status().account == "ada"
    assert len(session.sensors(limit=3)) == 3
    session.close()


def test_a_profile_that_does_not_say_so_gets_no_token(sandbox, hub_and_token):
    """The hub's login goes to no API that nobody meant it for."""
    hub, _ = hub_and_token
    assert "names no hub_token" in upstream_token(sandbox.profile, hub.environment())


@pytest.mark.parametrize(
    ("field", "change", "why"),
    [
        ("access_token", {"JUPYTERHUB_API_TOKEN": "plain"}, "shows no auth_state"),
        ("access_token", {"JUPYTERHUB_API_TOKEN": "wrong"}, "the hub answered 403"),
        ("id_token", {}, "has no 'id_token'"),
        ("access_token", {"JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api"}, "cannot connect"),
        ("access_token", {"JUPYTERHUB_USER": ""}, "not on a hub"),
    ],
)
def test_what_the_hub_does_not_give_is_said(sandbox, hub_and_token, field, change, why):
    """Each way to have no token is a reason in the chain, and no reason holds a token."""
    hub, token = hub_and_token
    if change.get("JUPYTERHUB_API_TOKEN") == "plain":
        change = {"JUPYTERHUB_API_TOKEN": hub.plain_token}
    outcome = upstream_token(replace(sandbox.profile, hub_token=field), {**hub.environment(), **change})
    assert why in outcome
    assert token not in outcome
    with pytest.raises(im.NoCredentialsError, match="JupyterHub: "):
        connect(replace(sandbox.profile, hub_token=field), environ={**hub.environment(), **change})


def test_no_proxy_hears_of_a_plain_hub(sandbox, monkeypatch):
    """The environment's proxy is for what is encrypted: a hub's token goes over plain http to the hub, or nowhere."""
    profile = replace(sandbox.profile, hub_token="access_token")
    hub = {"JUPYTERHUB_API_URL": "http://hub.invalid:8081/hub/api", "JUPYTERHUB_API_TOKEN": "t" * 20}
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert "cannot connect" in upstream_token(profile, {**hub, "JUPYTERHUB_USER": "ada"})
        with pytest.raises(BlockingIOError):
            proxy.accept()
