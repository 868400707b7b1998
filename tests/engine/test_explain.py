"""`explain` says in sentences why somebody is, or is not, in a room: each case is one reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, Trust
from moodle_appservice.domain.rules import PeopleRules
from moodle_appservice.engine.explain import Explainer
from moodle_appservice.engine.pauses import Pauses
from moodle_appservice.errors import AppError, PermanentFailure, Refused, TemporaryFailure
from moodle_appservice.ports import Key, person_key
from tests.engine.world import World

COURSE = CourseId(42)


class NoWorkers:
    def __init__(self) -> None:
        self.failures: dict[Key, AppError] = {}


WORKERS = NoWorkers()


def explainer(world: World) -> Explainer:
    WORKERS.failures = {}
    pauses = Pauses(world.store, world.queue, world.clock)
    return Explainer(
        *(world.store, world.planner, world.facts, world.troubles, pauses, world.rules, world.clock, WORKERS)
    )


async def told(world: World, person: int) -> str:
    return "\n".join((await explainer(world).explain(str(person), COURSE)).lines)


async def test_a_member_with_the_account_the_roles_and_the_level(world: World) -> None:
    await world.synced(students=[8], teachers=[7])
    said = await told(world, 7)
    assert "Moodle user 7: Person 7 (p7)." in said
    assert "The Matrix account is @p7:uni.test, derived from what Moodle says" in said
    assert "Moodle lists an active enrolment; roles: editingteacher." in said
    assert "@p7:uni.test belongs in the room: Active enrolment (editingteacher)." in said
    assert "@p7:uni.test is in the room." in said
    assert "Last, at " in said and "Invite – Active enrolment" in said and "Result: done." in said


async def test_somebody_who_lacks_the_trust_for_the_level(world: World) -> None:
    await world.synced(teachers=[7])
    identity = replace(world.rules.identity, trust_for_moderators=Trust.PROVEN)
    world.use(identity=identity)
    said = await told(world, 7)
    assert "The roles in Moodle give level 60, but the Matrix account is only derived" in said


async def test_somebody_who_is_not_enrolled(world: World) -> None:
    room_id = await world.synced(students=[8, 9])
    world.facts.unenrol(COURSE, 8)
    said = await told(world, 8)
    assert "Moodle lists no active enrolment of the person in this course." in said
    assert "The removal of @p8:uni.test is what the next look at the course does" in said
    await world.sync(COURSE)
    await world.matrix.push()
    said = await told(world, 8)
    assert f"@p8:uni.test is not in the room any more, by {world.rules.bot}." in said
    assert room_id


async def test_somebody_who_left_by_choice(world: World) -> None:
    room_id = await world.synced(students=[8, 9])
    world.matrix.member(room_id, world.user(8), "leave")
    await world.matrix.push()
    said = await told(world, 8)
    assert "is not in the room any more, by the account's own choice." in said
    assert "Left by choice; not invited again until asked for." in said


async def test_an_invite_that_failed_and_when_it_is_tried_again(world: World) -> None:
    await world.course(students=[8])
    world.matrix.refuse("invite", error=TemporaryFailure("That server is down."))
    await world.sync(COURSE)
    said = await told(world, 8)
    assert "The invite of @p8:uni.test failed once and is tried again at 1970-01-12" in said
    assert "That server is down." in said


async def test_somebody_whom_people_exclude_names(world: World) -> None:
    await world.synced(students=[8])
    world.use(people=PeopleRules(exclude=frozenset({"p8"})))
    assert "Excluded by people.exclude: never invited, never removed." in await told(world, 8)


async def test_a_suspended_account_in_its_time_of_grace(world: World) -> None:
    await world.synced(students=[8, 9])
    world.use(people=PeopleRules(grace_period=86400.0))
    world.facts.add_person(8, suspended=True)
    await world.sync(COURSE)
    said = await told(world, 8)
    assert "The Moodle account can't be used since" in said
    assert "What happens to the accounts: stay (until " in said


async def test_removals_that_are_held(world: World) -> None:
    await world.synced(students=range(8, 30))
    world.facts.unenrol(COURSE, *range(8, 28))
    await world.sync(COURSE)
    said = await told(world, 8)
    assert "The removal of @p8:uni.test is held until a person confirms it: 20 of 22 members" in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda row: replace(row, on=False, reason="Off by the field."), "The course is off"),
        (lambda row: replace(row, gone=True), "Moodle does not list the course any more"),
    ],
)
async def test_a_course_without_a_room(world: World, change: Callable[..., object], sentence: str) -> None:
    await world.course(students=[8])
    row = await world.store.courses.get(COURSE)
    await world.store.courses.save([change(row)])  # type: ignore[list-item]
    assert sentence in await told(world, 8)


async def test_a_course_that_is_paused_or_cannot_be_read(world: World) -> None:
    await world.synced(students=[8])
    world.facts.trouble["42"] = PermanentFailure("The right to read it is gone.")
    await Pauses(world.store, world.queue, world.clock).pause(COURSE, by="a", why="Exams")
    said = await told(world, 8)
    assert "Course 42 is paused since" in said
    assert "The course can't be read now, so all stays as it is: The right to read it is gone." in said
    assert "When Moodle could be read last, the roles were: student." in said


async def test_the_last_failure_of_the_person_is_told(world: World) -> None:
    await world.synced(students=[8])
    one = explainer(world)
    WORKERS.failures[person_key(MoodleUserId(8))] = TemporaryFailure("The homeserver is down.")
    said = "\n".join((await one.explain("8")).lines)
    assert "The last look at the person failed, and it is tried again: The homeserver is down." in said


async def test_without_a_course_all_courses_of_the_person_are_explained(world: World) -> None:
    await world.synced(students=[8])
    await world.synced(43, students=[8, 9])
    found = await explainer(world).explain("@p8:uni.test")
    assert [one.course_id for one in found.courses] == [42, 43]
    assert found.name == "Person 8"


async def test_somebody_whom_nobody_knows_is_refused_and_a_number_is_explained(world: World) -> None:
    with pytest.raises(Refused, match="Nothing is known about “nobody”"):
        await explainer(world).explain("nobody")
    found = await explainer(world).explain("77")
    assert "The person was never looked at, so no Matrix account is known." in found.account
    for words in ("9" * 19, "9" * 5000):
        with pytest.raises(Refused, match="Nothing is known about"):
            await explainer(world).explain(words)


async def test_an_erased_person_is_not_told_about(world: World) -> None:
    await world.synced(students=[8])
    await world.store.people.exclude(MoodleUserId(8), at=1.0)
    found = await explainer(world).explain("8")
    assert found.account[0].startswith("Moodle user 8 was erased here")
