"""Random secrets, and whether one stands somewhere: the gauntlet's judge, which shares no code with the package."""

from __future__ import annotations

import base64
import html
import itertools
import json
import secrets
import traceback
from io import StringIO
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from urllib.parse import quote, quote_plus

from rich.console import Console
from rich.traceback import Traceback

__all__ = ["below", "canary", "careless", "files_with", "frame_values", "leaked", "rich_text"]


WIDE = 10_000  # columns; a secret that wraps would not be found


def canary() -> str:
    """A secret of this run, with characters that URL, JSON and base64 each write in their own way."""
    return f'cn{secrets.token_hex(6)}"+/=&%{secrets.token_hex(6)}'


def forms_of(secret: str) -> set[bytes]:
    """Raw, URL-encoded, JSON-escaped, in a page, in UTF-16, and in base64 with anything before it."""
    once = json.dumps(secret)[1:-1]
    in_page = [once.replace("/", "\\/"), html.escape(secret), html.escape(once), html.escape(secret, quote=False)]
    texts = [
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        once,
        json.dumps(once)[1:-1],
        *in_page,
    ]
    forms = {text.encode() for text in texts} | {secret.encode("utf-16-le"), secret.encode("utf-16-be")}
    for encode, offset in itertools.product((base64.b64encode, base64.urlsafe_b64encode), range(3)):
        forms.add(encode(b"\0" * offset + secret.encode())[4 if offset else 0 : -4])
    return forms


def leaked(data: object, secret: str) -> bool:
    """Whether the secret stands in bytes, in text, or in the text of anything else."""
    raw = (
        data if isinstance(data, bytes) else (data if isinstance(data, str) else repr(data)).encode(errors="replace")
    )
    return any(form in raw for form in forms_of(secret))


def files_with(secret: str, *folders: Path) -> list[str]:
    """Files, and names of files, that hold it."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in found if leaked(path.name, secret) or leaked(path.read_bytes(), secret)]


def frame_values(error: BaseException, *besides: str) -> str:
    """Every local of every frame of an exception and of what led to it, each opened a level, as a debugger does.

    Args:
        error: The exception.
        besides: Files whose frames are the test's own.
    """
    queue, texts = [error], []
    for one in queue:
        led = [other for other in (one.__cause__, one.__context__) if other is not None]
        queue += [other for other in led if all(other is not known for known in queue)]
        texts.append(f"{one} {one.args} {vars(one)} {getattr(one, '__notes__', '')}")
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename not in besides:
                texts += _opened(frame)
    return "\n".join(texts)


def rich_text(error: BaseException) -> str:
    """An exception as rich shows it, with locals in full."""
    full = {"width": WIDE, "locals_max_string": None, "locals_max_length": None}
    shown = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, **full)
    console = Console(width=WIDE, file=StringIO())
    console.print(shown)
    return console.file.getvalue()


def below(error: BaseException, file: str) -> BaseException:
    """The exception without the frames of a file, whose locals are the test's own."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename == file:
        step = step.tb_next
    return error.with_traceback(step)


def careless(headers: dict[str, str]) -> None:
    """Fail as a client does that keeps what it sends in a local."""
    raise OSError(f"broken, with {len(headers)} headers")


def _opened(frame: FrameType) -> list[str]:
    texts = []
    for value in frame.f_locals.values():
        texts.append(_text(value))
        if not isinstance(value, type | ModuleType | FunctionType):
            texts += [_text(inner) for inner in getattr(value, "__dict__", {}).values()]
    return texts


def _text(value: object) -> str:
    try:
        return f"{value!r} {value}"
    except Exception as error:  # noqa: BLE001 - what cannot be shown shows nothing
        return type(error).__name__
