"""The ledger: which rooms are ours, what we last wrote in each, and whom we gave a place.

Booking an action is one transaction over audit, ledger and mirror, in which what the homeserver accepted is assumed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from mautrix.util.async_db import Connection

from ..domain.ledger import Ledger
from ..domain.model import CourseId, GroupId, MoodleUserId, RoomId, UserId
from ..domain.rooms import RoomKey, RoomKind
from ..ports import Done, OwnRoom
from .afterwards import note_invited, note_removed
from .booking import COURSE, book, columns, give_place, put_room, take_place
from .db import Db, Row, fetch_in
from .found import (
    NAMES,
    answered,
    book_departed,
    book_name,
    book_names,
    forget_departed,
    levels_of_known,
    move_books,
)
from .safety import book_departure
from .together import Together

CONTROL = "control"
_PLACES = (
    "SELECT place.*, mirror_member.event_id AS event_now FROM place LEFT JOIN mirror_member "
    "ON mirror_member.room_id = place.room_id AND mirror_member.user_id = place.matrix_id "
    "WHERE place.room_id IN ({in})"
)


class LedgerBooks:
    """The `room` and `place` tables."""

    def __init__(self, db: Db, *, bot: UserId) -> None:
        self._db = db
        self._bot = bot
        self._records = Together(self._record)

    async def room_of(self, key: RoomKey) -> RoomId | None:
        """The room that a key stands for now."""
        row = await self._db.fetch_one(
            "SELECT room_id FROM room WHERE kind = $1 AND course_id = $2 AND room_kind = $3 AND group_id = $4 "
            "ORDER BY generation DESC LIMIT 1",
            *columns(key),
        )
        return None if row is None else RoomId(row["room_id"])

    async def rooms_of(self, course_id: CourseId) -> Mapping[RoomKey, OwnRoom]:
        """All rooms of a course, of the newest generation each."""
        rows = await self._db.fetch(
            "SELECT * FROM room WHERE kind = $1 AND course_id = $2 ORDER BY generation", COURSE, course_id
        )
        return {_key(row): OwnRoom(RoomId(row["room_id"]), row["generation"]) for row in rows}

    async def generations(self, course_id: CourseId) -> Mapping[RoomKey, OwnRoom]:
        """Every room that a course has ever had, the newest too, each as the generation that it is."""
        rows = await self._db.fetch(
            "SELECT * FROM room WHERE kind = $1 AND course_id = $2", COURSE, course_id
        )
        return {
            replace(_key(row), retired=row["generation"]): OwnRoom(RoomId(row["room_id"]), row["generation"])
            for row in rows
        }

    async def courses(self) -> frozenset[CourseId]:
        """The courses that have rooms."""
        rows = await self._db.fetch("SELECT DISTINCT course_id FROM room WHERE kind = $1", COURSE)
        return frozenset(CourseId(row["course_id"]) for row in rows)

    async def hand_over(self, old: CourseId, new: CourseId) -> None:
        """Let what belongs to one course belong to another.

        Moodle gives the groups of a restored course new ids: they are known again by id number or name.
        """

        async def work(connection: Connection) -> None:
            await connection.execute(
                "UPDATE room SET course_id = $2 WHERE kind = $3 AND course_id = $1", old, new, COURSE
            )
            await connection.execute("DELETE FROM course_group WHERE course_id = $1", new)
            await connection.execute(
                "UPDATE course_group SET course_id = $2, moodle_id = NULL WHERE course_id = $1", old, new
            )
            await connection.execute(
                "INSERT INTO course_choice (course_id, setting, value, chosen_by, chosen_at) "
                "SELECT $2, setting, value, chosen_by, chosen_at FROM course_choice WHERE course_id = $1 "
                "ON CONFLICT (course_id, setting) DO NOTHING",
                old,
                new,
            )
            await connection.execute("DELETE FROM course_choice WHERE course_id = $1", old)

        await self._db.transaction(work)

    async def key_of(self, room_id: RoomId) -> RoomKey | None:
        """Which of our rooms this is."""
        row = await self._db.fetch_one(
            "SELECT * FROM room WHERE room_id = $1 AND kind <> $2", room_id, CONTROL
        )
        return None if row is None else _key(row)

    async def course_of(self, room_id: RoomId) -> CourseId | None:
        """The course of which this is a room."""
        key = await self.key_of(room_id)
        return None if key is None else key.course_id

    async def keys_of(self, room_ids: Collection[RoomId]) -> Mapping[RoomId, RoomKey]:
        """Which of these rooms are ours."""
        rows = await self._db.fetch_in("SELECT * FROM room WHERE room_id IN ({in})", sorted(room_ids))
        return {RoomId(row["room_id"]): _key(row) for row in rows if row["kind"] != CONTROL}

    async def every(self) -> Mapping[RoomId, RoomKey]:
        """Every room that is ours, those of earlier generations too."""
        rows = await self._db.fetch("SELECT * FROM room WHERE kind <> $1", CONTROL)
        return {RoomId(row["room_id"]): _key(row) for row in rows}

    async def read(self, room_id: RoomId) -> Ledger:
        """What we last wrote in a room."""
        return (await self.read_many([room_id]))[room_id]

    async def read_many(self, room_ids: Sequence[RoomId]) -> Mapping[RoomId, Ledger]:
        """What we last wrote in each of these rooms; empty for an unknown one."""

        async def work(connection: Connection) -> dict[RoomId, Ledger]:
            rooms = await fetch_in(connection, "SELECT * FROM room WHERE room_id IN ({in})", room_ids)
            places = _by_room(await fetch_in(connection, _PLACES, room_ids))
            departed = _by_room(
                await fetch_in(connection, "SELECT * FROM departed WHERE room_id IN ({in})", room_ids)
            )
            known = {row["room_id"]: row for row in rooms}
            return {
                room_id: _ledger(known[room_id], places.get(room_id, ()), departed.get(room_id, ()))
                if room_id in known
                else Ledger()
                for room_id in room_ids
            }

        return await self._db.transaction(work)

    async def record(self, done: Done) -> None:
        """Book one action; those of one moment go together."""
        await self._records.ask(done)

    async def _record(self, made: Sequence[Done]) -> Sequence[None]:
        async def work(connection: Connection) -> None:
            await book(connection, made, self._bot)
            for done in made:
                if done.error is None:
                    await book_departure(connection, done)

        await self._db.transaction(work)
        return [None] * len(made)

    async def adopt(self, room_id: RoomId, key: RoomKey, *, at: float, generation: int = 1) -> None:
        """Book an existing room under this key.

        A level in it of somebody whom we know from Moodle counts as given by us: the room may have been made a moment
        before a crash, with levels that nobody booked. Who has left it by choice, and who has named it: see `found`.
        """

        async def work(connection: Connection) -> None:
            levels = await levels_of_known(connection, room_id)
            await connection.execute("DELETE FROM room WHERE room_id = $1", room_id)
            await put_room(connection, room_id, key, generation, at=at, levels=levels)
            await book_names(connection, room_id, self._bot, at=at)
            await book_departed(connection, room_id)

        await self._db.transaction(work)

    async def move(self, room_id: RoomId, replacement: RoomId) -> None:
        """A room was replaced by another."""
        await self._db.transaction(lambda connection: move_books(connection, room_id, replacement))

    async def keep_names(self, room_id: RoomId, names: Mapping[str, str]) -> None:
        """What people call the room stands for as long as we would write these, by `name` and `topic`."""

        async def work(connection: Connection) -> None:
            for what, text in names.items():
                await book_name(connection, room_id, f"m.room.{NAMES[what]}", {what: text})

        await self._db.transaction(work)

    async def release(self, room_id: RoomId) -> None:
        """Forget that a room is ours."""

        async def work(connection: Connection) -> None:
            for table in ("place", "departed", "drift", "room_look", "room"):
                await connection.execute(f"DELETE FROM {table} WHERE room_id = $1", room_id)

        await self._db.transaction(work)

    async def intend(self, room_id: RoomId, users: Mapping[UserId, MoodleUserId]) -> None:
        """These accounts are about to be invited."""
        await self._db.transaction(
            lambda connection: connection.executemany(
                "INSERT INTO place (room_id, matrix_id, moodle_id, invited_at, wanted, intended, intended_over) "
                "VALUES ($1, $2, $3, 0, 0, 1, "
                "(SELECT event_id FROM mirror_member WHERE room_id = $1 AND user_id = $2)) "
                "ON CONFLICT (room_id, matrix_id) DO UPDATE SET moodle_id = excluded.moodle_id, intended = 1, "
                "intended_over = excluded.intended_over",
                [(room_id, user, person) for user, person in users.items()],
            )
        )

    async def found(
        self, room_id: RoomId, users: Mapping[UserId, MoodleUserId], *, bans: Iterable[UserId], at: float
    ) -> None:
        """Give a place to people who were found where they belong."""
        banned = set(bans)

        async def work(connection: Connection) -> None:
            for user, person in users.items():
                await note_invited(connection, room_id, user, person, at)
                await give_place(connection, room_id, user, person, at=at, banned=user in banned)

        await self._db.transaction(work)

    async def unwanted(self, room_id: RoomId, users: Iterable[UserId], *, at: float = 0.0) -> None:
        """These people do not belong in the room any more."""

        async def work(connection: Connection) -> None:
            for user in users:
                await note_removed(connection, room_id, user, at)
                await take_place(connection, room_id, user)
                await forget_departed(connection, room_id, user)

        await self._db.transaction(work)

    async def want_again(self) -> None:
        """All places count again. 2: the removal has its line in the audit log, and gets no second one."""
        await self._db.execute("UPDATE place SET wanted = 2 WHERE banned = 0 AND wanted = 0")

    async def want_again_in(self, room_id: RoomId, users: Iterable[UserId]) -> None:
        """The places of these people in one room count again."""
        await self._db.transaction(
            lambda connection: connection.executemany(
                "UPDATE place SET wanted = 2 WHERE banned = 0 AND wanted = 0 AND room_id = $1 AND matrix_id = $2",
                [(room_id, user) for user in sorted(users)],
            )
        )

    async def places(self, room_id: RoomId) -> Mapping[UserId, MoodleUserId]:
        """Everyone to whom we ever gave a place in the room."""
        return (await self.places_in([room_id]))[room_id]

    async def places_in(self, room_ids: Sequence[RoomId]) -> Mapping[RoomId, Mapping[UserId, MoodleUserId]]:
        """Everyone to whom we ever gave a place in each of these rooms."""
        rows = await self._db.fetch_in(
            "SELECT room_id, matrix_id, moodle_id FROM place WHERE room_id IN ({in})", room_ids
        )
        found: dict[RoomId, dict[UserId, MoodleUserId]] = {room_id: {} for room_id in room_ids}
        for row in rows:
            found[RoomId(row["room_id"])][UserId(row["matrix_id"])] = MoodleUserId(row["moodle_id"])
        return found

    async def control_room(self) -> RoomId | None:
        """The room of the canary."""
        row = await self._db.fetch_one("SELECT room_id FROM room WHERE kind = $1", CONTROL)
        return None if row is None else RoomId(row["room_id"])

    async def set_control_room(self, room_id: RoomId) -> None:
        """Record the room of the canary in place of an earlier one."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM room WHERE kind = $1", CONTROL)
            await connection.execute(
                "INSERT INTO room (room_id, kind, created_at) VALUES ($1, $2, 0)", room_id, CONTROL
            )

        await self._db.transaction(work)


def _users_with(places: Iterable[Row], column: str) -> frozenset[UserId]:
    return frozenset(UserId(place["matrix_id"]) for place in places if place[column])


def _key(row: Row) -> RoomKey:
    return RoomKey(RoomKind(row["room_kind"]), row["course_id"], GroupId(row["group_id"]))


def _by_room(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["room_id"], []).append(row)
    return found


def _ledger(row: Row, places: Sequence[Row], departed: Sequence[Row]) -> Ledger:
    return Ledger(
        name=row["name_written"],
        topic=row["topic_written"],
        avatar=row["avatar_written"],
        levels={UserId(user): int(level) for user, level in json.loads(row["levels_written"]).items()},
        places=_users_with(places, "wanted"),
        intended=_users_with(places, "intended"),
        bans=_users_with(places, "banned"),
        departed=frozenset(UserId(one["matrix_id"]) for one in (*departed, *filter(answered, places))),
        kept=frozenset(what for what, column in NAMES.items() if row[f"{column}_kept"]),
        filled=row["filled_at"] is not None,
    )
