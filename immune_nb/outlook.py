"""Before one asks: what there is to ask for, and what asking would send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immune_nb.queries import Queries

if TYPE_CHECKING:
    from immune_nb.catalog.catalog import Catalog
    from immune_nb.plans import Plan

__all__ = ["Outlook"]


class Outlook(Queries):
    """Queries that can be looked at before they are asked; for the arguments see `Queries`."""

    _catalog: Catalog | None = None

    def plan(self, query: str, /, *words: Any, **named: Any) -> Plan:
        """What a query would send, without sending it: ``session.plan("readings", "vib_001", last="7d")``.

        Args:
            query: ``sensors``, ``readings``, ``alerts``, ``predictions`` or ``get``.
            words: What that method is given by position.
            named: What it is given by name.

        Raises:
            QueryError: The question is wrong.
        """
        from immune_nb.plans import plan_of

        return plan_of(self.profile, self._kind(), query, words, named)

    def count(self, plan: Plan) -> list[int] | None:
        """How many rows each list of a plan has, as the service states it, for one request of one row each.

        Args:
            plan: The plan.

        Returns:
            A count per list; None when the service does not say.
        """
        from immune_nb.fetch.totals import stated_now

        counts = [stated_now(self._client, plan.path, sent.params) for sent in plan.requests]
        return None if None in counts else [count for count in counts if count is not None]

    def catalog(self, *, refresh: bool = False) -> Catalog:
        """What can be asked of this API, from its OpenAPI document: fetched once, where it is not on this machine.

        Args:
            refresh: Read the document again.

        Returns:
            The endpoints; `Catalog.search` and `Catalog.find` look among them.

        Raises:
            ConfigError: The profile's `catalog` names nothing that can be read.
            QueryError: The API publishes no document in the usual places, nor where the profile says.
            BadReplyError: The document is malformed.
        """
        from immune_nb.catalog.places import catalog_of

        if self._catalog is None or refresh:
            self._catalog = catalog_of(self.profile, self._fetched)
        return self._catalog

    def catalog_at_hand(self) -> Catalog | None:
        """The catalog where it is known without asking the API or reading for long; else None. Sends nothing."""
        from immune_nb.catalog.places import quick_catalog

        if self._catalog is None:
            self._catalog = quick_catalog(self.profile)
        return self._catalog

    def _fetched(self, path: str) -> tuple[bytes, str]:
        reply = self._client.send("GET", path)
        return reply.content, reply.url

    def _kind(self) -> str:
        """What kind of login signs."""
        return ""
