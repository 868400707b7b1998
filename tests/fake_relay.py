"""The relay's outside world in memory: rooms in which it speaks, and a Moodle as a participant sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from moodle_appservice.domain.deadlines import Dated, ModuleId
from moodle_appservice.domain.model import CourseId, EventId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.relay import Announcement, Attachment, ForumId, PostId, PostList
from moodle_appservice.errors import AppError, PermanentFailure, Unreachable
from moodle_appservice.ports import File, Forum, Found, Reader, Speech


@dataclass
class Told:
    """A message in a room of `FakeRelayMessenger`."""

    speech: Speech
    sender: UserId
    key: str
    edits: list[Speech] = field(default_factory=list)
    is_redacted: bool = False

    @property
    def now(self) -> Speech:
        """What it says after its edits."""
        return self.edits[-1] if self.edits else self.speech


class FakeRelayMessenger:
    """Implements `ports.RelayMessenger`, over a homeserver that has forgotten all transaction ids."""

    def __init__(self) -> None:
        self.rooms: dict[RoomId, dict[EventId, Told]] = {}
        self.uploads: list[File] = []
        self.trouble: AppError | None = None
        self.silent: set[UserId] = set()
        """Who may not speak."""
        self.loses_answers = False
        """What is sent arrives, and its answer does not."""

    async def post(self, room_id: RoomId, speech: Speech, *, key: str, sender: UserId) -> EventId:
        return self._happens(room_id, Told(speech, sender, key))

    async def edit(
        self, room_id: RoomId, event_id: EventId, speech: Speech, *, key: str, sender: UserId
    ) -> None:
        self._may_happen(sender)
        told = self.rooms[room_id][event_id]
        assert told.sender == sender, "only who has said it can say it otherwise"
        told.edits.append(speech)

    async def redact(self, room_id: RoomId, event_id: EventId, *, key: str, sender: UserId) -> None:
        self._may_happen(sender)
        self.rooms[room_id][event_id].is_redacted = True

    async def find(
        self, room_id: RoomId, about: Mapping[str, str | int], *, senders: Collection[UserId], since: float
    ) -> Found | None:
        self._may_happen(None)
        for event_id, told in reversed(self.rooms.get(room_id, {}).items()):
            if told.sender in senders and not told.is_redacted and told.speech.about == about:
                return Found(event_id, told.sender)
        return None

    async def upload(self, file: File) -> str:
        self._may_happen(None)
        self.uploads.append(file)
        return f"mxc://uni.test/{len(self.uploads)}"

    async def post_file(
        self,
        room_id: RoomId,
        file: File,
        address: str,
        *,
        about: Mapping[str, str | int],
        key: str,
        sender: UserId,
    ) -> EventId:
        return self._happens(room_id, Told(Speech(file.name, address, False, about), sender, key))

    def _happens(self, room_id: RoomId, told: Told) -> EventId:
        self._may_happen(told.sender)
        event_id = EventId(f"$r{sum(map(len, self.rooms.values())) + 1}")
        self.rooms.setdefault(room_id, {})[event_id] = told
        if self.loses_answers:
            raise Unreachable("The answer was lost.")
        return event_id

    def _may_happen(self, sender: UserId | None) -> None:
        if self.trouble is not None:
            raise self.trouble
        if sender in self.silent:
            raise PermanentFailure(f"{sender} may not speak.")


class FakeContent:
    """Implements `ports.Content`. `posts_of`: by forum; `dates_of`: by course; `trouble`: of a forum."""

    def __init__(self) -> None:
        self.forums_of: dict[CourseId, list[Forum]] = {}
        self.posts_of: dict[ForumId, dict[PostId, Announcement]] = {}
        self.dates_of: dict[CourseId, dict[ModuleId, Dated]] = {}
        self.trouble: dict[ForumId, AppError] = {}
        self.too_much: list[str] = []
        self.whole = self.dates_asked = 0
        self.broken: Exception | None = None
        self.asked = asyncio.Event()

    def add_forum(self, course_id: CourseId) -> Forum:
        if course_id not in self.forums_of:
            number = 9 + len(self.forums_of)
            self.forums_of[course_id] = [Forum(ForumId(number), course_id, ModuleId(number), 0)]
        return self.forums_of[course_id][0]

    async def reader(self) -> Reader:
        return Reader(MoodleUserId(77), False, frozenset(), "https://moodle.uni.test", True)

    async def excess(
        self, reader: Reader, *, hidden: Sequence[CourseId], shown: Sequence[CourseId], now: float
    ) -> Sequence[str]:
        return self.too_much

    async def time_zone(self) -> str:
        return "Europe/Berlin"

    async def forums(self, course_ids: Sequence[CourseId]) -> Mapping[CourseId, Sequence[Forum]]:
        return {course_id: self.forums_of.get(course_id, []) for course_id in course_ids}

    async def posts(self, forums: Sequence[Forum], *, whole: bool) -> Mapping[ForumId, PostList | AppError]:
        self.asked.set()
        if self.broken is not None:
            raise self.broken
        self.whole += whole
        found: dict[ForumId, PostList | AppError] = {}
        for forum in forums:
            if forum.id in self.trouble:
                found[forum.id] = self.trouble[forum.id]
                continue
            posts = sorted(
                self.posts_of.get(forum.id, {}).values(), key=lambda one: (not one.pinned, -one.created)
            )
            page = tuple(posts if whole else posts[:10])
            found[forum.id] = PostList(page, whole or len(page) < 10)
        return found

    async def dates(self, course_ids: Sequence[CourseId]) -> Mapping[CourseId, Sequence[Dated] | AppError]:
        self.dates_asked += 1
        return {course_id: list(self.dates_of.get(course_id, {}).values()) for course_id in course_ids}

    async def file(self, attachment: Attachment, *, most: int) -> File:
        return File(attachment.name, attachment.content_type, b"x" * attachment.size)
