"""The help texts, made from the vocabulary."""

from __future__ import annotations

from .subcommands import COMMANDS
from .vocabulary import HELP, Command, Option

__all__ = ["overview", "page"]

BODY = """ It shows what it would send, and asks.

The body is JSON or YAML; a value that is $name alone is that Python variable, and $$ at its start is a dollar. Dates
and times stay text. Without a body, write %immune on a line of its own."""


def overview() -> str:
    """What `%immune` can do, one line per subcommand, and how lines are written."""
    width = max(len(command.name) for command in COMMANDS)
    listed = "\n".join(f"  {command.name:<{width}}  {command.help}" for command in COMMANDS)
    return f"""%immune: sensor APIs as DataFrames, in a logged-in kernel.

{listed}

  df = %immune readings vib_001 --last 7d      the line returns the frame
  %immune readings {{ids}} --start $noon         {{name}} and $name pass Python objects
  %immune readings vib_001 --out df            or df << readings …, to fill a variable
  %immune alerts severity=critical;            ; shows nothing, -q leaves the footer out
  %%immune post /alert-rules                   the cell below is the body, in JSON or YAML

%immune SUBCOMMAND --help tells more."""


def page(command: Command) -> str:
    """One subcommand's help."""
    usage = f"{'%%' if command.body else '%'}immune {command.name}"
    if command.words:
        word = "|".join(command.choices) or command.words
        word += "…" if command.most is None else ""
        usage += f" {word}" if command.least else f" [{word}]"
    usage += " [name=value …]" if command.filters else ""
    rows = [(_left(option), option.help) for option in (*command.options, HELP)]
    width = max(len(left) for left, _ in rows)
    listed = "\n".join(f"  {left:<{width}}  {text}" for left, text in rows)
    examples = "\n".join(f"  {example}" for example in command.examples)
    about = f"{command.help[0].upper()}{command.help[1:]}.{BODY if command.body else ''}"
    return f"{usage} [options]\n\n{about}\n\n{listed}\n\nExamples\n{examples}"


def _left(option: Option) -> str:
    value = "|".join(option.choices) or option.metavar
    name = f"{option.short}, {option.name}" if option.short else option.name
    return f"{name} {value}".rstrip()
