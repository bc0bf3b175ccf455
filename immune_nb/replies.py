"""Answers to what was written, as frames. A secret that a service hands out stays a `Secret` in them.

A frame is shown, and what is shown is saved with the notebook: so a field whose name says that it holds a secret is
sealed before anybody sees it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from immune_nb.auth.secrets import SECRET_NAMES, Secret
from immune_nb.errors import BadReplyError
from immune_nb.fetch.client import Reply

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_of", "sealed", "status_line"]

SECRET_NAME = re.compile(rf"{SECRET_NAMES}|[\w.-]*token|hmac", re.IGNORECASE | re.VERBOSE)
SECRET_VALUE = re.compile(r"whsec_\S{8,}")


def sealed(tree: Any) -> Any:
    """Decoded JSON with a `Secret` in place of each text that a name, or its own form, says is one.

    Raises:
        BadReplyError: It is nested beyond reason.
    """
    try:
        return _sealed(tree, "")
    except RecursionError:
        pass
    raise BadReplyError("The answer is nested beyond reason.", hint="What was asked may have been done: look first.")


def frame_of(reply: Reply, *, profile: str, account: str, seconds: float, now: float) -> pd.DataFrame:
    """The records of an answer, one row each; nothing where the answer has no body.

    Args:
        reply: The answer; what is no JSON becomes one row with the column ``value``.
        profile: Name of the profile, for the receipt.
        account: Who asked, for the receipt.
        seconds: How long it took, for the receipt.
        now: Unix seconds, for the receipt.
    """
    from immune_nb.frames.decode import decode
    from immune_nb.frames.envelopes import find
    from immune_nb.frames.receipt import Receipt
    from immune_nb.frames.schemas import ANY

    found = find(sealed(reply.data))
    frame, _ = decode(found.records, ANY)
    return Receipt(
        profile=profile,
        account=account,
        path=reply.where.partition(" ")[2],
        parameters={},
        fetched_at=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        rows=len(frame),
        pages=1,
        reported_total=None,
        complete=True,
        stopped_by="end",
        units=found.about.units,
        seconds=round(seconds, 3),
    ).attach(frame)


def status_line(reply: Reply) -> str:
    """Method, path and status in words: ``POST /v1/webhooks: 201 Created``."""
    try:
        phrase = f" {HTTPStatus(reply.status).phrase}"
    except ValueError:
        phrase = ""
    return f"{reply.where}: {reply.status}{phrase}"


def _sealed(tree: Any, name: str) -> Any:
    is_named = SECRET_NAME.fullmatch(name)
    if isinstance(tree, dict):
        return {key: _sealed(value, name if is_named else str(key)) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_sealed(value, name) for value in tree]
    if isinstance(tree, str) and tree.strip() and (is_named or SECRET_VALUE.match(tree)):
        return Secret.sealed(tree, name if name.strip() and name.isascii() and name.isprintable() else "secret")
    return tree
