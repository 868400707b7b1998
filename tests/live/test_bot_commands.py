"""Every command of the bot, given by real clients to a real homeserver."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import nio
import pytest

from moodle_appservice.bot.commands import COMMANDS
from moodle_appservice.domain.model import CourseId
from moodle_appservice.web.admin_inside import Finding
from tests.live.homeserver import People
from tests.live.house import House, until
from tests.live.test_bot import Chatter
from tests.live.test_relay import relaying

WELCOME = "Hello "


@dataclass
class Talk:
    """Somebody and a room in which they talk with the bot."""

    who: Chatter
    room_id: str
    prefix: str = ""
    heard: int = 0

    async def says(self, text: str, *parts: str) -> str:
        """Say something; the answer holds all these parts."""
        await self.who.say(self.room_id, f"{self.prefix}{text}")
        self.heard += 1
        body = str((await self.who.answer(self.room_id, self.heard))["body"])
        for part in parts:
            assert part in body, f"{text}: {part!r} is not in {body!r}"
        GIVEN.add(text.split()[0])
        return body


GIVEN: set[str] = set()


@dataclass
class Cast:
    """A teacher, a student and an administrator, each in a chat with the bot."""

    house: House
    teacher: Talk
    student: Talk
    admin: Talk
    room_id: str


@pytest.fixture
async def cast(house: House, people: People) -> AsyncIterator[Cast]:
    async def chatter(name: str) -> Chatter:
        account = await people.register(house.synapse, name)
        return Chatter(await people.client(house.synapse, account), account, house)

    teacher, student, admin = await chatter("teacher"), await chatter("student"), await chatter("boss")
    university = house.moodle.university
    for who, role in ((teacher, "editingteacher"), (student, "student")):
        person = university.add_person(who.account.localpart, who.account.localpart.capitalize(), "Person")
        university.enrol(person.id, 2, role)
    house.overrides["bot"] = {"commands_at_once": 1000, "management_room": "make"}
    relaying(house, site=False)
    house.top["permissions"] = {admin.account.user_id: "admin"}
    running = await house.start()

    async def examine() -> list[Finding]:
        return [
            Finding("Moodle", "ok", "It answers.", ""),
            Finding("Space", "warning", "It is small.", "Make room."),
        ]

    running.doctor = examine
    await house.sync()
    room_id = await house.room_of(2)
    for who in (teacher, student):
        await who.client.join(room_id)
    talks = []
    for who in (teacher, student):
        chat = await who.open_direct_chat()
        await until(lambda who=who, chat=chat: _welcomed(who, chat), "the bot's welcome")  # type: ignore[misc]
        talks.append(Talk(who, chat))
    management = await running.store.settings.get("management_room")
    assert management is not None
    await admin.client.join(management)
    yield Cast(house, talks[0], talks[1], Talk(admin, management, "!"), room_id)


async def _welcomed(who: Chatter, room_id: str) -> bool:
    return any(one["body"].startswith(WELCOME) for one in await who.everything(room_id))


async def test_every_command_is_answered_on_a_real_homeserver(cast: Cast) -> None:
    running = cast.house.running
    assert running is not None
    GIVEN.clear()
    await _student(cast)
    await _teacher(cast)
    await _admin(cast)
    assert set(COMMANDS) - GIVEN == set()
    lines = [line for line in await running.store.journal.audit(limit=500) if line.signal == "bot"]
    assert {line.kind for line in lines} >= {f"Command {name}" for name in ("sync", "off", "pause", "leave")}
    assert all(line.reference for line in lines if line.kind.startswith("Command"))


async def _student(cast: Cast) -> None:
    student = cast.student
    user_id = student.who.account.user_id
    await student.says("help", "courses", "privacy")
    await student.says("help invite", "invite [course]")
    await student.says("courses", "C1 – you are in the room", "https://matrix.to/#/")
    await student.says("whoami", user_id, "Student")
    await student.says("language de", "Deutsch")
    await student.says("courses", "Sie sind in 1 Kurs:")
    await student.says("language en", "English")
    await student.says("leave C1", "You are out of this course's rooms now")
    assert (await cast.house.members(2))[user_id] == "leave"
    await student.says("courses", "you stay out, as you asked")
    await student.says("invite C1", "is invited to the room")
    assert (await cast.house.members(2))[user_id] == "invite"
    await student.who.client.join(cast.room_id)
    await student.says("link", "Get a code in Moodle")
    await student.says("link ABCD-EFGH", "I know no such code")
    await student.says("unlink", "nothing to undo")
    await student.says("yes", "I have not asked you anything")
    await student.says("no", "I have not asked you anything")
    await student.says("privacy", "What I store about you", user_id)
    await student.says("privacy export", "everything that is stored about you")
    await _file_is_there(student)
    await student.says("overview", "for the administrators of the chat")


async def _file_is_there(student: Talk) -> None:
    async def sent() -> bool:
        return any(one["msgtype"] == "m.file" for one in await student.who.everything(student.room_id))

    await until(sent, "the file")
    student.heard += 1
    (file,) = [one for one in await student.who.everything(student.room_id) if one["msgtype"] == "m.file"]
    answer = await student.who.client.download(mxc=file["url"])
    assert isinstance(answer, nio.DownloadResponse), answer
    data = answer.body if isinstance(answer.body, bytes) else b""
    assert json.loads(data)["stored"]["person"][0]["matrix_id"] == student.who.account.user_id


async def _teacher(cast: Cast) -> None:
    teacher, university = cast.teacher, cast.house.moodle.university
    ghost = university.add_person("admin", "Secret", "Name")
    university.enrol(ghost.id, 2, "student")
    await teacher.says("plan", "C1")
    await teacher.says("sync", "expected 7", "missing 1", "last sync just now")
    await teacher.says("status C1", "Secret Name – The account name admin is reserved")
    await teacher.says("missing", "1 person is missing.", "4 people are invited", "Secret Name")
    await teacher.says("why Secret Name", "Secret Name", "reserved")
    await teacher.says("remind", "4 people were invited again.")
    await teacher.says("remind", "Again from")
    await teacher.says("name Algebra for all", "The room is called: Algebra for all")
    assert (await cast.house.state(2))["m.room.name", ""]["name"] == "Algebra for all"
    await teacher.says("topic Bring chalk.", "The room is about: Bring chalk.")
    assert (await cast.house.state(2))["m.room.topic", ""]["topic"] == "Bring chalk."
    due = int(time.time()) + 86400
    cast.house.moodle.activities.add(2, "assign", "Sheet 1", dates={"duedate": due})
    await teacher.says("deadlines C1", "Sheet 1 is due")
    await teacher.says("relay", "do not reach the room of C1")
    await teacher.says("relay on", "reach the room of C1")
    await teacher.says("relay off", "do not reach the room of C1")
    await teacher.says("announce Hello", "no announcements room")
    await teacher.says("rooms announcements on", "announcements – on", "staff – off")
    await teacher.says("announce The test is on\nMonday.", "Said in the announcements room.")
    running = cast.house.running
    assert running is not None
    announcements = await running.operations.announcements_of(CourseId(2))
    assert announcements is not None
    said = await cast.house.ask("GET", f"/_matrix/client/v3/rooms/{announcements}/messages?dir=b&limit=5")
    assert "The test is on\nMonday." in str(
        [event["content"].get("body") for event in said["chunk"]]
    ).replace("\\n", "\n")
    told = await teacher.says("archive", "C1 is to be archived")
    await teacher.says(f"yes {_word(told)}", "is archived: nobody writes")
    await teacher.says("archive off", "is open again")
    told = await teacher.says("reset", "C1 is to be reset")
    await teacher.says(f"yes {_word(told)}", "gets new rooms")
    told = await teacher.says("off", "C1 is to be switched off")
    await teacher.says(f"yes {_word(told)}", "C1 is off")
    await teacher.says("on C1", "The room is ready.")


async def _admin(cast: Cast) -> None:
    admin = cast.admin
    await admin.says("help", "!overview", "!doctor")
    await admin.says("overview", "courses with a room 2", "people ")
    await admin.says("stuck", "Nothing is stuck.")
    await admin.says("held", "Nothing is held.")
    await admin.says("explain s1", "Stu Dent 1")
    await admin.says("audit -c 2", "course 2")
    await admin.says("stats", "Invite")
    await admin.says("doctor", "1 of 2 checks are in order.", "It is small. Make room.")
    await _dashboard(admin)
    await admin.says("pause 2", "Course 2 is paused")
    await admin.says("resume 2", "is resumed")
    university = cast.house.moodle.university
    for user_id in list(university.people):
        university.unenrol(user_id, 2)
    await cast.house.sync()
    told = await admin.says("held", "Moodle lists nobody as enrolled", "confirm nobody-")
    group = re.search(r"confirm (nobody-[0-9a-f]+)", told)
    assert group is not None, told
    told = await admin.says(f"confirm {group[1]}", "It is about ")
    await admin.says(f"yes {_word(told)}", "Confirmed and done.")
    assert set((await cast.house.members(2)).values()) == {"leave"}
    await _sync_of_everything(admin)


async def _sync_of_everything(admin: Talk) -> None:
    """On a busy machine its first words are how much is left, and the report takes their place."""
    await admin.who.say(admin.room_id, f"{admin.prefix}sync all")
    GIVEN.add("sync")

    async def told() -> bool:
        said = await admin.who.messages(admin.room_id)
        return any("2 courses were looked at." in str(one["body"]) for one in said)

    await until(told, "the report of the sync")


async def _dashboard(admin: Talk) -> None:
    """The link, or why there is none, stands in the direct chat alone."""
    await admin.who.say(admin.room_id, "!dashboard")
    GIVEN.add("dashboard")
    found: list[str] = []

    async def invited() -> bool:
        found.extend(await admin.who.direct_rooms())
        return bool(found)

    await until(invited, "a direct chat for the link")
    await admin.who.client.join(found[0])
    assert "Not done" in (await admin.who.answer(found[0]))["body"]


def _word(told: str) -> str:
    found = re.search(r"yes ([a-z]{6})", told)
    assert found is not None, told
    return found[1]
