"""What `%immune explore` shows where no widget can be: the sensors by machine, statistics, and a plot as a picture.

The picture is matplotlib's, where that is installed and a notebook can show it; in a terminal it is a line of blocks.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from IPython.display import Image

from immune_nb.errors import ImmuneError

from .exploration import micros_of
from .show import Note, Table, duration, show
from .surroundings import in_notebook
from .traces import BAD, COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .exploration import Exploration
    from .traces import Trace

__all__ = ["aligned", "blocks", "drawing", "picture", "show_stills"]

Limits = Mapping[str, Mapping[str, float]]  # by sensor, by word
BLOCKS = "▁▂▃▄▅▆▇█"
WIDE = 40  # blocks
NEAR = 0.5  # of the height of the readings: limits as near above or below them are drawn, and others only named
NUMBERS = ("min", "mean", "max")
AS_WIDE = "\u2007"  # a space as wide as a digit
RED, INK, GREY, PAPER = "#d32f2f", "#222222", "#888888", "white"  # of marks: no line is red
SEVERITIES = {"critical": (RED, "--"), "warning": (INK, "--")}
DOUBTFUL = {"marker": "o", "markersize": 4, "markerfacecolor": PAPER, "markeredgecolor": INK}
PATCH = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
SMALL: dict[str, Any] = {"ha": "right", "fontsize": "x-small", "bbox": PATCH}
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
    unlisted = ""
    drawn = in_notebook(shell) and find_spec("matplotlib") and any(len(trace.times) for trace in traces)
    if drawn:
        unlisted = _list_sensors(exploration)
        start, end = (micros_of(instant) / 1000 for instant in exploration.shown)
        alerts = [alert for alert in exploration.alerts() if start <= alert["at"] < end]
        label = f"Readings of {', '.join(exploration.chosen)}"
        show(Image(data=picture(traces, alerts, exploration.limits), width=900, alt=label))  # type: ignore[no-untyped-call]
    summaries = [trace.summary() for trace in traces]
    show(_statistics(traces, summaries, blocks_too=not drawn))
    code = exploration.recipe().line("df")
    bad = sum(one["doubts"].get(BAD, 0) for one in summaries)
    without = f"Minimum, mean and maximum are without {bad:,} marked bad." if bad else ""
    show(Note("\n".join([*exploration.remarks, *filter(None, [without, unlisted]), f"The same as a frame: {code}"])))


def _list_sensors(exploration: Exploration) -> str:
    """Have the limits and machines of the sensors; why they are not known, where they are not."""
    try:
        exploration.sensors()
    except ImmuneError as error:
        return f"No list of sensors: {error}"
    return ""


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


def picture(traces: Sequence[Trace], alerts: Sequence[dict[str, Any]] = (), limits: Limits | None = None) -> bytes:
    """The traces as a PNG image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    target = io.BytesIO()
    FigureCanvasAgg(drawing(traces, alerts, limits)).print_png(target)  # type: ignore[no-untyped-call]
    return target.getvalue()


def drawing(traces: Sequence[Trace], alerts: Sequence[dict[str, Any]] = (), limits: Limits | None = None) -> Figure:
    """The traces, a panel for each unit, with limits, and marks for quality and alerts and what they mean."""
    from matplotlib.dates import ConciseDateFormatter
    from matplotlib.figure import Figure

    colors = COLORS["light"]
    units = list(dict.fromkeys(trace.unit for trace in traces))
    figure = Figure(figsize=(9, 1.4 + 2.1 * len(units)), dpi=130, layout="constrained", facecolor=PAPER)
    panels = figure.subplots(len(units), squeeze=False, sharex=True)[:, 0]
    marks: dict[str, Any] = {}
    for panel, unit in zip(panels, units, strict=True):
        mine = [(trace, colors[place % len(colors)]) for place, trace in enumerate(traces) if trace.unit == unit]
        for trace, color in mine:
            marks |= _draw(panel, trace, color)
        panel.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, ncols=6, fontsize="small")
        _draw_limits(panel, [trace for trace, _ in mine], limits or {})
        marks |= _draw_alerts(panel, {trace.sensor for trace, _ in mine}, alerts)
        panel.set_ylabel(unit)
        panel.margins(x=0.01)
        panel.grid(color="#00000014")
        panel.spines[["top", "right"]].set_visible(False)
    dates = panels[-1].xaxis
    dates.set_major_formatter(ConciseDateFormatter(dates.get_major_locator()))  # type: ignore[no-untyped-call]
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


def _draw_limits(panel: Any, traces: Sequence[Trace], limits: Limits) -> None:
    """Lines at the limits near the readings; those beyond are named at the edge."""
    values = np.concatenate([trace.values for trace in traces])
    if not len(values):
        return
    low, high = values.min(), values.max()
    room = (high - low) * NEAR
    beyond: dict[str, list[str]] = {"↑": [], "↓": []}
    for word, value, text in _named(traces, limits):
        if low - room <= value <= high + room:
            color = RED if word == "critical" else INK
            panel.axhline(value, color=color, linestyle=(0, (5, 3)), linewidth=0.9, alpha=0.75, zorder=1)
            panel.text(1, value, text, transform=panel.get_yaxis_transform(), color=color, **SMALL, va="bottom")
        else:
            beyond["↑" if value > low else "↓"].append(text)
    for sign, height, side in (("↑", 1, "top"), ("↓", 0, "bottom")):
        if beyond[sign]:
            text = f"{sign} {' · '.join(beyond[sign])}"
            panel.text(1, height, text, transform=panel.transAxes, color=GREY, **SMALL, va=side)


def _named(traces: Sequence[Trace], limits: Limits) -> list[tuple[str, float, str]]:
    """The limits of a panel's sensors: word, value, and both as text, with whose they are where not all have them."""
    found: dict[tuple[str, float], list[str]] = {}
    for trace in traces:
        for limit in limits.get(trace.sensor, {}).items():
            found.setdefault(limit, []).append(trace.sensor)
    return [
        (word, value, f"{'' if len(whose) == len(traces) else ', '.join(whose) + ' '}{word} {value:g}")
        for (word, value), whose in found.items()
    ]


def _draw_alerts(panel: Any, sensors: set[str], alerts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The alerts about some of the sensors."""
    marks = {}
    for alert in alerts:
        if sensors.intersection(alert["sensors"]):
            color, style = SEVERITIES.get(alert["severity"], (GREY, ":"))
            at = np.datetime64(int(alert["at"]), "ms")
            marks[f"{alert['severity']} alert"] = panel.axvline(at, color=color, linestyle=style, linewidth=1.2)
    return marks
