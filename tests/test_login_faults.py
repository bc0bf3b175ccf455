"""F21 to F26, F31, F38, F39: what goes wrong on the way, against a real server, each shown to catch a naive client.

A probe returns what went wrong; nothing, when nobody would notice. See `test_login_attacks`.
"""

from __future__ import annotations

import _thread
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers.naive import Naive, Ours, RefusedError
from servers.scripted import Answer, Asked, Scripted, error, html, reply, scripted, token

pytestmark = pytest.mark.slow
Client = Ours | Naive
PAGES, ROWS_A_PAGE = 8, 3
WHOLE = [f"row_{number:02}" for number in range(PAGES * ROWS_A_PAGE)]
BROKEN = (RefusedError, httpx.HTTPError, ValueError)


class Service:
    """An authorization server that rotates refresh tokens, and an API whose tokens can be made to expire.

    Attributes:
        valid: The access token the API takes.
        refresh: The refresh token that is good, once.
        replays: How often an old one came.
        on_renewal: Called in the middle of a renewal, when the new token is made and not yet sent.
    """

    def __init__(self, there: Scripted) -> None:
        self.there = there
        self.valid, self.refresh, self.number, self.replays = "at0", "rt0", 0, 0
        self.expire_at: str | None = None
        self.on_renewal: Callable[[], None] = lambda: None
        self.says: dict[str, Any] = {"scope": "read write"}
        self._lock = threading.Lock()
        there.says("/token", self.renew)
        there.says("/api/items", self.items)

    def renew(self, asked: Asked) -> Answer:
        """A new pair for the refresh token that is good."""
        with self._lock:
            if asked.fields["refresh_token"] != [self.refresh]:
                self.replays += 1
                return error("invalid_grant")
            self.number += 1
            self.valid, self.refresh = f"at{self.number}", f"rt{self.number}"
        answer = token(self.valid, refresh_token=self.refresh, **self.says)
        self.on_renewal()
        return answer

    def items(self, asked: Asked) -> Answer:
        """A page; `expire_at` is the id after which the token runs out, once."""
        after = asked.query.get("starting_after", [""])[0]
        if self.expire_at == after and after:
            self.valid, self.expire_at = "used up", None
        if asked.headers.get("authorization") != f"Bearer {self.valid}":
            return error("invalid_token", 401)
        first = WHOLE.index(after) + 1 if after else 0
        rows = [{"id": name} for name in WHOLE[first : first + ROWS_A_PAGE]]
        return reply({"data": rows, "has_more": first + ROWS_A_PAGE < len(WHOLE), "total_count": len(WHOLE)})

    @property
    def renewals(self) -> int:
        """Requests to the token endpoint."""
        return len(self.there.asked("/token"))


@pytest.fixture
def service() -> Iterator[Service]:
    """A decent one."""
    with scripted() as there:
        there.publishes()
        yield Service(there)


def f21_expiry_between_pages(client: Client, service: Service) -> str:
    """The token runs out between pages 4 and 5: one renewal, every row once."""
    client.hold()
    service.expire_at = WHOLE[4 * ROWS_A_PAGE - 1]
    rows = client.fetch()
    return "" if rows == WHOLE and service.renewals == 1 else f"{len(rows)} rows, {service.renewals} renewals"


def f22_twenty_at_once(client: Client, service: Service) -> str:
    """Twenty fetches meet an expired token: one renewal for all, and all are whole."""
    client.hold(age=7200)
    gate = threading.Barrier(20)

    def fetch(_: int) -> int:
        gate.wait(20)
        try:
            return len(client.fetch())
        except BROKEN:
            return -1

    with ThreadPoolExecutor(20) as pool:
        counts = list(pool.map(fetch, range(20)))
    return "" if counts == [len(WHOLE)] * 20 and service.renewals == 1 else f"{counts}, {service.renewals} renewals"


