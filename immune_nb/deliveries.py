"""Rows on their way to the service: in parts, each sent once, and what became of every row.

Only a 413 is answered by sending again, in smaller parts: it says that the request was refused for its size (RFC
9110 15.5.14). Below, a 401 is answered with a newer token, as it says that the request was not applied (15.5.2). No
other answer promises that: not a 429 (RFC 6585 4), which may come in the middle of a batch, and not a 503. A
connection that broke after sending, or an answer that says nothing of its rows, leaves them unknown. After any of
these the rest stays unsent.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from immune_nb.errors import ImmuneError, NoCredentialsError, QueryError, RateLimitedError, ServiceError
from immune_nb.fetch.outcomes import ACCEPTED, REJECTED, UNKNOWN, UNSENT, Outcome

__all__ = ["Delivery", "deliver"]

TOO_LARGE = 413
OF_ONE_ROW = frozenset({400, 404, 409, 422})  # statuses that say something of the one row that was sent
Send = Callable[[int, int], Sequence[Outcome]]


@dataclass(frozen=True)
class Delivery:
    """What became of some rows.

    Attributes:
        outcomes: Of each row, in order.
        parts: How many answers came.
        cause: What ended it early, or refused its only row.
    """

    outcomes: list[Outcome]
    parts: int
    cause: ImmuneError | KeyboardInterrupt | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every row was accepted."""
        return all(outcome.status == ACCEPTED for outcome in self.outcomes)

    @property
    def is_doubtful(self) -> bool:
        """Whether of some row nobody knows."""
        return any(outcome.status == UNKNOWN for outcome in self.outcomes)

    @property
    def left_nothing(self) -> bool:
        """Whether it is certain that the service has not a row of it, for one reason."""
        return self.cause is not None and not any(o.status in (ACCEPTED, UNKNOWN) for o in self.outcomes)

    def __str__(self) -> str:
        """Counts, and the first reason of each kind."""
        counts = Counter(outcome.status for outcome in self.outcomes)
        said = [f"{counts[ACCEPTED]:,} of {len(self.outcomes):,} accepted"]
        said += [
            f"{counts[word]:,} {word}{self._first(word)}" for word in (REJECTED, UNKNOWN, UNSENT) if counts[word]
        ]
        return "; ".join(said)

    def _first(self, word: str) -> str:
        row, outcome = next((n, o) for n, o in enumerate(self.outcomes) if o.status == word)
        return f" (row {row}: {outcome.message.rstrip('.')})" if outcome.message else ""


def deliver(send: Send, count: int, *, size: int, each: bool = False) -> Delivery:
    """Send rows, a part at a time.

    Args:
        send: Sends the rows from one number up to another, and reads the answer.
        count: How many rows there are.
        size: How many to send at once.
        each: Whether a part is one row, so that a refusal of one says nothing of the next.
    """
    outcomes, parts = [Outcome(UNSENT)] * count, 0
    waiting = _cut(0, count, size)
    while waiting:
        start, stop = waiting.popleft()
        outcomes[start:stop] = [Outcome(UNKNOWN, message="It was being sent when that was interrupted.")] * (
            stop - start
        )
        try:
            outcomes[start:stop] = send(start, stop)
            parts += 1
            if all(outcome.status == UNKNOWN for outcome in outcomes[start:stop]):
                break  # whoever answers like this is not the service we know
        except (ImmuneError, KeyboardInterrupt) as error:
            if _is_too_large(error) and stop - start > 1:
                waiting = _cut(start, count, (stop - start + 1) // 2)
                continue
            parts += isinstance(error, QueryError) and error.status is not None
            if not isinstance(error, KeyboardInterrupt):
                outcomes[start:stop] = [_outcome(error)] * (stop - start)
            if not (each and count > 1 and _is_of_one_row(error)):
                return Delivery(outcomes, parts, error)
    return Delivery(outcomes, parts)


def _cut(start: int, stop: int, size: int) -> deque[tuple[int, int]]:
    return deque((n, min(n + size, stop)) for n in range(start, stop, size))


def _is_too_large(error: BaseException) -> bool:
    return isinstance(error, QueryError) and error.status == TOO_LARGE


def _is_of_one_row(error: BaseException) -> bool:
    return isinstance(error, QueryError) and error.status in OF_ONE_ROW


def _outcome(error: ImmuneError) -> Outcome:
    """What a failure means for the rows that were sent."""
    match error:
        case NoCredentialsError() | QueryError(status=None):
            return Outcome(UNSENT, message=error.message)
        case ServiceError(reached=False):
            return Outcome(UNSENT, message=error.message)
        case ServiceError() if not isinstance(error, RateLimitedError):
            return Outcome(UNKNOWN, message=f"It was sent, and then: {error.message}")
    return Outcome(REJECTED, message=error.message)
