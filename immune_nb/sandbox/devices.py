"""Signing in on a device without a browser (RFC 8628): what the device asks, and what the person decides."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, Final

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant

from .clients import AUTH_METHODS, FormRequest
from .grants import Approval, Pending
from .store import digest

if TYPE_CHECKING:
    from .store import Store

__all__ = ["DeviceAuthorization", "DeviceCode", "decide_device", "find_device"]

DEFAULT_INTERVAL: Final = 5
SLOWER: Final = 5


class DeviceAuthorization(DeviceAuthorizationEndpoint):  # type: ignore[misc] # authlib ships no types
    """RFC 8628, 3.1 and 3.2: a code for the device, and one for the person."""

    CLIENT_AUTH_METHODS = AUTH_METHODS  # type: ignore[assignment,unused-ignore] # authlib's name for it

    @property
    def EXPIRES_IN(self) -> int:  # noqa: N802 - authlib's name
        """How long both live."""
        return int(self.server.faults().device_lifetime_s)

    @property
    def INTERVAL(self) -> int:  # noqa: N802 - authlib's name
        """Seconds between polls."""
        return int(self.server.faults().device_interval_s)

    def create_endpoint_response(self, request: FormRequest) -> Any:
        """Authlib's answer, without ``interval`` when that is switched off; a client then waits 5 s (3.2)."""
        status, body, headers = super().create_endpoint_response(request)
        record = self.server.store.get("device", digest(body["device_code"]))
        self.server.store.put("device", record | {"audience": request.resources})
        if body["interval"] < 0:
            del body["interval"]
        return status, body, headers

    def get_verification_uri(self) -> str:
        """Where the person goes."""
        return str(self.server.verification_uri)

    def save_device_credential(self, client_id: str, scope: str | None, data: dict[str, Any]) -> None:
        """Keep what is asked for until a person has decided."""
        interval = data["interval"] if data["interval"] >= 0 else DEFAULT_INTERVAL
        self.server.store.put(
            "device",
            {
                "id": digest(data["device_code"]),
                "client_id": client_id,
                "user_code": data["user_code"],
                "scope": self.server.query_client(client_id).get_allowed_scope(scope),
                "user": "",
                "family": secrets.token_hex(8),
                "ends": self.server.now() + data["expires_in"],
                "interval": interval,
                "polled": None,
                "decision": "",
            },
        )


class DeviceCode(DeviceCodeGrant):  # type: ignore[misc] # authlib ships no types
    """RFC 8628, 3.4 and 3.5: the device asks until a person has decided."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS  # type: ignore[assignment,unused-ignore] # authlib's name for it

    def query_device_credential(self, device_code: str) -> Pending:
        """Look a device code up.

        Raises:
            InvalidGrantError: Nobody knows it, or it was used. Authlib would say ``invalid_request``.
        """
        record = self.server.store.get("device", digest(device_code))
        if record is None:
            raise InvalidGrantError("The device_code is unknown or was used.")
        return Pending(record, self.server.now())

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        """What the person decided."""
        record = find_device(self.server.store, user_code)
        return (record["user"], record["decision"] == "allow") if record and record["decision"] else None

    def should_slow_down(self, credential: Pending) -> bool:
        """Whether the device asks too often; then it must wait 5 s longer from now on."""
        record, now = credential.record, credential.now
        hasty = record["polled"] is not None and now - record["polled"] < record["interval"]
        slower = record["interval"] + (SLOWER if hasty else 0)
        self.server.store.put("device", record | {"polled": now, "interval": slower})
        return bool(hasty)

    def create_token_response(self) -> Any:
        """Authlib's answer; the code is over with it."""
        answer = super().create_token_response()
        self.server.store.remove("device", self.request.credential.record["id"])
        return answer


def find_device(store: Store, user_code: str) -> dict[str, Any] | None:
    """The sign-in a person's code belongs to, however it is typed (RFC 8628, 6.1)."""
    typed = re.sub(r"[^A-Z]", "", user_code.upper())
    codes = {record["user_code"].replace("-", ""): record for record in store.all("device")}
    return codes.get(typed)


def decide_device(store: Store, record: dict[str, Any], approval: Approval | None) -> None:
    """Note what a person decided."""
    said = {"decision": "allow", "user": approval.user, "scope": approval.scope} if approval else {"decision": "deny"}
    store.put("device", record | said)
