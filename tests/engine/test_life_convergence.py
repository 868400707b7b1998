"""The life of a course in any order: two passes after the last trouble its rooms are what Moodle and people have said.

The stories of `test_convergence` go on here while the course ends, is put off, hidden, archived, opened again, reset,
deleted, and appears again. Where it runs in the end, everybody enrolled is in its newest room; where it does not,
nobody is put out of its rooms, and nobody writes there who may not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from hypothesis import example, given, settings

from moodle_appservice.domain.life import GENERATION, Phase, stage_of, word_of
from moodle_appservice.domain.model import Course
from moodle_appservice.domain.power import MARKER
from moodle_appservice.errors import AppError
from tests.engine.stories import COURSE, Steps, Story, check, stories, told
from tests.engine.stories import STEPS as USUAL
from tests.engine.world import World

DAY = 86400.0


class Lifetime(Story):
    """A story in which the course itself lives; the word decides where a step has two sides."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.deleted: Course | None = None

    async def rename(self, person: int, _: str) -> None:
        self._change(shortname=f"C{person}")

    async def dates(self, person: int, word: str) -> None:
        """It begins, or has ended, so many days from now; or there are no dates."""
        now = self.world.clock.now()
        moment = {1: None, 2: 3, 3: -20, 4: -40, 5: -200, 6: 1}[person]
        at = None if moment is None else now + moment * DAY
        start, end = (at, None) if word == "teacher" else (None, at)
        self._change(start=start, end=end)

    async def conceal(self, _: int, word: str) -> None:
        self._change(visible=word == "teacher")

    async def archive(self, _: int, word: str) -> None:
        life = self.world.life
        await self._said(life.archive if word == "teacher" else life.unarchive)

    async def reset(self, *_: object) -> None:
        await self._said(self.world.life.reset)

    async def delete(self, *_: object) -> None:
        self.deleted = self.world.facts.courses.pop(COURSE, None) or self.deleted

    async def appear(self, *_: object) -> None:
        if COURSE not in self.world.facts.courses and self.deleted is not None:
            self.world.facts.courses[COURSE] = self.deleted

    async def weeks_pass(self, person: int, _: str) -> None:
        self.world.clock.advance(10 * DAY * person)

    async def calm(self) -> None:
        await self.appear()
        await super().calm()

    def _change(self, **given: object) -> None:
        found = self.world.facts.courses.get(COURSE)
        if found is not None:
            self.world.facts.courses[COURSE] = replace(found, **given)  # type: ignore[arg-type]

    async def _said(self, decide: Callable[..., Awaitable[str]]) -> None:
        """A person decides; what means nothing at this moment is refused."""
        with suppress(AppError):
            await decide(COURSE, by="bot")


STEPS = sorted({*USUAL, "dates", "conceal", "archive", "reset", "delete", "appear", "weeks_pass"})
LIVES = stories(STEPS, "archive", "reset")


@settings(max_examples=60)
@example(
    [("enrol", 1, "student"), ("work", 1, ""), ("reset", 1, ""), ("work", 1, ""), ("archive", 1, "teacher")]
)
@example(
    [("enrol", 1, "student"), ("work", 1, ""), ("delete", 1, ""), ("work", 1, ""), ("weeks_pass", 6, "")]
)
@given(LIVES)
async def test_two_passes_after_the_last_trouble_the_rooms_are_what_the_life_of_the_course_wants(
    steps: Steps,
) -> None:
    async with told(steps, Lifetime) as (world, story):
        await _check(world, story)


async def _check(world: World, story: Lifetime) -> None:
    choices = {name: chosen.value for name, chosen in (await world.store.choices.of(COURSE)).items()}
    course = world.facts.courses[COURSE]
    stage = stage_of(course, world.rules.life, now=world.clock.now(), archived=word_of(choices))
    room_id = story.room_id
    if room_id is None:
        assert not stage.is_made, f"no room, though the course is {stage.phase}"
        return
    marked = [
        state[MARKER, ""].content
        for state in world.matrix.rooms.values()
        if (MARKER, "") in state and state[MARKER, ""].content["moodle_id"] == COURSE
    ]
    generation = choices.get(GENERATION, 1) if stage.is_made else max(one["generation"] for one in marked)
    assert sorted(one["generation"] for one in marked) == list(range(1, generation + 1))
    if stage.phase is Phase.RUNNING:
        await check(world, room_id, story.let_in_by_admin)
    levels = world.matrix.content(room_id, "m.room.power_levels")
    assert levels["events_default"] == {"all": 0, "staff": 50, "nobody": 100}[stage.voice.value]
