"""Everything that changes, in SQLite: who may come in, what was submitted, what was acknowledged.

Keys, client secrets and tokens are kept as SHA-256 only: they are long and random, so a plain digest is enough, and a
kept database gives nothing away. Checks of keys and tokens are remembered, since the same one comes with every
request; every write goes through this class, so what is remembered is dropped when it changes.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import astuple, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from .cursors import Position, submitted_id
from .render import row_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .readings import Window
    from .render import Selection

__all__ = ["Account", "Store", "StoredToken", "digest"]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (id TEXT PRIMARY KEY, kind TEXT, digest TEXT, scope TEXT);
CREATE TABLE IF NOT EXISTS tokens (digest TEXT PRIMARY KEY, client_id TEXT, scope TEXT, expires_at REAL, revoked INT,
    kind TEXT, user TEXT, family TEXT, audience TEXT);
CREATE INDEX IF NOT EXISTS by_family ON tokens (family);
CREATE TABLE IF NOT EXISTS readings (row INTEGER PRIMARY KEY, micros INT, rank INT, quality INT, body BLOB);
CREATE INDEX IF NOT EXISTS in_order ON readings (micros, rank, row);
CREATE TABLE IF NOT EXISTS records (place INTEGER PRIMARY KEY, kind TEXT, id TEXT, body TEXT, UNIQUE (kind, id));
"""
REMEMBERED: Final = 10_000
Record = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """Who may come in: an API key, an OAuth client with a secret, or a public one without."""

    id: str
    kind: str
    digest: str
    scope: str


@dataclass(frozen=True)
class StoredToken:
    """What is known of an access or refresh token.

    Attributes:
        client_id: Who got it.
        scope: What it is good for.
        expires_at: When it ends, in seconds since 1970.
        revoked: Whether it was taken back, or replaced.
        kind: ``access`` or ``refresh``.
        user: Who allowed it; nobody, for a client's own.
        family: All tokens that come of one sign-in.
        audience: The resources it is for (RFC 8707); none is all.
    """

    client_id: str
    scope: str
    expires_at: float
    revoked: bool = False
    kind: str = "access"
    user: str = ""
    family: str = ""
    audience: tuple[str, ...] = ()


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return sha256(secret.encode()).hexdigest()


