"""Lines of the audit log name people by a key that lies with the person; and what stays of people who were erased."""

from __future__ import annotations

import asyncio

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, Resolution, Role, RoomId, Trust, UserId
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from moodle_appservice.store.keys import name_by_keys
from tests.adapters.store_events import COURSE, ROOM, SAM, TESS, done, invite, remove
from tests.domain.values import person

SAM_S, TESS_S = MoodleUserId(8), MoodleUserId(7)


async def acquainted(books: Books, *people: tuple[MoodleUserId, UserId]) -> None:
    for user_id, matrix_id in people:
        await books.people.save(person(int(user_id)), Resolution(user_id, matrix_id, Trust.DERIVED), at=1.0)


async def test_no_line_names_anybody_and_each_leads_to_its_person(books: Books, db: Db) -> None:
    await acquainted(books, (SAM_S, SAM), (TESS_S, TESS))
    await books.ledger.record(done(invite(SAM, 8)))
    await books.ledger.record(done(remove(TESS, 7), error=f"{TESS} is an administrator."))
    await books.ledger.record(done(invite(SAM, 8)))
    assert [line.person for line in await books.journal.audit()] == [SAM_S, TESS_S, SAM_S]
    assert [line.result for line in await books.journal.audit(person=TESS_S)] == [
        "this account is an administrator."
    ]
    rows = await db.fetch("SELECT * FROM audit ORDER BY number")
    assert not any(name in repr(dict(row)) for row in rows for name in (SAM, TESS))
    assert [len(row["person"]) for row in rows] == [32, 32, 32]
    assert rows[0]["person"] == rows[2]["person"] != rows[1]["person"]


async def test_a_line_about_somebody_whom_we_do_not_know_names_nobody(books: Books) -> None:
    await books.ledger.record(done(invite(SAM, 8)))
    (line,) = await books.journal.audit()
    assert (line.person, line.kind) == (None, "Invite")


async def test_with_the_key_goes_the_way_from_a_line_to_its_person(books: Books, db: Db) -> None:
    await acquainted(books, (SAM_S, SAM))
    await books.ledger.record(done(invite(SAM, 8)))
    await db.execute("DELETE FROM person WHERE moodle_id = 8")
    await acquainted(books, (SAM_S, SAM))
    assert [line.person for line in await books.journal.audit()] == [None]


async def test_a_person_keeps_the_key_over_later_looks(books: Books) -> None:
    await acquainted(books, (SAM_S, SAM))
    await books.ledger.record(done(invite(SAM, 8)))
    await acquainted(books, (SAM_S, TESS))
    await books.ledger.record(done(invite(TESS, 8)))
    assert [line.person for line in await books.journal.audit()] == [SAM_S, SAM_S]


async def test_who_was_stored_by_a_version_without_keys_gets_one_at_the_first_line(
    books: Books, db: Db
) -> None:
    await acquainted(books, (SAM_S, SAM), (TESS_S, TESS))
    await db.execute("UPDATE person SET audit_key = NULL")
    await books.ledger.record(done(invite(SAM, 8)))
    others = (
        done(invite(user, int(person)), RoomId(f"!{user}")) for user, person in ((SAM, SAM_S), (TESS, TESS_S))
    )
    await asyncio.gather(*map(books.ledger.record, others))
    lines = await books.journal.audit()
    assert sorted(line.person or 0 for line in lines) == [TESS_S, SAM_S, SAM_S]
    rows = await db.fetch("SELECT DISTINCT person FROM audit")
    assert sorted(len(row["person"]) for row in rows) == [32, 32]


async def test_what_is_no_action_is_noted_too(books: Books) -> None:
    await acquainted(books, (SAM_S, SAM))
    await books.journal.note(
        "LinkRefused", at=5.0, why="The code is wrong.", result="Refused.", person=SAM_S, reference="r1"
    )
    await books.journal.note(
        "Other", at=6.0, why="For a course.", course_id=COURSE, room_id=ROOM, signal="cli"
    )
    other, refused = await books.journal.audit()
    assert (refused.kind, refused.why, refused.result, refused.person, refused.reference, refused.at) == (
        *("LinkRefused", "The code is wrong.", "Refused.", SAM_S, "r1"),
        5.0,
    )
    assert (other.course_id, other.room_id, other.signal, other.result) == (COURSE, ROOM, "cli", "done")
    assert await books.journal.audit(person=SAM_S, course_id=COURSE) == []


@pytest.mark.parametrize("by", ["place", "person", "nobody"])
async def test_lines_from_before_the_keys_are_given_them(books: Books, db: Db, by: str) -> None:
    await acquainted(books, (SAM_S, SAM if by == "person" else TESS))
    if by == "place":
        await db.execute(
            "INSERT INTO place (room_id, matrix_id, moodle_id, invited_at) VALUES ($1, $2, 8, 1.0)", ROOM, SAM
        )
    for number in (1, 2):
        await db.execute(
            "INSERT INTO audit (number, at, room_id, matrix_id, kind, why, signal, result, reference) "
            "VALUES ($1, 1.0, $2, $3, 'Invite', 'x', 'pass', $4, '')",
            *(number, ROOM, SAM, f"{SAM} is away."),
        )
    await db.transaction(name_by_keys)
    lines = await books.journal.audit()
    assert [line.person for line in lines] == ([None, None] if by == "nobody" else [SAM_S, SAM_S])
    assert SAM not in repr([dict(row) for row in await db.fetch("SELECT * FROM audit")])


async def test_who_is_excluded_is_known_by_a_hash_alone(books: Books, db: Db) -> None:
    assert await books.people.excluded([SAM_S, TESS_S]) == frozenset()
    await books.people.exclude(SAM_S, at=5.0)
    await books.people.exclude(SAM_S, at=6.0)
    assert await books.people.excluded([SAM_S, TESS_S]) == {SAM_S}
    assert await books.people.excluded([TESS_S]) == frozenset()
    assert await books.people.excluded([]) == frozenset()
    (row,) = await db.fetch("SELECT * FROM exclusion")
    assert len(row["person_hash"]) == 64
    assert not await books.people.readmit(TESS_S)
    assert await books.people.readmit(SAM_S)
    assert await books.people.excluded([SAM_S, TESS_S]) == frozenset()
    assert not await books.people.readmit(SAM_S)


async def test_who_is_excluded_is_not_stored_as_enrolled(books: Books) -> None:
    await books.people.exclude(SAM_S, at=5.0)
    roles = {SAM_S: frozenset({Role("student")}), TESS_S: frozenset({Role("student")})}
    await books.courses.set_enrolments(CourseId(42), roles, facts_hash="h")
    assert await books.courses.courses_of(SAM_S) == {}
    assert set(await books.courses.courses_of(TESS_S)) == {CourseId(42)}


async def test_what_we_wrote_into_a_profile_field_is_remembered(books: Books) -> None:
    await acquainted(books, (SAM_S, SAM), (TESS_S, TESS))
    await books.people.wrote_field(SAM_S, SAM)
    assert await books.people.written_fields([SAM_S, TESS_S]) == {SAM_S: SAM}
    await acquainted(books, (SAM_S, SAM))
    assert await books.people.written_fields([SAM_S]) == {SAM_S: SAM}
