"""Ending tasks, also those that do not hear it the first time.

Before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes in the moment of the result, and pools of
connections wait with it: a task that is told only once may go on for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

AGAIN_AFTER = 1.0
"""Seconds after which a task that still runs is told again."""


async def end(tasks: Iterable[asyncio.Task[Any]], *, again_after: float = AGAIN_AFTER) -> None:
    """Cancel these and wait until each has ended. Raises what one of them raised instead.

    `again_after`: seconds that a task has for what it must finish before it is told again.
    """
    pending = ended = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_after)
    for task in ended:
        with suppress(asyncio.CancelledError):
            task.result()
