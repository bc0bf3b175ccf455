"""Whether a server answers at all, asked without any credential."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from immune_nb.allowances import ahead
from immune_nb.auth.transport import QuietTransport, Transport
from immune_nb.errors import ImmuneError

__all__ = ["Probe", "probe"]

TIMEOUT = httpx.Timeout(5).as_dict()


@dataclass(frozen=True)
class Probe:
    """What came of it.

    Args:
        status: HTTP status; None when nothing answered.
        skew: Seconds that the server's clock is ahead of ours; None when it does not say.
        fault: Why nothing answered; empty when something did.
    """

    status: int | None = None
    skew: float | None = None
    fault: str = ""


def probe(url: str, transport: Transport | None = None, clock: Callable[[], float] = time.time) -> Probe:
    """Ask a URL once, with no redirects followed; any HTTP status is an answer.

    Args:
        url: Where.
        transport: What sends, instead of a connection pool.
        clock: Unix seconds.
    """
    request = httpx.Request("GET", url, headers={"User-Agent": "immune_nb"}, extensions={"timeout": TIMEOUT})
    try:
        with QuietTransport(url, transport) as quiet:
            reply = quiet.handle_request(request)
    except ImmuneError as error:
        return Probe(fault=str(error))
    return Probe(reply.status_code, ahead(reply.headers, clock()))
