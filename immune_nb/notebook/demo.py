"""``python -m immune_nb.notebook.demo NOTEBOOK``: run a notebook in a real kernel against a sandbox of its own.

Prints every frame the notebook made, with its dtypes and receipt, and writes the executed page. `--lab` opens
JupyterLab instead, with the sandbox ready in its environment. Both end the sandbox when they end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from immune_nb.notebook.sandbox_process import SandboxProcess

__all__ = ["main", "sandbox_environment"]

NO_CDN = dict.fromkeys(("mathjax_url", "require_js_url", "mermaid_js_url", "mermaid_layout_elk_js_url"), "")
DESCRIBE = """
for _name, _frame in list(globals().items()):
    _receipt = getattr(_frame, "attrs", {}).get("immune")
    if _receipt and not _name.startswith("_") and len(_frame) == _receipt["rows"]:  # as fetched, not derived
        print(f"{_name}: {len(_frame):,} rows x {_frame.shape[1]} columns", end=", ")
        _total = "none" if _receipt["reported_total"] is None else f"{_receipt['reported_total']:,}"
        print(f"{_total} reported, complete: {_receipt['complete']}")
        print(_frame.head(3).to_string(max_cols=8), end="\\n\\n")
        print(_frame.dtypes.to_string(), end="\\n\\n")
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Words of the command line; those of the process when not given.

    Returns:
        Exit status: 0 when every cell ran.
    """
    parser = argparse.ArgumentParser(
        prog="python -m immune_nb.notebook.demo", description="Run a notebook on a sandbox."
    )
    parser.add_argument("notebook", type=Path, help="the notebook, or the folder to open with --lab")
    parser.add_argument("--lab", action="store_true", help="open JupyterLab instead of running it")
    parser.add_argument("--to", type=Path, default=Path("build"), help="folder for the executed page")
    chosen = parser.parse_args(arguments)
    sandbox = SandboxProcess.start()
    os.environ.update(sandbox_environment(sandbox))
    try:
        return _lab(chosen.notebook) if chosen.lab else _execute(chosen.notebook, chosen.to)
    finally:
        sandbox.stop()


def sandbox_environment(sandbox: SandboxProcess) -> dict[str, str]:
    """The environment variables that log a kernel in to `sandbox` (profile ``sandbox``)."""
    profile = sandbox.profile
    return {
        "SANDBOX_BASE_URL": profile.base_url,
        "SANDBOX_TOKEN_URL": str(profile.token_url),
        "SANDBOX_ISSUER": str(profile.issuer),
        "SANDBOX_CLIENT_ID": sandbox.client_id,
        "SANDBOX_CLIENT_SECRET": sandbox.client_secret.reveal(),
    }


def _lab(folder: Path) -> int:
    print("JupyterLab opens with the sandbox ready: %load_ext immune_nb, then %immune login --profile sandbox")  # noqa: T201
    command = [sys.executable, "-m", "jupyter", "lab", "--ServerApp.ip=127.0.0.1", f"--notebook-dir={folder}"]
    try:
        return subprocess.run(command, check=False).returncode  # noqa: S603 - our own interpreter, a fixed command
    except KeyboardInterrupt:
        return 0


def _execute(path: Path, folder: Path) -> int:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}})
    client.extra_arguments = ["--log-level=ERROR"]  # not a warning about its transport on every start
    with client.setup_kernel():
        try:
            for number, cell in enumerate(notebook.cells):
                client.execute_cell(cell, number)
        except CellExecutionError as error:
            print(f"{path} failed: {error.ename}: {error.evalue}", file=sys.stderr)  # noqa: T201
            return 1
        summary = nbformat.v4.new_code_cell(DESCRIBE)
        notebook.cells.append(summary)
        client.execute_cell(summary, len(notebook.cells) - 1)
        notebook.cells.pop()  # asked for here, not part of the notebook
    print("".join(output.get("text", "") for output in summary.outputs))  # noqa: T201
    print(f"The executed notebook: {_page(notebook, folder / path.with_suffix('.html').name)}")  # noqa: T201
    return 0


def _page(notebook: Any, target: Path) -> Path:
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter(**NO_CDN).from_notebook_node(notebook)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(body, encoding="utf-8")
    return target.resolve()


if __name__ == "__main__":
    sys.exit(main())
