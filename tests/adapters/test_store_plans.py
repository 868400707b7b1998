"""No question that is asked for each course, room, person or pushed event reads a whole table, on either database.

The statements are those that the books really send: they are listened to while everything is asked once, and then each
is explained by the database itself.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mautrix.util.async_db import Connection

from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters.store_events import BOT, COURSE, ROOM, SAM, TESS, History, create, done, invite

MANY = 3000
LARGE = (
    "place",
    "mirror_room",
    "mirror_member",
    "mirror_state",
    "person",
    "enrolment",
    "room",
    "audit",
    "course",
    "drift",
    "hold",
    "departure",
    "stays_out",
    "request",
)


class Listening:
    """Remembers each statement with its values."""

    def __init__(self, connection: Any, heard: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._connection = connection
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._connection, name)
        if name not in ("fetch", "fetchrow", "fetchval", "execute"):
            return asked

        async def listened(query: str, *values: Any, **named: Any) -> Any:
            if re.match(r"\s*(SELECT|WITH|UPDATE|DELETE)", query):
                self._heard.append((query, values))
            return await asked(query, *values, **named)

        return listened


@pytest.fixture
async def full(db: Db) -> AsyncIterator[Db]:
    """So much in every large table that a database prefers an index where there is one."""

    async def fill(connection: Connection) -> None:
        rooms = [f"!r{number}" for number in range(MANY)]
        await connection.executemany(
            "INSERT INTO room (room_id, kind, course_id, created_at) VALUES ($1, 'course', $2, 0)",
            [(room, number + 10_000) for number, room in enumerate(rooms)],
        )
        await connection.executemany(
            "INSERT INTO mirror_room (room_id, marker_course, marker_site) VALUES ($1, $2, 'uni')",
            [(room, number + 10_000) for number, room in enumerate(rooms)],
        )
        await connection.executemany(
            "INSERT INTO place (room_id, matrix_id, moodle_id, invited_at) VALUES ($1, $2, $3, 0)",
            [(room, f"@p{number}:x", number) for number, room in enumerate(rooms)],
        )
        await connection.executemany(
            "INSERT INTO mirror_member (room_id, user_id, membership, sender, sent_at, change) "
            "VALUES ($1, $2, 'join', 'x', 0, 0)",
            [(room, f"@p{number}:x") for number, room in enumerate(rooms)],
        )
        await connection.executemany(
            "INSERT INTO mirror_state (room_id, type, state_key, content, sender, sent_at, change) "
            "VALUES ($1, 'm.room.name', '', '{}', 'x', 0, 0)",
            [(room,) for room in rooms],
        )
        await connection.executemany(
            "INSERT INTO person (moodle_id, full_name, language, matrix_id, reason, fingerprint, checked_at, "
            "audit_key) VALUES ($1, '', '', $2, '', '', 0, $3)",
            [(number, f"@p{number}:x", f"key{number}") for number in range(1, MANY)],
        )
        await connection.executemany(
            "INSERT INTO enrolment (course_id, moodle_id, roles) VALUES ($1, $2, 'student')",
            [(number + 10_000, number) for number in range(1, MANY)],
        )
        await connection.executemany(
            "INSERT INTO course (id, shortname, is_on, reason) VALUES ($1, '', 1, '')",
            [(number + 10_000,) for number in range(1, MANY)],
        )
        await connection.executemany(
            "INSERT INTO audit (number, at, course_id, kind, why, signal, result, reference) "
            "VALUES ($1, 0, $2, '', '', '', '', '')",
            [(number + 10**6, number + 10_000) for number in range(1, MANY)],
        )
        await connection.executemany(
            "INSERT INTO drift (room_id, what, sentence, since) VALUES ($1, 'banned', '', 0)",
            [(room,) for room in rooms],
        )
        await connection.executemany(
            "INSERT INTO hold (course_id, room_id, cause, users, reason, since) "
            "VALUES ($1, $2, 'removals', '[]', '', 0)",
            [(number + 10_000, room) for number, room in enumerate(rooms)],
        )
        await connection.executemany(
            "INSERT INTO departure (number, room_id, at) VALUES ($1, $2, -5)",
            [(number + 10**6, room) for number, room in enumerate(rooms)],
        )
        for table in ("request", "stays_out"):
            await connection.executemany(
                f"INSERT INTO {table} VALUES ($1, $2, 0)",
                [(number, number + 10_000) for number in range(1, MANY)],
            )

    await db.transaction(fill)
    await db.execute("ANALYZE")
    yield db


async def ask_everything(books: Books) -> None:
    """Whatever is asked for a course, a room, a person or a pushed batch."""
    history = History().created()
    history.member(SAM, "invite", by=BOT)
    await books.ledger.record(done(create()))
    await books.ledger.record(done(invite()))
    await books.mirror.take_in(history.take())
    history.member(SAM, "join")
    history.member(TESS, "leave")
    history.message(SAM, "!status")
    await books.mirror.take_in(history.take())
    await books.mirror.rooms([ROOM])
    await books.mirror.before(ROOM, "m.room.member", SAM)
    await books.mirror.before(ROOM, "m.room.name", "")
    await books.mirror.mark_stale(ROOM)
    await books.mirror.find_marked("uni", COURSE)
    await books.ledger.rooms_of(COURSE)
    await books.ledger.keys_of([ROOM])
    await books.ledger.key_of(ROOM)
    await books.ledger.read_many([ROOM])
    await books.ledger.places_in([ROOM])
    await books.courses.get(COURSE)
    await books.courses.synced(COURSE, at=1.0)
    await books.courses.roles(COURSE, MoodleUserId(8))
    await books.courses.courses_of(MoodleUserId(8))
    await books.people.look_up([MoodleUserId(8)])
    await books.people.by_matrix_id([SAM])
    await books.journal.audit(course_id=COURSE)
    await books.journal.held(COURSE)
    await books.drift.report({ROOM: {"banned": "One is banned."}}, at=1.0)
    await books.drift.report({ROOM: {}}, at=2.0)
    await books.safety.departures(ROOM, since=0.0)
    await books.safety.filled([main_room(COURSE)], at=1.0)
    await books.requests.of_course(COURSE)
    await books.requests.out_of(COURSE)
    await books.ledger.adopt(RoomId("!other"), main_room(CourseId(43)), at=1.0)


async def test_no_question_about_one_thing_reads_a_whole_table(
    full: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, tuple[Any, ...]]] = []
    original = Db._to_its_end

    async def listened(self: Db, work: Any) -> Any:
        async def inside(connection: Any) -> Any:
            return await work(Listening(connection, heard))

        return await original(self, inside)

    monkeypatch.setattr(Db, "_to_its_end", listened)
    await ask_everything(Books(full, bot=BOT, prefix="!"))
    monkeypatch.undo()
    assert len(heard) > 30
    wrong: dict[str, str] = {}
    for query, values in heard:
        for line in await explained(full, query, values):
            table = re.search(r"(?:Seq Scan on|^SCAN) (\w+)", line)
            if table is not None and table.group(1) in LARGE:
                wrong[query] = line
    assert wrong == {}


async def explained(db: Db, query: str, values: tuple[Any, ...]) -> list[str]:
    """What the database would do, a line for each step."""
    how = "EXPLAIN QUERY PLAN" if db.is_sqlite else "EXPLAIN"
    rows = await db.fetch(f"{how} {query}", *values)
    return [str(row["detail"] if db.is_sqlite else row[0]) for row in rows]


async def test_a_question_that_would_read_a_whole_table_is_seen_by_this_test(full: Db) -> None:
    lines = await explained(full, "SELECT room_id FROM place WHERE invited_at = 5", ())
    assert any(re.search(r"(?:Seq Scan on|^SCAN) place", line) for line in lines)
