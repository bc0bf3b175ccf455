"""Tokens: their life, and their single-flight renewal."""

import _thread
import asyncio
import base64
import json
import os
import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from immune_nb.auth.renewal import TokenKeeper
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.errors import (
    BadReplyError,
    LoginRejectedError,
    NoCredentialsError,
    SessionExpiredError,
    UnreachableError,
)


def reply(**more):
    return {"access_token": "abc", "token_type": "bearer", **more}


def token(life=3600.0, at=0.0):
    return Token(Secret("abc"), at, life)


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [(3600, 3600), ("3600", 3600), (12.5, 12.5), (None, None), (0, None), (-5, None), ("soon", None), ([], None)]
    + [(float("nan"), None), (float("inf"), None), (10**400, None), ("9" * 400, None)],
)
def test_a_lifetime_is_read_as_servers_send_it(expires_in, life):
    """F26: `expires_in` may be text, missing, zero, negative or junk; junk means unknown."""
    assert Token.from_reply(reply(expires_in=expires_in), 0).expires_in == life


@pytest.mark.parametrize(("life", "due_at"), [(3600, 3540), (600, 540), (30, 27), (10, 9)])
def test_leeway_is_the_lesser_of_a_minute_and_a_tenth(life, due_at):
    """F26: a short-lived token is not renewed on every request."""
    assert not token(life).is_due(due_at - 0.1)
    assert token(life).is_due(due_at)


def test_an_unknown_lifetime_is_never_due():
    """F26: without `expires_in`, only a 401 renews."""
    assert not token(None).is_due(1e12)
    assert token(None).seconds_left(1e12) is None


@pytest.mark.parametrize(
    "bad", [{}, {"access_token": ""}, {"access_token": 5}, {"access_token": "a\r\nb"}, reply(token_type="mac")]
)
def test_what_is_no_bearer_token_is_a_bad_reply(bad):
    """A18: no token, a CRLF in it, or another type is refused and not echoed."""
    with pytest.raises(BadReplyError) as caught:
        Token.from_reply(bad, 0)
    assert "a\r\nb" not in str(caught.value)


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", None, ""])
def test_the_token_type_is_compared_without_case(kind):
    """Contract 2: `Bearer` and `bearer` both occur; some servers leave it out."""
    assert Token.from_reply(reply(token_type=kind), 0).access.reveal() == "abc"


def test_twenty_threads_make_one_request():
    """F22: whoever waits adopts the winner's token."""
    calls, gate = [], threading.Barrier(20)

    def obtain(_):
        calls.append(1)
        return token()

    keeper = TokenKeeper(obtain, clock=lambda: 0.0)

    def ask(_):
        gate.wait(10)
        return keeper.usable()

    with ThreadPoolExecutor(20) as pool:
        got = set(map(id, pool.map(ask, range(20))))
    assert len(calls) == 1
    assert len(got) == 1


def test_an_interrupt_at_any_point_costs_no_second_request():
    """F24: Ctrl-C at 100 random points of a renewal: one request each, and the session goes on with its token."""
    interrupts = 0
    for turn in range(100):
        calls, spin = [], random.Random(turn).randrange(20_000)

        def obtain(_, calls=calls, spin=spin):
            calls.append(1)
            for number in range(spin):
                if number == spin // 2:
                    _thread.interrupt_main()
            return token()

        keeper = TokenKeeper(obtain, clock=lambda: 0.0)
        try:
            keeper.usable()
            list(range(1000))  # an interrupt that came late lands here
        except KeyboardInterrupt:
            interrupts += 1
        assert keeper.usable() is keeper.token
        assert calls == [1]
    assert interrupts > 50


def test_a_cancelled_task_costs_no_second_request():
    """F22, F24: four event loops of five tasks each, some cancelled: one request, one token for the rest."""
    calls, entered, leave = [], threading.Event(), threading.Event()

    def obtain(_):
        calls.append(1)
        entered.set()
        leave.wait(10)
        return token()

    keeper = TokenKeeper(obtain, clock=lambda: 0.0)

    async def ask():
        tasks = [asyncio.create_task(asyncio.to_thread(keeper.usable)) for _ in range(5)]
        await asyncio.to_thread(entered.wait, 10)
        tasks[0].cancel()
        leave.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with ThreadPoolExecutor(4) as pool:
        outcomes = [outcome for loop in pool.map(lambda _: asyncio.run(ask()), range(4)) for outcome in loop]
    assert len(calls) == 1
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 4
    assert sum(outcome is keeper.token for outcome in outcomes) == 16


def test_without_single_flight_twenty_threads_make_many():
    """Positive control: the same count catches a keeper that lets everybody go."""
    calls, gate = [], threading.Barrier(20)

    def ask(_):
        gate.wait(10)
        calls.append(1)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(ask, range(20)))
    assert len(calls) == 20


def test_a_failed_renewal_reaches_every_waiter_as_its_own_error():
    """One request fails for all, and no two threads raise the same object."""
    entered, leave = threading.Event(), threading.Event()

    def obtain(_):
        entered.set()
        leave.wait(10)
        raise LoginRejectedError("refused", hint="ask somebody")

    keeper = TokenKeeper(obtain)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(keeper.usable) for _ in range(2)]
        entered.wait(10)
        leave.set()
        errors = [future.exception(10) for future in waiting]
    assert all(isinstance(error, LoginRejectedError) and error.hint == "ask somebody" for error in errors)
    assert errors[0] is not errors[1]


