"""What a login is answered, and what that must be before it counts; and that no failure shows what it was."""

from __future__ import annotations

import base64
import json
import time
import traceback
from collections.abc import Callable, Iterator
from email.utils import formatdate
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from gauntlet.canaries import below, frame_values, leaked, rich_text
from servers.scripted import Answer, Scripted, error, html, reply, scripted, token

import immune_nb as im
from immune_nb.auth.grants import sealed
from immune_nb.pending import PendingLogin

CODE, ACCESS = "c0de-Zk81mQ0xTr7Lb2Yw", "acce55-Zk81mQ0xTr7Lb2Yw"
BACK = "https://hub.example/cb"


@pytest.fixture
def there() -> Iterator[Scripted]:
    """A server with an ID token and a userinfo endpoint."""
    with scripted() as server:
        server.publishes(userinfo_endpoint=f"{server.origin}/userinfo")
        server.says("/token", token())
        server.says("/userinfo", Answer(500))
        yield server


def pending(there: Scripted, *scopes: str) -> PendingLogin:
    """A browser sign-in whose answer is pasted."""
    where = im.Profile(
        "lab", there.origin, issuer=there.origin, client_id="me", scopes=scopes or ("openid",), redirect_uri=BACK
    )
    return PendingLogin(where, listens=False)


def asked(login: PendingLogin) -> dict[str, str]:
    """What the address to open asks for."""
    return {name: values[0] for name, values in parse_qs(urlsplit(login.url).query).items()}


def back(login: PendingLogin, **fields: str) -> str:
    """The address that the browser ends at."""
    return f"{BACK}?{urlencode({'state': asked(login)['state'], **fields})}"


