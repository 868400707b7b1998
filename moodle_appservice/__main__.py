"""`python -m moodle_appservice`, and the console script `moodle-appservice`."""

from __future__ import annotations

import sys

from .app import main


def run() -> None:
    """Run the program and end the process with its exit code."""
    sys.exit(main())


if __name__ == "__main__":
    run()
