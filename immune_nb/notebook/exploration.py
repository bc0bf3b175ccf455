"""What is being explored: sensors, a range of time, and the readings that are held of them. No widget is needed.

A sensor that is added is fetched alone, for the range that is held of the others; another range is fetched anew.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from immune_nb.errors import ImmuneError, QueryError
from immune_nb.frames.instants import micros, time_range, to_api
from immune_nb.frames.schemas import READINGS

from .recipe import Recipe
from .traces import Trace, traces_of

if TYPE_CHECKING:
    from immune_nb.fetch.crops import Progress
    from immune_nb.frames.instants import Instant, Range
    from immune_nb.session import Session

__all__ = ["Exploration", "limits_of", "micros_of"]

Within = tuple[pd.Timestamp, pd.Timestamp]
MOST_ALERTS = 2_000
SECOND = 1_000_000  # microseconds
# What others call it that the documentation does not: only `id` and `status` are sure (api-contract 1.2).
FIELDS = {
    "status": ("status", "state"),
    "machine": ("equipment_id", "machine_id", "asset_id", "device_id"),
    "name": ("name", "label", "description"),
    "unit": ("unit", "units"),
}
LIMITS = {"warning": "warning_limit", "critical": "critical_limit"}


class Exploration:
    """Some sensors over a range of time.

    Args:
        session: The login to ask with.
        sensors: Ids of the sensors that are chosen at first.
        last: The span up to now to look at.
        start: Its first instant, instead of `last`.
        end: Its last instant, not included.
        clock: Unix seconds.

    Attributes:
        chosen: Ids of the chosen sensors, in the order of choice.
        last: The span that was asked for; empty where a range was.
        within: The range that is held.
        shown: The stretch of it that is looked at.
        every: Width of the bins to average over, as pandas writes it; empty for none.
        limits: By sensor, the limits that its record names, by their words; known after `sensors`.
        machines: By sensor, the machine that it is on; known after `sensors`.
    """

    def __init__(
        self,
        session: Session,
        sensors: Iterable[str] = (),
        *,
        last: str = "7d",
        start: Instant = None,
        end: Instant = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.session = session
        self.chosen: tuple[str, ...] = tuple(dict.fromkeys(sensors))
        self.every = ""
        self.limits: dict[str, dict[str, float]] = {}
        self.machines: dict[str, str] = {}
        self._clock = clock
        self.choose_range(last=last, start=start, end=end)

    def choose_range(self, *, last: str = "", start: Instant = None, end: Instant = None) -> None:
        """Look at another range; what is held of the former is dropped.

        Raises:
            QueryError: It cannot be read, or is empty.
        """
        span = last if last and start is None else None
        within = time_range(start, end, span, self._clock())
        self.within = self.shown = _closed(within, self._clock())
        self.last = span or ""
        self.forget()

    def forget(self) -> None:
        """Hold nothing any more; the next `fetch` brings it again."""
        self._batches: dict[tuple[str, ...], pd.DataFrame] = {}  # by whose readings they are
        self._traces: dict[str, Trace] = {}
        self._asked: set[str] = set()
        self._alerts: tuple[list[dict[str, Any]], str] | None = None  # and what is wrong with them

    def show(self, start: int, end: int) -> None:
        """Look at a stretch of what is held, in microseconds since 1970; at all of it, if the two do not overlap."""
        first, final = map(micros_of, self.within)
        if end - start > 1000 * SECOND:  # nobody points more exactly than that
            start, end = start // SECOND * SECOND, -(-end // SECOND) * SECOND
        start, end = max(first, start), min(final, end)
        self.shown = (_instant(start), _instant(end)) if start < end else self.within

    @property
    def missing(self) -> list[str]:
        """The chosen sensors of which nothing is held yet."""
        return [sensor for sensor in self.chosen if sensor not in self._asked]

    def expected(self) -> int | None:
        """How many readings `fetch` would bring; None when the service does not say. One small request per sensor."""
        start, end = self.within
        totals = []
        for sensor in self.missing:
            one = self.session.readings(sensor, start=start, end=end, limit=1, partial=True)
            receipt = one.attrs["immune"]
            totals.append(receipt["rows"] if receipt["complete"] else receipt["reported_total"])
        return None if None in totals else sum(totals)

    def fetch(self, progress: Progress | None = None) -> None:
        """Bring what is missing. Readings that do not arrive are told of in `remarks`.

        Raises:
            ImmuneError: Nothing came.
        """
        missing, (start, end) = self.missing, self.within
        if missing:
            batch = self.session.readings(missing, start=start, end=end, partial=True, progress=progress)
            self._batches[tuple(missing)] = batch
            self._traces |= traces_of(batch, missing[0] if len(missing) == 1 else "")
            self._asked.update(missing)

    @property
    def remarks(self) -> list[str]:
        """What did not arrive or cannot be drawn, of readings and of alerts, a sentence each."""
        receipts = [batch.attrs["immune"] for batch in self._batches.values()]
        broken = [receipt for receipt in receipts if not receipt["complete"]]
        undrawn = [trace for trace in self._traces.values() if trace.undrawn and trace.sensor in self.chosen]
        return [
            *(f"NOT complete: {part['rows']:,} rows arrived, stopped by {part['stopped_by']}." for part in broken),
            *(f"{one.undrawn:,} readings of {one.sensor} have no instant or no finite value." for one in undrawn),
            *([self._alerts[1]] if self._alerts and self._alerts[1] else []),
        ]

    def traces(self) -> list[Trace]:
        """The readings that are looked at, a trace per chosen sensor that has any in the range."""
        start, end = map(micros_of, self.shown)
        held = [self._traces[sensor] for sensor in self.chosen if sensor in self._traces]
        return [trace.between(start, end) for trace in held]

    def lines(self, traces: Iterable[Trace]) -> list[Trace]:
        """Traces as they are to be drawn: averaged, where that is asked for."""
        step = int(pd.Timedelta(self.every) / pd.Timedelta("1us")) if self.every else 0
        return [trace.averaged(step) if step else trace for trace in traces]

    def frame(self) -> pd.DataFrame:
        """The readings that are looked at, as `recipe` would fetch them: same rows, same order, with a receipt.

        Raises:
            QueryError: No sensor is chosen, or nothing has been fetched.
        """
        if not self.chosen or self.missing:
            lacking = f" of {', '.join(self.missing)}" if self.missing else ""
            raise QueryError(f"There are no readings{lacking} to make a frame of.", hint="Choose a sensor again.")
        start, end = self.shown
        left_out = self._asked.difference(self.chosen)
        parts = [
            batch[~batch["sensor_id"].isin(left_out) & (batch["timestamp"] >= start) & (batch["timestamp"] < end)]
            for sensors, batch in self._batches.items()
            if not left_out.issuperset(sensors)
        ]
        frame = _joined(parts).sort_values(["timestamp", "sensor_id"], kind="stable", ignore_index=True)
        frame.attrs["immune"] = self._receipt(frame)
        return self.recipe().averaged(frame)

    def recipe(self, profile: str = "") -> Recipe:
        """The code for what is looked at; it names `profile` where that is not the current one."""
        return Recipe(self.chosen, *self.shown, self.every, profile)

    def sensors(self) -> list[dict[str, str]]:
        """What can be chosen: id, status, machine, name and unit of each sensor, as far as the service says."""
        listed = self.session.sensors()
        columns = {key: next((n for n in names if n in listed), "") for key, names in FIELDS.items()}
        cards = pd.DataFrame({"id": listed["id"].astype(str)})
        for key, column in columns.items():
            texts = listed[column].astype(object) if column else pd.Series("", index=listed.index, dtype=object)
            cards[key] = texts.where(texts.notna(), "").astype(str)
        self.limits = limits_of(listed)
        self.machines = dict(zip(cards["id"], cards["machine"], strict=True))
        found: list[dict[str, str]] = cards.to_dict("records")  # type: ignore[assignment] # its keys are text
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts about chosen sensors, each with those; one that names none is about all of its machine.

        They are asked for once for a range that is chosen. What is wrong with them is told of in `remarks`.
        """
        if self._alerts is None:
            self._alerts = self._listed_alerts()
        found = [{**alert, "sensors": self._about(alert)} for alert in self._alerts[0]]
        return [alert for alert in found if alert["sensors"]]

    def _about(self, alert: Mapping[str, Any]) -> list[str]:
        """The chosen sensors that an alert is about."""
        named, machine = alert["sensor_id"], alert["equipment_id"]
        meant = {named} if named else {sensor for sensor, at in self.machines.items() if machine and at == machine}
        return [sensor for sensor in self.chosen if sensor in meant]

    def _listed_alerts(self) -> tuple[list[dict[str, Any]], str]:
        """The alerts there are, and what is wrong with them: not all, or none where the service has no such list."""
        try:
            alerts = self.session.alerts(limit=MOST_ALERTS, partial=True)
        except ImmuneError as error:
            return [], f"Alerts are not marked: {error}"
        wrong = "" if alerts.attrs["immune"]["complete"] else f"Only {len(alerts):,} alerts arrived to be marked."
        alerts = alerts[alerts["created_at"].notna()]
        texts = alerts[["severity", "status", "sensor_id", "equipment_id", "message"]].astype(object)
        cards: list[dict[str, Any]] = texts.where(texts.notna(), "").to_dict("records")  # type: ignore[assignment]
        instants = (micros_of(at) / 1000 for at in alerts["created_at"])
        return [{**card, "at": at} for card, at in zip(cards, instants, strict=True)], wrong

    def _receipt(self, frame: pd.DataFrame) -> dict[str, Any]:
        """The receipt of what is looked at, out of those of what was fetched."""
        receipts = [batch.attrs["immune"] for batch in self._batches.values()]
        start, end = map(to_api, self.shown)
        sensors: Any = self.chosen[0] if len(self.chosen) == 1 else list(self.chosen)
        broken = next((r["stopped_by"] for r in receipts if not r["complete"]), "")
        return {
            **receipts[-1],
            "parameters": {"sensor_id": sensors, "start_time": start, "end_time": end},
            "rows": len(frame),
            "pages": sum(receipt["pages"] for receipt in receipts),
            "seconds": round(sum(receipt["seconds"] for receipt in receipts), 3),
            "reported_total": None,
            "complete": not broken,
            "stopped_by": broken or "end",
        }


