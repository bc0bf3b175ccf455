"""What `%immune explore` shows where no widget can be: the sensors by machine, statistics, and a plot as a picture.

The picture is matplotlib's, where that is installed and a notebook can show it; in a terminal it is a line of blocks.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from IPython.display import Image

from .show import Note, Table, duration, show
from .surroundings import in_notebook

if TYPE_CHECKING:
    from .exploration import Exploration
    from .traces import Trace

__all__ = ["blocks", "picture", "show_stills"]

BLOCKS = "▁▂▃▄▅▆▇█"
WIDE = 40  # blocks
COLORS = ("#1f6fd6", "#d4690c", "#14866d", "#b03a8f", "#7a5cd6", "#9a7400", "#0b8aa6", "#c63a3a")
DOUBT, BAD, GREY = "#c77700", "#d32f2f", "#888888"
SEVERITIES = {"critical": BAD, "warning": DOUBT}


def show_stills(exploration: Exploration, shell: Any) -> None:
    """Show the sensors there are; or, of the chosen ones, statistics and a plot.

    Raises:
        ImmuneError: They cannot be fetched.
    """
    if not exploration.chosen:
        _show_sensors(exploration.sensors())
        return
    exploration.fetch()
    traces = exploration.traces()
    wrong = ""
    drawn = in_notebook(shell) and find_spec("matplotlib") and any(len(trace.times) for trace in traces)
    if drawn:
        alerts, wrong = exploration.alerts()
        alerts = [alert for alert in alerts if alert["sensor_id"] in exploration.chosen]
        label = f"Readings of {', '.join(exploration.chosen)}"
        show(Image(data=picture(traces, alerts), width=900, alt=label))  # type: ignore[no-untyped-call]
    show(_statistics(traces, blocks_too=not drawn))
    code = exploration.recipe().line("df")
    show(Note("\n".join([*exploration.remarks, *filter(None, [wrong]), f"The same as a frame: {code}"])))


def _show_sensors(sensors: Sequence[dict[str, str]]) -> None:
    by_machine: dict[str, list[str]] = {}
    for sensor in sensors:
        odd = sensor["status"] not in ("", "online")
        by_machine.setdefault(sensor["machine"] or "–", []).append(
            sensor["id"] + (f" ({sensor['status']})" if odd else "")
        )
    show(Table(((machine, ", ".join(ids)) for machine, ids in by_machine.items()), ("machine", "sensors")))
    counts = Counter(sensor["status"] or "no status" for sensor in sensors)
    states = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    show(Note(f"{len(sensors):,} sensors: {states}. Look at some: %immune explore SENSOR … --last 1d"))


def _statistics(traces: Sequence[Trace], *, blocks_too: bool) -> Table:
    header = ("sensor", "unit", "readings", "min", "mean", "max", "not good", "gaps", "longest gap")
    rows = []
    for trace in traces:
        one = trace.summary()
        numbers = ("" if one[name] is None else f"{one[name]:.5g}" for name in ("min", "mean", "max"))
        doubts = ", ".join(f"{count:,} {word}" for word, count in one["doubts"].items())
        gaps = (f"{one['gaps']:,}", duration(one["longest_gap"])) if one["gaps"] else ("", "")
        line = (trace.sensor, trace.unit, f"{one['rows']:,}", *numbers, doubts, *gaps)
        rows.append((*line, blocks(trace)) if blocks_too else line)
    return Table(rows, (*header, "over time") if blocks_too else header)


def blocks(trace: Trace, wide: int = WIDE) -> str:
    """A trace as so many blocks, each the mean of its share of the time; a space where there is no reading."""
    if not len(trace.times):
        return ""
    first, last = int(trace.times[0]), int(trace.times[-1])
    shares = (trace.times - first) * wide // max(last - first + 1, 1)
    counts = np.bincount(shares, minlength=wide)
    means = np.bincount(shares, trace.values, minlength=wide) / np.maximum(counts, 1)
    least, most = means[counts > 0].min(), means[counts > 0].max()
    levels = np.zeros(wide, int) if least == most else ((means - least) / (most - least) * 7.999).astype(int)
    return "".join(BLOCKS[level] if count else " " for level, count in zip(levels, counts, strict=True))


def picture(traces: Sequence[Trace], alerts: Sequence[dict[str, Any]] = ()) -> bytes:
    """The traces as a PNG image, a panel for each unit, with marks for quality and alerts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    units = list(dict.fromkeys(trace.unit for trace in traces))
    figure = Figure(figsize=(9, 1.2 + 2.1 * len(units)), dpi=130, layout="constrained", facecolor="white")
    panels = figure.subplots(len(units), squeeze=False, sharex=True)[:, 0]
    for panel, unit in zip(panels, units, strict=True):
        for place, trace in enumerate(traces):
            if trace.unit == unit:
                _draw(panel, trace, COLORS[place % len(COLORS)])
        for alert in alerts:
            instant = np.datetime64(int(alert["at"]), "ms")
            if any(len(t.times) and t.times[0] <= alert["at"] * 1000 <= t.times[-1] for t in traces):
                panel.axvline(instant, color=SEVERITIES.get(alert["severity"], GREY), linestyle=":", linewidth=1)
        panel.set_ylabel(unit)
        panel.legend(frameon=False, loc="upper left", ncols=4, fontsize="small")
        panel.grid(color="#00000014")
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("UTC")
    target = io.BytesIO()
    FigureCanvasAgg(figure).print_png(target)  # type: ignore[no-untyped-call]
    return target.getvalue()


def _draw(panel: Any, trace: Trace, color: str) -> None:
    times, values = trace.thinned() if find_spec("tsdownsample") else (trace.times / 1000, trace.values)
    panel.plot(times.astype("M8[ms]"), values, color=color, linewidth=1, label=trace.sensor)
    for word, (when, level) in trace.marks().items():
        panel.plot(when.astype("M8[ms]"), level, "x" if word == "bad" else ".", color=BAD if word == "bad" else DOUBT)
