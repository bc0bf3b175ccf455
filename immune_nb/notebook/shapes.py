"""What a credential looks like, when it is none that we know.

Known shapes of many services come from detect-secrets, where it is installed; ours are for what these APIs use, and
for a name that says what its value is. Hashes, ids and base64 data have no such name, and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec

__all__ = ["has_scanner", "shape_in"]

ALLOWED = "pragma: allowlist secret"  # detect-secrets' own word for "this one is meant"
WINDOW, OVERLAP = 10_000, 500  # characters of a long line looked at together
SCANNERS = {
    "artifactory": "ArtifactoryDetector",
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
}
NAMES = r"""(?:api|access|auth|client|account|service|private|signing|encryption)[_-]?key | apikey
    | tokens? | secret | passw(?:or)?d | passwd | pwd | passphrase"""
NOT_SECRET = re.compile(
    r"(?:next|page|paging|continuation|cursor|sync|pad|cls|sep|[be]os|unk|mask|stop|max|num)", re.IGNORECASE
)
NAMED = re.compile(
    rf"""(?<![\w-])(?P<name>[\w-]{{0,40}}?(?:{NAMES}))["']?\]?\s*(?:[:=]|=>|:=)\s*(?P<quote>["'])
    (?P<value>[^"'\s]{{8,}})(?P=quote)""",
    re.VERBOSE | re.IGNORECASE,
)
DUMPED = re.compile(
    r"^\s*(?:export\s+|set\s+|%env\s+)?(?P<name>[A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PWD))=(?P<value>\S{8,})\s*$"
)
HEADER = re.compile(r"\b(?:bearer|apikey|basic)\s+(?P<value>[\w.~+/-]{12,}=*)", re.IGNORECASE)
KEY_HEADER = re.compile(r"\bx-api-key[\"']?\s*[:=]\s*[\"']?(?P<value>[^\s\"']{8,})", re.IGNORECASE)
IN_URL = re.compile(
    r"[?&](?:api_?key|key|token|access_token|refresh_token|id_token|client_secret|code)=(?P<value>[^&\s\"'#<>\\]{12,})",
    re.IGNORECASE,
)
PREFIXED = re.compile(r"(?<![\w/+-])(?P<value>(?:sk|rk|pk|im[ks]|gh[opsur])[-_]\w{16,})")
IN_ADDRESS = re.compile(r"://[^/\s@:\"']{1,60}:(?P<value>[^/\s@\"']{6,})@")
WEB_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.(?P<value>eyJ[\w-]{8,})(?:\.[\w-]*)?")
PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
EMPTY_WORD = re.compile(
    r"[<>{}$…]|[*]{3}|[x]{3}|\.\.\.|your|example|changeme|place[h]older|dummy|redacted|hidden|secret-?name",
    re.IGNORECASE,
)
OURS = {
    HEADER: "an Authorization header",
    KEY_HEADER: "an API key in a header",
    IN_URL: "a credential in a URL",
    PREFIXED: "a prefixed key",
    IN_ADDRESS: "a password in an address",
    DUMPED: "an environment variable's secret",
}


def has_scanner() -> bool:
    """Whether detect-secrets is installed, and its shapes are known as well."""
    return find_spec("detect_secrets") is not None


def shape_in(text: str) -> tuple[int, str]:
    """The first line that holds something credential-shaped, from 1, and what it is; 0 and "" when none does."""
    for number, line in enumerate(text.splitlines(), 1):
        if ALLOWED in line:
            continue
        for part in _windows(line):
            if shape := _shape(part):
                return number, shape
    return 0, ""


def _windows(line: str) -> Iterator[str]:
    yield from (line[start : start + WINDOW] for start in range(0, max(len(line), 1), WINDOW - OVERLAP))


def _shape(line: str) -> str:
    if PRIVATE_KEY.search(line):
        return "a private key"
    if WEB_TOKEN.search(line):
        return "a JSON web token"
    for match in NAMED.finditer(line):
        if _is_drawn(match["value"]) and not NOT_SECRET.match(match["name"]):
            return "a named secret"
    for pattern, kind in OURS.items():
        if any(_is_drawn(match["value"]) for match in pattern.finditer(line)):
            return kind
    return next((kind for kind, scan in _scanners() if any(scan(line))), "")


def _is_drawn(value: str) -> bool:
    """Whether it is a value rather than a word, a path, a reference or a place to put one."""
    if EMPTY_WORD.search(value) or value.startswith(("/", "http:", "https:", "os.", "env:", "file:")):
        return False
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value) and len(set(value)) > 4  # noqa: PLR2004


@cache
def _scanners() -> tuple[tuple[str, Callable[[str], Iterator[str]]], ...]:
    """What each of detect-secrets' detectors calls its find, and how it looks."""
    if not has_scanner():
        return ()
    found = []
    for module, name in SCANNERS.items():
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)()
        found.append((f"{detector.secret_type} (detect-secrets)", detector.analyze_string))
    return tuple(found)
