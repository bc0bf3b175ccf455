"""``python -m immune_nb audit [PATH …]``: find leaked credentials, for a commit hook or CI."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Run a command line; its exit status."""
    if not words or words[0] != "audit":
        print(__doc__)  # noqa: T201 - a command line prints
        return 0 if words and words[0] in ("-h", "--help") else 2
    from immune_nb.notebook.audit import main as audit

    return audit(words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
