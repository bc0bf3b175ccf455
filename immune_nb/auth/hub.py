"""JupyterHub's own login, passed through: the upstream token that the hub keeps in ``auth_state``.

Only for a profile that says so (`hub_token`): the token is the hub's login at its identity provider, and goes to no
API that nobody meant it for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from immune_nb.auth.secrets import Secret
from immune_nb.auth.server import TIMEOUT
from immune_nb.auth.tokens import Token
from immune_nb.auth.transport import QuietTransport
from immune_nb.errors import ConfigError, ServiceError
from immune_nb.profiles import Profile

__all__ = ["upstream_token"]


def upstream_token(profile: Profile, environ: Mapping[str, str]) -> Token | str:
    """The upstream token of the user whose server this is, or why there is none.

    Args:
        profile: Names the field of ``auth_state`` in `hub_token`.
        environ: Holds ``JUPYTERHUB_API_URL``, ``JUPYTERHUB_API_TOKEN`` and ``JUPYTERHUB_USER``, as the hub sets them
            for a server.

    Source:
        JupyterHub's REST API, ``GET /users/{name}``; the server's token needs the scope ``admin:auth_state!user``
    """
    url, key, name = (environ.get(f"JUPYTERHUB_{part}") for part in ("API_URL", "API_TOKEN", "USER"))
    if not (url and key and name):
        return "not on a hub"
    if not profile.hub_token:
        return f"profile {profile.name!r} names no hub_token"
    try:
        user = _ask(f"{url.rstrip('/')}/users/{quote(name, safe='')}", Secret(key, "hub token"))
    except (ServiceError, ConfigError) as error:
        return error.message
    return user if isinstance(user, str) else _token(user, profile.hub_token)


def _token(user: dict[str, Any], field: str) -> Token | str:
    state = user.get("auth_state")
    if not isinstance(state, dict):
        return "the hub shows no auth_state to this server"
    text = state.get(field)
    if not isinstance(text, str) or not text:
        return f"auth_state has no {field!r}"
    return Token(Secret(text, "access token"), account=str(user.get("name") or ""))


def _ask(url: str, key: Secret) -> dict[str, Any] | str:
    quiet = QuietTransport(url)
    try:
        reply = quiet.handle_request(_request(url, key))
    finally:
        quiet.close()
    if reply.status_code != httpx.codes.OK:
        return f"the hub answered {reply.status_code}"
    try:
        user = reply.json()
    except (ValueError, RecursionError):
        user = None
    return user if isinstance(user, dict) else "the hub's answer is not JSON"


def _request(url: str, key: Secret) -> httpx.Request:
    headers = {"Authorization": f"token {key.reveal()}", "Accept": "application/json", "User-Agent": "immune_nb"}
    return httpx.Request("GET", url, headers=headers, extensions={"timeout": TIMEOUT})
