"""Places for rooms: so many at once as the homeserver's answers allow."""

from __future__ import annotations

import asyncio

from moodle_appservice.domain.pace import FIRST, ROUNDS
from moodle_appservice.engine.pace import AHEAD, LONGEST, SECONDS, WRITES, Pacing


class Scene:
    """Workers that want a place, and a homeserver's answers."""

    def __init__(self, most: int = 16) -> None:
        self.now = 0.0
        self.most = most
        self.pacing = Pacing(lambda: self.most, clock=lambda: self.now)
        self.busy = 0
        self.stop = asyncio.Event()

    async def work(self) -> None:
        async with self.pacing.place():
            with self.pacing.at_work():
                self.busy += 1
                await self.stop.wait()
                self.busy -= 1

    async def start(self, number: int) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self.work()) for _ in range(number)]
        await self.settle()
        return tasks

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def round(
        self,
        *,
        outcome: str = "200",
        each: float = 0.1,
        endpoint: str = "POST rooms/invite",
        every: float = SECONDS / WRITES + 0.01,
    ) -> None:
        for _ in range(WRITES):
            self.now += every
            self.pacing.asked_matrix(endpoint, outcome, each)
        self.pacing.wave_over()
        await self.settle()

    async def grows(self) -> None:
        """As long as it takes to try twice as many."""
        await self.round()


async def test_only_so_many_have_a_place_and_more_when_it_pays() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    assert scene.pacing.limit == FIRST
    assert scene.busy == scene.pacing.places == AHEAD * FIRST, "those of the next wave are ready"
    await scene.grows()
    assert scene.pacing.limit == 2 * FIRST
    assert scene.busy == scene.pacing.places == AHEAD * 2 * FIRST
    scene.stop.set()
    await asyncio.gather(*tasks)
    assert scene.busy == 0


async def test_a_refusal_halves_the_places_and_nobody_is_put_out() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    scene.pacing.asked_matrix("POST rooms/invite", "429", 0.1)
    assert scene.pacing.limit == FIRST // 2
    assert scene.busy == AHEAD * FIRST, "who writes goes on"
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_slow_answers_halve_them_and_the_making_of_a_room_does_not_count() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    await scene.round(endpoint="POST createRoom", each=3.0)
    assert scene.pacing.limit == 2 * FIRST
    await scene.round(each=3.0)
    assert scene.pacing.limit == FIRST
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_they_are_halved_once_until_the_rooms_too_many_are_done() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    await scene.grows()
    assert scene.busy == AHEAD * 2 * FIRST
    for _ in range(3):
        await scene.round(each=3.0)
        scene.pacing.asked_matrix("POST rooms/invite", "429", 0.1)
        assert scene.pacing.limit == FIRST, "more at once still write than may: that is why it is slow"
    for task in tasks[: AHEAD * FIRST]:
        task.cancel()
    await scene.settle()
    await scene.round(each=3.0)
    assert scene.pacing.limit == FIRST, "this round began with more"
    await scene.round(each=3.0)
    assert scene.pacing.limit == FIRST // 2
    scene.stop.set()
    await asyncio.wait(tasks)


async def test_who_writes_hears_that_there_are_more_than_may_be() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    assert not scene.pacing.is_crowded
    scene.pacing.asked_matrix("POST rooms/invite", "429", 0.1)
    assert scene.pacing.is_crowded
    for task in tasks[: AHEAD * FIRST // 2]:
        task.cancel()
    await scene.settle()
    assert not scene.pacing.is_crowded
    scene.stop.set()
    await asyncio.wait(tasks)


async def test_a_round_begins_where_the_last_one_ended_however_long_the_answers_take() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    await scene.round(every=0.2, each=0.4)
    assert scene.pacing.limit == 2 * FIRST
    for _ in range(ROUNDS):
        await scene.round(every=0.18, each=0.8)
    assert scene.pacing.limit == 4 * FIRST, "answers came more often, so it pays"
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_a_room_that_is_made_counts_as_work_and_not_as_a_slow_answer() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    await scene.grows()
    for _ in range(ROUNDS):
        for _ in range(WRITES):
            scene.pacing.asked_matrix("POST createRoom", "200", 3.0)
        await scene.round(every=0.2)
    assert scene.pacing.limit == 4 * FIRST, "fewer invites than before, but rooms beside them"
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_rooms_that_are_made_are_enough_to_learn_from() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    await scene.round(endpoint="POST createRoom")
    assert scene.pacing.limit == 2 * FIRST
    for _ in range(ROUNDS):
        await scene.round(endpoint="POST createRoom")
    assert scene.pacing.limit == FIRST, "as many rooms in the same time"
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_a_round_ends_with_a_wave_so_that_it_counts_no_half_ones() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    for part in (0.4, 0.4, 0.6):
        scene.pacing.wave_over()
        for _ in range(WRITES):
            scene.now += part * SECONDS / WRITES
            scene.pacing.asked_matrix("POST rooms/invite", "200", 0.01)
    assert scene.pacing.limit == FIRST, "long enough, and in the middle of a wave"
    scene.pacing.wave_over()
    assert scene.pacing.limit == 2 * FIRST
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_where_no_wave_ends_a_round_is_over_after_a_while() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    for _ in range(WRITES):
        assert scene.pacing.limit == FIRST
        scene.now += LONGEST / (WRITES - 1)
        scene.pacing.asked_matrix("POST rooms/invite", "200", 0.1)
    assert scene.pacing.limit == 2 * FIRST
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_a_pause_in_which_nobody_has_anything_to_write_is_in_no_round() -> None:
    scene = Scene()
    tasks = await scene.start(30)
    scene.pacing.asked_matrix("POST rooms/invite", "200", 0.1)
    scene.stop.set()
    await asyncio.gather(*tasks)
    scene.pacing.asked_matrix("POST rooms/invite", "200", 0.1)
    with scene.pacing.at_work():
        pass
    scene.now += 1000
    scene.stop.clear()
    tasks = await scene.start(30)
    await scene.round()
    assert scene.pacing.limit == 2 * FIRST
    for _ in range(ROUNDS):
        await scene.round()
    assert scene.pacing.limit == FIRST, "the round at the first number was as quick as those after it"
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_with_little_to_do_nothing_is_learnt() -> None:
    scene = Scene()
    tasks = await scene.start(FIRST - 1)
    for _ in range(3):
        await scene.round()
    assert scene.pacing.limit == FIRST
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_what_is_allowed_now_is_the_limit() -> None:
    scene = Scene()
    scene.most = 2
    tasks = await scene.start(30)
    assert scene.busy == AHEAD * 2
    scene.stop.set()
    await asyncio.gather(*tasks)


async def test_whoever_waits_and_is_stopped_takes_no_place_with_it() -> None:
    scene = Scene()
    tasks = await scene.start(AHEAD * FIRST + 2)
    tasks[-1].cancel()
    await scene.settle()
    scene.stop.set()
    await asyncio.wait(tasks)
    again = await scene.start(AHEAD * FIRST)
    await asyncio.gather(*again)
    assert scene.busy == 0
