"""A pytest plugin, ``-p gauntlet_table``: run what a docstring gives an L number, and print the gauntlet as a table.

A docstring with ``L16`` is a probe of case L16; one that says *control* is, or has in it, the proof that the probe
can fail.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from pathlib import Path

import pytest

__all__ = ["CASES"]

CASES = {
    "L01": "cells we insert, snippets we show",
    "L02": "outputs after login, fetch, status, logout and failures",
    "L03": "metadata.widgets after nbclient",
    "L04": "notebook saved by JupyterLab, after submit",
    "L05": "the same, while the field is filled",
    "L06": "checkpoints of both",
    "L07": "HTML from nbconvert --execute",
    "L08": "any iopub message",
    "L09": "widget manager state before and after submit",
    "L10": "repr, HTML and mimebundle of every object",
    "L11": "In, _ih, _i… after a refused secret",
    "L12": "history.sqlite, raw bytes, 20 times",
    "L13": "Out, _, _oh",
    "L14": "usage errors",
    "L15": "linecache and log of panel, prompt, environment, keyring",
    "L16": "every logger at DEBUG",
    "L17": "our logger and warnings",
    "L18": "text, args, vars, notes and chain of exceptions",
    "L19": "%xmode Context, Verbose, Plain, Minimal",
    "L20": "rich traceback with locals",
    "L21": "capture_locals, logging.exception",
    "L22": "frames of the exception chain",
    "L23": "exceptions that nobody retrieved",
    "L24": "debugger variables, one level open",
    "L25": "%whos, ?, ??, dir, vars, pprint, completion",
    "L26": "pickle, cloudpickle, dill, deepcopy, joblib",
    "L27": "%store of session and frame",
    "L28": "df.attrs through parquet, feather, pickle, JSON",
    "L29": "values, when the API echoes the credential",
    "L30": "receipts and cache files, names too",
    "L31": "response cache",
    "L32": "exposed URL, request, history",
    "L33": "the target of a redirect",
    "L34": "the target of a next link",
    "L35": "Referer, User-Agent, cookies",
    "L36": "plain http off loopback",
    "L37": "a proxy sees no loopback or token traffic",
    "L38": "!env, subprocess, environ after a login",
    "L39": "argv of what we start",
    "L40": "callback listener: stderr, page, Location",
    "L41": "every file under HOME, TMPDIR, notebook folder; modes",
    "L42": "a remembered credential, a crash in the middle",
    "L43": "after logout: objects, threads, revocation",
    "L44": "a forked or spawned child",
    "L45": "keys with line breaks, NUL, non-ASCII, 10 kB",
    "L46": "a second front end on the kernel",
    "L47": "SSLKEYLOGFILE",
}
NUMBER = re.compile(r"\bL(\d\d)\b(?:\s+to\s+L(\d\d)\b)?")


def numbers(item: pytest.Item) -> list[str]:
    """The cases that a test's docstring names."""
    text = getattr(getattr(item, "function", None), "__doc__", None) or ""
    found = [(int(match[1]), int(match[2] or match[1])) for match in NUMBER.finditer(text)]
    return [f"L{number:02}" for first, last in found for number in range(first, last + 1)]


class Table:
    """The cases, and what came of their probes and controls."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.probes: dict[str, list[bool]] = defaultdict(list)
        self.controls: dict[str, list[bool]] = defaultdict(list)
        self.kinds: dict[str, tuple[list[str], bool, bool]] = {}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out files that name no case: importing them all takes longer than many a probe."""
        is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
        return True if is_test and not NUMBER.search(collection_path.read_text(encoding="utf-8")) else None

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests of the gauntlet."""
        for item in items:
            text = (getattr(getattr(item, "function", None), "__doc__", "") or "").lower()
            only = text.startswith("positive control")
            self.kinds[item.nodeid] = (numbers(item), not only, "control" in text)
        config.hook.pytest_deselected(items=[item for item in items if not numbers(item)])
        items[:] = [item for item in items if numbers(item)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what came of a test."""
        if report.when == "call" or report.failed:
            cases, probes, controls = self.kinds[report.nodeid]
            for case in cases:
                if probes:
                    self.probes[case].append(report.passed)
                if controls:
                    self.controls[case].append(report.passed)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        write = terminalreporter.write_line
        write(f"\n{'case':4}  {'must not appear in':58}  probes        controls")
        bad = [case for case in CASES if not self._holds(case)]
        for case, what in CASES.items():
            probes, controls = self.probes[case], self.controls[case]
            clean = f"{sum(probes):3}/{len(probes):<3} clean" if probes else "none"
            red = f"{sum(controls):3}/{len(controls):<3} red" if controls else "none"
            write(f"{case}   {what:58}  {clean:12}  {red:12}{'  <-- look' if case in bad else ''}")
        seconds = time.monotonic() - self.began
        write(f"{len(CASES) - len(bad)} of {len(CASES)} cases hold, {seconds:.0f} s")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A case without a probe or a control is a failure."""
        if not session.exitstatus and not session.config.option.collectonly and not all(map(self._holds, CASES)):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _holds(self, case: str) -> bool:
        probes, controls = self.probes[case], self.controls[case]
        return bool(probes and controls) and all(probes) and all(controls)


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(Table(), "gauntlet table")
