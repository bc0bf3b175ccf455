"""``python -m immune_nb.sandbox``: flags, one JSON line when it accepts connections, and a clean end."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from .faults import Faults
    from .server import Address, Server
    from .settings import Settings

FLAGS: Final = {"role": "--as"}  # where the field's name would say less, or is a word of Python


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or, when asked, the end of stdin.

    Returns:
        The exit status: 0, or 1 when the optional dependencies are missing or the port is taken.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        from .server import Server
    except ImportError as error:
        hint = 'pip install "immune_nb[sandbox]"'
        sys.stderr.write(f"The sandbox needs {error.name}, which is not installed: {hint}\n")
        return 1
    options = vars(_parser().parse_args(argv))
    port, until_eof = options.pop("port"), options.pop("until_eof")
    try:
        server = Server(_settings(options), port, _announce)
    except OSError as error:
        sys.stderr.write(f"The sandbox cannot listen on port {port}: {error.strerror}\n")
        return 1
    if until_eof:
        threading.Thread(target=_stop_at_eof, args=[server], daemon=True).start()
    server.serve_until_stopped()
    return 0


def _announce(address: Address) -> None:
    sys.stdout.write(json.dumps(address.announcement()) + "\n")
    sys.stdout.flush()


def _stop_at_eof(server: Server) -> None:
    """Wait for the end of stdin: whoever started us is gone. `os.read`, as a buffered read would block the exit."""
    while os.read(0, 4096):
        pass
    server.stop()


def _settings(options: dict[str, Any]) -> Settings:
    from .faults import Faults
    from .settings import Settings

    names = [switch.name for switch in dataclasses.fields(Faults)]
    faults = Faults(**{name: options.pop(name) for name in names})
    return Settings(faults=faults, **options)


def _parser() -> argparse.ArgumentParser:
    from .faults import Faults
    from .settings import Settings

    parser = argparse.ArgumentParser(prog="python -m immune_nb.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one (default)")
    parser.add_argument("--until-eof", action="store_true", help="end when stdin ends")
    _add_flags(parser.add_argument_group("behaviour"), Settings, {"now": _second, "db": Path, "log": Path})
    _add_flags(parser.add_argument_group("faults, also at run time: POST /_sandbox/faults"), Faults, {})
    return parser


def _add_flags(group: Any, options: type[Settings | Faults], readers: dict[str, Callable[[str], Any]]) -> None:
    """One flag per field that has a help text, so that a new switch is one line in its dataclass."""
    hints = get_type_hints(options, include_extras=True)
    for option in dataclasses.fields(options):
        if not hasattr(hints[option.name], "__metadata__"):
            continue
        kind, text = hints[option.name].__origin__, hints[option.name].__metadata__[0]
        flag = FLAGS.get(option.name, "--" + option.name.replace("_", "-"))
        if kind is bool:
            action = argparse.BooleanOptionalAction
            group.add_argument(flag, dest=option.name, action=action, default=option.default, help=text)
            continue
        read = readers.get(option.name, kind if kind in {int, float} else str)
        choices = get_args(kind) if get_origin(kind) is Literal else None
        group.add_argument(flag, dest=option.name, type=read, default=option.default, choices=choices, help=text)


def _second(text: str) -> int:
    from .instants import SECOND, parse

    return parse(text) // SECOND


if __name__ == "__main__":
    sys.exit(main())
