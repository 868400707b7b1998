"""One process that takes keys from the queue of a cluster and does nothing with them: what `cluster.py` measures.

    python bench/noop.py DATABASE LOG WORKERS

writes a line of JSON to LOG for the begin and the end of each look, with the system's monotonic clock, which all
processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TextIO

from moodle_appservice.engine.lease import Lease
from moodle_appservice.engine.queues.jobs import Jobs
from moodle_appservice.engine.queues.procrastinate import ProcrastinateQueue


class RealClock:
    """The real time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()


async def work(queue: ProcrastinateQueue, log: TextIO) -> None:
    """Take, note, give back."""
    while True:
        taken = await queue.take()
        began = time.monotonic()
        print(json.dumps(["begin", taken.key.number, began, sorted(taken.signals)]), file=log, flush=True)
        await asyncio.sleep(0)
        print(json.dumps(["end", taken.key.number, time.monotonic()]), file=log, flush=True)
        await queue.done(taken)


async def main(database: str, log: Path, workers: int) -> None:
    """Work until somebody ends us."""
    jobs = Jobs(database)
    await jobs.open()
    queue = ProcrastinateQueue(jobs, RealClock(), Lease())
    await queue.open()
    with log.open("w", encoding="utf-8") as file:
        await asyncio.gather(*(work(queue, file) for _ in range(workers)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
