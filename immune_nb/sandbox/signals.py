"""What a sensor measures, as a pure function of seed, sensor and second.

No state and no random generator to advance: noise is a hash of the second (splitmix64), so any slice of any
day can be computed alone, in any order, on any thread, and always has the same bytes. Only the wearing bearing and
the sensor that went offline are tied to a date, the *anchor*: the plant's "now" when it started.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from .instants import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .plant import Sensor

    Floats = NDArray[np.float64]
    Seconds = NDArray[np.int64]

__all__ = ["DECIMALS", "WEAR_DAYS", "Signal", "wear_reaches"]

DECIMALS: Final = 4
WEAR_DAYS: Final = 10
OFFLINE_DAYS: Final = 21
STEEPNESS: Final = 3.5
WEAR_GAIN: Final = MappingProxyType({"vib_001": 9.0, "temp_001": 24.0})
MISSING: Final = MappingProxyType({"minute": 0.002, "hour": 0.001, "day": 0.004})
GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


def wear_reaches(fraction: float, anchor: int) -> int:
    """The second at which the bearing has `fraction` of the wear it has at the anchor; dates the alerts."""
    days = WEAR_DAYS * math.log1p(fraction * math.expm1(STEEPNESS)) / STEEPNESS
    return round(anchor + (days - WEAR_DAYS) * DAY)


def _wear(seconds: Seconds, anchor: int) -> Floats:
    """0 until ten days before the anchor, then exponentially to 1 at the anchor and a little beyond."""
    progress = np.clip((seconds - anchor) / (WEAR_DAYS * DAY) + 1, 0, 1.1)
    return np.asarray(np.expm1(STEEPNESS * progress) / math.expm1(STEEPNESS))


class Signal:
    """One sensor's measurements.

    Args:
        sensor: Which one.
        seed: The plant's seed.
        anchor: The plant's "now" at start, in seconds since 1970.
    """

    def __init__(self, sensor: Sensor, seed: int, anchor: int) -> None:
        self.sensor = sensor
        self._seed = seed
        self._anchor = anchor
        self._gain = WEAR_GAIN.get(sensor.id, 0.0)

    def seconds(self, start: int, end: int) -> Seconds:
        """Every second in ``[start, end)`` at which the sensor should report."""
        step, offset = self.sensor.interval, self.sensor.offset
        first = -(-(start - offset) // step) * step + offset
        return np.arange(first, max(first, end), step, dtype=np.int64)

    def present(self, seconds: Seconds) -> NDArray[np.bool_]:
        """Whether a reading arrived: single ones, hours and days go missing, and one sensor went offline."""
        gaps = self.sensor.gaps
        if gaps < 0:
            return np.ones(len(seconds), np.bool_)
        there = self._uniform("miss", seconds) >= MISSING["minute"]
        if gaps:
            there &= self._uniform("hour", seconds // 3600) >= MISSING["hour"] * gaps
            there &= self._uniform("day", seconds // DAY) >= MISSING["day"] * gaps
        if self.sensor.status == "offline":
            there &= seconds < self._anchor - OFFLINE_DAYS * DAY
        return there

    def quality(self, seconds: Seconds) -> NDArray[np.uint8]:
        """Index into `plant.QUALITIES` for each second."""
        rate = 5.0 if self.sensor.status == "error" else 1.0
        chance = self._uniform("quality", seconds)
        return (chance < 0.009 * rate).astype(np.uint8) + (chance < 0.0015 * rate).astype(np.uint8)

    def values(self, seconds: Seconds) -> Floats:
        """The measured values, rounded as the API sends them."""
        trait = self.sensor.trait
        wear = _wear(seconds, self._anchor) * self._gain
        day = seconds / DAY
        value = trait.base * (1 + trait.gain * (self._load(seconds) - 0.5))
        value += trait.daily * np.sin(2 * math.pi * (day - 0.375))
        value += 2 * trait.sigma * np.sin(2 * math.pi * (day / 47 + self._constant("drift")))
        value += 1.5 * trait.sigma * self._slow_noise(seconds, 10_800)
        value += (trait.sigma + 0.06 * wear) * self._gauss("noise", seconds) + wear
        value += self._outliers(seconds)
        return np.asarray(np.round(np.clip(value, *trait.limits), DECIMALS), np.float64)

    def _load(self, seconds: Seconds) -> Floats:
        """How hard the machine works, 0 to 1: two shifts on weekdays, less on weekends."""
        hour = seconds % DAY / 3600
        weekday = (seconds // DAY + 3) % 7
        staffing = np.array([1, 1, 1, 1, 0.95, 0.5, 0.3])[weekday]
        shifts = (np.tanh(1.5 * (hour - 6)) - np.tanh(1.5 * (hour - 22))) / 2
        return np.asarray(0.25 + 0.7 * staffing * shifts)

    def _outliers(self, seconds: Seconds) -> Floats:
        """Bad readings are far off, questionable ones somewhat."""
        size = np.array([0.0, 3.0, 14.0])[self.quality(seconds)]
        swing = self._uniform("outlier", seconds) - 0.4
        return np.asarray(self.sensor.trait.sigma * size * np.sign(swing) * (0.5 + np.abs(swing)))

    def _slow_noise(self, seconds: Seconds, period: int) -> Floats:
        """Noise that wanders: one number per period, joined by straight lines."""
        step, along = np.divmod(seconds, period)
        here, there = self._gauss("slow", step), self._gauss("slow", step + 1)
        return here + (there - here) * (along / period)

    def _gauss(self, stream: str, ticks: Seconds) -> Floats:
        """Standard normal noise (Box and Muller)."""
        radius = np.sqrt(-2 * np.log1p(-self._uniform(stream, ticks)))
        return np.asarray(radius * np.cos(2 * math.pi * self._uniform(stream + "'", ticks)))

    def _uniform(self, stream: str, ticks: Seconds) -> Floats:
        """Noise in [0, 1), one independent stream per name: splitmix64 of the tick."""
        x = ticks.astype(np.uint64) * GOLDEN + np.uint64(self._key(stream))
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray((x ^ (x >> np.uint64(31))) >> np.uint64(11), np.float64) * 2.0**-53

    def _constant(self, stream: str) -> float:
        """One number in [0, 1) per sensor."""
        return self._key(stream) / 2**64

    def _key(self, stream: str) -> int:
        name = f"{self._seed}/{self.sensor.id}/{stream}".encode()
        return int.from_bytes(blake2b(name, digest_size=8).digest(), "big")
