"""The code that asks for what the explorer shows: an `%immune` line, or Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from immune_nb.frames.instants import to_api

from .arguments import parse

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """A question for readings, and how to average them.

    Args:
        sensors: Ids.
        start: First instant.
        end: Last instant, not included.
        every: Width of the bins to average over, as pandas writes it: ``1h``; empty for readings as they are.
        profile: The profile to name; empty for the current one.
    """

    sensors: tuple[str, ...]
    start: pd.Timestamp
    end: pd.Timestamp
    every: str = ""
    profile: str = ""

    def line(self, name: str) -> str:
        """An `%immune` line, and one of pandas where it averages; Python where an id does not fit on a line."""
        if not _fit_on_a_line(self.sensors):
            return self.python(name)
        options = f"--start {to_api(self.start)} --end {to_api(self.end)}"
        if self.profile:
            options += f" --profile {self.profile}"
        return "\n".join(
            [f"%immune readings {' '.join(self.sensors)} {options} --out {name}", *self._averaging(name)]
        )

    def python(self, name: str) -> str:
        """The same in Python."""
        session = f"im.connect({_quoted(self.profile)})" if self.profile else "im.current()"
        sensors = _quoted(self.sensors[0]) if len(self.sensors) == 1 else f"[{', '.join(map(_quoted, self.sensors))}]"
        return "\n".join(
            [
                "import immune_nb as im",
                "",
                f"session = {session}",
                f"{name} = session.readings({sensors}, {_bounds(self)})",
                *self._averaging(name),
            ]
        )

    def averaged(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What the averaging line makes of a frame; the frame itself where there is none.

        Returns:
            DataFrame with ``sensor_id``, ``timestamp`` (a bin's start) and ``value``, its mean; NaN in an empty bin.
        """
        if not self.every:
            return frame
        by_sensor = frame.set_index("timestamp").groupby("sensor_id", observed=True)["value"]
        return by_sensor.resample(self.every).mean().reset_index()

    def _averaging(self, name: str) -> Sequence[str]:
        if not self.every:
            return ()
        by_sensor = f'{name}.set_index("timestamp").groupby("sensor_id", observed=True)["value"]'
        return (f'{name} = {by_sensor}.resample("{self.every}").mean().reset_index()',)


def _quoted(text: str) -> str:
    return dumps(text, ensure_ascii=False) if text.isprintable() else repr(text)


def _bounds(recipe: Recipe) -> str:
    return f'start="{to_api(recipe.start)}", end="{to_api(recipe.end)}"'


def _fit_on_a_line(sensors: Sequence[str]) -> bool:
    """Whether the magic reads these words as they stand."""
    try:
        request = parse(f"readings {' '.join(sensors)} --out df", {})
    except UsageError:
        return False
    return request.words == tuple(sensors) and not request.silent
