"""An authorization server nobody here wrote: django-oauth-toolkit on Django, as a process on 127.0.0.1.

``python tests/servers/dot.py`` prints one JSON line when it accepts connections and ends with its stdin. SQLite in a
folder of its own that goes with it. Everything but the settings, the clients and one protected list is theirs: token,
authorization, device, revocation and metadata endpoints, PKCE, login and consent.

Their ways, to be lived with: a client has one grant (and refresh); an expired or unknown token gets an empty 403
without ``WWW-Authenticate``; the metadata lists the device grant but not its endpoint, and calls itself an issuer
with a path (``/o``, below ``/.well-known/oauth-authorization-server/o``) or without, as it is asked; no ``iss`` in
redirects; a user code has digits; polls are never slowed down.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import secrets
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import httpx

__all__ = ["Dot", "running"]

REDIRECT_URIS = "http://127.0.0.1/callback http://127.0.0.1/"
SENSORS = [{"id": f"dot_{number:03d}", "status": "online"} for number in range(1, 6)]
FAST = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF"
PAGE = """{% load i18n %}<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Toolkit</title></head>
<body>{% block content %}{% endblock content %}</body></html>"""
LOGIN = """{% extends "oauth2_provider/base.html" %}{% block content %}<h1>Log in</h1><form method="post">
{% csrf_token %}{{ form.as_p }}<button>Log in</button></form>{% endblock content %}"""


@dataclass(frozen=True)
class Dot:
    """What the process printed. A client's secret is there where it has one."""

    base_url: str
    issuer: str
    token_url: str
    authorize_url: str
    device_url: str
    revoke_url: str
    client_id: str
    client_secret: str
    code_client_id: str
    code_client_secret: str
    public_client_id: str
    device_client_id: str
    user: str
    password: str
    pid: int

    def expire(self) -> None:
        """Let every access token expire now."""
        httpx.post(self.base_url + "/expire", trust_env=False, verify=False).raise_for_status()

    def asked(self, url: str) -> int:
        """How many requests an address got since the start."""
        counts = httpx.get(self.base_url + "/counts", trust_env=False, verify=False).raise_for_status().json()
        return int(counts.get(urlsplit(url).path, 0))


@contextmanager
def running(*flags: str) -> Iterator[Dot]:
    """The server as a process, for as long as the block lasts.

    Args:
        *flags: ``--access-seconds 30``, ``--no-rotation``, ``--redirect-uris "…"``.
    """
    command = [sys.executable, __file__, *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Dot(**json.loads(process.stdout.readline()))
        process.stdin.close()


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread per connection."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Says nothing on stderr."""

    def log_message(self, *args: Any) -> None:
        pass


def configure(folder: Path, options: argparse.Namespace) -> None:
    """Django's settings, theirs where they have any."""
    import django
    from django.conf import settings

    templates = {"oauth2_provider/base.html": PAGE, "registration/login.html": LOGIN}
    loaders = [
        ("django.template.loaders.locmem.Loader", templates),
        "django.template.loaders.app_directories.Loader",
    ]
    processors = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "dot.db",
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": FAST},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        LOGGING_CONFIG=None,
        LOGIN_URL="/login/",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        OAUTH2_PROVIDER={
            "ACCESS_TOKEN_EXPIRE_SECONDS": options.access_seconds,
            "OAUTH_DEVICE_VERIFICATION_URI": options.origin + "/o/device/",
            "OAUTH_DEVICE_VERIFICATION_URI_COMPLETE": lambda code: f"{options.origin}/o/device/?user_code={code}",
            "REFRESH_TOKEN_EXPIRE_SECONDS": 30 * 86_400,
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "ROTATE_REFRESH_TOKEN": options.rotation,
            "SCOPES": {"read": "See sensors", "write": "Change sensors"},
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF=sys.modules[__name__],
        SECRET_KEY=secrets.token_urlsafe(32),
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"loaders": loaders, "context_processors": processors},
            }
        ],
        USE_TZ=True,
    )
    django.setup()


