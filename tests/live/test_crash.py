"""SIGKILL at every point of a small first sync; the next start ends in the same rooms and memberships.

The undisturbed run says how many points there are (a point: just after an answer of the homeserver, just after a
commit); one run is killed at each of them, in parts so that the workers share the load. Each run has a site of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle
from tests.live.homeserver import SynapseFactory, write_registration
from tests.live.house import House, small_university

PARTS = 8
AT_LEAST = 50
SEATS = 24
_ROOT = Path(__file__).parents[2]


class Lives:
    """The process that begins the lives, see `tests.live.doomed`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, house: House, count: int) -> tuple[int, int]:
        """One life of a service; returns its exit code and the points that it says it has passed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{house.config()} {count}\n".encode())
        line = await asyncio.wait_for(self._process.stdout.readline(), 120)
        code, points = line.split()
        return int(code), int(points)


@asynccontextmanager
async def lives() -> AsyncIterator[Lives]:
    """One that runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.live.doomed"),
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Lives(process)
    finally:
        # With it goes a life that hangs.
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def picture(house: House) -> dict[str, Any]:
    """The rooms of a site at the homeserver, without what differs between sites and runs."""
    joined = (await house.ask("GET", "/_matrix/client/v3/joined_rooms"))["joined_rooms"]
    rooms: dict[str, Any] = {"rooms of the bot": len(joined)}
    for course in (2, 3):
        state = await house.state(course)
        rooms[f"course {course}"] = {
            "name": state["m.room.name", ""],
            "power": state["m.room.power_levels", ""],
            "join_rules": state["m.room.join_rules", ""],
            "members": sorted((await house.members(course)).items()),
            "marker": {**state["org.moodle_appservice.marker", ""], "site": "any"},
        }
    return rooms


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_kill_at_any_point_of_a_first_sync_changes_nothing_in_the_end(
    synapse_factory: SynapseFactory, tmp_path: Path, part: int
) -> None:
    seats = [write_registration(tmp_path, f"crash{number}") for number in range(SEATS)]
    synapse: EmbeddedSynapse = await synapse_factory(registrations=[seat.path for seat in seats])

    async def fresh(name: str, moodle: SandboxMoodle) -> House:
        folder = tmp_path / name
        folder.mkdir()
        return House(synapse, seats.pop(), moodle, folder)

    async with SandboxMoodle(small_university()) as moodle, lives() as begun:
        undisturbed = await fresh("undisturbed", moodle)
        code, points = await begun.run(undisturbed, 0)
        assert (code, points >= AT_LEAST) == (0, True), (code, points)
        wanted = await picture(undisturbed)
        for count in range(1 + part, points + 1, PARTS):
            house = await fresh(f"killed-{count}", moodle)
            code, _ = await begun.run(house, count)
            # The order of commits varies from run to run, so a run may end before it comes to its last points.
            assert code in (-9, 0), f"run to point {count} ended with {code}"
            code, _ = await begun.run(house, 0)
            assert code == 0, f"the start after a kill at point {count} ended with {code}"
            assert await picture(house) == wanted, f"after a kill at point {count} of {points}"
