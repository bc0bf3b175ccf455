"""Where: which API, at which addresses, and how it takes a credential. Never the credential itself.

Built in are IMMUNE, IIINIT and SANDBOX. More come from ``profiles.toml`` in the platform's configuration
folder (`IMMUNE_NB_CONFIG` names another file or folder); a table with a built-in's name changes only the fields
it gives::

    [lab]
    base_url = "https://lab.example/api"
    token_url = "https://lab.example/oauth/token"
    scopes = ["read:sensors"]

    [lab.paths]
    readings = "/sensors/readings"

``<PROFILE>_BASE_URL``, ``<PROFILE>_ISSUER`` and so on in the environment move a profile for one process.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .addresses import KeyPlace, check_url
from .errors import ConfigError
from .hints import Hints

__all__ = [
    "IIINIT",
    "IMMUNE",
    "SANDBOX",
    "Profile",
    "cache_folder",
    "config_file",
    "find_profile",
    "load_profiles",
]

DEFAULT_PATHS: Mapping[str, str] = {
    "sensors": "/sensors",
    "readings": "/readings",  # /sensors/readings on one page of the documentation (api-contract 1.3)
    "alerts": "/alerts",
    "predictions": "/predictions",  # assumed (api-contract 1.8)
}
REGISTERED_AUTH = {"client_secret_basic": "basic", "client_secret_post": "body"}  # as OAuth registers them
CLIENT_AUTH = {"auto": "auto", "basic": "basic", "body": "body", **REGISTERED_AUTH}
OAUTH_FIELDS = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type", "redirect_uri"})
OAUTH_FIELDS |= {"code", "code_challenge", "code_challenge_method", "code_verifier", "nonce", "state", "scope"}
OAUTH_FIELDS |= {"device_code", "grant_type", "response_type", "response_mode", "refresh_token", "resource"}
OAUTH_FIELDS |= {"username", "password", "token"}  # what a login sets itself, and what no file should hold
URL_FIELDS = ("base_url", "issuer", "token_url", "authorize_url", "device_url", "revoke_url")
SECRET_FIELDS = frozenset({"api_key", "token", "access_token", "client_secret", "refresh_token", "password"})
SECRET_FIELDS |= {"key", "secret"}


@dataclass(frozen=True)
class Profile:
    """One API: its addresses and its ways.

    Args:
        name: What the user calls it; letters, digits, ``-`` and ``_``.
        base_url: Start of every API address, version segment included. https, or http on loopback.
        issuer: OAuth issuer, for servers that publish their metadata (RFC 8414).
        token_url: OAuth token endpoint (RFC 6749 3.2).
        authorize_url: OAuth authorization endpoint (RFC 6749 3.1).
        device_url: Device authorization endpoint (RFC 8628 3.1).
        revoke_url: Revocation endpoint (RFC 7009).
        redirect_uri: Redirect URI as registered, when the server wants a fixed one. ``{server}`` in it is the address
            of a JupyterHub user's server, and ``{port}`` a free port:
            ``{server}/proxy/{port}/callback`` leads through jupyter-server-proxy where that is, else to loopback.
        scopes: Scopes to ask for.
        resources: APIs the token is for (RFC 8707), where the server serves several.
        auth_params: What else to send when a token is asked for, such as the ``audience`` that some servers want.
        client_id: OAuth client id, where it is no secret and the same for everybody.
        client_auth: How the client secret reaches the token endpoint (RFC 6749 2.3.1): ``basic``, ``body``,
            or ``auto``: Basic first, the body when that is refused.
        api_key_in: Where an API key goes: ``"Authorization: ApiKey {key}"``, ``"X-API-Key: {key}"``,
            ``"?api_key={key}"``.
        paths: Paths of the documented collections, where they differ from IMMUNE's.
        hub_token: Field of JupyterHub's ``auth_state`` that holds a token for this API. None: the hub's login is not
            passed on.
        check: A cheap path that needs a login; a login is tried against it. None: the first query tells.
        records: Where an answer has its records, as a path of field names (``data.items``), if that is not found out.
        paging: How lists page, as `immune_nb.hints` writes it (``page=p``), if that is not found out.
        read_only: Refuse requests that change something.
        catalog: Where the OpenAPI document is: a path on the API, a URL on its origin, a file (``lab.json``,
            ``~/lab.json``, ``file:/srv/lab.json``), or ``immune`` for the one in this package. None: the usual places
            on the API's origin are tried, once somebody asks what there is.
        cache: Keep readings of the past on this machine, unless a query says otherwise.

    Raises:
        ConfigError: A field is malformed, or an address is plain http off loopback.
    """

    name: str
    base_url: str
    issuer: str | None = None
    token_url: str | None = None
    authorize_url: str | None = None
    device_url: str | None = None
    revoke_url: str | None = None
    redirect_uri: str | None = None
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    auth_params: Mapping[str, str] = field(default_factory=dict, hash=False)
    client_id: str | None = None
    client_auth: str = "auto"
    api_key_in: str = "Authorization: ApiKey {key}"
    paths: Mapping[str, str] = field(default_factory=dict, hash=False)
    hub_token: str | None = None
    check: str | None = None
    records: str = ""
    paging: str = ""
    read_only: bool = False
    catalog: str | None = None
    cache: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][\w-]*", str(self.name), re.ASCII):
            raise ConfigError(f"Profile name {self.name!r} is not a name.", hint="Use letters, digits, - and _.")
        for url in URL_FIELDS:
            check_url(f"{self.name}.{url}", getattr(self, url))
        self._set("base_url", self.base_url.rstrip("/"))
        if self.client_auth not in CLIENT_AUTH:
            raise ConfigError(f"{self.name}.client_auth is {self.client_auth!r}.", hint="Use basic, body or auto.")
        self._set("client_auth", CLIENT_AUTH[self.client_auth])
        for name in ("scopes", "resources"):
            words: object = getattr(self, name)  # TOML and people write "read write" too
            self._set(name, tuple(words.split() if isinstance(words, str) else getattr(self, name)))
        self._set("paths", {**DEFAULT_PATHS, **self.paths})
        self._set("auth_params", _auth_params(self.name, self.auth_params))
        KeyPlace.parse(self.api_key_in)
        if self.catalog is not None and not (isinstance(self.catalog, str) and self.catalog.strip()):
            raise ConfigError(f"{self.name}.catalog is {self.catalog!r}.", hint="Give a path, a URL or a file.")
        if self.catalog and re.match(r"https?://", self.catalog):
            check_url(f"{self.name}.catalog", self.catalog)
        Hints.parse(self.records, self.paging)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def env_prefix(self) -> str:
        """Start of this profile's environment variables: ``my-lab`` reads ``MY_LAB_API_KEY``."""
        return self.name.upper().replace("-", "_")

    @property
    def hints(self) -> Hints:
        """`records` and `paging`, read."""
        return Hints.parse(self.records, self.paging)

    @property
    def key_place(self) -> KeyPlace:
        """`api_key_in`, read."""
        return KeyPlace.parse(self.api_key_in)

    @property
    def catalog_file(self) -> Path | None:
        """The file that `catalog` names; None when it names something else."""
        if self.catalog is None or self.catalog == "immune" or re.match(r"/|https?://", self.catalog):
            return None
        return Path(self.catalog.removeprefix("file:")).expanduser()


