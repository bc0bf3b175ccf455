"""A real JupyterHub with ``auth_state`` on, as a process on 127.0.0.1, and a person who has logged in to it.

The hub, its login form, its database and its API are JupyterHub's own. Nobody's notebook server is started, so its
proxy is one that forwards nothing. The authenticator stands for an identity provider: a login brings a token.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

__all__ = ["Hub", "running"]

CONFIG = """
from jupyterhub.auth import Authenticator
from jupyterhub.proxy import Proxy


class NoProxy(Proxy):
    should_start = False

    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}


class Provider(Authenticator):
    enable_auth_state = True
    allow_all = True

    async def authenticate(self, handler, data):
        if data["password"] == {password!r}:
            return {{"name": data["username"], "auth_state": {{"access_token": {upstream!r}}}}}


c.JupyterHub.authenticator_class = Provider
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.services = [{{"name": "keys", "api_token": {admin!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "keys", "scopes": ["tokens", "read:users"], "services": ["keys"]}},
    {{"name": "user", "scopes": ["self", "admin:auth_state!user"]}},
]
c.JupyterHub.log_level = "ERROR"
"""


@dataclass(frozen=True)
class Hub:
    """What a notebook server on the hub would find in its environment, and what the hub keeps for its user."""

    api_url: str
    user: str
    token: str
    plain_token: str

    def environment(self, token: str | None = None) -> dict[str, str]:
        """The variables the hub sets; with the token that may see ``auth_state`` unless another is given."""
        return {
            "JUPYTERHUB_API_URL": self.api_url,
            "JUPYTERHUB_API_TOKEN": token or self.token,
            "JUPYTERHUB_USER": self.user,
        }


@contextmanager
def running(folder: Path, upstream: str) -> Iterator[Hub]:
    """The hub, for as long as the block lasts.

    Args:
        folder: For its configuration and database.
        upstream: The token that a login brings.
    """
    password, admin = secrets.token_hex(8), secrets.token_hex(16)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "jupyterhub_config.py"
    config.write_text(CONFIG.format(password=password, upstream=upstream, admin=admin, port=port, folder=folder))
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterhub", "-f", str(config)],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _logged_in(f"http://127.0.0.1:{port}", password, admin, process)
    finally:
        process.terminate()
        process.wait(30)


def _logged_in(url: str, password: str, admin: str, process: subprocess.Popen[bytes]) -> Hub:
    retry = httpx.HTTPTransport(verify=False, retries=8)  # connects again, later and later, until the hub listens
    with httpx.Client(base_url=url, transport=retry, follow_redirects=False, timeout=60) as browser:
        browser.get("/hub/login")
        form = {"username": "ada", "password": password, "_xsrf": browser.cookies["_xsrf"]}
        assert browser.post("/hub/login", data=form, params={"_xsrf": form["_xsrf"]}).status_code == 302
        assert process.poll() is None

        def token(*scopes: str) -> str:
            headers = {"Authorization": f"token {admin}"}
            body = {"scopes": list(scopes)}
            return (
                browser.post("/hub/api/users/ada/tokens", json=body, headers=headers)
                .raise_for_status()
                .json()["token"]
            )

        seeing = token("read:users!user", "admin:auth_state!user")
        return Hub(f"{url}/hub/api", "ada", seeing, token("read:users!user"))
