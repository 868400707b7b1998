"""When something that the demo promises is not seen to happen: one error, and a limit to everybody's patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from ..errors import AppError

LONGEST_STEP = 60.0
"""Seconds for one step. Steps wait for what is to be seen and take as long as that takes; this is only the end."""


class NotSeen(AppError):
    """Names what was to be seen at the homeserver and was not."""


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Do the block in so many seconds. Raises `NotSeen` when they are over, or with the reason for a failure."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except NotSeen:
        raise
    except TimeoutError:
        raise NotSeen(f"{what} (waited {seconds:.0f} s)") from None
    except (AppError, aiohttp.ClientError) as failure:
        raise NotSeen(f"{what} ({failure})") from failure
