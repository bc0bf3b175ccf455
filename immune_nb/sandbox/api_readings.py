"""The endpoints of readings: list, submit one, submit many (api-contract 1.3)."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .alerts import alert_of, trips
from .bodies import is_number, read_json
from .instants import SECOND, iso, parse
from .listing import limit_of, words
from .plant import MACHINES, QUALITIES, RANKS, SENSORS
from .problems import Problem, immune_envelope
from .readings import Page, Query, Readings, Window
from .render import Selection

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

    from .cursors import Position
    from .settings import Settings
    from .store import Store
    from .webhooks import Courier

__all__ = ["ReadingsApi"]

MAX_BATCH: Final = 1000
Record = dict[str, Any]


class ReadingsApi:
    """``/readings``, also under its other documented name ``/sensors/readings``."""

    def __init__(self, settings: Settings, readings: Readings, store: Store, courier: Courier) -> None:
        self._settings = settings
        self._readings = readings
        self._store = store
        self._courier = courier

    def routes(self) -> list[Route]:
        """What answers where."""
        return [
            Route("/v1/readings", self.list_readings, methods=["GET"]),
            Route("/v1/readings", self.submit_one, methods=["POST"]),
            Route("/v1/sensors/readings", self.list_readings, methods=["GET"]),
            Route("/v1/sensors/readings", self.submit_one, methods=["POST"]),
            Route("/v1/readings/batch", self.submit_many, methods=["POST"]),
            Route("/v1/sensors/readings/batch", self.submit_many, methods=["POST"]),
        ]

    async def list_readings(self, request: Request) -> Response:
        """``GET /readings``. A page that needs rendering is made on a thread, so that others are not held up."""
        query = self._query(request.query_params)
        if self._readings.is_warm(query):
            page = self._readings.page(query)
        else:
            page = await asyncio.to_thread(self._readings.page, query)
        return Response(self._text(page), media_type="application/json")

    async def submit_one(self, request: Request) -> Response:
        """``POST /readings``: 201 and the reading with its id."""
        return JSONResponse(self._accept(await read_json(request)), 201)

    async def submit_many(self, request: Request) -> Response:
        """``POST /readings/batch``: one outcome per row, in order; 201 when all went in, else 207."""
        rows = (await read_json(request)).get("readings")
        if not isinstance(rows, list) or len(rows) > MAX_BATCH:
            rule = f"a list of at most {MAX_BATCH} readings"
            raise Problem("INVALID_READING", f"readings must be {rule}.", field="readings", constraint=rule)
        outcomes = [{"index": index, **self._outcome(row)} for index, row in enumerate(rows)]
        accepted = sum(outcome["status"] == "accepted" for outcome in outcomes)
        body = {"data": outcomes, "accepted": accepted, "rejected": len(outcomes) - accepted}
        return JSONResponse(body, 201 if accepted == len(outcomes) else 207)

    def _text(self, page: Page) -> bytes:
        count = page.total
        if self._settings.total_count == "unfiltered":
            every = Selection(tuple(range(len(SENSORS))))
            count = self._readings.count(every, self._readings.everything())
        more = b"true" if page.has_more else b"false"
        tail = b"" if self._settings.total_count == "absent" else b',"total_count":%d' % count
        return b'{"data":[' + page.rows + b'],"has_more":' + more + tail + b"}"

    def _query(self, params: QueryParams) -> Query:
        if "starting_after" in params and "ending_before" in params:
            rule = "not together with starting_after"
            raise Problem("INVALID_CURSOR", "Give one cursor.", field="ending_before", constraint=rule)
        return Query(
            selection=_selection(params),
            window=_window(params, self._readings.everything(), self._settings.bounds),
            limit=limit_of(params, self._settings),
            after=self._cursor(params, "starting_after"),
            before=self._cursor(params, "ending_before"),
            newest_first=self._settings.order == "desc",
        )

    def _cursor(self, params: QueryParams, name: str) -> Position | None:
        if name not in params:
            return None
        place = self._readings.locate(params[name])
        if place is None:
            rule = "the id of a reading"
            raise Problem("INVALID_CURSOR", f"{name} must be {rule}.", field=name, constraint=rule)
        return place

    def _outcome(self, row: object) -> Record:
        """Submit one row of a batch."""
        try:
            if not isinstance(row, dict):
                raise _invalid("readings", "each a JSON object")
            return {"status": "accepted", "id": self._accept(row)["id"]}
        except Problem as problem:
            return {"status": "rejected"} | immune_envelope(problem)

    def _accept(self, row: Record) -> Record:
        """Check, keep and judge a submitted reading."""
        rank, micros = _rank_in(row), _instant(row.get("timestamp"), "timestamp")
        sensor = SENSORS[rank]
        unit, quality = row.get("unit", sensor.trait.unit), row.get("quality", "good")
        if not is_number(row.get("value")):
            raise _invalid("value", "a number")
        if not isinstance(unit, str):
            raise _invalid("unit", "text")
        if quality not in QUALITIES:
            raise _invalid("quality", "one of " + ", ".join(QUALITIES))
        record = {"sensor_id": sensor.id, "equipment_id": sensor.machine.id, "value": row["value"]}
        record |= {"unit": unit, "timestamp": iso(micros), "quality": quality}
        record = self._store.add_reading(record, micros, rank, QUALITIES.index(quality))
        self._judge(record)
        return record

    def _judge(self, reading: Record) -> None:
        """Raise the alert of every rule the reading trips, unless that alert is still active."""
        alerts = self._store.all("alert") if (rules := self._store.all("rule")) else []
        active = {(a.get("rule_id"), a.get("sensor_id")) for a in alerts if a["status"] == "active"}
        for rule in rules:
            if trips(rule, reading) and (rule["id"], reading["sensor_id"]) not in active:
                created = iso(int(self._settings.clock()) * SECOND)
                alert = alert_of(rule, reading, f"alert_{secrets.token_hex(6)}", created)
                self._courier.announce("alert.triggered", self._store.put("alert", alert))


def _selection(params: QueryParams) -> Selection:
    """Which sensors and qualities are asked for; none named means all."""
    ranks = [_rank(name) for name in words(params, "sensor_id")] or range(len(SENSORS))
    machines = words(params, "equipment_id")
    for name in machines:
        if name not in {machine.id for machine in MACHINES}:
            raise Problem("NOT_FOUND", f"There is no equipment {name!r}.", field="equipment_id", constraint="exists")
    chosen = tuple(sorted(r for r in ranks if not machines or SENSORS[r].machine.id in machines))
    wanted = words(params, "quality")
    if not set(wanted) <= set(QUALITIES):
        rule = "of " + ", ".join(QUALITIES)
        raise Problem("INVALID_PARAMETER", f"quality must be {rule}.", field="quality", constraint=rule)
    return Selection(chosen, tuple(code for code, word in enumerate(QUALITIES) if not wanted or word in wanted))


def _rank(sensor_id: str) -> int:
    rank = RANKS.get(sensor_id)
    if rank is None:
        message = f"There is no sensor {sensor_id!r}."
        raise Problem("SENSOR_NOT_FOUND", message, field="sensor_id", constraint="an existing sensor")
    return rank


def _rank_in(row: Record) -> int:
    sensor_id = row.get("sensor_id")
    if not isinstance(sensor_id, str):
        raise _invalid("sensor_id", "text")
    return _rank(sensor_id)


def _window(params: QueryParams, whole: Window, bounds: str) -> Window:
    """The time filters as ``[start, end)``, whatever the server's bounds are."""
    start = _instant(params["start_time"], "start_time") if "start_time" in params else None
    end = _instant(params["end_time"], "end_time") if "end_time" in params else None
    if start is not None and end is not None and end < start:
        rule = "not before start_time"
        raise Problem("INVALID_TIMESTAMP", "end_time is before start_time.", field="end_time", constraint=rule)
    return Window(
        whole.start if start is None else start + (bounds == "open"),
        whole.end if end is None else end + (bounds == "closed"),
    )


def _instant(text: object, field: str) -> int:
    try:
        return parse(text if isinstance(text, str) else "")
    except ValueError:
        rule = "ISO 8601 with a UTC offset, e.g. 2024-01-20T15:30:00Z"
        raise Problem("INVALID_TIMESTAMP", f"{field} must be {rule}.", field=field, constraint=rule) from None


def _invalid(field: str, rule: str) -> Problem:
    return Problem("INVALID_READING", f"{field} must be {rule}.", field=field, constraint=rule)
