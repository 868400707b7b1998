"""Who is in the spaces above courses: invited once, left in peace, and gone when the Moodle account is."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.model import CategoryId, CourseId, MoodleUserId, Resolution, RoomId, Trust
from moodle_appservice.domain.rooms import SITE_SPACE, category_space, main_room
from moodle_appservice.domain.rules import PeopleRules, SafetyRules
from moodle_appservice.domain.space_rules import SpaceRules
from moodle_appservice.engine.alumni import DAILY, Alumni
from moodle_appservice.errors import PermanentFailure, Unreachable
from moodle_appservice.ports import space_key
from tests.engine.test_spaces import ALL, room, settle
from tests.engine.world import World

MATHS = category_space(CategoryId(3))


async def campus(world: World, *people: int, **rules: object) -> RoomId:
    """A course whose room these people have joined; the site's space is made, and looked at once more."""
    world.use(**{"spaces": ALL, "existing_courses": True, **rules})
    course = world.facts.add_course(42)
    world.facts.enrol(course, *people)
    await settle(world)
    for number in people:
        world.matrix.member(room(world, main_room(course)), world.user(number), "join")
    await world.matrix.push()
    await settle(world)
    return room(world, SITE_SPACE)


def invited(world: World, space: RoomId) -> list[str]:
    """Everybody who was ever invited to a space, in order."""
    return [user for room_id, user in world.matrix.made("invite") if room_id == space]


async def test_who_has_joined_a_room_is_invited_to_the_sites_space_and_to_no_other(world: World) -> None:
    space = await campus(world, 7, 8)
    assert world.matrix.members(space) == {world.user(7): "invite", world.user(8): "invite"}
    assert world.matrix.members(room(world, MATHS)) == {}


async def test_who_is_only_invited_to_a_room_is_not_invited_to_the_space_yet(world: World) -> None:
    world.use(spaces=ALL, existing_courses=True)
    world.facts.enrol(world.facts.add_course(42), 7)
    await settle(world)
    assert world.matrix.members(room(world, SITE_SPACE)) == {}


async def test_nobody_is_invited_where_nobody_is_to_be(world: World) -> None:
    space = await campus(world, 7, spaces=SpaceRules(site=True, invite="nobody"))
    assert world.matrix.members(space) == {}


@pytest.mark.parametrize("by", ["the person", "an admin"])
async def test_there_is_one_invite_per_person_ever_whatever_becomes_of_it(world: World, by: str) -> None:
    space = await campus(world, 7)
    for membership in ("leave", "invite", "leave"):
        sender = "@admin:uni.test" if by == "an admin" or membership == "invite" else world.user(7)
        world.matrix.member(space, world.user(7), membership, by=sender)
        await world.matrix.push()
        await settle(world)
    other = world.facts.add_course(43)
    world.facts.enrol(other, 7)
    await settle(world)
    world.matrix.member(room(world, main_room(other)), world.user(7), "join")
    await world.matrix.push()
    world.rebuild()
    await settle(world)
    assert invited(world, space) == [world.user(7)]


async def test_an_invite_that_failed_is_tried_again_and_one_that_a_crash_hid_is_not(world: World) -> None:
    world.matrix.refuse("invite", error=PermanentFailure("busy"), times=1)
    world.use(spaces=ALL, existing_courses=True)
    course = world.facts.add_course(42)
    world.facts.enrol(course, 7)
    await settle(world)
    world.clock.advance(4000)
    await settle(world)
    world.matrix.member(room(world, main_room(course)), world.user(7), "join")
    await world.matrix.push()
    space = room(world, SITE_SPACE)
    world.matrix.refuse("invite", space, error=PermanentFailure("not now"), times=1)
    await settle(world)
    assert world.matrix.members(space) == {}
    world.clock.advance(4000)
    await settle(world)
    assert world.matrix.members(space) == {world.user(7): "invite"}


async def test_who_has_no_course_any_more_stays_in_the_space(world: World) -> None:
    space = await campus(world, 7, 8)
    world.matrix.member(space, world.user(7), "join")
    await world.matrix.push()
    world.facts.unenrol(CourseId(42), 7)
    await settle(world)
    assert world.matrix.members(room(world, main_room(CourseId(42))))[world.user(7)] == "leave"
    assert world.matrix.members(space)[world.user(7)] == "join"


