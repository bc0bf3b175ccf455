"""Which addresses may be used: https, or http on this machine; and where in a request an API key goes."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import ConfigError, quoted

__all__ = ["LAST_PORT", "PORTS", "KeyPlace", "Origin", "check_url", "is_loopback", "origin"]

PORTS = {"http": 80, "https": 443}
LAST_PORT = 65_535
Origin = tuple[str, str, int]
UNWRITTEN = re.compile(r"[\s\\\x00-\x1f\x7f]")  # in no address (RFC 3986 2)
OF_THE_WIRE = frozenset({"connection", "content-encoding", "content-length", "content-type", "expect", "host", "te"})
OF_THE_WIRE |= {"accept", "accept-encoding", "trailer", "transfer-encoding", "upgrade"}


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    if host is None or host.lower() == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin(scheme: str, host: str | None, port: int | None) -> Origin:
    """What two addresses share that are of one service (RFC 6454 4): the usual port is written out, IPv6 is short."""
    name = (host or "").lower()
    if ":" in name:
        with suppress(ValueError):  # of a zone, or of a version to come
            name = str(ipaddress.ip_address(name))
    return scheme, name, port or PORTS.get(scheme, 0)


def check_url(label: str, url: str | None) -> None:
    """Raise ConfigError unless `url`, called `label`, is a whole https address, or http on loopback; None passes."""
    if url is None:
        return
    usual = "Write https://host/path."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, AttributeError):
        raise ConfigError(f"{label} is not a URL.", hint=usual) from None
    shown = quoted(url.partition("?")[0])  # a query may hold a secret
    if parts.username or parts.password:
        raise ConfigError(f"{label} holds a user name or password.", hint="Log in instead.")
    if UNWRITTEN.search(url):
        raise ConfigError(f"{label} holds a space or a control character: {shown!r}.", hint="Copy it again.")
    if parts.scheme not in ("https", "http") or not host or parts.fragment:
        raise ConfigError(f"{label} is {shown!r}.", hint=usual)
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(f"{label} is plain http: {shown!r}.", hint="Use https; http is for loopback only.")


@dataclass(frozen=True)
class KeyPlace:
    """Where an API key goes: a header or a query parameter, and the text around it."""

    name: str
    template: str = "{key}"
    in_query: bool = False

    @classmethod
    def parse(cls, text: str, label: str = "api_key_in") -> KeyPlace:
        """Read ``"Authorization: ApiKey {key}"``, ``"X-API-Key: {key}"`` or ``"?api_key={key}"``.

        Raises:
            ConfigError: It is none of these, which is not quoted: a key may stand there by mistake.
        """
        match = re.fullmatch(r"\?([\w.-]+)=\{key\}|([\w-]+):\s*([\x21-\x7e ]*\{key\}[\x21-\x7e ]*)", text)
        if match is None:
            raise ConfigError(
                f"{label} does not say where a key goes.",
                hint='Write "Header-Name: {key}" or "?parameter={key}", with {key} to the letter.',
            )
        query, header, template = match.groups()
        if header and header.lower() in OF_THE_WIRE:
            raise ConfigError(f"{label} puts the key into {header}, which is HTTP's own.", hint="Use another header.")
        return cls(query, in_query=True) if query else cls(header, template)
