"""What each field of a profile may hold, and as what it is kept: one table of kinds.

A check gets the whole name of a field, as ``lab.scopes``, and a value, and gives back the value to keep. What is
wrong is quoted, but where a secret may stand by mistake.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from .addresses import KeyPlace, check_url
from .errors import ConfigError, quoted
from .hints import Hints

__all__ = ["FREE_PORT", "OWN_SERVER", "REGISTERED_AUTH", "SECRET_FIELDS", "meant", "settled"]

OWN_SERVER, FREE_PORT = "{server}", "{port}"  # in a redirect URI
DEFAULT_PATHS: Mapping[str, str] = {
    "sensors": "/sensors",
    "readings": "/readings",  # /sensors/readings on one page of the documentation (api-contract 1.3)
    "alerts": "/alerts",
    "predictions": "/predictions",  # assumed (api-contract 1.8)
}
PATHS = (*DEFAULT_PATHS, "alert_rules", "webhooks")
REGISTERED_AUTH = {"client_secret_basic": "basic", "client_secret_post": "body"}  # as OAuth registers them
CLIENT_AUTH = {"auto": "auto", "basic": "basic", "body": "body", **REGISTERED_AUTH}
OAUTH_FIELDS = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type", "redirect_uri"})
OAUTH_FIELDS |= {"code", "code_challenge", "code_challenge_method", "code_verifier", "nonce", "state", "scope"}
OAUTH_FIELDS |= {"device_code", "grant_type", "response_type", "response_mode", "refresh_token", "resource"}
OAUTH_FIELDS |= {"username", "password", "token"}  # what a login sets itself, and what no file should hold
SECRET_FIELDS = frozenset({"api_key", "token", "access_token", "client_secret", "refresh_token", "password"})
SECRET_FIELDS |= {"key", "secret"}
OWN_SCHEME = re.compile(r"urn:|[a-z][\w+-]*\.[\w+.-]*:", re.ASCII | re.IGNORECASE)  # RFC 8252 7.1: an app's


def settled(profile: str, field: str, value: object) -> Any:
    """The value of a field, as it is kept.

    Args:
        profile: The profile's name.
        field: Its field's.
        value: What stands there.

    Raises:
        ConfigError: That cannot be.
    """
    return KINDS[field](f"{profile}.{field}", value)


def meant(word: str, known: Iterable[str]) -> str:
    """What to say of a word that is not known: the nearest that is, or all."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."


def _wrong(label: str, value: object, hint: str) -> ConfigError:
    return ConfigError(f"{label} is {quoted(repr(value), 60)}.", hint=hint)


def _text(label: str, value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise _wrong(label, value, "Write text, in quotes.")


def _any_text(label: str, value: object) -> str:
    return "" if value == "" else _text(label, value)


def _switch(label: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong(label, value, "Write true or false, without quotes.")


def _words(label: str, value: object) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if isinstance(words, list | tuple | set | frozenset) and all(isinstance(word, str) for word in words):
        return tuple(" ".join(words).split())  # people write "read write" too
    raise _wrong(label, value, 'Write a list of texts: ["read", "write"].')


def _table(label: str, value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ConfigError(f"{label} is no table.", hint=f'Write {label.partition(".")[2]} = {{ name = "…" }}.')


def _address(label: str, value: object) -> str:
    check_url(label, _text(label, value))
    return str(value)


def _base_url(label: str, value: object) -> str:
    address = _address(label, value)
    if "?" in address:
        raise ConfigError(f"{label} has a query, and paths are put behind it.", hint="Write https://host/path.")
    return address.rstrip("/")


def _redirect_uri(label: str, value: object) -> str:
    text = _text(label, value)
    filled = text.replace(OWN_SERVER, "https://server").replace(FREE_PORT, "1")
    if not OWN_SCHEME.match(filled):
        check_url(label, filled)
        if urlsplit(filled).port == 0:
            raise _wrong(label, text, "Leave the port out, or write {port}, and a free one is taken.")
    return text


def _client_auth(label: str, value: object) -> str:
    if found := CLIENT_AUTH.get(_text(label, value)):
        return found
    raise _wrong(label, value, "Use basic, body or auto.")


def _paths(label: str, value: object) -> dict[str, str]:
    given = _table(label, value)
    for name in given:
        if name not in PATHS:
            raise ConfigError(f"{label}.{name} is not a path that is asked for.", hint=meant(name, PATHS))
    return {**DEFAULT_PATHS, **{name: _text(f"{label}.{name}", path) for name, path in given.items()}}


def _auth_params(label: str, value: object) -> dict[str, str]:
    given = _table(label, value)
    for name, text in given.items():
        if name in OAUTH_FIELDS:
            raise ConfigError(f"{label} sets {name!r}.", hint="The login sets that itself; leave it out.")
        if name in SECRET_FIELDS:
            raise ConfigError(f"{label}.{name}: secrets do not belong in a profile.", hint="Leave it out.")
        if isinstance(text, bool) or not isinstance(text, str | int):
            raise _wrong(f"{label}.{name}", text, "Write one text, in quotes.")
    return {str(name): str(text) for name, text in given.items()}


def _key_place(label: str, value: object) -> str:
    KeyPlace.parse(_text(label, value), label)
    return str(value)


def _catalog(label: str, value: object) -> str:
    text = _text(label, value)
    return _address(label, text) if re.match(r"https?://", text) else text


def _paging(label: str, value: object) -> str:
    text = _any_text(label, value)
    Hints.parse("", text)
    return text


KINDS: Mapping[str, Callable[[str, Any], Any]] = {
    "name": _text,
    "base_url": _base_url,
    **dict.fromkeys(("issuer", "token_url", "authorize_url", "device_url", "revoke_url"), _address),
    "redirect_uri": _redirect_uri,
    "scopes": _words,
    "resources": _words,
    "auth_params": _auth_params,
    "client_id": _text,
    "client_auth": _client_auth,
    "api_key_in": _key_place,
    "paths": _paths,
    "hub_token": _text,
    "check": _text,
    "records": _any_text,
    "paging": _paging,
    "read_only": _switch,
    "catalog": _catalog,
    "cache": _switch,
}
