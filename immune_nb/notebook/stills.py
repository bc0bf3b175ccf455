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
from .traces import BAD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .exploration import Exploration
    from .traces import Trace

__all__ = ["aligned", "blocks", "drawing", "picture", "show_stills"]

BLOCKS = "▁▂▃▄▅▆▇█"
WIDE = 40  # blocks
NUMBERS = ("min", "mean", "max")
AS_WIDE = "\u2007"  # a space as wide as a digit
COLORS = ("#1f6fd6", "#d4690c", "#14866d", "#b03a8f", "#7a5cd6", "#9a7400", "#0b8aa6", "#6b7785")
RED, INK, GREY, PAPER = "#d32f2f", "#222222", "#888888", "white"  # of marks: no line is red
SEVERITIES = {"critical": (RED, "--"), "warning": (INK, "--")}
DOUBTFUL = {"marker": "o", "markersize": 4, "markerfacecolor": PAPER, "markeredgecolor": INK}
WRONG = {"marker": "X", "markersize": 7, "markerfacecolor": RED, "markeredgecolor": PAPER}


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
    summaries = [trace.summary() for trace in traces]
    show(_statistics(traces, summaries, blocks_too=not drawn))
    code = exploration.recipe().line("df")
    bad = sum(one["doubts"].get(BAD, 0) for one in summaries)
    without = f"Minimum, mean and maximum are without {bad:,} marked bad." if bad else ""
    show(Note("\n".join([*exploration.remarks, *filter(None, [without, wrong]), f"The same as a frame: {code}"])))


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


def _statistics(traces: Sequence[Trace], summaries: Sequence[dict[str, Any]], *, blocks_too: bool) -> Table:
    header = ("sensor", "unit", "readings", *NUMBERS, "not good", "gaps", "longest gap")
    numbers = zip(*(aligned([(one[name], one["decimals"]) for one in summaries]) for name in NUMBERS), strict=True)
    rows = []
    for trace, one, texts in zip(traces, summaries, numbers, strict=True):
        doubts = ", ".join(f"{count:,} {word}" for word, count in one["doubts"].items())
        gaps = (f"{one['gaps']:,}", duration(one["longest_gap"])) if one["gaps"] else ("", "")
        line = (trace.sensor, trace.unit, f"{one['rows']:,}", *texts, doubts, *gaps)
        rows.append((*line, blocks(trace)) if blocks_too else line)
    return Table(rows, (*header, "over time") if blocks_too else header)


def aligned(numbers: Sequence[tuple[float | None, int]]) -> list[str]:
    """Numbers, each with its decimals, as texts whose points are below each other."""
    parts = [("" if number is None else f"{number:,.{places}f}").partition(".") for number, places in numbers]
    left = max((len(whole) for whole, _, _ in parts), default=0)
    right = max((len(point + rest) for _, point, rest in parts), default=0)
    return [whole.rjust(left, AS_WIDE) + (point + rest).ljust(right, AS_WIDE) for whole, point, rest in parts]


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
    """The traces as a PNG image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    target = io.BytesIO()
    FigureCanvasAgg(drawing(traces, alerts)).print_png(target)  # type: ignore[no-untyped-call]
    return target.getvalue()


def drawing(traces: Sequence[Trace], alerts: Sequence[dict[str, Any]] = ()) -> Figure:
    """The traces, a panel for each unit, with marks for quality and alerts and what they mean."""
    from matplotlib.figure import Figure

    units = list(dict.fromkeys(trace.unit for trace in traces))
    figure = Figure(figsize=(9, 1.4 + 2.1 * len(units)), dpi=130, layout="constrained", facecolor=PAPER)
    panels = figure.subplots(len(units), squeeze=False, sharex=True)[:, 0]
    marks: dict[str, Any] = {}
    for panel, unit in zip(panels, units, strict=True):
        mine = [(trace, COLORS[place % len(COLORS)]) for place, trace in enumerate(traces) if trace.unit == unit]
        for trace, color in mine:
            marks |= _draw(panel, trace, color)
        panel.legend(frameon=False, loc="upper left", ncols=4, fontsize="small")
        for trace, _ in mine:
            marks |= _draw_alerts(panel, trace, alerts)
        panel.set_ylabel(unit)
        panel.grid(color="#00000014")
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("UTC")
    if marks:
        figure.legend(marks.values(), marks, frameon=False, loc="outside lower left", ncols=6, fontsize="small")
    return figure


def _draw(panel: Any, trace: Trace, color: str) -> dict[str, Any]:
    """The line of a sensor and its marks; these by their words, for the legend."""
    times, values = trace.thinned() if find_spec("tsdownsample") else (trace.times / 1000, trace.values)
    panel.plot(times.astype("M8[ms]"), values, color=color, linewidth=1, label=trace.sensor)
    marks = {}
    for word, (when, level) in trace.marks().items():
        style = WRONG if word == BAD else DOUBTFUL
        marks[word] = panel.plot(when.astype("M8[ms]"), level, linestyle="", **style)[0]
    return marks


def _draw_alerts(panel: Any, trace: Trace, alerts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The alerts about a sensor while it was measured."""
    marks = {}
    for alert in alerts:
        if alert["sensor_id"] == trace.sensor and trace.times[0] <= alert["at"] * 1000 <= trace.times[-1]:
            color, style = SEVERITIES.get(alert["severity"], (GREY, ":"))
            at = np.datetime64(int(alert["at"]), "ms")
            marks[f"{alert['severity']} alert"] = panel.axvline(at, color=color, linestyle=style, linewidth=1.2)
    return marks
