"""The ledger: which rooms are ours, what we last wrote in each, and to whom we gave a place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from moodle_appservice.domain.actions import Action, Ban, Join, Unban
from moodle_appservice.domain.ledger import Ledger
from moodle_appservice.domain.model import CourseId, EventId, MoodleUserId, Resolution, RoomId, Trust, UserId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.ports import Before
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters.store_events import (
    BOT,
    COURSE,
    ROOM,
    SAM,
    TESS,
    History,
    create,
    done,
    invite,
    memberships,
    remove,
    set_name,
    set_power,
    set_topic,
)
from tests.domain import values
from tests.domain.values import person

OTHER = RoomId("!other")


async def book(books: Books, action: Action, **given: Any) -> None:
    await books.ledger.record(done(action, **given))


async def test_a_room_that_nobody_has_booked_is_nobody_s(books: Books) -> None:
    assert await books.ledger.room_of(main_room(COURSE)) is None
    assert await books.ledger.course_of(ROOM) is None
    assert await books.ledger.read(ROOM) == Ledger()
    assert await books.ledger.places(ROOM) == {}


async def test_a_made_room_is_the_one_of_its_course_with_all_that_we_wrote_in_it(books: Books) -> None:
    await book(books, create(tess=60, moodle=100))
    assert await books.ledger.room_of(main_room(COURSE)) == ROOM
    assert await books.ledger.course_of(ROOM) == COURSE
    assert await books.ledger.keys_of([ROOM, OTHER]) == {ROOM: main_room(COURSE)}
    assert await books.ledger.keys_of([]) == {}
    assert await books.ledger.read(ROOM) == Ledger("Algebra", "Numbers", {TESS: 60}, frozenset())


async def test_what_we_write_is_what_we_last_wrote(books: Books) -> None:
    await book(books, create(tess=60))
    await book(books, set_name("Algebra I"))
    await book(books, set_topic("More numbers"))
    await book(books, set_power({SAM: 50}))
    assert await books.ledger.read(ROOM) == Ledger("Algebra I", "More numbers", {SAM: 50}, frozenset())


async def test_who_is_invited_has_a_place_until_removed_and_again_when_invited_again(books: Books) -> None:
    await book(books, create())
    await book(books, invite(SAM, 8))
    await book(books, invite(TESS, 7))
    assert (await books.ledger.read(ROOM)).places == {SAM, TESS}
    await book(books, remove(SAM, 8))
    assert (await books.ledger.read(ROOM)).places == {TESS}
    await book(books, invite(SAM, 8))
    assert (await books.ledger.read(ROOM)).places == {SAM, TESS}


async def test_who_is_not_wanted_any_more_loses_the_place_and_is_still_known(books: Books) -> None:
    await book(books, create())
    await book(books, invite(SAM, 8))
    await book(books, invite(TESS, 7))
    await books.ledger.unwanted(ROOM, [SAM])
    assert (await books.ledger.read(ROOM)).places == {TESS}
    assert await books.ledger.places(ROOM) == {SAM: MoodleUserId(8), TESS: MoodleUserId(7)}


async def test_a_place_belongs_to_the_person_who_was_invited_last_under_this_id(books: Books) -> None:
    await book(books, create())
    await book(books, invite(SAM, 8))
    await book(books, invite(SAM, 9))
    assert await books.ledger.places(ROOM) == {SAM: MoodleUserId(9)}


@pytest.mark.parametrize(
    "action",
    [create(), set_name("Other"), set_power({SAM: 99}), invite(), remove()],
    ids=lambda one: type(one).__name__,
)
async def test_what_failed_is_in_the_audit_log_and_nowhere_else(books: Books, action: Action) -> None:
    await book(books, create(tess=60))
    await book(books, invite(TESS, 7))
    before = (await books.ledger.read(ROOM), await books.mirror.room(ROOM))
    await book(books, action, error="It was refused.", reference="abcd1234")
    assert (await books.ledger.read(ROOM), await books.mirror.room(ROOM)) == before
    line = (await books.journal.audit())[0]
    assert (line.kind, line.result, line.reference) == (type(action).__name__, "It was refused.", "abcd1234")
    assert line.why == action.why


async def test_a_room_that_could_not_be_made_is_an_audit_line_without_a_room(books: Books) -> None:
    await book(books, create(), room_id=RoomId(""), error="No.")
    (line,) = await books.journal.audit()
    assert (line.course_id, line.room_id) == (COURSE, None)
    assert await books.ledger.room_of(main_room(COURSE)) is None


async def test_a_second_room_of_a_course_takes_the_place_of_the_first(books: Books) -> None:
    await book(books, create(tess=60))
    await book(books, create(sam=50), room_id=OTHER)
    assert await books.ledger.room_of(main_room(COURSE)) == OTHER
    assert await books.ledger.course_of(ROOM) is None
    assert (await books.ledger.read(OTHER)).levels == {SAM: 50}


async def test_an_adopted_room_is_booked_without_anything_that_we_wrote(books: Books) -> None:
    await books.ledger.adopt(ROOM, main_room(COURSE), at=1.0)
    assert await books.ledger.room_of(main_room(COURSE)) == ROOM
    assert await books.ledger.read(ROOM) == Ledger()
    await book(books, set_name("Algebra"))
    await books.ledger.adopt(OTHER, main_room(COURSE), at=2.0)
    assert await books.ledger.room_of(main_room(COURSE)) == OTHER
    assert await books.ledger.read(OTHER) == Ledger()


async def test_a_room_that_is_adopted_twice_keeps_its_places(books: Books) -> None:
    await books.ledger.adopt(ROOM, main_room(COURSE), at=1.0)
    await book(books, invite(SAM, 8))
    await books.ledger.adopt(ROOM, main_room(COURSE), at=2.0)
    assert (await books.ledger.read(ROOM)).places == {SAM}


async def test_a_released_room_is_forgotten_with_its_places(books: Books) -> None:
    await book(books, create(tess=60))
    await book(books, invite(SAM, 8))
    await books.ledger.release(ROOM)
    assert await books.ledger.room_of(main_room(COURSE)) is None
    assert await books.ledger.places(ROOM) == {}
    await book(books, create(), room_id=OTHER)
    assert await books.ledger.room_of(main_room(COURSE)) == OTHER


async def test_rooms_of_different_courses_do_not_meet(books: Books) -> None:
    other = CourseId(43)
    await book(books, create(tess=60))
    await book(books, create(other, sam=50), room_id=OTHER, course_id=other)
    await book(books, invite(SAM, 8))
    await book(books, set_name("Only here"))
    assert await books.ledger.room_of(main_room(other)) == OTHER
    assert await books.ledger.read(OTHER) == Ledger("Algebra", "Numbers", {SAM: 50}, frozenset())
    assert await books.ledger.places(OTHER) == {}


async def test_there_is_one_control_room_and_it_is_no_course_s(books: Books) -> None:
    assert await books.ledger.control_room() is None
    await books.ledger.set_control_room(ROOM)
    await books.ledger.set_control_room(OTHER)
    await books.ledger.set_control_room(OTHER)
    assert await books.ledger.control_room() == OTHER
    assert await books.ledger.course_of(OTHER) is None


async def test_every_action_is_one_audit_line_the_newest_first(books: Books) -> None:
    await books.people.save(person(8), Resolution(MoodleUserId(8), SAM, Trust.DERIVED), at=1.0)
    await book(books, create(), at=1.5, signal="pass")
    await book(books, invite(), at=2.5, signal="command,event")
    await book(books, set_name("X"), at=3.5, event_id=EventId("$e"))
    lines = await books.journal.audit()
    assert [(line.at, line.kind, line.person, line.signal, line.result) for line in lines] == [
        (3.5, "SetState", None, "pass", "done"),
        (2.5, "Invite", 8, "command,event", "done"),
        (1.5, "CreateRoom", None, "pass", "done"),
    ]


async def test_the_audit_log_may_be_asked_for_one_course_and_for_a_few_lines(books: Books) -> None:
    for number in range(5):
        await book(books, invite(), course_id=CourseId(40 + number % 2), at=float(number))
    assert [line.at for line in await books.journal.audit(course_id=CourseId(40))] == [4.0, 2.0, 0.0]
    assert [line.at for line in await books.journal.audit(limit=2)] == [4.0, 3.0]
    assert [line.at for line in await books.journal.audit(course_id=CourseId(41), limit=1)] == [3.0]


async def test_who_is_about_to_be_invited_is_known_before_and_wanted_only_after(books: Books) -> None:
    await book(books, create())
    await books.ledger.intend(ROOM, {SAM: MoodleUserId(8), TESS: MoodleUserId(7)})
    await book(books, invite(SAM, 8))
    ledger = await books.ledger.read(ROOM)
    assert ledger.places == {SAM}
    assert ledger.intended == {TESS}
    assert await books.ledger.places(ROOM) == {SAM: MoodleUserId(8), TESS: MoodleUserId(7)}
    await books.ledger.intend(ROOM, {SAM: MoodleUserId(8)})
    assert (await books.ledger.read(ROOM)).places == {SAM}, "who is invited once more had a place"
    await books.ledger.unwanted(ROOM, [SAM, TESS])
    ledger = await books.ledger.read(ROOM)
    assert ledger.places == frozenset()
    assert ledger.intended == frozenset()


async def test_who_is_found_has_a_place_and_who_is_found_banned_is_so_by_us(books: Books) -> None:
    await book(books, create())
    found = {SAM: MoodleUserId(8), TESS: MoodleUserId(7)}
    await books.ledger.found(ROOM, found, bans=[TESS], at=5.0)
    ledger = await books.ledger.read(ROOM)
    assert ledger.places == {SAM}
    assert ledger.bans == {TESS}
    await books.ledger.want_again()
    ledger = await books.ledger.read(ROOM)
    assert ledger.places == {SAM}, "a ban of ours is no place"
    assert ledger.bans == {TESS}


async def test_a_ban_of_ours_is_booked_and_forgotten_when_it_is_lifted(books: Books) -> None:
    await book(books, create())
    await book(books, invite(SAM, 8))
    await book(
        books,
        Ban(SAM, MoodleUserId(8), "The Moodle account is suspended."),
        before=Before(None, True),
    )
    ledger = await books.ledger.read(ROOM)
    assert ledger.places == frozenset()
    assert ledger.bans == {SAM}
    assert await memberships(books) == {SAM: "ban"}
    await book(books, Unban(SAM, MoodleUserId(8), "It can be used again."), before=Before(None, True))
    assert (await books.ledger.read(ROOM)).bans == frozenset()
    assert await memberships(books) == {SAM: "leave"}


async def test_a_virtual_user_that_has_joined_has_a_place_and_is_joined_by_itself(books: Books) -> None:
    user = UserId("@moodle_uni_8:uni.test")
    await book(books, create())
    await book(books, Join(user, MoodleUserId(8), True, "Holds the place."))
    assert (await books.ledger.read(ROOM)).places == {user}
    room = await books.mirror.room(ROOM)
    assert room is not None
    assert (room.members[user].membership, room.members[user].sender) == ("join", user)


async def test_all_places_count_again_when_the_homeserver_went_back(books: Books) -> None:
    await book(books, create())
    await book(books, invite(SAM, 8))
    await book(books, remove(SAM, 8))
    await books.ledger.want_again()
    assert (await books.ledger.read(ROOM)).places == {SAM}


async def test_who_has_asked_for_a_course_is_known_once(books: Books) -> None:
    for at in (1.0, 2.0):
        await books.requests.ask(MoodleUserId(8), COURSE, at=at)
    await books.requests.ask(MoodleUserId(9), CourseId(43), at=1.0)
    assert await books.requests.of_course(COURSE) == {8}


async def test_what_was_done_and_could_not_be_booked_gets_its_line_when_the_room_tells_it(
    books: Books,
) -> None:
    await books.people.save(values.person(8), Resolution(MoodleUserId(8), SAM, None), at=1.0)
    await books.ledger.record(done(create()))
    await books.ledger.intend(ROOM, {SAM: MoodleUserId(8)})
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    await books.mirror.take_in(history.take())
    await books.ledger.found(ROOM, {SAM: MoodleUserId(8)}, bans=(), at=5.0)
    await books.ledger.found(ROOM, {SAM: MoodleUserId(8)}, bans=(), at=6.0)
    history.member(SAM, "leave", by=BOT)
    await books.mirror.take_in(history.take())
    await books.ledger.unwanted(ROOM, [SAM], at=7.0)
    await books.ledger.unwanted(ROOM, [SAM], at=8.0)
    lines = [line for line in await books.journal.audit() if line.signal == "found afterwards"]
    assert [(line.at, line.kind, line.person, line.result) for line in lines] == [
        (7.0, "Remove", 8, "done"),
        (5.0, "Invite", 8, "done"),
    ]


async def test_who_left_by_choice_was_not_removed_by_us(books: Books) -> None:
    await books.ledger.record(done(create()))
    await books.ledger.record(done(invite()))
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    history.member(SAM, "leave")
    await books.mirror.take_in(history.take())
    await books.ledger.unwanted(ROOM, [SAM], at=7.0)
    assert [line.kind for line in await books.journal.audit()] == ["Invite", "CreateRoom"]


async def test_what_is_booked_in_one_moment_is_the_same_as_one_after_the_other(books: Books, db: Db) -> None:
    """Some are known to the mirror already, some have failed, some have an audit key, one is not stored as a person."""
    known = {SAM: 8, TESS: 7, UserId("@uma:uni.test"): 9}
    for matrix_id, user_id in known.items():
        found = Resolution(MoodleUserId(user_id), matrix_id, Trust.DERIVED)
        await books.people.save(person(user_id), found, at=1.0)

    async def ends(group: str, *, at_once: bool) -> list[list[str]]:
        rooms = [RoomId(f"!{group}{number}") for number in range(6)]
        for number, room_id in enumerate(rooms):
            course_id = CourseId(100 * ord(group[0]) + number)
            await books.ledger.record(done(create(course_id), room_id, course_id=course_id))
        history = History(rooms[0]).created()
        history.member(SAM, "invite", by=BOT)
        history.member(SAM, "leave")
        await books.mirror.take_in(history.take())
        before = await books.mirror.before(rooms[0], "m.room.member", SAM)
        given = [
            done(invite(SAM, 8), rooms[0], before=before),
            done(invite(TESS, 7), rooms[1]),
            done(remove(TESS, 7), rooms[2], error=f"{TESS} is an administrator."),
            done(set_name("Algebra II"), rooms[3], event_id=EventId(f"$name{group}")),
            done(invite(UserId("@uma:uni.test"), 9), rooms[4]),
            done(invite(UserId("@vera:uni.test"), 10), rooms[5]),
        ]
        if at_once:
            await asyncio.gather(*map(books.ledger.record, given))
        else:
            for one in given:
                await books.ledger.record(one)
        told = []
        for query in (
            "SELECT kind, room_id, person, why, signal, result, at FROM audit WHERE room_id LIKE $1 ORDER BY number",
            "SELECT room_id, user_id, membership, sender, sent_at, event_id IS NULL AS assumed FROM mirror_member "
            "WHERE room_id LIKE $1 ORDER BY room_id, user_id",
            "SELECT * FROM place WHERE room_id LIKE $1 ORDER BY room_id, matrix_id",
            "SELECT room_id, name_written FROM room WHERE room_id LIKE $1 ORDER BY room_id",
        ):
            rows = await db.fetch(query, f"!{group}%")
            told.append([repr(dict(row)).replace(group, "") for row in rows])
        return told

    together = await ends("together", at_once=True)
    assert together == await ends("after", at_once=False)
    assert [len(rows) for rows in together] == [12, 10, 4, 6]


async def test_of_what_is_booked_in_one_moment_for_one_room_the_first_is_booked_first(books: Books) -> None:
    """Whoever erases a person removes them beside the look at the course that may invite them."""
    await book(books, create())
    await book(books, invite(SAM, 8))
    await asyncio.gather(book(books, remove(SAM, 8)), book(books, invite(SAM, 8)))
    assert (await books.ledger.read(ROOM)).places == {SAM}
    await asyncio.gather(book(books, invite(TESS, 7)), book(books, remove(TESS, 7)))
    assert (await books.ledger.read(ROOM)).places == {SAM}
