"""Who goes first in a first sync: a large course holds up no small one, and nobody who changes one thing waits for it.

Time is the homeserver's: each write takes a part of a second of a clock that only writes move, so the figures are the
same on any machine. The first tests have the real queue and the real workers, and rooms that are only counted; the
last one has the whole engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.course import TURN, Outcome
from moodle_appservice.engine.worker import Workers
from moodle_appservice.ports import Key, Priority, Taken, course_key
from tests.engine.world import World

WRITE = 0.05
"""Seconds of the homeserver for one write."""
SLICE, LONGEST = 20, 2.0
LARGE, SMALL = CourseId(1), [CourseId(number) for number in range(2, 302)]


@dataclass
class Counted:
    """Rooms in which so many writes are left; when each was done, and in which order keys were taken."""

    world: World
    left: dict[Key, int]
    done_at: dict[Key, float] = field(default_factory=dict)
    taken: list[Key] = field(default_factory=list)

    async def run(self, taken: Taken) -> Outcome:
        """As `engine/course.py`: slices until somebody more urgent waits, or anybody after a turn."""
        self.taken.append(taken.key)
        began = self.world.clock.now()
        while self.left[taken.key]:
            ends = self.world.clock.now() + LONGEST
            for _ in range(min(SLICE, self.left[taken.key])):
                self.left[taken.key] -= 1
                self.world.clock.advance(WRITE)
                # Others write as well.
                await asyncio.sleep(0)
                if self.world.clock.now() >= ends:
                    break
            above = Priority.REST if self.world.clock.now() - began < TURN else None
            if self.left[taken.key] and self.world.queue.presses(taken, above=above):
                return Outcome.MORE
        self.done_at[taken.key] = self.world.clock.now()
        return Outcome.DONE


@asynccontextmanager
async def at_work(world: World, looks: Any, *, rooms: int, **more: Any) -> AsyncIterator[Workers]:
    workers = Workers(
        world.queue, world.store, world.clock, site=looks, people=looks, courses=looks, number=rooms, **more
    )
    workers.start()
    try:
        yield workers
    finally:
        await workers.stop()


@pytest.mark.parametrize("rooms", [1, 4, 16])
async def test_a_course_of_three_thousand_does_not_hold_up_three_hundred_small_ones(
    world: World, rooms: int
) -> None:
    counted = Counted(world, {course_key(LARGE): 3000, **{course_key(one): 10 for one in SMALL}})
    began = world.clock.now()
    await world.queue.add(course_key(LARGE))
    for one in SMALL:
        await world.queue.add(course_key(one))
    async with at_work(world, counted, rooms=rooms, urgency=lambda _: Priority.REST):
        async with asyncio.timeout(60):
            await world.queue.idle()
    alone = 10 * len(SMALL) * WRITE
    last_small = max(counted.done_at[course_key(one)] for one in SMALL) - began
    assert last_small <= alone * 1.25, f"alone they take {alone:.0f} s"
    assert counted.done_at[course_key(LARGE)] - began == pytest.approx(3000 * WRITE + alone)


@pytest.mark.parametrize("rooms", [1, 4, 16])
async def test_a_small_change_in_the_middle_of_it_is_done_within_five_seconds(
    world: World, rooms: int
) -> None:
    counted = Counted(world, {course_key(one): 200 for one in (LARGE, *SMALL[:40])})
    changed = course_key(SMALL[-1])
    counted.left[changed] = 1
    for key in counted.left:
        if key != changed:
            await world.queue.add(key)
    async with at_work(world, counted, rooms=rooms, urgency=lambda _: Priority.REST):
        async with asyncio.timeout(60):
            while len(counted.taken) < 60:
                await asyncio.sleep(0)
            asked = world.clock.now()
            await world.queue.add(changed, priority=Priority.HINT, signal="hook")
            while changed not in counted.done_at:
                await asyncio.sleep(0)
    assert counted.done_at[changed] - asked < 5
    assert any(counted.left.values()), "the first sync was still under way"


async def test_who_waits_goes_before_removals_before_teachers_before_new_courses_before_the_rest(
    world: World,
) -> None:
    order = [
        *(Priority.WAITING_PERSON, Priority.PERSON, Priority.HINT, Priority.REMOVAL),
        *(Priority.TEACHER, Priority.PASS, Priority.REST),
    ]
    keys = {priority: course_key(CourseId(100 - priority)) for priority in order}
    counted = Counted(world, dict.fromkeys(keys.values(), 1))
    for priority in reversed(order):
        await world.queue.add(keys[priority], priority=priority)
    async with at_work(world, counted, rooms=1):
        await world.queue.idle()
    assert counted.taken == [keys[priority] for priority in order]


async def test_the_whole_engine_invites_a_newcomer_within_five_seconds_of_a_first_sync_and_small_courses_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals: list[tuple[float, tuple[str, ...]]] = []
    arrives = world.matrix._arrives

    async def counted(*request: str) -> None:
        if request[0] in ("create_room", "invite", "set_state"):
            world.clock.advance(WRITE)
        arrivals.append((world.clock.now(), request))
        await arrives(*request)

    monkeypatch.setattr(world.matrix, "_arrives", counted)
    settled = await world.synced(7, students=[900], teachers=[])
    large = await world.course(42, students=range(100, 340))
    small = [await world.course(number, students=[11, 12, 13]) for number in range(50, 56)]
    for one in (large, *small):
        await world.queue.add(course_key(one))
    arrivals.clear()

    def invited(room_id: str) -> list[float]:
        return [at for at, request in arrivals if request[:2] == ("invite", room_id)]

    workers = world.workers(1, for_people=1, urgency=world.courses.urgency_of)
    workers.start()
    async with asyncio.timeout(60):
        while sum(1 for _, request in arrivals if request[0] == "invite") < 40:
            await asyncio.sleep(0)
        asked = world.clock.now()
        world.facts.enrol(CourseId(7), 901)
        await world.queue.add(course_key(CourseId(7)), priority=Priority.HINT, signal="hook")
        while not invited(settled):
            await asyncio.sleep(0)
        await world.queue.idle()
    await workers.stop()
    assert invited(settled)[0] - asked < 5
    of_small = [at for one in small for at in invited(world.room(one))]
    of_large = invited(world.room(large))
    assert (len(of_small), len(of_large)) == (18, 240)
    before = sum(1 for at in of_large if at < max(of_small))
    assert before * WRITE <= TURN + LONGEST, "a turn of the large course at most comes before"


async def test_the_first_room_is_made_before_every_course_has_sent_for_its_people(world: World) -> None:
    courses = [await world.course(number, students=[number]) for number in range(50, 70)]
    for one in courses:
        await world.queue.add(course_key(one))
    seen: set[Key] = set()
    # The control room is made first of all.
    while len(world.matrix.made("create_room")) < 2:
        taken = await world.queue.take()
        if taken.key.kind == "person":
            await world.people.run(taken)
        else:
            seen.add(taken.key)
            await world.courses.run(taken)
        await world.queue.done(taken)
    assert seen == {course_key(courses[0])}
