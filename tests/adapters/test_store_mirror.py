"""The mirror: pushed events in, rooms out; whatever comes twice, late or while a room is being read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moodle_appservice.domain.model import (
    ActualMember,
    ActualRoom,
    EventId,
    Membership,
    RoomId,
    UserId,
)
from moodle_appservice.domain.power import CANARY, MARKER
from moodle_appservice.ports import Event, Seen
from moodle_appservice.store.books import Books
from tests.adapters.store_events import (
    BOT,
    COURSE,
    ROOM,
    SAM,
    TESS,
    History,
    lively,
    memberships,
    name_of,
)

STRANGER = UserId("@guest:else.test")


# Pushed events


async def test_a_room_is_what_was_pushed_of_it(books: Books) -> None:
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    history.member(SAM, "join")
    history.state(BOT, "m.room.name", {"name": "Algebra I"})
    await books.mirror.take_in(history.take())
    marker = {"site": "uni", "kind": "course", "moodle_id": 42, "generation": 1}
    assert await books.mirror.room(ROOM) == ActualRoom(
        room_id=ROOM,
        version="12",
        creator=BOT,
        state={
            ("m.room.create", ""): {"room_version": "12"},
            ("m.room.power_levels", ""): {"users": {}},
            ("m.room.name", ""): {"name": "Algebra I"},
            (MARKER, ""): marker,
        },
        members={BOT: ActualMember(Membership.JOIN, BOT), SAM: ActualMember(Membership.JOIN, SAM)},
    )
    assert not await books.mirror.is_stale(ROOM)


async def test_a_room_that_nobody_has_pushed_is_not_there_and_is_to_be_read(books: Books) -> None:
    assert await books.mirror.room(ROOM) is None
    assert await books.mirror.is_stale(ROOM)


async def test_a_batch_of_nothing_changes_nothing(books: Books) -> None:
    assert await books.mirror.take_in([]) == Seen()


async def test_rooms_of_other_people_are_not_mirrored(books: Books) -> None:
    history = History()
    history.state(TESS, "m.room.create", {"room_version": "12"})
    history.member(TESS, "join")
    history.member(BOT, "invite", by=TESS)
    history.member(BOT, "join")
    assert (await books.mirror.take_in(history.take())).rooms == {}
    assert await books.mirror.room(ROOM) is None


async def test_a_room_of_the_bot_whose_beginning_was_missed_is_to_be_read(books: Books) -> None:
    history = History().created()
    await books.mirror.take_in(history.take()[3:])
    assert await books.mirror.is_stale(ROOM)


async def test_two_versions_in_the_same_millisecond_are_to_be_read_and_noticed(books: Books) -> None:
    history = History().created()
    await books.mirror.take_in(history.take())
    one = history.state(TESS, "m.room.name", {"name": "One"})
    other = replace(
        one, event_id=EventId("$other"), replaces=EventId("$elsewhere"), content={"name": "Other"}
    )
    await books.mirror.take_in([one])
    seen = await books.mirror.take_in([other])
    assert await books.mirror.is_stale(ROOM)
    assert await name_of(books) == "One"
    assert seen.rooms == {ROOM: {"m.room.name"}}


@pytest.mark.parametrize("membership", [None, 5, "", "dancing", [], {}, ["join"], {"join": 1}])
async def test_a_membership_that_nobody_knows_is_taken_for_no_membership(
    books: Books, membership: Any
) -> None:
    history = History().created()
    history.state(SAM, "m.room.member", {"membership": membership}, SAM)
    await books.mirror.take_in(history.take())
    assert await memberships(books) == {SAM: "leave"}


async def test_any_json_is_kept_as_content(books: Books) -> None:
    odd = {"name": "a\0b\ud800", "": [1, None, {"ü": 2**60}], "topic": 0.5}
    history = History().created()
    history.state(TESS, "m.room.name", odd)
    await books.mirror.take_in(history.take())
    room = await books.mirror.room(ROOM)
    assert room is not None and room.content("m.room.name") == odd


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "x" * 100_000, "", None, 12, ["12"], {}])
async def test_odd_values_where_the_mirror_has_columns_of_its_own_do_not_stop_a_push(
    books: Books, odd: Any
) -> None:
    history = History()
    history.state(BOT, "m.room.create", {"room_version": odd})
    history.member(BOT, "join")
    history.state(BOT, MARKER, {"site": odd, "moodle_id": odd, "generation": odd})
    history.state(BOT, MARKER, {"site": odd, "moodle_id": 42, "generation": 1})
    history.state(BOT, CANARY, {"counter": odd})
    history.state(SAM, "m.room.member", {"membership": odd}, SAM)
    await books.mirror.take_in(history.take())
    assert await memberships(books) == {SAM: "leave"}
    assert await books.mirror.find_marked("uni", COURSE) == {}


# What a batch means beyond the mirror


async def test_what_others_change_in_a_room_is_noticed_and_what_the_bot_does_is_not(books: Books) -> None:
    history = History().created()
    assert (await books.mirror.take_in(history.take())).rooms == {}
    history.member(SAM, "invite", by=BOT)
    assert (await books.mirror.take_in(history.take())).rooms == {}
    history.state(TESS, "m.room.name", {"name": "Ours"})
    history.member(STRANGER, "invite", by=TESS)
    assert (await books.mirror.take_in(history.take())).rooms == {ROOM: {"m.room.name", "m.room.member"}}


async def test_an_accepted_invite_is_not_something_to_look_at(books: Books) -> None:
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    history.member(SAM, "join")
    assert (await books.mirror.take_in(history.take())).rooms == {}
    history.member(SAM, "leave")
    assert (await books.mirror.take_in(history.take())).rooms == {ROOM: {"m.room.member"}}


async def test_what_was_noticed_once_is_not_noticed_again(books: Books) -> None:
    history = History().created()
    history.state(TESS, "m.room.name", {"name": "Ours"})
    batch = history.take()
    assert (await books.mirror.take_in(batch)).rooms == {ROOM: {"m.room.name"}}
    assert await books.mirror.take_in(batch) == Seen()


async def test_canaries_of_the_bot_are_told_and_those_of_others_are_not(books: Books) -> None:
    history = History().created()
    history.state(BOT, CANARY, {"counter": 3})
    history.state(BOT, CANARY, {"counter": 4})
    history.state(BOT, CANARY, {"counter": "5"})
    history.state(TESS, CANARY, {"counter": 6})
    assert (await books.mirror.take_in(history.take())).canaries == {3, 4}


async def test_the_canary_of_a_homeserver_that_was_set_back_to_before_its_first_one_is_told(
    books: Books,
) -> None:
    history = History().created()
    history.state(BOT, CANARY, {"counter": 3})
    await books.mirror.take_in(history.take())
    del history.last[CANARY, ""]
    history.state(BOT, CANARY, {"counter": 4})
    assert (await books.mirror.take_in(history.take())).canaries == {4}
    assert await books.mirror.is_stale(ROOM), "its history was written anew"


async def test_invites_of_the_bot_are_told_and_make_no_room(books: Books) -> None:
    history = History()
    event = history.member(BOT, "invite", by=TESS)
    assert (await books.mirror.take_in(history.take())).invites == (event,)
    assert await books.mirror.room(ROOM) is None


# Twice, late, in another order


@st.composite
def deliveries(draw: st.DrawFn) -> list[int]:
    """Indices into the lively past, the first first, all of them, some again, otherwise in any order."""
    number = len(lively().events)
    again = draw(st.lists(st.integers(0, number - 1), max_size=12))
    return [0, *draw(st.permutations([*range(1, number), *again]))]


PROPERTY = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def check_any_order_gives_one_room(books: Books, order: list[int], sizes: list[int]) -> None:
    events = lively().take()
    expected, found = RoomId(f"!in-order-{events[0].event_id}"), RoomId(f"!any-order-{events[0].event_id}")
    await books.mirror.take_in([moved(event, expected) for event in events])
    rest = [moved(events[index], found) for index in order]
    for size in sizes:
        batch, rest = rest[:size], rest[size:]
        await books.mirror.take_in(batch)
    await books.mirror.take_in(rest)
    one, other = await books.mirror.room(expected), await books.mirror.room(found)
    assert one is not None and other == replace(one, room_id=found)
    assert not await books.mirror.is_stale(found)


def moved(event: Event, room_id: RoomId) -> Event:
    replaced = EventId(f"{event.replaces}{room_id}") if event.replaces else None
    return replace(event, room_id=room_id, event_id=EventId(f"{event.event_id}{room_id}"), replaces=replaced)


@PROPERTY
@given(deliveries(), st.lists(st.integers(0, 5), max_size=6))
async def test_pushes_in_any_order_and_any_batches_and_twice_give_one_room(
    books: Books, order: list[int], sizes: list[int]
) -> None:
    await check_any_order_gives_one_room(books, order, sizes)


async def test_a_push_that_is_repeated_from_its_beginning_changes_nothing(books: Books) -> None:
    events = lively().take()
    await books.mirror.take_in(events)
    before = await books.mirror.room(ROOM)
    for start in range(0, len(events), 3):
        await books.mirror.take_in(events[start : start + 3])
    assert await books.mirror.room(ROOM) == before
    assert not await books.mirror.is_stale(ROOM)
