"""A course with one person's eyes, and with a teacher's: places, reasons, and what a launch sets going."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, UserId
from moodle_appservice.engine.roster import Attendee, Roster
from moodle_appservice.engine.visits import JUST, Place, Visit, Visits
from moodle_appservice.errors import PermanentFailure, TemporaryFailure
from moodle_appservice.ports import course_key
from tests.engine.world import World
from tests.web.campus import Campus

COURSE = CourseId(42)
ANNA, BERT, TEA = MoodleUserId(1), MoodleUserId(2), MoodleUserId(9)


def visits_of(campus: Campus) -> Visits:
    engine = campus.engine
    return Visits(engine.store, engine.queue, engine.planner, campus.operations, engine.clock)


def roster_of(world: World) -> Roster:
    return Roster(world.planner, world.store, world.troubles)


@pytest.fixture
async def campus(tmp_path: Path) -> AsyncIterator[Campus]:
    """Without workers: tests turn the keys by hand."""
    made = Campus(tmp_path / "store.db")
    await made.engine.db.start()
    yield made
    await made.engine.db.stop()


async def seen(visits: Visits, user: MoodleUserId = ANNA) -> Visit:
    visit = await visits.look(user, COURSE)
    assert visit is not None
    return visit


async def test_a_room_is_shown_from_its_making_to_the_door(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    course = await world.course(42, students=[1, 2], teachers=[9])
    assert await visits.look(ANNA, course) is None, "nobody has looked at the course yet"
    await world.look(course)
    await world.look_at_people()
    await world.sync(course)
    visit = await seen(visits)
    assert [(room.place, room.why) for room in visit.rooms] == [(Place.INVITED, "")]
    assert (visit.on, visit.name, visit.matrix_id, visit.is_settled) == (
        True,
        "Course 42",
        "@p1:uni.test",
        True,
    )
    world.matrix.member(world.room(course), UserId("@p1:uni.test"), "join")
    await world.matrix.push()
    assert (await seen(visits)).rooms[0].place is Place.JOINED


async def test_an_invite_that_was_not_sent_yet_is_coming(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    await world.synced(42, students=[1])
    world.facts.enrol(COURSE, 2)
    await world.store.courses.set_enrolments(COURSE, {ANNA: frozenset(), BERT: frozenset()}, facts_hash="x")
    visit = await seen(visits, BERT)
    assert [room.place for room in visit.rooms] == [Place.COMING]
    assert not visit.is_settled


async def test_a_course_that_is_off_or_unreadable_says_so(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    await world.synced(42, students=[1])
    world.facts.trouble["42"] = TemporaryFailure("Moodle is away. Nothing was changed.")
    visit = await seen(visits)
    assert (visit.rooms, visit.trouble) == ((), "Moodle is away. Nothing was changed.")
    await world.db.execute("UPDATE course SET is_on = 0")
    assert not (await seen(visits)).on


async def test_others_find_nothing(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    await world.synced(42, students=[1])
    assert await visits.look(MoodleUserId(77), COURSE) is None
    assert await visits.look(ANNA, CourseId(5)) is None


async def test_a_launch_of_somebody_who_is_in_place_sets_nothing_going(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    await world.synced(42, students=[1])
    await world.due()
    await visits.arrive(ANNA, COURSE)
    assert await world.due() == {}
    assert await world.store.requests.of_course(COURSE) == frozenset()


async def test_a_launch_of_somebody_new_has_moodle_asked(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    await world.synced(42, students=[1])
    await world.due()
    await visits.arrive(BERT, COURSE)
    assert await world.due() == {course_key(COURSE): frozenset({"command"})}
    assert await world.store.requests.of_course(COURSE) == {BERT}


async def test_whoever_left_by_choice_is_invited_again_by_a_launch(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    room_id = await world.synced(42, students=[1])
    world.matrix.member(room_id, UserId("@p1:uni.test"), "leave")
    await world.matrix.push()
    await world.due()
    (room,) = (await seen(visits)).rooms
    assert room.place is Place.NONE
    assert room.why
    await visits.arrive(ANNA, COURSE)
    assert set(await world.due()) == {course_key(COURSE)}
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[UserId("@p1:uni.test")] == "invite"


async def test_a_launch_into_a_course_that_is_off_sets_nothing_going(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    await world.synced(42, students=[1])
    await world.db.execute("UPDATE course SET is_on = 0")
    await world.due()
    await visits.arrive(BERT, COURSE)
    assert await world.due() == {}


async def test_the_page_after_a_launch_uses_what_that_has_found_once_and_for_a_moment(campus: Campus) -> None:
    world, visits = campus.engine, visits_of(campus)
    await world.synced(42, students=[1])
    await visits.arrive(ANNA, COURSE)
    world.facts.trouble["42"] = TemporaryFailure("away")
    kept = await visits.look_after_launch(ANNA, COURSE)
    assert kept is not None and kept.rooms
    again = await visits.look_after_launch(ANNA, COURSE)
    assert again is not None and not again.rooms
    del world.facts.trouble["42"]
    await visits.arrive(ANNA, COURSE)
    world.clock.advance(JUST + 1)
    world.facts.trouble["42"] = TemporaryFailure("away")
    late = await visits.look_after_launch(ANNA, COURSE)
    assert late is not None and not late.rooms


def by_person(people: tuple[Attendee, ...]) -> dict[int, tuple[str, bool]]:
    return {int(one.person): (one.state, bool(one.why)) for one in people}


async def test_a_teacher_sees_everybody_with_state_and_reason(campus: Campus) -> None:
    world = campus.engine
    room_id = await world.synced(42, students=[1, 2, 3, 4], teachers=[9])
    for number in (1, 3):
        world.matrix.member(room_id, UserId(f"@p{number}:uni.test"), "leave")
    world.matrix.member(room_id, UserId("@p3:uni.test"), "invite", by=world.matrix.bot)
    world.matrix.member(room_id, UserId("@p3:uni.test"), "leave")
    await world.matrix.push()
    world.facts.enrol(COURSE, 5, 6)
    failure = PermanentFailure("No such account. Nothing was changed.")
    world.matrix.refuse("invite", str(room_id), "@p5:uni.test", error=failure)
    await world.sync(COURSE)
    people = await roster_of(world).of(COURSE)
    assert [one.name for one in people] == sorted(one.name for one in people)
    states = by_person(people)
    assert (states[1], states[3]) == (("left", True), ("declined", True))
    assert states[2] == states[4] == states[9] == ("joined", False)
    assert states[5] == ("failed", True)
    assert states[6] == ("invited", False)
    assert [one.person for one in people if one.fits("PERSON 6")] == [6]
    assert [one.person for one in people if one.fits("@p2")] == [2]
    assert [one.person for one in people if one.fits("9")] == [9]


async def test_operations_can_book_a_wish_without_a_look(campus: Campus) -> None:
    await campus.engine.synced(42, students=[1])
    await campus.operations.wish(ANNA, COURSE, at=5.0)
    assert await campus.engine.store.requests.of_course(COURSE) == {ANNA}
