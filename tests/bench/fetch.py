"""How fast readings become a frame, beside what people write themselves. Run by ``make bench``.

Every way runs in turn in each round, so that all meet the same machine; medians of the rounds. Servers run on
127.0.0.1: the sandbox, and a plain server of pages made beforehand. All of it takes a quarter of an hour and writes
``results/fetch.md`` and ``fetch.png``; ``--quick``, one round of the smallest case, and ``--only`` print, and write
where ``--out`` says.
"""

import argparse
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd
from ways import WAYS, Source, decoded_by_pandas, decoded_by_us, with_ours

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.session import Session

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SIZE = 200_000
KEY = "imk_" + secrets.token_urlsafe(24)  # as keys are: it is looked for in every answer
END = pd.Timestamp("2026-03-01", tz="UTC")
CASES = [("sandbox", 20), ("sandbox", 0), ("sandbox", 100), ("pages", 20), ("pages", 0)]
COLOURS = ["#c9ced6", "#c9ced6", "#c9ced6", "#8fa3bf", "#0b7a75"]
PEAK = """
import re, sys
sys.path.insert(0, {here!r})
from ways import Source
source = Source(**{source!r})
{work}
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@contextmanager
def sandbox(latency: float, sensor: str = "vib_002", rows: int = SIZE) -> Iterator[Source]:
    """A sandbox process, and a question that has so many rows: `vib_002` reports every ten seconds."""
    command = [sys.executable, "-m", "immune_nb.sandbox", "--port", "0", "--until-eof", "--rate-limit", "10000000"]
    command += ["--now", END.isoformat().replace("+00:00", "Z"), "--days", "240", "--latency-ms", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told = json.loads(process.stdout.readline())
        start = END - pd.Timedelta(seconds=10 * rows)
        texts = [t.isoformat().replace("+00:00", "Z") for t in (start, END)]
        yield Source(told["base_url"], told["api_key"], sensor, *texts, rows)
        process.stdin.close()


@contextmanager
def pages(latency: float, rows: int = SIZE) -> Iterator[Source]:
    """The plain page server."""
    command = [sys.executable, str(HERE / "pages_server.py"), str(rows // 1000), str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip()
        start = pd.Timestamp("2026-01-01", tz="UTC")
        texts = [t.isoformat().replace("+00:00", "Z") for t in (start, start + pd.Timedelta(minutes=rows))]
        yield Source(f"http://127.0.0.1:{port}", KEY, "vib_001", *texts, rows)
        process.stdin.close()


Measured = dict[tuple[str, int], dict[str, list[float]]]


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compared(source: Source, rounds: int) -> dict[str, list[float]]:
    """Seconds of every way, round by round; a frame with fewer rows is no result."""
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    with_ours(source)  # warms the server
    for number in range(rounds):
        for name, way in WAYS.items():
            began = time.perf_counter()
            frame = way(source)
            taken[name].append(time.perf_counter() - began)
            if len(frame) != source.rows:
                raise SystemExit(f"{name} brought {len(frame):,} of {source.rows:,} rows")
        print(f"  round {number + 1}:", {n: round(t[-1], 2) for n, t in taken.items()}, flush=True)
    return taken


def table_of(measured: Measured) -> str:
    """Seconds of every way, how many times as fast as each of the usual ones we are, and how we stand to curl."""
    lines = ["| server, latency | " + " | ".join(WAYS) + " | times as fast as the usual three | against curl |"]
    lines.append("|---" * (len(WAYS) + 3) + "|")
    for (server, latency), taken in measured.items():
        medians = [statistics.median(times) for times in taken.values()]
        *usual, curl, ours = medians
        cells = " | ".join(f"{t:.2f} s" for t in medians)
        faster = ", ".join(f"{t / ours:.1f}" for t in usual)
        lines.append(f"| {server}, {latency} ms | {cells} | {faster} | {ours / curl:.2f} × |")
    return "\n".join(lines)


def decode_case(rounds: int) -> list[str]:
    with sandbox(0) as source:
        params, bodies = dict(source.params), []
        with httpx.Client(trust_env=False, headers=source.headers) as client:
            while len(bodies) < SIZE // 1000:
                bodies.append(client.get(f"{source.base_url}/readings", params=params).content)
                params["starting_after"] = json.loads(bodies[-1])["data"][-1]["id"]
    drifting = [drifted(body, number) for number, body in enumerate(bodies)]
    lines = [
        "| decode alone, 200,000 rows | json_normalize + concat | immune_nb | times as fast |",
        "|---|---|---|---|",
    ]
    for name, shape in (("clean", bodies), ("drifting", drifting)):
        theirs, ours = [], []
        for _ in range(rounds):
            theirs.append(seconds(lambda shape=shape: decoded_by_pandas(shape)))
            ours.append(seconds(lambda shape=shape: decoded_by_us(shape)))
        a, b = statistics.median(theirs), statistics.median(ours)
        lines.append(f"| {name} | {a:.2f} s | {b:.2f} s | {a / b:.1f} |")
    return lines


def drifted(body: bytes, number: int) -> bytes:
    """Every third page has a field more, every fifth one of another type, every tenth nested ones."""
    page = json.loads(body)
    for row in page["data"]:
        if number % 3 == 0:
            row["batch"] = number
        if number % 5 == 0:
            row["batch"] = f"b{number}"
        if number % 10 == 0:
            row["limits"] = {"low": 0, "high": 9.5}
    return json.dumps(page).encode()


def peak_mb(source: Source, work: str) -> float:
    program = PEAK.format(here=str(HERE), source=vars(source), work=work)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1024


def memory_case(rows: int) -> list[str]:
    with pages(0, rows) as source:
        base = peak_mb(source, "source.session(); import pandas, pyarrow.json, pyarrow.dataset")
        ask = f"source.session().readings(source.sensor, start={source.start!r}, end={source.end!r}"
        whole = peak_mb(source, f"frame = {ask})\nassert len(frame) == {rows}")
        with tempfile.TemporaryDirectory() as folder:
            work = f"out = {ask}, to={folder + '/out'!r})\nassert out.rows == {rows} and out.receipt['complete']"
            began = time.perf_counter()
            poured, took = peak_mb(source, work), time.perf_counter() - began
        small = with_ours(Source(**{**vars(source), "end": source.start[:8] + "31T00:00:00Z", "rows": 0}))
    own = small.memory_usage(deep=True).sum() / len(small) * rows / 2**20
    return [
        f"| peak memory, {rows:,} rows | MB |",
        "|---|---|",
        f"| before anything is asked | {base:.0f} |",
        f"| a frame ({own:.0f} MB of its own): peak | {whole:.0f} |",
        f"| `to=` a folder ({took:.0f} s): peak | {poured:.0f} |",
    ]


def growth_case(rounds: int) -> list[str]:
    lines = ["| immune_nb, 20 ms | seconds | rows a second |", "|---|---|---|"]
    for rows in (SIZE, 10 * SIZE):
        with pages(20, rows) as source:
            with_ours(source)
            took = statistics.median(seconds(lambda s=source: with_ours(s)) for _ in range(rounds))
        lines.append(f"| {rows:,} rows | {took:.2f} | {rows / took:,.0f} |")
    return lines


def store_case(rounds: int) -> list[str]:
    rows = 5 * SIZE
    with sandbox(20, rows=rows) as source, tempfile.TemporaryDirectory() as folder:
        os.environ["IMMUNE_NB_CACHE"] = folder
        end = (END - pd.Timedelta(days=2)).isoformat()
        profile = im.Profile("bench", source.base_url)
        session = Session(profile, find_credentials(profile, {}, api_key=source.key))
        ask = {"start": source.start, "end": end}
        fetched = statistics.median(seconds(lambda: session.readings(source.sensor, **ask)) for _ in range(rounds))
        filling = seconds(lambda: session.readings(source.sensor, **ask, cache=True))
        again = [seconds(lambda: session.readings(source.sensor, **ask, cache=True)) for _ in range(rounds)]
        frame = session.readings(source.sensor, **ask, cache=True)
        del os.environ["IMMUNE_NB_CACHE"]
    held = statistics.median(again)
    return [
        f"| store, {len(frame):,} rows at 20 ms | seconds |",
        "|---|---|",
        f"| fetched | {fetched:.2f} |",
        f"| fetched and kept | {filling:.2f} |",
        f"| from the store | {held:.2f} ({fetched / held:.1f} times as fast) |",
    ]


def overhead_case(rounds: int) -> list[str]:
    """One request of a full page through our stack, and through a bare client."""
    with pages(0, 10_000) as source:
        session = source.session()
        url = f"{source.base_url}/readings"
        with httpx.Client(trust_env=False, headers=source.headers) as client:
            for _ in range(100):
                client.get(url, params=source.params), session.request("GET", "/readings", params=source.params)
            bare, ours = [], []
            for _ in range(200 * rounds):
                bare.append(seconds(lambda: client.get(url, params=source.params).content))
                ours.append(seconds(lambda: session._client.send("GET", "/readings", params=source.params)))
    a, b = statistics.median(bare) * 1000, statistics.median(ours) * 1000
    return [
        "| one request of 1,000 rows | ms |",
        "|---|---|",
        f"| bare httpx | {a:.2f} |",
        f"| our stack | {b:.2f} ({(b / a - 1) * 100:+.0f} %) |",
    ]


def plot(measured: Measured, path: Path) -> None:
    """A panel per server and latency: a bar per way, with its seconds."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(measured), figsize=(2.3 * len(measured) + 2, 2.9), squeeze=False, sharey=True
    )
    for panel, ((server, latency), taken) in zip(panels[0], measured.items(), strict=True):
        medians = [statistics.median(times) for times in taken.values()]
        bars = panel.barh(list(taken), medians, color=COLOURS, height=0.72)
        panel.bar_label(bars, [f"{t:.2f} s" for t in medians], padding=3, fontsize=8, color="#333333")
        panel.set_title(f"{server}, {latency} ms", fontsize=10, color="#333333")
        panel.set_xlim(0, 1.38 * max(medians))
        panel.xaxis.set_visible(False)
        panel.spines[:].set_visible(False)
        panel.spines["left"].set(visible=True, color="#bbbbbb")
        panel.tick_params(axis="y", length=0, labelsize=9, labelcolor="#333333")
    panels[0][0].invert_yaxis()
    figure.suptitle("200,000 readings to a DataFrame, seconds (less is better)", fontsize=11, x=0.01, ha="left")
    figure.tight_layout()
    figure.savefig(path, dpi=120, facecolor="white")
    plt.close(figure)


