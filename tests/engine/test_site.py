"""The pass over the site: what counts as new, on or gone, what is looked at, and what changes nothing at all."""

from __future__ import annotations

import pytest

from moodle_appservice.bot.commands.status import Moment, rendered
from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.readers import Reader
from moodle_appservice.errors import PermanentFailure, Unreachable
from moodle_appservice.languages import ENGLISH
from moodle_appservice.ports import course_key
from tests.engine.world import World

OLD, NEW = CourseId(42), CourseId(43)


async def on(world: World) -> set[CourseId]:
    """The courses that are on and there."""
    return {row.id for row in (await world.store.courses.all()).values() if row.on and not row.gone}


async def due(world: World) -> set[int]:
    """The numbers of the courses that are due; they are taken out of the queue."""
    return {key.number for key in await world.due()}


async def test_courses_of_the_first_listing_are_old_and_later_ones_new(world: World) -> None:
    world.facts.add_course(7)
    world.facts.add_course(42)
    await world.pass_over_site()
    assert (await on(world), await due(world)) == (set(), set())
    world.facts.add_course(43)
    # An id below the highest can only come from a backup that was restored: it is not new.
    world.facts.add_course(20)
    await world.pass_over_site()
    assert (await on(world), await due(world)) == ({NEW}, {43})
    world.rebuild()
    await world.pass_over_site()
    assert await on(world) == {NEW}


async def test_an_empty_site_is_a_baseline_too(world: World) -> None:
    await world.pass_over_site()
    world.facts.add_course(2)
    await world.pass_over_site()
    assert await on(world) == {CourseId(2)}


async def test_a_course_that_is_gone_is_marked_and_left_alone_and_may_come_back(world: World) -> None:
    world.use(existing_courses=True)
    course = world.facts.courses[world.facts.add_course(42)]
    world.facts.add_course(43)
    await world.pass_over_site()
    assert await due(world) == {42, 43}
    del world.facts.courses[OLD]
    await world.pass_over_site()
    row = await world.store.courses.get(OLD)
    assert row is not None and row.gone
    assert 42 not in await due(world)
    world.facts.courses[OLD] = course
    await world.pass_over_site()
    row = await world.store.courses.get(OLD)
    assert row is not None and not row.gone
    assert 42 in await due(world)


@pytest.mark.parametrize("what", ["site", "prefetch"])
async def test_a_listing_that_can_t_be_read_makes_nothing_due_and_marks_nothing_as_gone(
    world: World, what: str
) -> None:
    world.use(existing_courses=True)
    world.facts.add_course(42)
    await world.pass_over_site()
    await world.due()
    before = await world.store.courses.all()
    world.facts.trouble[what] = Unreachable("Moodle is down")
    with pytest.raises(Unreachable):
        await world.pass_over_site()
    assert await world.due() == {}
    assert await world.store.courses.all() == before


async def test_another_moodle_under_the_same_token_changes_nothing_until_it_is_confirmed(
    world: World,
) -> None:
    world.use(existing_courses=True)
    world.facts.add_course(42)
    await world.pass_over_site()
    await world.due()
    world.facts.url = "https://test.uni.test"
    world.facts.courses.clear()
    for _ in range(2):
        with pytest.raises(
            PermanentFailure, match=r"calls itself https://test\.uni\.test.*nothing was changed"
        ):
            await world.pass_over_site("command")
    assert await on(world) == {OLD}
    await world.pass_over_site("confirm")
    assert await on(world) == set()
    await world.pass_over_site()


async def test_the_course_s_own_field_decides_and_its_last_word_is_kept(world: World) -> None:
    def show(value: str | None) -> None:
        fields = {} if value is None else {"matrix_enabled": value}
        world.facts.add_course(42, custom_fields=fields, custom_field_types=dict.fromkeys(fields, "select"))

    said = []
    for value in ("as the site", "on", None, "on", "off", None, "as the site"):
        show(value)
        await world.pass_over_site()
        row = await world.store.courses.get(OLD)
        assert row is not None
        said.append((value, row.on, row.choice.on if row.choice else "nothing"))
    assert said == [
        ("as the site", False, "nothing"),
        ("on", True, True),
        (None, True, True),
        ("on", True, True),
        ("off", False, False),
        (None, False, False),
        ("as the site", False, None),
    ]


