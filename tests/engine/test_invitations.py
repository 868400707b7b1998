"""Telling students once that a course's chat is ready: off by default, each way once, never holding up the rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from moodle_appservice.domain.actions import Invite
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.rooms import RoomKey, RoomKind, main_room
from moodle_appservice.engine.invitations import Invitations, Ways
from moodle_appservice.engine.readers import Reader, Readers
from moodle_appservice.errors import TemporaryFailure
from moodle_appservice.languages import LANGUAGES
from tests.engine.world import World
from tests.fakes import FakeInbox, FakeMessenger

COURSE = CourseId(42)
MAIN = main_room(COURSE)
ROOM = RoomId("!room")
LINK = "https://matrix.to/#/!room"


def invite(number: int, *, level: int = 0) -> Invite:
    return Invite(UserId(f"@p{number}:uni.test"), MoodleUserId(number), level, "Active enrolment.")


class Desk:
    """Invitations over a messenger and an inbox that keep what they are given."""

    def __init__(self, world: World, *, chat: bool, moodle: bool, language: str = "en") -> None:
        self.messenger, self.inbox = FakeMessenger(), FakeInbox()
        readers = Readers(world.store, Reader(LANGUAGES[language]))
        ways = Ways(chat=chat, moodle=moodle, link=lambda room_id: f"https://matrix.to/#/{room_id}")
        self.invitations = Invitations(self.messenger, self.inbox, world.store, readers, world.clock, ways)


@asynccontextmanager
async def desk(world: World, *, chat: bool, moodle: bool, language: str = "en") -> AsyncIterator[Desk]:
    await world.course()
    made = Desk(world, chat=chat, moodle=moodle, language=language)
    made.invitations.start()
    try:
        yield made
    finally:
        await made.invitations.stop()


async def test_where_it_is_off_nobody_is_told(world: World) -> None:
    async with desk(world, chat=False, moodle=False) as at:
        at.invitations.invited(MAIN, ROOM, invite(8))
        await at.invitations.idle()
        assert (at.messenger.direct_to, at.inbox.sent) == ([], [])


async def test_each_way_tells_once_for_each_person_and_course(world: World) -> None:
    async with desk(world, chat=True, moodle=True) as at:
        for number in (8, 8, 9, 8):
            at.invitations.invited(MAIN, ROOM, invite(number))
        await at.invitations.idle()
        text = f"Your course chat is ready: C42. You are invited; open it here: {LINK}"
        assert at.messenger.direct_to == [(world.user(8), text), (world.user(9), text)]
        assert at.inbox.sent == [(8, text), (9, text)]


@pytest.mark.parametrize(
    ("key", "level"),
    [(MAIN, 50), (RoomKey(RoomKind.ANNOUNCEMENTS, COURSE), 0), (RoomKey(RoomKind.SPACE, COURSE), 0)],
    ids=["a teacher", "another room", "a space"],
)
async def test_only_students_are_told_and_only_of_the_main_room(
    world: World, key: RoomKey, level: int
) -> None:
    async with desk(world, chat=True, moodle=True) as at:
        at.invitations.invited(key, ROOM, invite(8, level=level))
        await at.invitations.idle()
        assert (at.messenger.direct_to, at.inbox.sent) == ([], [])


async def test_it_is_told_in_the_language_of_the_reader(world: World) -> None:
    async with desk(world, chat=True, moodle=False, language="de") as at:
        at.invitations.invited(MAIN, ROOM, invite(8))
        await at.invitations.idle()
        assert at.messenger.direct_to[0][1].startswith("Ihr Kurs-Chat ist bereit: C42.")


async def test_what_can_not_be_told_holds_up_nobody_and_is_not_said_twice(world: World) -> None:
    async with desk(world, chat=True, moodle=True) as at:
        at.messenger.trouble = TemporaryFailure("The homeserver is away.")
        at.invitations.invited(MAIN, ROOM, invite(8))
        await at.invitations.idle()
        assert [person for person, _ in at.inbox.sent] == [8]
        at.messenger.trouble = None
        at.invitations.invited(MAIN, ROOM, invite(8))
        at.invitations.invited(MAIN, ROOM, invite(9))
        await at.invitations.idle()
        assert [account for account, _ in at.messenger.direct_to] == [world.user(9)]
