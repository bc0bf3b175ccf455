"""``--dry-run`` and ``--show-code``: what a query would send, and how to ask it elsewhere. The query is not asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from immune_nb.errors import QueryError

from .calls import Call, call_of
from .code import Code, curl_of, python_of
from .show import Note, counted, duration, show
from .ways_in import session_for

if TYPE_CHECKING:
    from immune_nb.plans import Plan
    from immune_nb.session import Session

    from .arguments import Request
    from .desk import Desk

__all__ = ["is_asked_for", "refuse_everything", "rehearse"]

MOST_SHOWN = 10  # requests
MOST_PAGES = 300  # that are followed without being asked for
MANNERS = frozenset({"wide", "partial", "cache", "refresh"})  # how readings are wanted, and not which


def is_asked_for(request: Request) -> bool:
    """Whether a line asks for a rehearsal."""
    if request.given("count") and not request.given("dry_run"):
        raise UsageError("--count goes with --dry-run.")
    return request.given("dry_run") or request.given("show_code")


def rehearse(desk: Desk, request: Request) -> None:
    """Show what the line asks to see; of the service, only ``--count`` asks anything.

    Raises:
        QueryError: The question is wrong.
    """
    session, call = session_for(desk, request.text("profile")), call_of(request)
    plan = session.plan(call.method, *call.words, **call.named)
    if request.given("dry_run"):
        size = _counted(session, plan) if request.given("count") else ""
        show(Note(_told(plan, call, size or _remembered(desk, plan))))
    if request.given("show_code"):
        own = desk.sandbox is not None and desk.sandbox.profile == session.profile
        show(Code(python_of(call, session.profile, request.target or "df", in_kernel=own)))
        show(Code(curl_of(plan, session.profile, session.status().method)))


def refuse_everything(session: Session, call: Call) -> None:
    """Raise where a line names no sensor, range, filter or limit, and all there is would be very much.

    Raises:
        QueryError: It would; the message says how much, and how to go on.
    """
    if call.method != "readings" or call.words or call.named.keys() - MANNERS:
        return
    plan = session.plan(call.method, **call.named)
    totals = session.count(plan)
    pages = plan.pages(totals) if totals else None
    if totals and pages and pages > MOST_PAGES:
        raise QueryError(
            f"This takes all readings there are: {sum(totals):,} rows on {counted(pages, 'page')}.",
            hint="Name sensors, or give --last 7d or --limit; --yes takes them all.",
        )


def _told(plan: Plan, call: Call, size: str) -> str:
    """The requests, a line each, and their headers once."""
    first = plan.requests[0]
    lines = [f"{sent.method} {_address(plan, place)}" for place, sent in enumerate(plan.requests[:MOST_SHOWN])]
    if len(plan.requests) > MOST_SHOWN:
        lines.append(f"… and {len(plan.requests) - MOST_SHOWN:,} more like these")
    lines += [f"    {name}: {value}" for name, value in first.headers.items()]
    several = f"{len(plan.requests):,} lists are" if len(plan.requests) > 1 else "The list is"
    lines.append(f"{several} followed page by page, until the service has no more or --limit is reached.")
    if call.method == "predictions":
        lines.append("Path and fields of predictions are assumed: the documentation names none.")
    return "\n".join([f"{plan.profile} would be asked; nothing is sent:", *lines, size])


def _address(plan: Plan, place: int) -> str:
    from urllib.parse import urlencode

    from immune_nb.plans import HIDDEN

    sent = plan.requests[place]
    query = [*sent.query, *([(plan.secret_in_query, HIDDEN)] if plan.secret_in_query else [])]
    return sent.address + (f"?{urlencode(query, safe=':/,*')}" if query else "")


def _counted(session: Session, plan: Plan) -> str:
    """Rows, pages and time, from one request of one row per list."""
    began = time.perf_counter()
    totals = session.count(plan)
    took = (time.perf_counter() - began) / len(plan.requests)
    if totals is None:
        return "The service does not say how many rows there are."
    return _size(plan, sum(totals), plan.pages(totals), took, "the service counts now")


def _remembered(desk: Desk, plan: Plan) -> str:
    """Rows, pages and time of the same question, where this kernel has asked it."""
    seen = desk.memory.answer_to(plan.profile, plan.path, plan.parameters)
    if seen is None:
        return "How many rows there are is not known; --count asks for one row to find out."
    return _size(plan, seen.rows, seen.pages, seen.seconds / seen.pages, "as this kernel has seen before")


def _size(plan: Plan, rows: int, pages: int | None, pace: float, source: str) -> str:
    rows = rows if plan.limit is None else min(rows, plan.limit)
    parts = [counted(rows, "row"), counted(pages, "page")]
    if pages is not None:
        parts.append(f"about {_time(pages * pace)}")
    return f"{', '.join(filter(None, parts))}: {source}."


def _time(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - below it, a tenth counts