async def test_a_suspended_person_goes_from_the_site_and_from_the_categories(world: World) -> None:
    space = await campus(world, 7, 8)
    maths = room(world, MATHS)
    world.matrix.member(space, world.user(7), "join")
    admitted = {"membership": "join", "join_authorised_via_users_server": world.rules.bot}
    world.matrix.act(maths, world.user(7), "m.room.member", world.user(7), admitted)
    await world.matrix.push()
    world.facts.add_person(7, suspended=True)
    await settle(world)
    await settle(world)
    assert world.matrix.members(space)[world.user(7)] == "leave"
    assert world.matrix.members(maths)[world.user(7)] == "leave"
    assert world.matrix.members(space)[world.user(8)] == "invite"
    left = world.matrix.rooms[space]["m.room.member", world.user(7)]
    assert left.content["reason"] == "Not a member of this space according to Moodle."
    world.facts.add_person(7)
    await settle(world)
    await settle(world)
    assert invited(world, space).count(world.user(7)) == 1, "whom we removed is not invited a second time"


@pytest.mark.parametrize("policy", ["keep", "mute"])
async def test_where_suspended_people_stay_in_rooms_they_stay_in_spaces(world: World, policy: str) -> None:
    space = await campus(world, 7, people=PeopleRules(on_suspend=policy))
    world.facts.add_person(7, suspended=True)
    await settle(world)
    await settle(world)
    assert world.matrix.members(space) == {world.user(7): "invite"}


async def test_a_suspended_person_goes_when_the_grace_period_is_over(world: World) -> None:
    space = await campus(world, 7, 8, people=PeopleRules(grace_period=1000))
    world.facts.add_person(7, suspended=True)
    await settle(world)
    await settle(world)
    assert world.matrix.members(space)[world.user(7)] == "invite"
    world.clock.advance(1001)
    await world.work()
    assert world.matrix.members(space)[world.user(7)] == "leave"


async def test_people_without_a_course_are_asked_for_once_a_day(world: World) -> None:
    space = await campus(world, 7, 8)
    world.facts.unenrol(CourseId(42), 7)
    await settle(world)
    alumni = Alumni(world.facts, world.store, world.clock)
    world.facts.readings.clear()
    await alumni.look()
    await alumni.look()
    assert [what for what, _ in world.facts.readings] == ["person:7"]
    world.facts.add_person(7, suspended=True)
    await alumni.look()
    world.clock.advance(DAILY)
    await alumni.look()
    await settle(world)
    assert world.matrix.members(space)[world.user(7)] == "leave"


async def test_a_moodle_that_does_not_answer_takes_nobody_without_a_course_out(world: World) -> None:
    space = await campus(world, 7)
    world.facts.unenrol(CourseId(42), 7)
    await settle(world)
    world.facts.trouble["person:7"] = Unreachable("down")
    await Alumni(world.facts, world.store, world.clock).look()
    await settle(world)
    assert world.matrix.members(space) == {world.user(7): "invite"}


async def test_another_account_of_a_person_takes_over_the_place(world: World) -> None:
    space = await campus(world, 7)
    world.matrix.member(space, world.user(7), "join")
    await world.matrix.push()
    await world.store.people.save(
        world.facts.people[MoodleUserId(7)],
        Resolution(MoodleUserId(7), world.user(70), Trust.PROVEN),
        at=world.clock.now(),
    )
    await world.pass_over_site()
    await world.queue.add(space_key(SITE_SPACE))
    await world.work()
    assert world.matrix.members(space) == {world.user(7): "leave", world.user(70): "invite"}


async def test_strangers_whom_somebody_invited_stay_and_excluded_people_are_left_alone(world: World) -> None:
    space = await campus(world, 7, people=PeopleRules(exclude=frozenset({"p8"})))
    world.matrix.member(space, "@guest:else.test", "invite", by="@admin:uni.test")
    world.matrix.member(space, world.user(8), "invite", by="@admin:uni.test")
    await world.matrix.push()
    await settle(world)
    members = world.matrix.members(space)
    assert (members["@guest:else.test"], members[world.user(8)]) == ("invite", "invite")


async def test_many_removals_from_the_space_are_held_until_somebody_confirms(world: World) -> None:
    people = range(7, 17)
    space = await campus(world, *people, people=PeopleRules(), safety=SafetyRules(0.25, 5))
    for number in people:
        world.facts.add_person(number, suspended=True)
    await settle(world)
    await world.store.journal.confirm(CourseId(42))
    await settle(world)
    await settle(world)
    assert set(world.matrix.members(space).values()) == {"invite"}
    held = await world.store.journal.held(CourseId(0))
    assert [len(row.users) for row in held] == [10]
    await world.store.journal.confirm()
    world.rebuild()
    await settle(world)
    assert set(world.matrix.members(space).values()) == {"leave"}
    assert await world.store.journal.held(CourseId(0)) == []
