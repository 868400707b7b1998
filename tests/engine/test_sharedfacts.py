"""What the processes of a cluster know of Moodle: one reads, the others take it from the board or have it read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, UserId
from moodle_appservice.engine.digests import LastingDigests
from moodle_appservice.engine.settled import Settled
from moodle_appservice.engine.sharedfacts import SharedFacts
from moodle_appservice.errors import AppError, CourseGone, PermanentFailure, TemporaryFailure
from moodle_appservice.ports import SITE, Key, meet_key, read_key
from moodle_appservice.store.board import BoardBook
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.fakes import FakeClock, FakeFacts

ALGEBRA = CourseId(42)


class Pair:
    """Two processes over one database: `reader` reads, `other` does not; keys are looked at by the reader at once."""

    def __init__(self, db: Db, store: Books) -> None:
        self.clock = FakeClock()
        self.moodle = FakeFacts(self.clock)
        self.elsewhere = FakeFacts(self.clock)
        self.board = BoardBook(db)
        self.looks: list[Key] = []
        given = (self.board, store.settings, self.clock)
        self.reader = SharedFacts(self.moodle, *given, lambda: True, self.look)
        self.other = SharedFacts(self.elsewhere, *given, lambda: False, self.look)

    async def look(self, key: Key) -> AppError | None:
        self.looks.append(key)
        try:
            match key.kind:
                case "site":
                    await self.reader.site(not_older_than=self.clock.now())
                case "read":
                    await self.reader.read(CourseId(key.number))
                case "meet":
                    await self.reader.meet(MoodleUserId(key.number))
        except AppError as failure:
            return failure
        return None

    async def pass_over(self, *course_ids: CourseId) -> None:
        now = self.clock.now()
        await self.reader.site(not_older_than=now)
        await self.reader.prefetch(course_ids, not_older_than=now)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    db = Db(f"sqlite:{tmp_path / 'shared.db'}")
    await db.start()
    made = Pair(db, Books(db, bot=UserId("@moodle:uni.test"), prefix="!"))
    made.moodle.add_course(42)
    made.moodle.enrol(ALGEBRA, 7, 8)
    yield made
    await db.stop()


async def test_what_the_reader_has_read_the_others_know_without_asking_anybody(pair: Pair) -> None:
    await pair.pass_over(ALGEBRA)
    assert (await pair.other.site(not_older_than=0.0)) == await pair.reader.site(not_older_than=0.0)
    facts = await pair.other.course_facts(ALGEBRA, not_older_than=0.0)
    assert facts == await pair.reader.course_facts(ALGEBRA, not_older_than=0.0)
    seven = await pair.other.person(MoodleUserId(7), not_older_than=0.0)
    assert seven == facts.people[MoodleUserId(7)]
    assert pair.looks == []


async def test_what_is_too_old_or_not_there_is_read_by_the_reader_and_nobody_else(pair: Pair) -> None:
    await pair.pass_over(ALGEBRA)
    pair.clock.advance(10)
    pair.moodle.enrol(ALGEBRA, 9)
    now = pair.clock.now()
    facts = await pair.other.course_facts(ALGEBRA, not_older_than=now)
    assert (facts.read_at, len(facts.enrolments)) == (now, 3)
    new = pair.moodle.add_course(43)
    assert (await pair.other.course_facts(new, not_older_than=0.0)).course.id == new
    await pair.other.person(MoodleUserId(9), not_older_than=now)
    assert (await pair.other.site(not_older_than=now)).courses.keys() == {ALGEBRA, new}
    assert pair.looks == [read_key(ALGEBRA), read_key(new), meet_key(MoodleUserId(9)), SITE]
    assert pair.elsewhere.readings == []


async def test_a_course_that_is_gone_is_gone_for_whoever_asked(pair: Pair) -> None:
    await pair.pass_over(ALGEBRA)
    del pair.moodle.courses[ALGEBRA]
    with pytest.raises(CourseGone, match="Course 42 does not exist"):
        await pair.other.course_facts(ALGEBRA, not_older_than=pair.clock.now() + 1)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (TemporaryFailure("Moodle is down."), TemporaryFailure),
        (PermanentFailure("A right is missing."), TemporaryFailure),
    ],
)
async def test_why_a_course_could_not_be_read_is_told_to_whoever_asked(
    pair: Pair, failure: AppError, told: type[AppError]
) -> None:
    pair.moodle.trouble[str(ALGEBRA)] = failure
    with pytest.raises(told, match=str(failure)):
        await pair.other.course_facts(ALGEBRA, not_older_than=0.0)
    pair.moodle.trouble.clear()
    assert (await pair.other.course_facts(ALGEBRA, not_older_than=0.0)).course.id == ALGEBRA


async def test_a_course_that_a_pass_could_not_read_is_not_taken_from_an_earlier_reading(pair: Pair) -> None:
    await pair.pass_over(ALGEBRA)
    pair.clock.advance(300)
    pair.moodle.trouble[str(ALGEBRA)] = TemporaryFailure("Moodle is down.")
    pair.moodle.memory.clear()
    await pair.pass_over(ALGEBRA)
    with pytest.raises(TemporaryFailure, match="Moodle is down"):
        await pair.other.course_facts(ALGEBRA, not_older_than=0.0)


async def test_only_what_has_changed_is_put_up_anew(pair: Pair) -> None:
    await pair.pass_over(ALGEBRA)
    first = await pair.board.course(ALGEBRA)
    pair.clock.advance(300)
    await pair.pass_over(ALGEBRA)
    assert await pair.board.course(ALGEBRA) == first
    pair.moodle.add_person(7, full_name="Another Name")
    await pair.pass_over(ALGEBRA)
    changed = await pair.board.course(ALGEBRA)
    assert changed is not None and changed != first
    assert changed.facts is not None and changed.facts.people[MoodleUserId(7)].full_name == "Another Name"


async def test_a_confirmation_in_another_process_comes_to_the_reader(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[list[CourseId]] = []

    async def confirm(course_ids: object) -> None:
        heard.append(list(course_ids))  # type: ignore[call-overload]

    monkeypatch.setattr(pair.moodle, "confirm", confirm)
    await pair.other.confirm([ALGEBRA])
    await pair.other.confirm([CourseId(43)])
    for _ in range(2):
        await pair.reader.site(not_older_than=0.0)
    assert heard == [[ALGEBRA, CourseId(43)]]


async def test_what_is_as_it_should_be_is_known_to_whoever_makes_the_next_pass(pair: Pair) -> None:
    await pair.pass_over(ALGEBRA)
    mine, theirs = LastingDigests(), LastingDigests()
    facts = await pair.reader.course_facts(ALGEBRA, not_older_than=0.0)
    other, reader = Settled(pair.board), Settled(pair.board)
    other.settle(ALGEBRA, theirs(await pair.other.course_facts(ALGEBRA, not_older_than=0.0), None))
    await other.share(ALGEBRA)
    await reader.recall()
    assert reader.is_settled(ALGEBRA, mine(facts, None))
    reader.unsettle_all()
    await reader.recall()
    assert reader.is_restless(ALGEBRA)
    await other.share(ALGEBRA)
    other.unsettle(ALGEBRA)
    await other.share(ALGEBRA)
    await reader.recall()
    assert reader.is_restless(ALGEBRA)
