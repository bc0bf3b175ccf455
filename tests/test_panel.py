"""The login panel in Python: what its messages do, and that no secret is ever part of its state."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import unquote

import httpx
import ipywidgets
import pytest
from gauntlet.canaries import leaked
from servers.scripted import Scripted, error, reply, scripted, token
from servers.visitor import visiting

from immune_nb.auth import keep
from immune_nb.auth.chain import find_credentials
from immune_nb.errors import NoCredentialsError
from immune_nb.notebook import ways_in
from immune_nb.notebook.arguments import parse
from immune_nb.notebook.attempts import Attempt
from immune_nb.notebook.desk import Desk
from immune_nb.notebook.explain import another_account
from immune_nb.notebook.explorer import Explorer
from immune_nb.notebook.invitation import invitation_to
from immune_nb.notebook.panel import LoginPanel
from immune_nb.profiles import IIINIT, IMMUNE, Profile
from immune_nb.session import Session

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
    assert (panel.logins["sandbox"]["who"], panel.logins["sandbox"]["text"]) == ("Logged in to sandbox", "API key")
    assert panel.notice["text"] == ""


def test_client_credentials_log_in_with_account_scopes_and_time(panel, sandbox):
    """The status line has the account and scopes, and when the token ends."""
    message = {"do": "connect", "profile": "sandbox", "method": "client", "client_id": sandbox.client_id}
    panel.hear({**message, "secret": sandbox.client_secret})
    assert sandbox.client_id in panel.logins["sandbox"]["who"]
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
    assert not leaked(json.dumps(panel.notice), CANARY)


def test_the_message_is_emptied_of_its_secret(panel):
    """The kernel keeps the last message as its parent; the secret is taken out of it."""
    message = key_message("wrong-" + CANARY)
    panel.hear(message)
    assert not leaked(json.dumps(message), CANARY)


@pytest.mark.parametrize("secret", ["right", "wrong"])
def test_no_widget_state_holds_the_secret(panel, sandbox, secret):
    """Neither a login nor a refusal leaves the secret in any widget's state (L09, L10)."""
    typed = sandbox.api_key if secret == "right" else CANARY
    panel.hear(key_message(typed))
    assert not leaked(state(), typed)
    assert not leaked(repr(panel) + str(panel._repr_mimebundle_()) + str(panel.get_state()), typed)


def test_the_state_probe_can_fail():
    """Positive control: the same probe finds the value of an ordinary password widget."""
    widget = ipywidgets.Password(value=CANARY)
    assert leaked(state(), CANARY)
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
    assert set(hosts) >= {"immune", "iiniit", "sandbox"}


def test_a_login_elsewhere_shows_after_refresh(panel, desk, sandbox):
    """A login by line or by Python turns up in the panel."""
    from immune_nb.connecting import connect

    desk.sessions.add(connect(sandbox.profile, api_key=sandbox.api_key))
    panel.refresh()
    assert set(panel.logins) == {"sandbox"}


def test_an_account_with_a_dot_stays_in_the_header(panel, desk, sandbox):
    """Who is logged in and how are told apart before they are joined, whatever an account is called."""
    claims = json.dumps({"preferred_username": "ann · night shift"}).encode()
    jwt = f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.x"
    desk.sessions.add(Session(sandbox.profile, find_credentials(sandbox.profile, {}, token=jwt)))
    panel.refresh()
    assert panel.logins["sandbox"]["who"] == "Logged in to sandbox as ann · night shift"
    assert panel.logins["sandbox"]["text"].startswith("access token")


def test_without_widgets_the_text_says_what_to_do(panel):
    """Plain-text readers and reopened notebooks are told to run the login again."""
    data, _ = panel._repr_mimebundle_()
    assert "%immune login --from prompt" in data["text/plain"]
    assert "%immune login" in repr(LoginPanel.reader_note())
    assert "immune-note" in LoginPanel.reader_note()._repr_html_()


def test_nothing_is_fetched_from_elsewhere(panel):
    """Script and stylesheet are the package's own and name no other place."""
    assert "import " not in panel._esm
    assert "http" not in panel._esm + panel._css
    assert "url(" not in panel._css


