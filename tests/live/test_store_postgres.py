"""The store on PostgreSQL: every test that SQLite's store passes, and what only a server can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mautrix.util.async_db import Connection

from moodle_appservice.domain.model import EventId, MoodleUserId, Resolution, RoomId, Trust, UserId
from moodle_appservice.errors import Refused, TemporaryFailure, Unreachable
from moodle_appservice.store.board import BoardBook
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters import test_matrix_events as matrix_events
from tests.adapters import test_store_mirror as mirror
from tests.adapters.store_events import BOT, SAM, TESS, History, done, invite, memberships
from tests.adapters.test_audit_book import *  # noqa: F403
from tests.adapters.test_backup import *  # noqa: F403
from tests.adapters.test_store_audit import *  # noqa: F403
from tests.adapters.test_store_board import *  # noqa: F403
from tests.adapters.test_store_db import *  # noqa: F403
from tests.adapters.test_store_groups import *  # noqa: F403
from tests.adapters.test_store_journal import *  # noqa: F403
from tests.adapters.test_store_ledger import *  # noqa: F403
from tests.adapters.test_store_links import *  # noqa: F403
from tests.adapters.test_store_lti import *  # noqa: F403
from tests.adapters.test_store_mirror import *  # noqa: F403
from tests.adapters.test_store_newest import *  # noqa: F403
from tests.adapters.test_store_people import *  # noqa: F403
from tests.adapters.test_store_personal import *  # noqa: F403
from tests.adapters.test_store_plans import *  # noqa: F403
from tests.adapters.test_store_reading import *  # noqa: F403
from tests.adapters.test_store_upgrades import *  # noqa: F403
from tests.domain import values
from tests.live.postgres import PostgresServer


@pytest.fixture(scope="module")
def store_url(postgres: PostgresServer) -> Iterator[str]:
    """One database for all tests of this module: making one takes longer than most of them."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def fresh_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture(scope="module")
async def started(store_url: str) -> AsyncIterator[Db]:
    made = Db(store_url)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def db(started: Db) -> AsyncIterator[Db]:
    yield started
    rows = await started.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    tables = [row["tablename"] for row in rows if not row["tablename"].endswith("_version")]
    await started.execute(f"TRUNCATE {', '.join(tables)}")


@pytest.fixture
def books(db: Db) -> Books:
    return Books(db, bot=BOT, prefix="!moodle")


# In place of the shared test: one with generated values can't be run by two modules.
@mirror.PROPERTY  # type: ignore[no-redef]
@given(mirror.deliveries(), st.lists(st.integers(0, 5), max_size=6))
async def test_pushes_in_any_order_and_any_batches_and_twice_give_one_room(
    books: Books, order: list[int], sizes: list[int]
) -> None:
    await mirror.check_any_order_gives_one_room(books, order, sizes)


@matrix_events.PROPERTY
@given(matrix_events.pushed())
async def test_whatever_was_kept_of_a_push_the_store_takes_it(books: Books, raw: list[Any]) -> None:
    await matrix_events.check_any_events_can_be_stored(books, raw)


async def test_pushes_and_bookings_at_the_same_time_do_not_lock_each_other_out(books: Books) -> None:
    rooms = [History(room_id) for room_id in (RoomId(f"!room{number}") for number in range(6))]
    for history in rooms:
        await books.mirror.take_in(history.created().take())
    batches = [[history.member(SAM, "join"), history.member(SAM, "leave")] for history in rooms]
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(books.mirror.take_in(batch) for batch in batches),
            *(books.ledger.record(done(invite(TESS, 7), history.room_id)) for history in rooms),
            *(books.mirror.mark_stale(history.room_id) for history in rooms),
        )
    for history in rooms:
        assert await memberships(books, history.room_id) == {SAM: "leave", TESS: "invite"}


async def test_the_lock_is_given_back_when_the_owner_s_connection_ends(fresh_url: str) -> None:
    owner, other = Db(fresh_url), Db(fresh_url)
    await owner.start()
    with pytest.raises(Refused):
        await other.start()
    await owner._lock_connection.close()
    await other.start()
    await other.stop()
    await owner.stop()


