"""Readings as lines to draw: one per sensor, thinned to what a screen shows, broken where readings are missing.

The whole of a trace stays in the kernel. A front end gets some thousand points of the stretch it shows, chosen anew
whenever it shows another; extremes and gaps are always among them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["COLORS", "Line", "Trace", "traces_of"]

POINTS = 2_000  # of one line; more than a screen is wide
FEW = 3.0  # readings are missing where the spacing is more than so many times the usual one
MOST_GAPS = 200  # whose very edges are kept; a shorter one only breaks the line
MOST_MARKS = 100
GOOD, BAD = "good", "bad"
COLORS = {  # of lines in their order, on either ground; red, black and white are for marks
    "light": ("#1f6fd6", "#d4690c", "#14866d", "#b03a8f", "#7a5cd6", "#9a7400", "#0b8aa6", "#6b7785"),
    "dark": ("#6aa8ff", "#ffa657", "#4cc9a7", "#f08bd0", "#b69cff", "#e0bd4d", "#4fc6e0", "#a9b6c4"),
}
DIGITS = 5  # significant ones, of the greatest number of a sensor
Line = tuple["NDArray[np.float64]", "NDArray[np.float64]"]  # milliseconds since 1970, values


@dataclass(frozen=True)
class Trace:
    """The readings of one sensor that can be drawn.

    Args:
        sensor: The sensor's id.
        unit: Its unit; several, with commas, where the readings name several.
        times: Microseconds since 1970, rising.
        values: Finite numbers.
        quality: Position in `words`; -1 where a reading does not say.
        words: The words for quality that occur in the frame.
        step: The usual spacing, in microseconds; 0 where there is none.
        undrawn: Readings left out, as they have no instant or no finite value.
    """

    sensor: str
    unit: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[Any]
    words: tuple[str, ...] = ()
    step: int = 0
    undrawn: int = 0

    @cached_property
    def gaps(self) -> NDArray[np.int64]:
        """Positions after which readings are missing."""
        return np.flatnonzero(np.diff(self.times) > FEW * self.step) if self.step else np.empty(0, np.int64)

    def between(self, start: int, end: int) -> Trace:
        """The readings in ``[start, end)``, in microseconds since 1970; the arrays are views."""
        part = slice(*np.searchsorted(self.times, [start, end]))
        return replace(self, times=self.times[part], values=self.values[part], quality=self.quality[part])

    def averaged(self, step: int) -> Trace:
        """The mean of each bin of so many microseconds, at the bin's start; empty bins are missing."""
        if not len(self.times):
            return self
        bins = self.times // step
        firsts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
        means = np.add.reduceat(self.values, firsts) / np.diff(firsts, append=len(bins))
        unsaid = np.full(len(firsts), -1, np.int8)
        return replace(self, times=bins[firsts] * step, values=means, quality=unsaid, step=step)

    def thinned(self, points: int = POINTS) -> Line:
        """The line to draw, of about so many points; NaN where it breaks."""
        kept = np.arange(len(self.times))
        if len(kept) > points:
            from tsdownsample import MinMaxLTTBDownsampler

            chosen = MinMaxLTTBDownsampler().downsample(self.times, self.values, n_out=points)  # type: ignore[no-untyped-call]
            extremes = [self.values.argmin(), self.values.argmax()]
            kept = np.unique(np.concatenate([chosen.astype(np.int64), extremes, *self._edges()]))
        times, values = self.times[kept] / 1000, self.values[kept]
        breaks = np.flatnonzero(np.diff(np.searchsorted(self.gaps, kept))) + 1
        middles = (times[breaks - 1] + times[breaks]) / 2
        return np.insert(times, breaks, middles), np.insert(values, breaks, np.nan)

    def marks(self, most: int = MOST_MARKS) -> dict[str, Line]:
        """By word, the readings whose quality is not good; of many, so many spread evenly."""
        found = {}
        for code, word in enumerate(self.words):
            places = np.flatnonzero(self.quality == code)
            if word != GOOD and len(places):
                places = places[np.linspace(0, len(places) - 1, min(most, len(places))).astype(np.int64)]
                found[word] = (self.times[places] / 1000, self.values[places])
        return found

    def summary(self) -> dict[str, Any]:
        """The statistics of these readings, JSON-safe; no number where there is no reading.

        Those that are marked bad are counted, and are left out of what is computed.
        """
        gaps = self.gaps
        longest = int((self.times[gaps + 1] - self.times[gaps]).max()) / 1e6 if len(gaps) else 0.0
        counts = np.bincount(self.quality[self.quality >= 0], minlength=len(self.words))
        values = self.values[self.quality != self.words.index(BAD)] if BAD in self.words else self.values
        some = len(values) > 0
        return {
            "sensor": self.sensor,
            "unit": self.unit,
            "rows": len(self.values),
            "min": float(values.min()) if some else None,
            "mean": float(values.mean()) if some else None,
            "max": float(values.max()) if some else None,
            "std": float(values.std(ddof=1)) if len(values) > 1 else None,
            "last": float(values[-1]) if some else None,
            "decimals": _decimals(float(np.abs(values).max())) if some else 0,
            "doubts": {w: int(n) for w, n in zip(self.words, counts, strict=True) if n and w != GOOD},
            "gaps": len(gaps),
            "longest_gap": longest,
        }

    def _edges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The readings before and after the longest gaps."""
        gaps = self.gaps
        if len(gaps) > MOST_GAPS:
            lengths = self.times[gaps + 1] - self.times[gaps]
            gaps = gaps[np.argpartition(lengths, -MOST_GAPS)[-MOST_GAPS:]]
        return gaps, gaps + 1


def traces_of(frame: pd.DataFrame, sensor: str = "") -> dict[str, Trace]:
    """The traces in a frame of readings, by sensor.

    Args:
        frame: As `Session.readings` returns it, sorted by time.
        sensor: Whose readings they are, should none of them say.
    """
    if sensor and frame["sensor_id"].isna().all():
        frame = frame.assign(sensor_id=pd.Categorical([sensor] * len(frame)))
    times = frame["timestamp"].dt.tz_localize(None).to_numpy("M8[us]")
    values = frame["value"].to_numpy(np.float64)
    drawable = np.isfinite(values) & ~np.isnat(times)
    sensors, quality = frame["sensor_id"].cat, frame["quality"].cat
    codes, doubts = sensors.codes.to_numpy(), quality.codes.to_numpy()
    units = frame["unit"].cat.codes.to_numpy()
    found = {}
    for code, name in enumerate(sensors.categories):
        mine = codes == code
        rows = np.flatnonzero(mine & drawable)
        if not mine.any():
            continue
        instants = times[rows].view(np.int64)
        named = np.unique(units[mine])
        found[str(name)] = Trace(
            str(name),
            ", ".join(str(frame["unit"].cat.categories[unit]) for unit in named if unit >= 0),
            instants,
            values[rows],
            doubts[rows],
            tuple(map(str, quality.categories)),
            _usual(np.diff(instants)),
            int(mine.sum()) - len(rows),
        )
    return found


def _decimals(greatest: float) -> int:
    """How many decimals give the greatest number its digits; all of a sensor have as many."""
    whole = math.floor(math.log10(greatest)) if greatest else 0
    return min(max(DIGITS - 1 - whole, 0), DIGITS)


def _usual(steps: NDArray[np.int64]) -> int:
    """The median of the spacings, where there are any."""
    rising = steps[steps > 0]
    return int(np.median(rising)) if len(rising) else 0