def test_a_page_by_plain_http_will_do(panel):
    """A hub need not have TLS: what browsers keep from its pages then is not used (copying has a way out)."""
    assert re.findall(r"crypto\.\w+(?=\()|subtle|serviceWorker", panel._esm + Explorer._esm) == []


class Person:
    """Somebody who clicks in the panel and decides on the server's pages."""

    def __init__(self, sandbox, desk: Desk) -> None:
        self.sandbox = sandbox
        self.desk = desk

    def begins(self, panel: LoginPanel, method: str, **more: object) -> None:
        """Press "Sign in"."""
        panel.hear({"do": "connect", "profile": "sandbox", "method": method, "secret": "", **more})
        assert panel.notice["text"] == ""

    def decides(self, panel: LoginPanel, action: str) -> None:
        """Enter the code on the server's page, and say yes or no; then the kernel's thread looks."""
        self.sandbox.control("POST", "device", user_code=panel.sign_in["code"], action=action)
        self.desk.waiting.wait(30)
        panel.settle()

    def lands_at(self, panel: LoginPanel) -> str:
        """Sign in with a browser; the address it is sent to, which nobody opens."""
        links: list[dict[str, str]] = []
        panel.send = links.append
        panel.hear({"do": "link", "profile": "sandbox"})
        with visiting(self.sandbox.user, self.sandbox.password) as ada:
            return ada.authorize(links[0]["link"])


@pytest.fixture
def person(sandbox, desk, monkeypatch) -> Person:
    """A person in front of that panel, whose sandbox offers sign-ins and is polled quickly."""
    monkeypatch.setenv("SANDBOX_ISSUER", sandbox.issuer)
    monkeypatch.setenv("SANDBOX_CLIENT_ID", sandbox.public_client_id)
    sandbox.breaks(device_interval_s=1)
    return Person(sandbox, desk)


def test_a_device_sign_in_shows_its_code_and_logs_in(panel, desk, person):
    """The code, host and time are shown; once the person agrees, the session is current and the code gone."""
    person.begins(panel, "device", scopes="read")
    assert re.fullmatch(r"[A-Z]{4}-[A-Z]{4}", panel.sign_in["code"])
    assert panel.sign_in["host"] in person.sandbox.base_url
    assert panel.sign_in["warning"] == ""
    assert 500 < panel.sign_in["expires_at"] - time.time() <= 601
    person.decides(panel, "approve")
    assert desk.session().status().method == "device sign-in"
    assert desk.session().status().scopes == ("read",)
    assert panel.sign_in == {}
    assert panel.logins["sandbox"]["renewable"]


@pytest.mark.parametrize(("action", "said"), [("deny", "declined"), ("expire", "expired")])
def test_a_sign_in_that_fails_is_said(panel, desk, person, action, said):
    """Declined and expired: an error in the panel, no login, and nothing underway."""
    person.begins(panel, "device")
    person.decides(panel, action)
    assert said in panel.notice["text"]
    assert panel.notice["tone"] == "error"
    assert (panel.sign_in, desk.waiting) == ({}, None)


def test_a_pasted_address_logs_in_and_is_taken_out_of_its_message(panel, desk, person):
    """The address holds a code: it leaves the message; a wrong one is refused and changes nothing."""
    told = threading.Event()
    desk.shell.kernel = SimpleNamespace(io_loop=SimpleNamespace(add_callback=lambda _settle: told.set()))
    person.begins(panel, "browser")
    address = person.lands_at(panel)
    panel.hear({"do": "paste", "address": "http://127.0.0.1/callback?code=made-up&state=made-up"})
    assert told.wait(30)
    panel.settle()
    assert "not the address of this login" in panel.notice["text"]
    message = {"do": "paste", "profile": "sandbox", "address": address}
    panel.hear(message)
    assert "address" not in message
    assert desk.waiting.wait(30)
    panel.settle()
    assert desk.session().status().method == "browser sign-in"


