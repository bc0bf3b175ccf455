"""What a column nobody documented means: text that is a time or a number, numbers that are instants.

Everything is told of the whole column at once, and only where every value agrees and none is lost: ids keep their
zeros, a number becomes an instant only where its field is called one and its size is that of one.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from immune_nb.frames.names import is_label_name, is_time_name, is_value_name
from immune_nb.frames.numbers import EPOCH_SCALES, as_number, epoch_unit

__all__ = ["meant", "without_zone"]

CLOCK = r"\d\d:\d\d(:\d\d([.,]\d{1,9})?)?"
ISO_TIME = rf"^\d{{4}}-\d\d-\d\d[Tt ]{CLOCK} ?([Zz]|UTC|GMT|[+-]\d\d(:?\d\d)?)?$"
NAIVE = re.compile(rf"\d{{4}}-\d\d-\d\d[Tt ]{CLOCK}", re.ASCII)
DATE = r"^\d{4}-\d\d-\d\d$"
DIGITS = r"^\d{10}(\d{3}){0,3}$"
DECIMAL = r"^-?(0|[1-9]\d*)(\.\d+)?$"
SPLIT = re.compile(r"(.{10})[Tt ]([\d:]+)(?:[.,](\d+))? ?(.*)", re.ASCII)
ZONE = re.compile(r"([+-]\d\d):?(\d\d)?", re.ASCII)
MICRO, NANO = pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC")


def without_zone(record: Any) -> list[str]:
    """The fields of a record that hold an instant without a zone, which is taken for UTC."""
    fields = record.items() if isinstance(record, dict) else ()
    return [name for name, value in fields if isinstance(value, str) and NAIVE.fullmatch(value)]


def meant(column: pa.Array, name: str, *, is_text: bool = False) -> pa.Array:
    """The column as what it means.

    Args:
        column: Values of one kind.
        name: The field's name.
        is_text: Whether the answer has no types, so that text may stand for numbers.

    Returns:
        Instants in UTC, to the microsecond or, where one needs it, the nanosecond; numbers; or the column itself.
    """
    if column.null_count == len(column):
        return column
    if pa.types.is_string(column.type):
        return _text(column, name, is_text=is_text)
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return _since_1970(column) if is_number and is_time_name(name) else column


def _text(texts: pa.Array, name: str, *, is_text: bool) -> pa.Array:
    if _all_match(texts, ISO_TIME):
        return _instants(texts)
    if is_time_name(name):
        if _all_match(texts, DATE):
            return _instants(texts)
        if _all_match(texts, DIGITS):
            instants = _since_1970(texts.cast(pa.int64()))
            return texts if pa.types.is_integer(instants.type) else instants
    if is_text or is_value_name(name):
        return _numbers(texts)
    return _numbers(texts) if not is_label_name(name) and _are_fractions(texts) else texts


def _all_match(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def _are_fractions(texts: pa.Array) -> bool:
    """Whether all are numbers and some of them broken, as no id is."""
    return _all_match(texts, DECIMAL) and bool(pc.any(pc.match_substring(texts, ".")).as_py())


def _instants(texts: pa.Array) -> pa.Array:
    """ISO 8601 to UTC, which is meant where no zone is written; the texts, where one is no time or finer than fits.

    Arrow wants every text with a zone, or none; where they differ, or write it otherwise, each is put into its form.
    """
    for zone in ("UTC", None):
        try:
            return pc.cast(texts, pa.timestamp("us", zone)).cast(MICRO)
        except pa.ArrowInvalid:
            continue
    alike = pa.array([None if text is None else _in_one_form(text) for text in texts.to_pylist()], pa.string())
    for unit in (MICRO, NANO):
        try:
            return pc.cast(alike, unit)
        except pa.ArrowInvalid:
            continue
    return texts


def _in_one_form(text: str) -> str:
    """With seconds, a zone, and as many digits as say something."""
    if (match := SPLIT.fullmatch(text)) is None:
        return text
    day, clock, fraction, zone = match.groups()
    digits = (fraction or "").rstrip("0")
    clock = clock if clock.count(":") > 1 else f"{clock}:00"
    offset = ZONE.fullmatch(zone)
    zone = f"{offset[1]}:{offset[2] or '00'}" if offset else "Z"
    return f"{day}T{clock}{'.' if digits else ''}{digits}{zone}"


def _since_1970(numbers: pa.Array) -> pa.Array:
    """Instants, where every number is a plausible one in the same unit and none is rounded; else the numbers."""
    bounds = pc.min_max(numbers).as_py()
    unit = epoch_unit([bounds["min"], bounds["max"]])
    if unit is None:
        return numbers
    if pa.types.is_floating(numbers.type):
        scale = EPOCH_SCALES["us"] // EPOCH_SCALES[unit] if unit != "ns" else 0
        ticks = pc.round(pc.multiply(numbers, float(scale))).cast(pa.int64()) if scale else None
        is_same = ticks is not None and pc.equal(pc.divide(ticks.cast(pa.float64()), float(scale)), numbers)
        return ticks.cast(MICRO) if ticks is not None and pc.all(is_same).as_py() else numbers
    instants = numbers.cast(pa.timestamp(unit, "UTC"))
    try:
        return instants.cast(MICRO)
    except pa.ArrowInvalid:
        return instants  # nanoseconds that say something


def _numbers(texts: pa.Array) -> pa.Array:
    """The numbers, where every text is one and nothing is lost."""
    numbers: list[Any] = []
    for text in texts.to_pylist():
        number = None if text is None else as_number(text)
        if text is not None and number is None:
            return texts
        numbers.append(number)
    kinds = {type(number) for number in numbers if number is not None}
    return (
        pa.array(numbers, pa.int64())
        if kinds == {int}
        else pa.array([None if number is None else float(number) for number in numbers], pa.float64())
    )