async def test_a_server_that_does_not_answer_is_said_without_the_password(store_url: str) -> None:
    parts = urlsplit(store_url)
    silent = parts._replace(netloc="someone:very-secret@127.0.0.1:1").geturl()
    with pytest.raises(Unreachable, match="PostgreSQL does not answer") as failed:
        await Db(silent).start()
    assert "very-secret" not in str(failed.value)
    unknown = parts._replace(path="/no_such_database").geturl()
    with pytest.raises(Unreachable, match="InvalidCatalogName"):
        await Db(unknown).start()


async def test_one_process_at_a_time_is_the_reader_until_it_has_said_nothing_for_so_long(db: Db) -> None:
    board = BoardBook(db)
    assert await board.lead(1, seconds=40)
    assert not await board.lead(2, seconds=40)
    assert await board.lead(1, seconds=40)
    await db.execute("UPDATE board_reader SET beaten_at = beaten_at - 41")
    assert await board.lead(2, seconds=40)
    assert not await board.lead(1, seconds=40)
    await board.retire(1)
    assert not await board.lead(1, seconds=40), "only who reads can stop reading"
    await board.retire(2)
    assert await board.lead(1, seconds=40)


async def test_processes_of_a_cluster_start_at_once_on_an_empty_database(fresh_url: str) -> None:
    made = 0
    busy = False

    async def make_tables() -> None:
        nonlocal made, busy
        assert not busy, "two at once"
        busy = True
        await asyncio.sleep(0)
        made, busy = made + 1, False

    several = [Db(fresh_url, shared=True, make_tables=make_tables) for _ in range(6)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(one.start() for one in several))
    assert made == 6
    for one in several:
        assert await one.fetch("SELECT * FROM board_settled") == []
    await asyncio.gather(*(one.stop() for one in several))


async def test_a_cluster_and_a_single_process_keep_each_other_out(fresh_url: str) -> None:
    one, two, single = Db(fresh_url, shared=True), Db(fresh_url, shared=True), Db(fresh_url)
    await one.start()
    with pytest.raises(Refused, match=r"cluster\.enabled"):
        await single.start()
    await two.start()
    await one.stop()
    await two.stop()
    await single.start()
    with pytest.raises(Refused):
        await one.start()
    await single.stop()


async def test_after_a_restart_of_postgresql_the_database_is_still_ours_alone(postgres_url: str) -> None:
    ours = Db(postgres_url)
    await ours.start()
    await ours.fetch("SELECT 1")
    lost = ours._lock_connection
    killer = await asyncpg.connect(postgres_url)
    await killer.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )
    await killer.close()
    async with asyncio.timeout(30):
        # The connections end one by one: a query may succeed before the end of the one that holds the lock is seen.
        while ours._lock_connection is lost:
            try:
                await ours.fetch("SELECT 1")
            except TemporaryFailure:
                await asyncio.sleep(0.05)
    with pytest.raises(Refused, match="Another process of this service uses the same database"):
        await Db(postgres_url).start()
    await ours.stop()


async def test_a_connection_that_is_lost_inside_a_transaction_is_trouble_that_passes(
    postgres_url: str,
) -> None:
    ours = Db(postgres_url)
    await ours.start()

    async def work(connection: Connection) -> None:
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        # The driver says of this one that it is closed, which is no error of PostgreSQL's.
        await connection.execute("SELECT 1")

    with pytest.raises(TemporaryFailure, match="is closed"):
        await ours.transaction(work)
    assert (await ours.fetch_one("SELECT 1 AS one")) is not None
    await ours.stop()