def jwt(**claims: object) -> str:
    """A token that says something of itself."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "c2lnbmF0dXJl"])


def signed_in(there: Scripted, date: float | None = None, **claims: object) -> im.Session:
    """A sign-in whose ID token is as it should be, but for these claims; those that are None are left out."""
    login = pending(there)
    usual = {"sub": "7", "iss": there.origin, "aud": "me", "exp": time.time() + 60, "nonce": asked(login)["nonce"]}
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    body = {"access_token": "at_1", "token_type": "Bearer", "expires_in": 60, "id_token": jwt(**said)}
    there.says("/token", reply(body, date=formatdate(time.time() if date is None else date, usegmt=True)))
    return login.paste(back(login, code=CODE))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://evil.example"}, "https://evil.example made it"),
        ({"aud": "another"}, "it is for another"),
        ({"aud": ["another", "third"]}, "it is for"),
        ({"exp": 1}, "expired"),
        ({"nonce": None}, "lacks our nonce"),
        ({"nonce": "theirs"}, "nonce is not ours"),
    ],
)
def test_an_id_token_of_another_login_is_refused(there, claims, words):
    """OpenID Connect Core 3.1.3.7: issuer, audience, expiry and nonce."""
    with pytest.raises(im.LoginRejectedError, match=f"another login: .*{words}"):
        signed_in(there, **claims)


@pytest.mark.parametrize("claims", [{}, {"aud": ["me", "another"]}, {"iss": None, "aud": None, "exp": None}])
def test_an_id_token_that_fits_is_taken(there, claims):
    """Positive control: as it should be, for several, or with no word of it."""
    session = signed_in(there, **claims)
    assert session.status().account == "7"
    session.close()


@pytest.mark.parametrize("skew", [-7200, 7200])
def test_an_expiry_is_by_the_servers_clock(there, skew):
    """Our clock is two hours off: the token is as fresh as the server says."""
    now = time.time() + skew
    signed_in(there, date=now, exp=now + 60).close()
    with pytest.raises(im.LoginRejectedError, match="expired"):
        signed_in(there, date=now, exp=now - 120)


def test_an_expiry_beyond_any_number_is_none(there):
    """JSON has integers that no float holds."""
    signed_in(there, exp=10**400).close()


def test_googles_issuer_may_lack_its_scheme(there):
    """As Google documents; the metadata have it with one."""
    from immune_nb.auth.claims import misfit

    google = {"issuer": "https://accounts.google.com", "client_id": "me", "nonce": "", "now": 0.0}
    assert misfit({"iss": "accounts.google.com"}, **google) == ""
    assert misfit({"iss": "accounts.google.com.evil.example"}, **google)


def test_entras_template_of_an_issuer_names_none(there):
    """Metadata for all tenants: whose tenant the person is of, only the token says."""
    there.publishes("/.well-known/oauth-authorization-server", issuer=f"{there.origin}/{{tenantid}}/v2.0")
    there.publishes("/common/v2.0/.well-known/openid-configuration", issuer=f"{there.origin}/{{tenantid}}/v2.0")
    where = im.Profile(
        "lab",
        there.origin,
        issuer=f"{there.origin}/common/v2.0",
        client_id="me",
        scopes=("openid",),
        redirect_uri=BACK,
    )
    login = PendingLogin(where, listens=False)
    said = jwt(sub="7", aud="me", iss=f"{there.origin}/1234/v2.0", nonce=asked(login)["nonce"])
    there.says("/token", token(id_token=said))
    login.paste(back(login, code=CODE)).close()


def test_a_server_without_openid_sends_no_id_token(there):
    """Plain OAuth: nothing to check, whatever was asked for."""
    for scopes in (("openid",), ("read",)):
        login = pending(there, *scopes)
        login.paste(back(login, code=CODE)).close()


def test_what_an_answer_says_of_a_token_is_not_the_token(there):
    """A name, a scope or userinfo that repeats it would stand in `status()`, and in every receipt."""
    login = pending(there)
    claimed = {"iss": there.origin, "aud": "me", "sub": "7", "nonce": asked(login)["nonce"]}
    said = jwt(**claimed, email=ACCESS, name=f"Bearer {ACCESS}")
    there.says("/token", token(ACCESS, refresh_token=CODE, scope=f"openid {ACCESS} {CODE}", id_token=said))
    there.says("/userinfo", reply({"sub": "7", "email": ACCESS}))
    session = login.paste(back(login, code="c0de"))
    assert (session.status().account, session.status().scopes) == ("7", ("openid",))
    session.close()


@pytest.mark.parametrize(
    ("answer", "account"),
    [
        (reply({"sub": "7", "email": "ann@lab.example"}), "ann@lab.example"),
        (reply({"sub": "7"}), "7"),
        (reply({"sub": "8", "email": "eve@lab.example"}), "7"),
        (Answer(500), "7"),
        (Answer(0), "7"),
    ],
    ids=["named", "nameless", "another's", "broken", "no answer"],
)
def test_a_number_is_no_name_where_the_server_knows_better(there, answer, account):
    """OpenID Connect Core 5.3.2, 5.4: userinfo has the name, if its `sub` is that of the ID token."""
    there.says("/userinfo", answer)
    session = signed_in(there)
    assert session.status().account == account
    session.close()


def test_a_name_that_is_known_is_not_asked_for(there):
    """The ID token has it already."""
    session = signed_in(there, email="ann@lab.example")
    assert session.status().account == "ann@lab.example"
    assert there.asked("/userinfo") == []
    session.close()


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("access_denied", "declined: access_denied. Try again."),
        ("invalid_scope", "refused the login: invalid_scope. Check the scopes."),
        ("invalid_target", "refused the login: invalid_target. Check the resources."),
        ("invalid_request", "refused the login: invalid_request. Check redirect_uri"),
        ("unauthorized_client", "refused the login: unauthorized_client. Check the client"),
        ("unsupported_response_type", "refused the login: unsupported_response_type. Check the client"),
        ("server_error", "refused the login: server_error. Try again later."),
        ("temporarily_unavailable", "refused the login: temporarily_unavailable. Try again later."),
    ],
)
def test_an_error_says_what_to_check(there, word, words):
    """RFC 6749 4.1.2.1: only a person declines."""
    login = pending(there)
    with pytest.raises(im.LoginRejectedError) as caught:
        login.paste(back(login, error=word))
    assert words in str(caught.value)


def test_a_server_that_wants_what_is_not_supported_is_said_so(there):
    """RFC 9126: Keycloak says it in words only, and neither redirect_uri nor auth_params is the matter."""
    login = pending(there)
    said = "Pushed Authorization Request is only allowed."
    with pytest.raises(im.LoginRejectedError, match=r"only allowed\. Those \(RFC 9126\) are not supported"):
        login.paste(back(login, error="invalid_request", error_description=said))


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"iss": "https://evil.example"}, "is from https://evil.example"), ({}, "does not say whose it is")],
)
def test_an_answer_of_another_server_is_said_whose_it_is(there, fields, said):
    """RFC 9207 2.4: both names, to see which is wrong."""
    there.publishes(authorization_response_iss_parameter_supported=True)
    login = pending(there)
    with pytest.raises(im.LoginRejectedError, match=f"{said}, not from {there.origin}. Try again"):
        login.paste(back(login, code=CODE, **fields))


@pytest.mark.parametrize(("word", "status"), [("invalid_grant", 400), ("bad_verification_code", 200)])
def test_a_code_that_is_refused_leads_to_another_login(there, word, status):
    """In OAuth's word and in GitHub's: the client, its secret and scopes are not the matter."""
    there.says("/token", error(word, status, error_description="code expired"))
    login = pending(there)
    with pytest.raises(im.LoginRejectedError, match=r"code expired\. Log in again\.$"):
        login.paste(back(login, code=CODE))


def test_a_code_whose_answer_was_lost_leads_to_another_login(there):
    """RFC 6749 4.1.2: it may be spent, and there is no second use."""
    there.says("/token", Answer(0))
    login = pending(there)
    with pytest.raises(im.UnreachableError, match=r"Start again\.$"):
        login.paste(back(login, code=CODE))


def device(there: Scripted, answer: Answer, *polled: Answer) -> PendingLogin:
    """A device sign-in."""
    there.says("/device_authorization", answer)
    there.says("/token", *polled or (token(),))
    return PendingLogin(im.Profile("lab", there.origin, issuer=there.origin, client_id="me"), "device")


def decent(there: Scripted) -> Answer:
    """A decent device answer."""
    return reply({"device_code": CODE, "user_code": "AB-CD", "verification_uri": f"{there.origin}/x"})


def test_a_device_code_that_is_refused_leads_to_another_login(there):
    """The same for a device."""
    with pytest.raises(im.LoginRejectedError, match=r"invalid_grant\. Log in again\.$"):
        device(there, decent(there), error("invalid_grant")).poll()


def test_a_device_address_that_leads_nowhere_is_named(there):
    """404: the setting is `device_url`."""
    with pytest.raises(im.BadReplyError, match=r"answered 404\. Is device_url right\?"):
        device(there, html("<h1>Not found</h1>", 404))


def test_a_page_meanwhile_leaves_a_device_login_open(there):
    """A proxy's 403 says nothing of what the person did."""
    login = device(there, decent(there), html("<h1>Blocked</h1>", 403), token())
    assert login.poll() is None
    assert login.poll() is not None


