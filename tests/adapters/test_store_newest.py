"""The newest write of ours that was pushed back: by it a restored homeserver is known."""

from __future__ import annotations

from moodle_appservice.domain.model import EventId, UserId
from moodle_appservice.domain.order import Version
from moodle_appservice.domain.power import CANARY
from moodle_appservice.ports import OwnWrite
from moodle_appservice.store.books import Books
from tests.adapters.store_events import (
    BOT,
    ROOM,
    SAM,
    TESS,
    History,
    create,
    done,
    invite,
    remove,
    set_name,
)


async def pushed(books: Books, history: History) -> None:
    await books.mirror.take_in(history.take())


def canary(history: History, process: str = "") -> EventId:
    return history.state(BOT, CANARY, {"counter": len(history.last)}, process).event_id


async def test_nothing_is_known_before_the_first_push(books: Books) -> None:
    assert await books.mirror.newest_own() is None


async def test_it_is_the_last_of_ours_and_what_others_write_does_not_count(books: Books) -> None:
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    event = history.member(TESS, "invite", by=BOT)
    history.member(SAM, "join")
    history.state(TESS, "m.room.name", {"name": "Ours"})
    history.member(BOT, "join", by=BOT)
    await pushed(books, history)
    version = Version(event.event_id, None, event.timestamp)
    assert await books.mirror.newest_own() == OwnWrite(ROOM, "m.room.member", TESS, version)


async def test_state_of_which_the_answer_has_told_the_id_counts_when_it_is_pushed(books: Books) -> None:
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    await pushed(books, history)
    ours = history.state(BOT, "m.room.name", {"name": "Algebra"})
    before = await books.mirror.before(ROOM, "m.room.name", "")
    await books.ledger.record(done(set_name("Algebra"), before=before, event_id=ours.event_id))
    newest = await books.mirror.newest_own()
    assert newest is not None and newest.type == "m.room.member"
    await pushed(books, history)
    newest = await books.mirror.newest_own()
    assert newest is not None and (newest.type, newest.version.event_id) == ("m.room.name", ours.event_id)


async def test_what_others_have_written_over_it_is_the_version_that_must_be_there(books: Books) -> None:
    history = History().created()
    ours = history.state(BOT, "m.room.name", {"name": "Algebra"})
    theirs = history.state(TESS, "m.room.name", {"name": "Ours"})
    await pushed(books, history)
    newest = await books.mirror.newest_own()
    assert newest == OwnWrite(
        ROOM, "m.room.name", "", Version(theirs.event_id, ours.event_id, theirs.timestamp)
    )


async def test_while_a_canary_is_on_its_way_and_when_it_has_come_nothing_is_newer_than_it(
    books: Books,
) -> None:
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    await pushed(books, history)
    await books.mirror.await_canary("")
    assert await books.mirror.newest_own() is None
    history.member(TESS, "invite", by=BOT)
    await pushed(books, history)
    assert await books.mirror.newest_own() is None, "it was written before the canary"
    history.member(UserId("@old:uni.test"), "invite", by=BOT)
    canary(history)
    await pushed(books, history)
    assert await books.mirror.newest_own() is None
    history.member(UserId("@new:uni.test"), "invite", by=BOT)
    await pushed(books, history)
    newest = await books.mirror.newest_own()
    assert newest is not None and newest.state_key == "@new:uni.test"


async def test_what_follows_a_canary_in_one_push_is_newer(books: Books) -> None:
    history = History().created()
    await pushed(books, history)
    await books.mirror.await_canary("")
    canary(history)
    history.member(SAM, "invite", by=BOT)
    await pushed(books, history)
    newest = await books.mirror.newest_own()
    assert newest is not None and newest.state_key == SAM


async def test_in_a_cluster_the_canary_of_another_process_ends_no_wait(books: Books) -> None:
    history = History().created()
    await pushed(books, history)
    await books.mirror.await_canary("a")
    canary(history, "b")
    history.member(SAM, "invite", by=BOT)
    await pushed(books, history)
    assert await books.mirror.newest_own() is None
    canary(history, "a")
    history.member(TESS, "invite", by=BOT)
    await pushed(books, history)
    newest = await books.mirror.newest_own()
    assert newest is not None and newest.state_key == TESS


async def test_where_the_bot_is_not_any_more_and_where_a_request_was_not_pushed_yet_nobody_can_tell(
    books: Books,
) -> None:
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    await pushed(books, history)
    await books.ledger.record(done(invite(), before=await books.mirror.before(ROOM, "m.room.member", SAM)))
    assert await books.mirror.newest_own() is None
    history.member(TESS, "invite", by=BOT)
    await pushed(books, history)
    assert await books.mirror.newest_own() is not None
    history.member(BOT, "leave", by=TESS)
    await pushed(books, history)
    assert await books.mirror.newest_own() is None
    await books.mirror.forget(ROOM)
    assert await books.mirror.newest_own() is None


async def test_a_membership_that_was_changed_and_not_pushed_back_is_unconfirmed_until_it_is(
    books: Books,
) -> None:
    history = History().created()
    await pushed(books, history)
    nothing = await books.mirror.before(ROOM, "m.room.member", SAM)
    await books.ledger.record(done(invite(), at=5.0, before=nothing))
    assert await books.mirror.unconfirmed(before=5.0) == {}
    assert await books.mirror.unconfirmed(before=5.1) == {ROOM: frozenset({SAM})}
    history.member(SAM, "invite", by=BOT)
    await pushed(books, history)
    assert await books.mirror.unconfirmed(before=1e9) == {}


async def test_the_bot_in_a_room_that_it_has_just_made_is_not_unconfirmed(books: Books) -> None:
    await books.ledger.record(done(create()))
    assert await books.mirror.unconfirmed(before=1e9) == {}


async def test_only_the_places_that_are_named_count_again(books: Books) -> None:
    await books.ledger.record(done(create()))
    for user, person in ((SAM, 8), (TESS, 9)):
        await books.ledger.record(done(invite(user, person)))
        await books.ledger.record(done(remove(user, person)))
    assert (await books.ledger.read(ROOM)).places == frozenset()
    await books.ledger.want_again_in(ROOM, [SAM])
    assert (await books.ledger.read(ROOM)).places == {SAM}


async def test_of_a_room_that_is_to_be_read_again_nobody_can_tell_and_it_is_not_named_twice(
    books: Books,
) -> None:
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    await pushed(books, history)
    nothing = await books.mirror.before(ROOM, "m.room.member", TESS)
    await books.ledger.record(done(invite(TESS, 9), at=5.0, before=nothing))
    assert await books.mirror.newest_own() is not None
    assert await books.mirror.unconfirmed(before=9.0) == {ROOM: frozenset({TESS})}
    await books.mirror.mark_stale(ROOM)
    assert await books.mirror.newest_own() is None
    assert await books.mirror.unconfirmed(before=9.0) == {}