CRASHES = {
    "Ours": """
import os, sys
from immune_nb.auth import keep
from immune_nb.auth.secrets import Secret
from immune_nb.auth.sharing import Shared
from immune_nb.auth.tokens import Token
import immune_nb as im
profile = im.Profile("lab", "https://lab.example", token_url="https://lab.example/t")
keep.remember(profile, keep.Record(token=Token(Secret("at0"), 0.0, 1.0, (), Secret("rt0")), client_id="me"))
sys.addaudithook(lambda event, args: os._exit(9) if event == "os.rename" else None)
Shared(profile, "me", lambda seen: Token(Secret("at1"), 0.0, 1.0, (), Secret("rt1")))(None)
""",
    "Naive": """
import json, os, pathlib
path = pathlib.Path(os.environ["XDG_DATA_HOME"]) / "token.json"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps({"refresh_token": "rt0"}))
file = path.open("w")
file.write(json.dumps({"refresh_token": "rt1"})[:9])
file.flush()
os._exit(9)
""",
}
RECALL = """
from immune_nb.auth import keep
import immune_nb as im
print(keep.recall(im.Profile("lab", "https://lab.example", token_url="https://lab.example/t")).token.refresh.reveal())
"""


def f23_crash_while_storing(client: Client, service: Service) -> str:
    """The process dies between the answer and the disk: what lies there is whole, and the loss is a clear state."""
    environ = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    died = subprocess.run([sys.executable, "-c", CRASHES[type(client).__name__]], env=environ, capture_output=True)
    assert died.returncode == 9, died.stderr
    if isinstance(client, Naive):
        return f"left {Path(environ['XDG_DATA_HOME'], 'token.json').read_text()!r}"
    left = subprocess.run([sys.executable, "-c", RECALL], env=environ, capture_output=True, text=True)
    client.hold(refresh=left.stdout.strip(), age=7200)
    service.refresh = "rt1"  # the server has rotated it
    with suppress(RefusedError):
        client.fetch()
        return "went on"
    return "" if left.stdout == "rt0\n" and "Log in again" in client.said else f"{left.stdout!r}, {client.said!r}"


def f24_interrupts(client: Client, service: Service) -> str:
    """Ctrl-C at 100 random points of a renewal: the refresh token that the server made is never lost."""
    dice, interrupted = random.Random(24), 0
    service.on_renewal = lambda: (time.sleep(dice.random() / 500), _thread.interrupt_main(), time.sleep(0.001))
    client.hold()
    for _ in range(100):
        service.valid = "used up"
        try:
            with suppress(*BROKEN):
                client.fetch()
            for _ in range(100):
                time.sleep(0.0002)  # an interrupt that came late lands here
        except KeyboardInterrupt:
            interrupted += 1
        if service.replays:
            break
    service.on_renewal = lambda: None
    if service.replays:
        return f"{service.replays} lost tokens"
    return "" if interrupted > 50 and client.fetch() == WHOLE else f"{interrupted} interrupts met a renewal"


def f25_revoked(client: Client, service: Service) -> str:
    """The login is revoked: one attempt to renew, a clear state, and no more attempts however often one asks."""
    client.hold(age=7200)
    service.refresh = "another one"
    for _ in range(3):
        with suppress(RefusedError):
            client.fetch()
            return "went on"
    clear = service.renewals == 1 and "Log in again" in client.said
    return "" if clear else f"{service.renewals} attempts, said {client.said!r}"


def f26_lives(client: Client, service: Service) -> str:
    """Clocks ten minutes off, and every `expires_in` there is: never a renewal per request."""
    lives = [None, 0, -1, "3600", 3600.5, 30, "soon"]
    for life, skew in [(life, skew) for life in lives for skew in (-600, 600)]:
        service.there.says("/token", token("at0", refresh_token="rt0", expires_in=life, scope="read write"))
        made = service.there.asked("/token")
        one = client.another()
        one.hold(age=7200)
        service.there.says(
            "/api/items", reply({"data": [{"id": "a"}], "has_more": False}, date=formatdate(time.time() + skew))
        )
        with suppress(TypeError):  # int(None) is how the naive ends
            for _ in range(4):
                one.fetch()
        if (count := len(service.there.asked("/token")) - len(made)) != 1:
            return f"expires_in={life!r}: {count} renewals for 4 requests"
    return ""


