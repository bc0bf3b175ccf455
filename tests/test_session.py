"""Logging in, staying in, and logging out, against the sandbox as a process."""

import gc
import pickle
import re
import subprocess
import sys
import threading
import time
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest
from gauntlet.canaries import below, frame_values
from servers.scripted import Answer, reply, scripted, token

import immune_nb as im
from immune_nb.auth import keep
from immune_nb.auth.chain import Credentials, find_credentials
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.connecting import connect
from immune_nb.session import Session
from immune_nb.sessions import Sessions, sessions_of


def client(sandbox, **more):
    return connect(sandbox.profile, client_id=sandbox.client_id, client_secret=sandbox.client_secret, **more)


def test_every_way_in(sandbox):
    """API key, client credentials by both methods, and a pasted token reach the same plant."""
    first = client(sandbox)
    token = first._login.keeper.token.access
    for session in (
        connect(sandbox.profile, api_key=sandbox.api_key),
        connect(sandbox.profile, token=token),
        *(
            connect(
                replace(sandbox.profile, client_auth=way),
                client_id=sandbox.client_id,
                client_secret=sandbox.client_secret,
            )
            for way in ("basic", "body", "auto")
        ),
    ):
        assert len(session.sensors(limit=5)) == 5
        assert session.status().verified
        session.logout()


@pytest.mark.parametrize(
    "wrong",
    [{"api_key": "wrong-1"}, {"token": "wrong-1"}, {"client_id": "nobody", "client_secret": "wrong-1"}],
)
def test_a_wrong_credential_is_rejected_at_login(sandbox, wrong):
    """LoginRejectedError at once, with the next step and without the secret."""
    with pytest.raises(im.LoginRejectedError, match="Check") as caught:
        connect(sandbox.profile, **wrong)
    assert "wrong-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("env", "method"),
    [
        ({"API_KEY": "api_key"}, "API key"),
        ({"CLIENT_ID": "client_id", "CLIENT_SECRET": "client_secret"}, "client credentials"),
        ({"API_KEY": "api_key", "CLIENT_ID": "client_id", "CLIENT_SECRET": "client_secret"}, "client credentials"),
    ],
)
def test_the_environment_logs_in(sandbox, env, method):
    """`<PROFILE>_…` variables, the strongest first, and the status names them."""
    environ = {f"SANDBOX_{name}": getattr(sandbox, field) for name, field in env.items()}
    environ |= {"SANDBOX_BASE_URL": sandbox.base_url, "SANDBOX_TOKEN_URL": sandbox.token_url}
    status = connect("sandbox", environ=environ).status()
    assert status.method == method
    assert status.source.startswith("environment: SANDBOX_")


def test_a_token_in_the_environment_logs_in(sandbox):
    """`<PROFILE>_TOKEN` is a pasted access token; it does not renew."""
    first = client(sandbox)
    token = first._login.keeper.token.access.reveal()
    session = connect("sandbox", environ={"SANDBOX_BASE_URL": sandbox.base_url, "SANDBOX_TOKEN": token})
    assert (session.status().method, session.status().renewable) == ("access token", False)
    with pytest.raises(im.ConfigError, match="does not renew"):
        session.renew()


def test_nothing_to_log_in_with_names_what_would_help():
    """At once, and with the variables of that very profile."""
    profile = im.Profile("my-lab", "https://lab.example")
    with pytest.raises(im.NoCredentialsError, match="MY_LAB_CLIENT_ID with MY_LAB_CLIENT_SECRET.*MY_LAB_API_KEY"):
        connect(profile, environ={"MY_LAB_API_KEY": ""})


@pytest.mark.parametrize(
    ("given", "environ", "complaint"),
    [
        ({"client_id": "x"}, {}, r"client_id is set and client_secret is not\. Give what that method needs"),
        ({"api_key": "x", "token": "y"}, {}, "More than one"),
        ({"api_key": "can\nary"}, {}, "line break"),
    ],
)
def test_half_and_double_credentials_are_config_errors(given, environ, complaint):
    """Nothing is sent, and no value is quoted."""
    with pytest.raises(im.ConfigError, match=complaint) as caught:
        connect(im.Profile("lab", "https://lab.example"), environ=environ, **given)
    assert "canary" not in str(caught.value)


