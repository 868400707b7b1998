"""What a teacher (60), a tutor (50) and a student (0) can do in each kind of room, tried one by one on a real Synapse.

The table below is the institution's default; `docs/rooms-and-roles.md` shows the levels that it follows from.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, GroupId
from moodle_appservice.domain.rooms import NO_GROUP, RoomKey, RoomKind
from tests.live.homeserver import Account, People
from tests.live.house import House

COURSE = CourseId(2)
TEACHER, TUTOR, STUDENT = "teacher", "tutor", "student"
EVERYBODY, STAFF, TEACHERS, NOBODY = {TEACHER, TUTOR, STUDENT}, {TEACHER, TUTOR}, {TEACHER}, set[str]()
NAMING = ("m.room.name", "m.room.topic", "m.room.avatar")
BOT_ALONE = (
    "m.room.power_levels",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.encryption",
    "m.room.server_acl",
    "m.room.guest_access",
    "m.space.child",
    "m.space.parent",
    "m.bridge",
    "org.moodle_appservice.marker",
    "m.room.tombstone",
)
OTHER_STATE = ("m.room.pinned_events", "org.example.widget")
CALLS = ("org.matrix.msc3401.call.member", "m.call.member")
WRITERS = {"main": EVERYBODY, "group": EVERYBODY, "staff": STAFF, "announcements": STAFF, "space": NOBODY}
CALLERS = WRITERS
REACTORS = {**WRITERS, "announcements": EVERYBODY}


class Trial:
    """A room with one account of each role in it, and what each of them tries."""

    def __init__(self, house: House, room_id: str, cast: Mapping[str, Account]) -> None:
        self.house = house
        self.room_id = room_id
        self.cast = cast

    async def _ask(self, role: str, method: str, what: str, body: Any) -> str:
        answer = await self.house.ask(
            method,
            f"/_matrix/client/v3/rooms/{quote(self.room_id)}/{what}",
            token=self.cast[role].access_token,
            body=body,
        )
        return str(answer.get("errcode", ""))

    async def who_may_set(self, event_type: str, *, of_self: bool = False) -> set[str]:
        """Who can send this state event. A content of another role's making is each time a new one."""
        found = set()
        for role, account in self.cast.items():
            state_key = account.user_id if of_self else ""
            content = await self._content(event_type, state_key)
            errcode = await self._ask(
                role, "PUT", f"state/{event_type}/{quote(state_key)}", {**content, "org.example": role}
            )
            assert errcode in ("", "M_FORBIDDEN"), (role, event_type, errcode)
            found |= set() if errcode else {role}
        return found

    async def who_may_send(self, event_type: str, content: Mapping[str, Any]) -> set[str]:
        found = set()
        for role in self.cast:
            what = f"send/{event_type}/{secrets.token_hex(4)}"
            errcode = await self._ask(role, "PUT", what, dict(content))
            assert errcode in ("", "M_FORBIDDEN"), (role, event_type, errcode)
            found |= set() if errcode else {role}
        return found

    async def who_may(self, what: str, victim: Account) -> set[str]:
        """Who can kick, ban or invite; the victim is put back before the next one tries."""
        found = set()
        for role in self.cast:
            errcode = await self._ask(role, "POST", what, {"user_id": victim.user_id})
            assert errcode in ("", "M_FORBIDDEN"), (role, what, errcode)
            if not errcode:
                found.add(role)
                await self._put_back(what, victim)
        return found

    async def who_may_redact(self, event_id: str) -> set[str]:
        found = set()
        for role in self.cast:
            what = f"redact/{quote(event_id)}/{secrets.token_hex(4)}"
            errcode = await self._ask(role, "PUT", what, {})
            assert errcode in ("", "M_FORBIDDEN"), (role, errcode)
            found |= set() if errcode else {role}
        return found

    async def say(self, text: str) -> str:
        path = f"/_matrix/client/v3/rooms/{quote(self.room_id)}/send/m.room.message/{secrets.token_hex(4)}"
        answer = await self.house.ask("PUT", path, body={"msgtype": "m.text", "body": text})
        return str(answer["event_id"])

    async def _put_back(self, what: str, victim: Account) -> None:
        if what == "invite":
            await self.house.ask(
                "POST",
                f"/_matrix/client/v3/rooms/{quote(self.room_id)}/kick",
                body={"user_id": victim.user_id},
            )
            return
        for step in ("unban", "invite"):
            await self.house.ask(
                "POST",
                f"/_matrix/client/v3/rooms/{quote(self.room_id)}/{step}",
                body={"user_id": victim.user_id},
            )
        await self.house.ask(
            "POST", f"/_matrix/client/v3/join/{quote(self.room_id)}", token=victim.access_token, body={}
        )

    async def _content(self, event_type: str, state_key: str) -> Mapping[str, Any]:
        path = f"/_matrix/client/v3/rooms/{quote(self.room_id)}/state/{event_type}/{quote(state_key)}"
        content = await self.house.ask("GET", path)
        if "errcode" not in content:
            return dict(content)
        usual: dict[str, dict[str, Any]] = {
            "m.room.tombstone": {"body": "x", "replacement_room": "!x:uni.test"},
            "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
            "m.room.server_acl": {"allow": ["*"], "deny": [], "allow_ip_literals": True},
            "m.room.pinned_events": {"pinned": []},
        }
        return usual.get(event_type, {})


