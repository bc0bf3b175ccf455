"""The pages a person sees: signing in, allowing, entering a device's code. Static, without JavaScript.

Everything that comes from outside is escaped; the policy lets nothing be loaded, framed or sent elsewhere, but for
the one place a sign-in leads back to (Chromium applies ``form-action`` to redirects, too).
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from string import Template
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .visitors import Visit

__all__ = ["Pages"]

STYLE: Final = """
:root { color-scheme: light dark; --ink: #17202b; --soft: #5a6675; --line: #d8dee6; --page: #eef1f5; --card: #fff;
  --accent: #0b6e6e; --on-accent: #fff; --warn: #9b2c1f; --warn-page: #fbeae7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf2; --soft: #9aa7b5; --line: #33404d; --page: #10161c;
  --card: #19222b; --accent: #4fc3bd; --on-accent: #06211f; --warn: #ffb4a8; --warn-page: #3a1d19; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 25rem; background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: 2rem; box-shadow: 0 12px 32px rgb(0 0 0 / 8%); }
header { display: flex; align-items: center; gap: .6rem; color: var(--accent); font-weight: 600; }
h1 { margin: 1.25rem 0 .5rem; font-size: 1.4rem; line-height: 1.25; }
p { margin: .5rem 0; color: var(--soft); overflow-wrap: anywhere; }
p strong, li { color: var(--ink); }
label { display: block; margin-top: 1rem; font-size: .9rem; font-weight: 600; }
input:not([type=checkbox]) { width: 100%; margin-top: .3rem; padding: .65rem .75rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid var(--line); border-radius: 8px; }
input.code { font: 600 1.6rem/1.2 ui-monospace, monospace; letter-spacing: .12em; text-align: center;
  text-transform: uppercase; }
ul { list-style: none; margin: 1rem 0; padding: 0; border: 1px solid var(--line); border-radius: 8px; }
li + li { border-top: 1px solid var(--line); }
li label { display: flex; gap: .7rem; align-items: baseline; margin: 0; padding: .7rem .8rem; font-weight: 400; }
input[type=checkbox] { accent-color: var(--accent); }
code { font: .85em ui-monospace, monospace; }
.row { display: flex; gap: .6rem; margin-top: 1.4rem; }
button { flex: 1; padding: .7rem 1rem; font: inherit; font-weight: 600; border-radius: 8px; cursor: pointer;
  border: 1px solid var(--line); background: transparent; color: inherit; }
button.first { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.plain { flex: none; border: 0; padding: 0; color: var(--accent); font-weight: 400;
  text-decoration: underline; }
button:focus-visible, input:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.notice { margin-top: 1rem; padding: .7rem .8rem; border-radius: 8px; background: var(--warn-page);
  color: var(--warn); }
footer { margin-top: 1.5rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .85rem;
  color: var(--soft); }
"""
FRAME: Final = Template(
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>$title</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><style>$style</style></head><body><main>'
    '<header><svg width="28" height="28" viewBox="0 0 28 28" fill="none" stroke="currentColor" stroke-width="2.4" '
    'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M2 15h5l3-9 6 16 4-10 2 3h4"/></svg>'
    "$brand</header><h1>$title</h1>$notice$content"
    "<footer>A sandbox on this computer. Nothing here is real.</footer></main></body></html>"
)
SIGN_IN: Final = Template(
    "<p>to go on to <strong>$client</strong></p>"
    '<form method="post">$token<label>User name<input name="user" autocomplete="username" autofocus required></label>'
    '<label>Password<input name="password" type="password" autocomplete="current-password" required></label>'
    '<div class="row"><button class="first" name="action" value="sign-in">Sign in</button></div></form>'
    "<p>The sandbox printed both when it started.</p>"
)
CONSENT: Final = Template(
    "<p><strong>$client</strong> asks to use the API as <strong>$user</strong>:</p>"
    '<form method="post">$token<ul>$scopes</ul><p>$after</p>'
    '<div class="row"><button name="action" value="deny">Decline</button>'
    '<button class="first" name="action" value="allow">Allow</button></div>'
    '<p>Not $user? <button class="plain" name="action" value="sign-out">Sign out</button></p></form>'
)
SCOPE: Final = Template(
    '<li><label><input type="checkbox" name="scope:$scope" checked>'
    "<span>$says <code>$scope</code></span></label></li>"
)
CODE: Final = Template(
    "<p>Enter the code that your notebook shows.</p>"
    '<form method="post">$token<label>Code<input class="code" name="user_code" value="$code" autocomplete="off" '
    'spellcheck="false" maxlength="20" autofocus required></label>'
    '<div class="row"><button class="first" name="action" value="look">Continue</button></div></form>'
)


@dataclass(frozen=True)
class Pages:
    """Renders pages.

    Args:
        brand: Whose pages they are.
        scopes: What every scope allows, in words.
    """

    brand: str
    scopes: Mapping[str, str]

    def sign_in(self, visit: Visit, client: str) -> HTMLResponse:
        """Who are you?"""
        content = SIGN_IN.substitute(client=escape(client), token=_token(visit))
        return self._page("Sign in", content, visit.notice, visit.status)

    def consent(
        self, visit: Visit, client: str, scopes: Sequence[str], *, leads_to: str = "", code: str = ""
    ) -> HTMLResponse:
        """May it? `leads_to` is a redirect URI, `code` a device's."""
        after = f"Then you return to <strong>{escape(_host(leads_to))}</strong>."
        if code:
            after = f"Allow it only if your notebook shows the code <strong>{escape(code)}</strong>."
        rows = [SCOPE.substitute(scope=escape(word), says=escape(self.scopes.get(word, word))) for word in scopes]
        hidden = _token(visit) + (_hidden("user_code", code) if code else "")
        fields = {"client": escape(client), "user": escape(visit.user), "scopes": "".join(rows), "after": after}
        content = CONSENT.substitute(fields, token=hidden)
        return self._page("Allow access?", content, visit.notice, visit.status, _source(leads_to))

    def enter_code(self, visit: Visit, code: str, notice: str = "") -> HTMLResponse:
        """Which device?"""
        content = CODE.substitute(token=_token(visit), code=escape(code))
        return self._page("Connect a notebook", content, notice or visit.notice, visit.status)

    def message(self, title: str, text: str, status: int = 200) -> HTMLResponse:
        """Something a person only has to read."""
        return self._page(title, f"<p>{escape(text)}</p>", status=status)

    def _page(
        self, title: str, content: str, notice: str = "", status: int = 200, leads_to: str = ""
    ) -> HTMLResponse:
        warning = f'<p class="notice" role="alert">{escape(notice)}</p>' if notice else ""
        fields = {"title": title, "brand": escape(self.brand), "content": content, "notice": warning}
        return HTMLResponse(FRAME.substitute(fields, style=STYLE), status, _headers(leads_to))


def _headers(leads_to: str) -> dict[str, str]:
    allowed = b64encode(sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{allowed}'; form-action 'self' {leads_to}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


def _source(uri: str) -> str:
    """A redirect URI as the policy names it: its origin, or the scheme of an app."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:" if parts.scheme else ""


def _host(uri: str) -> str:
    return urlsplit(uri).netloc or urlsplit(uri).scheme


def _token(visit: Visit) -> str:
    return _hidden("form_token", visit.token)


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'