def machine() -> str:
    return (
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs shared by server and client, {platform.system()}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of the smallest case")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["ways", "decode", "memory", "growth", "store", "overhead"])
    parser.add_argument("--out", type=Path, help="write here; only a whole run writes to results/ by itself")
    chosen = parser.parse_args(arguments)
    rounds, cases = (1, CASES[:1]) if chosen.quick else (chosen.rounds, CASES)
    out = chosen.out or (None if chosen.quick or chosen.only else RESULTS)
    parts: dict[str, Callable[[], list[str]]] = {
        "decode": lambda: decode_case(rounds),
        "memory": lambda: memory_case(1_000_000 if chosen.quick else 10_000_000),
        "growth": lambda: growth_case(rounds),
        "store": lambda: store_case(rounds),
        "overhead": lambda: overhead_case(rounds),
    }
    told = [f"Medians of {rounds} rounds; {machine()}.", ""]
    if chosen.only in (None, "ways"):
        measured: Measured = {}
        for server, latency in cases:
            print(f"{server}, {latency} ms", flush=True)
            with (sandbox if server == "sandbox" else pages)(latency) as source:
                measured[server, latency] = compared(source, rounds)
        told += [table_of(measured), ""]
        if out:
            out.mkdir(exist_ok=True, parents=True)
            plot(measured, out / "fetch.png")
    for name, part in parts.items():
        if chosen.only in (None, name):
            print(name, flush=True)
            told += [*part(), ""]
    print("\n".join(told))
    if out:
        out.mkdir(exist_ok=True, parents=True)
        (out / "fetch.md").write_text("\n".join(told))


if __name__ == "__main__":
    main()
