"""The database itself: transactions that a cancelled caller does not break, one owner, and schemas of the future."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from mautrix.util.async_db import Connection

from moodle_appservice.domain.model import CourseId, EventId, MoodleUserId, Resolution, RoomId, Trust
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.errors import PermanentFailure, Refused, TemporaryFailure
from moodle_appservice.ports import CourseRow
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db, fetch_in, to_json
from tests.adapters.store_events import (
    COURSE,
    ROOM,
    SAM,
    TESS,
    connections_left_open,
    create,
    done,
    invite,
    lively,
)
from tests.domain import values


async def stored(db: Db) -> dict[str, str]:
    return {row["name"]: row["value"] for row in await db.fetch("SELECT name, value FROM setting")}


async def put(connection: Connection, name: str) -> None:
    await connection.execute("INSERT INTO setting (name, value) VALUES ($1, $1)", name)


async def test_a_transaction_is_all_or_nothing(db: Db) -> None:
    async def work(connection: Connection) -> None:
        await put(connection, "first")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await db.transaction(work)
    assert await stored(db) == {}
    await db.transaction(lambda connection: put(connection, "second"))
    assert await stored(db) == {"second": "second"}


async def test_a_disk_that_is_full_is_a_temporary_failure_and_nothing_is_stored(tmp_path: Path) -> None:
    db = Db(f"sqlite:{tmp_path / 'small.db'}")
    await db.start()
    await db.execute("PRAGMA max_page_count = 1")
    big = "x" * 1_000_000
    with pytest.raises(TemporaryFailure, match=r"database or disk is full.*space on its disk"):
        await db.execute("INSERT INTO setting (name, value) VALUES ('big', $1)", big)
    assert await stored(db) == {}
    await db.execute("PRAGMA max_page_count = 1000000")
    await db.execute("INSERT INTO setting (name, value) VALUES ('big', $1)", big)
    assert await stored(db) == {"big": big}
    await db.stop()


class Halt:
    """A point in a transaction at which it stands still. One of SQLite runs in a thread, one of PostgreSQL does not."""

    def __init__(self, db: Db) -> None:
        self._is_in_thread = db.is_sqlite
        self._loop = asyncio.get_running_loop()
        self._going_on, self._going_on_in_thread = asyncio.Event(), threading.Event()
        self.inside = asyncio.Event()

    async def stand_still(self) -> None:
        self._loop.call_soon_threadsafe(self.inside.set)
        if self._is_in_thread:
            assert opens(self._going_on_in_thread)
        else:
            await self._going_on.wait()

    def go_on(self) -> None:
        self._going_on.set()
        self._going_on_in_thread.set()


def opens(event: threading.Event) -> bool:
    """Whether somebody sets it; keeps the thread that waits for it."""
    return event.wait(timeout=60)


async def test_a_caller_who_is_cancelled_waits_for_the_end_of_the_transaction_which_stands(db: Db) -> None:
    halt = Halt(db)

    async def work(connection: Connection) -> None:
        await put(connection, "first")
        await halt.stand_still()
        await put(connection, "second")

    caller = asyncio.create_task(db.transaction(work))
    await halt.inside.wait()
    caller.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not caller.done()
    halt.go_on()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await stored(db) == {"first": "first", "second": "second"}


async def test_a_transaction_that_fails_after_its_caller_was_cancelled_leaves_the_database_usable(
    db: Db,
) -> None:
    halt = Halt(db)

    async def work(connection: Connection) -> None:
        await put(connection, "first")
        await halt.stand_still()
        raise RuntimeError("too late for anybody")

    caller = asyncio.create_task(db.transaction(work))
    await halt.inside.wait()
    caller.cancel()
    halt.go_on()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await stored(db) == {}
    await db.transaction(lambda connection: put(connection, "second"))
    assert await stored(db) == {"second": "second"}


async def test_a_caller_who_is_cancelled_twice_leaves_the_database_usable(db: Db) -> None:
    halt = Halt(db)

    async def work(connection: Connection) -> None:
        await put(connection, "first")
        await halt.stand_still()

    caller = asyncio.create_task(db.transaction(work))
    await halt.inside.wait()
    for _ in range(2):
        caller.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
    halt.go_on()
    with pytest.raises(asyncio.CancelledError):
        await caller
    # Who is cancelled again does not wait any longer; the transaction still ends.
    async with asyncio.timeout(60):
        while await stored(db) != {"first": "first"}:
            await asyncio.sleep(0)


async def test_callers_who_are_cancelled_while_they_wait_for_the_connection_disturb_nobody(db: Db) -> None:
    async def work(connection: Connection) -> None:
        for number in range(3):
            await connection.execute("SELECT $1", str(number))

    callers = [asyncio.create_task(db.transaction(work)) for _ in range(30)]
    for _ in range(3):
        await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    await asyncio.wait(callers)
    assert all(caller.cancelled() or caller.exception() is None for caller in callers)
    assert await stored(db) == {}


async def test_many_transactions_at_once_all_end(db: Db) -> None:
    await asyncio.gather(*(db.transaction(lambda one, n=n: put(one, f"v{n:02}")) for n in range(30)))  # type: ignore[misc]
    assert len(await stored(db)) == 30


async def test_a_list_of_values_of_any_length_is_looked_up(db: Db) -> None:
    await db.execute("INSERT INTO setting (name, value) VALUES ('v7', 'x'), ('v1999', 'y'), ('w', 'x')")
    names = [f"v{number}" for number in range(2000)]
    rows = await db.fetch_in("SELECT name FROM setting WHERE value <> $1 AND name IN ({in})", names, "z")
    assert sorted(row["name"] for row in rows) == ["v1999", "v7"]
    assert await db.fetch_in("SELECT name FROM setting WHERE name IN ({in})", []) == []

    async def work(connection: Connection) -> list[str]:
        return [
            row["name"]
            for row in await fetch_in(connection, "SELECT name FROM setting WHERE name IN ({in})", ["w"])
        ]

    assert await db.transaction(work) == ["w"]


async def test_a_second_process_is_refused_and_the_first_goes_on(db: Db, store_url: str) -> None:
    other = Db(store_url)
    with pytest.raises(Refused, match="Another process of this service uses the same database"):
        await other.start()
    await db.execute("INSERT INTO setting (name, value) VALUES ('a', 'b')")
    assert await stored(db) == {"a": "b"}


async def test_after_a_stop_the_next_process_finds_everything(fresh_url: str) -> None:
    first = Db(fresh_url)
    await first.start()
    await first.execute("INSERT INTO setting (name, value) VALUES ('a', 'b')")
    await first.stop()
    second = Db(fresh_url)
    await second.start()
    assert await stored(second) == {"a": "b"}
    await second.stop()


async def test_a_database_of_a_newer_version_is_left_alone(fresh_url: str) -> None:
    first = Db(fresh_url)
    await first.start()
    await first.execute("UPDATE moodle_appservice_version SET version = 1000")
    await first.stop()
    before = set(threading.enumerate())
    for _ in range(2):
        newer = Db(fresh_url)
        with pytest.raises(PermanentFailure, match=r"written by a newer version.*Nothing was changed"):
            await newer.start()
    assert connections_left_open(before) == []


async def test_every_question_and_every_change_is_one_transaction(
    db: Db, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    await books.ledger.record(done(create()))
    await books.journal.hold(COURSE, ROOM, frozenset({SAM}), "Many.", at=1.0)
    await books.journal.hold(CourseId(43), ROOM, frozenset({SAM}), "Many.", at=1.0)
    history = lively()
    person = values.person(8)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: books.mirror.take_in(history.take()),
        lambda: books.mirror.replace(ROOM, [], guard="0"),
        lambda: books.mirror.room(ROOM),
        lambda: books.mirror.find_marked("uni", COURSE),
        lambda: books.mirror.mark_stale(),
        lambda: books.mirror.set_direct(SAM, ROOM),
        lambda: books.mirror.forget(ROOM),
        lambda: books.ledger.record(done(invite())),
        lambda: books.ledger.read(ROOM),
        lambda: books.ledger.adopt(ROOM, main_room(COURSE), at=1.0),
        lambda: books.ledger.unwanted(ROOM, [SAM, TESS]),
        lambda: books.ledger.set_control_room(RoomId("!control")),
        lambda: books.ledger.release(ROOM),
        lambda: books.courses.save(
            [CourseRow(COURSE, "C", True, "On."), CourseRow(CourseId(43), "D", True, "On.")]
        ),
        lambda: books.courses.synced(COURSE, at=1.0),
        lambda: books.courses.set_enrolments(COURSE, {person.id: frozenset()}, facts_hash="x"),
        lambda: books.people.save(person, Resolution(person.id, SAM, Trust.DERIVED), at=1.0),
        lambda: books.people.look_up([MoodleUserId(number) for number in range(1000)]),
        lambda: books.journal.confirm(),
        lambda: books.journal.claim_command(EventId("$x")),
        lambda: books.journal.sent("key", EventId("$x")),
        lambda: books.settings.next_number("x"),
    ]
    begun: list[object] = []
    original = db._to_its_end

    async def counted(work: Callable[..., Awaitable[object]]) -> object:
        begun.append(work)
        return await original(work)

    monkeypatch.setattr(db, "_to_its_end", counted)
    for number, call in enumerate(calls):
        begun.clear()
        await call()
        assert len(begun) == 1, f"call {number}: {begun}"


def test_json_for_a_column_is_ascii_and_always_the_same() -> None:
    assert to_json({"b": "ü\0\ud800", "a": [1]}) == '{"a":[1],"b":"\\u00fc\\u0000\\ud800"}'
