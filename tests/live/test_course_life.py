"""Each transition in the life of a course on a real Synapse, in room versions 11 and 12: who may do what then."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import nio
import pytest

from moodle_appservice.demo.sandbox.records import Course
from moodle_appservice.domain.model import CourseId, RoomId, UserId
from moodle_appservice.engine.endings import ENDING
from moodle_appservice.errors import Refused
from moodle_appservice.ports import course_key
from tests.live.homeserver import Account, People
from tests.live.house import House, until
from tests.live.test_modes import as_admin

COURSE = 2
DAY = 86400
VERSIONS = pytest.mark.parametrize("version", ["11", "12"])


class Cast:
    """A house with a teacher and a student in the room of course 2, each with a client of their own."""

    def __init__(self, house: House, teacher: Account, student: Account) -> None:
        self.house = house
        self.teacher = teacher
        self.student = student
        self.clients: dict[str, nio.AsyncClient] = {}

    @property
    def course(self) -> Course:
        return self.house.moodle.university.courses[COURSE]

    async def join(self, people: People, *, only: Account | None = None) -> str:
        room_id = await self.house.room_of(COURSE)
        for account in (self.teacher, self.student):
            if only in (None, account):
                client = await people.client(self.house.synapse, account)
                answer = await client.join(room_id)
                assert isinstance(answer, nio.JoinResponse), answer
                self.clients[account.user_id] = client
        return room_id

    async def may(self, account: Account, room_id: str, event_type: str, content: Mapping[str, Any]) -> bool:
        """Whether the homeserver takes an event of this person: state where it is named `state …`, else a message."""
        room, kind = quote(room_id), event_type.removeprefix("state ")
        if kind == event_type:
            path = f"/_matrix/client/v3/rooms/{room}/send/{kind}/{time.monotonic_ns()}"
        else:
            path = f"/_matrix/client/v3/rooms/{room}/state/{kind}"
        answer = await self.house.ask("PUT", path, token=account.access_token, body=dict(content))
        return "event_id" in answer

    async def writers(self, room_id: str) -> tuple[bool, bool]:
        """Whether the teacher and the student may write."""
        body = {"msgtype": "m.text", "body": "hello"}
        return (
            await self.may(self.teacher, room_id, "m.room.message", body),
            await self.may(self.student, room_id, "m.room.message", body),
        )

    async def state_of(self, room_id: str) -> dict[tuple[str, str], Mapping[str, Any]]:
        events = await self.house.ask("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/state")
        return {(event["type"], event["state_key"]): event["content"] for event in events}

    async def quiet(self) -> None:
        """A whole pass finds nothing to write."""
        mark = self.house.synapse.mark()
        await self.house.sync()
        assert [one for one in self.house.sent_since(mark) if one.method != "GET"] == []


@pytest.fixture
async def cast(house: House, people: People) -> Cast:
    teacher = await people.register(house.synapse, "teacher")
    student = await people.register(house.synapse, "student")
    university = house.moodle.university
    university.enrol(university.add_person(teacher.localpart, "Tea", "Cher").id, COURSE, "editingteacher")
    university.enrol(university.add_person(student.localpart, "Stu", "Dent").id, COURSE, "student")
    return Cast(house, teacher, student)


def use(cast: Cast, version: str, **life: Any) -> None:
    cast.house.overrides["rooms"] = {"version": version}
    cast.house.overrides["life"] = life


@VERSIONS
async def test_before_its_beginning_only_staff_are_in_a_course_and_write(
    cast: Cast, people: People, version: str
) -> None:
    use(cast, version)
    cast.course.startdate = int(time.time()) + DAY
    await cast.house.start()
    await cast.house.sync()
    members = await cast.house.members(COURSE)
    assert members[cast.teacher.user_id] == "invite"
    assert cast.student.user_id not in members
    room_id = await cast.join(people, only=cast.teacher)
    body = {"msgtype": "m.text", "body": "We prepare."}
    assert await cast.may(cast.teacher, room_id, "m.room.message", body)
    cast.course.startdate = int(time.time()) - 10
    await cast.house.sync()
    await cast.join(people, only=cast.student)
    assert await cast.writers(room_id) == (True, True)
    await cast.quiet()


@VERSIONS
async def test_before_its_beginning_everybody_may_be_there_and_only_staff_write(
    cast: Cast, people: People, version: str
) -> None:
    use(cast, version, before_start="muted")
    cast.course.startdate = int(time.time()) + DAY
    await cast.house.start()
    await cast.house.sync()
    room_id = await cast.join(people)
    assert await cast.writers(room_id) == (True, False)


@VERSIONS
async def test_a_course_that_begins_opens_by_itself_at_that_second(
    cast: Cast, people: People, version: str
) -> None:
    use(cast, version, before_start="muted")
    cast.course.startdate = int(time.time()) + 6
    await cast.house.start()
    await cast.house.sync()
    room_id = await cast.join(people)

    async def is_open() -> bool:
        return await cast.writers(room_id) == (True, True)

    await until(is_open, "the course has begun")


@VERSIONS
@pytest.mark.parametrize(("hidden", "writes"), [("keep", True), ("read-only", False), ("hide", False)])
async def test_a_hidden_course_follows_the_policy_and_is_shown_again(
    cast: Cast, people: People, version: str, hidden: str, writes: bool
) -> None:
    use(cast, version, hidden=hidden)
    await cast.house.start()
    await cast.house.sync()
    room_id = await cast.join(people)
    cast.course.visible = False
    await cast.house.sync()
    assert await cast.writers(room_id) == (True, writes)
    assert (await cast.house.members(COURSE))[cast.student.user_id] == "join"
    await cast.quiet()
    cast.course.visible = True
    await cast.house.sync()
    assert await cast.writers(room_id) == (True, True)


@VERSIONS
async def test_after_its_end_a_course_is_read_only_and_then_archived_and_may_be_opened_again(
    cast: Cast, people: People, version: str
) -> None:
    use(cast, version)
    await cast.house.start()
    await cast.house.sync()
    room_id = await cast.join(people)
    now = int(time.time())
    cast.course.startdate, cast.course.enddate = now - 300 * DAY, now - 31 * DAY
    await cast.house.sync()
    assert await cast.writers(room_id) == (False, False)
    name = (await cast.state_of(room_id))["m.room.name", ""]["name"]
    cast.course.enddate = now - 181 * DAY
    await cast.house.sync()
    assert (await cast.state_of(room_id))["m.room.name", ""] == {"name": f"{name} (archived)"}
    assert await cast.writers(room_id) == (False, False)
    reads = await cast.clients[cast.student.user_id].room_messages(room_id, limit=5)
    assert isinstance(reads, nio.RoomMessagesResponse)
    for event_type in ("state m.room.power_levels", "state m.room.tombstone", "state m.room.join_rules"):
        assert not await cast.may(cast.teacher, room_id, event_type, {"join_rule": "public"})
    await cast.quiet()
    assert cast.house.running is not None
    await cast.house.running.operations.life.unarchive(CourseId(COURSE), by="command line")
    await cast.house.sync(COURSE)
    assert (await cast.state_of(room_id))["m.room.name", ""] == {"name": name}
    assert await cast.writers(room_id) == (True, True)
    await cast.quiet()


@VERSIONS
async def test_a_reset_leads_real_clients_to_the_new_room(cast: Cast, people: People, version: str) -> None:
    use(cast, version)
    await cast.house.start()
    await cast.house.sync()
    old = await cast.join(people)
    client = cast.clients[cast.student.user_id]
    found: list[nio.RoomUpgradeEvent] = []
    client.add_event_callback(lambda _room, event: found.append(event), nio.RoomUpgradeEvent)
    await client.sync(full_state=True)
    assert cast.house.running is not None
    await cast.house.running.operations.life.reset(CourseId(COURSE), by="command line")
    await cast.house.sync(COURSE)
    new = await cast.house.room_of(COURSE)
    assert new != old, "the alias of the course leads to the new room"

    async def told() -> bool:
        await client.sync(timeout=1000)
        return bool(found)

    await until(told, "the client has seen the tombstone")
    assert found[0].replacement_room == new
    answer = await client.join(found[0].replacement_room)
    assert isinstance(answer, nio.JoinResponse), answer
    await client.sync(full_state=True)
    create = (await cast.state_of(new))["m.room.create", ""]
    assert create["predecessor"]["room_id"] == old
    assert (await cast.state_of(new))["m.room.canonical_alias", ""] == {
        "alias": f"#moodle_{cast.house.seat.site}_course_{COURSE}:{cast.house.synapse.server_name}"
    }
    assert await cast.writers(old) == (False, False)
    assert await cast.may(cast.student, new, "m.room.message", {"msgtype": "m.text", "body": "hello"})
    members = await cast.state_of(old)
    assert members["m.room.member", cast.teacher.user_id]["membership"] == "join"
    await cast.quiet()
    await cast.house.stop()
    await cast.house.start()
    await cast.house.sync()
    await cast.quiet()


@VERSIONS
async def test_a_deleted_course_is_archived_and_a_restored_one_gets_its_room(
    cast: Cast, people: People, version: str
) -> None:
    use(cast, version, grace_period=3)
    await cast.house.start()
    await cast.house.sync()
    room_id = await cast.join(people)
    university = cast.house.moodle.university
    gone = university.courses[COURSE]
    university.delete_course(COURSE)
    await cast.house.sync()
    new = university.add_course(gone.shortname, gone.fullname, gone.category)
    for account in (cast.teacher, cast.student):
        person = next(one for one in university.people.values() if one.username == account.localpart)
        role = "editingteacher" if account is cast.teacher else "student"
        university.enrol(person.id, new.id, role)
    report = await cast.house.sync()
    assert [held.course_id for held in report.held] == [new.id]
    assert await cast.house.room_of(new.id) == ""
    assert (await cast.house.sync(new.id, confirm=True)).held == ()
    assert await cast.house.room_of(new.id) == room_id
    assert await cast.writers(room_id) == (True, True)
    await cast.quiet()
    university.delete_course(new.id)
    await cast.house.sync()

    async def is_silent() -> bool:
        await cast.house.sync()
        return await cast.writers(room_id) == (False, False)

    await until(is_silent, "the time of grace is over")
    members = {
        key: content["membership"]
        for (kind, key), content in (await cast.state_of(room_id)).items()
        if kind == "m.room.member"
    }
    assert (members[cast.teacher.user_id], members[cast.student.user_id]) == ("join", "join")
    await cast.quiet()


@VERSIONS
async def test_a_released_room_is_administered_by_whom_a_person_has_named(
    cast: Cast, people: People, version: str
) -> None:
    use(cast, version)
    service = await cast.house.start()
    await cast.house.sync()
    room_id = await cast.join(people)

    async def is_known() -> bool:
        room = await service.store.mirror.rooms([RoomId(room_id)])
        return any(user == cast.teacher.user_id for one in room.values() for user in one.members)

    await until(is_known, "the join was pushed")
    life = service.operations.life
    with pytest.raises(Refused, match="Nobody could administer"):
        await life.release(CourseId(COURSE), by="command line")
    levels = (await cast.state_of(room_id))["m.room.power_levels", ""]
    assert not await cast.may(cast.teacher, room_id, "state m.room.power_levels", {**levels, "invite": 0})
    await life.release(CourseId(COURSE), by="command line", to=[UserId(cast.teacher.user_id)])
    assert await service.workers.ask(course_key(CourseId(COURSE)), signal=ENDING) is None
    levels = (await cast.state_of(room_id))["m.room.power_levels", ""]
    assert levels["users"][cast.teacher.user_id] == 100
    assert await cast.may(cast.teacher, room_id, "state m.room.power_levels", {**levels, "invite": 0})
    await cast.quiet()


@VERSIONS
async def test_an_archive_is_written_down_and_then_really_purged(
    cast: Cast, people: People, version: str
) -> None:
    use(cast, version, export_after=0, purge_after=1, export_folder=str(cast.house.folder / "exports"))
    cast.house.overrides["homeserver"] = {"admin_token": cast.house.synapse.admin_token}
    service = await cast.house.start()
    await cast.house.sync()
    room_id = await cast.join(people)
    await cast.may(
        cast.student, room_id, "m.room.message", {"msgtype": "m.text", "body": "Wörter, die bleiben"}
    )
    await service.operations.life.archive(CourseId(COURSE), by="command line")

    async def is_gone() -> bool:
        await cast.house.sync()
        return await cast.house.room_of(COURSE) == ""

    await until(is_gone, "the room is deleted", patience=120)
    folder = cast.house.folder / "exports"
    (file,) = list(folder.iterdir())
    assert file.stat().st_mode & 0o077 == 0
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    bodies = [event["content"].get("body") for event in events if event["type"] == "m.room.message"]
    assert bodies == ["Wörter, die bleiben"]
    assert events[0]["type"] == "m.room.create"
    status, told = await as_admin(cast.house, "GET", f"/_synapse/admin/v1/rooms/{quote(room_id)}")
    assert (status, told["errcode"]) == (404, "M_NOT_FOUND")
    joined = await cast.house.ask("GET", "/_matrix/client/v3/joined_rooms", token=cast.student.access_token)
    assert joined["joined_rooms"] == []
    assert await service.store.ledger.rooms_of(CourseId(COURSE)) == {}
    await cast.quiet()


async def test_without_admin_rights_nothing_is_deleted_and_the_course_says_why(
    cast: Cast, people: People
) -> None:
    use(cast, "12", when_deleted="delete", grace_period=0)
    service = await cast.house.start()
    await cast.house.sync()
    room_id = await cast.join(people)
    cast.house.moodle.university.delete_course(COURSE)
    report = await cast.house.sync()
    assert list(report.failures) == [course_key(CourseId(COURSE))]
    row = await service.store.courses.get(CourseId(COURSE))
    assert row is not None
    assert "no server administrator" in row.last_error
    assert await cast.writers(room_id) == (True, True)
