"""The login panel in Python: what its messages do, and that no secret is ever part of its state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace

import ipywidgets
import pytest
from notebook_fixtures import leaks

from immune_nb.errors import NoCredentialsError
from immune_nb.notebook.attempts import Attempt
from immune_nb.notebook.desk import Desk
from immune_nb.notebook.panel import LoginPanel, reader_note

CANARY = 'canary"Xw93+/kd0Lz'


@pytest.fixture
def desk(sandbox, monkeypatch) -> Iterator[Desk]:
    """A desk whose `sandbox` profile is the running one, with nothing logged in."""
    monkeypatch.setenv("SANDBOX_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("SANDBOX_TOKEN_URL", sandbox.token_url)
    desk = Desk(SimpleNamespace())
    yield desk
    desk.close()


@pytest.fixture
def panel(desk) -> LoginPanel:
    """The panel of that desk."""
    desk.panel = LoginPanel(desk, Attempt("sandbox"))
    return desk.panel


def key_message(secret: str) -> dict[str, str]:
    """What the form sends for an API key."""
    return {"do": "connect", "profile": "sandbox", "method": "key", "client_id": "", "secret": secret}


def state() -> str:
    """All widget state there is, as a notebook would keep it."""
    return json.dumps(ipywidgets.Widget.get_manager_state(), ensure_ascii=False)


def test_a_key_logs_in(panel, desk, sandbox):
    """The message of the form makes the session current, and the panel shows it."""
    panel.hear(key_message(sandbox.api_key))
    assert desk.session().status().method == "API key"
    assert panel.logins["sandbox"]["text"].startswith("Logged in to sandbox")
    assert panel.notice["text"] == ""


def test_client_credentials_log_in_with_account_scopes_and_time(panel, sandbox):
    """The status line has the account and scopes, and when the token ends."""
    message = {"do": "connect", "profile": "sandbox", "method": "client", "client_id": sandbox.client_id}
    panel.hear({**message, "secret": sandbox.client_secret})
    assert sandbox.client_id in panel.logins["sandbox"]["text"]
    assert "read" in panel.logins["sandbox"]["text"]
    assert panel.logins["sandbox"]["expires_at"] is not None


def test_a_wrong_key_is_said_in_the_panel(panel, desk):
    """A refusal is shown, not raised into the callback that would swallow it; nobody is logged in."""
    panel.hear(key_message(CANARY))
    assert panel.notice["tone"] == "error"
    assert "refused" in panel.notice["text"]
    assert panel.logins == {}
    with pytest.raises(NoCredentialsError):
        desk.session()


def test_the_same_refusal_twice_is_news(panel):
    """The front end hears of each outcome, even in the same words."""
    turns = []
    for _ in range(2):
        panel.hear(key_message("wrong"))
        turns.append(panel.notice["turn"])
    assert turns[0] != turns[1]


def test_logging_out_is_shown(panel, desk, sandbox):
    """Log out forgets the session and says so."""
    panel.hear(key_message(sandbox.api_key))
    panel.hear({"do": "logout", "profile": "sandbox"})
    assert panel.logins == {}
    assert "Logged out" in panel.notice["text"]


def test_an_unusable_secret_is_refused_without_quoting_it(panel):
    """A key that no header can carry is an error that does not repeat it (L45)."""
    panel.hear(key_message(CANARY + "\x00"))
    assert panel.notice["tone"] == "error"
    assert not leaks(json.dumps(panel.notice), CANARY)


def test_the_message_is_emptied_of_its_secret(panel):
    """The kernel keeps the last message as its parent; the secret is taken out of it."""
    message = key_message("wrong-" + CANARY)
    panel.hear(message)
    assert not leaks(json.dumps(message), CANARY)


@pytest.mark.parametrize("secret", ["right", "wrong"])
def test_no_widget_state_holds_the_secret(panel, sandbox, secret):
    """Neither a login nor a refusal leaves the secret in any widget's state (L09, L10)."""
    typed = sandbox.api_key if secret == "right" else CANARY
    panel.hear(key_message(typed))
    assert not leaks(state(), typed)
    assert not leaks(repr(panel) + str(panel._repr_mimebundle_()) + str(panel.get_state()), typed)


def test_the_state_probe_can_fail():
    """Positive control: the same probe finds the value of an ordinary password widget."""
    widget = ipywidgets.Password(value=CANARY)
    assert leaks(state(), CANARY)
    widget.close()


def test_no_trait_could_hold_a_secret(panel):
    """The synced state is exactly what may be seen."""
    own = {key for key in panel.keys if not key.startswith("_")} - set(ipywidgets.DOMWidget().keys)
    assert own == {"profiles", "profile", "method", "asked", "keeps", "logins", "sign_in", "notice"}


def test_a_widget_callback_reaches_hear(panel, sandbox):
    """A custom message from the front end arrives as one login."""
    content = key_message(sandbox.api_key)
    panel._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
    assert set(panel.logins) == {"sandbox"}


def test_profiles_and_hosts_are_offered(panel):
    """Every known profile is in the list, with the host it would send to."""
    hosts = {profile["name"]: profile["host"] for profile in panel.profiles}
    assert hosts["immune"] == "api.immune.dev"
    assert set(hosts) >= {"immune", "iiinit", "sandbox"}


def test_a_login_elsewhere_shows_after_refresh(panel, desk, sandbox):
    """A login by line or by Python turns up in the panel."""
    from immune_nb.session import connect

    desk.sessions.add(connect(sandbox.profile, api_key=sandbox.api_key))
    panel.refresh()
    assert set(panel.logins) == {"sandbox"}


def test_without_widgets_the_text_says_what_to_do(panel):
    """Plain-text readers and reopened notebooks are told to run the login again."""
    data, _ = panel._repr_mimebundle_()
    assert "%immune login --from prompt" in data["text/plain"]
    assert "%immune login" in repr(reader_note())
    assert "immune-note" in reader_note()._repr_html_()


def test_nothing_is_fetched_from_elsewhere(panel):
    """Script and stylesheet are the package's own and name no other place."""
    assert "import " not in panel._esm
    assert "http" not in panel._esm + panel._css
    assert "url(" not in panel._css
