"""What went wrong in the plant: its alerts and predictions, and rules that raise new ones (api-contract 1.6, 1.8).

The story is the bearing of ``pump_001``: an anomaly, a warning, a critical alert and a prediction, each dated by the
wear itself. Around it lies one alert of every type, severity and status, so that every filter finds something.
"""

from __future__ import annotations

import operator
from hashlib import blake2b
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from .instants import DAY, SECOND, iso
from .plant import RANKS, SENSORS, Sensor
from .signals import wear_reaches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["OPERATORS", "SEVERITIES", "STATUSES", "alert_of", "first_alerts", "first_predictions", "trips"]

TYPES: Final = ("threshold", "anomaly", "prediction")
SEVERITIES: Final = ("critical", "warning", "info")
STATUSES: Final = ("active", "acknowledged", "resolved")
OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        ">": operator.gt,
        ">=": operator.ge,
        "<": operator.lt,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
        "gt": operator.gt,
        "gte": operator.ge,
        "lt": operator.lt,
        "lte": operator.le,
        "eq": operator.eq,
        "ne": operator.ne,
    }
)
Record = dict[str, Any]


def first_alerts(seed: int, days: int, anchor: int) -> list[Record]:
    """The alerts a fresh sandbox has, oldest first."""
    drafts = sorted([*_bearing(anchor), *_others(seed, days, anchor)], key=lambda draft: draft["created_at"])
    return [{"id": f"alert_{number:04d}"} | draft for number, draft in enumerate(drafts, 1)]


def first_predictions(anchor: int) -> list[Record]:
    """The predictions it has: the bearing, and two that are less sure."""
    rows = (
        ("pump_001", 0.93, 4, "Replace the drive-end bearing.", "vib_001", 0.62),
        ("comp_002", 0.58, 31, "Inspect the discharge valve.", "temp_008", 0.2),
        ("fan_003", 0.41, 55, "Balance the rotor at the next stop.", "vib_012", 0.1),
    )
    return [
        {
            "id": f"pred_{number:04d}",
            "prediction_id": f"pred_{number:04d}",
            "equipment_id": machine,
            "confidence": confidence,
            "predicted_failure_time": iso((anchor + days * DAY) * SECOND),
            "recommended_action": action,
            "supporting_data": {"sensor_id": sensor, "model": "trend", "days_observed": 10},
            "created_at": iso(wear_reaches(wear, anchor) * SECOND),
        }
        for number, (machine, confidence, days, action, sensor, wear) in enumerate(rows, 1)
    ]


def trips(rule: Record, reading: Record) -> bool:
    """Whether a submitted reading meets a rule's condition.

    The documentation does not say what `duration` means; it is kept and does not delay the alert.
    """
    condition = rule["conditions"]
    for field in ("sensor_id", "equipment_id"):
        if rule.get(field, "") not in {"", reading[field]}:
            return False
    return OPERATORS[condition["operator"]](reading["value"], condition["value"])


def alert_of(rule: Record, reading: Record, alert_id: str, created_at: str) -> Record:
    """The alert a rule raises."""
    condition = rule["conditions"]
    text = f"{rule['name']}: {reading['value']} {condition['operator']} {condition['value']} {reading['unit']}"
    sensor = SENSORS[RANKS[reading["sensor_id"]]]
    draft = _draft("threshold", rule["severity"], "active", sensor, text=text)
    return {"id": alert_id} | draft | {"created_at": created_at, "rule_id": rule["id"]}


def _draft(kind: str, severity: str, status: str, sensor: Sensor, *, text: str, named: bool = True) -> Record:
    """The documented fields, but for id and date; `sensor_id` is optional."""
    fields = {"type": kind, "severity": severity, "status": status, "message": text}
    fields["equipment_id"] = sensor.machine.id
    return fields | ({"sensor_id": sensor.id} if named else {})


def _bearing(anchor: int) -> Iterator[Record]:
    """The story of ``vib_001``, dated by how far the wear was."""
    rows = (
        ("anomaly", "info", "acknowledged", 0.14, "Vibration pattern of the drive-end bearing has changed."),
        ("threshold", "warning", "acknowledged", 0.27, "Vibration above 4.5 mm/s for 15 minutes."),
        ("threshold", "critical", "active", 0.56, "Vibration above 7.1 mm/s for 15 minutes."),
        ("prediction", "critical", "active", 0.62, "Bearing failure expected within days (confidence 0.93)."),
        ("anomaly", "warning", "active", 0.8, "Bearing temperature rises with vibration."),
    )
    for kind, severity, status, wear, text in rows:
        sensor = SENSORS[RANKS["temp_001" if "temperature" in text else "vib_001"]]
        draft = _draft(kind, severity, status, sensor, text=text)
        yield draft | {"created_at": iso(wear_reaches(wear, anchor) * SECOND)}


def _others(seed: int, days: int, anchor: int) -> Iterator[Record]:
    """One of each type, severity and status, somewhere in the plant and in its history."""
    for number, (kind, severity, status) in enumerate(product(TYPES, SEVERITIES, STATUSES)):
        chance = int.from_bytes(blake2b(f"{seed}/alert/{number}".encode(), digest_size=8).digest(), "big")
        sensor = SENSORS[chance % len(SENSORS)]
        second = anchor - days * DAY + chance // 1000 % (days * DAY)
        named = kind != "prediction" or number % 2 == 0
        draft = _draft(kind, severity, status, sensor, text=_text(kind, severity, sensor), named=named)
        yield draft | {"created_at": iso(second * SECOND)}


def _text(kind: str, severity: str, sensor: Sensor) -> str:
    trait = sensor.trait
    limit = trait.critical if severity == "critical" else trait.warning
    texts = {
        "threshold": f"{sensor.name} above {limit:g} {trait.unit}.",
        "anomaly": f"{sensor.name} does not follow its usual daily cycle.",
        "prediction": f"{sensor.machine.name} is likely to need maintenance.",
    }
    return texts[kind]
