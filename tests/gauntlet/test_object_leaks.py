"""Objects of a login: what they show, keep, pickle and leave behind, for every kind of credential and both places."""

from __future__ import annotations

import asyncio
import base64
import copy
import dataclasses
import gc
import html
import importlib
import json
import logging
import os
import pickle
import pprint
import re
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from urllib.parse import quote

import httpx
import pyarrow.parquet
import pytest
from servers.scripted import Answer, Asked, reply
from servers.scripted import error as oauth_error

import immune_nb as im
from gauntlet.canaries import below, canary, careless, files_with, frame_values, leaked, rich_text
from gauntlet.services import PLACES, Service
from immune_nb.auth.chain import Credentials
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.connecting import connect
from immune_nb.session import Session

KINDS = ["key", "token", "client"]
FAILURES: dict[str, Callable[[Session], object]] = {
    "connection cut": lambda s: s.request("POST", "/broken"),
    "not JSON": lambda s: s.get("/junk"),
    "forbidden": lambda s: s.get("/refused"),
    "not found": lambda s: s.get("/nowhere"),
    "elsewhere": lambda s: s.get("https://elsewhere.example/x"),
    "malformed": lambda s: s.readings("vib_001", last="soon"),
}


def log_in(service: Service, kind: str) -> Session:
    """A session with the service's secret as that kind of credential."""
    given = {"key": {"api_key": service.secret}, "token": {"token": service.secret}}
    return connect("lab", **given.get(kind, {"client_id": "me", "client_secret": service.secret}))


