"""The `course` key over fakes: people first, then the room, then whatever has changed, in slices."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, Role, UserId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.domain.rules import IdentityRules
from moodle_appservice.engine.apply import Limits
from moodle_appservice.engine.course import Outcome
from moodle_appservice.errors import TemporaryFailure
from moodle_appservice.ports import CourseRow, Priority, course_key, person_key
from tests.engine.world import World

MANY = range(101, 131)


def kinds(world: World) -> list[str]:
    """The kinds of requests that wrote something into a course room, in order."""
    return [
        request[0] for request in world.matrix.requests if request[0] in ("create_room", "invite", "kick")
    ]


# Who comes first


async def test_people_nobody_has_looked_at_come_first_and_no_room_is_made_before(world: World) -> None:
    course_id = await world.course(students=[8], teachers=[7])
    assert await world.look(course_id) is Outcome.WAITING
    assert kinds(world) == ["create_room"], "only the control room"
    assert await world.due() == {person_key(MoodleUserId(number)): {"course:42:5"} for number in (7, 8)}


async def test_a_person_who_was_looked_at_makes_the_course_due_again(world: World) -> None:
    course_id = await world.course(students=[8])
    await world.look(course_id)
    taken = await world.queue.take()
    await world.people.run(taken)
    await world.queue.done(taken)
    assert await world.due() == {course_key(course_id): {"person"}}


async def test_then_the_room_is_made_and_everybody_is_invited_teachers_first(world: World) -> None:
    course_id = await world.course(students=[8, 3], teachers=[7])
    await world.sync(course_id)
    room_id = world.room(course_id)
    assert world.matrix.made("invite") == [(room_id, world.user(number)) for number in (7, 3, 8)]
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {world.user(7): 60}
    assert world.matrix.content(room_id, "m.room.name") == {"name": "C42: Course 42"}
    assert await world.store.ledger.room_of(main_room(course_id)) == room_id


async def test_a_second_look_sends_no_request(world: World) -> None:
    course_id = await world.course(students=[8], teachers=[7])
    await world.sync(course_id)
    world.matrix.forget_requests()
    await world.sync(course_id)
    assert world.matrix.requests == []
    await world.matrix.push()
    await world.sync(course_id)
    assert world.matrix.requests == []


async def test_a_person_without_an_id_holds_nobody_up_and_is_looked_at_once(world: World) -> None:
    course_id = await world.course(students=[8])
    world.facts.add_person(9, username="")
    world.facts.enrol(course_id, 9)
    await world.sync(course_id)
    assert world.matrix.made("invite") == [(world.room(course_id), world.user(8))]
    await world.sync(course_id)
    assert await world.due() == {}


async def test_a_person_whom_moodle_hides_is_not_waited_for(world: World) -> None:
    course_id = await world.course(students=[8, 9])
    world.facts.hidden.add(MoodleUserId(9))
    await world.sync(course_id)
    assert world.matrix.made("invite") == [(world.room(course_id), world.user(8))]


async def test_a_changed_account_is_looked_at_and_nobody_waits_for_it(world: World) -> None:
    room_id = await world.synced(students=[8])
    course_id = await world.course(students=[8])
    world.facts.add_person(8, email="new@uni.test")
    world.facts.enrol(course_id, 8, role="teacher")
    assert await world.look(course_id) is Outcome.DONE
    assert world.matrix.requests == [("set_state", room_id, "m.room.power_levels")]
    assert set(await world.due()) == {person_key(MoodleUserId(8))}


async def test_a_changed_id_moves_the_person_in_every_course(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    first, second = await world.synced(42, students=[8]), await world.synced(43, students=[8])
    world.facts.add_person(8, profile_fields={"matrix": "@new:uni.test"})
    await world.queue.add(course_key(CourseId(42)))
    await world.work()
    for room_id in (first, second):
        assert world.matrix.members(room_id) == {world.user(8): "leave", "@new:uni.test": "invite"}


async def test_who_was_quarantined_gets_the_id_when_the_other_one_has_another(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    for number in (8, 9):
        world.facts.add_person(number, profile_fields={"matrix": "@both:uni.test"})
    room_id = await world.synced(students=[8, 9])
    holder = (await world.store.people.by_matrix_id([UserId("@both:uni.test")]))[UserId("@both:uni.test")]
    world.facts.add_person(holder, profile_fields={"matrix": "@own:uni.test"})
    for _ in range(2):
        await world.queue.add(course_key(CourseId(42)))
        await world.work()
    assert world.matrix.members(room_id) == {"@both:uni.test": "join", "@own:uni.test": "invite"}


async def test_who_has_no_id_by_the_rules_gets_one_by_other_rules(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    world.facts.add_person(8, profile_fields={"matrix": "@p:elsewhere.test"})
    room_id = await world.synced(students=[8])
    assert world.matrix.members(room_id) == {}
    world.use(
        identity=IdentityRules(
            profile_field="matrix", field_is_locked=True, allowed_domains=frozenset({"elsewhere.test"})
        )
    )
    await world.queue.add(course_key(CourseId(42)))
    await world.work()
    assert world.matrix.members(room_id) == {"@p:elsewhere.test": "invite"}


@pytest.mark.parametrize("hidden", [False, True])
async def test_an_account_that_moodle_tells_in_two_ways_does_not_keep_the_engine_busy(
    world: World, hidden: bool
) -> None:
    await world.synced(students=[8])
    world.facts.apart[MoodleUserId(8)] = world.facts.people[MoodleUserId(8)]
    world.facts.add_person(8, email="other@uni.test")
    if hidden:
        world.facts.apart[MoodleUserId(8)] = None
    await world.queue.add(course_key(CourseId(42)))
    await world.work(most=10)


@pytest.mark.parametrize(
    "row",
    [
        None,
        CourseRow(id=42, shortname="C42", on=False, reason="off"),  # type: ignore[arg-type]
        CourseRow(id=42, shortname="C42", on=True, reason="on", gone=True),  # type: ignore[arg-type]
    ],
    ids=["never seen", "off", "gone"],
)
async def test_a_course_that_is_not_on_is_left_alone(world: World, row: CourseRow | None) -> None:
    course_id = world.facts.add_course(42)
    if row is not None:
        await world.store.courses.save([row])
    assert await world.look(course_id) is Outcome.DONE
    assert (world.facts.readings, world.matrix.requests) == ([], [])


async def test_nothing_is_read_or_written_while_the_gate_is_shut(world: World) -> None:
    course_id = await world.course(students=[8])
    world.matrix.pushes_on_ping = False
    with pytest.raises(TemporaryFailure, match="Nothing was written"):
        await world.look(course_id)
    assert world.facts.readings == []


async def test_who_asks_gets_what_moodle_says_now_and_the_pass_what_it_has_read(world: World) -> None:
    course_id = await world.course()
    world.freshness.read([course_id], began=900.0)
    for signal, attempt in (
        ("event", 0),
        ("pass", 0),
        ("asked-pass", 0),
        ("command", 0),
        ("command", 1),
        ("command, continued", 0),
    ):
        await world.look(course_id, signal, attempt=attempt)
    asked = [moment for what, moment in world.facts.readings if what == "42"]
    assert asked == [0.0, 900.0, 900.0, world.clock.now(), 0.0, 0.0]


# Changes


async def test_who_is_not_enrolled_any_more_is_removed_and_who_is_new_invited(world: World) -> None:
    room_id = await world.synced(students=[7, 8])
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, 8, 9)
    await world.sync(course_id)
    assert world.matrix.members(room_id) == {
        world.user(7): "leave",
        world.user(8): "join",
        world.user(9): "invite",
    }
    assert world.matrix.forget_requests() == [
        ("kick", room_id, world.user(7)),
        ("invite", room_id, world.user(9)),
    ]
    await world.sync(course_id)
    assert world.matrix.requests == []


async def test_a_promotion_is_one_event(world: World) -> None:
    room_id = await world.synced(students=[8, 9], teachers=[7])
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, 8, 9, role="teacher")
    world.facts.enrol(course_id, 7, role="editingteacher")
    await world.sync(course_id)
    assert world.matrix.requests == [("set_state", room_id, "m.room.power_levels")]
    levels = world.matrix.content(room_id, "m.room.power_levels")
    assert levels["users"] == {world.user(7): 60, world.user(8): 50, world.user(9): 50}
    assert levels["historical"] == 100
    assert (await world.store.ledger.read(room_id)).levels == levels["users"]


async def test_who_left_by_choice_is_invited_again_only_after_a_new_enrolment(world: World) -> None:
    room_id = await world.synced(students=[7, 8])
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, 7, 8)
    world.matrix.member(room_id, world.user(8), "leave")
    await world.matrix.push()
    await world.sync(course_id)
    assert world.matrix.requests == []
    world.facts.unenrol(course_id, 8)
    await world.sync(course_id)
    assert world.matrix.requests == []
    world.facts.enrol(course_id, 8)
    await world.sync(course_id)
    assert world.matrix.requests == [("invite", room_id, world.user(8))]


async def test_what_a_look_found_is_remembered_for_the_bot(world: World) -> None:
    course_id = await world.course(students=[8], teachers=[7])
    await world.sync(course_id)
    assert await world.store.courses.roles(course_id, MoodleUserId(7)) == frozenset({Role("editingteacher")})
    assert await world.store.courses.courses_of(MoodleUserId(8)) == {course_id: {Role("student")}}
    row = await world.store.courses.get(course_id)
    assert row is not None and (row.last_sync, row.last_error) == (world.clock.now(), "")
    world.facts.unenrol(course_id, 8)
    await world.sync(course_id)
    assert await world.store.courses.roles(course_id, MoodleUserId(8)) is None


async def test_every_action_stands_in_the_audit_log_with_its_reason_and_signal(world: World) -> None:
    course_id = await world.course(students=[8])
    await world.look(course_id)
    await world.look_at_people()
    await world.look(course_id, "command", "event")
    lines = await world.audit(course_id)
    assert [(line.kind, line.person, line.signal, line.result) for line in lines] == [
        ("CreateRoom", None, "command,event", "done"),
        ("Invite", 8, "command,event", "done"),
    ]
    assert lines[0].why == "The course is on and has no room yet."
    assert lines[1].why == "Active enrolment (student)."


# Slices


async def test_a_long_plan_is_done_in_slices(world: World) -> None:
    world.limits = Limits(actions=4)
    world.rebuild()
    course_id = await world.course(students=MANY[:10])
    assert await world.look(course_id) is Outcome.WAITING
    await world.look_at_people()
    await world.somebody_waits()
    done = []
    while await world.look(course_id) is Outcome.MORE:
        done.append(len(world.matrix.made("invite")))
        row = await world.store.courses.get(course_id)
        assert row is not None and row.last_sync is None, "not done yet"
    assert done == [0, 4, 8], "the room first, then its people"
    assert len(world.matrix.made("invite")) == 10


async def test_a_slice_ends_when_its_time_is_over_but_not_before_one_action(world: World) -> None:
    world.limits = Limits(actions=100, seconds=2.0)
    world.rebuild()
    course_id = await world.course(students=MANY[:5])

    async def slow() -> None:
        world.clock.advance(1.5)
        world.matrix.before("invite", slow)

    world.matrix.before("invite", slow)
    await world.look(course_id)
    await world.look_at_people()
    await world.somebody_waits()
    sent = []
    while await world.look(course_id) is Outcome.MORE:
        sent.append(len(world.matrix.made("invite")))
    assert sent == [0, 2, 4], "the room first, then its people"
    assert len(world.matrix.made("invite")) == 5


async def test_a_course_makes_room_for_others_of_its_kind_after_a_turn_and_at_once_for_more_urgent_ones(
    world: World,
) -> None:
    world.limits = Limits(actions=2)
    world.rebuild()
    course_id = await world.course(students=MANY[:30])

    async def takes_a_second() -> None:
        world.clock.advance(1)
        world.matrix.before("invite", takes_a_second)

    world.matrix.before("invite", takes_a_second)
    await world.look(course_id)
    await world.look_at_people()
    await world.queue.add(course_key(CourseId(43)), priority=Priority.REST)
    sent = [len(world.matrix.made("invite"))]
    for _ in range(3):
        assert await world.look(course_id) is Outcome.MORE
        sent.append(len(world.matrix.made("invite")))
    await world.somebody_waits()
    for _ in range(2):
        assert await world.look(course_id) is Outcome.MORE
        sent.append(len(world.matrix.made("invite")))
    assert sent == [0, 6, 12, 18, 20, 22]


async def test_a_look_ends_with_its_slice_where_the_homeserver_is_to_be_asked_for_less_at_once(
    world: World,
) -> None:
    world.limits = Limits(actions=4)
    world.rebuild()
    course_id = await world.course(students=MANY[:10])
    await world.look(course_id)
    await world.look_at_people()
    world.is_crowded = True
    sent = []
    while await world.look(course_id) is Outcome.MORE:
        sent.append(len(world.matrix.made("invite")))
    assert sent == [0, 4, 8]
    assert len(world.matrix.made("invite")) == 10


async def test_between_slices_a_newer_fact_changes_the_plan(world: World) -> None:
    world.limits = Limits(actions=4)
    world.rebuild()
    course_id = await world.course(students=MANY[:10])
    await world.look(course_id)
    await world.look_at_people()
    await world.somebody_waits()
    await world.look(course_id)
    world.facts.unenrol(course_id, MANY[8], MANY[9])
    await world.sync(course_id)
    assert set(world.matrix.members(world.room(course_id))) == {world.user(number) for number in MANY[:8]}
