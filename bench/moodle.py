"""What it costs to read a large Moodle, compare it with what was known, and find nothing changed.

The sandbox Moodle runs in a process of its own, and so does the reading (`reading.py`), a fresh one for each of two
sizes, in turn; the second, smaller size shows how the cost grows. The last line of the output is one JSON object;
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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from moodle_appservice.demo.leash import Leash
from moodle_appservice.demo.loopback import free_port

PATIENCE = 120.0
"""Seconds until a sandbox that was started must answer."""
PHASES = ("first", "unchanged")
VARYING = ("wall_s", "cpu_s", "rows_per_s", "change_to_dirty_s", "hint_to_dirty_s", "parse_rows_per_s")
"""What the rest of the machine has a say in: of these the median counts, of everything else the worst."""


class Sandbox:
    """A generated Moodle in a process of its own."""

    def __init__(self, folder: Path, courses: int, people: int, groups: int) -> None:
        self._log = folder / f"sandbox-{courses}x{people}.log"
        self.courses, self.people, self._groups = courses, people, groups
        self.enrolments = courses * people
        self._port = free_port()
        self.token = secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self._port}"
        self.filled_s = 0.0

    async def __aenter__(self) -> Sandbox:
        """Start it and wait until it answers; `filled_s` is how long that took, the start of Python included."""
        command = [sys.executable, "-m", "moodle_appservice.demo.sandbox", "--port", str(self._port)]
        command += ["--courses", str(self.courses), "--people", str(self.people)]
        command += ["--groups", str(self._groups), "--token", self.token]
        began = time.perf_counter()
        self._process = Leash(command, log=self._log)
        while not await self._answers():
            if not self._process.running or time.perf_counter() - began > PATIENCE:
                self._process.end()
                raise RuntimeError(f"The sandbox does not answer.\n{self._log.read_text(errors='replace')}")
            await asyncio.sleep(0.05)
        self.filled_s = time.perf_counter() - began
        tell(f"{self.courses} courses of {self.people} people were made in {self.filled_s:.1f} s")
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


async def reading(sandbox: Sandbox, source: str) -> dict[str, Any]:
    """What one process that reads this Moodle has to tell."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("reading.py")),
        *("--url", sandbox.url, "--token", sandbox.token, "--source", source),
        *("--courses", str(sandbox.courses), "--people", str(sandbox.people)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"The reading of {sandbox.courses} × {sandbox.people} failed.")
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    for phase in PHASES:
        tell(f"{sandbox.courses} × {sandbox.people}, {phase}: {found[phase]}")
    return found


def together(sandbox: Sandbox, rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One size: the median of times and speeds, the worst of everything else."""
    found: dict[str, Any] = {"courses": sandbox.courses, "people": sandbox.people}
    found["filled_s"] = round(sandbox.filled_s, 2)
    for phase in PHASES:
        parts = [one[phase] for one in rounds]
        found[phase] = {
            key: middle(part[key] for part in parts) if key in VARYING else max(part[key] for part in parts)
            for key in parts[0]
        }
    return found | {key: middle(one[key] for one in rounds) for key in VARYING if key in rounds[0]}


def middle(values: Iterable[float]) -> float:
    """The median, in as few digits as the values have."""
    return round(median(values), 3)


def slopes(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], times: float) -> dict[str, float]:
    """How processor time grows with the number of enrolments: the slope between both on logarithmic axes."""
    return {
        phase: round(
            median(math.log(large[phase]["cpu_s"] / small[phase]["cpu_s"]) for small, large in pairs)
            / math.log(times),
            3,
        )
        for phase in PHASES
    }


def tell(line: str) -> None:
    """Progress, for people."""
    print(line, file=sys.stderr, flush=True)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Both sizes in turn, so that what else the machine does hits both alike."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        courses, people = max(options.courses // 5, 1), max(options.people * 3 // 4, 2)
        async with (
            Sandbox(Path(folder), courses, people, options.groups) as small,
            Sandbox(Path(folder), options.courses, options.people, options.groups) as large,
        ):
            pairs = [
                (await reading(small, options.source), await reading(large, options.source))
                for _ in range(options.rounds)
            ]
    growth = slopes(pairs, large.enrolments / small.enrolments)
    return {
        "bench": "moodle",
        "source": options.source,
        "groups": options.groups,
        "enrolments": large.enrolments,
        "rounds": options.rounds,
        **together(large, [one for _, one in pairs]),
        "growth_exponent": max(growth.values()),
        "growth_exponents": growth,
        "smaller": together(small, [one for one, _ in pairs]),
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Reading a large Moodle; see README.md.")
    parser.add_argument("--courses", type=int, default=5000)
    parser.add_argument("--people", type=int, default=40, help="in each course, one of them a teacher")
    parser.add_argument("--groups", type=int, default=0, help="in each course")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--source", choices=("reports", "courses"), default="reports")
    print(json.dumps(asyncio.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