@pytest.mark.parametrize("kind", ["browser", "device"])
def test_a_sign_in_that_does_not_renew_says_how_it_would(there, kind):
    """No refresh token came: the scope that gets one is named."""
    if kind == "browser":
        login = pending(there)
        session = login.paste(back(login, code=CODE))
    else:
        session = device(there, decent(there)).poll()
    with pytest.raises(im.ConfigError, match=f"This {kind} sign-in does not renew.*offline_access.*prompt"):
        session.renew()
    session.close()


def redeemed(there: Scripted, answer: Answer, **fields: str) -> im.ImmuneError:
    """How a login fails whose code meets that answer of the token endpoint."""
    there.says("/token", answer)
    login = pending(there)
    with pytest.raises(im.ImmuneError) as caught:
        login.paste(back(login, **fields))
    return caught.value


def polled(there: Scripted, answer: Answer) -> im.ImmuneError:
    """How a device login fails."""
    with pytest.raises(im.ImmuneError) as caught:
        device(there, decent(there), answer).poll()
    return caught.value


def strange(there: Scripted) -> im.ImmuneError:
    """An address that is no answer to this login."""
    with pytest.raises(im.QueryError) as caught:
        pending(there).paste(f"{BACK}?code={CODE}")
    return caught.value


def landed(there: Scripted) -> im.ImmuneError:
    """The same by the listener."""
    import httpx

    there.says("/token", error("invalid_grant"))
    where = im.Profile("lab", there.origin, issuer=there.origin, client_id="me")
    login = PendingLogin(where)
    sent = {"code": CODE, "state": asked(login)["state"]}
    httpx.get(asked(login)["redirect_uri"], params=sent, trust_env=False).raise_for_status()
    with pytest.raises(im.ImmuneError) as caught:
        login.poll()
    return caught.value


def halved(there: Scripted) -> im.ImmuneError:
    """A device answer that lacks its address."""
    with pytest.raises(im.BadReplyError) as caught:
        device(there, reply({"device_code": CODE, "user_code": "AB-CD"}))
    return caught.value


FAILURES: dict[str, Callable[[Scripted], im.ImmuneError]] = {
    "refused": lambda there: redeemed(there, error("invalid_grant"), code=CODE),
    "no answer": lambda there: redeemed(there, Answer(0), code=CODE),
    "a page": lambda there: redeemed(there, html("<h1>Log in</h1>"), code=CODE),
    "another login's": lambda there: redeemed(there, token(ACCESS, id_token=jwt(nonce="theirs")), code=CODE),
    "a token of another type": lambda there: redeemed(there, token(ACCESS, token_type="mac"), code=CODE),
    "a code no form can carry": lambda there: redeemed(there, token(), code=f"{CODE}é\n"),
    "an error beside it": lambda there: redeemed(there, token(), code=CODE, error="access_denied"),
    "another issuer": lambda there: redeemed(there, token(), code=CODE, iss="https://evil.example"),
    "not of this login": strange,
    "by the listener": landed,
    "device refused": lambda there: polled(there, error("invalid_grant")),
    "device answer halved": halved,
}


@pytest.mark.parametrize("how", FAILURES)
def test_no_failure_keeps_the_code(there, how):
    """L18 L20: no code, verifier or token is in a frame, as text, in rich, or opened a level."""
    error_of = below(FAILURES[how](there), __file__)
    verifiers = [text for one in there.asked("/token") for text in one.fields.get("code_verifier", [])]
    captured = traceback.TracebackException.from_exception(error_of, capture_locals=True)
    shown = ("".join(captured.format()), rich_text(error_of), frame_values(error_of, __file__))
    assert not [secret for secret in (CODE, ACCESS, *verifiers) for text in shown if leaked(text, secret)]


@pytest.mark.parametrize("query", ["", "a=b c", "é=ü&x=\n", "a=%20+&b=%C3%A9", "code=a?b#c"])
def test_a_query_that_is_sealed_says_the_same(query):
    """What is percent-encoded on the way in is read as it was."""
    assert parse_qs(sealed(query).reveal()) == parse_qs(query)
    assert query not in repr(sealed(query)) or not query
