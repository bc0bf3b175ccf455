"""Readings with a column per sensor."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["widen"]


def widen(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per instant and a column per sensor, holding ``value``.

    Nothing is averaged or dropped: where a sensor has several readings at one instant, so many rows have that
    instant.

    Args:
        frame: Readings, sorted by time.

    Returns:
        DataFrame with ``timestamp`` and a float64 column per sensor, by name.
    """
    sensors = frame["sensor_id"].astype(object).where(frame["sensor_id"].notna(), "")
    times = frame["timestamp"]
    nth = frame.groupby([times, sensors], sort=False, dropna=False).cumcount()
    places = frame.groupby([times, nth], sort=True, dropna=False).ngroup().to_numpy()
    _, firsts = np.unique(places, return_index=True)
    wide = pd.DataFrame({"timestamp": times.iloc[firsts].reset_index(drop=True)})
    for name in sorted(sensors.unique()):
        mine = (sensors == name).to_numpy()
        column = pd.Series(float("nan"), index=wide.index, dtype="float64")
        column.iloc[places[mine]] = frame["value"].to_numpy()[mine]
        wide[name] = column
    return wide
