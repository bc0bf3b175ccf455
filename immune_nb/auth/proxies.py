"""The environment's proxies: which applies to a URL, and what keeps it from being used."""

from __future__ import annotations

from importlib.util import find_spec
from urllib.request import getproxies, proxy_bypass

import httpx

from immune_nb.addresses import LAST_PORT, PORTS, is_loopback
from immune_nb.errors import ConfigError, quoted

__all__ = ["PROXY_HINT", "proxy_for"]

PROXY_HINT = "HTTPS_PROXY names it: with user and password, where it wants them? NO_PROXY leads past it."
SOCKS = ("socks5", "socks5h")
USUAL = "Write http://host:port; NO_PROXY leads past it."


def proxy_for(url: str) -> str | None:
    """The environment's proxy for a URL; none for loopback.

    Raises:
        ConfigError: It cannot be used. Its address is not quoted, as a password may stand in it.
    """
    parts = httpx.URL(url)
    if is_loopback(parts.host) or proxy_bypass(parts.host):
        return None
    kind = parts.scheme if getproxies().get(parts.scheme) else "all"
    named = getproxies().get(kind, "")
    proxy = f"http://{named}" if named and "://" not in named else named
    if why := _fault(proxy) if proxy else "":
        del named, proxy  # a traceback would show them
        hint = "Run: pip install socksio. Or: NO_PROXY leads past it." if "socksio" in why else USUAL
        raise ConfigError(f"{kind.upper()}_PROXY {why}.", hint=hint)
    return proxy or None


def _fault(proxy: str) -> str:
    """Why a proxy cannot be used; "" when it can."""
    malformed = "is no URL: a password in it has to be percent-encoded"
    try:
        url = httpx.URL(proxy)
    except httpx.InvalidURL:
        return malformed
    if "@" in proxy and not url.userinfo:  # a slash in the password, after what looks like a host
        return malformed
    if not url.host or (url.port is not None and not 0 < url.port <= LAST_PORT):
        return "names no host, or a port that is none"
    if url.scheme not in (*PORTS, *SOCKS):
        return f"names a proxy of kind {quoted(url.scheme, 20)!r}, and only http, https and socks5 are known"
    if url.scheme in SOCKS and find_spec("socksio") is None:
        return "names a SOCKS proxy, which needs the package socksio"
    return ""
