"""The router: a table of who says what where, and what comes of it; claims, ages, threads, edits, floods."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from moodle_appservice.domain.holds import Cause
from moodle_appservice.domain.model import CourseId, EventId, RoomId, UserId
from moodle_appservice.engine.operations import SyncReport
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.languages import LANGUAGES
from moodle_appservice.ports import course_key
from tests.bot.house import ADMIN, BANNED, COURSE, MANAGEMENT, House, open_house, person
from tests.engine.world import World

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "router.yaml").read_text(encoding="utf-8"))
WHO = {
    "teacher": UserId("@p7:uni.test"),
    "student": UserId("@p8:uni.test"),
    "admin": ADMIN,
    "stranger": UserId("@stranger:uni.test"),
    "silenced": BANNED,
}
TEACHER, STUDENT = WHO["teacher"], WHO["student"]


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
async def test_case(house: House, case: dict[str, Any]) -> None:
    who = WHO[case["who"]]
    told = await house.say(who, case["where"], case["says"])
    rooms = {room for room, _, _, _ in house.messenger.messages}
    here, direct = house.room(case["where"], who), RoomId(f"!direct-{who}")
    expected = {"here": {here}, "direct": {direct}, "nowhere": set()}[case["answered"]]
    # The welcome of somebody's first direct chat stands there in any case.
    assert rooms - {direct} == expected - {direct}
    assert expected <= rooms
    for part in case.get("has", []):
        assert part in told
    for part in case.get("lacks", []):
        assert part not in told
    if "reacts" in case:
        assert house.messenger.reactions == case["reacts"]
    if case["answered"] == "nowhere":
        assert told == ""


async def test_a_command_is_answered_once_however_often_it_is_heard(house: House) -> None:
    await house.say(TEACHER, "course", "!status")
    number = len(house.messenger.messages)
    house.router.hear(house.world.commands)
    house.router.hear(house.world.commands)
    await house.router.idle()
    assert len(house.messenger.messages) == number


@pytest.mark.parametrize(("seconds", "answers"), [(0, 1), (299, 1), (301, 0)])
async def test_a_command_is_answered_for_five_minutes_and_not_later(
    house: House, seconds: float, answers: int
) -> None:
    house.event(house.main, TEACHER, "!status")
    await house.world.matrix.push()
    house.world.clock.advance(seconds)
    house.router.hear(house.world.commands[-1:])
    await house.router.idle()
    assert len(house.messenger.messages) == answers


@pytest.mark.parametrize(
    "content",
    [
        {"msgtype": "m.notice"},
        {"msgtype": "m.emote"},
        {"m.relates_to": {"rel_type": "m.replace", "event_id": "$e1"}, "m.new_content": {"body": "!status"}},
        {"body": 7},
    ],
    ids=["a notice", "an emote", "an edit", "no text"],
)
async def test_what_is_no_command_is_not_even_stored(house: House, content: dict[str, Any]) -> None:
    assert await house.say(TEACHER, "course", "!status", **content) == ""
    assert house.world.commands == []


async def test_the_bot_and_its_virtual_users_are_not_answered(house: House) -> None:
    for who in (house.world.rules.bot, house.world.rules.virtual_user(person(8))):
        assert await house.say(who, "course", "!status") == ""


async def test_a_command_in_a_thread_is_answered_there_and_a_private_answer_in_the_chat(house: House) -> None:
    relation = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}
    await house.say(TEACHER, "course", "!status", **relation)
    await house.say(TEACHER, "course", "!missing", **relation)
    threads = {room: thread for room, _, _, thread in house.messenger.messages}
    assert threads[house.main] == EventId("$root")
    assert threads[RoomId(f"!direct-{TEACHER}")] is None


async def test_what_a_client_quotes_in_front_of_a_reply_is_not_read(house: House) -> None:
    told = await house.say(
        STUDENT,
        "direct",
        "> <@bot:uni.test> Which course?\n> C42\n\nwhoami",
        **{"m.relates_to": {"m.in_reply_to": {"event_id": "$e1"}}},
    )
    assert "user number 8" in told


async def test_a_flood_is_told_once_and_then_not_heard(house: House) -> None:
    said = [await house.say(STUDENT, "direct", "whoami") for _ in range(30)]
    assert sum("user number 8" in text for text in said) == 12
    assert sum("a lot at once" in text for text in said) == 1
    assert said[13:] == [""] * 17
    house.world.clock.advance(60)
    assert "user number 8" in await house.say(STUDENT, "direct", "whoami")
    assert "C42" in await house.say(TEACHER, "direct", "status")


async def test_in_an_encrypted_chat_the_bot_says_once_that_it_can_not_read(house: House) -> None:
    room_id = RoomId("!secret")
    await house.world.store.mirror.set_direct(STUDENT, room_id)
    for _ in range(3):
        event = house.event(room_id, STUDENT, "")
        house.world.matrix.outbox[-1] = replace(event, type="m.room.encrypted", content={"ciphertext": "x"})
        await house.world.matrix.push()
        house.router.hear(house.world.commands)
        await house.router.idle()
    said = [(room, text) for room, text, _, _ in house.messenger.messages]
    assert [text for room, text in said if room == room_id] == [
        "This chat is encrypted, and I can't read it. I opened another one for us: please write to me there.\n"
        "https://matrix.to/#/%21direct-%40p8%3Auni.test?via=uni.test"
    ]
    assert [room for room, _ in said if room != room_id] == [RoomId(f"!direct-{STUDENT}")]


async def test_the_first_direct_message_welcomes_and_no_later_one(house: House) -> None:
    house.router.meet(STUDENT, RoomId("!one"))
    await house.router.idle()
    ((room, text, _, _),) = house.messenger.messages
    assert room == "!one"
    for part in (
        "Hello Person 8!",
        "I am the bot",
        "I store your name",
        "courses",
        "invite",
        "help",
        "privacy",
    ):
        assert part in text
    house.router.meet(STUDENT, RoomId("!two"))
    await house.router.idle()
    assert len(house.messenger.messages) == 1
    house.router.meet(TEACHER, RoomId("!three"))
    await house.router.idle()
    assert "status" in house.messenger.messages[-1][1]


async def test_a_stranger_is_not_welcomed(house: House) -> None:
    house.router.meet(WHO["stranger"], RoomId("!one"))
    await house.router.idle()
    assert house.messenger.messages == []


async def test_every_answer_has_html_of_the_allowed_kind_and_fits_a_phone(house: House) -> None:
    for text in (
        "help",
        "status",
        "courses",
        "whoami",
        "privacy",
        "language",
        "missing",
        "plan",
        "help missing",
    ):
        await house.say(TEACHER, "direct", text)
        house.world.clock.advance(60)
    for _, text, html, _ in house.messenger.messages:
        assert len(text) < 2000 and text.count("\n") < 45
        tags = {part.split(">")[0].split(" ")[0].strip("/") for part in html.split("<")[1:]}
        assert tags <= {"p", "ul", "li", "strong", "code", "a", "br"}


async def test_a_failure_is_told_privately_with_a_number_that_is_in_the_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.world.matrix.refuse("set_state", error=PermanentFailure("No."), times=1)

    async def fails(course_id: object) -> object:
        return PermanentFailure("Moodle is in maintenance mode.")

    house.desk.operations.sync_course = fails  # type: ignore[method-assign, assignment]
    told = await house.say(TEACHER, "course", "!sync")
    assert "❌ Not done: Moodle is in maintenance mode. (Reference " in told
    assert house.messenger.reactions == ["👀", "❌"]
    reference = told.split("(Reference ")[1].split(")")[0]
    assert reference in caplog.text
    (line, *_) = await house.world.store.journal.audit(course_id=COURSE, limit=1)
    assert (line.kind, line.result, line.reference, line.person) == ("Command sync", "failed", reference, 7)
    assert house.messenger.messages[-1][0] == RoomId(f"!direct-{TEACHER}")


async def test_a_bug_of_ours_is_told_with_a_number_and_nothing_else(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(course_id: object) -> object:
        raise ZeroDivisionError("secret details")

    house.desk.operations.status = breaks  # type: ignore[method-assign, assignment]
    told = await house.say(TEACHER, "direct", "status")
    assert "Something went wrong on my side. (Reference " in told
    assert "secret" not in told
    assert told.split("(Reference ")[1].split(")")[0] in caplog.text
    caplog.clear()


async def test_what_changes_something_is_in_the_audit_log_with_the_person_and_what_asks_is_not(
    house: House,
) -> None:
    before = len(await house.world.store.journal.audit())
    for text in ("status", "courses", "whoami", "missing"):
        await house.say(TEACHER, "direct", text)
    assert len(await house.world.store.journal.audit()) == before
    await house.say(STUDENT, "direct", "invite C42")
    await house.say(STUDENT, "direct", "language de")
    lines = [line for line in await house.world.store.journal.audit() if line.signal == "bot"]
    assert [(line.kind, line.person, line.course_id) for line in lines] == [
        ("Command language", 8, None),
        ("Command invite", 8, COURSE),
    ]


async def test_a_dangerous_command_shows_its_plan_and_wants_a_word_once(house: House) -> None:
    told = await house.say(TEACHER, "course", "!off")
    assert "C42 is to be switched off" in told
    status = await house.operations.status(COURSE)
    assert status is not None and status.on
    word = told.split("yes ")[1].split(" ")[0]
    assert "stands for nothing" in await house.say(STUDENT, "direct", f"yes {word}")
    assert "C42 is off" in await house.say(TEACHER, "direct", f"yes {word}")
    status = await house.operations.status(COURSE)
    assert status is not None and not status.on
    assert "stands for nothing" in await house.say(TEACHER, "direct", f"yes {word}")


async def test_a_wrong_word_a_no_and_time_end_a_dangerous_command(house: House) -> None:
    for text, seconds in (("yes wrong", 0), ("no", 0), ("", 601)):
        told = await house.say(TEACHER, "direct", "off")
        word = told.split("yes ")[1].split(" ")[0]
        house.world.clock.advance(seconds)
        if text:
            await house.say(TEACHER, "direct", text)
        assert "stands for nothing" in await house.say(TEACHER, "direct", f"yes {word}")
    status = await house.operations.status(COURSE)
    assert status is not None and status.on


async def test_a_student_stays_out_until_they_ask_for_an_invite(house: House) -> None:
    assert "You are out of this course's rooms" in await house.say(STUDENT, "direct", "leave C42")
    assert house.world.matrix.members(house.main)[STUDENT] == "leave"
    assert "you stay out, as you asked" in await house.say(STUDENT, "direct", "courses")
    await house.say(TEACHER, "direct", "sync")
    assert house.world.matrix.members(house.main)[STUDENT] == "leave"
    assert "left out of the rooms" in await house.say(TEACHER, "direct", "missing")
    assert "is invited to the room" in await house.say(STUDENT, "direct", "invite C42")
    assert house.world.matrix.members(house.main)[STUDENT] == "invite"


async def test_reminding_invites_again_who_has_not_come_and_only_once_a_day(house: House) -> None:
    house.world.facts.enrol(COURSE, 11, 12)
    await house.say(TEACHER, "direct", "sync")
    house.world.matrix.member(house.main, house.world.user(12), "leave")
    await house.world.matrix.push()
    told = await house.say(TEACHER, "course", "!remind")
    assert "1 person was invited again." in told
    assert "1 person has left or declined" in told
    assert house.world.matrix.made("invite")[-1][1:] == (
        str(house.world.user(11)),
        "A reminder of your teachers, 12 Jan 1970",
    )
    assert "Again from" in await house.say(TEACHER, "direct", "remind")
    house.world.clock.advance(90_000)
    assert "1 person was invited again." in await house.say(TEACHER, "direct", "remind")


async def test_everything_that_is_stored_is_sent_as_a_file(house: House) -> None:
    await house.say(STUDENT, "direct", "privacy export")
    ((room, name, data),) = house.messenger.files
    assert (room, name) == (RoomId(f"!direct-{STUDENT}"), "moodle-chat-8.json")
    assert json.loads(data)["moodle_id"] == 8


async def test_a_teacher_names_the_room(house: House) -> None:
    told = await house.say(TEACHER, "course", '!name Algebra & "more"')
    assert 'The room is called: Algebra & "more"' in told
    assert house.world.matrix.content(house.main, "m.room.name") == {"name": 'Algebra & "more"'}
    assert "Algebra &amp; &quot;more&quot;" in house.messenger.messages[-1][2]


async def test_pausing_and_resuming(house: House) -> None:
    assert "is paused" in await house.say(ADMIN, "management", '!pause 42 "Look at it"')
    assert "is paused since" in await house.say(TEACHER, "direct", "status")
    assert "Not done" in await house.say(TEACHER, "direct", "sync")
    assert "is resumed" in await house.say(ADMIN, "management", "!resume 42")
    assert "Write the number of a course" in await house.say(ADMIN, "management", "!pause C42")


async def test_what_safety_holds_is_shown_and_confirmed_with_a_word(house: House) -> None:
    house.world.facts.enrolments[COURSE].clear()
    await house.say(TEACHER, "direct", "sync")
    told = await house.say(ADMIN, "management", "!held")
    assert "Moodle lists nobody as enrolled" in told and "42 C42" in told
    group = told.split("confirm ")[1].split()[0]
    assert "Nothing is held under 42." in await house.say(ADMIN, "management", "!confirm 42")
    told = await house.say(ADMIN, "management", f"!confirm {group}")
    assert "It is about 3 people: " in told
    word = told.split("!yes ")[1].split(" ")[0]
    assert house.world.matrix.members(house.main)[STUDENT] == "join"
    assert "Confirmed and done." in await house.say(ADMIN, "management", f"!yes {word}")
    assert house.world.matrix.members(house.main)[STUDENT] == "leave"


async def test_what_has_changed_since_it_was_shown_is_not_confirmed(house: House) -> None:
    house.world.facts.enrolments[COURSE].clear()
    await house.say(TEACHER, "direct", "sync")
    group = (await house.say(ADMIN, "management", "!held")).split("confirm ")[1].split()[0]
    told = await house.say(ADMIN, "management", f"!confirm {group}")
    word = told.split("!yes ")[1].split(" ")[0]
    await house.world.store.journal.hold(
        CourseId(0), RoomId("!space"), frozenset({"@p8:uni.test"}), "Many.", at=0.0, cause=Cause.NOBODY
    )
    assert "has changed since" in await house.say(ADMIN, "management", f"!yes {word}")
    assert house.world.matrix.members(house.main)[STUDENT] == "join"
    assert "– Many." in await house.say(ADMIN, "management", "!held"), (
        "what is held above courses is shown too"
    )


async def test_a_sync_of_everything_is_for_administrators(house: House) -> None:
    assert "for the administrators" in await house.say(TEACHER, "direct", "sync all")
    told = await house.say(ADMIN, "management", "!sync all")
    assert "1 course was looked at." in told


async def test_where_students_read_a_sync_of_everything_says_how_many_failed_and_not_which(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = PermanentFailure("@anna:uni.test can't be invited.")
    report = SyncReport(courses=1, failures={course_key(COURSE): why}, held=())

    async def sync() -> SyncReport:
        return report

    monkeypatch.setattr(house.operations, "sync", sync)
    told = await house.say(ADMIN, "course", "!moodle sync all")
    assert "1 look did not work; in our direct chat I say which." in told and "anna" not in told
    assert "– @anna:uni.test can't be invited." in await house.say(ADMIN, "direct", "sync all")


async def test_long_lists_come_page_by_page_and_say_how_to_go_on(house: House) -> None:
    for number in range(100, 130):
        house.world.facts.add_person(number, username="")
        house.world.facts.enrol(COURSE, number)
    await house.say(TEACHER, "direct", "sync")
    told = await house.say(TEACHER, "direct", "missing C42")
    assert "30 people are missing." in told and "Page 1 of 4." in told
    assert "The next: missing -c C42 -p 2" in told
    last = await house.say(TEACHER, "direct", "missing -c C42 -p 4")
    assert "Page 4 of 4." in last and "Person 129" in last and "The next" not in last


@pytest.mark.parametrize("code", sorted(LANGUAGES))
async def test_the_site_and_then_moodle_and_then_the_person_choose_the_language(
    world: World, code: str
) -> None:
    async with open_house(world, code) as house:
        language = LANGUAGES[code]
        assert language.gettext("I do not know this account yet.") in await house.say(
            WHO["stranger"], "direct", "help"
        )
        await house.world.db.execute("UPDATE person SET language = 'de_kids' WHERE moodle_id = 8")
        assert "Sie können mich fragen" in await house.say(STUDENT, "direct", "help")
        await house.say(STUDENT, "direct", "language fr")
        assert "Vous pouvez me demander" in await house.say(STUDENT, "direct", "help")
        await house.say(STUDENT, "direct", "language moodle")
        assert "Sie können mich fragen" in await house.say(STUDENT, "direct", "help")


async def test_the_management_room_is_not_any_room(house: House) -> None:
    await house.world.store.settings.set("management_room", "")
    house.event(MANAGEMENT, ADMIN, "!overview")
    await house.world.matrix.push()
    assert house.world.commands == []


async def test_a_flood_of_a_thousand_commands_does_not_hold_up_a_sync(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = house.world
    answer, may_answer = house.messenger.notice, asyncio.Event()

    async def slow_answer(*given: Any, **named: Any) -> EventId:
        await may_answer.wait()
        return await answer(*given, **named)

    monkeypatch.setattr(house.messenger, "notice", slow_answer)
    for number in range(300, 360):
        world.facts.enrol(COURSE, number)
    for number in range(1_000):
        house.event(RoomId(f"!direct-{TEACHER}"), TEACHER if number % 2 else STUDENT, "whoami")
    world.commands.clear()
    await world.matrix.push()
    assert len(world.commands) == 1_000
    house.router.hear(world.commands)
    before = len(house.messenger.messages)
    # No answer gets through, and the sync comes to its end.
    async with asyncio.timeout(300):
        await house.operations.sync(COURSE)
    assert len(house.messenger.messages) == before
    members = world.matrix.members(house.main)
    assert all(members[world.user(number)] == "invite" for number in range(300, 360))
    may_answer.set()
    await house.router.idle()
    assert len(house.messenger.messages) > before


async def test_a_course_is_reset_and_archived_and_opened_again_each_after_a_word(house: House) -> None:
    told = await house.say(TEACHER, "course", "!archive")
    assert "C42 is to be archived" in told
    word = told.split("yes ")[1].split(" ")[0]
    assert "is archived: nobody writes" in await house.say(TEACHER, "direct", f"yes {word}")
    assert "archived already" in await house.say(
        TEACHER, "direct", f"yes {await word_for(house, 'archive C42')}"
    )
    assert "is open again" in await house.say(TEACHER, "direct", "archive off")
    told = await house.say(TEACHER, "direct", f"yes {await word_for(house, 'reset')}")
    assert "gets new rooms" in told
    status = await house.operations.status(COURSE)
    assert status is not None and status.room_id != house.main


async def word_for(house: House, command: str) -> str:
    """Give a dangerous command; its word."""
    return (await house.say(TEACHER, "direct", command)).split("yes ")[1].split(" ")[0]


@pytest.mark.parametrize(
    "said",
    ["sync " + "a " * 60 + "b" * 50_000, "sync -" + "x" * 50_000, "x" * 50_000, "why @" + "y" * 50_000],
)
async def test_of_what_somebody_wrote_no_more_than_a_line_is_said_back(house: House, said: str) -> None:
    answer = await house.say(TEACHER, "direct", said)
    assert "…”" in answer and len(answer) < 600
