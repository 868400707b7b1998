"""Whose account has a place in the room over many looks: virtual users, swaps, suspended accounts, requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.rules import AccountMode, AccountRules, PeopleRules
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.ports import Priority, Taken, course_key, person_key
from tests.engine.world import World

COURSE = CourseId(42)
SAM = MoodleUserId(8)


class Crash(Exception):
    """The process dies at this point."""


def crash_before_booking(world: World) -> None:
    """The next request reaches the homeserver, and our books never hear of it."""
    ledger = world.store.ledger

    async def die(*_: Any, **__: Any) -> None:
        del ledger.record
        raise Crash

    ledger.record = die  # type: ignore[method-assign]


async def virtual_class(world: World) -> RoomId:
    """A room in which a teacher has an account, and a virtual user holds the place of student 8."""
    world.use(accounts=AccountRules(mode=AccountMode.VIRTUAL))
    world.accounts.add("p7")
    room_id = await world.synced(teachers=[7], students=[8])
    assert world.matrix.members(room_id) == {world.user(7): "join", virtual(world): "join"}
    return room_id


def virtual(world: World) -> UserId:
    return world.rules.virtual_user(SAM)


async def account_appears(world: World) -> None:
    world.accounts.add("p8")
    await world.people.run(Taken(person_key(SAM), Priority.PERSON, 0, frozenset({"waiting"})))


async def test_a_virtual_user_holds_the_place_and_gives_way_to_the_account_when_it_is_there(
    world: World,
) -> None:
    room_id = await virtual_class(world)
    await world.sync(COURSE)
    assert world.matrix.requests == []
    await account_appears(world)
    await world.sync(COURSE)
    assert world.matrix.requests == [("invite", room_id, world.user(8)), ("kick", room_id, virtual(world))]
    await world.sync(COURSE)
    assert len(world.matrix.requests) == 2


async def test_a_virtual_user_stays_as_long_as_the_account_can_t_be_invited(world: World) -> None:
    room_id = await virtual_class(world)
    await account_appears(world)
    world.matrix.refuse("invite", room_id, world.user(8), error=PermanentFailure("no invites"), times=1)
    await world.sync(COURSE)
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[virtual(world)] == "join"
    assert world.matrix.made("kick") == []
    world.clock.advance(100)
    await world.sync(COURSE)
    assert world.matrix.members(room_id) == {
        world.user(7): "join",
        world.user(8): "invite",
        virtual(world): "leave",
    }


@pytest.mark.parametrize("pushed", [True, False])
async def test_a_crash_between_the_two_halves_of_a_swap_changes_nothing_in_the_end(
    world: World, pushed: bool
) -> None:
    room_id = await virtual_class(world)
    await account_appears(world)
    crash_before_booking(world)
    with pytest.raises(Crash):
        await world.sync(COURSE)
    assert world.matrix.members(room_id)[virtual(world)] == "join"
    world.rebuild()
    if pushed:
        await world.matrix.push()
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(8)] == "invite"
    assert world.matrix.members(room_id)[virtual(world)] == "leave"


async def test_a_virtual_user_that_was_invited_before_a_crash_joins_after_it(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.VIRTUAL))
    await world.course(students=[8])
    world.matrix.refuse("join_as", error=Crash(), times=1)
    with pytest.raises(Crash):
        await world.sync(COURSE)
    world.rebuild()
    await world.matrix.push()
    await world.sync(COURSE)
    assert world.matrix.members(world.room(COURSE)) == {virtual(world): "join"}
    assert len(world.matrix.made("invite")) == 1


async def test_who_declines_keeps_no_virtual_user_and_is_told_as_such(world: World) -> None:
    room_id = await virtual_class(world)
    await account_appears(world)
    await world.sync(COURSE)
    world.matrix.member(room_id, world.user(8), "leave")
    await world.matrix.push()
    await world.sync(COURSE)
    status = await world.status.course(COURSE)
    assert status is not None
    assert [one.reason for one in status.missing] == [
        "Declined the invite; not invited again until asked for."
    ]
    assert (status.declined, status.left) == (1, 0)
    assert world.matrix.members(room_id)[virtual(world)] == "leave"


async def test_the_status_counts_a_place_that_a_virtual_user_holds_as_missing(world: World) -> None:
    await virtual_class(world)
    status = await world.status.course(COURSE)
    assert status is not None
    assert (status.expected, status.joined, status.invited, status.virtual) == (2, 1, 0, 1)
    assert len(status.missing) == 1


# Suspended accounts


async def suspended(world: World, **people: Any) -> RoomId:
    """A room with two, of whom student 8 has just been suspended."""
    world.use(people=PeopleRules(**people))
    room_id = await world.synced(students=[8, 9])
    world.facts.add_person(8, suspended=True)
    return room_id


async def test_nothing_happens_within_the_grace_period_and_the_room_is_looked_at_when_it_ends(
    world: World,
) -> None:
    room_id = await suspended(world, grace_period=1000.0)
    began = world.clock.now()
    await world.sync(COURSE)
    assert world.matrix.requests == []
    row = (await world.store.people.look_up([SAM]))[SAM]
    assert row.unusable_since == began
    assert world.queue._waiting[course_key(COURSE)].not_before == began + 1000
    world.clock.advance(999)
    world.rebuild()
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(8)] == "join"
    world.clock.advance(1)
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(8)] == "leave"


async def test_who_is_usable_again_within_the_grace_period_has_a_whole_one_the_next_time(
    world: World,
) -> None:
    await suspended(world, grace_period=1000.0)
    await world.sync(COURSE)
    world.clock.advance(900)
    world.facts.add_person(8)
    await world.sync(COURSE)
    assert (await world.store.people.look_up([SAM]))[SAM].unusable_since is None
    world.facts.add_person(8, suspended=True)
    world.clock.advance(900)
    await world.sync(COURSE)
    assert world.matrix.requests == []


@pytest.mark.parametrize("crashes", [False, True])
async def test_a_ban_of_ours_ends_with_its_reason_even_if_we_crashed_before_we_booked_it(
    world: World, crashes: bool
) -> None:
    room_id = await suspended(world, on_suspend="ban")
    if crashes:
        crash_before_booking(world)
        with pytest.raises(Crash):
            await world.sync(COURSE)
        world.rebuild()
        await world.matrix.push()
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(8)] == "ban"
    await world.matrix.push()
    world.facts.add_person(8)
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(8)] == "invite"
    assert len(world.matrix.made("ban")) == len(world.matrix.made("unban")) == 1


async def test_a_moderator_s_ban_outlives_a_suspension(world: World) -> None:
    room_id = await suspended(world, on_suspend="ban")
    world.matrix.member(room_id, world.user(8), "ban", by=world.user(9))
    await world.matrix.push()
    await world.sync(COURSE)
    world.facts.add_person(8)
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(8)] == "ban"
    assert world.matrix.requests == []


async def test_mute_takes_the_voice_and_gives_it_back(world: World) -> None:
    room_id = await suspended(world, on_suspend="mute")
    await world.sync(COURSE)
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {world.user(8): -1}
    await world.sync(COURSE)
    world.facts.add_person(8)
    await world.sync(COURSE)
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {}
    assert world.matrix.made("kick") == []
    assert len(world.matrix.made("set_state")) == 2


async def test_a_deleted_account_is_told_from_somebody_who_has_left_the_course(world: World) -> None:
    world.use(people=PeopleRules(on_suspend="keep"), existing_courses=True)
    room_id = await world.synced(students=[8, 9, 10])
    world.facts.unenrol(COURSE, 8, 9)
    world.facts.hidden.add(SAM)
    await world.sync(COURSE)
    assert world.matrix.members(room_id) == {
        world.user(8): "join",
        world.user(9): "leave",
        world.user(10): "join",
    }
    world.facts.hidden.clear()
    await world.pass_over_site()
    await world.work()
    assert world.matrix.members(room_id)[world.user(8)] == "leave", "undeleted, and not enrolled"


async def test_bans_of_suspended_accounts_explain_themselves_and_are_not_held(world: World) -> None:
    world.use(people=PeopleRules(on_suspend="ban"))
    many = range(101, 131)
    await world.synced(students=many)
    for number in many:
        world.facts.add_person(number, suspended=True)
    await world.sync(COURSE)
    assert len(world.matrix.made("ban")) == 30
    assert await world.store.journal.held() == []


async def test_many_swaps_at_once_are_not_held(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.VIRTUAL))
    many = range(101, 131)
    room_id = await world.synced(students=many)
    for number in many:
        world.accounts.add(f"p{number}")
        await world.people.run(Taken(person_key(MoodleUserId(number)), Priority.PERSON, 0, frozenset()))
    await world.sync(COURSE)
    assert await world.store.journal.held() == []
    assert [user for user, one in world.matrix.members(room_id).items() if one == "invite"] == [
        world.user(number) for number in many
    ]
    assert len(world.matrix.made("kick")) == 30


# The removal rule


async def test_a_guest_of_a_teacher_stays_and_the_status_says_so(world: World) -> None:
    room_id = await world.synced(teachers=[7], students=[8])
    await world.synced(43, students=[9])
    world.matrix.member(room_id, world.user(9), "invite", by=world.user(7))
    world.matrix.member(room_id, world.user(9), "join")
    await world.matrix.push()
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(9)] == "join"
    status = await world.status.course(COURSE)
    assert status is not None and status.guests == 1


async def test_who_came_back_by_a_teacher_s_invite_after_we_removed_them_is_a_guest(world: World) -> None:
    room_id = await world.synced(teachers=[7], students=[8, 9])
    world.facts.unenrol(COURSE, 9)
    await world.sync(COURSE)
    world.matrix.member(room_id, world.user(9), "invite", by=world.user(7))
    world.matrix.member(room_id, world.user(9), "join")
    await world.matrix.push()
    world.matrix.forget_requests()
    await world.sync(COURSE)
    assert world.matrix.requests == []


async def test_when_the_homeserver_went_back_in_time_who_was_removed_is_removed_again(world: World) -> None:
    world.use(existing_courses=True)
    room_id = await world.synced(teachers=[7], students=[8, 9])
    backup = dict(world.matrix.rooms[room_id])
    world.facts.unenrol(COURSE, 9)
    await world.sync(COURSE)
    await world.matrix.push()
    world.matrix.rooms[room_id] = backup
    await world.pass_over_site()
    await world.work()
    assert world.matrix.members(room_id)[world.user(9)] == "leave"


async def test_an_open_place_of_a_blocked_account_is_kept_free_for_a_new_invite(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.VIRTUAL))
    world.accounts.admin()
    world.accounts.add("p8")
    room_id = await world.synced(students=[8])
    account = world.accounts.accounts[world.user(8)]
    world.accounts.accounts[world.user(8)] = replace(account, deactivated=True)
    world.matrix.member(room_id, world.user(8), "leave")
    await world.matrix.push()
    await world.people.run(Taken(person_key(SAM), Priority.PERSON, 0, frozenset()))
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[virtual(world)] == "join"
    assert world.matrix.made("invite") == [(room_id, virtual(world))]
    world.accounts.accounts[world.user(8)] = account
    await world.people.run(Taken(person_key(SAM), Priority.PERSON, 0, frozenset()))
    await world.sync(COURSE)
    assert world.matrix.members(room_id) == {world.user(8): "invite", virtual(world): "leave"}
