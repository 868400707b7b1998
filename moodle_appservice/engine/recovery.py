"""The loss of our database: what the homeserver still knows of our rooms is taken back into the books.

Done once for each database, before the first look at the site. The bot lists the rooms in which it is and reads each; a
room with a marker of this site that the bot has set is ours, whatever it is called. From the markers come the kinds and
generations of rooms and what people have chosen for their courses, from the rooms who had left by choice, who is banned
and who has named the room; from the canary, which course is new and which was there before.

What nobody can tell any more: links that people have proven, who has asked to be in a room, and what was held. Whoever
is in a room and is nobody in Moodle by any rule stays, and counts as not managed. A room in which the bot is not any
more is found by its alias as soon as its course is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..domain.markers import key_in
from ..domain.model import CourseId, RoomId
from ..domain.power import CANARY, MARKER
from ..domain.repairs import TOMBSTONE
from ..domain.rooms import RoomKey, RoomKind
from ..domain.rules import Choice, Rules
from ..domain.selection import MOODLE_FIELD
from ..errors import AppError, PermanentFailure, TemporaryFailure
from ..ports import Chosen, Clock, CourseRow, Event, Matrix, Store
from .gate import BASELINE

RECOVERED = "rooms_recovered"
"""The setting that says when the homeserver was asked, Unix seconds."""
AT_ONCE = 8
BY_MARKER = "people, as the marker of its room says"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Marked:
    """A room with a marker of ours."""

    room_id: RoomId
    key: RoomKey
    marker: Mapping[str, Any]
    is_replaced: bool
    events: Sequence[Event]
    guard: str

    @property
    def generation(self) -> int:
        """How often the key had been given a room."""
        number = self.marker.get("generation", 1)
        return number if isinstance(number, int) and number > 0 else 1

    @property
    def choices(self) -> Mapping[str, Any]:
        """What people have chosen for the course."""
        chosen = self.marker.get("choices")
        return chosen if isinstance(chosen, Mapping) else {}


class Recovery:
    """Asks the homeserver for our rooms."""

    def __init__(self, matrix: Matrix, store: Store, rules: Rules, clock: Clock) -> None:
        self._matrix = matrix
        self._store = store
        self._rules = rules
        self._clock = clock
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Take back what is there, once. Raises `TemporaryFailure` where the homeserver does not answer."""
        async with self._lock:
            if await self._store.settings.get(RECOVERED) is not None:
                return
            if not await self._store.ledger.every():
                await self._recall_baseline()
                found = await self.find()
                for room in _newest_last(found):
                    await self._take_back(room)
                if found:
                    await self._report(found)
            await self._store.settings.set(RECOVERED, str(self._clock.now()))

    async def find(self) -> list[Marked]:
        """The rooms in which the bot is and that its marker says are ours; nothing is booked."""
        rooms = sorted(await self._matrix.joined_rooms())
        limit = asyncio.Semaphore(AT_ONCE)

        async def look(room_id: RoomId) -> Marked | None:
            async with limit:
                return await self._look(room_id)

        return [room for room in await asyncio.gather(*map(look, rooms)) if room is not None]

    async def _look(self, room_id: RoomId) -> Marked | None:
        guard = await self._store.mirror.begin_read()
        try:
            events = await self._matrix.read_state(room_id)
        except PermanentFailure as failure:
            log.warning(
                "The room %s can't be read, so it is not known whether it is ours: %s", room_id, failure
            )
            return None
        bot = self._rules.bot
        by_bot = any(event.type == "m.room.create" and event.sender == bot for event in events)
        for event in events:
            if event.type != MARKER or event.state_key != "" or event.sender != bot:
                continue
            key = key_in(event.content, self._rules)
            if key is not None and (by_bot or event.content.get("adopted") is True):
                replaced = any(one.type == TOMBSTONE and one.sender == bot and one.content for one in events)
                return Marked(room_id, key, event.content, replaced, events, guard)
        return None

    async def _take_back(self, room: Marked) -> None:
        await self._store.mirror.replace(room.room_id, room.events, guard=room.guard)
        now = self._clock.now()
        await self._store.ledger.adopt(room.room_id, room.key, generation=room.generation, at=now)
        # What was pushed between reading and booking was about a room that we did not know.
        await self._store.mirror.mark_stale(room.room_id)
        course_id = room.key.course_id
        await self._store.journal.note(
            "RoomFound",
            at=now,
            why=f"The room of {room.key} was found at the homeserver by its marker, and taken back into the books.",
            course_id=course_id,
            room_id=room.room_id,
        )
        if room.key.kind is RoomKind.MAIN and course_id is not None:
            await self._recall_course(course_id, room)

    async def _recall_course(self, course_id: CourseId, room: Marked) -> None:
        """What people have chosen, and that the course is on; the Moodle field counts where it says otherwise."""
        now = self._clock.now()
        for setting, value in room.choices.items():
            if setting != "on":
                await self._store.choices.choose(course_id, str(setting), Chosen(value, "marker", now))
        if room.generation > 1:
            await self._store.choices.choose(course_id, "generation", Chosen(room.generation, "marker", now))
        by = room.choices.get("on")
        choice = Choice(True, by if by == MOODLE_FIELD else BY_MARKER, now) if by is not None else None
        await self._store.courses.save(
            [
                CourseRow(
                    course_id,
                    "",
                    True,
                    "Its room was found again after the loss of our database.",
                    choice=choice,
                    # What the field said when it switched the course on, so that a change since then is seen.
                    field_seen="1" if by == MOODLE_FIELD else None,
                )
            ]
        )

    async def _recall_baseline(self) -> None:
        """Which courses are new: the canary keeps it."""
        if await self._store.settings.get(BASELINE) is not None:
            return
        try:
            room_id = await self._matrix.resolve_alias(self._rules.control_alias)
            events = await self._matrix.read_state(room_id) if room_id is not None else []
        except TemporaryFailure:
            raise
        except AppError as failure:
            log.warning("The control room can't be read: %s", failure)
            return
        # Each process of a cluster has a canary of its own.
        told = [event.content.get("baseline") for event in events if event.type == CANARY]
        known = [number for number in told if isinstance(number, int)]
        if known:
            await self._store.settings.set(BASELINE, str(max(known)))

    async def _report(self, found: Sequence[Marked]) -> None:
        log.warning(
            "Our database is new, and %d rooms of ours were found at the homeserver: they are taken back. Links that "
            "people had proven are lost; `moodle-appservice adopt --find` lists who is in these rooms and counts as "
            "nobody's.",
            len(found),
        )


def _newest_last(rooms: Iterable[Marked]) -> list[Marked]:
    """Of two rooms of one key and generation the one that was not replaced is booked last, and stays."""
    return sorted(rooms, key=lambda room: (room.key.rank, room.generation, not room.is_replaced))