async def in_the_room(house: House, people: People, kind: str, version: str) -> tuple[Trial, Account]:
    """A trial in a room of this kind, with one more member to be acted upon; in the staff room no student is."""
    house.overrides["rooms"] = {
        "existing_courses": True,
        "layout": "space",
        "announcements": True,
        "staff": True,
        "groups": [".*"],
        "version": version,
        "invite": "all",
    }
    # The right without which nobody tells who may see a group.
    house.moodle.rights.grant("moodle/course:managegroups", "moodle/course:viewhiddengroups")
    house.moodle.site.service.functions.append("core_group_get_course_groups")
    there = (TEACHER, TUTOR) if kind == "staff" else (TEACHER, TUTOR, STUDENT)
    cast = {role: await people.register(house.synapse, role) for role in there}
    victim = await people.register(house.synapse, "victim")
    university = house.moodle.university
    roles = {TEACHER: "editingteacher", TUTOR: "teacher", STUDENT: "student"}
    group = university.add_group(COURSE, "Lab")
    for role, account in (*cast.items(), ("victim", victim)):
        user = university.add_person(account.localpart, role, "Cast").id
        university.enrol(user, COURSE, roles.get(role, "teacher" if kind == "staff" else "student"))
        group.members.add(user)
    service = await house.start()
    report = await house.sync(COURSE)
    assert report.failures == {}
    key = RoomKey(RoomKind(kind), COURSE, GroupId(group.id) if kind == "group" else NO_GROUP)
    alias = quote(alias_of(key, service.rules))
    room_id = (await house.ask("GET", f"/_matrix/client/v3/directory/room/{alias}"))["room_id"]
    for account in (*cast.values(), victim):
        answer = await house.ask(
            "POST", f"/_matrix/client/v3/join/{quote(room_id)}", token=account.access_token, body={}
        )
        assert "room_id" in answer, answer
    # What they do is theirs: nothing of it is repaired meanwhile.
    await house.stop()
    return Trial(house, room_id, cast), victim


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        *((kind, version) for kind in ("main", "announcements", "space") for version in ("11", "12")),
        ("staff", "12"),
        ("group", "11"),
    ],
)
async def test_each_role_can_do_what_the_table_says_and_nothing_else(
    house: House, people: People, kind: str, version: str
) -> None:
    trial, victim = await in_the_room(house, people, kind, version)
    for event_type in BOT_ALONE:
        assert await trial.who_may_set(event_type) == NOBODY, event_type
    for event_type in (*NAMING, *OTHER_STATE):
        assert await trial.who_may_set(event_type) == TEACHERS, event_type
    for event_type in CALLS:
        assert await trial.who_may_set(event_type, of_self=True) == CALLERS[kind], event_type
    message = {"msgtype": "m.text", "body": "hello"}
    assert await trial.who_may_send("m.room.message", message) == WRITERS[kind]
    about = await trial.say("something")
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": about, "key": "👍"}}
    found = set()
    for role in trial.cast:
        key = {"m.relates_to": {**reaction["m.relates_to"], "key": role}}
        only = Trial(house, trial.room_id, {role: trial.cast[role]})
        found |= await only.who_may_send("m.reaction", key)
    assert found == REACTORS[kind]
    # A redaction is a message too, so where nobody may write nobody may redact.
    assert await trial.who_may_redact(about) == (STAFF if kind != "space" else NOBODY)
    # Nobody can put out who is as powerful: in the staff room everybody is at least a tutor.
    above = TEACHERS if kind == "staff" else STAFF
    assert await trial.who_may("kick", victim) == above
    assert await trial.who_may("ban", victim) == above
    stranger = await people.register(house.synapse, "stranger")
    assert await trial.who_may("invite", stranger) == STAFF