def test_a_second_sign_in_takes_the_registered_port_from_the_first(sandbox, desk):
    """A closed tab, and once more: the port of the redirect URI is the one that the first still listened at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        uri = f"http://127.0.0.1:{free.getsockname()[1]}/callback"
    client = {"client_id": sandbox.public_client_id, "redirect_uri": uri}
    desk.define({"base_url": sandbox.base_url, "issuer": sandbox.issuer, **client})
    first, second = (desk.sign_in(Attempt("custom", method="browser"), lambda: None) for _ in range(2))
    assert first.wait(5)
    assert uri in unquote(second.pending.url)


def test_no_widget_state_holds_what_only_one_login_may_know(panel, desk, person):
    """State, verifier and device code are in no widget's state (A13, L09); the probe finds the user's code."""
    person.begins(panel, "browser")
    grant = desk.waiting.pending._sign_in._grant
    assert not any(leaked(state(), secret.reveal()) for secret in (grant._state, grant._verifier))
    person.begins(panel, "device")
    assert not leaked(state(), desk.waiting.pending._sign_in._grant._code.reveal())
    assert leaked(state(), desk.waiting.pending.user_code)


def test_cancel_gives_up(panel, desk, person):
    """Cancel ends it at once, and makes no login."""
    person.begins(panel, "device")
    waiting = desk.waiting
    panel.hear({"do": "cancel", "profile": "sandbox"})
    assert (panel.sign_in, desk.waiting) == ({}, None)
    assert waiting.wait(30)
    assert waiting.session is None
    assert "cancelled" in panel.notice["text"]


def test_a_later_sign_in_replaces_an_earlier_one(panel, desk, person):
    """There is one sign-in at a time, and the last one counts."""
    person.begins(panel, "browser")
    first = desk.waiting
    person.begins(panel, "device")
    assert first.wait(30)
    assert first.error is not None
    assert panel.sign_in["method"] == "device"


def test_a_login_by_key_ends_the_sign_in_to_the_same_profile(panel, desk, person):
    """Who has logged in otherwise is not waited for."""
    person.begins(panel, "device")
    panel.hear(key_message(person.sandbox.api_key))
    assert desk.waiting is None
    assert desk.session().status().method == "API key"


def test_another_account_and_what_overrides_it_are_announced(panel, desk, person, monkeypatch):
    """A login in another name, or in none that is told, and one that the environment would override, are all said."""
    client = {"do": "connect", "profile": "sandbox", "method": "client", "client_id": person.sandbox.client_id}
    panel.hear({**client, "secret": person.sandbox.client_secret})
    monkeypatch.setenv("SANDBOX_API_KEY", person.sandbox.api_key)
    person.begins(panel, "device")
    person.decides(panel, "approve")
    assert desk.session().status().account == ""  # the sandbox's tokens tell nothing
    assert f"Before it was {person.sandbox.client_id}; this login does not say whose it is." in panel.notice["text"]
    assert another_account("ann", "eve") == "This is another account than before: eve, not ann."
    assert another_account("ann", "ann") == another_account("", "ann") == ""
    assert "The next plain %immune login takes environment: SANDBOX_API_KEY" in panel.notice["text"]


def test_remember_says_where_and_logout_forgets(panel, desk, person, sandbox):
    """The tick is named after the place; after logout nothing is kept, and it says that it was revoked (A19)."""
    assert panel.keeps == keep.place()
    person.begins(panel, "device", remember=True)
    person.decides(panel, "approve")
    assert f"Remembered in {panel.keeps}" in panel.notice["text"]
    assert "remembered in" in panel.logins["sandbox"]["text"]
    panel.hear({"do": "logout", "profile": "sandbox"})
    assert panel.notice["text"] == "Logged out of sandbox: revoked."
    assert not keep.forget(desk.profile("sandbox"))


def test_renew_gets_a_new_token_and_a_key_cannot(panel, person, sandbox):
    """Renew is one refresh; an API key says that it does not renew."""
    person.begins(panel, "device")
    person.decides(panel, "approve")
    panel.hear({"do": "renew", "profile": "sandbox"})
    assert panel.notice["text"] == "Renewed."
    assert [entry["grant"] for entry in sandbox.log("/oauth/token")][-1:] == ["refresh_token"]
    panel.hear(key_message(sandbox.api_key))
    panel.hear({"do": "renew", "profile": "sandbox"})
    assert "does not renew" in panel.notice["text"]


def test_a_custom_profile_is_made_of_what_is_typed(panel, desk, person, sandbox):
    """Addresses, client and scopes from the form; a malformed address is said without a login."""
    typed = {"base_url": sandbox.base_url, "issuer": "", "token_url": sandbox.token_url, "authorize_url": " "}
    message = {"do": "connect", "profile": "custom", "method": "client", "client_id": sandbox.client_id}
    panel.hear({**message, "secret": sandbox.client_secret, "scopes": "read", "custom": typed})
    assert desk.session().profile.name == "custom"
    assert desk.session().status().scopes == ("read",)
    assert "custom" in {profile["name"] for profile in panel.profiles}
    panel.hear({**message, "secret": "x", "custom": {"base_url": "http://plain.example"}})
    assert "plain http" in panel.notice["text"]
    panel.hear({**message, "secret": "x", "custom": {"base_url": ""}})
    assert "address is empty" in panel.notice["text"]


def test_each_profile_offers_what_it_has(panel, person):
    """Sign-ins where addresses for them are known, the best first; keys and tokens everywhere."""
    panel.refresh()
    methods = {profile["name"]: profile["methods"] for profile in panel.profiles}
    assert methods["immune"] == ["key", "client", "token"]
    assert methods[IIINIT.name] == ["browser", "key", "client", "token"]
    assert methods["sandbox"] == ["browser", "device", "key", "client", "token"]


def test_a_message_that_comes_too_late_is_answered(panel):
    """A paste or a link without a sign-in leaves the form usable."""
    for late in ("paste", "link", "nonsense"):
        panel.hear({"do": late, "profile": "sandbox"})
    assert panel.notice["tone"] == "info"


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("https://auth.immune.dev/device?user_code=AB", False),
        ("https://immune.dev/device", False),
        ("https://immune.dev.example/device", True),
        ("javascript:alert(1)", True),
    ],
)
def test_an_address_on_somebody_elses_host_is_warned_of(url, warns):
    """A verification address off the profile's own domain carries a warning; no script is ever a link (A12, A13)."""
    pending = SimpleNamespace(url=url, user_code="AB\x1b[31m<b>", profile=IMMUNE)
    shown = invitation_to(pending)
    assert bool(shown.warning) is warns
    assert "javascript" not in shown.url
    assert "\x1b" not in shown.code
    assert shown.warning in str(shown)


