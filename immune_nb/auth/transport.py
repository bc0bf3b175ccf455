"""The two seams through which bytes leave: a transport that keeps its mouth shut, and one that signs.

`CredentialTransport` adds the credential below the client, to requests for the bound origin and no other. So
the client's logs, redirects, `response.request` and exceptions never see it. Every network error becomes a fresh
error of ours, raised outside the `except`: an httpx exception would carry the signed request along.
"""

from __future__ import annotations

import os
import ssl
import time
import warnings
import weakref
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import httpx

from immune_nb.addresses import PORTS
from immune_nb.auth.bodies import MAX_BODY, SECONDS, read_body
from immune_nb.auth.echoes import without_echoes
from immune_nb.auth.lanes import IDLE_SECONDS, Lanes
from immune_nb.auth.proxies import PROXY_HINT, proxy_for
from immune_nb.auth.schemes import Scheme
from immune_nb.auth.secrets import Unshared
from immune_nb.auth.wires import Wire, origin_of
from immune_nb.errors import BadReplyError, ImmuneWarning, NoCredentialsError, UnreachableError, quoted

__all__ = ["TIMEOUT", "CredentialTransport", "QuietTransport", "Transport", "asking"]

TIMEOUT = httpx.Timeout(30, connect=10).as_dict()
Transport = httpx.BaseTransport  # so that the floors above need not know the library


def asking(url: str, authorization: str = "") -> httpx.Request:
    """A request for JSON at `url`. Pass it on, keep it in no variable: it may be signed."""
    headers = {"Accept": "application/json", "User-Agent": "immune_nb"}
    headers |= {"Authorization": authorization} if authorization else {}
    return httpx.Request("GET", url, headers=headers, extensions={"timeout": TIMEOUT})


class QuietTransport(httpx.BaseTransport):
    """Connections to one origin. It reads every body whole, and its errors name no secret.

    An answer may take a minute, or less where the extension ``seconds`` of its request says so. (Behind a SOCKS proxy
    only the body is timed.)

    Args:
        url: Any URL of the origin; says whether the environment's proxy applies (never to loopback).
        inner: The transport that does the work; by default TLS-verifying ones, as many as are in use at once.
        most: Bytes that an answer may have.

    Raises:
        ConfigError: The environment's proxy cannot be used.
        UnreachableError: No answer, or one that broke off. `transient` is False for a TLS certificate fault.
        BadReplyError: The body cannot be decoded, or is larger than that.
        NoCredentialsError: It is closed, or this process was forked from the one that logged in.
    """

    def __init__(self, url: str, inner: httpx.BaseTransport | None = None, *, most: int = MAX_BODY) -> None:
        self._most = most
        self._lane: Callable[[], AbstractContextManager[httpx.BaseTransport]]
        if inner is None:
            lanes = Lanes(_maker(url))
            self._lane, close = lanes.one, lanes.close
        else:
            self._lane, close = (lambda: nullcontext(inner)), inner.close
        self._pid = os.getpid()
        self._close = weakref.finalize(self, close)  # also when nobody holds it any more

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send and read; see the class for what is raised."""
        outcome = self._attempt(request)
        del request  # it is signed, and a traceback would keep it
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _attempt(self, request: httpx.Request) -> httpx.Response | BaseException:
        if self._pid != os.getpid():
            return NoCredentialsError("A forked process has no login.", hint="Call connect() in it.")
        if not self._close.alive:
            return NoCredentialsError("This session is logged out.", hint="Log in again.")
        seconds = min(request.extensions.get("seconds", SECONDS), SECONDS)
        request.extensions["until"] = until = time.monotonic() + seconds
        try:
            with self._lane() as lane:
                return _read(lane.handle_request(request), until, self._most)
        except (BadReplyError, UnreachableError) as error:
            return error.with_traceback(None)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            return _describe(error, request.url)
        except BaseException as error:  # noqa: BLE001 - an interrupt, or a fault of ours: its frames hold the request
            return _bare(error, request.url)

    def close(self) -> None:
        """Close the connections."""
        self._close()


class CredentialTransport(Unshared, httpx.BaseTransport):
    """Signs requests for one origin, beneath the client; what comes back repeats no credential.

    Args:
        auth: The scheme that signs, and renews after a 401.
        url: Any URL of the origin the credential belongs to.
        inner: What sends.
    """

    def __init__(self, auth: Scheme, url: str, inner: httpx.BaseTransport) -> None:
        self._auth = auth
        self._origin = origin_of(url)
        self._inner = inner

    def sign_with(self, auth: Scheme) -> None:
        """Sign in another way from now on."""
        self._auth = auth

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, signed if it goes to the bound origin."""
        if origin_of(request.url) != self._origin:
            return self._inner.handle_request(request)
        auth = self._auth  # a logout meanwhile takes another, which knows nothing of what was sent
        return without_echoes(self._drive(auth.sync_auth_flow(_copy(request))), auth.held())

    def _drive(self, flow: Generator[httpx.Request, httpx.Response, None]) -> httpx.Response:
        # No local here may hold a signed request: a traceback would keep it.
        try:
            response = self._inner.handle_request(next(flow))
            while True:
                response = self._inner.handle_request(flow.send(response))
        except StopIteration:
            return response
        finally:
            flow.close()

    def close(self) -> None:
        """Close what sends, and then let go of the credential: nothing leaves unsigned."""
        self._inner.close()
        self._auth = Scheme()


