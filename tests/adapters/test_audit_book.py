"""The audit log handed out, and old rows forgotten in time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from moodle_appservice.domain.model import CourseId, EventId, MoodleUserId, Resolution, Role, RoomId
from moodle_appservice.engine.retention import DAY, Keep, Retention
from moodle_appservice.errors import TemporaryFailure
from moodle_appservice.ports import AuditLine, Forgotten, Limits
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters.store_events import COURSE, SAM, TESS, History, done, invite
from tests.domain.values import person
from tests.fakes import FakeClock

NOW = 1_000_000.0
NOTHING = Limits(audit=0.0, commands=0.0, messages=0.0, requests=0.0, unanswered=0.0)


async def lines(books: Books, **given: object) -> Sequence[AuditLine]:
    return await books.audit.page(**{"after": 0, "limit": 100, **given})  # type: ignore[arg-type]


@pytest.fixture
async def logged(books: Books) -> Books:
    """Two people, three lines about them, and one about nobody."""
    for number, user in ((8, SAM), (7, TESS)):
        await books.people.save(person(number), Resolution(MoodleUserId(number), user, None), at=NOW)
    await books.ledger.record(done(invite(SAM, 8)))
    await books.journal.note("Told", at=NOW, why="Tess asked.", person=MoodleUserId(7), signal="command")
    await books.journal.note("Told", at=NOW + 5, why="Sam asked.", person=MoodleUserId(8), reference="ab12")
    await books.journal.note("Restarted", at=NOW + 9, why="It was time.")
    return books


async def test_every_line_has_when_key_room_opaque_person_kind_why_signal_result_and_reference(
    logged: Books,
) -> None:
    first, second, third, fourth = await lines(logged)
    assert (first.key, first.kind, first.result) == (f"course:{COURSE}", "Invite", "done")
    assert first.room_id and first.why and first.signal
    assert (second.key, second.signal, second.course_id) == ("person", "command", None)
    assert (third.key, third.reference, third.at) == ("person", "ab12", NOW + 5)
    assert (fourth.key, fourth.person) == ("site", None)
    assert first.person == third.person != second.person
    for line in (first, second, third):
        assert line.person is not None and len(line.person) == 32
        assert SAM not in repr(line) and TESS not in repr(line)


async def test_lines_come_in_pages_of_a_course_of_a_person_and_since_a_day(logged: Books) -> None:
    everything = await lines(logged)
    assert [line.number for line in await lines(logged, limit=2)] == [
        everything[0].number,
        everything[1].number,
    ]
    assert await lines(logged, after=everything[1].number) == everything[2:]
    assert await lines(logged, course_id=COURSE) == everything[:1]
    assert await lines(logged, person=MoodleUserId(8)) == [everything[0], everything[2]]
    assert await lines(logged, since=NOW + 6) == everything[3:]
    assert await lines(logged, person=MoodleUserId(99)) == []


async def test_old_lines_of_the_audit_log_go_and_younger_ones_stay(logged: Books) -> None:
    limits = Limits(audit=NOW + 5, commands=0.0, messages=0.0, requests=0.0, unanswered=0.0)
    assert (await logged.audit.forget(limits, now=NOW + 10)).audit == 2
    assert [line.at for line in await lines(logged)] == [NOW + 5, NOW + 9]
    keep_all = Limits(audit=None, commands=0.0, messages=0.0, requests=0.0, unanswered=0.0)
    assert await logged.audit.forget(keep_all, now=NOW * 9) == Forgotten()
    assert len(await lines(logged)) == 2


async def test_the_words_of_a_message_go_when_it_is_answered_or_too_old_and_later_the_row(
    books: Books, db: Db
) -> None:
    chat = History(RoomId("!chat"))
    await books.mirror.set_direct(SAM, RoomId("!chat"))
    first, second = chat.message(SAM, "my secret code"), chat.message(SAM, "another word")
    await books.mirror.take_in(chat.take())
    claimed = await books.journal.claim_command(first.event_id)
    assert claimed is not None and claimed.body == "my secret code"
    assert {row["body"] for row in await db.fetch("SELECT body FROM command")} == {"", "another word"}
    sent = second.timestamp / 1000
    early = Limits(audit=None, commands=0.0, messages=0.0, requests=0.0, unanswered=sent)
    assert (await books.audit.forget(early, now=NOW)).words == 0
    late = Limits(audit=None, commands=0.0, messages=0.0, requests=0.0, unanswered=sent + 1)
    assert (await books.audit.forget(late, now=NOW)).words == 1
    assert {row["body"] for row in await db.fetch("SELECT body FROM command")} == {""}
    assert await books.journal.claim_command(second.event_id) is None
    assert await books.journal.new_commands(sent_after=0.0) == []
    rows = Limits(audit=None, commands=sent + 1, messages=0.0, requests=0.0, unanswered=0.0)
    assert (await books.audit.forget(rows, now=NOW)).commands == 2
    assert await db.fetch("SELECT * FROM command") == []


async def test_sent_messages_are_forgotten_and_those_of_older_versions_count_from_now(
    books: Books, db: Db
) -> None:
    for key in ("$event:answer", "link:x:moodle"):
        await books.journal.sent(key, EventId("$x"))
    assert (await books.audit.forget(NOTHING, now=NOW)).messages == 0, "from now on their age counts"
    limits = Limits(audit=None, commands=0.0, messages=NOW + 1, requests=0.0, unanswered=0.0)
    assert (await books.audit.forget(limits, now=NOW + 2)).messages == 2
    assert await db.fetch("SELECT * FROM message") == []


async def test_a_wish_is_forgotten_only_where_the_person_is_not_enrolled(books: Books) -> None:
    for course in (42, 43):
        await books.requests.ask(MoodleUserId(8), CourseId(course), at=NOW)
    await books.courses.set_enrolments(
        CourseId(42), {MoodleUserId(8): frozenset({Role("student")})}, facts_hash="x"
    )
    limits = Limits(audit=None, commands=0.0, messages=0.0, requests=NOW + 1, unanswered=0.0)
    assert (await books.audit.forget(limits, now=NOW + 2)).requests == 1
    assert await books.requests.of_course(CourseId(42)) == {8}
    assert await books.requests.of_course(CourseId(43)) == frozenset()


async def test_the_job_keeps_for_so_long_as_it_is_told_and_survives_a_database_that_is_down(
    logged: Books, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock(NOW + 30 * DAY)
    month = Keep(audit=30 * DAY - 5, commands=DAY, messages=DAY, requests=DAY, answerable=300.0)
    await Retention(logged.audit, month, clock).run()
    assert [line.at for line in await lines(logged)] == [NOW + 5, NOW + 9]

    class Down:
        async def page(self, **_: object) -> Sequence[AuditLine]:
            return ()

        async def forget(self, limits: Limits, *, now: float) -> Forgotten:
            raise TemporaryFailure("The disk is full.")

    await Retention(Down(), month, clock).run()
    assert "Old rows could not be deleted: The disk is full." in caplog.text
