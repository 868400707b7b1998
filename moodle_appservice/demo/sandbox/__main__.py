"""Run a sandbox Moodle by hand: `python -m moodle_appservice.demo.sandbox --port 8765`."""

from __future__ import annotations

import argparse
import asyncio

from .seed import generate, small_university
from .server import SandboxMoodle
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
    return parser.parse_args()


async def _serve(options: argparse.Namespace) -> None:
    university = small_university()
    if options.courses:
        university = generate(options.courses, options.people, groups=options.groups)
    sandbox = SandboxMoodle(university, version=options.version, token=options.token)
    await sandbox.start(options.host, options.port)
    print(f"Sandbox Moodle {options.version} at {sandbox.url}/, token {sandbox.token}", flush=True)
    try:
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
