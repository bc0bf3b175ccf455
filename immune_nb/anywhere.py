"""Any endpoint of an API: `get` for a frame, `request` for the answer as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from immune_nb.errors import QueryError
from immune_nb.fetch.client import SAFE_METHODS, Client, Params, Reply
from immune_nb.fetch.parameters import Filter, as_params
from immune_nb.hints import Hints
from immune_nb.profiles import Profile

if TYPE_CHECKING:
    import pandas as pd

    from immune_nb.answers import Manner, Question
    from immune_nb.fetch.crops import Progress
    from immune_nb.frames.schemas import Schema

__all__ = ["Anywhere"]

NOTHING_KNOWN = Hints()


class Anywhere:
    """The questions one can ask of any API.

    Args:
        profile: Whose paths and rules hold.
        client: What sends.
        account: Who asks, for the receipts.
        clock: Unix seconds, as `time.time` gives.
    """

    def __init__(
        self, profile: Profile, client: Client, *, account: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self.profile = profile
        self._client = client
        self._account = account
        self._clock = clock
        self._said: set[str] = set()  # remarks on questions: each is made once

    def _mark(self) -> str:
        """What tells this login from others where no account does, for what is kept."""
        return ""

    def get(
        self,
        path: str,
        /,
        *,
        limit: int | None = None,
        partial: bool = False,
        records: str = "",
        paging: str = "",
        progress: Progress | None = None,
        **params: Filter,
    ) -> pd.DataFrame:
        """Fetch any endpoint as a frame. Records and paging are found in the answer.

        Args:
            path: Path below the profile's base URL, e.g. ``"/sensors/vib_001"``. A query parameter with the name of
                an option below is written here: ``"/sensors?limit=5"``.
            limit: Stop after this many rows. It is not sent.
            partial: Return what came when something did not, instead of raising.
            records: Where the records are, as a path of field names, e.g. ``"data.items"``, when they are not found.
            paging: How the list pages, when that is not found: ``none``, ``link=FIELD``, ``cursor=FIELD>PARAM``,
                ``id=PARAM``, ``page=PARAM`` or ``offset=PARAM``.
            progress: Called now and then, in this thread, with the rows and pages so far and the total there is.
            params: Query parameters; a list repeats its name, None is left out.

        Returns:
            DataFrame with one row per record and the columns the answer has; nested fields are named by their
            path, e.g. ``limits.max``. Rows keep the order of the service. What was found, and how sure that is, is in
            the receipt under ``detected``.

        Raises:
            QueryError: The service says the path or a parameter is wrong.
            IncompleteError: Some rows did not arrive; `.frame` holds the rest.

        Source:
            Any ``GET`` (api-contract 1.4, 2)
        """
        from immune_nb.frames.schemas import ANY

        hints = Hints.parse(records, paging, QueryError)
        return self._answer(
            path, ANY, [as_params(params)], limit=limit, partial=partial, progress=progress, hints=hints
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Filter] | None = None,
        json: object = None,
        form: Mapping[str, Filter] | None = None,
    ) -> Reply:
        """Send one request as it is and return the answer as it is. No paging; only safe methods are retried.

        Args:
            method: HTTP method.
            path: Path below the profile's base URL.
            params: Query parameters; a list repeats its name, None is left out.
            json: Body, sent as JSON.
            form: Body, sent form-encoded, as ``POST /webhooks`` wants it.

        Returns:
            Status, headers and decoded data.

        Raises:
            QueryError: The service says the request is wrong, or the profile is read-only.
            LoginError: The login is refused.
            ServiceError: The service does not answer as it should.

        Source:
            Any endpoint
        """
        if method.upper() not in SAFE_METHODS:
            self.refuse_if_read_only(method)
        sent = None if form is None else as_params(form)
        return self._client.send(method, path, params=as_params(params or {}), json=json, form=sent)

    def refuse_if_read_only(self, method: str) -> None:
        """Raise `QueryError` when the profile is marked read-only, as every request does that changes something."""
        if self.profile.read_only:
            raise QueryError(f"Profile {self.profile.name!r} is read-only: no {method.upper()}.")

    def _answer(
        self,
        path: str,
        schema: Schema,
        each: Sequence[Params],
        *,
        limit: int | None,
        partial: bool,
        progress: Progress | None,
        hints: Hints = NOTHING_KNOWN,
    ) -> pd.DataFrame:
        from immune_nb.answers import Manner, Question

        question = Question(path, schema, tuple(each), limit, hints=hints.over(self.profile.hints))
        manner = Manner(self.profile.name, self._account, self._clock, partial=partial, progress=progress)
        return self._put(question, manner)

    def _put(self, question: Question, manner: Manner, to: str | Path | None = None) -> pd.DataFrame:
        """Put a question to the service: the one place where all of them come through. `to` makes it a `Dataset`."""
        from immune_nb.answers import answer, answer_to

        if to is None:
            return answer(question, self._client, manner)
        return cast("pd.DataFrame", answer_to(question, self._client, manner, to))
