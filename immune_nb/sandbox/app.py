"""What is wired to what: a Starlette application from settings.

From the outside in: the journal notes, the host check refuses names that are not this machine's (DNS rebinding), the
breaker breaks, the guard lets in, the routes answer.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route

from .alerts import first_alerts, first_predictions
from .api_readings import ReadingsApi
from .api_records import RecordsApi
from .census import Census
from .consent import Consent
from .control import Control, Journal, Notes
from .faults import Breaker, Faults
from .guard import Guard, Meter, protector
from .iiniit import ProjectsApi
from .instants import DAY
from .oauth import TokenServer
from .pages import Pages
from .plant import SENSORS
from .problems import handlers
from .readings import Readings
from .render import Renderer
from .roles import ROLES
from .sign_ins import SignIns
from .signals import Signal
from .store import Account, Store, digest
from .visitors import Visitors
from .webhooks import Courier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .settings import Settings

__all__ = ["Credentials", "Sandbox"]

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Credentials:
    """What opens this sandbox."""

    api_key: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    public_client_id: str
    user: str
    password: str = field(repr=False)


class Sandbox:
    """A local IMMUNE, or iiniit.

    Args:
        settings: How it behaves.
        origin: Where it answers, as a URL without a path.

    Attributes:
        app: The ASGI application.
        credentials: What opens it.
        role: What it plays.
        redirect_uris: Where a sign-in may lead back to.
    """

    def __init__(self, settings: Settings, origin: str) -> None:
        self._settings = settings
        self._origin = origin
        self.role = ROLES[settings.role]
        self._anchor = int(settings.clock()) if settings.now is None else settings.now
        self._store = Store(str(settings.db) if settings.db else ":memory:")
        self._meter = Meter(settings.clock)
        self._courier = Courier(self._store, settings.clock)
        self._breaker = Breaker(settings.faults, self._end_tokens, self.role.guards)
        self._notes = Notes(settings.log)
        self.redirect_uris = tuple(settings.redirect_uris.split()) or self.role.redirect_uris
        self.credentials = self._register()
        self._fill()
        self.app = self._application()

    def close(self) -> None:
        """Let go of the files."""
        self._store.close()
        self._notes.close()

    def _register(self) -> Credentials:
        """Let in the key, the clients and the user of the settings, or new ones."""
        given, scope = self._settings, " ".join(self.role.scopes)
        made = Credentials(
            given.api_key or f"imk_{secrets.token_urlsafe(24)}",
            given.client_id or f"client_{secrets.token_hex(6)}",
            given.client_secret or f"ims_{secrets.token_urlsafe(24)}",
            given.public_client_id or f"notebook_{secrets.token_hex(6)}",
            given.user,
            given.password or secrets.token_urlsafe(9),
        )
        self._store.add_account(Account("key_main", "key", digest(made.api_key), scope))
        self._store.add_account(Account(made.client_id, "client", digest(made.client_secret), scope))
        self._store.add_account(Account(made.public_client_id, "public", "", scope))
        return made

    def _fill(self) -> None:
        """What a fresh sandbox has: alerts and predictions."""
        self._store.fill("alert", first_alerts(self._settings.seed, self._settings.days, self._anchor))
        self._store.fill("prediction", first_predictions(self._anchor))

    def _reset(self) -> None:
        self._store.clear()
        self._meter.clear()
        self._fill()

    def _end_tokens(self, action: str) -> int:
        return self._store.end_tokens(revoked=action == "revoke")

    def _faults(self) -> Faults:
        return self._breaker.faults

    def _now(self) -> int:
        """The plant's clock."""
        return int(self._settings.clock()) if self._settings.now is None else self._settings.now

    def _readings(self) -> Readings:
        signals = [Signal(sensor, self._settings.seed, self._anchor) for sensor in SENSORS]
        start = self._anchor // 60 * 60 - self._settings.days * DAY
        return Readings(Renderer(signals), Census(signals, start), self._store, start, self._now)

    def _application(self) -> Starlette:
        settings, role = self._settings, self.role
        judge = protector(self._store, settings.clock, self._origin + role.api)
        guard = {"protector": judge, "meter": self._meter, "role": role, "faults": self._faults}
        is_noted = settings.control or settings.log is not None  # else nobody can read it
        app = Starlette(
            routes=self._routes(),
            middleware=[
                *([Middleware(Journal, clock=settings.clock, notes=self._notes)] if is_noted else []),
                Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK),
                Middleware(self._breaker.around),
                Middleware(Guard, key_in="query" if role.key_in_query else settings.api_key_in, **guard),
            ],
            exception_handlers=handlers(role.envelope),
            lifespan=self._lifespan,
        )
        app.router.redirect_slashes = False
        return app

    def _routes(self) -> list[Route]:
        tokens = TokenServer(
            self._store,
            self.role,
            self._origin,
            redirect_uris=self.redirect_uris,
            now=self._settings.clock,
            faults=self._faults,
        )
        visitors = Visitors(self._store, self.credentials.user, self.credentials.password)
        pages = Pages(self.role.title, self.role.scopes)
        routes = [*self._api(), *tokens.routes(), *Consent(tokens, visitors, pages).routes()]
        return routes + (self._control().routes() if self._settings.control else [])

    def _api(self) -> list[Route]:
        if self.role.name == "iiniit":
            return ProjectsApi(self.credentials.user, self._origin).routes()
        readings = ReadingsApi(self._settings, self._readings(), self._store, self._courier)
        return readings.routes() + RecordsApi(self._settings, self._store).routes()

    def _control(self) -> Control:
        return Control(
            breaker=self._breaker,
            notes=self._notes,
            courier=self._courier,
            start=self._settings.faults,
            end_tokens=self._end_tokens,
            reset=self._reset,
            sign_ins=SignIns(self._store, self.credentials),
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        await self._courier.stop()