def test_an_address_with_digits_is_its_own_house():
    """127.0.0.1 and 10.0.0.1 have no domain in common."""
    lab = Profile(name="lab", base_url="https://10.0.0.1/api")
    assert invitation_to(SimpleNamespace(url="https://192.0.0.1/", user_code="", profile=lab)).warning


@pytest.fixture
def issuer(desk, monkeypatch) -> Iterator[Scripted]:
    """A made-up authorization server in place of the sandbox's, of a profile with a client."""
    with scripted() as server:
        monkeypatch.setenv("SANDBOX_ISSUER", server.origin)
        monkeypatch.setenv("SANDBOX_TOKEN_URL", f"{server.origin}/token")
        monkeypatch.setenv("SANDBOX_CLIENT_ID", "notebook")
        yield server


def test_what_the_device_endpoint_says_is_escaped_capped_and_warned_of(panel, desk, issuer):
    """Control characters and endless codes are cut, another host's address is warned of (A12, A13)."""
    issuer.publishes()
    page = {"verification_uri": "https://elsewhere.example/<script>", "expires_in": 60, "interval": 60}
    issuer.says(
        "/device_authorization", reply({"device_code": CANARY, "user_code": "AB\x1b[31m\n" + "C" * 500, **page})
    )
    panel.hear({"do": "connect", "profile": "sandbox", "method": "device"})
    assert panel.sign_in["host"] == "elsewhere.example"
    assert "elsewhere.example is not a host of 'sandbox'" in panel.sign_in["warning"]
    assert panel.sign_in["code"].startswith("AB [31m CCC")
    assert len(panel.sign_in["code"]) <= 40
    assert not leaked(state(), CANARY)


