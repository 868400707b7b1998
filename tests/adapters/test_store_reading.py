"""The mirror against its other sources: rooms that are read whole, and what is assumed from requests of ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moodle_appservice.domain.model import (
    ActualMember,
    CourseId,
    EventId,
    Membership,
    RoomId,
    UserId,
)
from moodle_appservice.domain.power import MARKER
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.ports import Before, OwnRoom
from moodle_appservice.store.books import Books
from tests.adapters.store_events import (
    BOT,
    COURSE,
    NEW,
    ROOM,
    SAM,
    TESS,
    History,
    create,
    done,
    invite,
    lively,
    memberships,
    name_of,
    remove,
    set_name,
    set_power,
)

# Read rooms


async def test_a_read_room_takes_the_place_of_what_was_known(books: Books) -> None:
    history = History().created()
    history.member(SAM, "join")
    await books.mirror.take_in(history.take())
    await books.mirror.mark_stale(ROOM)
    guard = await books.mirror.begin_read()
    fresh = History(began=9_000).created()
    fresh.member(TESS, "join")
    await books.mirror.replace(ROOM, fresh.take(), guard=guard)
    assert await memberships(books) == {TESS: "join"}
    assert not await books.mirror.is_stale(ROOM)


async def test_a_room_that_was_never_pushed_can_be_read(books: Books) -> None:
    guard = await books.mirror.begin_read()
    await books.mirror.replace(ROOM, History().created().take(), guard=guard)
    room = await books.mirror.room(ROOM)
    assert room is not None and (room.version, room.creator) == ("12", BOT)


async def test_what_is_pushed_while_a_room_is_read_is_newer_than_what_was_read(books: Books) -> None:
    history = History().created()
    history.member(SAM, "join")
    read = history.take()
    await books.mirror.take_in(read)
    guard = await books.mirror.begin_read()
    history.member(SAM, "leave")
    history.member(TESS, "join")
    await books.mirror.take_in(history.take())
    await books.mirror.replace(ROOM, read, guard=guard)
    assert await memberships(books) == {SAM: "leave", TESS: "join"}
    assert not await books.mirror.is_stale(ROOM)


async def test_what_is_repeated_while_a_room_is_read_is_not_newer(books: Books) -> None:
    history = History().created()
    old = history.take()
    history.state(TESS, "m.room.name", {"name": "Newer"})
    new = history.take()
    guard = await books.mirror.begin_read()
    await books.mirror.take_in(old)
    await books.mirror.replace(
        ROOM, [*(event for event in old if event.type != "m.room.name"), *new], guard=guard
    )
    assert await name_of(books) == "Newer"


async def test_when_nobody_can_tell_whether_a_push_or_the_reading_is_newer_the_room_is_read_again(
    books: Books,
) -> None:
    history = History().created()
    read = history.take()
    await books.mirror.take_in(read)
    guard = await books.mirror.begin_read()
    mine = history.state(TESS, "m.room.name", {"name": "Pushed"})
    theirs = replace(
        mine, event_id=EventId("$other"), replaces=EventId("$elsewhere"), content={"name": "Read"}
    )
    await books.mirror.take_in([mine])
    await books.mirror.replace(
        ROOM, [*(one for one in read if one.type != "m.room.name"), theirs], guard=guard
    )
    assert await books.mirror.is_stale(ROOM)
    guard = await books.mirror.begin_read()
    await books.mirror.replace(
        ROOM, [*(one for one in read if one.type != "m.room.name"), theirs], guard=guard
    )
    assert await name_of(books) == "Read"
    assert not await books.mirror.is_stale(ROOM)


async def test_a_homeserver_that_went_back_in_time_is_believed_when_the_room_is_read(books: Books) -> None:
    history = lively()
    past = list(history.events[:5])
    await books.mirror.take_in(history.take())
    await books.mirror.mark_stale()
    assert await books.mirror.is_stale(ROOM)
    await books.mirror.replace(ROOM, past, guard=await books.mirror.begin_read())
    assert (await memberships(books), await name_of(books)) == ({}, "Algebra")


async def test_one_room_or_all_are_marked_to_be_read_again(books: Books) -> None:
    other = RoomId("!other")
    await books.mirror.take_in([*History().created().take(), *History(other).created(CourseId(43)).take()])
    await books.mirror.mark_stale(ROOM)
    assert (await books.mirror.is_stale(ROOM), await books.mirror.is_stale(other)) == (True, False)
    await books.mirror.mark_stale()
    assert await books.mirror.is_stale(other)


async def test_a_forgotten_room_is_as_if_it_had_never_been(books: Books) -> None:
    await books.mirror.take_in(lively().take())
    await books.mirror.forget(ROOM)
    assert await books.mirror.room(ROOM) is None
    assert await books.mirror.find_marked("uni", COURSE) == {}
    assert await books.mirror.before(ROOM, "m.room.name", "") == Before(None, False)


# Assumptions from requests of ours


async def test_what_the_homeserver_accepted_is_assumed_until_its_push_comes(books: Books) -> None:
    history = History().created()
    await books.mirror.take_in(history.take())
    before = await books.mirror.before(ROOM, "m.room.member", SAM)
    assert before == NEW
    await books.ledger.record(done(invite(), before=before))
    assert await memberships(books) == {SAM: "invite"}
    assert await books.mirror.before(ROOM, "m.room.member", SAM) == Before(None, True)
    event = history.member(SAM, "invite", by=BOT)
    await books.mirror.take_in(history.take())
    assert await books.mirror.before(ROOM, "m.room.member", SAM) == Before(event.event_id, True)


async def test_what_is_known_of_many_members_before_requests_is_read_at_once(books: Books) -> None:
    history = History().created()
    event = history.member(SAM, "join")
    await books.mirror.take_in(history.take())
    known = await books.mirror.members_before(ROOM, [SAM, TESS])
    assert known == {SAM: Before(event.event_id, True), TESS: NEW}
    assert await books.mirror.members_before(ROOM, []) == {}


async def test_an_assumption_does_not_overwrite_a_push_that_was_faster(books: Books) -> None:
    history = History().created()
    await books.mirror.take_in(history.take())
    before = await books.mirror.before(ROOM, "m.room.member", SAM)
    history.member(SAM, "invite", by=BOT)
    history.member(SAM, "join")
    await books.mirror.take_in(history.take())
    await books.ledger.record(done(invite(), before=before))
    assert await memberships(books) == {SAM: "join"}


async def test_an_assumed_removal_does_not_overwrite_a_push_that_was_faster(books: Books) -> None:
    history = History().created()
    history.member(SAM, "join")
    await books.mirror.take_in(history.take())
    before = await books.mirror.before(ROOM, "m.room.member", SAM)
    history.member(SAM, "leave", by=BOT)
    history.member(SAM, "invite", by=TESS)
    await books.mirror.take_in(history.take())
    await books.ledger.record(done(remove(), before=before))
    assert await memberships(books) == {SAM: "invite"}


async def test_an_assumption_takes_the_place_of_an_assumption(books: Books) -> None:
    await books.mirror.take_in(History().created().take())
    for action, membership in ((invite(), "invite"), (remove(), "leave"), (invite(), "invite")):
        before = await books.mirror.before(ROOM, "m.room.member", SAM)
        await books.ledger.record(done(action, before=before))
        assert await memberships(books) == {SAM: membership}


async def test_assumed_state_is_known_by_its_event_so_that_its_push_is_nothing_new(books: Books) -> None:
    history = History().created()
    await books.mirror.take_in(history.take())
    before = await books.mirror.before(ROOM, "m.room.name", "")
    event = history.state(BOT, "m.room.name", {"name": "Algebra I"})
    await books.ledger.record(done(set_name("Algebra I"), before=before, event_id=event.event_id))
    assert await name_of(books) == "Algebra I"
    history.state(TESS, "m.room.name", {"name": "Ours"})
    seen = await books.mirror.take_in(history.take())
    assert await name_of(books) == "Ours"
    assert seen.rooms == {ROOM: {"m.room.name"}}


async def test_assumed_state_does_not_overwrite_a_push_that_was_faster(books: Books) -> None:
    history = History().created()
    await books.mirror.take_in(history.take())
    before = await books.mirror.before(ROOM, "m.room.power_levels", "")
    event = history.state(BOT, "m.room.power_levels", {"users": {SAM: 50}})
    history.state(TESS, "m.room.power_levels", {"users": {SAM: 10}})
    await books.mirror.take_in(history.take())
    await books.ledger.record(done(set_power({SAM: 50}), before=before, event_id=event.event_id))
    room = await books.mirror.room(ROOM)
    assert room is not None and room.content("m.room.power_levels") == {"users": {SAM: 10}}


async def test_a_made_room_is_assumed_from_the_request_until_its_pushes_come(books: Books) -> None:
    await books.ledger.record(done(create(tess=60)))
    room = await books.mirror.room(ROOM)
    assert room is not None and (room.version, room.creator) == ("12", BOT)
    assert room.members == {BOT: ActualMember(Membership.JOIN, BOT)}
    assert room.content("m.room.power_levels") == {"users": {TESS: 60}, "ban": 50}
    assert room.content("m.room.guest_access") == {"guest_access": "forbidden"}
    assert room.content("m.room.topic") == {"topic": "Numbers"}
    assert not await books.mirror.is_stale(ROOM)
    assert await books.mirror.find_marked("uni", COURSE) == {main_room(COURSE): OwnRoom(ROOM)}
    assert (await books.mirror.take_in(History().created().take())).rooms == {}
    room = await books.mirror.room(ROOM)
    assert room is not None and room.content("m.room.power_levels") == {"users": {}}


async def test_the_pushes_of_a_made_room_may_be_faster_than_the_answer(books: Books) -> None:
    history = History().created()
    history.member(SAM, "invite", by=TESS)
    await books.mirror.take_in(history.take())
    before = await books.mirror.room(ROOM)
    await books.ledger.record(done(create(tess=60)))
    room = await books.mirror.room(ROOM)
    assert before is not None and room is not None
    assert {key: room.state[key] for key in before.state} == before.state
    assert room.members == before.members
    assert not await books.mirror.is_stale(ROOM)


# Finding rooms


async def test_a_room_of_ours_is_found_by_its_marker_and_the_newest_generation_counts(books: Books) -> None:
    newer = RoomId("!newer")
    for room_id, generation in ((ROOM, 1), (newer, 3), (RoomId("!older"), 2)):
        await books.mirror.take_in(History(room_id).created(generation=generation).take())
    assert await books.mirror.find_marked("uni", COURSE) == {main_room(COURSE): OwnRoom(newer, 3)}
    assert await books.mirror.find_marked("trial", COURSE) == {}
    assert await books.mirror.find_marked("uni", CourseId(43)) == {}


async def test_a_marker_that_somebody_else_set_finds_nothing(books: Books) -> None:
    history = History()
    history.state(BOT, "m.room.create", {"room_version": "12"})
    history.state(TESS, MARKER, {"site": "uni", "moodle_id": 42, "generation": 1})
    await books.mirror.take_in(history.take())
    assert await books.mirror.find_marked("uni", COURSE) == {}


async def test_a_marker_in_a_room_that_somebody_else_made_finds_nothing(books: Books) -> None:
    history = History()
    history.state(TESS, "m.room.create", {"room_version": "12"})
    history.state(BOT, MARKER, {"site": "uni", "moodle_id": 42, "generation": 1})
    await books.mirror.replace(ROOM, history.take(), guard=await books.mirror.begin_read())
    assert await books.mirror.find_marked("uni", COURSE) == {}


@pytest.mark.parametrize(
    "odd", [{}, {"moodle_id": "42"}, {"generation": "x"}, {"generation": 10**40}, {"site": None}]
)
async def test_a_marker_of_an_odd_shape_finds_nothing_and_breaks_nothing(
    books: Books, odd: dict[str, Any]
) -> None:
    history = History()
    history.state(BOT, "m.room.create", {"room_version": "12"})
    marker = {"site": "uni", "moodle_id": 42, "generation": 1, **odd} if odd else {}
    history.state(BOT, MARKER, marker)
    await books.mirror.take_in(history.take())
    assert await books.mirror.find_marked("uni", COURSE) == {}


async def test_direct_chats_are_remembered_by_person_the_newest_first(books: Books) -> None:
    assert await books.mirror.joined_with(SAM) == []
    for room_id in ("!one", "!two", "!three"):
        await books.mirror.set_direct(SAM, RoomId(room_id))
    await books.mirror.set_direct(TESS, RoomId("!hers"))
    await books.mirror.set_direct(SAM, RoomId("!one"))
    assert await books.mirror.joined_with(SAM) == ["!one", "!three", "!two"]
    assert await books.mirror.direct_partner(RoomId("!hers")) == TESS
    assert await books.mirror.direct_partner(ROOM) is None


async def has_declined(books: Books) -> dict[str, bool]:
    room = await books.mirror.room(ROOM)
    assert room is not None
    return {user: member.declined for user, member in room.members.items() if user != BOT}


async def test_who_refused_an_invite_is_told_from_who_left_or_was_put_out(books: Books) -> None:
    history = History().created()
    refuser, leaver, expelled, forgotten = (UserId(f"@{name}:uni.test") for name in ("r", "l", "e", "f"))
    for user in (refuser, leaver, expelled, forgotten):
        history.member(user, "invite", by=BOT)
    history.member(leaver, "join")
    history.member(refuser, "leave")
    history.member(leaver, "leave")
    history.member(expelled, "leave", by=BOT)
    await books.mirror.take_in(history.take())
    expected = {refuser: True, leaver: False, expelled: False, forgotten: False}
    assert await has_declined(books) == expected
    history.member(refuser, "invite", by=BOT)
    await books.mirror.take_in(history.take())
    assert await has_declined(books) == {**expected, refuser: False}


async def test_a_full_read_which_tells_no_past_keeps_who_refused_and_finds_who_refused_meanwhile(
    books: Books,
) -> None:
    history = History().created()
    refuser, later, leaver = (UserId(f"@{name}:uni.test") for name in ("r", "m", "l"))
    for user in (refuser, later, leaver):
        history.member(user, "invite", by=BOT)
    history.member(refuser, "leave")
    history.member(leaver, "join")
    past = history.take()
    await books.mirror.take_in(past)
    history.member(later, "leave")
    history.member(leaver, "leave")
    state = {(event.type, event.state_key): replace(event, prev_membership=None) for event in past}
    for event in history.take():
        state[event.type, event.state_key] = replace(event, prev_membership=None)
    expected = {refuser: True, later: True, leaver: False}
    for _ in range(2):
        await books.mirror.mark_stale(ROOM)
        guard = await books.mirror.begin_read()
        await books.mirror.replace(ROOM, list(state.values()), guard=guard)
        assert await has_declined(books) == expected
