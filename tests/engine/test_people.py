"""The `person` key: finds an id once, keeps it, says why there is none, and wakes the courses that wait."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, Person, Resolution, Trust, UserId
from moodle_appservice.domain.rules import IdentityRules
from moodle_appservice.engine.people import HIDDEN
from moodle_appservice.errors import TemporaryFailure, Unreachable
from moodle_appservice.ports import Priority, Taken, course_key, person_key
from tests.engine.world import World

SAM = MoodleUserId(8)


async def look(world: World, *signals: str, person: MoodleUserId = SAM) -> None:
    await world.people.run(Taken(person_key(person), Priority.PERSON, 0, frozenset(signals)))


async def found(world: World, person: MoodleUserId = SAM) -> Resolution:
    return (await world.store.people.look_up([person]))[person].resolution


async def test_an_id_is_found_and_the_courses_that_wait_are_woken(world: World) -> None:
    world.facts.add_person(8)
    await look(world, "course:42", "course:7", "event")
    assert await found(world) == Resolution(SAM, world.user(8), Trust.DERIVED)
    assert await world.due() == {course_key(CourseId(number)): {"person"} for number in (42, 7)}


@pytest.mark.parametrize(
    ("signals", "priority"),
    [
        (["course:42:5"], Priority.TEACHER),
        (["course:42:6"], Priority.TEACHER),
        (["course:42:3"], Priority.REMOVAL),
        (["course:42:0"], Priority.WAITING_PERSON),
        (["course:42:5", "course:42:2"], Priority.HINT),
        (["course:42"], Priority.HINT),
    ],
)
async def test_a_course_that_has_sent_for_somebody_comes_back_as_urgent_as_it_was_or_before_those_never_seen(
    world: World, signals: list[str], priority: Priority
) -> None:
    world.facts.add_person(8)
    await look(world, *signals)
    assert (await world.queue.take()).priority is priority


@pytest.mark.parametrize("slow_one_fails", [False, True])
async def test_a_course_is_woken_by_the_last_of_the_people_who_are_looked_at_for_it(
    world: World, slow_one_fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, slow = world.facts.add_person(8), world.facts.add_person(9)
    inner, is_at_it, may_go_on = world.facts.person, asyncio.Event(), asyncio.Event()

    async def person(user_id: MoodleUserId, *, not_older_than: float) -> Person | None:
        if user_id == slow:
            is_at_it.set()
            await may_go_on.wait()
            if slow_one_fails:
                raise Unreachable("down")
        return await inner(user_id, not_older_than=not_older_than)

    monkeypatch.setattr(world.facts, "person", person)
    late = asyncio.create_task(look(world, "course:42:5", person=slow))
    await is_at_it.wait()
    await look(world, "course:42:3", "course:7", person=quick)
    assert await world.due() == {course_key(CourseId(7)): {"person"}}, "course 42 waits for one more"
    may_go_on.set()
    with pytest.raises(Unreachable) if slow_one_fails else nullcontext():
        await late
    taken = await world.queue.take()
    assert (taken.key, taken.priority) == (course_key(CourseId(42)), Priority.REMOVAL)
    await look(world, "course:42", person=quick)
    await world.queue.done(taken)
    assert set(await world.due()) == {course_key(CourseId(42))}, "nobody is waited for any more"


async def test_somebody_who_is_tried_again_and_again_holds_up_no_course(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = world.facts.add_person(8), world.facts.add_person(9)
    inner, is_at_it = world.facts.person, asyncio.Event()

    async def person(user_id: MoodleUserId, *, not_older_than: float) -> Person | None:
        if user_id == slow:
            is_at_it.set()
            await asyncio.Event().wait()
        return await inner(user_id, not_older_than=not_older_than)

    monkeypatch.setattr(world.facts, "person", person)
    again = Taken(person_key(slow), Priority.PERSON, 1, frozenset({"course:42"}))
    late = asyncio.create_task(world.people.run(again))
    await is_at_it.wait()
    await look(world, "course:42", person=quick)
    assert set(await world.due()) == {course_key(CourseId(42))}
    late.cancel()


async def test_a_course_that_could_not_be_woken_is_woken_by_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (8, 9):
        world.facts.add_person(number)
    with monkeypatch.context() as patch, pytest.raises(TemporaryFailure):
        patch.setattr(world.queue, "add", refused)
        await look(world, "course:42:3")
    await look(world, person=MoodleUserId(9))
    taken = await world.queue.take()
    assert (taken.key, taken.priority) == (course_key(CourseId(42)), Priority.REMOVAL)


async def refused(*_: object, **__: object) -> None:
    raise TemporaryFailure("the queue can't be used")


async def test_that_there_is_none_is_stored_with_the_reason_and_wakes_them_too(world: World) -> None:
    world.use(identity=IdentityRules(reserved=frozenset({"p8"})))
    world.facts.add_person(8)
    await look(world, "course:42")
    assert await found(world) == Resolution(
        SAM, None, None, "The account name p8 is reserved (identity.reserved)."
    )
    assert set(await world.due()) == {course_key(CourseId(42))}


@pytest.mark.parametrize("exists", [True, False])
async def test_an_account_that_moodle_does_not_show_is_stored_as_hidden(world: World, exists: bool) -> None:
    if exists:
        world.facts.add_person(8)
        world.facts.hidden.add(SAM)
    await look(world, "course:42")
    assert await found(world) == Resolution(SAM, None, None, HIDDEN)
    assert set(await world.due()) == {course_key(CourseId(42))}


async def test_a_hidden_account_keeps_the_id_that_it_had(world: World) -> None:
    world.facts.add_person(8)
    await look(world)
    world.facts.hidden.add(SAM)
    await look(world)
    assert await found(world) == Resolution(SAM, world.user(8), Trust.DERIVED, HIDDEN)
    world.facts.hidden.clear()
    await look(world)
    assert await found(world) == Resolution(SAM, world.user(8), Trust.DERIVED)


async def test_a_new_username_changes_nothing_and_its_old_one_is_free_for_nobody(world: World) -> None:
    world.facts.add_person(8)
    await look(world)
    world.facts.add_person(8, username="married")
    await look(world)
    assert (await found(world)).matrix_id == world.user(8)
    other = world.facts.add_person(9, username="p8")
    await look(world, person=other)
    assert (await found(world, other)).reason.startswith(f"Quarantined: {world.user(8)} already belongs to")


async def test_another_id_wakes_every_course_of_the_person(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    for number in (42, 43):
        await world.synced(number, students=[8])
    await world.due()
    world.facts.add_person(8, profile_fields={"matrix": "@new:uni.test"})
    await look(world, "changed")
    assert (await found(world)).matrix_id == "@new:uni.test"
    assert set(await world.due()) == {course_key(CourseId(42)), course_key(CourseId(43))}
    await look(world, "changed")
    assert await world.due() == {}


async def test_courses_of_somebody_with_another_id_are_looked_at_before_a_pass(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    await world.synced(42, students=[8])
    await world.due()
    world.facts.add_person(8, profile_fields={"matrix": "@new:uni.test"})
    await look(world, "course:42:6")
    assert (await world.queue.take()).priority is Priority.HINT


async def test_a_moodle_that_does_not_answer_stores_nothing(world: World) -> None:
    world.facts.trouble["person:8"] = Unreachable("down")
    with pytest.raises(Unreachable):
        await look(world, "course:42")
    assert await world.store.people.look_up([SAM]) == {}
    assert await world.due() == {}


async def test_a_quarantine_ends_when_the_id_is_given_up(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    shared = {"matrix": "@same:uni.test"}
    for number in (8, 9):
        world.facts.add_person(number, profile_fields=shared)
    room_id = await world.synced(42, students=[8, 9])
    assert world.matrix.members(room_id) == {"@same:uni.test": "join"}
    world.facts.add_person(8, profile_fields={"matrix": "@sam:uni.test"})
    await world.queue.add(course_key(CourseId(42)))
    await world.work()
    await world.queue.add(course_key(CourseId(42)))
    await world.work()
    members = world.matrix.members(room_id)
    assert members["@sam:uni.test"] == "invite"
    assert (await found(world, MoodleUserId(9))).matrix_id == UserId("@same:uni.test")
    assert members["@same:uni.test"] in ("join", "invite")
