"""The explorer: a widget whose readings stay in the kernel. What it shows travels in messages, and is in no state.

Neither the readings nor the plotting library ever become widget state: a notebook that is saved with its widgets
grows by the size of the explorer's own script. The library comes from the installed `plotly`, compressed, when a page
that has none asks for it: nothing loads from elsewhere, and a server that limits the rate of output lets it pass.
"""

from __future__ import annotations

import copy
import gzip
import json
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from immune_nb.errors import ImmuneError

from .arguments import variable_name
from .exploration import micros_of
from .frame_tables import as_text
from .shipped import Shipped, shipped
from .show import dimensions
from .traces import COLORS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from immune_nb.fetch.crops import Tally

    from .exploration import Exploration
    from .traces import Trace

__all__ = ["Explorer"]

SCRIPTS = (
    "panel_parts.js",
    "explorer_tables.js",
    "explorer_talk.js",
    "explorer_list.js",
    "explorer_marks.js",
    "explorer_plot.js",
    "explorer_cell.js",
    "explorer.js",
)
PLENTY = 100_000  # rows: more than that is fetched only when the person says so
ROWS = 50  # of a page of the table


class Explorer(Shipped):
    """The widget.

    Args:
        exploration: What to explore.
        shell: The IPython shell that takes the frame.
        profile: Gives the name of the profile for the code; empty while it is the current one.
    """

    INSTEAD = (
        "No explorer here? It needs a running kernel and a front end with widgets. Run %immune explore again, "
        "or %immune explore SENSOR --static."
    )
    _esm = f"const COLORS = {json.dumps(COLORS)};\n{shipped(*SCRIPTS)}"
    _css = shipped("panel.css", "explorer.css")

    def __init__(self, exploration: Exploration, shell: Any, profile: Callable[[], str] = str) -> None:
        self._exploration = exploration
        self._shell = shell
        self._profile = profile
        self._name = "df"
        self._wanted = {"last": exploration.last}
        self._one_at_a_time = threading.RLock()  # some front ends let messages be handled on threads of their own
        super().__init__()
        self.on_msg(lambda _widget, message, _buffers: self.hear(message))

    def hear(self, message: Mapping[str, Any]) -> None:
        """Do what the front end asks, and show what came of it."""
        with self._one_at_a_time:
            try:
                self._do(message)
            except KeyboardInterrupt:
                self._say("Interrupted. What had arrived is dropped; choose again to fetch it.", tone="error")
            except (ImmuneError, UsageError) as error:
                self._say(str(error), tone="error")
            except Exception as error:
                self._say(f"That failed unexpectedly ({type(error).__name__}).", tone="error")
                raise
            finally:
                self.send({"kind": "done", "turn": message.get("turn")})

    def _do(self, message: Mapping[str, Any]) -> None:
        match message.get("do"):
            case "plotly":
                self.send({"kind": "plotly"}, buffers=[_library()])
            case "open":
                self._open()
            case "load":
                self._load_or_stay(message)
            case "look":
                self._look(message)
            case "rows":
                self._send_rows(int(message["offset"]))
            case "name" | "frame" as task:
                self._name = variable_name(str(message["name"]))
                self._answer_name(task)
            case "leave":
                self._exploration.forget()

    def _look(self, message: Mapping[str, Any]) -> None:
        """Draw another stretch, or averages, of what is held."""
        asked = self._exploration
        if "every" in message:
            asked.every = str(message["every"])
        if "start" in message:
            asked.show(int(message["start"] * 1000), int(message["end"] * 1000))
        self._draw()

    def _open(self) -> None:
        """Tell a view that has just appeared everything; the readings it shows follow."""
        asked = self._exploration
        state = {"chosen": asked.chosen, "last": asked.last, "every": asked.every, "name": self._name}
        self.send({"kind": "open", "profile": asked.session.profile.name, "id": self.model_id, "state": state})
        try:
            self.send({"kind": "sensors", "sensors": asked.sensors()})
        except ImmuneError as error:
            self.send({"kind": "sensors", "sensors": [{"id": sensor} for sensor in asked.chosen]})
            self._say(f"No list of sensors: {error}", tone="error")
        if asked.chosen:
            self._load(sure=False)

    def _load_or_stay(self, message: Mapping[str, Any]) -> None:
        """Load what is chosen; where another range cannot be had, the former and its readings stay."""
        former, wanted = copy.copy(self._exploration), self._wanted
        try:
            self._choose(message)
            self._load(sure=bool(message.get("sure")))
        except BaseException:
            former.chosen = self._exploration.chosen
            self._exploration, self._wanted = former, wanted
            raise

    def _choose(self, message: Mapping[str, Any]) -> None:
        asked = self._exploration
        asked.chosen = tuple(map(str, message["chosen"]))
        names = ("start", "end") if message.get("start") else ("last",)
        wanted = {name: str(message[name]) for name in names if message.get(name)}
        if wanted and (wanted != self._wanted or message.get("again")):
            asked.choose_range(**wanted)
            self._wanted = wanted

    def _load(self, *, sure: bool) -> None:
        asked = self._exploration
        if asked.missing:
            self._busy("Counting…")
            rows = None if sure else asked.expected()
            if not sure and (rows is None or rows > PLENTY):
                self._clear()
                self.send({"kind": "ask", "rows": rows})
                return
            self._busy("Fetching…")
            asked.fetch(self._progress)
        self._draw()

    def _progress(self, tally: Tally) -> None:
        of = f" of {tally.total:,}" if tally.total else ""
        self._busy(f"Fetching… {tally.rows:,}{of} rows")

    def _clear(self) -> None:
        """Show nothing where the readings of some chosen sensors are not there yet."""
        self.send({"kind": "picture", "lines": [], "code": None})

    def _draw(self) -> None:
        """Send the lines of what is looked at, its statistics, and the code for it."""
        asked = self._exploration
        traces, alerts = asked.traces(), asked.alerts() if asked.chosen else []
        cards = [_card(trace, asked.limits.get(trace.sensor, {})) for trace in asked.lines(traces)]
        start, end = map(_millis, asked.shown)
        first, final = map(_millis, asked.within)
        picture = {
            "kind": "picture",
            "lines": [card for card, _ in cards],
            "shown": [start, end],
            "within": [first, final],
            "alerts": [alert for alert in alerts if start <= alert["at"] < end],
            "statistics": [trace.summary() for trace in traces],
            "remarks": asked.remarks,
            "without": sorted({*asked.chosen} - {trace.sensor for trace in traces if len(trace.times)}),
            "code": self._code() if asked.chosen else None,
        }
        self.send(picture, buffers=[array.data for _, arrays in cards for array in arrays])

    def _send_rows(self, offset: int) -> None:
        frame = self._exploration.frame()
        page = frame.iloc[offset : offset + ROWS]
        texts = list(zip(*(as_text(page[name]) for name in page), strict=True))
        self.send(
            {
                "kind": "rows",
                "columns": [_titled(frame[name]) for name in frame],
                "rows": texts,
                "offset": offset,
                "total": len(frame),
                "page": ROWS,
            }
        )

    def _code(self) -> dict[str, str]:
        recipe = self._exploration.recipe(self._profile())
        return {"line": recipe.line(self._name), "python": recipe.python(self._name)}

    def _answer_name(self, task: str) -> None:
        """Put the frame into the variable, or only say the code with it."""
        if task == "frame":
            frame, variables = self._exploration.frame(), self._shell.user_ns
            replaced = ", in place of what it held" if self._name in variables else ""
            variables[self._name] = frame
            self._say(f"{self._name}: {dimensions(*frame.shape)}{replaced}.")
        elif self._exploration.chosen:
            self.send({"kind": "code", "code": self._code()})

    def _busy(self, text: str) -> None:
        self.send({"kind": "busy", "text": text})

    def _say(self, text: str, *, tone: str = "info") -> None:
        self.send({"kind": "say", "text": text, "tone": tone})


def _titled(column: pd.Series[Any]) -> str:
    """A column's name, with the time zone of its instants."""
    zone = getattr(column.dtype, "tz", None)
    return f"{column.name} {zone}" if zone else str(column.name)


def _card(trace: Trace, limits: Mapping[str, float]) -> tuple[dict[str, Any], list[NDArray[np.float64]]]:
    """A line as it travels: what it is, and its arrays, to be taken from the message's buffers in this order."""
    marks = trace.marks()
    card = {"sensor": trace.sensor, "unit": trace.unit, "marks": list(marks), "limits": limits}
    return card, [array for line in (trace.thinned(), *marks.values()) for array in line]


def _library() -> bytes:
    """plotly.js, compressed."""
    from plotly.offline import get_plotlyjs

    return gzip.compress(get_plotlyjs().encode(), 4)


def _millis(instant: pd.Timestamp) -> float:
    return micros_of(instant) / 1000