@pytest.mark.parametrize("address", ["http://elsewhere.example/device", "javascript:alert(1)", "device"])
def test_an_unsafe_verification_address_is_no_link(panel, desk, issuer, address):
    """Plain http, scripts and fragments of addresses are refused, in words (A13)."""
    issuer.publishes()
    issuer.says("/device_authorization", reply({"device_code": "d", "user_code": "AB", "verification_uri": address}))
    panel.hear({"do": "connect", "profile": "sandbox", "method": "device"})
    assert panel.notice["tone"] == "error"
    assert (panel.sign_in, desk.waiting) == ({}, None)


def test_a_sign_in_the_issuer_does_not_offer_is_said(panel, desk, issuer):
    """The form offers what an issuer may have; what it has not is an error that names it."""
    issuer.publishes(device_authorization_endpoint=None)
    panel.hear({"do": "connect", "profile": "sandbox", "method": "device"})
    assert "device_url" in panel.notice["text"]
    assert desk.waiting is None


def test_without_a_method_the_issuers_own_way_is_taken(desk, issuer, monkeypatch):
    """From afar a device code would do; where the issuer has none, the browser does."""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 22")
    issuer.publishes(device_authorization_endpoint=None)
    desk.shell.kernel = None
    desk.shell.get_parent = lambda: {"content": {"allow_stdin": True}}
    ways_in.log_in(desk, parse("login --profile sandbox", {}))
    assert desk.panel.method == "browser"
    assert desk.panel.sign_in["method"] == "browser"


def test_a_server_that_breaks_off_ends_the_sign_in_in_words(panel, desk, issuer):
    """What the token endpoint refuses reaches the panel, quoted and without a link."""
    issuer.publishes()
    page = {"verification_uri": f"{issuer.origin}/device", "expires_in": 60, "interval": 0.1}
    issuer.says("/device_authorization", reply({"device_code": "d", "user_code": "AB", **page}))
    issuer.says("/token", error("invalid_client", 401, error_description="no <b>client</b>\x1b[31m"))
    panel.hear({"do": "connect", "profile": "sandbox", "method": "device"})
    assert desk.waiting.wait(30)
    panel.settle()
    assert panel.notice["tone"] == "error"
    assert "no <b>client</b>" in panel.notice["text"]
    assert "\x1b" not in panel.notice["text"]


def test_a_login_that_arrives_after_cancel_is_revoked(panel, desk, issuer):
    """The person agreed while the last poll was under way: its token makes no login, and goes back to the server."""
    asked, cancelled = threading.Event(), threading.Event()
    issuer.publishes()
    page = {"verification_uri": f"{issuer.origin}/device", "expires_in": 60, "interval": 0.1}
    issuer.says("/device_authorization", reply({"device_code": "d", "user_code": "AB", **page}))
    issuer.says("/token", replace(token("at_late", refresh_token="rt_late"), arrived=asked, after=cancelled))
    issuer.says("/revoke", reply({}))
    panel.hear({"do": "connect", "profile": "sandbox", "method": "device"})
    waiting = desk.waiting
    assert asked.wait(30)
    panel.hear({"do": "cancel", "profile": "sandbox"})
    cancelled.set()
    assert waiting.wait(30)
    assert waiting.session is None
    assert "rt_late" in [request.form["token"] for request in issuer.asked("/revoke")]


@pytest.mark.slow
def test_the_kernels_own_sandbox_can_be_signed_in_to():
    """It starts by itself and says as whom; a login, and logging out revokes it."""
    desk = Desk(SimpleNamespace())
    panel = LoginPanel(desk, Attempt("sandbox"))
    offered = {profile["name"]: profile["methods"] for profile in panel.profiles}
    assert "browser" in offered["sandbox"]
    panel.hear({"do": "connect", "profile": "sandbox", "method": "browser", "client_id": "", "secret": ""})
    assert panel.sign_in["hint"] == "Sign in there as ada, password sandbox."
    links: list[dict[str, str]] = []
    panel.send = links.append
    panel.send_link()
    with visiting("ada", "sandbox") as ada:
        httpx.get(ada.authorize(links[0]["link"]), trust_env=False)
    assert desk.waiting.wait(30)
    panel.settle()
    assert desk.session().status().method == "browser sign-in"
    panel.hear({"do": "logout", "profile": "sandbox"})
    assert panel.notice["text"] == "Logged out of sandbox: revoked."
    desk.close()
