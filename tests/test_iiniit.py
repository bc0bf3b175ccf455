"""iiniit as the profile has it, against the sandbox playing it as a process."""

import json
import subprocess
import sys
from dataclasses import replace

import httpx
import pytest
from conftest import Sandbox
from servers.visitor import visiting

import immune_nb as im
from immune_nb.connecting import connect
from immune_nb.pending import PendingLogin


@pytest.fixture(scope="module")
def sandbox_process():
    """A sandbox that plays iiniit."""
    command = [sys.executable, "-m", "immune_nb.sandbox", "--as", "iiniit", "--port", "0", "--until-eof", "--control"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Sandbox(**json.loads(process.stdout.readline()))
        process.stdin.close()


@pytest.fixture
def iiniit(sandbox_process):
    """The built-in profile, at the sandbox's addresses."""
    there = sandbox_process
    return replace(
        im.IIINIT,
        base_url=there.base_url,
        token_url=there.token_url,
        authorize_url=there.authorize_url,
        redirect_uri=there.redirect_uri,
    )


@pytest.mark.parametrize("place", [im.IIINIT.api_key_in, "?api_key={key}"])
def test_an_api_key_in_either_place(sandbox_process, iiniit, place):
    """Contract 2: header or query parameter; all pages of a list that hands out `next` links."""
    session = connect(replace(iiniit, api_key_in=place), api_key=sandbox_process.api_key)
    projects = session.get("/projects")
    assert len(projects) == 57
    assert projects["id"].is_unique
    assert projects.attrs["immune"]["complete"]
    assert sandbox_process.api_key not in json.dumps(projects.attrs)
    assert len(session.get("/user")) == 1
    session.logout()


def test_a_key_in_the_query_shows_in_no_log(sandbox_process, iiniit, caplog):
    """L16: not even where the service's own links repeat it; what `httpx` itself logs is the control."""
    caplog.set_level("DEBUG")
    session = connect(replace(iiniit, api_key_in="?api_key={key}"), api_key=sandbox_process.api_key)
    session.get("/projects")
    session.logout()
    assert sandbox_process.api_key not in caplog.text
    httpx.get(f"{iiniit.base_url}/projects", params={"api_key": sandbox_process.api_key}, trust_env=False)
    assert sandbox_process.api_key in caplog.text


def test_a_person_signs_in_with_both_scopes_and_stays_in(sandbox_process, iiniit):
    """Code at `/auth/login`, exchange and refresh at `/oauth2/token`, rotation, a 401 in between."""
    there = sandbox_process
    pending = PendingLogin(iiniit, client_id=there.client_id, client_secret=there.client_secret)
    with visiting(there.user, there.password) as ada:
        httpx.get(ada.authorize(pending.url), trust_env=False).raise_for_status()
    session = pending.poll()
    assert session.status().scopes == ("read:user", "read:projects")
    assert len(session.get("/projects", limit=5)) == 5
    first = session._login.keeper.token.refresh.reveal()
    there.control("POST", "tokens", action="expire")
    assert len(session.get("/user")) == 1
    assert session._login.keeper.token.refresh.reveal() != first
    assert session.logout() == "the server offers no revocation"


def test_a_wrong_key_is_rejected_at_the_first_question(iiniit):
    """No endpoint is documented that a login could be tried at: the first query tells."""
    session = connect(iiniit, api_key="wrong")
    assert not session.status().verified
    with pytest.raises(im.LoginRejectedError):
        session.get("/user")
    session.close()


def test_a_question_it_does_not_know_is_quoted(sandbox_process, iiniit):
    """Contract 2: the nested error shape, in its own words."""
    session = connect(iiniit, api_key=sandbox_process.api_key)
    with pytest.raises(im.QueryError, match="GET /nothing: .+") as caught:
        session.get("/nothing")
    assert caught.value.status == 404
    session.logout()
