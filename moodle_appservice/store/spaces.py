"""Spaces above courses, read over the tables of rooms, of the mirror and of people; nothing is written here.

Each question is about many rooms at once, so the database answers it, and not a loop over rooms. A place is what
we have given somebody, a member what the homeserver pushed; only both together tell who is new, who has another
account by now, and whom no course has any more. What follows is decided in `domain.visitors`, which spaces there
are and what hangs where in `domain.tree`. The rows are written by books of their own, such as `ledger`, `mirror`
and `people`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from ..domain.model import CourseId, GroupId, MoodleUserId, RoomId, UserId
from ..domain.rooms import RoomKey, RoomKind
from ..ports import Changed, OwnRoom
from .db import Db, Row

_ABOVE = (RoomKind.SITE, RoomKind.CATEGORY)
_PRESENT = "mirror_member.membership IN ('join', 'invite')"
_CHANGED = f"""
    SELECT mirror_member.room_id, mirror_member.user_id, person.matrix_id, person.unusable_since
    FROM room JOIN mirror_member ON mirror_member.room_id = room.room_id
    JOIN place ON place.room_id = room.room_id AND place.matrix_id = mirror_member.user_id
    JOIN person ON person.moodle_id = place.moodle_id
    WHERE room.kind IN ('site', 'category') AND {_PRESENT}
    AND (person.unusable_since IS NOT NULL OR COALESCE(person.matrix_id, '') <> mirror_member.user_id)
    UNION
    SELECT mirror_member.room_id, mirror_member.user_id, person.matrix_id, person.unusable_since
    FROM room JOIN mirror_member ON mirror_member.room_id = room.room_id
    JOIN person ON person.matrix_id = mirror_member.user_id
    WHERE room.kind IN ('site', 'category') AND {_PRESENT} AND person.unusable_since IS NOT NULL
"""
_NEWCOMERS = """
    SELECT DISTINCT person.moodle_id
    FROM room JOIN mirror_member ON mirror_member.room_id = room.room_id
    JOIN person ON person.matrix_id = mirror_member.user_id
    WHERE room.kind = 'course' AND mirror_member.membership = 'join'
    AND person.unusable_since IS NULL AND person.standing = 'ready'
    AND NOT EXISTS (
        SELECT 1 FROM mirror_member AS there WHERE there.room_id = $1 AND there.user_id = person.matrix_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM place WHERE place.room_id = $1 AND place.moodle_id = person.moodle_id
        AND (place.intended = 0 OR place.wanted = 1 OR EXISTS (
            SELECT 1 FROM mirror_member AS seen
            WHERE seen.room_id = $1 AND seen.user_id = place.matrix_id
        ))
    )
"""
"""A place that is only intended, of an account that the space has never seen, is an invite that was never sent."""
_WITHOUT_COURSE = f"""
    SELECT DISTINCT place.moodle_id
    FROM place JOIN mirror_member
    ON mirror_member.room_id = place.room_id AND mirror_member.user_id = place.matrix_id
    WHERE place.room_id = $1 AND {_PRESENT} AND NOT EXISTS (
        SELECT 1 FROM enrolment JOIN course ON course.id = enrolment.course_id
        WHERE enrolment.moodle_id = place.moodle_id AND course.is_on = 1 AND course.gone = 0
    )
