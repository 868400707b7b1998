"""Tasks that are to end."""

from __future__ import annotations

import asyncio

import pytest

from moodle_appservice.engine.stopping import end


async def test_a_task_that_lost_a_cancellation_in_the_moment_of_a_result_ends_all_the_same() -> None:
    heard: list[str] = []

    async def deaf_at_first() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("once")
        await asyncio.Event().wait()

    task = asyncio.create_task(deaf_at_first())
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await end(task, again_after=0.01)
    assert task.cancelled() and heard == ["once"]


async def test_what_a_task_raised_in_place_of_ending_is_raised_and_the_others_have_ended() -> None:
    async def breaks() -> None:
        raise ValueError("broken")

    broken, waiting = asyncio.create_task(breaks()), asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="broken"):
        await end(broken, waiting)
    assert waiting.cancelled()


async def test_where_there_is_nothing_to_end_nothing_is_waited_for() -> None:
    await end(None)
