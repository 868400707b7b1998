"""Run a sandbox Moodle by hand: `python -m moodle_appservice.demo.sandbox --port 8765`.

With `--days` a term of so many days passes in it, `--speed` seconds of it in each real one; then it stays as it is. Its
clock begins with yours and runs ahead of it.
"""

from __future__ import annotations

import argparse
import asyncio
import math

from .seed import DAY, generate, small_university
from .server import SandboxMoodle
from .term import Term
from .versions import VERSIONS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m moodle_appservice.demo.sandbox",
        description="A Moodle made of thin air, to try things on.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--version", choices=sorted(VERSIONS), default="5.1", help="the Moodle version to play"
    )
    parser.add_argument(
        "--courses", type=int, default=0, help="generate so many courses instead of the small seed"
    )
    parser.add_argument("--people", type=int, default=40, help="people in each generated course")
    parser.add_argument("--groups", type=int, default=0, help="groups in each generated course")
    parser.add_argument("--token", help="the web service token (default: a random one)")
    parser.add_argument("--days", type=_positive, help="replay a term of so many days")
    parser.add_argument(
        "--speed", type=_positive, default=DAY, help="seconds of the term in a real one (default: a day)"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same term")
    return parser.parse_args()


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number


async def _serve(options: argparse.Namespace) -> None:
    university = small_university()
    if options.courses:
        university = generate(options.courses, options.people, groups=options.groups)
    term = Term(university, days=options.days, seed=options.seed) if options.days else None
    sandbox = SandboxMoodle(university, version=options.version, token=options.token)
    await sandbox.start(options.host, options.port)
    print(f"Sandbox Moodle {options.version} at {sandbox.url}/, token {sandbox.token}", flush=True)
    try:
        if term is not None:
            await term.replay(options.speed)
            print(f"The term is over: {len(term.history)} changes", flush=True)
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()


def main() -> None:
    """Serve until interrupted."""
    try:
        asyncio.run(_serve(_arguments()))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
