"""What a session changes at the service: readings it submits, alerts it acknowledges, rules and webhooks it adds.

What may have arrived is never sent again: see `deliveries`. What was only partly taken raises, and the error tells of
each row.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from immune_nb.deliveries import Delivery, deliver
from immune_nb.errors import ImmuneError, IncompleteError, QueryError, quoted
from immune_nb.fetch.outcomes import ACCEPTED, REJECTED, Outcome, outcomes_of
from immune_nb.fetch.parameters import as_ids
from immune_nb.queries import Queries
from immune_nb.replies import frame_of
from immune_nb.webhooks import EVENTS, Webhook

if TYPE_CHECKING:
    import pandas as pd

    from immune_nb.fetch.client import Reply
    from immune_nb.profiles import Profile

__all__ = ["ACKNOWLEDGED", "BATCH", "Writes", "submit_path"]

BATCH = 500  # the largest one is undocumented (api-contract 1.3): half of the largest page
ACKNOWLEDGED = "acknowledged"


class Writes(Queries):
    """The questions one can ask of an API, and what one can tell it. A read-only profile refuses the latter."""

    def submit(
        self, readings: pd.DataFrame | Mapping[str, Any] | Iterable[Mapping[str, Any]], *, batch: int = BATCH
    ) -> pd.DataFrame:
        """Submit readings. All are checked before the first is sent, and none that may have arrived is sent again.

        Args:
            readings: A DataFrame with the columns ``sensor_id``, ``value``, ``unit`` and ``timestamp``, which may be
                its index; or a mapping with these fields, or several. Naive times are UTC.
            batch: How many to send at once; with 1, or a single reading, each goes alone. Where the service finds a
                batch too large (413), smaller ones follow.

        Returns:
            DataFrame of shape (n, 4), one row per reading, with the index of the frame given, so that
            ``frame[outcome.status == "rejected"]`` selects. All are ``accepted``: anything else raises.

            =======  ========  ===========================================
            row      int64     its place in what was given, from 0
            status   category  what became of it
            id       string    the id the service has for it
            message  string    why it was not accepted
            =======  ========  ===========================================

        Raises:
            QueryError: A reading cannot be sent, and nothing was: each row and field is named. Or the service refuses
                the only one.
            IncompleteError: Not all were accepted; `.frame` tells of each row: ``accepted``; ``rejected``, the
                service refused it; ``unknown``, it was sent, and no answer says what became of it: look before
                you send it again; ``unsent``, it may be sent again as it is.
            LoginError, ServiceError: The service took none.

        Source:
            ``POST /readings``, ``POST /readings/batch`` (api-contract 1.3)
        """
        from immune_nb.frames.submission import submission_of

        if type(batch) is not int or batch < 1:
            raise QueryError(f"batch is {quoted(batch, 60)}.", hint="Give a whole number above 0.")
        self.refuse_if_read_only("POST")
        given = submission_of(readings)
        rows, alone = given.rows, batch == 1 or len(given.rows) == 1
        path = submit_path(self.profile, alone=alone)

        def send(start: int, stop: int) -> list[Outcome]:
            body = rows[start] if alone else {"readings": rows[start:stop]}
            return outcomes_of(self.request("POST", path, json=body), stop - start)

        began = time.perf_counter()
        done = deliver(send, len(rows), size=1 if alone else batch, each=alone)
        return self._told(done, f"POST {path}", "readings", given.index, began)

    def acknowledge(self, alert: str | Iterable[str] | pd.DataFrame, *, comment: str | None = None) -> pd.DataFrame:
        """Acknowledge alerts, one request each.

        Args:
            alert: An alert's id, several, or a frame of alerts as `alerts` returns it.
            comment: For who reads it later.

        Returns:
            DataFrame of shape (n, 4), one row per alert, as of `submit`; ``id`` is the alert's.

        Raises:
            QueryError: There is no such alert, or an id cannot be one; several: `IncompleteError` as below.
            IncompleteError: Not all were acknowledged; `.frame` tells of each.
            LoginError, ServiceError: The service took none.

        Source:
            ``PATCH /alerts/{id}`` (api-contract 1.6)
        """
        from immune_nb.frames.submission import ids_of

        self.refuse_if_read_only("PATCH")
        if comment is not None and not isinstance(comment, str):
            raise QueryError(f"comment is {quoted(comment, 60)}, which is no text.")
        ids = as_ids(ids_of(alert))
        for name in {".", ".."} & set(ids):
            raise QueryError(f"{name!r} is no alert's id.")
        body = {"status": ACKNOWLEDGED} | ({} if comment is None else {"comment": comment})

        def send(start: int, _stop: int) -> list[Outcome]:
            path = f"{self.profile.paths['alerts']}/{quote(ids[start], safe='')}"
            return [_acknowledged(ids[start], self.request("PATCH", path, json=body))]

        began = time.perf_counter()
        done = deliver(send, len(ids), size=1, each=True)
        named = [Outcome(o.status, name, o.message) for o, name in zip(done.outcomes, ids, strict=True)]
        return self._told(
            Delivery(named, done.parts, done.cause), f"PATCH {self.profile.paths['alerts']}", "alerts", None, began
        )

    def create_alert_rule(
        self,
        name: str,
        *,
        equipment_id: str,
        parameter: str,
        operator: str,
        value: float,
        severity: str,
        sensor_id: str | None = None,
        kind: str = "threshold",
        duration: str | float | None = None,
        channels: Iterable[str] = (),
        recipients: Iterable[str] = (),
    ) -> pd.DataFrame:
        """Add a rule that raises alerts.

        Args:
            name: For people.
            equipment_id: The machine.
            parameter: What is compared, e.g. ``"value"``.
            operator: How, e.g. ``">"``.
            value: With what, in the sensor's unit.
            severity: ``critical``, ``warning`` or ``info``.
            sensor_id: One sensor of the machine.
            kind: The condition's type.
            duration: How long the condition must hold, as the service writes it; its form is undocumented.
            channels: How to tell people, e.g. ``["email"]``.
            recipients: Whom.

        Returns:
            DataFrame with the rule as the service answers it, in one row; nested fields are named by their path, e.g.
            ``conditions.value``. No row where it answers nothing.

        Raises:
            QueryError: `value` is no number, or the service refuses the rule.
            LoginError, ServiceError: The service does not take it.

        Source:
            ``POST /alert-rules`` (api-contract 1.6)
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise QueryError(f"value is {quoted(value, 60)!r}, which is no number.")
        conditions = {"type": kind, "parameter": parameter, "operator": operator, "value": value}
        body = {
            "name": name,
            "equipment_id": equipment_id,
            "sensor_id": sensor_id,
            "conditions": conditions | ({} if duration is None else {"duration": duration}),
            "severity": severity,
            "notifications": {
                "channels": _texts("channels", channels),
                "recipients": _texts("recipients", recipients),
            },
        }
        began, path = time.perf_counter(), self.profile.paths.get("alert_rules", "/alert-rules")
        reply = self.request("POST", path, json={k: v for k, v in body.items() if v is not None})
        return self._framed(reply, began)

    def register_webhook(self, url: str, events: str | Iterable[str] = EVENTS) -> Webhook:
        """Have events sent to an address.

        Args:
            url: Where to, http or https.
            events: Which; all that are documented when not given.

        Returns:
            The webhook. Its ``secret`` signs what is delivered: keep it where your receiver finds it, as services
            show it once. `immune_nb.verify_webhook` checks a delivery.

        Raises:
            QueryError: The address is none, or the service refuses it.
            LoginError, ServiceError: The service does not take it.

        Source:
            ``POST /webhooks`` (api-contract 1.7)
        """
        names = tuple(as_ids(events))
        if not str(url).lower().startswith(("https://", "http://")):
            raise QueryError("The webhook's address is no URL.", hint="Write https://host/path.")
        path = self.profile.paths.get("webhooks", "/webhooks")
        reply = self.request("POST", path, form={"url": url, "events[]": list(names)})
        return Webhook.of(url, names, reply.data)

    def _told(self, done: Delivery, where: str, what: str, index: Any, began: float) -> pd.DataFrame:
        """The outcomes as a frame, if all is well.

        Raises:
            IncompleteError: It is not, and something was or may have been taken.
            ImmuneError: It is not, and nothing was taken, for one reason.
        """
        if done.left_nothing:
            raise cast("ImmuneError", done.cause)
        frame = self._outcomes(done, where, index, began)
        if done.is_whole:
            return frame
        doubt = " An unknown one may be there: look before you send it again." if done.is_doubtful else ""
        error = IncompleteError(
            f"{where}: of the {what}, {done}.",
            hint=f"What became of each is in .frame of this error.{doubt}",
            frame=frame,
        )
        raise error from done.cause

    def _outcomes(self, done: Delivery, where: str, index: Any, began: float) -> pd.DataFrame:
        from immune_nb.frames.receipt import Receipt
        from immune_nb.frames.submission import outcome_frame

        frame = outcome_frame([(o.status, o.id, o.message) for o in done.outcomes], index)
        return Receipt(
            profile=self.profile.name,
            account=self._account,
            path=where.partition(" ")[2],
            parameters={},
            fetched_at=datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds"),
            rows=len(frame),
            pages=done.parts,
            reported_total=None,
            complete=done.is_whole,
            stopped_by="end" if done.is_whole else str(done),
            seconds=round(time.perf_counter() - began, 3),
            calls_left=self._client.meter.left,
        ).attach(frame)

    def _framed(self, reply: Reply, began: float) -> pd.DataFrame:
        return frame_of(
            reply,
            profile=self.profile.name,
            account=self._account,
            seconds=time.perf_counter() - began,
            now=self._clock(),
        )


def submit_path(profile: Profile, *, alone: bool) -> str:
    """Where readings are submitted: one alone, or several; a profile may name another ``readings_batch``."""
    path = profile.paths["readings"]
    return path if alone else profile.paths.get("readings_batch", f"{path}/batch")


def _acknowledged(name: str, reply: Reply) -> Outcome:
    """What an answer of success says: an alert that it shows with another status was not acknowledged."""
    body = reply.data if reply.content.strip() else {}
    found = body.get("data", body) if isinstance(body, dict) else {}
    status = found.get("status") if isinstance(found, dict) else None
    if status in ("active", "resolved"):
        return Outcome(REJECTED, name, f"The service says that its status is {status}.")
    return Outcome(ACCEPTED, name)


def _texts(name: str, words: Iterable[str]) -> list[str]:
    texts = [words] if isinstance(words, str) else list(words)
    if not all(isinstance(text, str) for text in texts):
        raise QueryError(f"{name} must be texts.")
    return texts
