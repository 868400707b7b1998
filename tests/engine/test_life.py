"""The life of a course in its rooms: phases that come by the clock, the archive, the reset, killed at any request."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.actions import SetPower
from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId
from moodle_appservice.domain.rooms import RoomKey, RoomKind, course_space, main_room
from moodle_appservice.domain.rules import LifeRules
from moodle_appservice.errors import PermanentFailure, Refused
from moodle_appservice.ports import course_key
from tests.engine.world import World

DAY = 86400.0
COURSE = CourseId(42)
TEACHER, STUDENT = 7, 8


class Killed(BaseException):
    """The process ends here."""


async def begun(world: World, **dates: float) -> RoomId:
    """A course with a teacher and a student in its room; dates are days from now."""
    course_id = world.facts.add_course(
        COURSE, **{key: world.clock.now() + days * DAY for key, days in dates.items()}
    )
    world.facts.enrol(course_id, TEACHER, role="editingteacher")
    world.facts.enrol(course_id, STUDENT)
    await world.switch_on(course_id)
    await world.sync(course_id)
    return world.room(course_id)


async def all_join(world: World, room_id: RoomId) -> None:
    for user, membership in world.matrix.members(room_id).items():
        if membership == "invite":
            world.matrix.member(room_id, user, "join")
    await world.matrix.push()
    world.matrix.forget_requests()


def writers(world: World, room_id: RoomId) -> int:
    return int(world.matrix.content(room_id, "m.room.power_levels")["events_default"])


async def test_students_are_invited_the_moment_a_course_begins(world: World) -> None:
    room_id = await begun(world, start=3)
    assert world.matrix.members(room_id) == {world.user(TEACHER): "invite"}
    assert writers(world, room_id) == 50
    assert world.queue._waiting[course_key(COURSE)].not_before == world.clock.now() + 3 * DAY
    world.clock.advance(3 * DAY)
    assert await world.work()
    assert world.matrix.members(room_id) == {world.user(TEACHER): "invite", world.user(STUDENT): "invite"}
    assert writers(world, room_id) == 0


async def test_whoever_is_there_stays_when_the_beginning_is_put_off(world: World) -> None:
    room_id = await begun(world)
    await all_join(world, room_id)
    course = world.facts.courses[COURSE]
    world.facts.add_course(COURSE, start=world.clock.now() + DAY)
    world.facts.enrol(COURSE, TEACHER, role="editingteacher")
    world.facts.enrol(COURSE, STUDENT)
    assert course.start is None
    await world.sync(COURSE, "cli")
    assert world.matrix.members(room_id) == {world.user(TEACHER): "join", world.user(STUDENT): "join"}
    assert world.matrix.made("kick") == []
    assert writers(world, room_id) == 50


async def test_after_its_end_a_course_is_silent_and_then_archived_and_no_request_follows(
    world: World,
) -> None:
    room_id = await begun(world, start=-10, end=1)
    await all_join(world, room_id)
    world.clock.advance(31 * DAY)
    await world.sync(COURSE, "moment")
    assert writers(world, room_id) == 100
    assert world.matrix.content(room_id, "m.room.name") == {"name": "C42: Course 42"}
    world.clock.advance(150 * DAY)
    await world.sync(COURSE, "moment")
    assert world.matrix.content(room_id, "m.room.name") == {"name": "C42: Course 42 (archived)"}
    await world.matrix.push()
    world.matrix.forget_requests()
    await world.sync(COURSE, "cli")
    assert world.matrix.forget_requests() == []


async def test_people_who_are_unenrolled_stay_in_an_archive_with_their_levels(world: World) -> None:
    room_id = await begun(world)
    await all_join(world, room_id)
    await world.life.archive(COURSE, by="bot", person=MoodleUserId(TEACHER))
    await world.sync(COURSE, "command")
    world.facts.unenrol(COURSE, TEACHER, STUDENT)
    world.facts.enrol(COURSE, 9)
    await world.sync(COURSE, "cli")
    assert world.matrix.members(room_id) == {world.user(TEACHER): "join", world.user(STUDENT): "join"}
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {world.user(TEACHER): 60}
    assert writers(world, room_id) == 100
    lines = await world.audit(COURSE)
    assert [(line.kind, line.person) for line in lines if line.kind == "Archived"] == [
        ("Archived", MoodleUserId(TEACHER))
    ]


async def test_taking_a_course_out_of_the_archive_undoes_all_of_it(world: World) -> None:
    room_id = await begun(world, start=-300, end=10)
    await all_join(world, room_id)
    before = {key: event.content for key, event in world.matrix.rooms[room_id].items()}
    await world.life.archive(COURSE, by="page")
    await world.sync(COURSE, "command")
    assert world.matrix.content(room_id, "m.room.name")["name"].endswith("(archived)")
    await world.life.unarchive(COURSE, by="page")
    await world.sync(COURSE, "command")
    after = {key: event.content for key, event in world.matrix.rooms[room_id].items()}
    marker = ("org.moodle_appservice.marker", "")
    assert after.pop(marker)["choices"] == {"archived": False}
    before.pop(marker)
    assert after == before
    world.clock.advance(500 * DAY)
    await world.sync(COURSE, "cli")
    assert writers(world, room_id) == 0


@pytest.mark.parametrize("end", [-31, -181])
async def test_a_course_that_is_over_gets_no_room(world: World, end: int) -> None:
    world.facts.add_course(COURSE, end=world.clock.now() + end * DAY)
    world.facts.enrol(COURSE, STUDENT)
    await world.switch_on(COURSE)
    await world.sync(COURSE)
    assert world.matrix.made("create_room") == [("#moodle_uni_control:uni.test",)]
    status = await world.status.course(COURSE)
    assert status is not None
    assert status.phase.startswith("The course ended on")
    await world.life.unarchive(COURSE, by="bot")
    await world.sync(COURSE, "command")
    assert world.matrix.members(world.room(COURSE)) == {world.user(STUDENT): "invite"}


async def test_the_status_says_why_nobody_is_invited_before_the_beginning(world: World) -> None:
    await begun(world, start=3)
    status = await world.status.course(COURSE)
    assert status is not None
    assert [(one.person, one.reason) for one in status.missing] == [(STUDENT, status.phase)]
    assert "until then only staff" in status.phase


async def test_what_means_nothing_is_refused_and_changes_nothing(world: World) -> None:
    with pytest.raises(PermanentFailure, match="lists no course 42"):
        await world.life.archive(COURSE, by="bot")
    await world.course()
    with pytest.raises(Refused, match="no room yet"):
        await world.life.reset(COURSE, by="bot")
    await world.sync(COURSE)
    await world.life.archive(COURSE, by="bot")
    with pytest.raises(Refused, match="archived already"):
        await world.life.archive(COURSE, by="bot")
    await world.life.unarchive(COURSE, by="bot")
    with pytest.raises(Refused, match="kept open already"):
        await world.life.unarchive(COURSE, by="bot")
    await world.life.reset(COURSE, by="bot")
    with pytest.raises(Refused, match="being reset already"):
        await world.life.reset(COURSE, by="bot")


# Reset


async def test_a_reset_makes_a_new_room_to_which_the_old_one_leads(world: World) -> None:
    old = await begun(world)
    await all_join(world, old)
    world.clock.advance(1)
    said = await world.life.reset(COURSE, by="command line")
    assert said.startswith("Course 42 gets new rooms.")
    await world.sync(COURSE, "command")
    new = world.room(COURSE)
    assert new != old
    assert new == world.matrix.room_under(alias_of(main_room(COURSE), world.rules, 2))
    assert world.matrix.rooms[new]["m.room.create", ""].content["predecessor"] == {"room_id": old}
    assert world.matrix.content(old, "m.room.tombstone")["replacement_room"] == new
    assert writers(world, old) == 100
    assert writers(world, new) == 0
    assert world.matrix.content(new, "m.room.canonical_alias") == {"alias": "#moodle_uni_course_42:uni.test"}
    assert world.matrix.members(new) == {world.user(TEACHER): "invite", world.user(STUDENT): "invite"}
    assert world.matrix.members(old) == {world.user(TEACHER): "join", world.user(STUDENT): "join"}
    last = world.matrix.requests[-2:]
    assert [one[0] for one in last] == ["put_alias", "set_state"]
    await world.matrix.push()
    world.matrix.forget_requests()
    await world.sync(COURSE, "cli")
    assert world.matrix.forget_requests() == []


async def test_a_second_reset_leads_both_old_rooms_to_the_newest(world: World) -> None:
    first = await begun(world)
    await world.life.reset(COURSE, by="bot")
    await world.sync(COURSE, "command")
    second = world.room(COURSE)
    await world.life.reset(COURSE, by="bot")
    await world.sync(COURSE, "command")
    third = world.room(COURSE)
    assert len({first, second, third}) == 3
    for old in (first, second):
        assert world.matrix.content(old, "m.room.tombstone")["replacement_room"] == third
    assert world.matrix.rooms[third]["m.room.create", ""].content["predecessor"] == {"room_id": second}


async def test_a_reset_of_a_course_with_a_space_renews_every_room_of_it(world: World) -> None:
    world.use(layout="space", staff=True)
    await begun(world)
    keys = [course_space(COURSE), main_room(COURSE), RoomKey(RoomKind.STAFF, COURSE)]
    old = {key: world.matrix.room_under(alias_of(key, world.rules)) for key in keys}
    await world.life.reset(COURSE, by="bot")
    await world.sync(COURSE, "command")
    new = {key: world.matrix.room_under(alias_of(key, world.rules)) for key in keys}
    assert not set(old.values()) & set(new.values())
    for key in keys:
        assert world.matrix.content(old[key], "m.room.tombstone")["replacement_room"] == new[key]
    space = world.matrix.rooms[new[keys[0]]]
    hanging = {key for (kind, key), event in space.items() if kind == "m.space.child" and event.content}
    assert hanging == {new[keys[1]], new[keys[2]]}


@pytest.mark.parametrize("is_booked", [True, False], ids=["before a request", "before its booking"])
async def test_a_reset_that_is_killed_at_any_point_ends_the_same(world: World, is_booked: bool) -> None:
    kills = 0
    while True:
        course_id = CourseId(100 + kills)
        old = await world.synced(course_id, teachers=[TEACHER], students=[STUDENT])
        world.clock.advance(1)
        await world.life.reset(course_id, by="bot")
        if not await killed_at(world, course_id, kills, is_booked=is_booked):
            break
        await world.sync(course_id, "pass")
        new = world.room(course_id)
        assert new != old
        assert world.matrix.content(old, "m.room.tombstone")["replacement_room"] == new
        assert writers(world, old) == 100
        assert world.matrix.content(new, "m.room.canonical_alias") == {
            "alias": f"#moodle_uni_course_{course_id}:uni.test"
        }
        assert world.matrix.members(new) == {world.user(TEACHER): "invite", world.user(STUDENT): "invite"}
        generations = await world.store.ledger.generations(course_id)
        assert {key.retired: own.room_id for key, own in generations.items()} == {1: old, 2: new}
        marked = [
            room
            for room, state in world.matrix.rooms.items()
            if (marker := state.get(("org.moodle_appservice.marker", ""))) is not None
            and marker.content["moodle_id"] == course_id
        ]
        assert sorted(marked) == sorted([old, new])
        kills += 1
    assert kills >= 7


async def killed_at(world: World, course_id: CourseId, number: int, *, is_booked: bool) -> bool:
    """Whether a look was killed: ahead of the request of this number (0: the first), or of the booking of one."""
    where = world.matrix if is_booked else world.store.ledger
    name = "_arrives" if is_booked else "record"
    carry_out, seen = getattr(where, name), 0

    async def counted(*given: object, **named: object) -> None:
        nonlocal seen
        if seen == number:
            raise Killed
        seen += 1
        await carry_out(*given, **named)

    setattr(where, name, counted)
    try:
        await world.sync(course_id, "command")
    except Killed:
        return True
    finally:
        setattr(where, name, carry_out)
        world.rebuild()
    return False


async def test_a_reset_goes_on_without_the_old_room(world: World) -> None:
    old = await begun(world)
    await world.life.reset(COURSE, by="bot")
    await world.sync(COURSE, "command")
    world.matrix.lose(old, alias=False)
    await world.store.mirror.mark_stale()
    await world.sync(COURSE, "cli")
    assert world.room(COURSE) != old
    assert len(await world.store.ledger.generations(COURSE)) == 1


async def test_the_steps_of_an_archive_say_why(world: World) -> None:
    await begun(world, end=-29)
    world.clock.advance(DAY)
    prepared = await world.planner.prepare(COURSE, not_older_than=0.0)
    reasons = [step.action.why for step in prepared.steps if isinstance(step.action, SetPower)]
    assert reasons == [prepared.course.stage.why]
    assert LifeRules().read_only_after == 30 * DAY
