"""The columns of each documented collection: names, dtypes, and what they hold. Data, not code.

`id` is text in every collection: it names one row. What repeats (the ids of other things, units, words of an enum) is
a category. Enums are open: a word not listed here becomes one more category.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

__all__ = ["ALERTS", "ANY", "OUTCOMES", "PREDICTIONS", "READINGS", "SENSORS", "Column", "Schema"]

TIME, NUMBER, CATEGORY, TEXT = "datetime64[us, UTC]", "float64", "category", "string"
POSITION = "int64"


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: Field name, as the API gives it.
        dtype: Its pandas dtype.
        about: What it holds.
        words: The documented words of an enum, in their order.
    """

    name: str
    dtype: str
    about: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The columns every frame of a collection has, and the order of its rows.

    Args:
        columns: Columns, in order; fields that are not among them follow.
        sort_by: Columns to sort rows by; none keeps the order of the service.
    """

    columns: tuple[Column, ...] = ()
    sort_by: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}


ANY = Schema()  # nothing is known before the answer

READINGS = Schema(  # api-contract 1.3
    (
        Column("timestamp", TIME, "when it was measured"),
        Column("sensor_id", CATEGORY, "which sensor measured"),
        Column("value", NUMBER, "the reading, in `unit`"),
        Column("unit", CATEGORY, "as the API says, e.g. ``mm/s``"),
        Column("quality", CATEGORY, "how far to trust it", ("good", "questionable", "bad")),
        Column("equipment_id", CATEGORY, "the machine"),
        Column("id", TEXT, "the reading's own id"),
    ),
    sort_by=("timestamp", "sensor_id"),
)

SENSORS = Schema(  # api-contract 1.2
    (
        Column("id", TEXT, "the sensor's id, for `readings`"),
        Column("status", CATEGORY, "whether it measures", ("online", "offline", "error")),
    ),
    sort_by=("id",),
)

ALERTS = Schema(  # api-contract 1.6
    (
        Column("created_at", TIME, "when it was raised"),
        Column("severity", CATEGORY, "how bad it is", ("critical", "warning", "info")),
        Column("status", CATEGORY, "what became of it", ("active", "acknowledged", "resolved")),
        Column("type", CATEGORY, "what raised it", ("threshold", "anomaly", "prediction")),
        Column("equipment_id", CATEGORY, "the machine"),
        Column("sensor_id", CATEGORY, "the sensor, where there is one"),
        Column("message", TEXT, "for people"),
        Column("id", TEXT, "the alert's own id"),
    ),
    sort_by=("created_at", "id"),
)

PREDICTIONS = Schema(  # assumed: the fields of the webhook (api-contract 1.7, 1.8)
    (
        Column("predicted_failure_time", TIME, "when the machine is expected to fail"),
        Column("equipment_id", CATEGORY, "the machine"),
        Column("confidence", NUMBER, "0 to 1"),
        Column("recommended_action", TEXT, "for people"),
        Column("prediction_id", TEXT, "the prediction's own id"),
    ),
    sort_by=("predicted_failure_time", "prediction_id"),
)

OUTCOMES = Schema(  # of rows that were sent: ours, not the API's
    (
        Column("row", POSITION, "its place in what was given, from 0"),
        Column("status", CATEGORY, "what became of it", ("accepted", "rejected", "unknown", "unsent")),
        Column("id", TEXT, "the id the service has for it"),
        Column("message", TEXT, "why it was not accepted"),
    ),
)