@pytest.fixture(params=KINDS)
def session(lab: Service, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session that has been used."""
    made = log_in(lab, request.param)
    made.sensors()
    assert lab.was_used()
    yield made
    made.close()


def failed(act: Callable[[Session], object], session: Session) -> BaseException:
    """What an act raises; this frame and the act's are the only ones of the test."""
    try:
        act(session)
    except im.ImmuneError as error:
        return error
    pytest.fail("it did not fail")


def leaky_error(secret: str) -> BaseException:
    """An error as a careless client raises it."""
    try:
        careless({"X-API-Key": secret})
    except OSError as error:
        return below(error, __file__)
    raise AssertionError


def test_no_representation_shows_it(session, lab):
    """L10 L25 L32: repr, str, format, vars, dir, pprint of session, status, login, reply, its URL and headers."""
    answer = session.request("GET", "/sensors")
    things = [session, session.status(), session.profile, session._client, session._login, answer, answer.url]
    things += [session._login.credentials, session._login.keeper, session._login.auth, session._client._transport]
    for thing in things:
        shown = [repr(thing), str(thing), f"{thing}", pprint.pformat(getattr(thing, "__dict__", "")), str(dir(thing))]
        assert not leaked("\n".join(shown), lab.secret), type(thing)
    assert not leaked(str([answer.headers, answer.content, vars(answer)]), lab.secret)


def test_a_representation_that_shows_it_is_seen(lab):
    """Positive control: L10 L25 L32, with a plain attribute and a plain request."""
    import httpx

    request = httpx.Request("GET", "https://x.example", params={"api_key": lab.secret})
    assert leaked(repr(request), lab.secret)
    assert leaked(pprint.pformat({"key": lab.secret}), lab.secret)


@pytest.mark.parametrize("how", FAILURES)
def test_no_error_carries_it(session, lab, how):
    """L18 L20 L21 L22 L24: text, args, notes, chain and every frame's locals, opened a level, of each failure."""
    error = below(failed(FAILURES[how], session), __file__)
    assert not leaked(frame_values(error, __file__), lab.secret)
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert not leaked("".join(captured.format()), lab.secret)
    assert not leaked(rich_text(error), lab.secret)


INTERRUPTED = {
    "a query": lambda s: s.sensors(),
    "a request": lambda s: s.request("POST", "/x", json={"a": 1}),
    "a submission": lambda s: s.submit([{"sensor_id": "a", "value": 1.0, "unit": "C", "timestamp": "2026-01-01"}]),
    "a logout": lambda s: s.logout(),
}


@pytest.mark.parametrize("act", INTERRUPTED.values(), ids=INTERRUPTED)
@pytest.mark.parametrize("fault", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_no_interrupt_carries_it(act, fault, place):
    """L19 to L22: Ctrl-C, or a fault of ours, with a signed request on its way: no frame of it shows the secret."""

    def break_off(_):
        raise fault

    secret, profile = canary(), im.Profile("lab", "http://127.0.0.1:9", api_key_in=place)
    profile = dataclasses.replace(profile, token_url="http://127.0.0.1:9/t", revoke_url="http://127.0.0.1:9/r")
    token = Token(Secret(secret), time.time(), 3600.0, refresh=Secret(secret))
    by_token = Credentials("browser", token=token, client_id="me", sign_in="browser")
    who = by_token if act is INTERRUPTED["a logout"] else Credentials("key", key=Secret(secret))
    session = Session(profile, who, transport=httpx.MockTransport(break_off), sleep=lambda _: None)
    try:
        act(session)
    except BaseException as error:  # noqa: BLE001 - an interrupt is one
        shown = below(error, __file__)
        assert not leaked(frame_values(shown, __file__), secret)
        assert not leaked(rich_text(shown), secret)
        captured = traceback.TracebackException.from_exception(shown, capture_locals=True)
        assert not leaked("".join(captured.format()), secret)
    else:
        assert fault is ZeroDivisionError  # a logout that gets no answer says so


def test_an_error_that_carries_it_is_seen(lab):
    """Positive control: L18 L20 L21 L22 L24, with the frames of a careless client."""
    error = leaky_error(lab.secret)
    assert leaked(frame_values(error, __file__), lab.secret)
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert leaked("".join(captured.format()), lab.secret)
    assert leaked(rich_text(error), lab.secret)


def test_an_error_nobody_waits_for_is_silent_about_it(session, lab, caplog):
    """L21 L23: "exception was never retrieved", and logging.exception, at DEBUG."""
    caplog.set_level(logging.DEBUG)

    async def forgotten() -> None:
        asyncio.get_running_loop().set_debug(True)
        task = asyncio.create_task(asyncio.to_thread(FAILURES["connection cut"], session))
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(forgotten())
    assert "exception was never retrieved" in caplog.text
    try:
        FAILURES["not JSON"](session)
    except im.ImmuneError:
        logging.getLogger("theirs").exception("failed")
    assert not leaked(caplog.text, lab.secret)


def test_a_log_of_a_careless_task_is_seen(lab, caplog):
    """Positive control: L23, with an error whose text quotes the key."""

    async def careless() -> None:
        raise OSError(lab.secret)

    async def forgotten() -> None:
        task = asyncio.create_task(careless())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(forgotten())
    assert leaked(caplog.text, lab.secret)


PICKLERS = ["pickle", "cloudpickle", "dill", "joblib"]


def pickled(name: str, thing: object) -> bytes:
    """Bytes of a thing by that library."""
    if name == "joblib":
        target = BytesIO()
        importlib.import_module("joblib").dump(thing, target)
        return target.getvalue()
    return bytes(importlib.import_module(name).dumps(thing))


@pytest.mark.parametrize("name", PICKLERS)
def test_nothing_pickles(session, lab, name):
    """L26: session, login, auth, keeper, transport, secret: TypeError, and no bytes; an error pickles without it."""
    login = session._login
    things = [session, login, login.auth, login.keeper or login.auth, session._client._transport]
    for thing in [*things, Secret(lab.secret), [session], {"s": session}]:
        with pytest.raises(TypeError):
            pickled(name, thing)
    error = failed(FAILURES["connection cut"], session)
    assert not leaked(pickled(name, error), lab.secret)


def test_nothing_is_copied(session, lab):
    """L26: copy, deepcopy and what multiprocessing sends."""
    for act in (copy.copy, copy.deepcopy, ForkingPickler.dumps):
        with pytest.raises(TypeError):
            act(session)


def test_a_pickle_that_holds_it_is_seen(lab):
    """Positive control: L26, with an ordinary httpx.Auth."""
    import httpx

    assert leaked(pickle.dumps(httpx.BasicAuth("user", lab.secret)), lab.secret)


def test_a_frame_carries_no_trace(session, lab, tmp_path):
    """L28 L30: attrs through parquet, feather, pickle and JSON; receipts and names of files."""
    frame = session.sensors()
    assert frame.attrs["immune"]["complete"]
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_feather(tmp_path / "a.feather")
    frame.to_pickle(tmp_path / "a.pickle")
    frame.to_json(tmp_path / "a.json", orient="table")
    (tmp_path / "receipt.json").write_text(json.dumps(frame.attrs))
    assert len(list(tmp_path.iterdir())) >= 5
    assert files_with(lab.secret, tmp_path) == []


def test_a_frame_that_carries_it_is_seen(lab, tmp_path):
    """Positive control: L28 L30, with a receipt that keeps the parameters it should not."""
    import pandas as pd

    frame = pd.DataFrame({"a": [1]})
    frame.attrs["immune"] = {"parameters": {"api_key": lab.secret}}
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "key.json").write_text(lab.secret)
    assert sorted(files_with(lab.secret, tmp_path)) == ["a.parquet", "key.json"]


def test_nothing_is_cached_on_disk(session, lab, tmp_path, clean_environment, monkeypatch):
    """L30 L31 L41: queries leave no file with it in HOME, the working folder or the folder for temporary files."""
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    session.sensors()
    session.sensors()
    assert files_with(lab.secret, clean_environment, tmp_path / "work", tmp_path / "temporary") == []


def in_store(folder: Path) -> str:
    """All that a store of answers holds, unpacked: names, rows, columns and metadata."""
    texts = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    texts += [path.read_text(encoding="utf-8") for path in folder.rglob("*.json")]
    for path in folder.rglob("*.parquet"):
        table = pyarrow.parquet.read_table(path)
        texts.append(f"{table.to_pylist()} {table.schema.metadata} {table.schema}")
    return "\n".join(texts)


def readings(lab: Service) -> Callable[[Asked], Answer]:
    """A reading in the first hour of each of three days, with the credential repeated in it."""
    rows = [
        {"id": f"rd_{day}", "sensor_id": "vib_001", "timestamp": f"2024-01-0{day}T01:00:00Z", "value": 1.5}
        for day in (1, 2, 3)
    ]

    def answer(request: Asked) -> Answer:
        start, end = (request.query.get(name, [other])[0] for name, other in (("start_time", "0"), ("end_time", "9")))
        found = [{**row, "unit": lab.secret} for row in rows if start <= row["timestamp"] < end]
        answered = {"data": found, "has_more": False, "total_count": len(found)}
        return reply(answered) if lab.has(request) else reply({}, 401)

    return answer


@pytest.mark.filterwarnings("ignore:The service repeats the credential")
def test_the_store_of_answers_holds_no_credential(session, lab, tmp_path, monkeypatch):
    """L30 L31: keys, names, rows and metadata of days that are kept, though the service repeats the credential."""
    monkeypatch.setenv("IMMUNE_NB_CACHE", str(tmp_path / "store"))
    lab.server.says("/v1/readings", readings(lab))
    window = {"start": "2024-01-01", "end": "2024-01-04"}
    frame = session.readings("vib_001", **window, cache=True)
    asked = len(lab.server.asked("/v1/readings"))
    assert len(frame) == 3
    again = session.readings("vib_001", **window, cache=True)
    assert (len(again), len(lab.server.asked("/v1/readings"))) == (len(frame), asked)
    kept = in_store(tmp_path / "store")
    assert "(hidden)" in kept
    assert kept.count(".parquet") == 3
    assert not leaked(kept, lab.secret)


def test_a_store_that_holds_it_is_seen(lab, tmp_path):
    """Positive control: L31, packed in Parquet, in a column's value and in the metadata of another file."""
    import pandas as pd

    pd.DataFrame({"unit": [lab.secret] * 1000}).to_parquet(tmp_path / "a.parquet", compression="gzip")
    assert leaked(in_store(tmp_path), lab.secret)
    (tmp_path / "a.parquet").unlink()
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["key"] = lab.secret
    frame.to_parquet(tmp_path / "b.parquet")
    assert leaked(in_store(tmp_path), lab.secret)


def test_a_cache_with_it_is_seen(lab, tmp_path):
    """Positive control: L31 L41, with the key in a name and in a body."""
    (tmp_path / "k").write_text(json.dumps({"url": f"https://x.example?api_key={lab.secret}"}))
    assert files_with(lab.secret, tmp_path) == ["k"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_echo_is_taken_out(lab, kind):
    """L29: a service that repeats the credential, in rows, headers or its complaint; a warning says so."""
    session = log_in(lab, kind)
    row = {"id": "vib_001", "note": f"you sent {lab.secret}", "headers": {"k": lab.secret}}
    lab.server.says("/v1/echo", reply({"data": [row], "has_more": False}, x_echo=lab.secret))
    lab.server.says("/v1/complains", reply({"error": {"code": "X", "message": f"bad key {lab.secret}"}}, 422))
    with pytest.warns(UserWarning, match="repeats the credential"):
        frame = session.get("/echo")
    assert not leaked(frame.to_csv() + str(frame.attrs), lab.secret)
    assert "(hidden)" in frame.to_csv()
    with pytest.warns(UserWarning, match="repeats the credential"):
        assert not leaked(str(failed(lambda s: s.get("/complains"), session)), lab.secret)
    session.close()


ODD = "k+y&<x>\"z'/w=cn4Tz9QpLm2"
ECHOES = {
    "raw": json.dumps(ODD)[1:-1],
    ".NET": r"k\u002By\u0026\u003Cx\u003E\u0022z\u0027/w=cn4Tz9QpLm2",
    "Go": r"""k+y\u0026\u003cx\u003e\"z'/w=cn4Tz9QpLm2""",
    "a page": html.escape(ODD),
    "a URL": quote(ODD, safe=""),
    "a URL, in lower case": re.sub("%..", lambda match: match[0].lower(), quote(ODD, safe="")),
    "base64 without an end": base64.b64encode(ODD.encode()).decode().rstrip("="),
    "base64 for URLs": base64.urlsafe_b64encode(ODD.encode()).decode(),
}


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_an_echo_in_any_form_is_taken_out(echo, coding):
    """L29: as servers of other makes write it; a warning that is an error has no local with it, either."""
    body = f'{{"data":[{{"id":"a","note":"{echo}"}}],"has_more":false}}'.encode(coding)
    service = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    session = Session(im.IMMUNE, Credentials("key", key=Secret(ODD)), transport=service)
    with pytest.warns(im.ImmuneWarning, match="repeats the credential"):
        frame = session.get("/echo")
    assert "(hidden)" in frame["note"][0]
    assert not leaked(frame.to_csv(), ODD)
    with warnings.catch_warnings(action="error"), pytest.raises(im.ImmuneWarning) as caught:
        session.get("/echo")
    assert not leaked(frame_values(below(caught.value, __file__), __file__), ODD)


def test_an_echo_of_the_token_endpoint_is_taken_out(lab):
    """L18 L29: a refusal that quotes the client's secret."""
    lab.server.says("/token", oauth_error("invalid_client", 401, error_description=f"not {lab.secret}"))
    with pytest.warns(UserWarning, match="repeats the credential"), pytest.raises(im.LoginRejectedError) as caught:
        connect("lab", client_id="me", client_secret=lab.secret)
    assert "(hidden)" in str(caught.value)
    assert not leaked(frame_values(caught.value, __file__), lab.secret)


def test_an_echo_is_seen(lab):
    """Positive control: L29, with what the service really sends."""
    import httpx

    lab.server.says("/v1/echo", reply({"note": lab.secret}))
    assert leaked(httpx.get(f"{lab.base_url}/echo").content, lab.secret)


AFTER_LOGOUT = """
import gc, pathlib, sys, threading
import immune_nb as im
kind, path = sys.argv[1:]
half = len(pathlib.Path(path).read_text()) // 2
first, second = pathlib.Path(path).read_text()[:half], pathlib.Path(path).read_text()[half:]
def held():
    gc.collect()
    n = 0
    for thing in gc.get_objects():
        for leaf in gc.get_referents(thing):
            if type(leaf) in (str, bytes):
                text = leaf if type(leaf) is str else leaf.decode("latin-1")
                at = text.find(first)
                n += at >= 0 and text[at + half:].startswith(second)
    return n
def session():
    text = pathlib.Path(path).read_text()
    given = {"key": {"api_key": text}, "token": {"token": text}}
    return im.connect("lab", **given.get(kind, {"client_id": "me", "client_secret": text}))
s = session()
s.sensors()
before = held()
s.logout()
print(before, held(), threading.active_count())
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_after_logout_no_object_holds_it(lab, tmp_path, kind):
    """L43: no object of the process, no thread; the server saw the revocation; with control: before, some hold it."""
    vault = tmp_path / "key"
    vault.write_text(lab.secret)
    done = subprocess.run([sys.executable, "-c", AFTER_LOGOUT, kind, vault], capture_output=True, text=True)
    before, after, threads = map(int, done.stdout.split())
    assert before > 0, done.stderr
    assert (after, threads) == (0, 1)
    assert bool(lab.server.asked("/revoke")) == (kind == "client")


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_has_no_login(lab, kind):
    """L44: it refuses to ask before a byte leaves; with control: the parent goes on."""
    session = log_in(lab, kind)
    reader, writer = os.pipe()
    before = len(lab.server.requests)
    if (child := os.fork()) == 0:
        try:
            session.sensors()
        except im.NoCredentialsError:
            os.write(writer, b"refused")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    assert os.read(reader, 20) == b"refused"
    os.close(reader)
    assert len(lab.server.requests) == before
    assert len(session.sensors()) == 2
    session.close()


@pytest.mark.slow
def test_a_spawned_child_has_no_login(lab):
    """L44: a process started afresh has only its environment, where a key given here is not; with control."""
    session = log_in(lab, "key")
    ask = (
        "import os, immune_nb\ntry: immune_nb.current()\nexcept immune_nb.NoCredentialsError: print(dict(os.environ))"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    assert "IMMUNE_NB_CONFIG" in done.stdout
    assert not leaked(done.stdout, lab.secret)
    control = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, env={**os.environ, "K": lab.secret}
    )
    assert leaked(control.stdout, lab.secret)
    session.close()


@pytest.mark.parametrize("spoilt", ["a\n{}", "{}\r\nx", "{}\0", "{}é", "{}\u200bx", "{}\x1b[0m x", "\t{}\ny"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_no_header_can_carry_is_refused_unechoed(lab, kind, spoilt):
    """L45: line breaks, NUL, control and non-ASCII characters."""
    lab.secret, right = spoilt.format(lab.secret), lab.secret
    with pytest.raises(im.ConfigError) as caught:
        log_in(lab, kind)
    assert not leaked(frame_values(caught.value, __file__), right)
    assert lab.server.requests == []


@pytest.mark.parametrize("name", ["api_key", "token"])
def test_spaces_around_a_key_are_cut_and_a_huge_one_is_not_echoed(lab, name):
    """L45: a paste with white space works; ten kilobytes are refused by the service, unquoted."""
    session = connect("lab", **{name: f"  {lab.secret}\r\n"})
    assert len(session.sensors()) == 2
    session.close()
    with pytest.raises(im.LoginRejectedError) as caught:
        connect("lab", **{name: lab.secret * 300})
    assert not leaked(frame_values(caught.value, __file__), lab.secret)


def test_an_echoed_key_is_seen(lab):
    """Positive control: L45, with the header library's own complaint."""
    import httpx

    with pytest.raises(httpx.LocalProtocolError) as caught:
        httpx.get(lab.base_url, headers={"X-API-Key": f"{lab.secret}\n"})
    assert leaked(str(caught.value), lab.secret)


def test_the_package_ships_no_secret_in_what_it_inserts():
    """L01: no snippet we show or insert has a place for a secret in it; with control."""
    texts = [path.read_text(encoding="utf-8") for path in Path(im.__file__).parent.rglob("*.js")]
    from immune_nb.notebook import manual, subcommands

    texts += [manual.overview(), *(manual.page(command) for command in subcommands.COMMANDS)]
    from immune_nb.notebook.refusal import carries_secret

    lines = [line for text in texts for line in text.splitlines() if "%immune" in line]
    assert len(lines) > 20
    assert [line for line in lines if carries_secret(line.partition("%immune")[2])] == []
    assert carries_secret(" login --api-key abc")
