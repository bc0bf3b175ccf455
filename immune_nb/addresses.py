"""Which addresses may be used: https, or http on this machine; and where in a request an API key goes."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import ConfigError

__all__ = ["PORTS", "KeyPlace", "Origin", "check_url", "is_loopback", "origin"]

PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int]


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    if host is None or host.lower() == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin(scheme: str, host: str | None, port: int | None) -> Origin:
    """What two addresses share that are of one service (RFC 6454 4): the usual port is written out."""
    return scheme, (host or "").lower(), port or PORTS.get(scheme, 0)


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


@dataclass(frozen=True)
class KeyPlace:
    """Where an API key goes: a header or a query parameter, and the text around it."""

    name: str
    template: str = "{key}"
    in_query: bool = False

    @classmethod
    def parse(cls, text: str) -> KeyPlace:
        """Read ``"Authorization: ApiKey {key}"``, ``"X-API-Key: {key}"`` or ``"?api_key={key}"``."""
        match = re.fullmatch(r"\?([\w.-]+)=\{key\}|([\w-]+):\s*([\x21-\x7e ]*\{key\}[\x21-\x7e ]*)", text)
        if match is None:
            raise ConfigError(f"api_key_in is {text!r}.", hint='Write "Header-Name: {key}" or "?parameter={key}".')
        query, header, template = match.groups()
        return cls(query, in_query=True) if query else cls(header, template)
