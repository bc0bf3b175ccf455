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

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .addresses import KeyPlace
from .errors import ConfigError
from .hints import Hints
from .settings import SECRET_FIELDS, meant, settled

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

URL_FIELDS = ("base_url", "issuer", "token_url", "authorize_url", "device_url", "revoke_url")
# A name that may be repeated: no key that was put in its place.
TELLABLE = re.compile(r"[a-z][a-z_.-]*\d{0,4}[a-z_.-]*\d{0,4}", re.IGNORECASE)
FILE_VARIABLE = "IMMUNE_NB_CONFIG"


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
        for one in fields(self):
            value = getattr(self, one.name)
            if not (value is None and one.default is None):
                object.__setattr__(self, one.name, settled(self.name, one.name, value))

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
        told = f"No profile {name!r}" if TELLABLE.fullmatch(name) else "No profile of that name"
        raise ConfigError(f"{told}.", hint=meant(name, sorted(known)))
    return known[name]


def load_profiles(environ: Mapping[str, str] | None = None) -> dict[str, Profile]:
    """Built-in profiles and those of the user's file, by name, as the environment moves them.

    Args:
        environ: Variables to read; `os.environ` when not given.

    Raises:
        ConfigError: The file is not TOML, or a table in it is not a profile; or the file that is named is not there.
    """
    env = os.environ if environ is None else environ
    profiles = {p.name: p for p in (IMMUNE, IIINIT, SANDBOX)}
    file = config_file(env)
    _check_named(env.get(FILE_VARIABLE, ""), file)
    for name, table in _tables(file).items():
        found = _from_table(name, table, profiles.get(name))
        if (beside := found.catalog_file) and not beside.is_absolute():
            found = replace(found, catalog=f"file:{file.parent / beside}")
        profiles[name] = found
    return {name: _moved(profile, env) for name, profile in profiles.items()}


def config_file(environ: Mapping[str, str]) -> Path:
    """Path of the user's profile file, which need not exist."""
    place = environ.get(FILE_VARIABLE)
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


def _check_named(named: str, file: Path) -> None:
    """Raise where `IMMUNE_NB_CONFIG` names what holds no profiles; a folder may hold none yet."""
    place = Path(named).expanduser()
    is_file_meant = not place.is_dir() and (place.exists() or place.suffix)
    if named and not file.is_file() and (is_file_meant or file.exists()):
        why = "which is not there" if not place.exists() else "which is no such file"
        raise ConfigError(f"{FILE_VARIABLE} names {named!r}, {why}.", hint="Name a .toml file, or its folder.")


def _tables(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # as Notepad writes it, too
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({type(error).__name__}).") from None
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
            raise ConfigError(f"{name}.{key} is not a profile field.", hint=meant(key, allowed))
    if known is None and "base_url" not in table:
        raise ConfigError(f"Profile {name!r} has no base_url.", hint=f'Write base_url = "https://…" below [{name}].')
    return replace(known, **table) if known else Profile(name=name, **table)


def _moved(profile: Profile, env: Mapping[str, str]) -> Profile:
    moved = {f: env.get(f"{profile.env_prefix}_{f.upper()}") for f in URL_FIELDS}
    changes: dict[str, Any] = {f: url for f, url in moved.items() if url}
    return replace(profile, **changes) if changes else profile
