"""Plays stories: `python -m tests.faults.run --first 1 --seeds 200` plays 200 seeds, one after the other.

Prints one line for each seed, the whole story of each that fails, and at the end one JSON object with the figures.
A single seed is replayed with `--first N --seeds 1`; `--minutes M` begins no further seed after so many. Ends with 1
where a seed failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.errors import AppError
from tests.faults.judge import Verdict, judge
from tests.faults.schedule import Story, story
from tests.faults.stage import Stage
from tests.live.homeserver import Seat, write_registration
from tests.live.postgres import PostgresServer, postgres_server

TIME_FOR_ONE = 600.0
"""Seconds that a story may take before it counts as hung."""


@asynccontextmanager
async def ground(seeds: range) -> AsyncIterator[tuple[EmbeddedSynapse, dict[int, Seat]]]:
    """A homeserver with a seat for each seed."""
    folder = Path(tempfile.mkdtemp(prefix="moodle-appservice-faults-"))
    try:
        seats = {seed: write_registration(folder, f"f{seed}") for seed in seeds}
        async with EmbeddedSynapse(registrations=[seat.path for seat in seats.values()]) as synapse:
            yield synapse, seats
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def play(
    told: Story, synapse: EmbeddedSynapse, seat: Seat, postgres: PostgresServer | None, folder: Path
) -> tuple[Verdict, Stage]:
    """Play one story to its end and judge it."""
    stage = Stage(synapse, seat, folder, told, postgres)
    try:
        async with asyncio.timeout(TIME_FOR_ONE):
            await stage.open()
            if told.settled:
                await stage.first_sync()
            for step in told.steps:
                await stage.play(step)
            return await judge(stage), stage
    finally:
        await stage.close()


async def play_all(seeds: range, seconds: float = math.inf) -> int:
    """All of them, as far as the time lasts; the exit code."""
    failed: list[int] = []
    played = 0
    happened: Counter[str] = Counter()
    figures: Counter[str] = Counter()
    began = time.monotonic()
    with postgres_server() as postgres:
        async with ground(seeds) as (synapse, seats):
            for seed in seeds:
                if time.monotonic() - began > seconds:
                    break
                played += 1
                told = story(seed)
                folder = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-"))
                start = time.monotonic()
                try:
                    verdict, stage = await play(told, synapse, seats[seed], postgres, folder)
                    wrong = verdict.wrong
                    figures.update(
                        events=verdict.events,
                        removals=verdict.removals,
                        starts=stage.starts,
                        disturbances=stage.disturbances,
                        refused_second=stage.refused_second,
                        struck=stage.to_synapse.struck + stage.to_service.struck + stage.to_moodle.struck,
                    )
                except (AssertionError, AppError, OSError, TimeoutError, RuntimeError) as error:
                    wrong = [f"The story itself failed: {type(error).__name__}: {error}"]
                happened.update(str(step.what) for step in told.steps)
                sys.stdout.write(
                    f"seed {seed}: {'FAILED' if wrong else 'ok'}, {time.monotonic() - start:.1f} s\n"
                )
                if wrong:
                    failed.append(seed)
                    sys.stdout.write(f"{told}\n" + "".join(f"  WRONG: {one}\n" for one in wrong))
                    sys.stdout.write(f"  its folder: {folder}\n")
                else:
                    shutil.rmtree(folder, ignore_errors=True)
                sys.stdout.flush()
    result = {
        "seeds": played,
        "failed": failed,
        "seconds": round(time.monotonic() - began),
        "figures": dict(figures),
        "steps": dict(sorted(happened.items())),
    }
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=math.inf)
    words = parser.parse_args()
    return asyncio.run(play_all(range(words.first, words.first + words.seeds), words.minutes * 60))


if __name__ == "__main__":
    sys.exit(main())
