"""One remembered login in several kernels: whose it is, who renews it, and what becomes of what cannot be kept."""

import base64
import json
import os
import warnings
from dataclasses import replace

import pytest
from filelock import FileLock
from servers.scripted import Answer, reply, scripted, token

import immune_nb as im
from immune_nb.auth import keep
from immune_nb.auth.places import folder
from immune_nb.auth.secrets import Secret
from immune_nb.auth.sharing import Shared
from immune_nb.auth.tokens import Token
from immune_nb.connecting import connect

PROFILE = im.Profile("lab", "https://lab.example", token_url="https://lab.example/t")


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    """A data folder of this test's own, and no keyring backend of the machine."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


def numbered(number, **more):
    """The token of that number, of Ann where nothing else is said."""
    return Token(Secret(f"at{number}"), 0.0, None, (), Secret(f"rt{number}"), **{"account": "ann"} | more)


def jwt(sub):
    """An access token that says whose it is."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": sub}).encode()).decode()
    return Secret(f"e30.{claims}.c2ln")


class Server:
    """Gives the token after the one whose refresh token is good; `meanwhile` is called in the middle of that."""

    def __init__(self, number=0, meanwhile=lambda: None):
        self.number, self.meanwhile = number, meanwhile

    def __call__(self, seen):
        assert seen.refresh.reveal() == f"rt{self.number}", "invalid_grant"
        self.number += 1
        self.meanwhile()
        return numbered(self.number)


def kept():
    """The remembered access token."""
    return keep.recall(PROFILE).token.access.reveal()


def remember(held, **more):
    """Keep a sign-in with that token."""
    keep.remember(PROFILE, keep.Record(token=held, **{"client_id": "me", "sign_in": "browser"} | more))


def test_a_client_gets_its_own_tokens_however_often_it_is_recalled():
    """Its token is not remembered, is renewed as it was had, and a refresh token that came along is of no use."""
    with scripted() as there:
        there.says("/t", *(token(f"at{n}", refresh_token=f"rt{n}") for n in range(9)))
        there.says("/sensors", reply({"data": [{"id": "a"}], "has_more": False}))
        lab = im.Profile("lab", there.origin, token_url=f"{there.origin}/t", client_auth="body")
        connect(lab, client_id="me", client_secret="s3cret", remember=True).close()
        for _ in range(3):
            there.says("/sensors", Answer(401), reply({"data": [{"id": "a"}], "has_more": False}))
            with connect(lab, environ={}) as session:
                assert session.status().method == "client credentials"
                assert len(session.sensors()) == 1
                assert keep.recall(lab).token is None
        assert [asked.form["grant_type"] for asked in there.asked("/t")] == ["client_credentials"] * 7


@pytest.mark.parametrize(
    ("mine", "theirs", "client_id"),
    [
        ({"subject": "1"}, {"subject": "2"}, "me"),
        ({"access": jwt("1")}, {"access": jwt("2")}, "me"),
        ({}, {"account": "bob"}, "me"),
        ({}, {}, "another"),
    ],
    ids=["subject", "JWT", "account", "client"],
)
def test_what_is_remembered_of_another_is_neither_taken_nor_touched(mine, theirs, client_id):
    """A14: Bob's login was remembered over Ann's; her kernel goes on as Ann, and his login stays his."""
    remember(replace(numbered(7), **theirs), client_id=client_id)
    before = kept()
    assert Shared(PROFILE, "me", Server())(replace(numbered(0), **mine)).access.reveal() == "at1"
    assert kept() == before


def test_what_is_remembered_of_the_same_login_is_taken():
    """Positive control: another kernel has renewed it, and nobody is asked."""
    remember(numbered(7, subject="1"))
    assert Shared(PROFILE, "me", Server())(numbered(0, subject="1")).access.reveal() == "at7"


def test_a_login_forgotten_during_a_renewal_stays_forgotten():
    """A logout elsewhere waits for no renewal and is not undone by one; this kernel goes on with what it got."""
    remember(numbered(0))
    shared = Shared(PROFILE, "me", Server(meanwhile=lambda: keep.forget(PROFILE)))
    first = shared(numbered(0))
    assert first.access.reveal() == "at1"
    assert keep.recall(PROFILE) == "nothing is remembered"
    assert shared(first).access.reveal() == "at2"
    assert keep.recall(PROFILE) == "nothing is remembered"


def test_a_login_remembered_during_a_renewal_is_not_overwritten():
    """Another login stays; the same one, remembered anew with its old token, gets the new token."""
    remember(numbered(0))
    Shared(PROFILE, "me", Server(meanwhile=lambda: remember(numbered(7))))(numbered(0))
    assert kept() == "at7"
    remember(numbered(0))
    Shared(PROFILE, "me", Server(meanwhile=lambda: remember(numbered(0))))(numbered(0))
    assert kept() == "at1"


def test_a_token_that_cannot_be_kept_goes_on_being_used(ring):
    """F23: the keyring takes nothing for a while: a warning, no login lost, and it is kept when that is over."""
    remember(numbered(0))
    shared = Shared(PROFILE, "me", Server())
    ring.refuses = "set_password"
    with pytest.warns(im.ImmuneWarning, match=r"this kernel only.*the keyring \(rings\) failed"):
        first = shared(numbered(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = shared(first)
    assert (first.access.reveal(), second.access.reveal(), kept()) == ("at1", "at2", "at0")
    ring.refuses = ""
    assert shared(second).access.reveal() == kept() == "at3"


def test_a_kernel_that_hangs_in_a_renewal_holds_nobody_up_for_ever():
    """It holds the lock: after a while that is said, nothing is sent, and what comes later is as good as ever."""
    remember(numbered(0))
    server = Server()
    with (
        FileLock(folder() / "lab.lock"),
        pytest.raises(im.UnreachableError, match="'lab' for 0 s. End the one") as caught,
    ):
        Shared(PROFILE, "me", server, patience=0.01)(numbered(0))
    assert not caught.value.transient
    assert server.number == 0
    assert Shared(PROFILE, "me", server)(numbered(0)).access.reveal() == kept() == "at1"


def test_where_no_lock_can_be_a_login_is_renewed_all_the_same(ring, monkeypatch):
    """A home that cannot be written, with a keyring."""
    monkeypatch.setenv("XDG_DATA_HOME", os.devnull)
    remember(numbered(0))
    assert Shared(PROFILE, "me", Server())(numbered(0)).access.reveal() == kept() == "at1"
