"""How a list pages, as a person states it: for a server whose ways are not found out.

One short text, the same on a magic line, in Python and in a profile::

    none                one answer is all that is wanted
    link                the next page's address, wherever the answer has it
    link=FIELD          … in this field, e.g. ``link=paging.next_url``
    cursor=FIELD>PARAM   a token in this field goes back in this parameter, e.g. ``cursor=meta.next>after``
    id=PARAM            the last record's id goes into this parameter
    page=PARAM          pages are numbered
    offset=PARAM        so many records are skipped

``FIELD`` is a path of field names; ``header:Name`` is a header of the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from immune_nb.errors import ConfigError, ImmuneError, quoted

__all__ = ["FORMS", "Hints", "Paging"]

FORM = re.compile(
    r"(?P<none>none)|link(?:=(?P<link>[^>]+))?|cursor=(?P<cursor>[^>]+)>(?P<to>[^>\s]+)"
    r"|(?P<kind>id|page|offset)(?:=(?P<param>[^>\s]+))?"
)
FORMS = "none, link[=FIELD], cursor=FIELD>PARAM, id=PARAM, page=PARAM or offset=PARAM"
USUAL = {"id": "starting_after", "page": "page", "offset": "offset"}


@dataclass(frozen=True)
class Paging:
    """How a list pages.

    Attributes:
        kind: ``none``, ``link``, ``cursor``, ``id``, ``page`` or ``offset``.
        field: Where the link or the token is; "" to find it.
        param: The query parameter that asks for a page.
    """

    kind: str
    field: str = ""
    param: str = ""

    @staticmethod
    def is_form(text: str) -> bool:
        """Whether a text is one of the forms."""
        return FORM.fullmatch(text.strip()) is not None

    @classmethod
    def parse(cls, text: str, error: type[ImmuneError] = ConfigError) -> Paging:
        """Read the text.

        Args:
            text: One of the forms.
            error: What to raise when it is none.
        """
        match = FORM.fullmatch(text.strip())
        if match is None:
            raise error(f"paging is {quoted(text, 60)!r}.", hint=f"Write {FORMS}.")
        if match["none"]:
            return cls("none")
        if match["cursor"]:
            return cls("cursor", match["cursor"], match["to"])
        if match["kind"]:
            return cls(match["kind"], param=match["param"] or USUAL[match["kind"]])
        return cls("link", match["link"] or "")


@dataclass(frozen=True)
class Hints:
    """What a person knows of a service's answers.

    Attributes:
        records: Where the records are, as a path of field names; "" to find them.
        paging: How lists page; None to find out.
        is_said_now: Whether the records were said to be there for one question; a profile speaks of most answers.
    """

    records: str = ""
    paging: Paging | None = None
    is_said_now: bool = False

    @classmethod
    def parse(cls, records: str, paging: str, error: type[ImmuneError] = ConfigError) -> Hints:
        """Read both as they are written; `error` is raised for a form that is none."""
        return cls(records, Paging.parse(paging, error) if paging else None)

    def over(self, others: Hints) -> Hints:
        """These, and those of `others` where these say nothing."""
        return Hints(self.records or others.records, self.paging or others.paging, bool(self.records))