def test_half_a_pair_in_the_environment_is_named_and_not_quoted():
    """A forgotten variable is what the message says, beside every other link."""
    with pytest.raises(im.NoCredentialsError, match="LAB_CLIENT_SECRET is set and LAB_CLIENT_ID is not") as caught:
        connect(im.Profile("lab", "https://lab.example"), environ={"LAB_CLIENT_SECRET": "canary"})
    assert "canary" not in str(caught.value)


def test_a_method_narrows_the_environment(sandbox):
    """`method="key"` takes the key though a stronger kind is there."""
    environ = {**sandbox.environment, "SANDBOX_CLIENT_ID": "x", "SANDBOX_CLIENT_SECRET": "y"}
    assert connect("sandbox", method="key", environ=environ).status().method == "API key"


def test_a_method_that_nothing_is_there_for_is_what_is_missing():
    """Not the variables: there is one, of another kind."""
    with pytest.raises(im.NoCredentialsError, match="environment: holds no token; secret files: no LAB_"):
        connect(im.Profile("lab", "https://lab.example"), method="token", environ={"LAB_API_KEY": "k"})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("Bearer abc.def", "abc.def"),
        ("bearer  abc", "abc"),
        ("'Bearer abc'", "abc"),
        ('"abc"', "abc"),
        ("'abc", "'abc"),
        ("abc'", "abc'"),
        ("Bearers", "Bearers"),
    ],
)
def test_what_was_copied_along_with_a_token_is_left_out(given, meant):
    """The scheme's name, and the quotes of a file of variables, where there are two."""
    who = find_credentials(im.Profile("lab", "https://lab.example"), {"LAB_TOKEN": given})
    assert who.token.access.reveal() == meant


def test_the_quotes_of_a_file_of_variables_are_not_the_secret():
    """`docker --env-file` keeps them; what only begins with one is as it is."""
    profile = im.Profile("lab", "https://lab.example")
    who = find_credentials(profile, {"LAB_CLIENT_ID": '"me"', "LAB_CLIENT_SECRET": "'a\"b c'"})
    assert (who.client_id, who.client_secret.reveal()) == ("me", 'a"b c')
    assert find_credentials(profile, {"LAB_API_KEY": '"k"'}).key.reveal() == "k"
    assert find_credentials(profile, {"LAB_API_KEY": "\"k'"}).key.reveal() == "\"k'"


def test_twenty_threads_and_an_expired_token_make_one_token_request(sandbox):
    """F22, at the server: the log shows one request to the token endpoint, and twenty answers."""
    session = client(sandbox)
    sandbox.control("POST", "tokens", action="expire")
    before = len(sandbox.log("/oauth/token"))
    with ThreadPoolExecutor(20) as pool:
        frames = list(pool.map(lambda _: session.sensors(limit=5), range(20)))
    assert all(len(frame) == 5 for frame in frames)
    assert len(sandbox.log("/oauth/token")) - before == 1
    assert any(entry["status"] == 401 for entry in sandbox.log("/v1/sensors"))


def test_a_token_is_renewed_before_it_expires(sandbox):
    """A short-lived token is replaced ahead of time: no 401 is ever seen."""
    sandbox.breaks(token_lifetime_s=1)
    session = client(sandbox)
    sandbox.breaks()
    first = session._login.keeper.token
    session._login.keeper._clock = lambda: first.received_at + 0.95
    session.sensors(limit=5)
    assert session._login.keeper.token is not first
    assert {entry["status"] for entry in sandbox.log("/v1/sensors")} == {200}


def test_a_token_expiring_between_pages_costs_one_renewal_and_no_row(sandbox):
    """F21: page 3 meets a dead token; one token request, a whole frame, no duplicates."""
    session = client(sandbox)
    before = len(sandbox.log("/oauth/token"))
    sandbox.breaks(path="/v1/readings", after=2, next=1, tokens="expire")
    frame = session.readings("vib_001", last="7d")
    assert frame.attrs["immune"]["complete"]
    assert frame.attrs["immune"]["duplicates"] == 0
    assert len(sandbox.log("/oauth/token")) - before == 1


@pytest.mark.parametrize("form", ["missing", "string", "float", "zero", "negative"])
def test_an_odd_lifetime_costs_no_extra_token_requests(sandbox, form):
    """F26: whatever `expires_in` looks like, three queries make one token request."""
    sandbox.breaks(expires_in=form)
    session = client(sandbox)
    before = len(sandbox.log("/oauth/token"))
    for _ in range(3):
        session.sensors(limit=5)
    assert len(sandbox.log("/oauth/token")) == before


