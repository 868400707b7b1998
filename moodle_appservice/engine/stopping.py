"""Ending tasks, also those that do not hear it the first time.

Before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes in the moment of the result, and pools of
connections wait with it: a task that is told only once may go on for ever.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

AGAIN_AFTER = 4.0
"""Seconds that a task has for a transaction that it has begun; one that still runs then is told again."""


async def end(*tasks: asyncio.Task[Any] | None, again_after: float = AGAIN_AFTER) -> None:
    """Cancel these and wait until each has ended. Raises what one of them raised instead."""
    ended = {task for task in tasks if task is not None}
    pending = ended
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_after)
    for task in ended:
        with suppress(asyncio.CancelledError):
            task.result()
