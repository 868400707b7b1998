"""`python -m translations` brings the catalogues up to date; with `--check` it only says what is wrong with them."""

from __future__ import annotations

import sys

from .catalogues import problems, update


def main(words: list[str]) -> int:
    """Returns the exit code: 1 where a text is missing or wrong."""
    if "--check" not in words:
        for path in update():
            print(f"wrote {path}")
    found = list(problems())
    for problem in found:
        print(problem, file=sys.stderr)
    if found and "--check" in words:
        print("Run: make translations, and fill in what is missing.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
