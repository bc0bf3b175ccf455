"""The device grant: a code to type elsewhere, and a poll for what came of it. Protocol only, as in `grants`."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode

import httpx

from immune_nb.addresses import check_url
from immune_nb.auth.client import OAuthClient
from immune_nb.auth.echoes import SHORTEST
from immune_nb.auth.oauth_errors import check_reply, is_page, json_object, oauth_error
from immune_nb.auth.secrets import Secret
from immune_nb.auth.tokens import Token
from immune_nb.errors import BadReplyError, LoginRejectedError, RateLimitedError, ServiceError, UnreachableError

__all__ = ["DeviceGrant"]

SLOW_DOWN_SECONDS = 5.0
DEFAULT_INTERVAL = 5.0
DEFAULT_LIFETIME = 900.0
LONGEST_INTERVAL = 60.0
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


class DeviceGrant:
    """The device authorization grant (RFC 8628): a code to type elsewhere, and a poll for its outcome.

    Making one asks the server for a code.

    Attributes:
        user_code: What the person types.
        url: Where.
        url_complete: The same with the code filled in, where the server has that; else None.
        interval: Seconds to wait between polls.
        expires_at: When the code expires, in seconds of the client's clock.

    Raises:
        ConfigError: The profile has no device endpoint.
        LoginRejectedError: The server refuses this client.
        ServiceError: It does not answer as it should.
    """

    def __init__(self, client: OAuthClient) -> None:
        body = _begun(client)
        self._client = client
        self._code = _sealed_code(body)
        self.user_code = _required(body, "user_code")
        self.url = _required(body, "verification_uri", "verification_url")
        if self._shows_code(self.user_code) or self._shows_code(self.url):
            del body
            raise BadReplyError("The device endpoint wants its device_code shown, which is a secret.")
        complete = _text(body.get("verification_uri_complete"))
        self.url_complete = None if complete and self._shows_code(complete) else complete
        self.interval = _seconds(body.get("interval"), DEFAULT_INTERVAL) or DEFAULT_INTERVAL
        self.expires_at = client.clock() + _seconds(body.get("expires_in"), DEFAULT_LIFETIME)
        for address in (self.url, self.url_complete):
            check_url("The address to open", address)

    def poll(self) -> Token | None:
        """Ask once whether the person has agreed; None while that is open.

        A server error, an HTML page, an answer that cannot be read, or none says nothing, and leaves it open.

        Raises:
            LoginRejectedError: The person declined, the code expired, or the server refuses.
            BadReplyError: The server answers what is no token, or not the token endpoint does.
        """
        if self._client.clock() >= self.expires_at:
            raise LoginRejectedError("The code has expired.", hint="Start again.")
        try:
            reply = self._client.ask(DEVICE_CODE, device_code=self._code)
        except ServiceError:  # RFC 8628 3.5: ask ever less often then
            self.interval = min(2 * self.interval, max(self.interval, LONGEST_INTERVAL))
            return None
        match oauth_error(reply):
            case "authorization_pending":
                return None
            case "slow_down":
                wished = _seconds(json_object(reply, "").get("interval"), 0.0)
                self.interval = max(self.interval + SLOW_DOWN_SECONDS, wished)
                return None
            case "access_denied" | "authorization_declined":
                raise LoginRejectedError("The login was declined.", hint="Start again if that was a mistake.")
            case "expired_token":
                raise LoginRejectedError("The code has expired.", hint="Start again.")
        return None if is_page(reply) else self._read(reply)

    def _read(self, reply: httpx.Response) -> Token | None:
        """The token in an answer; None where that is about the moment only."""
        try:
            return self._client.read(reply, known=True)  # it got its code from here
        except RateLimitedError as error:
            self.interval = max(self.interval, _seconds(error.retry_after, 0.0))
        except UnreachableError:
            pass
        return None

    def _shows_code(self, text: str) -> bool:
        """Whether a text that a person is shown holds the code that is nobody's business."""
        return len(self._code.reveal()) >= SHORTEST and self._code.reveal() in unquote(text)


def _begun(client: OAuthClient) -> dict[str, Any]:
    """What the device endpoint answers."""
    url, scopes = client.server.url("device_url", client.profile), client.profile.scopes
    reply = client.post(url, urlencode([("scope", " ".join(scopes))] * bool(scopes)), asks=True)
    check_reply(reply, url, client.clock(), setting="device_url")
    return json_object(reply, url)


def _sealed_code(body: dict[str, Any]) -> Secret:
    """The device code, taken out of the answer: what else is wrong with that shows it to nobody."""
    code = Secret.sealed(_text(body.pop("device_code", None)), "device code")
    if code is None:
        raise BadReplyError("The device endpoint's answer holds no device_code.")
    return code


def _required(body: dict[str, Any], *names: str) -> str:
    found = next(filter(None, (_text(body.get(name)) for name in names)), None)
    if found is None:
        raise BadReplyError(f"The device endpoint's answer holds no {names[0]}.")
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: Any, default: float) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return default
    return seconds if 0 <= seconds < 1e6 else default  # noqa: PLR2004 - eleven days, more than any code lives
