"""What `%immune` understands: parsing, help and completion all read this one table."""

from __future__ import annotations

from .vocabulary import KEEPING, PROFILE, QUERY, RANGE, Command, Option

__all__ = ["COMMANDS", "command_named"]

PLACES = ("env", "env:NAME", "file:PATH", "prompt", "panel")

COMMANDS: tuple[Command, ...] = (
    Command(
        "login",
        "log in to a profile; where a person can act, with a panel",
        options=(
            PROFILE,
            Option("--method", "how to log in", "KIND", choices=("key", "token", "client", "browser", "device")),
            Option("--from", "where the credential comes from", "PLACE", choices=PLACES),
            Option("--client-id", "the OAuth client, where the profile names none", "ID"),
            Option("--scopes", 'what to ask for, e.g. "read write"; else what the profile says', "WORDS"),
            Option("--remember", "keep the login beyond this kernel"),
            Option("--no-browser", "open no browser, only show the address"),
        ),
        examples=(
            "%immune login",
            "%immune login --profile sandbox --method browser",
            "%immune login --method key --from file:/run/secrets/immune",
        ),
    ),
    Command(
        "status",
        "who is logged in, to what, for how long",
        options=(
            PROFILE,
            Option("--explain", "where the credential comes from, where it lives, what else was tried"),
        ),
        examples=("%immune status", "%immune status --explain"),
    ),
    Command("renew", "get a new access token now", options=(PROFILE,), examples=("%immune renew",)),
    Command(
        "logout",
        "end the login of the current profile: revoke it where that can be done, and forget it",
        options=(PROFILE, Option("--all", "of every profile")),
        examples=("%immune logout", "%immune logout --all"),
    ),
    Command(
        "usage",
        "calls, bytes and what the service still allows, per profile in this kernel",
        examples=("%immune usage",),
    ),
    Command(
        "cache",
        "readings that are kept on this machine: show them, or forget them",
        "ACTION",
        0,
        1,
        choices=("show", "clear"),
        options=(Option("--profile", "only what is kept of this API", "P"),),
        examples=("%immune cache", "%immune cache clear --profile sandbox"),
    ),
    Command("profiles", "the APIs that are known, and which are logged in", examples=("%immune profiles",)),
    Command("use", "make a profile the current one", "PROFILE", 1, 1, examples=("%immune use sandbox",)),
    Command(
        "sensors",
        "the sensors, one row each",
        options=QUERY,
        filters=True,
        examples=("%immune sensors", "df = %immune sensors status=online --limit 20"),
    ),
    Command(
        "readings",
        "readings of some sensors, or of all, in a time window",
        "SENSOR",
        0,
        None,
        options=(*RANGE, *KEEPING, *QUERY),
        filters=True,
        examples=(
            "df = %immune readings vib_001 temp_001 --last 7d",
            "df = %immune readings vib_001 --last 90d --cache",
            "folder = %immune readings --last 90d --to ninety_days",
            "%immune readings {ids} --start 2024-01-20 --end {noon} --out week",
            "%immune week << readings vib_001 --last 7d",
        ),
    ),
    Command(
        "alerts",
        "alerts, newest last",
        options=(
            Option("--status", "active, acknowledged, resolved", "WORDS", asks=True),
            Option("--severity", "critical, warning, info; several with commas", "WORDS", asks=True),
            *QUERY,
        ),
        filters=True,
        examples=("%immune alerts --status active --severity critical,warning",),
    ),
    Command(
        "get",
        "any address of the API as a frame",
        "PATH",
        1,
        1,
        options=(
            Option("--records", "where the records are, e.g. data.items, when they are not found", "FIELD"),
            Option("--paging", "how the list pages, e.g. page=p, when that is not found", "FORM"),
            *QUERY,
        ),
        filters=True,
        examples=(
            "df = %immune get /predictions equipment_id=pump_001",
            "df = %immune get /odd --records payload.rows --paging cursor=meta.next>after",
        ),
    ),
    Command(
        "audit",
        "has a credential ended up in a notebook, in history or in a file?",
        "PATH",
        0,
        1,
        options=(
            Option("--fix", "clear the outputs, widget state and history rows that hold one, after asking"),
            Option("--yes", "with --fix: do not ask"),
        ),
        examples=("%immune audit", "%immune audit notebooks/analysis.ipynb --fix"),
    ),
    Command(
        "doctor",
        "what stands between this kernel and the API; safe to paste into a bug report",
        options=(PROFILE,),
        examples=("%immune doctor", "%immune doctor --profile sandbox"),
    ),
    Command(
        "sandbox",
        "a local IMMUNE to try things on; it stops with the kernel",
        "ACTION",
        0,
        1,
        choices=("start", "stop", "status"),
        examples=("%immune sandbox start", "%immune sandbox stop"),
    ),
)


def command_named(name: str) -> Command | None:
    """The subcommand of that name."""
    return next((command for command in COMMANDS if command.name == name), None)
