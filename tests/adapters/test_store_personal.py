"""All about one person: found by any name, handed out whole, and erased without a trace, while everybody else stays."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from moodle_appservice.domain.linking import Code, Failures, Link, Question
from moodle_appservice.domain.model import (
    CourseId,
    EventId,
    MoodleUserId,
    Resolution,
    Role,
    RoomId,
    Trust,
    UserId,
)
from moodle_appservice.ports import Pause, SignedIn, Way
from moodle_appservice.store import personal, schema
from moodle_appservice.store.board import BoardBook
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters.store_events import BOT, History, create, done, invite, remove, set_power
from tests.adapters.test_store_board import facts
from tests.domain.values import person

ZOE, YAN = MoodleUserId(424242), MoodleUserId(535353)
MINE, OLD, VIRTUAL = (UserId(f"@{name}:uni.test") for name in ("zoe.quirk", "zoe.old", "moodle_uni_424242"))
HIS = UserId("@yan:uni.test")
TRACES = ("424242", "zoe", "Zoe", "Quirk")
"""What must stand nowhere when she is erased."""
NOW = 5_000.0


async def everywhere(books: Books, db: Db) -> None:
    """Two people, of whom she stands in every table that can hold anybody."""
    course = CourseId(42)
    for user_id, account, name in ((ZOE, MINE, "Zoe Quirk"), (YAN, HIS, "Yan")):
        found = Resolution(user_id, account, Trust.DERIVED, f"{account} is away.", virtual_id=None)
        username = account[1:].partition(":")[0]
        await books.people.save(person(int(user_id), full_name=name, username=username), found, at=NOW)
    await db.execute(
        "UPDATE person SET virtual_id = $1, field_value = $2 WHERE moodle_id = $3", VIRTUAL, MINE, ZOE
    )
    reason = f"Quarantined: {MINE} already belongs to another Moodle person (user id {ZOE})."
    await db.execute("UPDATE person SET wanted = $1, reason = $2 WHERE moodle_id = $3", MINE, reason, YAN)
    await books.people.wrote_field(ZOE, MINE)
    await books.courses.set_enrolments(
        course, {one: frozenset({Role("student")}) for one in (ZOE, YAN)}, facts_hash=""
    )
    await db.execute(
        "INSERT INTO course (id, shortname, is_on, reason, choice_by, last_error) VALUES (42, 'C', 1, '', $1, $2)",
        *(MINE, f"{MINE} could not be invited."),
    )
    await books.ledger.record(done(create(course, yan=50)))
    for user, user_id in ((MINE, ZOE), (OLD, ZOE), (HIS, YAN)):
        await books.ledger.record(done(invite(user, int(user_id))))
        await books.ledger.record(done(remove(user, int(user_id)), error=f"{user} is an admin."))
    await books.ledger.record(done(set_power({MINE: 50, HIS: 50})))
    history = History().created()
    history.state(BOT, "m.room.power_levels", {"users": {MINE: 50, HIS: 50}})
    # Hers is the newest write of ours, which is kept by whom it is about.
    for user in (HIS, MINE):
        history.member(user, "invite", by=BOT)
        history.member(user, "join")
    history.member(UserId("@other:uni.test"), "leave", by=MINE)
    history.state(MINE, "m.room.topic", {"topic": "Hers"})
    await books.mirror.take_in(history.take())
    for user in (MINE, HIS):
        room_id = RoomId(f"!direct{len(user)}")
        await books.mirror.set_direct(user, room_id)
        chat = History(room_id)
        message = chat.message(user, "help me")
        await books.mirror.take_in(chat.take())
        await books.journal.sent(f"{message.event_id}:answer", EventId("$x"))
    await books.journal.hold(course, RoomId("!room"), frozenset({MINE, HIS}), f"Two, {MINE} too.", at=NOW)
    await db.execute(
        "INSERT INTO account (matrix_id, moodle_id, kind, state, intended_at) VALUES ($1, $2, 'virtual', 'made', 1.0)",
        *(VIRTUAL, ZOE),
    )
    await books.journal.note("Other", at=NOW, why=f"Somebody wrote of {MINE} here.", result=f"So: {OLD}")
    await books.links.save(Link(ZOE, MINE, NOW, NOW, OLD), now=NOW)
    await books.links.give_code("hash", Code(ZOE, NOW + 900), now=NOW)
    await books.links.ask(MINE, Question(ZOE, "hash", NOW))
    await books.links.set_failures(OLD, Failures(2, NOW))
    for table in ("request", "stays_out"):
        await db.execute(f"INSERT INTO {table} VALUES ($1, 42, 1.0)", ZOE)
    await books.told.claim(ZOE, Way.WELCOME, at=NOW)
    await books.pauses.add(Pause(course, NOW, MINE, "Ask her"))
    await books.drift.report({RoomId("!room"): {"banned": f"{MINE} is banned."}}, at=NOW)
    for user in (MINE, HIS):
        await db.execute("INSERT INTO departed VALUES ('!room', $1)", user)
    await books.sessions.open("hash", SignedIn(ZOE, MINE), now=NOW, expires_at=NOW + 1)
    await books.sessions.invite("hash", SignedIn(ZOE, MINE), now=NOW, expires_at=NOW + 1)
    await db.execute(
        "INSERT INTO course_ending VALUES (42, 'release', 'Why.', $1, 0, 1.0, NULL)", f'["{MINE}"]'
    )
    await db.execute(
        "INSERT INTO relay_post VALUES (1, 42, 9, '!room', $1, 'sent', 1.0, '', '', NULL)", VIRTUAL
    )
    await db.execute(
        "INSERT INTO course_group (course_id, group_id, idnumber, name, members) VALUES (42, 1, '', 'G', $1)",
        f"{ZOE} {YAN}",
    )
    for name, left in (("known_leavers", {"42": [ZOE]}), ("explained_leavers", {"42": {ZOE: NOW}})):
        await books.settings.set(name, json.dumps(left))
    board = BoardBook(db)
    both = [person(int(ZOE), full_name="Zoe Quirk"), person(int(YAN), full_name="Yan")]
    await board.post([facts(42, *both)], both)


async def tables_of(db: Db) -> list[str]:
    folder = Path(schema.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")))
    return sorted(set(re.findall(r"CREATE TABLE (\w+)", text)))


async def dump(db: Db) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [dict(row) for row in await db.fetch(f"SELECT * FROM {table}")]
        for table in await tables_of(db)
    }


async def test_every_table_is_in_one_of_the_lists(db: Db) -> None:
    listed = {*personal.BY_PERSON, *personal.BY_ACCOUNT, *personal.SHARED, *personal.NOBODY}
    assert set(await tables_of(db)) - listed == set(), "a new table: does it hold anything about people?"


async def test_nothing_of_an_erased_person_stands_anywhere(books: Books, db: Db) -> None:
    await everywhere(books, db)
    before = await dump(db)
    for table in {*personal.BY_PERSON, *personal.BY_ACCOUNT, *personal.SHARED} - {"exclusion", "message"}:
        assert any(trace in repr(before[table]) for trace in TRACES), f"the test puts nothing into {table}"
    await books.people.exclude(ZOE, at=NOW)
    await books.personal.erase(ZOE)
    after = await dump(db)
    assert [
        (table, row) for table, rows in after.items() for row in rows if any(t in repr(row) for t in TRACES)
    ] == []
    assert len(after["message"]) == 1
    assert await books.people.excluded([ZOE]) == {ZOE}


async def test_everybody_else_stays_as_they_were(books: Books, db: Db) -> None:
    await everywhere(books, db)
    his = await books.personal.everything(YAN)
    await books.personal.erase(ZOE)
    left = dict(await books.personal.everything(YAN))
    assert left.pop("person")[0]["full_name"] == "Yan"
    assert left.pop("hold")[0]["reason"] == "Two, this account too."
    # Courses on the board are read anew, without her.
    assert left == {
        table: rows for table, rows in his.items() if table not in ("person", "hold", "board_course")
    }
    assert json.loads((await db.fetch("SELECT users FROM hold"))[0]["users"]) == [HIS]
    assert [line.person for line in await books.journal.audit()].count(YAN) == 2
    room = await books.mirror.room(RoomId("!room"))
    assert room is not None
    assert room.content("m.room.power_levels")["users"] == {HIS: 50}


async def test_what_is_handed_out_is_everything_and_nothing_of_others(books: Books, db: Db) -> None:
    await everywhere(books, db)
    found = await books.personal.everything(ZOE)
    expected = {*personal.BY_PERSON, *personal.BY_ACCOUNT, "audit", "room", "hold"}
    expected |= {"course_ending", "course_group", "board_course", "relay_post", "setting"}
    assert set(found) == expected
    assert HIS not in json.dumps(found) and str(YAN) not in json.dumps(found)
    assert len(found["audit"]) == 4


@pytest.mark.parametrize(
    "words", ["424242", "zoe.quirk", "ZOE.QUIRK", MINE, OLD, VIRTUAL, "@Zoe.Quirk:uni.test"], ids=str
)
async def test_a_person_is_found_by_any_name(books: Books, db: Db, words: str) -> None:
    await everywhere(books, db)
    assert await books.personal.find(words) == [ZOE]


async def test_nobody_is_found_by_a_name_that_nobody_has(books: Books, db: Db) -> None:
    await everywhere(books, db)
    for words in ("424243", "zoe", "@zoe:uni.test", "", "²", "9" * 19, "9" * 5000):
        assert await books.personal.find(words) == []


async def test_a_number_that_is_also_a_user_name_may_mean_two_people(books: Books) -> None:
    await books.people.save(person(7), Resolution(MoodleUserId(7), None, None), at=NOW)
    await books.people.save(person(8, username="7"), Resolution(MoodleUserId(8), None, None), at=NOW)
    assert await books.personal.find("7") == [7, 8]


async def test_it_is_known_in_which_rooms_which_accounts_of_a_person_are(books: Books, db: Db) -> None:
    await everywhere(books, db)
    trace = await books.personal.trace(ZOE)
    assert trace.accounts == {MINE, OLD, VIRTUAL}
    assert trace.rooms == {RoomId("!room"): (CourseId(42), frozenset({MINE, OLD}))}
    assert trace.direct == {RoomId("!direct19")}


async def test_an_account_that_another_has_by_now_is_not_touched(books: Books, db: Db) -> None:
    await everywhere(books, db)
    await db.execute("DELETE FROM link")
    await db.execute("UPDATE person SET matrix_id = NULL WHERE moodle_id = $1", ZOE)
    await db.execute("UPDATE person SET matrix_id = $1 WHERE moodle_id = $2", MINE, YAN)
    assert MINE not in (await books.personal.trace(ZOE)).accounts
    await books.personal.erase(ZOE)
    room = await books.mirror.room(RoomId("!room"))
    assert room is not None and MINE in room.members
