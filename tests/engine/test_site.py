"""The pass over the site: what counts as new, and what a course is told that can't be read yet."""

from __future__ import annotations

from moodle_appservice.domain.model import CourseId
from tests.engine.world import World


async def test_a_course_that_the_first_listing_only_shows_from_outside_is_not_new_later(world: World) -> None:
    world.facts.add_course(41)
    hidden = world.facts.add_course(42)
    world.facts.unreadable.add(hidden)
    await world.pass_over_site()
    world.facts.unreadable.clear()
    new = world.facts.add_course(43)
    await world.pass_over_site()
    rows = await world.store.courses.all()
    assert {number: row.on for number, row in rows.items()} == {CourseId(41): False, hidden: False, new: True}