def _closed(within: Range, now: float) -> Within:
    """The range with an end: up to now, where it names none."""
    start, end = within
    if start is None:
        raise QueryError("The range has no start.", hint="Write --last 7d, or --start.")
    end = end if end is not None else _instant(math.ceil(now) * SECOND)
    if start >= end:
        raise QueryError(f"start {to_api(start)} is not before end {to_api(end)}.")
    return start, end


def limits_of(listed: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The limits in a list of sensors, where they are finite numbers."""
    found: dict[str, dict[str, float]] = {}
    for word, column in LIMITS.items():
        numbers = pd.to_numeric(listed[column], errors="coerce") if column in listed else ()
        for sensor, limit in zip(listed["id"].astype(str), numbers, strict=False):
            if math.isfinite(limit):
                found.setdefault(sensor, {})[word] = float(limit)
    return found


def micros_of(instant: pd.Timestamp) -> int:
    """Microseconds since 1970 of an instant that is there."""
    return micros(instant) or 0


def _instant(since_1970: int) -> pd.Timestamp:
    return pd.Timestamp(since_1970, unit="us", tz="UTC").as_unit("us")


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of readings in one, with the categories that a single fetch of them would have."""
    orders = {}
    for column in READINGS.columns:
        if column.dtype == "category":
            met = {word for part in parts for word in part[column.name].cat.remove_unused_categories().cat.categories}
            order = [*column.words, *sorted(met.difference(column.words))]
            orders[column.name] = pd.CategoricalDtype(pd.Index(order, dtype=object))
    return pd.concat([part.astype(orders) for part in parts], ignore_index=True)