def test_a_token_due_but_alive_survives_an_outage():
    """The token endpoint is down: what is still good is used, what has run out is not."""
    now = [0.0]

    def obtain(_):
        raise UnreachableError("down")

    keeper = TokenKeeper(obtain, token(100), clock=lambda: now[0])
    now[0] = 95.0
    assert keeper.usable() is keeper.token
    now[0] = 100.0
    with pytest.raises(UnreachableError):
        keeper.usable()


def test_a_token_that_says_an_impossible_expiry_says_none():
    """`exp` beyond any number: as if it were not there."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 10**400}).encode()).decode()
    assert Token.found(Secret(f"e30.{claims}.c2ln"), 0.0).expires_in is None


def test_a_token_due_but_alive_waits_for_no_renewal_under_way():
    """The token endpoint hangs: one request to it, queries go on at once, and wait when the token has run out."""
    now, calls, entered, leave = [95.0], [], threading.Event(), threading.Event()

    def obtain(_):
        calls.append(1)
        entered.set()
        leave.wait(10)
        return token(at=100.0)

    good = token(100)
    keeper = TokenKeeper(obtain, good, clock=lambda: now[0])
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(keeper.usable)
        entered.wait(10)
        assert [keeper.usable() for _ in range(20)] == [good] * 20
        now[0] = 100.0
        late = pool.submit(keeper.usable)
        assert not late.done()
        leave.set()
        assert late.result(10) is keeper.token is not good
        assert first.result(10) in (good, keeper.token)
    assert calls == [1]


def test_a_token_due_but_alive_is_used_though_its_login_is_over():
    """The refresh token is refused, once; the access token is good until it has run out, and then that is said."""
    now, calls = [95.0], []

    def obtain(_):
        calls.append(1)
        raise SessionExpiredError("over", hint="Log in again.")

    good = token(100)
    keeper = TokenKeeper(obtain, good, clock=lambda: now[0])
    assert [keeper.usable() for _ in range(3)] == [good] * 3
    now[0] = 100.0
    with pytest.raises(SessionExpiredError, match="over"):
        keeper.usable()
    assert calls == [1]


def test_replace_adopts_what_another_thread_already_got():
    """A 401 with an old token takes the newer one that is there, without a request."""
    newer, older = token(), token()
    keeper = TokenKeeper(lambda _: pytest.fail("no request is needed"), newer, clock=lambda: 0.0)
    assert keeper.replace(older) is newer


def test_a_pasted_token_is_used_until_it_fails_and_then_says_so():
    """Nothing can renew a pasted token; the error names the next step."""
    keeper = TokenKeeper(None, token(1), clock=lambda: 50.0)
    assert keeper.usable() is keeper.token
    with pytest.raises(SessionExpiredError, match="Log in again"):
        keeper.replace(keeper.token)


def test_a_keeper_forgets():
    """L43: after a logout neither the token nor the way to another is held."""
    keeper = TokenKeeper(lambda _: token(), token())
    keeper.forget()
    assert keeper.token is None
    with pytest.raises(SessionExpiredError):
        keeper.usable()


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_a_keeper_that_is_to_land_brings_the_last_token_there_is(seconds):
    """A19: what a renewal under way brings, or that it was not waited for long enough; no renewal comes after."""
    entered, leave, old, new = threading.Event(), threading.Event(), token(None), token(None)

    def obtain(_):
        entered.set()
        leave.wait(10)
        return new

    keeper = TokenKeeper(obtain, old)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(keeper.replace, old)
        entered.wait(10)
        landing = pool.submit(keeper.land, seconds)
        early = landing.result(10) if not seconds else None
        leave.set()
        assert (early or landing.result(10)) == ((new, True) if seconds else (old, False))
        assert waiting.result(10) is new
    with pytest.raises(SessionExpiredError):
        keeper.replace(keeper.token)


def test_an_unexpected_fault_wakes_the_waiters():
    """A bug in a grant is an error for whoever waits, not a hang."""
    keeper = TokenKeeper(lambda _: 1 / 0)
    with pytest.raises(BadReplyError, match="ZeroDivisionError"):
        keeper.usable()


def test_a_forked_child_refuses():
    """F39: a child asks nobody, even when the fork came while a renewal held the lock."""
    keeper = TokenKeeper(lambda _: token())
    keeper._lock.acquire()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            keeper.replace(None)
        except NoCredentialsError:
            os.write(writer, b"refused")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 20) == b"refused"


def test_a_keeper_does_not_pickle():
    """L26: no bytes of a login leave by pickle."""
    with pytest.raises(TypeError):
        pickle.dumps(TokenKeeper(lambda _: token()))


def test_only_a_login_that_is_over_is_asked_for_no_more():
    """RFC 6749 5.2: a refused client may be put right; a refused grant stays so."""
    faults = [LoginRejectedError("no client", hint="Check the client."), SessionExpiredError("over", hint="Log in.")]
    asked = []

    def obtain(_):
        asked.append(1)
        raise faults[min(len(asked), 2) - 1]

    keeper = TokenKeeper(obtain, Token(Secret("abc"), 0.0, 1.0, refresh=Secret("rt")), clock=lambda: 5.0)
    for hint in ("Check the client", "Log in", "Log in"):
        with pytest.raises(SessionExpiredError, match=hint):
            keeper.usable()
    assert len(asked) == 2
