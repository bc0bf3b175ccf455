"""The endpoints of short lists: sensors, equipment, alerts, rules, settings, webhooks, predictions (1.2, 1.6-1.8)."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .alerts import OPERATORS, SEVERITIES, STATUSES
from .bodies import is_number, read_form, read_json
from .instants import SECOND, iso
from .listing import envelope, keep, one
from .plant import MACHINES, SENSORS
from .problems import Problem
from .webhooks import EVENTS, is_loopback

if TYPE_CHECKING:
    from starlette.requests import Request

    from .settings import Settings
    from .store import Store

__all__ = ["RecordsApi"]

FILTERS: Final = {
    "sensor": ("status", "type", "unit", "equipment_id", "location"),
    "equipment": ("type", "location"),
    "alert": ("status", "severity", "type", "sensor_id", "equipment_id"),
    "prediction": ("equipment_id",),
    "rule": ("equipment_id", "sensor_id", "severity"),
    "setting": (),
    "webhook": (),
}.__getitem__
Record = dict[str, Any]


class RecordsApi:
    """Everything that is listed whole before it is cut into pages."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def routes(self) -> list[Route]:
        """What answers where. The paths of predictions and equipment are assumed (1.8)."""
        paths = {"sensors": "sensor", "equipment": "equipment", "alerts": "alert", "predictions": "prediction"}
        lists = paths | {"alert-rules": "rule", "notification-settings": "setting", "webhooks": "webhook"}
        routes = [Route(f"/v1/{p}", partial(self.list_records, kind=k), methods=["GET"]) for p, k in lists.items()]
        routes += [
            Route(f"/v1/{path}/{{id}}", partial(self.show_record, kind=kind), methods=["GET"])
            for path, kind in paths.items()
        ]
        return [
            *routes,
            Route("/v1/alerts/{id}", self.change_alert, methods=["PATCH"]),
            Route("/v1/alert-rules", self.add_rule, methods=["POST"]),
            Route("/v1/notification-settings", self.add_setting, methods=["POST"]),
            Route("/v1/webhooks", self.add_webhook, methods=["POST"]),
        ]

    async def list_records(self, request: Request, kind: str) -> Response:
        """One page of a list."""
        records = keep(self._records(kind), request.query_params, FILTERS(kind))
        return JSONResponse(envelope(records, request.query_params, self._settings))

    async def show_record(self, request: Request, kind: str) -> Response:
        """One record."""
        return JSONResponse(one(self._records(kind), request.path_params["id"], kind))

    async def change_alert(self, request: Request) -> Response:
        """``PATCH /alerts/{id}`` with a status and perhaps a comment; anything else in the body is refused."""
        alert = one(self._records("alert"), request.path_params["id"], "alert")
        body = await read_json(request)
        for field in body.keys() - {"status", "comment"}:
            raise _invalid(field, "left out: only status and comment can change")
        if body.get("status") not in STATUSES:
            raise _invalid("status", "one of " + ", ".join(STATUSES))
        if not isinstance(body.get("comment", ""), str):
            raise _invalid("comment", "text")
        return JSONResponse(self._store.put("alert", alert | body | {"updated_at": self._now()}))

    async def add_rule(self, request: Request) -> Response:
        """``POST /alert-rules``."""
        body = await read_json(request)
        if not isinstance(body.get("name"), str):
            raise _invalid("name", "text")
        _check_text(body, "", "sensor_id", "equipment_id")
        _check_conditions(body.get("conditions"))
        _check_notifications(body.get("notifications", {}))
        if body.get("severity") not in SEVERITIES:
            raise _invalid("severity", "one of " + ", ".join(SEVERITIES))
        return self._created("rule", body)

    async def add_setting(self, request: Request) -> Response:
        """``POST /notification-settings``: any object, as the documentation shows no body."""
        return self._created("setting", await read_json(request))

    async def add_webhook(self, request: Request) -> Response:
        """``POST /webhooks``: form fields ``url`` and ``events[]``; the answer alone has the signing secret."""
        form = await read_form(request)
        url, events = form.get("url"), [str(word) for word in form.getlist("events[]") + form.getlist("events")]
        if not isinstance(url, str) or not is_loopback(url):
            raise _invalid("url", "an http(s) URL on loopback: a sandbox delivers nowhere else")
        if not events or not set(events) <= set(EVENTS):
            raise _invalid("events[]", "one or more of " + ", ".join(EVENTS))
        return self._created("webhook", {"url": url, "events": events, "secret": f"whsec_{secrets.token_hex(24)}"})

    def _records(self, kind: str) -> list[Record]:
        if kind == "sensor":
            return [sensor.record() for sensor in SENSORS]
        if kind == "equipment":
            return [machine.record() for machine in MACHINES]
        records = self._store.all(kind)
        return [{k: v for k, v in r.items() if k != "secret"} for r in records] if kind == "webhook" else records

    def _created(self, kind: str, body: Record) -> Response:
        record = body | {"id": f"{kind}_{secrets.token_hex(6)}", "created_at": self._now()}
        return JSONResponse(self._store.put(kind, record), 201)

    def _now(self) -> str:
        return iso(int(self._settings.clock()) * SECOND)


def _check_text(body: Record, before: str, *fields: str) -> None:
    """Refuse fields that are there and no text."""
    for field in fields:
        if not isinstance(body.get(field, ""), str):
            raise _invalid(before + field, "text")


def _check_conditions(conditions: object) -> None:
    if not isinstance(conditions, dict) or conditions.get("operator") not in tuple(OPERATORS):
        raise _invalid("conditions.operator", "one of " + ", ".join(OPERATORS))
    if not is_number(conditions.get("value")):
        raise _invalid("conditions.value", "a number")
    _check_text(conditions, "conditions.", "type", "parameter")


def _check_notifications(notifications: object) -> None:
    if not isinstance(notifications, dict):
        raise _invalid("notifications", "an object")
    for field in ("channels", "recipients"):
        words = notifications.get(field, [])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise _invalid(f"notifications.{field}", "a list of text")


def _invalid(field: str, rule: str) -> Problem:
    return Problem("INVALID_PARAMETER", f"{field} must be {rule}.", field=field, constraint=rule)
