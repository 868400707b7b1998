"""Holds and their confirmation, commands that are claimed once, sent messages, and single values."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from moodle_appservice.domain.model import CourseId, EventId, RoomId, UserId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.ports import CommandRow, HeldRow
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from moodle_appservice.store.settings import next_numbers
from tests.adapters.store_events import BOT, COURSE, ROOM, SAM, TESS, History

CHAT = RoomId("!chat")
A, B, C = UserId("@a:uni.test"), UserId("@b:uni.test"), UserId("@c:uni.test")


async def hold(
    books: Books,
    *users: UserId,
    course_id: CourseId = COURSE,
    room_id: RoomId = ROOM,
    at: float = 5.0,
    reason: str = "Many.",
) -> None:
    await books.journal.hold(course_id, room_id, frozenset(users), reason, at=at)


# Holds


async def test_what_is_held_waits_with_its_reason(books: Books) -> None:
    await hold(books, A, B)
    row = HeldRow(COURSE, ROOM, frozenset({A, B}), "Many.", 5.0, confirmed=False)
    assert await books.journal.held() == [row]
    assert await books.journal.held(COURSE) == [row]
    assert await books.journal.held(CourseId(43)) == []


async def test_a_confirmation_stays_as_long_as_the_same_people_are_held(books: Books) -> None:
    await hold(books, A, B)
    assert await books.journal.confirm(COURSE) == 1
    await hold(books, B, A, at=9.0)
    (row,) = await books.journal.held()
    assert (row.confirmed, row.since) == (True, 5.0)


@pytest.mark.parametrize("others", [(A,), (A, B, C), (C,)])
async def test_a_confirmation_does_not_stay_when_other_people_are_held(
    books: Books, others: tuple[UserId, ...]
) -> None:
    await hold(books, A, B)
    await books.journal.confirm()
    await hold(books, *others, at=9.0, reason="Other.")
    (row,) = await books.journal.held()
    assert row == HeldRow(COURSE, ROOM, frozenset(others), "Other.", 5.0, confirmed=False)


async def test_everything_or_one_course_is_confirmed_and_each_is_counted_once(books: Books) -> None:
    for number in (41, 42, 43):
        await hold(books, A, course_id=CourseId(number), room_id=RoomId(f"!r{number}"))
    assert await books.journal.confirm(CourseId(42)) == 1
    assert [row.confirmed for row in await books.journal.held()] == [False, True, False]
    assert await books.journal.confirm() == 2
    assert await books.journal.confirm() == 0
    assert await books.journal.confirm(CourseId(99)) == 0


async def test_a_hold_that_is_cleared_takes_its_confirmation_with_it(books: Books) -> None:
    await hold(books, A)
    await books.journal.confirm()
    await books.journal.clear_hold(ROOM)
    assert await books.journal.held() == []
    await hold(books, A, at=9.0)
    (row,) = await books.journal.held()
    assert (row.confirmed, row.since) == (False, 9.0)


# Commands


async def our_room(books: Books) -> History:
    await books.ledger.adopt(ROOM, main_room(COURSE), at=1.0)
    return History()


async def test_a_message_with_the_prefix_in_a_room_of_ours_is_a_command(books: Books) -> None:
    history = await our_room(books)
    event = history.message(SAM, "!moodle status")
    seen = await books.mirror.take_in(history.take())
    assert seen.commands == (event.event_id,)
    assert await books.journal.claim_command(event.event_id) == CommandRow(
        event.event_id, ROOM, SAM, "!moodle status", event.timestamp / 1000, None
    )


async def test_in_a_direct_chat_every_message_is_a_command(books: Books) -> None:
    await books.mirror.set_direct(SAM, CHAT)
    history = History(CHAT)
    events = [history.message(SAM, "hello"), history.message(SAM, "!moodle help")]
    assert (await books.mirror.take_in(history.take())).commands == tuple(event.event_id for event in events)


@pytest.mark.parametrize(
    "content",
    [
        {"body": "hello"},
        {"body": " !moodle status"},
        {"body": "!moodle status", "msgtype": "m.notice"},
        {"body": "!moodle status", "m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}},
        {"body": None},
        {"body": ["!moodle"]},
    ],
)
async def test_other_messages_in_a_room_of_ours_are_no_commands(
    books: Books, content: dict[str, Any]
) -> None:
    history = await our_room(books)
    history.message(SAM, "", **content)
    assert (await books.mirror.take_in(history.take())).commands == ()


async def test_messages_of_the_bot_and_messages_elsewhere_are_no_commands(books: Books) -> None:
    history = await our_room(books)
    history.message(BOT, "!moodle status")
    elsewhere = History(RoomId("!elsewhere"))
    elsewhere.message(SAM, "!moodle status")
    assert (await books.mirror.take_in([*history.take(), *elsewhere.take()])).commands == ()


async def test_the_thread_of_a_command_is_remembered_and_odd_relations_are_not(books: Books) -> None:
    history = await our_room(books)
    relations: list[Any] = [
        {"rel_type": "m.thread", "event_id": "$root"},
        {"rel_type": "m.thread", "event_id": 5},
        {"rel_type": "m.thread"},
        {"rel_type": ["m.replace"]},
        "m.thread",
        None,
    ]
    events = [history.message(SAM, "!moodle help", **{"m.relates_to": one}) for one in relations]
    await books.mirror.take_in(history.take())
    rows = [await books.journal.claim_command(event.event_id) for event in events]
    assert [row.thread if row else "lost" for row in rows] == ["$root", None, None, None, None, None]


async def test_a_very_long_command_is_cut(books: Books) -> None:
    history = await our_room(books)
    event = history.message(SAM, "!moodle " + "x" * 100_000)
    await books.mirror.take_in(history.take())
    row = await books.journal.claim_command(event.event_id)
    assert row is not None and len(row.body) == 4000


async def test_a_command_that_is_pushed_twice_is_one_command(books: Books) -> None:
    history = await our_room(books)
    event = history.message(SAM, "!moodle status")
    batch = history.take()
    assert (await books.mirror.take_in(batch)).commands == (event.event_id,)
    assert (await books.mirror.take_in([*batch, *batch])).commands == ()
    assert await books.journal.claim_command(event.event_id) is not None
    assert (await books.mirror.take_in(batch)).commands == ()
    assert await books.journal.claim_command(event.event_id) is None


async def test_of_many_who_claim_a_command_one_gets_it(books: Books) -> None:
    history = await our_room(books)
    event = history.message(SAM, "!moodle status")
    await books.mirror.take_in(history.take())
    claims = await asyncio.gather(*(books.journal.claim_command(event.event_id) for _ in range(10)))
    assert sum(claim is not None for claim in claims) == 1
    assert await books.journal.claim_command(EventId("$never")) is None


async def test_commands_that_nobody_has_claimed_are_found_after_a_restart_unless_too_old(
    books: Books,
) -> None:
    history = await our_room(books)
    history.now = 10_000_000
    old, first, second = (history.message(SAM, f"!moodle {number}") for number in range(3))
    await books.mirror.take_in([second, first, old])
    await books.journal.claim_command(second.event_id)
    third = history.message(TESS, "!moodle 3")
    await books.mirror.take_in([third])
    after = first.timestamp / 1000
    assert await books.journal.new_commands(sent_after=after) == [first.event_id, third.event_id]


# Messages and values


async def test_a_message_is_sent_once_under_its_key(books: Books) -> None:
    assert await books.journal.message("welcome:8") is None
    await books.journal.sent("welcome:8", EventId("$one"))
    await books.journal.sent("welcome:8", EventId("$two"))
    assert await books.journal.message("welcome:8") == "$one"
    assert await books.journal.message("welcome:9") is None


async def test_a_value_is_what_was_set_last(books: Books) -> None:
    assert await books.settings.get("site") is None
    await books.settings.set("site", "uni")
    await books.settings.set("site", "uni 2 – ünïcode")
    assert await books.settings.get("site") == "uni 2 – ünïcode"


async def test_no_number_is_given_twice(books: Books) -> None:
    assert await books.settings.next_number("canary") == 1
    numbers = await asyncio.gather(*(books.settings.next_number("canary") for _ in range(20)))
    assert sorted(numbers) == list(range(2, 22))
    assert await books.settings.get("canary") == "21"
    assert await books.settings.next_number("other") == 1


async def test_several_counters_go_on_by_steps_of_their_own_in_one_go(books: Books, db: Db) -> None:
    steps = {"canary": 3, "other": 1}
    numbers = [
        await db.transaction(lambda connection: next_numbers(connection, steps)),
        await db.transaction(lambda connection: next_numbers(connection, {"other": 2})),
        await db.transaction(lambda connection: next_numbers(connection, steps)),
    ]
    assert numbers == [{"canary": 3, "other": 1}, {"other": 3}, {"canary": 6, "other": 4}]
