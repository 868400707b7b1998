"""What it costs to read a large Moodle, compare it with what was known, and find nothing changed.

The sandbox Moodle runs in a process of its own, and so does the reading (`reading.py`), a fresh one for each of two
sizes; the second, smaller size shows how the cost grows. The last line of the output is one JSON object;
`bench/README.md` explains its keys.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import platform
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from moodle_appservice.demo.leash import Leash
from moodle_appservice.demo.loopback import free_port

PATIENCE = 120.0
"""Seconds until a sandbox that was started must answer."""
PHASES = ("first", "unchanged")


class Sandbox:
    """A generated Moodle in a process of its own."""

    def __init__(self, folder: Path, courses: int, people: int, groups: int) -> None:
        self._log = folder / f"sandbox-{courses}x{people}.log"
        self._size = {"courses": courses, "people": people, "groups": groups}
        self._port = free_port()
        self.token = secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self._port}"
        self.filled_s = 0.0

    async def __aenter__(self) -> Sandbox:
        """Start it and wait until it answers; `filled_s` is how long that took, the start of Python included."""
        command = [sys.executable, "-m", "moodle_appservice.demo.sandbox", "--port", str(self._port)]
        command += ["--token", self.token]
        command += [part for name, number in self._size.items() for part in (f"--{name}", str(number))]
        began = time.perf_counter()
        self._process = Leash(command, log=self._log)
        while not await self._answers():
            if not self._process.running or time.perf_counter() - began > PATIENCE:
                self._process.end()
                raise RuntimeError(f"The sandbox does not answer.\n{self._log.read_text(errors='replace')}")
            await asyncio.sleep(0.05)
        self.filled_s = time.perf_counter() - began
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await asyncio.to_thread(self._process.end)

    async def _answers(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{self.url}/webservice/rest/server.php") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False


async def measure(folder: Path, courses: int, people: int, groups: int, source: str) -> dict[str, Any]:
    """One size."""
    async with Sandbox(folder, courses, people, groups) as sandbox:
        tell(f"{courses} courses of {people} people were made in {sandbox.filled_s:.1f} s")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("reading.py")),
            *("--url", sandbox.url, "--token", sandbox.token, "--source", source),
            *("--courses", str(courses), "--people", str(people)),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"The reading of {courses} × {people} failed.")
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
    for phase in PHASES:
        tell(f"{phase}: {found[phase]}")
    return {"courses": courses, "people": people, "filled_s": round(sandbox.filled_s, 2), **found}


def exponents(small: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    """How processor time grows with the number of enrolments: the slope between both on logarithmic axes."""
    times = math.log(large["courses"] * large["people"] / (small["courses"] * small["people"]))
    return {
        phase: round(math.log(large[phase]["cpu_s"] / small[phase]["cpu_s"]) / times, 3) for phase in PHASES
    }


def tell(line: str) -> None:
    """Progress, for people."""
    print(line, file=sys.stderr, flush=True)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Both sizes."""
    smaller = (max(options.courses // 5, 1), max(options.people * 3 // 4, 2))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        small = await measure(Path(folder), *smaller, options.groups, options.source)
        large = await measure(Path(folder), options.courses, options.people, options.groups, options.source)
    growth = exponents(small, large)
    return {
        "bench": "moodle",
        "source": options.source,
        "groups": options.groups,
        "enrolments": options.courses * options.people,
        **large,
        "growth_exponent": max(growth.values()),
        "growth_exponents": growth,
        "smaller": small,
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Reading a large Moodle; see README.md.")
    parser.add_argument("--courses", type=int, default=5000)
    parser.add_argument("--people", type=int, default=40, help="in each course, one of them a teacher")
    parser.add_argument("--groups", type=int, default=0, help="in each course")
    parser.add_argument("--source", choices=("reports", "courses"), default="reports")
    print(json.dumps(asyncio.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
