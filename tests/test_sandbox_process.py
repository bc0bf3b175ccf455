"""The sandbox as people start it: a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

FIELDS = {
    *("base_url", "issuer", "token_url", "authorize_url", "device_url", "revoke_url", "redirect_uri"),
    *("api_key", "client_id", "client_secret", "public_client_id", "user", "password", "pid"),
}


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
