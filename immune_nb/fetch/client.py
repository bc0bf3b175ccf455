"""One request: send it, wait where the service asks for it, and turn every failure into one of our errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from immune_nb.errors import (
    BadReplyError,
    NoCredentialsError,
    ServiceError,
    SessionExpiredError,
    UnreachableError,
    quoted,
)
from immune_nb.fetch.limits import BUDGET_SECONDS, Gate, Halt, may_pass, retries, seconds_for
from immune_nb.fetch.lines import Lines
from immune_nb.fetch.meters import Meter
from immune_nb.fetch.refusals import failure
from immune_nb.fetch.routes import HEADERS, Params, origin_of, url_of

__all__ = ["Client", "Params", "Reply"]

TIMEOUT = httpx.Timeout(30, connect=10).as_dict()  # seconds
MAX_REDIRECTS = 5
UNANSWERED = frozenset({"", "Is the address right?"})  # what is said where nobody answers; a server's no says more
STILL_THERE = "It answered before: is it still running, and this machine still on its network?"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Reply:
    """One answer of the service.

    Args:
        status: HTTP status, 200 to 299.
        headers: Response headers, names in lower case.
        content: The body, decoded of its compression.
        where: Method and path it answers, for error messages.
        url: The address it answers, with no credential in it.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    where: str = ""
    url: str = field(default="", repr=False)

    @property
    def data(self) -> Any:
        """The body: decoded JSON, whether or not it is called so, else text; None when there is none."""
        if not self.content.strip():
            return None
        if "json" in self.headers.get("content-type", ""):
            return self.json()
        with suppress(BadReplyError):
            return self.json() if self._begins_as_json else self.text()
        return self.text()

    def json(self) -> Any:
        """The body as JSON, whatever type it declares.

        Raises:
            BadReplyError: It is something else, or is cut short.
        """
        fault: str
        try:
            return json.loads(self.content)
        except json.JSONDecodeError as error:
            fault = f"not JSON at character {error.pos} of {len(error.doc)}"
        except UnicodeDecodeError:
            fault = "JSON in an unknown encoding"
        except (RecursionError, ValueError) as error:
            fault = f"JSON beyond reason ({type(error).__name__})"
        kind = quoted(self.headers.get("content-type") or "no content type", 60)
        refusal = BadReplyError(f"{self.where}: the answer ({kind}) is {fault}.", hint="Is base_url right?")
        refusal.cut_short = self._begins_as_json and not self.content.rstrip().endswith((b"}", b"]"))
        raise refusal

    @property
    def _begins_as_json(self) -> bool:
        return self.content.lstrip().startswith((b"{", b"["))

    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", errors="replace")


