"""``%immune doctor``: what stands between this kernel and the API, safe to paste into a bug report.

It shows names, versions, hosts and modes: never a credential, a value of the environment, or the home folder's name.
"""

from __future__ import annotations

import os
import platform
import ssl
import stat
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from immune_nb.auth import keep, places
from immune_nb.auth.chain import secret_variables
from immune_nb.errors import ConfigError, ImmuneError, NoCredentialsError
from immune_nb.profiles import IMMUNE, Profile, config_file

from .show import Table, show
from .surroundings import in_notebook, person_can_act, shows_widgets

if TYPE_CHECKING:
    from .arguments import Request
    from .desk import Desk

__all__ = ["doctor", "examination"]

Rows = Iterator[tuple[str, str]]
PACKAGES = (
    "immune_nb",
    "IPython",
    "ipykernel",
    "jupyterlab",
    "ipywidgets",
    "anywidget",
    "httpx",
    "authlib",
    "pandas",
)
MORE = ("pyarrow", "keyring", "filelock", "detect-secrets", "certifi")
FRONT_ENDS = {
    "VSCODE_PID": "VS Code",
    "COLAB_RELEASE_TAG": "Colab",
    "JUPYTERHUB_API_URL": "JupyterHub",
    "JPY_SESSION_NAME": "Jupyter server",
    "JPY_PARENT_PID": "Jupyter",
}
CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
OTHERS = stat.S_IRWXG | stat.S_IRWXO
SKEW = 30.0  # seconds that clocks may differ before tokens seem to come from the future


def doctor(desk: Desk, request: Request) -> None:
    """``%immune doctor``."""
    name = request.text("profile") or desk.sessions.current_name or IMMUNE.name
    show(Table(examination(desk.shell, desk.profile(name), _login(desk, name))))


def examination(shell: Any, profile: Profile, login: str, environ: Mapping[str, str] = os.environ) -> Rows:
    """Every finding: what was looked at, and what was found.

    Args:
        shell: The IPython shell.
        profile: Which API to ask.
        login: What to say of the login.
        environ: Environment variables.
    """
    yield from _versions()
    yield from _seat(shell, environ)
    yield "profile", f"{profile.name} at {profile.base_url}"
    yield "login", login
    yield "variables", ", ".join(n for n in secret_variables(profile) if environ.get(n)) or "none that log in"
    yield from _network(profile, environ)
    yield from _places(shell, environ)


def _versions() -> Rows:
    yield (
        "system",
        f"{platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}",
    )
    yield "versions", ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    yield "more", ", ".join(f"{name} {_version(name)}" for name in MORE)
    yield "TLS", ssl.OPENSSL_VERSION


def _seat(shell: Any, environ: Mapping[str, str]) -> Rows:
    found = [name for variable, name in FRONT_ENDS.items() if environ.get(variable)]
    yield "front end", ", ".join(found) or ("a kernel" if in_notebook(shell) else "a terminal")
    yield "asking", "somebody can be asked" if person_can_act(shell) else "nobody can be asked: no panel, no prompt"
    yield "widgets", "can be shown" if shows_widgets(shell, environ) else "cannot be shown here"


def _network(profile: Profile, environ: Mapping[str, str]) -> Rows:
    from immune_nb.auth.probe import probe

    yield "proxy", _proxy(profile)
    yield "CA", ", ".join(_own_ca(environ)) or "the system's, and certifi's"
    if environ.get("SSLKEYLOGFILE"):
        yield "WARNING", "SSLKEYLOGFILE is set: who reads that file can read what is sent, credentials included"
    for name, url in (("API", profile.base_url), ("token endpoint", profile.token_url), ("issuer", profile.issuer)):
        if url:
            seen = probe(url)
            yield name, seen.fault or f"{urlsplit(url).netloc} answers (HTTP {seen.status})"
            if seen.skew is not None and name == "API":
                yield "clock", _clock(seen.skew)
    if profile.issuer and not profile.token_url:
        yield "token endpoint", _token_endpoint(profile, profile.issuer)


def _proxy(profile: Profile) -> str:
    from immune_nb.auth.proxies import proxy_for

    try:
        proxy = proxy_for(profile.base_url)
    except ConfigError as error:
        return str(error)
    return proxy.partition("://")[2].rpartition("@")[2].rstrip("/") if proxy else "none"


def _token_endpoint(profile: Profile, issuer: str) -> str:
    """Where an issuer's metadata send the client, with its secret; that may rightly be another host."""
    from immune_nb.auth.server import find_server

    try:
        url = find_server(profile).url("token_url", profile)
    except ImmuneError as error:
        return str(error)
    there, home = urlsplit(url).netloc, urlsplit(issuer).netloc
    return f"at {there}, as the metadata say" + (
        "" if there == home else f"; that is not {home}, and gets the secret"
    )


def _places(shell: Any, environ: Mapping[str, str]) -> Rows:
    yield "remembering", keep.place()
    history = getattr(getattr(shell, "history_manager", None), "hist_file", "")
    files = {
        "remembered logins": places.folder(),
        "profile file": config_file(environ),
        "IPython history": Path(history),
    }
    for name, path in files.items():
        yield name, _mode(path) if str(path) and path.exists() else "none"


def _own_ca(environ: Mapping[str, str]) -> Iterator[str]:
    for name in CA_VARIABLES:
        if place := environ.get(name):
            yield f"{name}={_at_home(Path(place))}" + ("" if Path(place).exists() else " (does not exist)")


def _clock(skew: float) -> str:
    if abs(skew) <= SKEW:
        return "agrees with the server's"
    return f"WARNING: {abs(skew):,.0f} s {'behind' if skew > 0 else 'ahead of'} the server's; tokens may be refused"


def _mode(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{_at_home(path)}, mode {mode:04o}" + (", others can read it" if mode & OTHERS else "")


def _at_home(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "–"


def _login(desk: Desk, name: str) -> str:
    try:
        status = desk.session(name).status()
    except NoCredentialsError:
        return "none"
    return f"{status.method}, {status.standing}"