def routes(counts: Counter[str]) -> list[Any]:
    """Their endpoints under ``/o``, their metadata at the root, Django's login; ours are under ``/api``."""
    from django.contrib.auth.views import LoginView
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.urls import include, path
    from django.views.decorators.csrf import csrf_exempt
    from oauth2_provider import urls
    from oauth2_provider.models import AccessToken
    from oauth2_provider.views.generic import ReadWriteScopedResourceView

    class Sensors(ReadWriteScopedResourceView):
        """``GET /api/sensors``."""

        def get(self, request: Any) -> JsonResponse:
            """The list, for a token with the read scope."""
            return JsonResponse({"data": SENSORS, "has_more": False, "total_count": len(SENSORS)})

    @csrf_exempt
    def expire(request: HttpRequest) -> HttpResponse:
        # Only just: theirs counts a refresh token's life from the end of its access token.
        return JsonResponse({"tokens": AccessToken.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))})

    def show(request: HttpRequest) -> HttpResponse:
        return JsonResponse(dict(counts))

    theirs = (urls.base_urlpatterns, "oauth2_provider")
    return [
        path("", include(urls.metadata_urlpatterns)),
        path("o/", include(theirs)),
        path("login/", LoginView.as_view()),
        path("api/sensors", Sensors.as_view()),
        path("api/expire", expire),
        path("api/counts", show),
    ]


def register(options: argparse.Namespace) -> dict[str, str]:
    """One client per grant, and one person."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    made = {"user": "grace", "password": secrets.token_urlsafe(9)}
    User.objects.create_user(made["user"], password=made["password"])
    clients = {
        "": ("confidential", Application.GRANT_CLIENT_CREDENTIALS),
        "code_": ("confidential", Application.GRANT_AUTHORIZATION_CODE),
        "public_": ("public", Application.GRANT_AUTHORIZATION_CODE),
        "device_": ("public", Application.GRANT_DEVICE_CODE),
    }
    for prefix, (kind, grant) in clients.items():
        uris = options.redirect_uris if grant == Application.GRANT_AUTHORIZATION_CODE else ""
        client = Application(
            name=f"{prefix}client", client_type=kind, authorization_grant_type=grant, redirect_uris=uris
        )
        made[f"{prefix}client_id"] = client.client_id
        if kind == "confidential":
            made[f"{prefix}client_secret"] = client.client_secret  # in clear until it is saved
        client.save()
    return made


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--access-seconds", type=int, default=3600)
    parser.add_argument("--no-rotation", dest="rotation", action="store_false")
    parser.add_argument("--redirect-uris", default=REDIRECT_URIS)
    options = parser.parse_args()
    logging.getLogger("django").addHandler(logging.NullHandler())  # a refusal is no news on stderr
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # theirs wants https, loopback or not
    with tempfile.TemporaryDirectory() as folder, Server(("127.0.0.1", 0), Quiet) as server:
        options.origin = f"http://127.0.0.1:{server.server_port}"
        configure(Path(folder), options)
        from django.core.wsgi import get_wsgi_application

        theirs, counts = get_wsgi_application(), Counter[str]()

        def counting(environ: dict[str, Any], start_response: Any) -> Any:
            counts[environ["PATH_INFO"]] += 1
            return theirs(environ, start_response)

        server.set_app(counting)
        sys.modules[__name__].urlpatterns = routes(counts)  # type: ignore[attr-defined] # where Django looks
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(json.dumps(announcement(options.origin, register(options))) + "\n")
        sys.stdout.flush()
        while os.read(0, 4096):
            pass
        server.shutdown()


def announcement(origin: str, made: dict[str, str]) -> dict[str, Any]:
    """The JSON line."""
    line = Dot(
        base_url=f"{origin}/api",
        issuer=f"{origin}/o",
        token_url=f"{origin}/o/token/",
        authorize_url=f"{origin}/o/authorize/",
        device_url=f"{origin}/o/device-authorization/",
        revoke_url=f"{origin}/o/revoke_token/",
        pid=os.getpid(),
        **made,
    )
    return dataclasses.asdict(line)


if __name__ == "__main__":
    main()
