"""What safety holds, over many looks and courses: grouped by cause, confirmed by group, gone when the facts change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moodle_appservice.domain.holds import Cause
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.rules import SafetyRules
from moodle_appservice.engine.holds import Holds
from moodle_appservice.errors import Refused
from moodle_appservice.ports import Priority, Taken, person_key
from tests.engine.world import World

DAY = 86400.0
MANY = range(101, 131)
COURSE = CourseId(42)


def holds(world: World) -> Holds:
    return Holds(world.store, world.facts, world.queue, world.clock)


async def shrunk(world: World, number: int = 42) -> RoomId:
    """A room of thirty of whom Moodle lists ten, and a look at it."""
    room_id = await world.synced(number, students=MANY)
    world.facts.unenrol(CourseId(number), *MANY[10:])
    await world.sync(CourseId(number))
    return room_id


def gone(world: World, room_id: RoomId) -> int:
    return list(world.matrix.members(room_id).values()).count("leave")


async def test_holds_of_one_cause_are_one_group_however_many_courses_there_are(world: World) -> None:
    for number in (42, 43, 44):
        await shrunk(world, number)
    (group,) = await holds(world).groups()
    assert (group.cause, group.users, len(group.parts)) == (Cause.REMOVALS, 60, 3)
    assert group.title == "Rooms that would lose many people"
    assert [part.course_id for part in group.parts] == [42, 43, 44]
    (one,) = await holds(world).groups(CourseId(43))
    assert (len(one.parts), one.id != group.id) == (1, True)


async def test_confirming_a_group_lets_all_of_it_go_on(world: World) -> None:
    rooms = [await shrunk(world, number) for number in (42, 43)]
    (group,) = await holds(world).groups()
    said = await holds(world).confirm(group.id, by="@admin:uni.test")
    assert said == "Confirmed: Rooms that would lose many people. Rooms or courses: 2, people: 40."
    await world.work()
    assert [gone(world, room_id) for room_id in rooms] == [20, 20]
    assert await holds(world).groups() == []
    lines = [line for line in await world.store.journal.audit() if line.kind == "Confirmed"]
    assert len(lines) == 1 and "@" not in lines[0].why


async def test_a_group_that_has_changed_since_it_was_shown_is_refused(world: World) -> None:
    room_id = await shrunk(world)
    (group,) = await holds(world).groups()
    world.facts.unenrol(COURSE, MANY[0])
    await world.sync(COURSE)
    with pytest.raises(Refused, match=r"has changed since this id was shown\. Nothing was confirmed"):
        await holds(world).confirm(group.id, by="a")
    await world.work()
    assert gone(world, room_id) == 0
    (fresh,) = await holds(world).groups()
    assert (fresh.users, fresh.since) == (21, group.since)
    await holds(world).confirm(fresh.id, by="a")
    await world.work()
    assert gone(world, room_id) == 21


async def test_a_hold_that_is_not_there_any_more_can_not_be_confirmed(world: World) -> None:
    await shrunk(world)
    (group,) = await holds(world).groups()
    world.facts.enrol(COURSE, *MANY)
    await world.sync(COURSE)
    assert await holds(world).groups() == []
    with pytest.raises(Refused, match=r"Nothing is held under removals-\w+\. Nothing was confirmed"):
        await holds(world).confirm(group.id, by="a")
    with pytest.raises(Refused, match="Nothing is held under nonsense"):
        await holds(world).confirm("nonsense", by="a")


async def test_a_slow_leak_is_noticed_over_the_day_and_forgotten_after_it(world: World) -> None:
    room_id = await world.synced(students=range(101, 117))
    for number in range(101, 107):
        world.facts.unenrol(COURSE, number)
        await world.sync(COURSE)
        world.clock.advance(3600)
    assert gone(world, room_id) == 5
    (group,) = await holds(world).groups()
    assert "6 of 16 members would be removed (5 were within the last day)" in group.parts[0].reason
    world.clock.advance(DAY)
    await world.sync(COURSE)
    assert gone(world, room_id) == 6
    assert await holds(world).groups() == []


async def test_what_was_confirmed_does_not_count_the_next_time(world: World) -> None:
    room_id = await shrunk(world)
    (group,) = await holds(world).groups()
    await holds(world).confirm(group.id, by="a")
    await world.work()
    world.facts.unenrol(COURSE, MANY[0])
    await world.sync(COURSE)
    assert gone(world, room_id) == 21
    assert await holds(world).groups() == []


async def test_who_leaves_for_a_known_reason_does_not_count_today_nor_later(world: World) -> None:
    room_id = await world.synced(students=MANY)
    world.facts.unenrol(COURSE, *MANY[10:])
    world.facts.known_leavers[COURSE] = frozenset(MoodleUserId(number) for number in MANY[10:])
    await world.sync(COURSE)
    assert gone(world, room_id) == 20
    assert await world.store.safety.departures(room_id, since=0.0) == (0, 0)
    world.facts.unenrol(COURSE, MANY[0])
    await world.sync(COURSE)
    assert gone(world, room_id) == 21
    assert await world.store.safety.departures(room_id, since=0.0) == (1, 1)


async def test_the_end_of_a_term_asks_nothing(world: World) -> None:
    rooms = [await world.synced(number, students=MANY) for number in range(42, 46)]
    for number in range(42, 46):
        enrolled = world.facts.enrolments[CourseId(number)]
        world.facts.add_course(number, end=world.clock.now() - 10)
        world.facts.enrolments[CourseId(number)] = {next(iter(enrolled)): frozenset()}
        await world.sync(CourseId(number))
    assert [gone(world, room_id) for room_id in rooms] == [29] * 4
    assert await holds(world).groups() == []


async def test_a_leak_through_many_rooms_is_noticed_in_all_of_them_together(world: World) -> None:
    world.use(safety=SafetyRules(max_site_removals=3, max_site_removals_share=0.05))
    rooms = [
        await world.synced(number, students=range(number * 10, number * 10 + 9)) for number in range(42, 48)
    ]
    for number in range(42, 48):
        world.facts.unenrol(CourseId(number), number * 10)
        await world.sync(CourseId(number))
    assert sum(gone(world, room_id) for room_id in rooms) == 3
    (group,) = await holds(world).groups()
    assert (group.cause, len(group.parts)) == (Cause.SITE, 3)
    assert "In all rooms together 4 of 54 places would be lost within a day" in group.parts[0].reason


async def test_a_room_that_was_filled_once_does_not_grow_by_a_multiple_without_a_question(
    world: World,
) -> None:
    world.use(safety=SafetyRules(max_growth=10))
    room_id = await world.synced(students=range(1, 16))
    world.facts.enrol(COURSE, *range(101, 141))
    await world.sync(COURSE)
    assert len(world.matrix.members(room_id)) == 15
    (group,) = await holds(world).groups()
    assert (group.cause, group.users) == (Cause.GROWTH, 40)
    await holds(world).confirm(group.id, by="a")
    await world.work()
    assert len(world.matrix.members(room_id)) == 55


async def test_a_room_that_would_get_many_moderators_is_made_when_somebody_has_looked(world: World) -> None:
    await world.course(teachers=range(1, 13), students=[50])
    await world.sync(COURSE)
    assert [alias for alias in world.matrix.aliases if "course" in alias] == []
    (group,) = await holds(world).groups()
    assert (group.cause, group.users) == (Cause.MODERATORS, 12)
    await holds(world).confirm(group.id, by="a")
    await world.work()
    assert len(world.matrix.members(world.room(COURSE))) == 13


async def test_nothing_is_done_in_a_room_that_turns_out_to_be_somebody_elses(world: World) -> None:
    room_id = await world.synced(students=[8, 9])
    levels = dict(world.matrix.content(room_id, "m.room.power_levels"))
    levels["users"] = {**levels["users"], world.rules.bot: 100}
    world.matrix.act(room_id, world.rules.bot, "m.room.power_levels", "", levels)
    await world.matrix.push()
    await world.db.execute("UPDATE mirror_room SET creator = '@mallory:uni.test' WHERE room_id = $1", room_id)
    world.facts.unenrol(COURSE, 8)
    await world.sync(COURSE)
    assert world.matrix.requests == []
    (group,) = await holds(world).groups()
    assert group.cause is Cause.FOREIGN
    assert "The room was made by @mallory:uni.test and not by the bot." in group.parts[0].reason


async def look_at(world: World, *numbers: int) -> None:
    for number in numbers:
        taken = Taken(person_key(MoodleUserId(number)), Priority.PERSON, 0, frozenset({"changed"}))
        await world.people.run(taken)


async def ids(world: World, *numbers: int) -> list[UserId | None]:
    rows = await world.store.people.look_up([MoodleUserId(number) for number in numbers])
    return [rows[MoodleUserId(number)].resolution.matrix_id for number in numbers]


async def test_many_people_do_not_get_another_matrix_id_in_one_day_without_a_question(world: World) -> None:
    identity = replace(world.rules.identity, profile_field="matrixid", field_is_locked=True)
    world.use(safety=SafetyRules(max_removals=1, max_id_changes=2), identity=identity)
    numbers = range(1, 6)
    await world.course(students=numbers)
    await world.sync(COURSE)
    await look_at(world, *numbers)
    for number in numbers:
        world.facts.add_person(number, profile_fields={"matrixid": f"@new-p{number}:uni.test"})
    await look_at(world, *numbers)
    assert await ids(world, *numbers) == [
        "@new-p1:uni.test",
        *(world.user(number) for number in (2, 3, 4, 5)),
    ]
    (group,) = await holds(world).groups()
    assert (group.cause, group.users, group.parts[0].course_id) == (Cause.IDS, 4, None)
    row = (await world.store.people.look_up([MoodleUserId(3)]))[MoodleUserId(3)]
    assert row.resolution.reason.startswith("Keeps this Matrix id for now: ")
    await holds(world).confirm(group.id, by="a")
    await look_at(world, *numbers)
    assert await ids(world, *numbers) == [f"@new-p{number}:uni.test" for number in numbers]
    assert await holds(world).groups() == []


async def test_what_the_source_holds_is_a_group_and_confirming_it_tells_the_source(world: World) -> None:
    await world.synced(students=[8])
    world.facts.doubts[COURSE] = "Moodle shows 3 members where 30 were within the last day."
    (group,) = await holds(world).groups()
    assert (group.cause, group.parts[0].reason[:20]) == (Cause.DOUBT, "Moodle shows 3 membe")
    world.facts.doubts[COURSE] = "Moodle shows 2 members where 30 were within the last day."
    with pytest.raises(Refused, match="has changed since"):
        await holds(world).confirm(group.id, by="a")
    (group,) = await holds(world).groups()
    assert "is taken as it is" in await holds(world).confirm(group.id, by="a")
    assert world.facts.confirmed == [COURSE]
