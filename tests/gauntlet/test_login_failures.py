"""Logins that fail, in ten ways for each kind of credential: the message helps, and nothing shows the credential."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.core.ultratb import VerboseTB
from servers.scripted import Answer, error, html, redirect, reply, token

import immune_nb as im
from gauntlet.canaries import below, canary, careless, frame_values, leaked, rich_text
from gauntlet.services import Service
from immune_nb.connecting import connect
from immune_nb.notebook.arguments import parse

KINDS = ["api_key", "token", "client_secret"]


def answers(lab: Service, answer: Answer) -> str:
    """Both endpoints answer that, whatever the credential; the secret to try."""
    for path in ("/token", "/v1/sensors"):
        lab.server.says(path, answer)
    return lab.secret


FAILURES: dict[str, Callable[[Service], str]] = {
    "refused": lambda lab: answers(lab, error("invalid_client", 401)),
    "forbidden": lambda lab: answers(lab, error("access_denied", 403)),
    "echoed": lambda lab: answers(lab, reply({"error": "x", "error_description": f"bad {lab.secret}"}, 401)),
    "not found": lambda lab: answers(lab, Answer(404)),
    "a page": lambda lab: answers(lab, html("<h1>Log in</h1>")),
    "gone": lambda lab: answers(lab, Answer(410)),
    "sent elsewhere": lambda lab: answers(lab, redirect("https://elsewhere.example/login")),
    "JSON cut short": lambda lab: answers(lab, Answer(200, [("Content-Type", "application/json")], b'{"data": [')),
    "line break": lambda lab: f"{lab.secret}\nx",
    "not ASCII": lambda lab: f"{lab.secret}é",
}


CAUSES = {
    "refused": "invalid_client",
    "forbidden": "access_denied",
    "echoed": r"\(hidden\)",
    "not found": "404",
    "a page": "JSON",
    "gone": "410",
    "sent elsewhere": "elsewhere.example|302",
    "JSON cut short": "JSON",
    "line break": "line break",
    "not ASCII": "non-ASCII",
}


@pytest.mark.filterwarnings("ignore:The service repeats the credential")
@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_login_helps_and_shows_nothing(lab: Service, kind, how):
    """L18 L19 L20 L22: one of our errors, with cause and next step; text, Verbose, rich and every frame are clean."""
    given_id = {"client_id": "me"} if kind == "client_secret" else {}
    typed = FAILURES[how](lab)
    with pytest.raises(im.ImmuneError) as caught:
        connect("lab", **{kind: typed}, **given_id).sensors()
    fault = caught.value
    assert re.search(CAUSES[how], fault.message)
    assert fault.hint.endswith((".", "?"))
    assert not leaked(frame_values(fault, __file__), lab.secret)
    fault = below(fault, __file__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # IPython's own
        assert not leaked(VerboseTB(theme_name="nocolor").text(type(fault), fault, fault.__traceback__), lab.secret)
    assert not leaked(rich_text(fault), lab.secret)
    assert "".join(fault._render_traceback_()).count("\n") == 0


def test_the_frames_of_a_failed_login_are_looked_at():
    """Positive control: L19 L20, a careless client in Verbose mode and in rich."""
    secret = canary()
    with pytest.raises(OSError, match="broken") as caught:
        careless({"X-API-Key": secret})
    fault = below(caught.value, __file__)
    assert leaked(VerboseTB(theme_name="nocolor").text(OSError, fault, fault.__traceback__), secret)
    assert leaked(rich_text(fault), secret)


WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["login", "readings", "--api-key", "--token=", "--from", "--out", "<<", "'", '"', "{", "}", "$x", "\\", ";"]
    ),
)


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(WORDS, max_size=8), at=st.integers(0, 8), quote=st.sampled_from(["", "'", '"']))
def test_no_line_crashes_or_echoes(words, at, quote):
    """L14: thousands of lines with a secret in them: read or refused, never a crash, an echo or a hang."""
    secret = "Zk81mQ0xTr7Lb2Yw9Hc4vN6s"
    line = " ".join([*words[:at], f"{quote}{secret}{quote}", *words[at:]])
    began = time.process_time()
    try:
        parse(line, {"x": [1]})
    except UsageError as fault:
        said = str(fault)
    else:
        said = ""
    assert secret not in said
    assert time.process_time() - began < 1


def test_an_echoing_parser_is_seen():
    """Positive control: L14, with argparse, which repeats what it does not know."""
    import argparse

    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--method", choices=["key"])
    with pytest.raises(argparse.ArgumentError) as caught:
        parser.parse_args(["--method", "Zk81mQ0xTr7Lb2Yw9Hc4vN6s"])
    assert "Zk81mQ0xTr7Lb2Yw9Hc4vN6s" in str(caught.value)


def test_a_token_that_is_no_bearer_is_not_quoted(lab: Service):
    """L18: a token endpoint's odd answer is named by its type alone; with control: the answer holds the secret."""
    answer = token(lab.secret, token_type="mac")
    assert leaked(answer.body, lab.secret)
    lab.server.says("/token", answer)
    with pytest.raises(im.BadReplyError, match="mac") as caught:
        connect("lab", client_id="me", client_secret="not-the-same-1")
    assert not leaked(frame_values(caught.value, __file__), lab.secret)