def is_open(transport):
    with transport._lane() as lane:
        return lane._line.is_free(30)


def test_a_token_request_never_rides_on_an_old_connection(sandbox):
    """F38: the token endpoint's connection is closed after each answer; the API's is kept, as the control."""
    session = client(sandbox)
    session.renew()
    session.renew()
    (pool,) = session._login.client._pools.values()
    assert not is_open(pool)
    assert is_open(session._client._transport._inner)
    session.logout()


def test_renew_gets_another_token(sandbox):
    """On demand, and the session goes on with it."""
    session = client(sandbox)
    first = session._login.keeper.token
    session.renew()
    assert session._login.keeper.token is not first
    assert session.status().expires_in == pytest.approx(3600, abs=60)


def test_a_credential_is_replaced_in_a_live_session(sandbox):
    """Rotation: the new key is tried first; a wrong one leaves the old one in use; nothing else changes."""
    session = connect(sandbox.profile, api_key=sandbox.api_key)
    with pytest.raises(im.LoginRejectedError):
        session.rotate(api_key="wrong")
    assert len(session.sensors(limit=2)) == 2
    session.rotate(api_key=sandbox.api_key)
    assert len(session.sensors(limit=2)) == 2
    session.logout()
    machine = client(sandbox)
    first = machine._login.keeper.token
    machine.rotate(client_secret=sandbox.client_secret)
    assert machine._login.keeper.token is not first
    assert machine.status().account == sandbox.client_id
    with pytest.raises(im.ConfigError, match="nothing to go on with"):
        machine.rotate()
    machine.logout()


def test_after_logout_nothing_is_held_and_nothing_is_asked(sandbox):
    """L43: a query raises, the status raises, and what signed is gone; before the logout it was there."""
    session = client(sandbox)
    parts = [
        weakref.ref(part) for part in (session._login.auth, session._login.credentials, session._login.keeper.token)
    ]
    gc.collect()
    assert all(part() is not None for part in parts)
    session.logout()
    session.logout()
    for ask in (session.sensors, session.status, session.renew):
        with pytest.raises(im.NoCredentialsError, match="Log in again"):
            ask()
    gc.collect()
    assert [part() for part in parts] == [None, None, None]


def test_a_session_shows_and_pickles_nothing(sandbox, session):
    """L10, L25, L26: repr, vars and status have no secret; pickle raises."""
    shown = repr(session) + repr(vars(session)) + repr(session.status()) + str(dir(session))
    assert sandbox.api_key not in shown
    with pytest.raises(TypeError):
        pickle.dumps(session)


def test_a_with_block_closes_its_session(sandbox):
    """Within it one asks; behind it the secrets are gone, also when the block fails."""
    with connect(sandbox.profile, api_key=sandbox.api_key) as session:
        assert len(session.sensors(limit=2)) == 2
    with pytest.raises(im.QueryError), connect(sandbox.profile, api_key=sandbox.api_key) as failed:
        failed.readings(last="nothing")
    with pytest.raises(im.NoCredentialsError):
        failed.sensors()
    with pytest.raises(im.NoCredentialsError):
        session.sensors()


def test_a_status_is_read_at_a_glance(session):
    """A line for each thing that is known, in words, and none for what is not."""
    session.sensors(limit=2)
    said = repr(session.status()).splitlines()
    assert re.search(r"^calls_left  [\d,]+$", "\n".join(said), re.MULTILINE)
    assert said[0] == "profile     sandbox"
    assert "method      API key" in said
    assert "renewable   no" in said
    assert not any(line.startswith(("expires_in", "account", "remembered")) for line in said)


def test_the_package_shows_what_is_for_users():
    """`dir` has the public names and nothing this file needs itself; the help of `connect` stands on its own."""
    assert {"connect", "current", "Profile", "Session", "__version__"} <= set(dir(im))
    assert not {"Any", "sys", "TYPE_CHECKING", "annotations"} & set(dir(im))
    assert "api_key: An API key." in im.connect.__doc__


def test_an_unreachable_service_is_said_so():
    """A closed port: UnreachableError that names host and path, never the query."""
    profile = im.Profile("lab", "http://127.0.0.1:9/v1", api_key_in="?api_key={key}", check="/sensors")
    from immune_nb.auth.chain import find_credentials

    session = Session(profile, find_credentials(profile, {}, api_key="canary"), sleep=lambda s: None)
    with pytest.raises(im.UnreachableError, match=r"http://127.0.0.1:9/v1/sensors: cannot connect") as caught:
        session.verify()
    assert "canary" not in str(caught.value)


