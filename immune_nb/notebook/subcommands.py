"""What `%immune` understands: parsing, help and completion all read this one table."""

from __future__ import annotations

from .vocabulary import KEEPING, PROFILE, QUERY, RANGE, WRITE, Command, Option

__all__ = ["COMMANDS", "command_named"]


def _verb(name: str, *examples: str) -> Command:
    """A way to change something at any address."""
    return Command(
        name,
        f"{name.upper()} to any address of the API, with the cell below as the body",
        "PATH",
        1,
        1,
        options=(Option("--form", "send the body as a form; a list repeats its name"), *WRITE),
        filters=True,
        examples=examples,
        body=True,
    )


PLACES = ("env", "env:NAME", "file:PATH", "keyring:NAME", "prompt", "panel")

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
        options=(
            *RANGE,
            *KEEPING,
            *QUERY,
            Option("--yes", "take all there are, where neither sensor nor range is said"),
        ),
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
        "explore",
        "see sensors and their readings, and take the code or the frame from there",
        "SENSOR",
        0,
        None,
        options=(*RANGE, PROFILE, Option("--static", "tables and a picture, no widget")),
        examples=("%immune explore", "%immune explore vib_001 temp_001 --last 1d"),
    ),
    Command(
        "tail",
        "follow new readings of some sensors until it is stopped",
        "SENSOR",
        1,
        None,
        options=(
            PROFILE,
            Option("--every", "how often to look: 5s, 1m; 5s if it is not said", "SPAN"),
            Option("--for", "how long, e.g. 10m; where nobody can stop it, it must be said", "SPAN"),
        ),
        examples=("%immune tail vib_001", "%immune tail vib_001 temp_001 --every 30s --for 1h"),
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
        "predictions",
        "predictions of failures; an assumed endpoint, which the documentation does not name",
        options=QUERY,
        filters=True,
        examples=("%immune predictions equipment_id=pump_001",),
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
            "df = %immune get /equipment",
            "%immune get /alerts severity=critical --show-code",
            "df = %immune get /odd --records payload.rows --paging cursor=meta.next>after",
        ),
    ),
    Command(
        "ls",
        "what can be asked of the API, from its OpenAPI document",
        "WORD",
        0,
        None,
        options=(PROFILE, Option("--refresh", "read the document again")),
        examples=("%immune ls", "%immune ls alert severity"),
    ),
    Command(
        "describe",
        "an endpoint: parameters, body, columns of its answer, examples",
        "ENDPOINT",
        1,
        2,
        options=(PROFILE,),
        examples=("%immune describe readings", "%immune describe PATCH /alerts/{id}"),
        is_plain=True,
    ),
    Command(
        "submit",
        "send readings: a frame or records in a variable, with sensor_id, value, unit and timestamp",
        "{FRAME}",
        1,
        1,
        options=(Option("--batch", "how many to send at once; 500 when not given", "N", kind="count"), *WRITE),
        examples=("%immune submit {frame}", "done = %immune submit {frame} --yes"),
    ),
    Command(
        "acknowledge",
        "acknowledge alerts: ids, or a frame of alerts; ack for short",
        "ALERT",
        1,
        None,
        options=(Option("--comment", "for who reads it later", "TEXT"), *WRITE),
        examples=('%immune acknowledge alert_0019 --comment "On it."', "%immune ack {open_alerts} --yes"),
        also="ack",
    ),
    _verb("post", "%%immune post /alert-rules", "%%immune post /webhooks --form --yes"),
    _verb("patch", "%%immune patch /alerts/{alert}"),
    _verb("put", "%%immune put /equipment/pump_001"),
    _verb("delete", "%immune delete /alert-rules/{rule} --yes"),
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
    """The subcommand of that name, or of that shorter one."""
    return next((command for command in COMMANDS if name and name in (command.name, command.also)), None)
