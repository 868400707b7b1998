"""What was relayed. The primary key of `relay_post` is what keeps a post from being told twice.

Kept are ids, times, hashes and the addresses of uploaded files, nothing of what was said. A post is claimed
before anything is sent, and its row stays. Lists and reminders of dates are forgotten some time after their dates
(`tidy`). What is told is decided in `domain.relay` and `domain.deadlines`; a message that these rows have lost is
found again in the room (`matrix.relay_messenger`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from mautrix.util.async_db import Connection

from ..domain.deadlines import DateKey, DateList, Item, ModuleId, Told
from ..domain.model import CourseId, EventId, RoomId, UserId
from ..domain.relay import ForumId, PostId, PostRow, PostState
from ..ports import LeftOver, Upload
from .db import Db, Row

_POST = (
    "INSERT INTO relay_post (post_id, course_id, forum_id, room_id, sender, state, created, day, digest, event_id) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
)


class RelayBooks:
    """The tables `relay_*`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def since(self) -> Mapping[CourseId, float]:
        """Every course that relays → since when."""
        rows = await self._db.fetch("SELECT course_id, since FROM relay_course")
        return {CourseId(row["course_id"]): row["since"] for row in rows}

    async def set_since(self, since: Mapping[CourseId, float | None]) -> None:
        """These courses relay from a time on, or not any more."""

        async def work(connection: Connection) -> None:
            for course_id, at in since.items():
                if at is None:
                    await connection.execute("DELETE FROM relay_course WHERE course_id = $1", course_id)
                    continue
                await connection.execute(
                    "INSERT INTO relay_course (course_id, since) VALUES ($1, $2) "
                    "ON CONFLICT (course_id) DO UPDATE SET since = excluded.since",
                    course_id,
                    at,
                )

        await self._db.transaction(work)

    async def posts(self, forums: Collection[ForumId]) -> Mapping[PostId, PostRow]:
        """What is remembered of the posts of these forums."""
        rows = await self._db.fetch_in("SELECT * FROM relay_post WHERE forum_id IN ({in})", forums)
        return {PostId(row["post_id"]): _post(row) for row in rows}

    async def claim(self, row: PostRow) -> bool:
        """Take a post, once."""
        taken = await self._db.transaction(
            lambda connection: connection.fetch(
                _POST + "ON CONFLICT (post_id) DO NOTHING RETURNING post_id", *_values(row)
            )
        )
        return bool(taken)

    async def save_post(self, row: PostRow) -> None:
        """Write down how far it has come."""
        await self._db.execute(
            _POST
            + "ON CONFLICT (post_id) DO UPDATE SET room_id = excluded.room_id, sender = excluded.sender, "
            "state = excluded.state, day = excluded.day, digest = excluded.digest, event_id = excluded.event_id",
            *_values(row),
        )

    async def sent_today(self, room_id: RoomId, day: str) -> int:
        """How many posts were told by themselves in a room on a day."""
        row = await self._db.fetch_one(
            "SELECT COUNT(*) AS sent FROM relay_post WHERE room_id = $1 AND day = $2 AND state <> $3",
            room_id,
            day,
            PostState.LISTED,
        )
        return int(row["sent"]) if row is not None else 0

    async def uploads(self, post_id: PostId) -> Sequence[Upload]:
        """The files of a post."""
        rows = await self._db.fetch("SELECT * FROM relay_upload WHERE post_id = $1", post_id)
        return [
            Upload(PostId(row["post_id"]), row["digest"], row["address"], _event(row["event_id"]))
            for row in rows
        ]

    async def save_upload(self, upload: Upload) -> None:
        """Write down a file."""
        await self._db.execute(
            "INSERT INTO relay_upload (post_id, digest, address, event_id) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (post_id, digest) DO UPDATE SET address = excluded.address, event_id = excluded.event_id",
            upload.post_id,
            upload.digest,
            upload.address,
            upload.event_id,
        )

    async def left_over(self, room_id: RoomId, day: str) -> LeftOver | None:
        """The list of what was too much, if there is one."""
        row = await self._db.fetch_one(
            "SELECT * FROM relay_left_over WHERE room_id = $1 AND day = $2", room_id, day
        )
        if row is None:
            return None
        return LeftOver(room_id, CourseId(row["course_id"]), day, _event(row["event_id"]), row["digest"])

    async def save_left_over(self, one: LeftOver) -> None:
        """Write it down."""
        await self._db.execute(
            "INSERT INTO relay_left_over (room_id, day, course_id, event_id, digest) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (room_id, day) DO UPDATE SET event_id = excluded.event_id, digest = excluded.digest",
            one.room_id,
            one.day,
            one.course_id,
            one.event_id,
            one.digest,
        )

    async def lists(self, course_ids: Collection[CourseId], *, ahead_of: float) -> Sequence[DateList]:
        """Lists of dates that hold one after this time, and are not withdrawn."""
        rows = await self._db.fetch_in("SELECT * FROM relay_list WHERE course_id IN ({in})", course_ids)
        return [_list(row) for row in rows if row["last_at"] > ahead_of]

    async def save_list(self, one: DateList) -> None:
        """Write a list down; one without items is withdrawn."""
        items = [[*item.key, item.at, item.moved_from] for item in one.items]
        await self._db.execute(
            "INSERT INTO relay_list (course_id, day, room_id, event_id, digest, items, last_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (course_id, day) DO UPDATE SET "
            "room_id = excluded.room_id, event_id = excluded.event_id, digest = excluded.digest, "
            "items = excluded.items, "
            "last_at = CASE WHEN excluded.items = '[]' THEN relay_list.last_at ELSE excluded.last_at END",
            one.course_id,
            one.day,
            one.room_id,
            one.event_id,
            one.digest,
            json.dumps(items),
            float(max((item.at for item in one.items), default=0)),
        )

    async def told(self, course_ids: Collection[CourseId]) -> Mapping[CourseId, Told]:
        """Which reminders were given."""
        rows = await self._db.fetch_in("SELECT * FROM relay_told WHERE course_id IN ({in})", course_ids)
        found: dict[CourseId, dict[tuple[DateKey, int], int]] = {}
        for row in rows:
            key = (ModuleId(row["module_id"]), row["name_of_date"])
            found.setdefault(CourseId(row["course_id"]), {})[key, row["lead"]] = row["at"]
        return found

    async def save_told(self, course_id: CourseId, told: Told) -> None:
        """These reminders were given."""

        async def work(connection: Connection) -> None:
            for ((module_id, name), lead), at in told.items():
                await connection.execute(
                    "INSERT INTO relay_told (course_id, module_id, name_of_date, lead, at) VALUES ($1, $2, $3, $4, $5) "
                    "ON CONFLICT (course_id, module_id, name_of_date, lead) DO UPDATE SET at = excluded.at",
                    *(course_id, module_id, name, lead, at),
                )

        await self._db.transaction(work)

    async def forget_dates(self, course_id: CourseId, keys: Collection[DateKey]) -> None:
        """Nothing was told of these dates."""

        async def work(connection: Connection) -> None:
            for module_id, name in keys:
                await connection.execute(
                    "DELETE FROM relay_told WHERE course_id = $1 AND module_id = $2 AND name_of_date = $3",
                    *(course_id, module_id, name),
                )

        await self._db.transaction(work)

    async def tidy(self, *, before: float) -> None:
        """Forget lists and reminders of dates before this time."""
        await self._db.execute("DELETE FROM relay_list WHERE last_at < $1", before)
        await self._db.execute("DELETE FROM relay_told WHERE at < $1", int(before))


def _post(row: Row) -> PostRow:
    return PostRow(
        id=PostId(row["post_id"]),
        course_id=CourseId(row["course_id"]),
        forum_id=ForumId(row["forum_id"]),
        room_id=RoomId(row["room_id"]),
        sender=UserId(row["sender"]),
        state=PostState(row["state"]),
        created=row["created"],
        day=row["day"],
        digest=row["digest"],
        event_id=_event(row["event_id"]),
    )


def _values(row: PostRow) -> tuple[object, ...]:
    return (
        *(row.id, row.course_id, row.forum_id, row.room_id, row.sender, row.state, row.created),
        *(row.day, row.digest, row.event_id),
    )


def _list(row: Row) -> DateList:
    items = tuple(
        Item((ModuleId(module), name), at, moved_from)
        for module, name, at, moved_from in json.loads(row["items"])
    )
    made = DateList(CourseId(row["course_id"]), row["day"], RoomId(row["room_id"]), items)
    return replace(made, event_id=_event(row["event_id"]), digest=row["digest"])


def _event(value: str | None) -> EventId | None:
    return None if value is None else EventId(value)
