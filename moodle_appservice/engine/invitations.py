"""Telling people once that the chat of a course is ready: in a direct chat, as a message inside Moodle, or both.

Each is off unless the institution switches it on. Who was invited just now is told; who was told before, or has been
in the room for long, is not. It is booked before it is sent, so a crash in between tells nobody twice; and it is sent
aside, so it never holds up the rooms.
"""

from __future__ import annotations

import asyncio
import html
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..domain.actions import Invite
from ..domain.model import CourseId, RoomId
from ..domain.power import STAFF_LEVEL
from ..domain.rooms import RoomKey, RoomKind
from ..errors import AppError
from ..ports import Clock, Messenger, MoodleInbox, Store, Way
from .readers import Readers
from .stopping import end

log = logging.getLogger(__name__)
MOST_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Ways:
    """How people are told. `link`: from a room to an address that opens it."""

    chat: bool
    moodle: bool
    link: Callable[[RoomId], str]


@dataclass(frozen=True, slots=True)
class _Invited:
    invite: Invite
    course_id: CourseId
    room_id: RoomId


class Invitations:
    """Takes who was invited, and tells them one after the other."""

    def __init__(
        self,
        messenger: Messenger,
        inbox: MoodleInbox,
        store: Store,
        readers: Readers,
        clock: Clock,
        ways: Ways,
    ) -> None:
        self._messenger = messenger
        self._inbox = inbox
        self._store = store
        self._readers = readers
        self._clock = clock
        self._ways = ways
        self._waiting: asyncio.Queue[_Invited] = asyncio.Queue(MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tell."""
        if self._ways.chat or self._ways.moodle:
            self._task = asyncio.create_task(self._work(), name="invitations")

    async def stop(self) -> None:
        """Tell nobody any more."""
        await end(self._task)

    def invited(self, key: RoomKey, room_id: RoomId, invite: Invite) -> None:
        """Somebody was invited just now. Students of the main room are told; teachers know their course."""
        is_student = key.kind is RoomKind.MAIN and invite.level < STAFF_LEVEL
        if self._task is None or not is_student or key.course_id is None or self._waiting.full():
            return
        self._waiting.put_nowait(_Invited(invite, key.course_id, room_id))

    async def idle(self) -> None:
        """Wait until everybody is told who waits for it."""
        await self._waiting.join()

    async def _work(self) -> None:
        while True:
            one = await self._waiting.get()
            try:
                await self._tell(one)
            except Exception:
                log.exception("Somebody could not be told that a chat is ready: a bug of ours.")
            finally:
                self._waiting.task_done()

    async def _tell(self, one: _Invited) -> None:
        row = await self._store.courses.get(one.course_id)
        if row is None:
            return
        reader = await self._readers.of(one.invite.person)
        link = self._ways.link(one.room_id)
        text = reader.language.gettext(
            "Your course chat is ready: {course}. You are invited; open it here: {link}",
            course=row.shortname,
            link=link,
        )
        if self._ways.chat:
            address = html.escape(link)
            shown = f"<p>{html.escape(text)}</p>".replace(address, f'<a href="{address}">{address}</a>')
            await self._once(
                one,
                Way.CHAT,
                lambda: self._messenger.direct(
                    one.invite.matrix_id, text, shown, key=f"ready:{secrets.token_hex(8)}"
                ),
            )
        if self._ways.moodle:
            await self._once(one, Way.MOODLE, lambda: self._to_moodle(one, text))

    async def _to_moodle(self, one: _Invited, text: str) -> None:
        if await self._inbox.is_on():
            await self._inbox.send(one.invite.person, text, key=f"ready:{secrets.token_hex(8)}")

    async def _once(self, one: _Invited, way: Way, send: Callable[[], Awaitable[object]]) -> None:
        if not await self._store.told.claim(one.invite.person, way, one.course_id, at=self._clock.now()):
            return
        try:
            await send()
        except AppError as failure:
            log.warning(
                "Somebody could not be told that the chat of course %d is ready: %s", one.course_id, failure
            )
