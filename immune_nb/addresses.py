"""Which addresses a credential may be sent to: https anywhere, plain http on this machine alone."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from .errors import ConfigError

__all__ = ["check_url", "is_loopback"]


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    if host is None or host.lower() == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_url(label: str, url: str | None) -> None:
    """Raise ConfigError unless `url`, called `label`, is a whole https address, or http on loopback; None passes."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, AttributeError):
        raise ConfigError(f"{label} is not a URL.") from None
    if parts.username or parts.password:
        raise ConfigError(f"{label} holds a user name or password.", hint="Log in instead.")
    if parts.scheme not in ("https", "http") or not host or parts.fragment:
        raise ConfigError(f"{label} is {url!r}.", hint="Write https://host/path.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(f"{label} is plain http: {url!r}.", hint="Use https; http is for loopback only.")