def f31_device(client: Client, service: Service) -> str:
    """Pending, slow down, 503, a page, no answer, then yes; expired and denied end it at once."""
    usual = {
        "device_code": "dc",
        "user_code": "ABCD",
        "expires_in": 600,
        "verification_uri": "http://127.0.0.1/device",
    }
    service.there.says("/device_authorization", reply(usual))
    service.there.says(
        "/token",
        error("authorization_pending"),
        error("slow_down"),
        Answer(503),
        html("<h1>Bad gateway</h1>", 502),
        Answer(0),
        token("at0"),
    )
    client.start("device")
    for turn in range(6):
        try:
            done = client.finish()
        except BROKEN as fault:
            return f"gave up at poll {turn + 1}: {fault!r}"
        if turn == 1 and client.interval < 10:
            return f"polls every {client.interval} s though told to slow down"
    if not done:
        return "no token"
    for word in ("expired_token", "access_denied"):
        service.there.says("/token", error(word))
        one = client.another()
        one.start("device")
        one.finish()
        if "again" not in one.said:
            return f"said {one.said!r}"
    return ""


def f38_stale_connection(client: Client, service: Service) -> str:
    """A kept connection that the other side has given up: a token request, not to be repeated, needs its own."""
    service.there.drops_kept = True
    for _ in range(3):
        client.hold(access=service.valid, refresh=service.refresh)
        for turn in range(2):
            service.valid = "used up"
            try:
                client.renew()
            except BROKEN as fault:
                return f"renewal {turn + 1} failed: {fault!r}"
    return "" if service.replays == 0 else f"{service.replays} replays"


def f39_fork(client: Client, service: Service) -> str:
    """A forked child has neither login nor connections: it refuses, and the server hears nothing of it."""
    client.hold()
    client.fetch()
    before = len(service.there.requests)
    if (child := os.fork()) == 0:
        with suppress(BaseException):
            client.fetch()
        os._exit(0)
    os.waitpid(child, 0)
    heard = len(service.there.requests) - before
    return "" if not heard and client.fetch() == WHOLE else f"the child asked {heard} times"


FAULTS: dict[str, Callable[[Client, Service], str]] = {
    name[:3].upper(): probe for name, probe in list(globals().items()) if name[:3].removeprefix("f").isdigit()
}


def outcome(kind: type[Ours | Naive], fault: str, service: Service) -> str:
    """What comes of a fault for such a client."""
    client = kind(service.there)
    try:
        return FAULTS[fault](client, service)
    finally:
        client.close()


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch) -> None:
    """What is remembered is remembered here."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.mark.parametrize("fault", FAULTS)
def test_the_login_holds(service, fault):
    """F21 to F26, F31, F38, F39, by number: nobody would notice."""
    assert outcome(Ours, fault, service) == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_naive_login_is_caught(service, fault):
    """Positive control: F21 to F26, F31, F38, F39, by number, against a client as tutorials write it."""
    assert outcome(Naive, fault, service) != ""


def test_every_fault_has_its_number():
    """None left out, and the naive client works where nothing goes wrong."""
    assert list(FAULTS) == ["F21", "F22", "F23", "F24", "F25", "F26", "F31", "F38", "F39"]


def test_a_naive_client_fetches_and_renews(service):
    """The premise of the control: without faults, both clients fetch everything and renew an expired token."""
    for kind in (Ours, Naive):
        client = kind(service.there)
        client.hold(access=service.valid, refresh=service.refresh, age=7200)
        assert client.fetch() == WHOLE
        client.close()
    assert service.renewals == 2