class Store:
    """The sandbox's database.

    Args:
        path: A file to keep, or ``":memory:"``.
    """

    def __init__(self, path: str = ":memory:") -> None:
        # The event loop writes and its rendering threads read; SQLite takes one at a time.
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + SCHEMA)
        self._seen: dict[str, Account | StoredToken | None] = {}
        self._submitted = self._one("SELECT count(*) FROM readings")[0]

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _one(self, sql: str, *values: object) -> Any:
        return self._db.execute(sql, values).fetchone()

    # Who may come in

    def add_account(self, account: Account) -> None:
        """Register an API key or a client, or replace the one of that id."""
        row = (account.id, account.kind, account.digest, account.scope)
        self._db.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)", row)
        self._seen.clear()

    def client(self, client_id: str) -> Account | None:
        """An OAuth client."""
        row = self._one("SELECT * FROM accounts WHERE kind <> 'key' AND id = ?", client_id)
        return Account(*row) if row else None

    def account_of_key(self, key: str) -> Account | None:
        """Whose API key this is."""
        fingerprint = digest("key:" + key)
        if fingerprint not in self._seen:
            row = self._one("SELECT * FROM accounts WHERE kind = 'key' AND digest = ?", digest(key))
            self._remember(fingerprint, Account(*row) if row else None)
        found = self._seen[fingerprint]
        return found if isinstance(found, Account) else None

    def add_token(self, token: str, stored: StoredToken) -> None:
        """Keep a token that was just issued."""
        row = (*astuple(stored)[:-1], " ".join(stored.audience))
        self._db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (digest(token), *row))
        self._seen.clear()

    def token(self, token: str) -> StoredToken | None:
        """What is known of a token."""
        fingerprint = digest(token)
        if fingerprint not in self._seen:
            row = self._one("SELECT * FROM tokens WHERE digest = ?", fingerprint)
            self._remember(fingerprint, _token(row) if row else None)
        found = self._seen[fingerprint]
        return found if isinstance(found, StoredToken) else None

    def revoke_token(self, token: str) -> None:
        """Take one token back."""
        self._db.execute("UPDATE tokens SET revoked = 1 WHERE digest = ?", (digest(token),))
        self._seen.clear()

    def revoke_family(self, family: str) -> None:
        """Take back every token of one sign-in."""
        self._db.execute("UPDATE tokens SET revoked = 1 WHERE family = ?", (family,))
        self._seen.clear()

    def end_tokens(self, *, revoked: bool) -> int:
        """Revoke every token, or let every access token expire; returns how many these are."""
        expire = "UPDATE tokens SET expires_at = 0 WHERE kind = 'access'"
        sql = "UPDATE tokens SET revoked = 1" if revoked else expire
        self._seen.clear()
        return self._db.execute(sql).rowcount

    def _remember(self, fingerprint: str, found: Account | StoredToken | None) -> None:
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[fingerprint] = found

    # Submitted readings

    def add_reading(self, record: Record, micros: int, rank: int, quality: int) -> Record:
        """Keep a reading; returns it with its id."""
        sql = "INSERT INTO readings (micros, rank, quality) VALUES (?, ?, ?)"
        row = self._db.execute(sql, (micros, rank, quality)).lastrowid or 0
        record = {"id": submitted_id(row), **record}
        self._db.execute("UPDATE readings SET body = ? WHERE row = ?", (row_text(record), row))
        self._submitted += 1
        return record

    def count_readings(self, selection: Selection, window: Window) -> int:
        """Submitted readings of a selection in a window."""
        if not self._submitted:
            return 0
        sql = f"SELECT count(*) FROM readings WHERE micros >= ? AND micros < ? AND {_among(selection)}"  # noqa: S608 - integers of ours
        return int(self._one(sql, *window)[0])

    def list_readings(
        self, selection: Selection, start: Position, end: Position, limit: int, *, from_end: bool
    ) -> list[tuple[Position, bytes]]:
        """The first or last submitted readings between two places, ascending."""
        if not self._submitted:
            return []
        way = "DESC" if from_end else "ASC"
        sql = (
            "SELECT micros, rank, row, body FROM readings "  # noqa: S608 - integers of ours
            f"WHERE (micros, rank, row) >= (?, ?, ?) AND (micros, rank, row) < (?, ?, ?) AND {_among(selection)} "
            f"ORDER BY micros {way}, rank {way}, row {way} LIMIT ?"
        )
        rows = self._db.execute(sql, (*start, *end, limit)).fetchall()
        return [(Position(*row[:3]), row[3]) for row in (reversed(rows) if from_end else rows)]

    def find_reading(self, row: int) -> Position | None:
        """Where a submitted reading is in the list."""
        found = self._one("SELECT micros, rank, row FROM readings WHERE row = ?", min(row, 2**62))
        return Position(*found) if found else None

    # Small records: alerts, predictions, rules, settings, webhooks; sign-ins under way

    def put(self, kind: str, record: Record) -> Record:
        """Keep a record under its ``id``, in the place it has or at the end."""
        sql = "INSERT INTO records (kind, id, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
        self._db.execute(sql, (kind, record["id"], json.dumps(record)))
        return record

    def get(self, kind: str, record_id: str) -> Record | None:
        """One record."""
        row = self._one("SELECT body FROM records WHERE kind = ? AND id = ?", kind, record_id)
        return json.loads(row[0]) if row else None

    def remove(self, kind: str, record_id: str) -> None:
        """Forget a record."""
        self._db.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind, record_id))

    def all(self, kind: str) -> list[Record]:
        """Every record of a kind, in the order they came."""
        rows = self._db.execute("SELECT body FROM records WHERE kind = ? ORDER BY place", (kind,))
        return [json.loads(row[0]) for row in rows]

    def fill(self, kind: str, records: Iterable[Record]) -> None:
        """Keep records unless some of that kind are there already."""
        if not self.all(kind):
            for record in records:
                self.put(kind, record)

    def clear(self) -> None:
        """Forget all that was submitted or changed; keys, clients and tokens stay."""
        self._db.executescript("DELETE FROM readings; DELETE FROM records;")
        self._submitted = 0


def _token(row: tuple[Any, ...]) -> StoredToken:
    """A token from its row."""
    _, client_id, scope, expires_at, revoked, kind, user, family, audience = row
    return StoredToken(client_id, scope, expires_at, bool(revoked), kind, user, family, tuple(audience.split()))


def _among(selection: Selection) -> str:
    """SQL for the sensors and qualities of a selection."""
    ranks, qualities = ",".join(map(str, selection.ranks)), ",".join(map(str, selection.qualities))
    return f"rank IN ({ranks}) AND quality IN ({qualities})"
