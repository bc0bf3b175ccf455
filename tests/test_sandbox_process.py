"""The sandbox as people start it: a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

FIELDS = {"base_url", "token_url", "api_key", "client_id", "client_secret", "pid"}


@contextlib.contextmanager
def started(*flags):
    """A sandbox process and what it printed."""
    command = [sys.executable, "-m", "immune_nb.sandbox", "--port", "0", *flags]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            if process.poll() is None:
                process.kill()


def connect(line):
    """A connection to it."""
    url = urlsplit(line["base_url"])
    return HTTPConnection(url.hostname, url.port), {"Authorization": "ApiKey " + line["api_key"]}


@pytest.mark.slow
@pytest.mark.parametrize("end", ["SIGTERM", "SIGINT", "eof"])
def test_one_line_then_a_clean_end(end):
    """One JSON line on stdout, answers at once on loopback, silence on stderr, exit status 0."""
    with started("--until-eof", "--now", "2024-01-20T15:30:00Z", "--cut", "length") as (process, line):
        assert line.keys() == FIELDS
        assert line["pid"] == process.pid
        assert line["base_url"].startswith("http://127.0.0.1:")
        assert line["base_url"].endswith("/v1")
        connection, headers = connect(line)
        connection.request("GET", "/v1/readings?limit=1", headers=headers)
        assert connection.getresponse().status == 200
        connection.close()
        if end == "eof":
            process.stdin.close()
            process.stdin = None
        else:
            os.kill(process.pid, getattr(signal, end))
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.slow
def test_a_taken_port_is_one_line():
    """A mistake is one line on stderr, no traceback."""
    with started() as (_, line):
        port = str(urlsplit(line["base_url"]).port)
        command = [sys.executable, "-m", "immune_nb.sandbox", "--port", port]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith(f"The sandbox cannot listen on port {port}")
    assert second.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_missing_dependency_is_one_line():
    """Without the optional group, one line says what to install."""
    script = (
        "import sys; sys.modules['uvicorn'] = None; from immune_nb.sandbox.__main__ import main; sys.exit(main([]))"
    )
    bare = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (bare.returncode, bare.stdout, bare.stderr.count("\n")) == (1, "", 1)
    assert 'pip install "immune_nb[sandbox]"' in bare.stderr


@pytest.mark.slow
def test_three_hundred_full_pages_a_second():
    """After warm-up, 16 connections get at least 300 pages of 1,000 readings a second."""
    with started("--now", "2024-01-20T15:30:00Z") as (_, line):

        def ask(count: int) -> None:
            connection, headers = connect(line)
            for day in range(count):
                query = f"sensor_id=vib_001&limit=1000&start_time=2024-01-{day % 15 + 1:02d}T00:00:00Z"
                connection.request("GET", f"/v1/readings?{query}", headers=headers)
                reply = connection.getresponse()
                assert reply.status == 200
                assert len(reply.read()) > 100_000
            connection.close()

        ask(15)
        threads = [threading.Thread(target=ask, args=[60]) for _ in range(16)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 16 * 60 / (time.perf_counter() - began) >= 300