async def test_a_pass_looks_at_what_has_changed_and_at_nothing_else(world: World) -> None:
    world.use(existing_courses=True)
    await world.synced(42, students=[8])
    await world.synced(43, students=[8])
    await world.pass_over_site()
    await world.work()
    await world.pass_over_site()
    assert await due(world) == set()
    world.facts.enrol(NEW, 9)
    await world.pass_over_site()
    assert await due(world) == {43}


async def test_who_asks_for_a_pass_has_everything_looked_at(world: World) -> None:
    world.use(existing_courses=True)
    await world.synced(42, students=[8])
    for signal in ("command", "cli", "confirm"):
        await world.pass_over_site(signal)
        assert await due(world) == {42}


async def test_the_first_pass_after_a_start_looks_at_everything(world: World) -> None:
    world.use(existing_courses=True)
    await world.synced(42, students=[8])
    world.rebuild()
    await world.pass_over_site()
    assert await due(world) == {42}


async def test_a_course_that_could_not_be_read_is_looked_at_so_that_it_is_seen(world: World) -> None:
    world.use(existing_courses=True)
    await world.synced(42, students=[8])
    await world.pass_over_site()
    await world.work()
    world.facts.trouble["42"] = Unreachable("only this one")
    await world.pass_over_site()
    assert await due(world) == {42}


async def test_what_is_held_or_failed_is_looked_at_with_every_pass(world: World) -> None:
    world.use(existing_courses=True)
    await world.synced(42, students=range(101, 131))
    await world.synced(43, students=[8])
    world.facts.enrolments[OLD] = {}
    world.facts.enrol(NEW, 9)
    world.matrix.refuse("invite", error=PermanentFailure("blocked"))
    for _ in range(3):
        await world.pass_over_site()
        assert {key.number for key in world.queue._waiting} >= {42, 43}
        await world.work()


async def test_a_preview_decides_the_same_and_stores_nothing(world: World) -> None:
    world.use(existing_courses=True)
    world.facts.add_course(42)
    rows = await world.site.preview()
    assert {row.id for row in rows.values() if row.on} == {OLD}
    assert await world.store.courses.all() == {}
    assert await world.store.settings.get("baseline_course") is None
    assert {request[0] for request in world.matrix.requests} == {"resolve_alias", "joined_rooms"}


async def test_a_pass_writes_nothing_to_the_homeserver(world: World) -> None:
    world.use(existing_courses=True)
    await world.synced(42, students=[8])
    world.facts.enrol(OLD, 9)
    await world.pass_over_site()
    assert {request[0] for request in world.matrix.requests} <= {"get_state"}
    assert course_key(OLD) in await world.due()


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


async def test_a_course_with_a_room_that_moodle_made_gets_none_of_ours_unasked_and_says_why(
    world: World,
) -> None:
    world.use(existing_courses=True)
    world.facts.add_course(42, own_room_url="https://matrix.to/#/!abc")
    await world.pass_over_site()
    assert await due(world) == set()
    status = await world.status.course(OLD)
    assert status is not None and not status.on
    assert status.reason == "Moodle itself has made a room for this course; two rooms need a person's word."
    fields = {"custom_fields": {"matrix_enabled": "on"}, "custom_field_types": {"matrix_enabled": "select"}}
    world.facts.add_course(42, own_room_url="https://matrix.to/#/!abc", **fields)
    await world.pass_over_site()
    assert await due(world) == {42}


async def test_a_room_of_ours_is_kept_when_moodle_makes_one_too(world: World) -> None:
    world.use(existing_courses=True)
    await world.synced(42, students=[8])
    world.facts.add_course(42, own_room_url="https://matrix.to/#/!abc")
    world.facts.enrol(OLD, 9)
    await world.pass_over_site()
    await world.work()
    status = await world.status.course(OLD)
    assert status is not None and status.on and status.expected == 1
    assert status.own_room and "so it has two" in status.reason
    assert "There are two rooms" in rendered(status, Reader(ENGLISH), Moment(0.0), names=False).text
    assert world.matrix.members(world.room(OLD))[world.user(8)] == "leave"
