"""Which credential: the first link of the chain that holds one, and why the others did not.

given → environment → secret files → JupyterHub → keyring → remembered. What comes after that, a person, is not for
this room. Of several kinds in one link the strongest wins: client credentials, then an access token, then an API key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from immune_nb.auth import hub, keep
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.errors import ConfigError, ImmuneError, NoCredentialsError
from immune_nb.profiles import Profile

__all__ = ["Credentials", "find_credentials", "secret_variables", "variables"]

OLD_DAYS = 90
COPIED = re.compile(r"""\A(["'])(.+)\1\Z""", re.DOTALL)
COPIED_TOKEN = re.compile(r"""\A(["']?)(?:Bearer\s+)?(.+)\1\Z""", re.IGNORECASE)
NAMES = ("API_KEY", "TOKEN", "CLIENT_ID", "CLIENT_SECRET")


@dataclass(frozen=True)
class Credentials:
    """What to log in with: an API key, a token, or a client that gets tokens.

    Args:
        source: Where they came from.
        key: An API key.
        token: An access token, with what renews it where there is that.
        client_id: The client; with `client_secret`, it gets tokens for itself.
        client_secret: Its secret.
        reread: Gets the token anew from where it came from, for tokens that others renew.
        skipped: The links before this one, and why they had nothing.
        sign_in: How a person signed in, when one did: ``browser`` or ``device``.
        is_remembered: Whether they are kept beyond this kernel.
    """

    source: str
    key: Secret | None = None
    token: Token | None = None
    client_id: str = ""
    client_secret: Secret | None = None
    reread: Callable[[], Token] | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    sign_in: str = ""
    is_remembered: bool = False

    @property
    def method(self) -> str:
        """What kind of login this makes, in words."""
        if self.sign_in:
            return f"{self.sign_in} sign-in"
        return "API key" if self.key else "access token" if self.token else "client credentials"


Given = Mapping[str, str | Secret | None]
Link = Callable[[], Credentials | str]


def variables(profile: Profile) -> str:
    """The environment variables that log in to `profile`, in words."""
    p = profile.env_prefix
    return f"{p}_CLIENT_ID with {p}_CLIENT_SECRET, {p}_TOKEN, or {p}_API_KEY"


def secret_variables(profile: Profile) -> list[str]:
    """The environment variables that hold a secret of `profile`."""
    return [name for name in _names(profile) if not name.endswith("_ID")]


def find_credentials(
    profile: Profile,
    environ: Mapping[str, str],
    *,
    method: str | None = None,
    api_key: str | Secret | None = None,
    token: str | Secret | None = None,
    client_id: str | None = None,
    client_secret: str | Secret | None = None,
) -> Credentials:
    """The credentials to use for `profile`: those given, else the first the chain finds.

    Args:
        profile: Whose they are.
        environ: The environment variables.
        method: Take only this kind: ``key``, ``token`` or ``client``; ``browser`` or ``device`` for a sign-in that is
            remembered.
        api_key: An API key, given by the caller; the same holds for the rest.
        token: An access token.
        client_id: A client's id, with `client_secret`.
        client_secret: A client's secret, or its private key in PEM form, with `client_id`.

    Raises:
        ConfigError: More than one kind is given, or half a pair.
        NoCredentialsError: There are none; the message names every link, and the variables that would help.
    """
    given = dict(zip(map(str.lower, NAMES), (api_key, token, client_id, client_secret), strict=True))
    if any(given.values()):
        return _given(given, method)
    links: dict[str, Link] = {
        "environment": lambda: _environment(profile, environ, method),
        "secret files": lambda: _files(profile, environ, method),
        "JupyterHub": lambda: _hub(profile, environ, method),
        "keyring": lambda: _keyring(profile, method),
        "remembered": lambda: _remembered(profile, method),
    }
    skipped: list[tuple[str, str]] = []
    for name, link in links.items():
        outcome = link()
        if isinstance(outcome, Credentials):
            return replace(outcome, skipped=tuple(skipped))
        skipped.append((name, outcome))
    tried = "; ".join(f"{name}: {why.rstrip('.')}" for name, why in skipped)
    raise NoCredentialsError(
        f"There is nothing to log in to {profile.name!r} with ({tried}).", hint=f"Set {variables(profile)}."
    )


def _given(given: Given, method: str | None) -> Credentials:
    kinds = (given["api_key"], given["token"], given["client_id"] or given["client_secret"])
    if sum(map(bool, kinds)) > 1:
        raise ConfigError("More than one kind of credential is given.", hint="Give one.")
    found = _strongest("given", given, method)
    if found is None:
        half = _half(given)
        raise ConfigError(f"{half}." if half else f"No {method} is given.", hint="Give what that method needs.")
    return found


def _environment(profile: Profile, environ: Mapping[str, str], method: str | None) -> Credentials | str:
    values = {name: environ.get(name) for name in _names(profile)}
    return _strongest("environment", values, method) or _lack(values, method, f"no {profile.env_prefix}_… variable")


def _files(profile: Profile, environ: Mapping[str, str], method: str | None) -> Credentials | str:
    """Secrets mounted as files: ``<NAME>_FILE`` names the file. A token is read again when it is refused."""
    paths = {f"{name}_FILE": environ.get(f"{name}_FILE") for name in _names(profile)}
    if not any(paths.values()):
        return f"no {profile.env_prefix}_…_FILE variable"
    values = {name: _read(name, path) if path else None for name, path in paths.items()}
    client_id = f"{profile.env_prefix}_CLIENT_ID"
    values[f"{client_id}_FILE"] = values[f"{client_id}_FILE"] or environ.get(client_id)
    found = _strongest("secret file", values, method)
    name = f"{profile.env_prefix}_TOKEN_FILE"
    if found and found.token:
        return replace(found, reread=lambda: _found(_read(name, str(paths[name]))))
    return found or _lack(values, method)


def _read(name: str, path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fault = ConfigError(f"{name} names {path!r}, which cannot be read ({type(error).__name__}).")
    raise fault


def _hub(profile: Profile, environ: Mapping[str, str], method: str | None) -> Credentials | str:
    if method not in (None, "token"):
        return f"holds no {method}"
    outcome = hub.upstream_token(profile, environ)
    if isinstance(outcome, str):
        return outcome

    def again() -> Token:
        found = hub.upstream_token(profile, environ)
        if isinstance(found, str):
            raise NoCredentialsError(f"JupyterHub has no token any more: {found}.", hint="Log in to the hub again.")
        return found

    return Credentials("JupyterHub: auth_state", token=outcome, reread=again)


def _keyring(profile: Profile, method: str | None) -> Credentials | str:
    """What the user put into the keyring by hand, under the names of the environment variables."""
    try:
        values = keep.from_keyring(_names(profile))
    except ConfigError as error:
        return str(error)
    if isinstance(values, str):
        return values
    return _strongest("keyring", values, method) or _lack(values, method, f"holds no {profile.env_prefix}_…")


def _remembered(profile: Profile, method: str | None) -> Credentials | str:
    try:
        record = keep.recall(profile)
    except ImmuneError as error:
        return str(error)
    if isinstance(record, str):
        return record
    kind = "token" if record.token else "key" if record.key else "client"
    if method not in (None, kind, record.sign_in):
        return f"holds no {method}"
    old = f", for {record.days} days: time to rotate it" if record.days > OLD_DAYS and not record.sign_in else ""
    return Credentials(
        f"remembered: {record.place}{old}",
        key=record.key,
        token=record.token,
        client_id=record.client_id,
        client_secret=record.client_secret,
        sign_in=record.sign_in,
        is_remembered=True,
    )


def _names(profile: Profile) -> list[str]:
    return [f"{profile.env_prefix}_{name}" for name in NAMES]


def _strongest(place: str, values: Given, method: str | None) -> Credentials | None:
    """The strongest whole kind among a key, a token, a client id and its secret, in that order, by their names."""
    (key_name, key), (token_name, token), (id_name, client_id), (secret_name, secret) = values.items()
    if client_id and secret and method in (None, "client"):
        source = f"{place}: {id_name} with {secret_name}"
        name = COPIED.sub(r"\2", str(client_id).strip())
        return Credentials(source, client_id=name, client_secret=_meant(secret, "client secret"))
    if token and method in (None, "token"):
        return Credentials(f"{place}: {token_name}", token=_found(token))
    if key and method in (None, "key"):
        return Credentials(f"{place}: {key_name}", key=_meant(key, "API key"))
    return None


def _meant(given: str | Secret, name: str, copied: re.Pattern[str] = COPIED) -> Secret:
    """A secret without what was copied along with it: the quotes of a file, the name of a scheme."""
    return Secret(copied.sub(r"\2", Secret.of(given, name).reveal()), name)


def _found(token: str | Secret) -> Token:
    return Token.found(_meant(token, "access token", COPIED_TOKEN), time.time())


def _lack(values: Given, method: str | None, nothing: str = "") -> str:
    """Why a link has none of that kind: half of a pair, another kind, or nothing at all."""
    return _half(values) or (f"holds no {method}" if any(values.values()) or not nothing else nothing)


def _half(values: Given) -> str:
    """What to say of a client id without its secret, or the reverse; "" when there is neither or both."""
    (id_name, client_id), (secret_name, secret) = list(values.items())[2:]
    if bool(client_id) == bool(secret):
        return ""
    here, missing = (id_name, secret_name) if client_id else (secret_name, id_name)
    return f"{here} is set and {missing} is not"
