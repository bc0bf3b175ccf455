"""A query as code to keep: Python that asks the same, and a command line that needs no Python at all.

Neither holds a secret: Python logs in from the environment, and curl takes the credential from a variable.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date, timedelta
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from immune_nb.errors import ConfigError
from immune_nb.profiles import Profile, find_profile

from .show import LAID_OUT, LITERAL

if TYPE_CHECKING:
    from immune_nb.plans import Plan, Sent

    from .calls import Call

__all__ = ["Code", "curl_of", "literal", "python_call", "python_of"]

IN_DOUBLE_QUOTES = re.compile(r'([\\"$`])')


class Code:
    """Lines of code, shown as they stand.

    Args:
        text: The lines.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<pre class="{LITERAL}" style="{LAID_OUT}">{escape(self.text)}</pre>'


def python_of(call: Call, profile: Profile, name: str = "df", *, in_kernel: bool = False) -> str:
    """A program that makes a call: it imports, logs in from the environment, and asks.

    Args:
        call: The call.
        profile: Whose API.
        name: The variable that takes the frame.
        in_kernel: Whether only this kernel can log in there, as to a sandbox of its own.
    """
    login = f"session = im.connect({_profile(profile)})  # logs in from the environment: {profile.env_prefix}_…"
    if in_kernel:
        login = 'session = im.current()  # this kernel\'s sandbox; elsewhere im.connect("immune")'
    return f"import immune_nb as im\n\n{login}\n{name} = session.{python_call(call)}"


def python_call(call: Call) -> str:
    """A call as Python writes it; names that Python cannot write go in as a dictionary."""
    plain = {name: value for name, value in call.named.items() if name.isidentifier() and not _is_keyword(name)}
    odd = {name: value for name, value in call.named.items() if name not in plain}
    parts = [literal(_single(word)) for word in call.words]
    parts += [f"{name}={literal(value)}" for name, value in plain.items()]
    parts += [f"**{literal(odd)}"] if odd else []
    return f"{call.method}({', '.join(parts)})"


def literal(value: Any) -> str:
    """A value as Python writes it, without a name that would have to be imported."""
    if hasattr(value, "item") and not isinstance(value, Iterable):
        value = value.item()  # NumPy's numbers and instants
    match value:
        case str():
            return _text(value)
        case Mapping():
            return "{" + ", ".join(f"{_text(str(k))}: {literal(v)}" for k, v in value.items()) + "}"
        case Iterable():
            return "[" + ", ".join(map(literal, value)) + "]"
        case None | bool() | int() | float():
            return repr(value)
    return _text(_time(value))


def _time(value: Any) -> str:
    """An instant or a span as text that the queries read; anything else as its text."""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    return value.isoformat() if isinstance(value, date) else str(value)  # pandas' Timestamp is a date, too


def curl_of(plan: Plan, profile: Profile, login: str) -> str:
    """Command lines that ask the same: one per list, of its first page.

    Args:
        plan: What the query would send.
        profile: Whose API, and where its key goes.
        login: What kind of login it is.
    """
    said = (
        "# The first page"
        + (" of each list" if len(plan.requests) > 1 else "")
        + "; the query in Python follows all."
    )
    return "\n\n".join([said, *(_curl(sent, profile, login) for sent in plan.requests)])


def _curl(sent: Sent, profile: Profile, login: str) -> str:
    brackets = " --globoff" if re.search(r"[\[\]{}]", sent.address) else ""
    lines = [f"curl --silent --show-error --fail-with-body --get{brackets} {shlex.quote(sent.address)}"]
    lines += [f"  {part}" for part in _credential(profile, login)]
    # curl encodes what stands behind the first `=`, and takes the name as it is.
    pairs = [f"{quote(name, safe='')}={value}" for name, value in sent.asked]
    lines += [f"  --data-urlencode {shlex.quote(pair)}" for pair in pairs]
    return " \\\n".join(lines)


def _credential(profile: Profile, login: str) -> list[str]:
    """The option that sends the credential from its variable."""
    if login != "API key":
        return [f'--header "Authorization: Bearer ${profile.env_prefix}_TOKEN"']
    place, variable = profile.key_place, f"${profile.env_prefix}_API_KEY"
    if place.in_query:
        name = quote(place.name, safe="")
        return [f'--data-urlencode "{name}={variable}"']
    before, after = (IN_DOUBLE_QUOTES.sub(r"\\\1", part) for part in place.template.split("{key}", 1))
    variable = f"${{{variable[1:]}}}" if re.match(r"\w", after) else variable
    return [f'--header "{place.name}: {before}{variable}{after}"']


def _profile(profile: Profile) -> str:
    """A profile as `connect` takes it: by name where that leads to the same, else spelled out."""
    try:
        if find_profile(profile.name) == profile:
            return _text(profile.name)
    except ConfigError:
        pass
    plain = Profile(profile.name, profile.base_url)
    told = {f.name: getattr(profile, f.name) for f in fields(Profile)}
    told = {
        name: value for name, value in told.items() if name in ("name", "base_url") or value != getattr(plain, name)
    }
    lines = "".join(f"    {name}={literal(value)},\n" for name, value in told.items())
    return f"im.Profile(\n{lines})"


def _single(word: Any) -> Any:
    """One id instead of a list of one."""
    return word[0] if isinstance(word, list) and len(word) == 1 and isinstance(word[0], str) else word


def _text(text: str) -> str:
    """Text in double quotes, as this package's own code has it."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in plain else plain


def _is_keyword(name: str) -> bool:
    import keyword

    return keyword.iskeyword(name)