"""


class SpaceBooks:
    """Implements `ports.SpaceBook`. `bot`: whose markers count."""

    def __init__(self, db: Db, *, bot: UserId) -> None:
        self._db = db
        self._bot = bot

    async def spaces(self) -> Mapping[RoomKey, RoomId]:
        """Every space of the site and of categories."""
        rows = await self._db.fetch(
            "SELECT * FROM room WHERE kind IN ($1, $2) ORDER BY generation", *(str(kind) for kind in _ABOVE)
        )
        return {_key(row): RoomId(row["room_id"]) for row in rows}

    async def entries(self, course_ids: Collection[CourseId]) -> Mapping[RoomKey, RoomId]:
        """The main rooms and the spaces of these courses."""
        rows = await self._db.fetch_in(
            "SELECT * FROM room WHERE course_id IN ({in}) AND kind = 'course' AND room_kind IN ('main', 'space')",
            sorted(course_ids),
        )
        return {_key(row): RoomId(row["room_id"]) for row in sorted(rows, key=lambda row: row["generation"])}

    async def hung_by_bot(self, space: RoomId) -> frozenset[RoomId]:
        """What the bot itself has hung into a space, or a space into what."""
        rows = await self._db.fetch(
            "SELECT state_key FROM mirror_state WHERE room_id = $1 AND sender = $2 "
            "AND type IN ('m.space.child', 'm.space.parent')",
            space,
            self._bot,
        )
        return frozenset(RoomId(row["state_key"]) for row in rows)

    async def marked(self, key: RoomKey, site: str) -> OwnRoom | None:
        """A space with our marker for this key."""
        row = await self._db.fetch_one(
            "SELECT * FROM mirror_room WHERE marker_course = $1 AND marker_site = $2 AND marker_room = $3 "
            "AND marker_sender = $4 AND creator = $4 ORDER BY marker_generation DESC LIMIT 1",
            key.owner,
            site,
            str(key.kind),
            self._bot,
        )
        return None if row is None else OwnRoom(RoomId(row["room_id"]), row["marker_generation"])

    async def choices(self, settings: Collection[str]) -> Mapping[CourseId, Mapping[str, Any]]:
        """What people have chosen for courses."""
        rows = await self._db.fetch_in(
            "SELECT course_id, setting, value FROM course_choice WHERE setting IN ({in})", sorted(settings)
        )
        found: dict[CourseId, dict[str, Any]] = {}
        for row in rows:
            found.setdefault(CourseId(row["course_id"]), {})[row["setting"]] = json.loads(row["value"])
        return found

    async def newcomers(self, space: RoomId | None) -> frozenset[MoodleUserId]:
        """People who are in a room of a course and never had a place in this space."""
        rows = await self._db.fetch(_NEWCOMERS, space or "")
        return frozenset(MoodleUserId(row["moodle_id"]) for row in rows)

    async def changed(self) -> Mapping[RoomId, Changed]:
        """Space → who is there, and is not simply to stay."""
        found: dict[RoomId, set[tuple[UserId, UserId | None, float | None]]] = {}
        for row in await self._db.fetch(_CHANGED):
            account = None if row["matrix_id"] is None else UserId(row["matrix_id"])
            found.setdefault(RoomId(row["room_id"]), set()).add(
                (UserId(row["user_id"]), account, row["unusable_since"])
            )
        return {room_id: frozenset(people) for room_id, people in found.items()}

    async def without_course(self, space: RoomId) -> frozenset[MoodleUserId]:
        """People in a space who are in no course that is on."""
        rows = await self._db.fetch(_WITHOUT_COURSE, space)
        return frozenset(MoodleUserId(row["moodle_id"]) for row in rows)

    async def parents(self, room_ids: Collection[RoomId]) -> Mapping[RoomId, frozenset[RoomId]]:
        """Room → the spaces that its state names as its parents."""
        rows = await self._db.fetch_in(
            "SELECT room_id, state_key, content FROM mirror_state WHERE room_id IN ({in}) "
            "AND type = 'm.space.parent'",
            sorted(room_ids),
        )
        found: dict[RoomId, set[RoomId]] = {}
        for row in rows:
            if json.loads(row["content"]):
                found.setdefault(RoomId(row["room_id"]), set()).add(RoomId(row["state_key"]))
        return {room_id: frozenset(spaces) for room_id, spaces in found.items()}

    async def hangs_in(self, space: RoomId, room_id: RoomId) -> bool:
        """Whether a room hangs in a space."""
        row = await self._db.fetch_one(
            "SELECT content FROM mirror_state WHERE room_id = $1 AND type = 'm.space.child' AND state_key = $2",
            space,
            room_id,
        )
        return row is not None and bool(json.loads(row["content"]))


def _key(row: Row) -> RoomKey:
    return RoomKey(RoomKind(row["room_kind"]), row["course_id"], GroupId(row["group_id"]))