def _auth_params(name: str, given: object) -> dict[str, str]:
    """What a profile adds to requests for a token, checked."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"{name}.auth_params is no table.", hint='Write auth_params = { audience = "…" }.')
    for own in OAUTH_FIELDS & given.keys():
        raise ConfigError(f"{name}.auth_params sets {own!r}.", hint="The login sets that itself; leave it out.")
    return {str(key): str(value) for key, value in given.items()}


IMMUNE = Profile(
    name="immune",
    base_url="https://api.immune.dev/v1",
    token_url="https://auth.immune.dev/oauth/token",  # noqa: S106 - an address
    client_auth="body",
    check="/sensors",
    catalog="immune",
)
IIINIT = Profile(
    name="iiniit",
    base_url="https://api.iiniit.com",
    token_url="https://api.iiniit.com/oauth2/token",  # noqa: S106 - an address
    authorize_url="https://www.iiniit.com/auth/login",
    client_auth="body",
    scopes=("read:user", "read:projects"),
)
SANDBOX = Profile(
    name="sandbox",
    base_url="http://127.0.0.1:8765/v1",
    token_url="http://127.0.0.1:8765/oauth/token",  # noqa: S106 - an address
    check="/sensors",
    catalog="immune",
)


def find_profile(name: str, environ: Mapping[str, str] | None = None) -> Profile:
    """The profile of that name.

    Raises:
        ConfigError: There is none, or the profile file is malformed.
    """
    known = load_profiles(environ)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}."
        raise ConfigError(f"No profile {name!r}.", hint=hint)
    return known[name]


def load_profiles(environ: Mapping[str, str] | None = None) -> dict[str, Profile]:
    """Built-in profiles and those of the user's file, by name, as the environment moves them.

    Args:
        environ: Variables to read; `os.environ` when not given.

    Raises:
        ConfigError: The file is not TOML, or a table in it is not a profile.
    """
    env = os.environ if environ is None else environ
    profiles = {p.name: p for p in (IMMUNE, IIINIT, SANDBOX)}
    file = config_file(env)
    for name, table in _tables(file).items():
        found = _from_table(name, table, profiles.get(name))
        if (beside := found.catalog_file) and not beside.is_absolute():
            found = replace(found, catalog=f"file:{file.parent / beside}")
        profiles[name] = found
    return {name: _moved(profile, env) for name, profile in profiles.items()}


def config_file(environ: Mapping[str, str]) -> Path:
    """Path of the user's profile file, which need not exist."""
    place = environ.get("IMMUNE_NB_CONFIG")
    if place:
        path = Path(place).expanduser()
        return path if path.suffix == ".toml" else path / "profiles.toml"
    import platformdirs

    return platformdirs.user_config_path("immune_nb", appauthor=False) / "profiles.toml"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where fetched readings are kept for those who ask for it; `IMMUNE_NB_CACHE` names another folder."""
    import platformdirs

    place = environ.get("IMMUNE_NB_CACHE")
    return Path(place or platformdirs.user_cache_path("immune_nb", appauthor=False) / "readings").expanduser()


def _tables(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    return tables


def _from_table(name: str, table: object, known: Profile | None) -> Profile:
    if not isinstance(table, dict):
        raise ConfigError(f"{name!r} in the profile file is not a table.", hint=f"Write [{name}].")
    allowed = [f.name for f in fields(Profile) if f.name != "name"]
    for key in table:
        if key in SECRET_FIELDS:
            raise ConfigError(
                f"{name}.{key}: secrets do not belong in the profile file.", hint="Use the environment."
            )
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1) or [", ".join(allowed)]
            raise ConfigError(f"{name}.{key} is not a profile field.", hint=f"Did you mean {near[0]}?")
    try:
        return replace(known, **table) if known else Profile(name=name, **table)
    except TypeError:
        raise ConfigError(
            f"Profile {name!r} is malformed.", hint="It needs base_url, and text where text belongs."
        ) from None


def _moved(profile: Profile, env: Mapping[str, str]) -> Profile:
    moved = {f: env.get(f"{profile.env_prefix}_{f.upper()}") for f in URL_FIELDS}
    changes: dict[str, Any] = {f: url for f, url in moved.items() if url}
    return replace(profile, **changes) if changes else profile
