"""JupyterHub's own login, passed through: the upstream token that the hub keeps in ``auth_state``.

Only for a profile that says so (`hub_token`): the token is the hub's login at its identity provider, and goes to no
API that nobody meant it for.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

import httpx

from immune_nb.allowances import ahead
from immune_nb.auth.bodies import MAX_LOGIN_BODY
from immune_nb.auth.lanes import IDLE_SECONDS
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.auth.transport import QuietTransport, asking
from immune_nb.auth.wires import Wire
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
        reply = _ask(f"{url.rstrip('/')}/users/{quote(name, safe='')}", Secret(key, "hub token"))
    except (ServiceError, ConfigError) as error:
        return str(error)
    if reply.status_code != httpx.codes.OK:
        return f"the hub answered {reply.status_code}"
    return _token(reply, profile.hub_token)


def _token(reply: httpx.Response, field: str) -> Token | str:
    try:
        user = reply.json()
    except (ValueError, RecursionError):
        user = None
    if not isinstance(user, dict):
        return "the hub's answer is not JSON"
    state = user.get("auth_state")
    if not isinstance(state, dict):
        return "the hub shows no auth_state to this server"
    text = state.get(field)
    if not isinstance(text, str) or not text:
        return f"auth_state has no {field!r}"
    now = time.time()
    token = Token.found(Secret(text, "access token"), now, ahead(reply.headers, now) or 0)
    return replace(token, account=str(user.get("name") or token.account))


def _ask(url: str, key: Secret) -> httpx.Response:
    # Inside a cluster hubs speak plain http: then the hub is asked itself, and no proxy hears of it.
    straight = Wire(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), IDLE_SECONDS) if url.startswith("http:") else None
    quiet = QuietTransport(url, straight, most=MAX_LOGIN_BODY)
    try:
        return quiet.handle_request(asking(url, f"token {key.reveal()}"))
    finally:
        quiet.close()
