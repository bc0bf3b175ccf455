"""The endpoints of iiniit, all assumed: its documentation names none but a sample (api-contract 2).

They show a client what it must find out by itself: an object, a list in an envelope with a ``next`` link, and a list
that is nothing but a list.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["ProjectsApi"]

PER_PAGE: Final = 20
MOST: Final = 100
SITES: Final = ("Hamburg", "Leipzig", "Ulm", "Graz")
PROJECTS: Final[tuple[dict[str, Any], ...]] = tuple(
    {
        "id": f"prj_{number:03d}",
        "name": f"Line {number}, {SITES[number % len(SITES)]}",
        "status": "archived" if number % 7 == 0 else "active",
        "created_at": f"2023-{1 + number % 12:02d}-{1 + number * 5 % 28:02d}T08:00:00Z",
        "members": 2 + number * 3 % 11,
        "budget": round(1000 + number * 137.5, 2) if number % 5 else None,
    }
    for number in range(1, 58)
)


class ProjectsApi:
    """A user, their projects, and the documentation's sample.

    Args:
        user: Who the API key belongs to.
        origin: Where ``next`` links begin.
    """

    def __init__(self, user: str, origin: str) -> None:
        self._user = user
        self._origin = origin

    def routes(self) -> list[Route]:
        """What answers where."""
        return [
            Route("/user", self.show_user, methods=["GET"]),
            Route("/projects", self.list_projects, methods=["GET"]),
            Route("/projects/{id}", self.show_project, methods=["GET"]),
            Route("/resource", self.list_resource, methods=["GET"]),
            Route("/openapi.json", self.show_document, methods=["GET"]),
        ]

    async def show_user(self, request: Request) -> Response:
        """``GET /user``: whoever allowed the token, or owns the key."""
        name = request.scope.get("user") or self._user
        return JSONResponse({"id": f"usr_{name}", "name": name, "email": f"{name}@example.org"})

    async def list_projects(self, request: Request) -> Response:
        """``GET /projects``: ``items``, ``total`` and the URL of the ``next`` page, null on the last."""
        page, per_page = _number(request, "page", 1, 10_000), _number(request, "per_page", PER_PAGE, MOST)
        status = request.query_params.get("status")
        found = [project for project in PROJECTS if status in {None, project["status"]}]
        end = page * per_page
        kept = [(name, text) for name, text in request.query_params.multi_items() if name not in {"page", "api_key"}]
        following = f"{self._origin}/projects?{urlencode([*kept, ('page', page + 1)])}" if end < len(found) else None
        return JSONResponse({"items": found[end - per_page : end], "total": len(found), "next": following})

    async def show_project(self, request: Request) -> Response:
        """``GET /projects/{id}``."""
        wanted = request.path_params["id"]
        for project in PROJECTS:
            if project["id"] == wanted:
                return JSONResponse(project)
        raise Problem("NOT_FOUND", f"There is no project {wanted!r}.", field="id", constraint="an existing project")

    async def list_resource(self, _request: Request) -> Response:
        """``GET /resource``, the documentation's sample: a bare list."""
        return JSONResponse([{"id": number, "label": f"resource {number}"} for number in range(1, 4)])

    async def show_document(self, _request: Request) -> Response:
        """``GET /openapi.json``: what there is, for clients that look for it."""
        return Response(Path(__file__).with_name("iiniit.openapi.json").read_bytes(), media_type="application/json")


def _number(request: Request, name: str, usual: int, most: int) -> int:
    text = request.query_params.get(name, str(usual))
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0  # noqa: PLR2004
    if not 1 <= number <= most:
        rule = f"a whole number from 1 to {most}"
        raise Problem("INVALID_PARAMETER", f"{name} must be {rule}.", field=name, constraint=rule)
    return number