async def test_a_driver_that_lost_track_of_a_connection_does_not_end_the_process(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def loses_track(*_: object, **__: object) -> None:
        raise asyncpg.InternalClientError("got result for unknown protocol state 3")

    ours = Db(postgres_url)
    await ours.start()
    with monkeypatch.context() as patched, pytest.raises(TemporaryFailure, match="unknown protocol state"):
        patched.setattr(asyncpg.Connection, "fetch", loses_track)
        await ours.fetch("SELECT 1")
    assert (await ours.fetch_one("SELECT 1 AS one")) is not None
    await ours.stop()


async def test_who_was_faster_after_a_restart_of_postgresql_has_the_database(postgres_url: str) -> None:
    ours, other = Db(postgres_url), Db(postgres_url)
    await ours.start()
    await ours._lock_connection.close()
    await other.start()
    with pytest.raises(Refused, match="Another process of this service uses the same database"):
        await ours.execute("INSERT INTO setting (name, value) VALUES ('a', 'b')")
    await other.stop()
    await ours.execute("INSERT INTO setting (name, value) VALUES ('a', 'b')")
    await ours.stop()


async def test_a_command_that_two_processes_hear_is_answered_by_one_of_them(fresh_url: str) -> None:
    several = [Db(fresh_url, shared=True) for _ in range(2)]
    await several[0].start()
    await several[1].start()
    journals = [Books(one, bot=BOT, prefix="!").journal for one in several]
    events = [EventId(f"$command{number}") for number in range(30)]
    for event_id in events:
        await several[0].execute(
            "INSERT INTO command (event_id, room_id, sender, body, sent_at, encrypted, state) "
            "VALUES ($1, '!room', $2, 'status', 0, 0, 'new')",
            *(event_id, SAM),
        )
    claims = [journal.claim_command(event_id) for event_id in events for journal in journals]
    found = [row.event_id for row in await asyncio.gather(*claims) if row is not None]
    assert sorted(found) == sorted(events)
    for one in several:
        await one.stop()


async def test_giving_a_connection_back_asks_the_server_nothing(db: Db, store_url: str) -> None:
    await db.fetch_one("SELECT 1 AS only_this")
    onlooker = await asyncpg.connect(store_url)
    try:
        rows = await onlooker.fetch(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await onlooker.close()
    last = [row["query"] for row in rows]
    assert "SELECT 1 AS only_this" in last
    assert not any("RESET ALL" in query for query in last)


async def test_a_transaction_that_was_left_open_does_not_outlast_its_connections_use(db: Db) -> None:
    connection: Connection
    async with db._database.acquire() as connection:
        await connection.execute("BEGIN")
        await connection.execute("INSERT INTO setting (name, value) VALUES ('left', 'open')")
    assert await db.fetch_one("SELECT 1 FROM setting WHERE name = 'left'") is None


async def test_people_who_are_saved_and_invited_at_once_do_not_hold_each_other_up(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both lock the rows of these people: in different orders each would wait for the other."""
    failures: list[BaseException] = []
    transaction = books.db.transaction

    async def watched(work: Any) -> Any:
        try:
            return await transaction(work)
        except BaseException as failure:
            failures.append(failure)
            raise

    monkeypatch.setattr(books.db, "transaction", watched)
    people = [MoodleUserId(number) for number in range(1, 301)]
    rooms = {user_id: RoomId(f"!deadlock{user_id}") for user_id in people}

    def found(user_id: MoodleUserId) -> Resolution:
        return Resolution(user_id, UserId(f"@u{user_id}:uni.test"), Trust.DERIVED)

    async def saved(order: list[MoodleUserId]) -> None:
        await asyncio.gather(
            *(books.people.save(values.person(int(one)), found(one), at=1.0) for one in order)
        )

    async def invited(order: list[MoodleUserId]) -> None:
        invites = (done(invite(found(one).matrix_id or TESS, int(one)), rooms[one]) for one in order)
        await asyncio.gather(*map(books.ledger.record, invites))

    for _ in range(6):
        await saved(people)
        await asyncio.gather(saved(people[::-1]), invited(people))
        await books.db.execute("UPDATE person SET audit_key = NULL")
    assert failures == []


async def test_two_that_wait_for_each_other_are_a_temporary_failure_of_one(db: Db) -> None:
    await db.execute("INSERT INTO setting (name, value) VALUES ('one', ''), ('two', '')")
    both_hold_one = asyncio.Barrier(2)

    def holding(first: str, second: str) -> Any:
        async def work(connection: Connection) -> None:
            for name in (first, second):
                await connection.execute("UPDATE setting SET value = $2 WHERE name = $1", name, first)
                if name == first:
                    await both_hold_one.wait()

        return db.transaction(work)

    ends = await asyncio.gather(holding("one", "two"), holding("two", "one"), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "TemporaryFailure"]
