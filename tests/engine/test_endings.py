"""Courses that are gone, switched off or released: policies with a time of grace, holds, restored courses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from moodle_appservice.domain.ending import Ending
from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.domain.rules import LifeRules
from moodle_appservice.engine.endings import ENDING
from moodle_appservice.errors import NoAdminRights, PermanentFailure, Refused
from moodle_appservice.ports import Key, course_key
from tests.engine.world import World

DAY = 86400.0
COURSE = CourseId(42)
TEACHER, STUDENT = 7, 8


async def with_room(world: World, number: int = COURSE) -> RoomId:
    """A course that passes have seen, with a teacher and a student in its room."""
    await world.synced(number, teachers=[TEACHER], students=[STUDENT])
    await look(world)
    world.matrix.forget_requests()
    return world.room(CourseId(number))


async def look(world: World, *signals: str) -> dict[Key, frozenset[str]]:
    """A pass, and everything that follows from it; which keys were due."""
    await world.pass_over_site(*signals)
    due = dict(await world.due())
    for key in due:
        if key.kind == "course":
            await world.sync(CourseId(key.number), *due[key])
    return due


def vanish(world: World, number: int = COURSE) -> None:
    del world.facts.courses[CourseId(number)]


def writers(world: World, room_id: RoomId) -> int:
    return int(world.matrix.content(room_id, "m.room.power_levels")["events_default"])


def use(world: World, **life: object) -> None:
    world.use(existing_courses=True, life=replace(LifeRules(), **life))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def all_courses(world: World) -> None:
    use(world)


async def test_a_course_that_is_gone_is_archived_after_the_time_of_grace_and_nobody_is_removed(
    world: World,
) -> None:
    room_id = await with_room(world)
    before = world.matrix.members(room_id)
    levels = world.matrix.content(room_id, "m.room.power_levels")["users"]
    vanish(world)
    world.clock.advance(DAY)
    await look(world)
    world.clock.advance(29 * DAY)
    await look(world)
    assert world.matrix.made("set_state") == []
    world.clock.advance(DAY)
    await look(world)
    assert writers(world, room_id) == 100
    assert world.matrix.content(room_id, "m.room.name") == {"name": "C42: Course 42 (archived)"}
    assert world.matrix.members(room_id) == before
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == levels
    await world.matrix.push()
    world.matrix.forget_requests()
    await look(world)
    await look(world, "cli")
    assert [one for one in world.matrix.forget_requests() if one[0] != "get_state"] == []


async def test_a_course_that_comes_back_goes_on_as_if_nothing_had_been(world: World) -> None:
    room_id = await with_room(world)
    course = world.facts.courses[COURSE]
    vanish(world)
    await look(world)
    world.clock.advance(31 * DAY)
    await look(world)
    assert writers(world, room_id) == 100
    world.facts.courses[COURSE] = course
    await look(world, "cli")
    assert writers(world, room_id) == 0
    assert world.matrix.content(room_id, "m.room.name") == {"name": "C42: Course 42"}
    assert await world.store.endings.all() == {}
    row = await world.store.courses.get(COURSE)
    assert row is not None
    assert (row.gone, row.left_at) == (False, None)


async def test_a_course_that_is_switched_off_is_left_as_it_is(world: World) -> None:
    room_id = await with_room(world)
    world.rules = replace(world.rules, deny_courses=frozenset({COURSE}))
    world.rebuild()
    await look(world)
    world.clock.advance(400 * DAY)
    await look(world)
    assert writers(world, room_id) == 0
    assert await world.store.endings.all() == {}


async def test_the_policy_for_a_course_that_is_switched_off_counts_from_that_day(world: World) -> None:
    use(world, when_unselected="archive", grace_period=2 * DAY)
    room_id = await with_room(world)
    world.use(deny_courses=frozenset({COURSE}))
    await look(world)
    world.clock.advance(DAY)
    await look(world)
    assert writers(world, room_id) == 0
    world.clock.advance(DAY)
    await look(world)
    assert writers(world, room_id) == 100


async def test_a_course_that_never_was_on_never_ends(world: World) -> None:
    world.use(deny_courses=frozenset({COURSE}))
    await world.course()
    await world.store.courses.save(
        [replace(row, on=False) for row in (await world.store.courses.all()).values()]
    )
    await look(world)
    vanish(world)
    await look(world)
    row = await world.store.courses.get(COURSE)
    assert row is not None
    assert (row.gone, row.left_at) == (True, None)


async def test_the_rooms_of_a_course_are_deleted_with_every_generation(world: World) -> None:
    use(world, when_deleted="delete", grace_period=0.0)
    old = await with_room(world)
    await world.life.reset(COURSE, by="bot")
    await world.sync(COURSE, "command")
    new = world.room(COURSE)
    vanish(world)
    await look(world)
    assert old not in world.matrix.rooms
    assert new not in world.matrix.rooms
    assert await world.store.ledger.courses() == frozenset()
    kinds = [line.kind for line in await world.audit(COURSE)]
    assert kinds.count("Purge") == 2
    assert kinds[-1] == "EndedDelete"
    world.matrix.forget_requests()
    await look(world)
    assert world.matrix.made("purge") == []


async def test_without_admin_rights_a_deletion_is_told_and_tried_again(world: World) -> None:
    use(world, when_deleted="delete", grace_period=0.0)
    room_id = await with_room(world)
    vanish(world)
    world.matrix.refuse("purge", error=NoAdminRights("The bot is no server administrator."))
    await world.pass_over_site()
    with pytest.raises(NoAdminRights):
        await world.sync(COURSE, ENDING)
    assert room_id in world.matrix.rooms
    world.matrix.allow("purge")
    world.clock.advance(3600)
    await world.sync(COURSE, ENDING)
    assert room_id not in world.matrix.rooms


async def test_an_archive_is_written_down_and_then_deleted_when_its_time_has_come(world: World) -> None:
    use(world, export_after=10 * DAY, purge_after=20 * DAY)
    room_id = await with_room(world)
    await world.life.archive(COURSE, by="page")
    await look(world, "cli")
    world.clock.advance(10 * DAY)
    await look(world)
    assert world.matrix.made("export") == [(room_id, "course 42 main")]
    await look(world)
    assert len(world.matrix.made("export")) == 1
    world.clock.advance(10 * DAY)
    await look(world)
    assert room_id not in world.matrix.rooms
    await look(world, "cli")
    assert world.matrix.made("create_room") == []


async def test_by_default_nothing_is_written_down_or_deleted(world: World) -> None:
    await with_room(world)
    await world.life.archive(COURSE, by="page")
    await look(world, "cli")
    world.clock.advance(10_000 * DAY)
    await look(world, "cli")
    assert (world.matrix.made("export"), world.matrix.made("purge")) == ([], [])


async def many_vanish(world: World, numbers: Sequence[int]) -> dict[int, RoomId]:
    rooms = {number: await with_room(world, number) for number in numbers}
    for number in numbers:
        vanish(world, number)
    await look(world)
    world.clock.advance(31 * DAY)
    await look(world)
    return rooms


async def test_three_courses_may_end_at_once(world: World) -> None:
    rooms = await many_vanish(world, [2, 3, 4])
    assert {writers(world, room_id) for room_id in rooms.values()} == {100}


async def test_more_than_three_courses_that_end_at_once_wait_for_a_person(world: World) -> None:
    rooms = await many_vanish(world, [2, 3, 4, 5])
    assert {writers(world, room_id) for room_id in rooms.values()} == {0}
    held = await world.store.journal.held()
    assert {(row.course_id, row.users) for row in held} == {(number, frozenset()) for number in rooms}
    assert "4 courses would be archived or deleted" in held[0].reason
    await world.store.journal.confirm()
    await look(world)
    assert {writers(world, room_id) for room_id in rooms.values()} == {100}


async def test_what_was_held_is_forgotten_when_the_courses_come_back(world: World) -> None:
    courses = {}
    for number in (2, 3, 4, 5):
        await with_room(world, number)
        courses[CourseId(number)] = world.facts.courses.pop(CourseId(number))
    await look(world)
    world.clock.advance(31 * DAY)
    await look(world)
    assert len(await world.store.journal.held()) == 4
    world.facts.courses.update(courses)
    await look(world, "cli")
    assert await world.store.journal.held() == []


# Release


async def test_a_release_first_asks_who_is_to_administer_the_room(world: World) -> None:
    room_id = await with_room(world)
    with pytest.raises(Refused, match="Nobody could administer these rooms"):
        await world.life.release(COURSE, by="command line")
    with pytest.raises(Refused, match="Nobody could administer these rooms"):
        await world.life.release(COURSE, by="command line", to=[world.user(99)])
    said = await world.life.release(
        COURSE, by="command line", person=MoodleUserId(TEACHER), to=[world.user(TEACHER)]
    )
    assert "Level 100 goes to @p7:uni.test" in said
    before = dict(world.matrix.rooms[room_id])
    await world.sync(COURSE, ENDING)
    changed = {key for key, event in world.matrix.rooms[room_id].items() if before.get(key) != event}
    assert changed == {("m.room.power_levels", "")}
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {world.user(TEACHER): 100}
    world.facts.unenrol(COURSE, STUDENT)
    await world.matrix.push()
    world.matrix.forget_requests()
    await look(world, "cli")
    assert [one for one in world.matrix.forget_requests() if one[0] != "get_state"] == []
    row = await world.store.courses.get(COURSE)
    assert row is not None
    assert row.reason.startswith("It was released")
    with pytest.raises(Refused, match="released already"):
        await world.life.release(COURSE, by="bot")


async def test_where_somebody_can_administer_the_room_a_release_touches_nothing(world: World) -> None:
    world.use(additional_creators=("@dean:uni.test",))
    room_id = await with_room(world)
    world.matrix.member(room_id, "@dean:uni.test", "join")
    await world.matrix.push()
    before = dict(world.matrix.rooms[room_id])
    await world.life.release(COURSE, by="bot")
    await world.sync(COURSE, ENDING)
    assert world.matrix.rooms[room_id] == before


async def test_a_release_can_be_taken_back(world: World) -> None:
    room_id = await with_room(world)
    await world.life.release(COURSE, by="bot", to=[world.user(TEACHER)])
    await world.sync(COURSE, ENDING)
    await world.life.manage(COURSE, by="bot")
    await look(world, "cli")
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {world.user(TEACHER): 60}
    with pytest.raises(Refused, match="not released"):
        await world.life.manage(COURSE, by="bot")


async def test_the_policy_release_waits_for_a_person_where_nobody_is_named(world: World) -> None:
    use(world, when_deleted="release", grace_period=0.0)
    room_id = await with_room(world)
    vanish(world)
    await world.pass_over_site()
    with pytest.raises(PermanentFailure, match="Nobody could administer"):
        await world.sync(COURSE, ENDING)
    use(world, when_deleted="release", grace_period=0.0, release_to=(world.user(TEACHER),))
    await world.pass_over_site()
    await world.sync(COURSE, ENDING)
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {world.user(TEACHER): 100}
    row = await world.store.courses.get(COURSE)
    assert row is not None
    assert row.released


# A course that was restored


async def restored(world: World, **given: object) -> tuple[RoomId, CourseId]:
    """The course is gone, and one with its short name has appeared under a new id."""
    room_id = await with_room(world)
    vanish(world)
    await look(world)
    world.clock.advance(DAY)
    new = world.facts.add_course(77, **{"shortname": "C42", **given})
    world.facts.enrol(new, TEACHER, role="editingteacher")
    world.facts.enrol(new, STUDENT)
    world.matrix.forget_requests()
    await look(world)
    return room_id, new


async def test_a_restored_course_waits_for_a_person_who_gives_it_the_old_rooms(world: World) -> None:
    room_id, new = await restored(world)
    assert world.matrix.made("create_room") == []
    row = await world.store.courses.get(new)
    assert row is not None
    assert not row.on
    assert "looks restored" in row.reason
    assert [held.course_id for held in await world.store.journal.held()] == [new]
    await world.store.journal.confirm(new)
    await look(world, "confirm")
    assert world.matrix.made("create_room") == []
    assert await world.store.ledger.room_of(main_room(new)) == room_id
    assert world.matrix.room_under(alias_of(main_room(new), world.rules)) == room_id
    assert world.matrix.content(room_id, "org.moodle_appservice.marker")["moodle_id"] == new
    assert world.matrix.made("kick") == []
    await world.matrix.push()
    world.matrix.forget_requests()
    world.clock.advance(100 * DAY)
    await look(world, "cli")
    assert [one for one in world.matrix.forget_requests() if one[0] != "get_state"] == []
    assert writers(world, room_id) == 0


async def test_a_restored_course_may_have_rooms_of_its_own(world: World) -> None:
    room_id, new = await restored(world)
    await world.life.fresh(new, by="command line")
    await look(world, "cli")
    await world.look_at_people()
    await world.sync(new, "cli")
    assert world.room(new) != room_id
    assert await world.store.journal.held() == []


async def test_a_copy_of_a_course_that_still_exists_gets_rooms_of_its_own(world: World) -> None:
    room_id = await with_room(world)
    new = world.facts.add_course(77, shortname="C42")
    world.facts.enrol(new, STUDENT)
    await look(world)
    assert world.room(new) != room_id


@pytest.mark.parametrize("given", [{"idnumber": "other"}, {"shortname": "C43"}])
async def test_a_new_course_of_another_name_or_id_number_is_nobody_s_heir(
    world: World, given: dict[str, object]
) -> None:
    _, new = await restored(world, **given)
    row = await world.store.courses.get(new)
    assert row is not None
    assert row.on


async def test_nobody_inherits_from_a_course_that_has_been_gone_for_longer(world: World) -> None:
    use(world, grace_period=0.5 * DAY)
    _, new = await restored(world)
    row = await world.store.courses.get(new)
    assert row is not None
    assert row.on


async def test_what_ends_with_a_pass_is_known_before(world: World) -> None:
    await with_room(world)
    vanish(world)
    await look(world)
    world.clock.advance(31 * DAY)
    rows = await world.store.courses.all()
    due = await world.endings.preview(rows, await world.facts.site(not_older_than=0.0))
    assert {course: one.ending for course, one in due.items()} == {COURSE: Ending.ARCHIVE}
    assert await world.store.endings.all() == {}
    assert course_key(COURSE) not in await world.due()