def test_the_registry_keeps_one_login_per_profile():
    """add uses, use chooses, drop forgets; what is not there is named."""
    home = type("Shell", (), {})()
    sessions = sessions_of(home)
    assert sessions_of(home) is sessions
    with pytest.raises(im.NoCredentialsError, match="Not logged in"):
        sessions.current()

    def login(name):
        profile = im.Profile(name, "https://x.example")
        from immune_nb.auth.chain import find_credentials

        return Session(profile, find_credentials(profile, {}, api_key="k"), transport=httpx.MockTransport(print))

    one, two = login("one"), login("two")
    sessions.add(one)
    sessions.add(two)
    assert sessions.current() is two
    assert sessions.use("one") is one
    assert [s.profile.name for s in sessions] == ["one", "two"]
    sessions.drop("one")
    assert sessions.current_name is None
    with pytest.raises(im.NoCredentialsError, match="'one'"):
        sessions.get("one")
    assert isinstance(sessions, Sessions)


def test_without_ipython_connect_and_current_work(sandbox):
    """In a plain interpreter the program itself is the home, and IPython is not even imported."""
    program = (
        "import sys, immune_nb as im\n"
        "s = im.connect('sandbox')\n"
        "assert im.current() is s and len(im.current().sensors(limit=3)) == 3\n"
        "assert 'IPython' not in sys.modules and 'ipywidgets' not in sys.modules\n"
        "print(im.__version__, im.Session is type(s), im.Secret)\n"
    )
    import os

    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **sandbox.environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "True" in done.stdout


def test_importing_the_package_loads_nothing_heavy():
    """`import immune_nb` brings neither pandas nor httpx nor IPython; the query that needs them does."""
    heavy = ("pandas", "pyarrow", "httpx", "authlib", "IPython", "ipywidgets", "numpy")
    program = f"import sys, immune_nb; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_session_that_came_to_nothing_can_be_shown():
    """A traceback with locals shows the session whose `__init__` failed."""
    who = Credentials("test", client_id="me", client_secret=Secret("s3cret-text"))
    with pytest.raises(im.ConfigError) as caught:
        Session(im.Profile("lab", "https://lab.example"), who)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "<Session 'lab' at https://lab.example, logged out>" in shown
    assert "s3cret-text" not in shown


def test_a_login_that_is_refused_later_says_so():
    """`status` speaks of the service's last word: not tried, accepted, and no longer, until it says yes again."""
    page = {"data": [], "has_more": False, "total_count": 0}
    answers = [httpx.Response(200, json=page), httpx.Response(401), httpx.Response(200, json=page)]
    service = httpx.MockTransport(lambda _: answers.pop(0))
    session = Session(im.IMMUNE, find_credentials(im.IMMUNE, {}, api_key="k"), transport=service)
    stands = [session.status().standing]
    for _ in range(3):
        with suppress(im.SessionExpiredError):
            session.sensors()
        stands.append(session.status().standing)
    assert stands == ["not tried yet", "accepted", "no longer accepted: log in again", "accepted"]


def test_a_logout_that_is_interrupted_forgets_all_the_same():
    """The local part always happens: Ctrl-C while the server is asked to revoke leaves nothing on this machine."""
    profile = im.Profile(
        "lab", "http://127.0.0.1:9", token_url="http://127.0.0.1:9/t", revoke_url="http://127.0.0.1:9/r"
    )

    def interrupt(_):
        raise KeyboardInterrupt

    token = Token(Secret("a" * 20), time.time(), 3600.0, refresh=Secret("r" * 20))
    who = Credentials("browser", token=token, client_id="me", sign_in="browser")
    session = Session(profile, who, transport=httpx.MockTransport(interrupt))
    session.remember()
    assert not isinstance(keep.recall(profile), str)
    with pytest.raises(KeyboardInterrupt):
        session.logout()
    assert isinstance(keep.recall(profile), str)


def signed_in(there, **more):
    """A browser sign-in at a scripted server whose API takes every token."""
    there.says("/api/items", reply({"data": [{"id": "a"}], "has_more": False}))
    there.says("/revoke", Answer())
    ends = {f"{name}_url": f"{there.origin}/{name}" for name in ("token", "revoke")}
    held = Token(Secret("at_0"), time.time(), 3600.0, refresh=Secret("rt_0"))
    who = Credentials("browser", **{"token": held, "client_id": "me", "sign_in": "browser", **more})
    return Session(im.Profile("lab", f"{there.origin}/api", **ends), who)