def _maker(url: str) -> Callable[[], httpx.BaseTransport]:
    """What makes transports of one connection, which share whom they trust."""
    # Plain http needs no certificates, and loading them takes longer than a request. This context trusts nobody.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if httpx.URL(url).scheme == "http" else _trust()
    proxy = proxy_for(url)
    if proxy is None or proxy.startswith(tuple(PORTS)):
        return partial(Wire, verify, IDLE_SECONDS, None if proxy is None else httpx.URL(proxy))
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS)
    return partial(httpx.HTTPTransport, verify=verify, proxy=proxy, limits=limits)


def _trust() -> ssl.SSLContext:
    """Whom to trust: SSL_CERT_FILE or SSL_CERT_DIR where set, else certifi's; and those the system trusts."""
    if os.environ.get("SSLKEYLOGFILE"):  # honoured by Python: somebody may be debugging, or listening
        said = "SSLKEYLOGFILE is set: who reads that file can read credentials on their way."
        warnings.warn(said, ImmuneWarning, stacklevel=2)
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _copy(request: httpx.Request) -> httpx.Request:
    """The same request as another object, so that what is added never reaches the caller's."""
    request.read()  # so that its stream can be read again
    return httpx.Request(
        request.method,
        request.url,
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions,
    )


def _read(response: httpx.Response, until: float, most: int) -> httpx.Response:
    """The response with its body decoded and in memory, so that nothing can fail later."""
    try:
        body = read_body(response, seconds=until - time.monotonic(), most=most)
    finally:
        response.close()
    kept = [(name, value) for name, value in response.headers.raw if name.lower() not in _ABOUT_THE_WIRE]
    whole = httpx.Response(response.status_code, headers=kept, stream=httpx.ByteStream(body))
    whole.read()
    return whole


_ABOUT_THE_WIRE = frozenset({b"content-encoding", b"content-length", b"transfer-encoding", b"set-cookie"})


def _bare(error: BaseException, url: httpx.URL) -> BaseException:
    """What stands for an error that nobody foresaw: none of its words, nor of its frames."""
    if isinstance(error, Exception):
        return BadReplyError(f"{url.scheme}://{url.netloc.decode()}{url.path}: failed ({type(error).__name__}).")
    return type(error)()


def _describe(error: Exception, url: httpx.URL) -> UnreachableError | BadReplyError:
    said = _said_of(error, url)
    said.reached = not isinstance(error, NEVER_SENT)
    return said


UNKNOWN_CA = "If your company signs its own, point SSL_CERT_FILE at its CA bundle."
CERTIFICATE_HINTS = {  # by OpenSSL's number of what is wrong
    9: "Is this machine's clock right?",
    10: "Is this machine's clock right? Else whoever runs the service has to renew it.",
    62: "Is the address right?",
    64: "Is the address right?",
}
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def _said_of(error: Exception, url: httpx.URL) -> UnreachableError | BadReplyError:
    where = f"{url.scheme}://{url.netloc.decode()}{url.path}"
    kind = type(error).__name__
    match error:
        case httpx.ConnectError() if fault := _certificate_fault(error):
            why = getattr(fault, "verify_message", "") or fault
            return UnreachableError(
                f"{where}: the server's TLS certificate is not trusted: {quoted(why).rstrip('.')}.",
                hint=CERTIFICATE_HINTS.get(getattr(fault, "verify_code", 0), UNKNOWN_CA),
                transient=False,
            )
        case httpx.ConnectError() | httpx.ProxyError():  # its text is the operating system's, or names the proxy
            no = isinstance(error, httpx.ProxyError)
            hint = PROXY_HINT if no else "Is the address right?"
            return UnreachableError(f"{where}: cannot connect: {quoted(error)}.", hint=hint, transient=not no)
        case httpx.TimeoutException():
            return UnreachableError(f"{where}: no answer in time ({kind}).")
        case httpx.DecodingError():
            return BadReplyError(f"{where}: the answer's compression is broken.")
        case httpx.TransportError():
            return UnreachableError(f"{where}: the connection broke ({kind}).")
    return BadReplyError(f"{where}: the request or its answer is malformed ({kind}).")


def _certificate_fault(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error
