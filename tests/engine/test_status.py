"""How a course stands: the numbers add up, and everybody who is missing has a reason."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moodle_appservice.bot.commands.status import Moment, rendered
from moodle_appservice.domain.model import CourseId, MoodleUserId, Trust
from moodle_appservice.domain.rules import IdentityRules
from moodle_appservice.engine.figures import FigureReader
from moodle_appservice.engine.overview import Overview
from moodle_appservice.engine.pauses import Pauses
from moodle_appservice.engine.readers import Reader
from moodle_appservice.engine.status import CourseStatus
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.languages import ENGLISH
from moodle_appservice.ports import CourseRow, course_key
from tests.engine.world import World

COURSE = CourseId(42)
READER = Reader(ENGLISH)


async def test_a_course_that_was_never_seen_has_no_status(world: World) -> None:
    assert await world.status.course(COURSE) is None


async def test_a_course_that_is_off_says_why_and_nothing_is_asked(world: World) -> None:
    await world.store.courses.save([CourseRow(COURSE, "C42", False, "New courses are off.")])
    status = await world.status.course(COURSE)
    assert status is not None
    assert (status.on, status.reason, status.room_id) == (False, "New courses are off.", None)
    assert (world.facts.readings, world.matrix.requests) == ([], [])


async def test_a_course_whose_room_is_not_made_yet_says_whom_it_expects(world: World) -> None:
    await world.course(students=[8], teachers=[7])
    status = await world.status.course(COURSE)
    assert status is not None
    assert (status.room_id, status.expected, status.joined, status.invited) == (None, 2, 0, 0)
    assert {one.reason for one in status.missing} == {"The invite has not been sent yet."}
    assert [one.name for one in status.missing] == ["Person 7", "Person 8"]
    assert status.to_do == 3
    assert world.matrix.requests == []


async def test_everybody_is_counted_once_and_who_is_missing_has_a_reason(world: World) -> None:
    course_id = await world.course(students=[8, 9, 10, 11, 13], teachers=[7])
    world.facts.add_person(12, username="")
    world.facts.enrol(course_id, 12)
    world.matrix.refuse("invite", error=PermanentFailure("blocked"), after=5, times=1)
    await world.sync(course_id)
    room_id = world.room(course_id)
    world.matrix.member(room_id, world.user(7), "join")
    world.matrix.member(room_id, world.user(8), "leave")
    world.matrix.member(room_id, world.user(9), "ban", by=world.user(7))
    await world.matrix.push()
    world.facts.enrol(course_id, 14)
    status = await world.status.course(course_id)
    assert status is not None
    assert (status.expected, status.joined, status.invited) == (8, 1, 2)
    assert {int(one.person): one.reason for one in status.missing} == {
        8: "Declined the invite; not invited again until asked for.",
        9: "A moderator has banned this person from the room.",
        12: "The id template needs username, which is empty in Moodle.",
        13: "The invite failed and is tried again: blocked",
        14: "The invite has not been sent yet.",
    }
    assert status.last_sync == world.clock.now()
    assert "blocked" in status.last_error


async def test_who_declined_who_left_and_who_is_banned_are_counted_apart(world: World) -> None:
    course_id = await world.course(students=[8, 9, 10, 11, 12], teachers=[7])
    await world.sync(course_id)
    room_id = world.room(course_id)
    for number in (9, 10, 11):
        world.matrix.member(room_id, world.user(number), "join")
    for number in (8, 9, 10):
        world.matrix.member(room_id, world.user(number), "leave")
    world.matrix.member(room_id, world.user(11), "ban", by=world.user(7))
    await world.matrix.push()
    status = await world.status.course(course_id)
    assert status is not None
    assert (status.declined, status.left, status.banned, len(status.missing)) == (1, 2, 1, 4)
    assert (status.rooms[0].declined, status.rooms[0].left, status.rooms[0].banned) == (1, 2, 1)
    said = rendered(status, READER, Moment(world.clock.now()), names=False).text
    assert "of them declined 1" in said and "of them left 2" in said and "of them banned 1" in said
    # The state of a room alone does not tell who refused; what was pushed is remembered over a full read.
    await world.store.mirror.mark_stale(room_id)
    await world.sync(course_id)
    again = await world.status.course(course_id)
    assert again is not None and (again.declined, again.left, again.banned) == (1, 2, 1)


async def test_what_is_held_is_said(world: World) -> None:
    await world.synced(students=range(101, 131))
    world.facts.enrolments[COURSE] = {}
    await world.sync(COURSE)
    status = await world.status.course(COURSE)
    assert status is not None
    assert status.held.startswith("Moodle lists nobody as enrolled")
    assert status.to_do == 30


MEMBERSHIPS = st.sampled_from(["invite", "join", "leave", "ban", "knock", None])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.integers(50, 58), st.tuples(st.booleans(), MEMBERSHIPS, st.booleans(), st.booleans()), max_size=6
    ),
    st.integers(1_000, 1_000_000),
)
async def test_expected_is_joined_and_invited_and_missing(
    world: World, people: dict[int, tuple[bool, str | None, bool, bool]], number: int
) -> None:
    course_id = await world.course(number)
    world.facts.hidden.clear()
    for person, (enrolled, _, suspended, hidden) in people.items():
        world.facts.add_person(person, suspended=suspended)
        if enrolled:
            world.facts.enrol(course_id, person)
            if hidden:
                world.facts.hidden.add(MoodleUserId(person))
    await world.sync(course_id)
    room_id = world.room(course_id)
    for person, (_, membership, _, _) in people.items():
        if membership is not None:
            by_other = membership in ("invite", "ban")
            world.matrix.member(
                room_id, world.user(person), membership, by=world.rules.bot if by_other else None
            )
    await world.matrix.push()
    status = await world.status.course(course_id)
    assert status is not None
    assert status.expected == status.joined + status.invited + len(status.missing)
    assert len({one.person for one in status.missing}) == len(status.missing)
    assert all(one.reason for one in status.missing)


async def test_a_teacher_without_the_level_is_told_with_the_remedy_and_in_a_room_only_counted(
    world: World,
) -> None:
    world.use(identity=IdentityRules(trust_for_moderators=Trust.DIRECTORY))
    room_id = await world.synced(teachers=[7], students=[8])
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {}
    status = await world.status.course(COURSE)
    assert status is not None
    (teacher,) = status.without_level
    assert (teacher.person, status.missing) == (7, ())
    assert "identity.trust_for_moderators: derived" in teacher.reason
    named = rendered(status, READER, Moment(world.clock.now()), names=True).text
    assert "Without the level of their role\n• Person 7 – The roles in Moodle give level 60" in named
    counted = rendered(status, READER, Moment(world.clock.now()), names=False).text
    assert "• without the level of their role 1" in counted and "Person 7" not in counted


async def test_while_a_sync_runs_it_is_said_how_much_is_left_and_how_long_that_takes(world: World) -> None:
    figures = FigureReader(world.store, world.queue, world.troubles, world.clock)
    workers = world.workers(2, pauses=Pauses(world.store, world.queue, world.clock))
    overview = Overview(
        *(world.store, world.queue, workers, world.troubles, world.facts, world.clock),
        interval=300.0,
        figures=figures,
    )
    figures.counted(COURSE, 100)
    assert await overview.left() == "", "where nothing is due, whoever is not there has a reason"
    await world.queue.add(course_key(COURSE), signal="pass")
    for _ in range(10):
        world.clock.advance(1)
        figures.acted("Invite", "done")
    left = await overview.left()
    assert left == "100 places in rooms are still to be given, which takes about 2 minutes."
    status = CourseStatus(COURSE, "C42", True, "")
    told = rendered(status, READER, Moment(now=0.0, left=left), names=False).text
    assert left in told, "numbers may stand where students read"