def test_a_logout_during_a_renewal_revokes_what_that_brings():
    """A19: "revoked" means that the server takes nothing any more, and nothing is remembered either."""
    arrived, leave = threading.Event(), threading.Event()
    with scripted() as there, ThreadPoolExecutor(2) as pool:
        session = signed_in(there)
        session.remember()
        there.says("/token", replace(token("at_1", refresh_token="rt_1"), after=leave, arrived=arrived))
        pool.submit(session.renew)
        arrived.wait(10)
        leaving = pool.submit(session.logout)
        leave.set()
        assert leaving.result(20) == "revoked"
        assert [asked.form["token"] for asked in there.asked("/revoke")] == ["rt_1", "at_1"]
        assert keep.recall(session.profile) == "nothing is remembered"


def test_a_query_that_meets_a_logout_is_not_sent_again():
    """Neither signed nor without: an answer for anybody would pass for the login's."""
    arrived, leave = threading.Event(), threading.Event()
    with scripted() as there, ThreadPoolExecutor(1) as pool:
        session = signed_in(there)
        answer = reply({"data": [{"id": "a"}], "has_more": False})
        there.says("/api/items", replace(answer, after=leave, arrived=arrived))
        asking = pool.submit(session.get, "/items")
        arrived.wait(10)
        session.logout()
        leave.set()
        with pytest.raises(im.NoCredentialsError, match="logged out"):
            asking.result(20)
        assert len(there.asked("/api/items")) == 1


def test_a_logout_tells_what_the_keyring_does_not_forget(ring):
    """It is locked: the tokens are revoked all the same, and both are said."""
    with scripted() as there:
        session = signed_in(there)
        session.remember()
        ring.refuses = "get_password"
        said = session.logout()
        assert said == "revoked; it is still remembered, as the keyring (rings) failed (KeyError)"
        assert len(there.asked("/revoke")) == 2
        assert ("immune_nb", "lab") in ring.held


@pytest.mark.parametrize(("said", "shown"), [(None, ("read", "admin")), ((), ()), (("read",), ("read",))])
def test_a_status_shows_the_scopes_that_were_granted(said, shown):
    """RFC 6749 5.1: those asked for only where the server does not say; one that grants none says so."""
    profile = im.Profile("lab", "http://127.0.0.1:9", scopes=("read", "admin"))
    session = Session(profile, Credentials("given", token=Token(Secret("at_0"), scopes=said)))
    assert session.status().scopes == shown
    session.close()


def test_a_persons_session_is_not_rotated_into_the_clients():
    """A new secret of the client is no new login of the person: refused, nothing is sent, she goes on."""
    with scripted() as there:
        session = signed_in(there, client_secret=Secret("old-secret"))
        with pytest.raises(im.ConfigError, match=r"browser sign-in has no secret .*Sign in again"):
            session.rotate(client_secret="new-secret")
        assert session.status().method == "browser sign-in"
        assert len(session.get("/items")) == 1
        assert not there.asked("/token")
        session.close()


def test_a_rotated_session_keeps_its_transport_and_clock():
    """What a session was made with, its next login is made with."""

    def server(request):
        said = {"access_token": "at_1", "expires_in": 100} if request.url.path == "/token" else {"data": []}
        return httpx.Response(200, json=said)

    profile = im.Profile("lab", "https://lab.example", token_url="https://lab.example/token", client_auth="body")
    who = Credentials("given", client_id="me", client_secret=Secret("old-secret"))
    session = Session(profile, who, transport=httpx.MockTransport(server), clock=lambda: 5.0)
    session.rotate(client_secret="new-secret")
    assert session.status().expires_in == 100
    session.close()


@pytest.mark.parametrize(
    "given", [{"api_key": "bad\nkey-x1y2z3w4"}, {"api_key": "a-x1y2z3w4", "token": "b-x1y2z3w4"}]
)
def test_a_refused_rotation_shows_nothing_of_the_new_credential(given):
    """A malformed one, or two at once: no local of any frame has it."""
    session = Session(im.IMMUNE, find_credentials(im.IMMUNE, {}, api_key="k"))
    with pytest.raises(im.ConfigError) as caught:
        session.rotate(**given)
    assert "x1y2z3w4" not in frame_values(below(caught.value, __file__), __file__)
