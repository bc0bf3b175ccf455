"""Questions to the API, answered with DataFrames: one per documented endpoint; `anywhere` has the rest."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from immune_nb.anywhere import Anywhere
from immune_nb.errors import ConfigError, ImmuneWarning, QueryError
from immune_nb.fetch.parameters import Filter, as_ids, as_params

if TYPE_CHECKING:
    import pandas as pd

    from immune_nb.catalog.catalog import Catalog
    from immune_nb.fetch.client import Params
    from immune_nb.fetch.crops import Progress
    from immune_nb.frames.instants import Instant

__all__ = ["Queries"]


class Queries(Anywhere):
    """The questions one can ask of an API.

    Args:
        profile: Whose paths and rules hold.
        client: What sends.
        account: Who asks, for the receipts.
        clock: Unix seconds, as `time.time` gives.
    """

    def sensors(
        self,
        *,
        limit: int | None = None,
        partial: bool = False,
        progress: Progress | None = None,
        **filters: Filter,
    ) -> pd.DataFrame:
        """List the sensors.

        Args:
            limit: Stop after this many rows.
            partial: Return what came when something did not, instead of raising.
            progress: Called now and then, in this thread, with the rows and pages so far and the total there is.
            filters: Query parameters. One that looks misspelt is refused; `get` passes on anything.

        Returns:
            DataFrame of shape (n, 2 + k), one row per sensor, sorted by id. Fields the documentation does not
            name are kept as further columns.

            ============  ====================  ==================================
            id            string                the sensor's id, for `readings`
            status        category              whether it measures
            ============  ====================  ==================================

        Raises:
            QueryError: A filter looks misspelt, or is refused.
            IncompleteError: Some rows did not arrive; `.frame` holds the rest.

        Source:
            ``GET /sensors`` (api-contract 1.2, 1.4)
        """
        from immune_nb.frames.schemas import SENSORS

        return self._answer(
            self.profile.paths["sensors"],
            SENSORS,
            [self._params("sensors", filters)],
            limit=limit,
            partial=partial,
            progress=progress,
        )

    def readings(
        self,
        sensor: str | Iterable[str] | pd.DataFrame | None = None,
        *,
        start: Instant = None,
        end: Instant = None,
        last: str | timedelta | None = None,
        limit: int | None = None,
        wide: bool = False,
        partial: bool = False,
        cache: bool | None = None,
        refresh: bool = False,
        to: str | Path | None = None,
        progress: Progress | None = None,
        **filters: Filter,
    ) -> pd.DataFrame:
        """Fetch readings in a half-open range of time.

        Args:
            sensor: Sensor id, e.g. ``"vib_001"``, or several, or a frame with them; None for all. `sensors()` lists
                them.
            start: First instant, inclusive. Naive times are UTC; ``"today"`` and ``"yesterday"`` begin at 00:00.
            end: Last instant, exclusive.
            last: A span up to `end`, or up to now: ``"7d"``, ``"12h"``, ``"90min"``.
            limit: Stop after this many rows per sensor, and return no more in all.
            partial: Return what came when something did not, instead of raising.
            wide: A row per instant and a column per sensor, holding ``value``.
            cache: Keep whole days of the past on this machine, and take them from there. Their age is in the receipt.
                None does as the profile says. Days belong to the account; where a login names none, to its key or
                token, so that another one starts afresh.
            refresh: Forget what was kept of these sensors, and keep it anew.
            to: Write to this new folder as Parquet files, in bounded memory, and return a handle on it instead of a
                frame: a `immune_nb.frames.folder.Dataset`.
            progress: Called now and then, in this thread, with the rows and pages so far and the total there is.
            filters: Further query parameters. One that looks misspelt is refused; `get` passes on anything.

        Returns:
            DataFrame of shape (n, 7), one row per reading, sorted by time, then sensor; n = 0 keeps columns and
            dtypes. Fields the documentation does not name are kept as further columns.

            ============  ====================  ==================================
            timestamp     datetime64[us, UTC]   when it was measured
            sensor_id     category              which sensor measured
            value         float64               the reading, in `unit`
            unit          category              as the API says, e.g. ``mm/s``
            quality       category              how far to trust it
            equipment_id  category              the machine
            id            string                the reading's own id
            ============  ====================  ==================================

        Raises:
            QueryError: The range is empty or cannot be read, a filter looks misspelt, or no such sensor.
            IncompleteError: Some rows did not arrive; `.frame` holds the rest.

        Source:
            ``GET /readings`` (api-contract 1.3, 1.4)
        """
        from immune_nb.answers import Manner, Question
        from immune_nb.fetch.stock import shelf_of
        from immune_nb.frames.instants import time_range, to_api
        from immune_nb.frames.schemas import READINGS

        within = time_range(start, end, last, self._clock())
        bounds = {n: to_api(t) for n, t in zip(("start_time", "end_time"), within, strict=True) if t is not None}
        shared = {**self._params("readings", filters), **bounds}
        each = [shared] if sensor is None else [{"sensor_id": name, **shared} for name in as_ids(sensor)]
        question = Question(self.profile.paths["readings"], READINGS, tuple(each), limit, within, self.profile.hints)
        keeps = refresh or (self.profile.cache if cache is None else cache)
        shelf = shelf_of(self.profile, self._account, self._mark(), refresh=refresh) if keeps and to is None else None
        manner = Manner(self.profile.name, self._account, self._clock, partial, progress, wide, shelf)
        if to is not None and (wide or cache or refresh):
            raise QueryError("to= goes with neither wide nor cache.", hint="Pivot or keep what was written.")
        return self._put(question, manner, to)

    def alerts(
        self,
        *,
        status: str | Iterable[str] | None = None,
        severity: str | Iterable[str] | None = None,
        limit: int | None = None,
        partial: bool = False,
        progress: Progress | None = None,
        **filters: Filter,
    ) -> pd.DataFrame:
        """List alerts.

        Args:
            status: ``active``, ``acknowledged`` or ``resolved``, or several of them.
            severity: ``critical``, ``warning`` or ``info``, or several of them.
            limit: Stop after this many rows.
            partial: Return what came when something did not, instead of raising.
            progress: Called now and then, in this thread, with the rows and pages so far and the total there is.
            filters: Further query parameters. One that looks misspelt is refused; `get` passes on anything.

        Returns:
            DataFrame of shape (n, 8), one row per alert, oldest first; n = 0 keeps columns and dtypes.

            ============  ====================  ==================================
            created_at    datetime64[us, UTC]   when it was raised
            severity      category              how bad it is
            status        category              what became of it
            type          category              what raised it
            equipment_id  category              the machine
            sensor_id     category              the sensor, where there is one
            message       string                for people
            id            string                the alert's own id
            ============  ====================  ==================================

        Raises:
            QueryError: A filter looks misspelt, or is refused.
            IncompleteError: Some rows did not arrive; `.frame` holds the rest.

        Source:
            ``GET /alerts`` (api-contract 1.6)
        """
        from immune_nb.frames.schemas import ALERTS

        words = {n: ",".join(as_ids(v)) for n, v in (("status", status), ("severity", severity)) if v is not None}
        return self._answer(
            self.profile.paths["alerts"],
            ALERTS,
            [self._params("alerts", {**filters, **words})],
            limit=limit,
            partial=partial,
            progress=progress,
        )

    def predictions(
        self,
        *,
        limit: int | None = None,
        partial: bool = False,
        progress: Progress | None = None,
        **filters: Filter,
    ) -> pd.DataFrame:
        """List predictions of failures. The documentation names no such endpoint: path and fields are assumed.

        Args:
            limit: Stop after this many rows.
            partial: Return what came when something did not, instead of raising.
            progress: Called now and then, in this thread, with the rows and pages so far and the total there is.
            filters: Query parameters. One that looks misspelt is refused; `get` passes on anything.

        Returns:
            DataFrame of shape (n, 5), one row per prediction, the earliest failure first.

            ======================  ====================  ==================================
            predicted_failure_time  datetime64[us, UTC]   when the machine is expected to fail
            equipment_id            category              the machine
            confidence              float64               0 to 1
            recommended_action      string                for people
            prediction_id           string                the prediction's own id
            ======================  ====================  ==================================

        Raises:
            QueryError: The service knows no such endpoint, or refuses a filter.
            IncompleteError: Some rows did not arrive; `.frame` holds the rest.

        Source:
            ``GET /predictions`` (assumed; api-contract 1.8)
        """
        from immune_nb.frames.schemas import PREDICTIONS

        return self._answer(
            self.profile.paths["predictions"],
            PREDICTIONS,
            [self._params("predictions", filters)],
            limit=limit,
            partial=partial,
            progress=progress,
        )

    def catalog_at_hand(self) -> Catalog | None:
        """What can be asked, where it is known without asking the API or reading for long; else None."""
        from immune_nb.catalog.places import quick_catalog

        return quick_catalog(self.profile)

    def _params(self, query: str, filters: Mapping[str, Filter]) -> Params:
        """Filters as they are sent, once they are held against the documentation, where that is at hand."""
        params, catalog = as_params(filters), None
        with suppress(ConfigError):  # a document that cannot be read says nothing of the question
            catalog = self.catalog_at_hand() if params else None
        if endpoint := catalog and catalog.match(self.profile.paths[query]):
            from immune_nb.catalog.slips import look_for_slips

            ours = signature(getattr(Queries, query)).parameters
            remarks = [*look_for_slips(endpoint, query, params, ours)]  # all are looked at before any is said
            for remark in remarks:
                if remark not in self._said:
                    self._said.add(remark)
                    warnings.warn(f"{remark} It is sent as it stands.", ImmuneWarning, stacklevel=3)
        return params