class Client:
    """Asks one API. Threads may share it.

    Args:
        base_url: Where the API starts.
        transport: What sends and signs.
        private_param: The query parameter that carries an API key. It is the transport's: where a link of the
            service repeats it, it is taken out.
        clock: Seconds, as `time.time` gives.
        sleep: Waits that many seconds.

    Attributes:
        is_accepted: Whether the service accepts this login, by its last word; None before the first yes.
        meter: What was asked and received, and what the service said of its limits.
    """

    def __init__(
        self,
        base_url: str,
        transport: httpx.BaseTransport,
        *,
        private_param: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.is_accepted: bool | None = None
        self.meter = Meter()
        self._base = httpx.URL(base_url)
        self._private_param = private_param
        self._clock = clock
        self._sleep = sleep
        self._gate = Gate(clock, sleep)
        self._lines = Lines()
        self._transport = transport
        self._headers = httpx.Headers({**HEADERS, "Connection": "keep-alive"})
        self._extensions = {"timeout": TIMEOUT, **self._lines.watching}
        self._is_closed = False

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        form: Params | None = None,
        check: Callable[[Reply], object] | None = None,
        halt: Halt | None = None,
    ) -> Reply:
        """Send one request; a safe one again while its failure may pass.

        Args:
            method: HTTP method.
            path: Below the base URL, or a whole URL on the same origin.
            params: Query parameters; a sequence repeats its name.
            json: Body, sent as JSON.
            form: Body, sent form-encoded.
            check: Raises `BadReplyError` for an answer that is no good; one that was cut short is asked for again.
            halt: Ends every wait when it is set.

        Returns:
            The answer, of status 200 to 299.

        Raises:
            LoginError: The login is refused.
            QueryError: The service says the question is wrong, or `path` leaves the API's origin.
            ServiceError: The service does not answer as it should.
            Halted: `halt` was set.
        """
        if self._is_closed:
            raise NoCredentialsError("This session is logged out.", hint="Log in again.")
        method = method.upper()
        url = url_of(self._base, path, params, self._private_param)
        request = self._request(method, url, json=json, data=None if form is None else dict(form))
        try:
            return self._once(request, check, halt)
        except ServiceError as error:
            if method not in SAFE_METHODS or not may_pass(error):
                raise
            first: list[ServiceError] = [error]
        return self._again(first, request, check, halt or Halt())

    def _again(
        self, first: list[ServiceError], request: httpx.Request, check: Callable[[Reply], object] | None, halt: Halt
    ) -> Reply:
        """Repeat a request whose first attempt failed; what repeats is only made when it is needed."""
        now = time.monotonic()
        began = request.extensions.get("began", now)

        def attempt() -> Reply:
            if first:
                raise first.pop()
            request.extensions["seconds"] = seconds_for(began + BUDGET_SECONDS - time.monotonic())
            return self._once(request, check, halt)

        reply: Reply = retries(lambda seconds: halt.nap(seconds, self._sleep), now - began)(attempt)
        return reply

    @property
    def refusals(self) -> int:
        """Answers that asked for patience, and attempts that got none, so far."""
        return self.meter.refusals

    def cut(self) -> None:
        """Break off every request that is under way. The client stays usable."""
        self._lines.cut()

    def close(self) -> None:
        """Close the connections. A request under way ends with an error at once."""
        self._is_closed = True
        self._lines.cut()
        self._transport.close()

    def _once(self, request: httpx.Request, check: Callable[[Reply], object] | None, halt: Halt | None) -> Reply:
        try:
            reply = self._accepted(request, halt)
        except SessionExpiredError:
            self.is_accepted = False
            raise
        self.is_accepted = True
        if check:
            check(reply)
        return reply

    def _accepted(self, request: httpx.Request, halt: Halt | None) -> Reply:
        with self._gate.passage(halt):
            request.extensions.setdefault("began", time.monotonic())
            response, headers = self._answered(request)
        where = f"{request.method} {request.url.path}"
        if not response.is_success:
            raise failure(response, where, self._base.host, is_proven=self._is_proven, now=self._clock())
        return Reply(response.status_code, headers, response.content, where, str(request.url))

    @property
    def _is_proven(self) -> bool:
        return self.is_accepted is not None

    def _answered(self, request: httpx.Request) -> tuple[httpx.Response, Mapping[str, str]]:
        """The answer and its headers, after what it says of limits was taken to heart."""
        try:
            response = self._follow(request)
        except UnreachableError as error:
            self.meter.missed()
            if self._is_proven and error.transient and not error.reached and error.hint in UNANSWERED:
                error.hint = STILL_THERE
            raise
        headers = dict(response.headers.items())
        self.meter.answered(headers, response.status_code, len(response.content), self._clock())
        self._gate.heed(headers, response.status_code)
        return response, headers

    def _request(self, method: str, url: httpx.URL, **more: Any) -> httpx.Request:
        return httpx.Request(method, url, headers=self._headers, **{"extensions": self._extensions} | more)

    def _follow(self, request: httpx.Request) -> httpx.Response:
        """Send, and follow redirects of a safe request within the origin.

        Why not through `httpx.Client`: its cookies and hooks, which we have none of, take longer than signing.
        """
        where = f"{request.method} {request.url.path}"
        for _ in range(MAX_REDIRECTS + 1):
            response = self._transport.handle_request(request)
            if not response.has_redirect_location:
                return response
            target = _target(request, response)
            if request.method not in SAFE_METHODS or origin_of(target) != origin_of(self._base):
                break
            request = self._request(request.method, target, extensions=request.extensions)
        raise BadReplyError(
            f"{where}: redirected to {quoted(target.host)}, which is not followed.", hint="Is base_url right?"
        )


def _target(request: httpx.Request, response: httpx.Response) -> httpx.URL:
    """Where a redirect leads; nowhere, when its address is malformed."""
    try:
        return request.url.join(response.headers["location"])
    except (httpx.InvalidURL, ValueError):
        return httpx.URL("")
