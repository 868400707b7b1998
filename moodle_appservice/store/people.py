"""Moodle people and their Matrix ids; the unique constraint is what keeps two people from sharing one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from mautrix.util.async_db import Connection

from ..domain.identity import fingerprint
from ..domain.model import MoodleUserId, Person, Resolution, Trust, UserId
from ..ports import PersonRow
from .db import Db, Row
from .exclusion import excluded, hash_of, salt
from .settings import next_number

ALLOCATION = "id_allocation"


class PeopleBooks:
    """The `person` table, keyed by Moodle's user id: a rename does not make a second person."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def look_up(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, PersonRow]:
        """What is known about these people."""
        rows = await self._db.fetch_in(
            "SELECT * FROM person WHERE moodle_id IN ({in})",
            user_ids,
        )
        return {
            MoodleUserId(row["moodle_id"]): PersonRow(
                _resolution(row), row["fingerprint"], row["username"], row["unusable_since"]
            )
            for row in rows
        }

    async def by_matrix_id(self, ids: Collection[UserId]) -> Mapping[UserId, MoodleUserId]:
        """The Moodle people behind Matrix ids."""
        rows = await self._db.fetch_in(
            "SELECT moodle_id, matrix_id FROM person WHERE matrix_id IN ({in})", ids
        )
        return {UserId(row["matrix_id"]): MoodleUserId(row["moodle_id"]) for row in rows}

    async def save(self, person: Person | None, resolution: Resolution, *, at: float) -> Resolution:
        """Store what was found, or the quarantine where another person holds that id already."""

        async def work(connection: Connection) -> Resolution:
            final = await _settle(connection, resolution)
            await connection.execute(
                "INSERT INTO person "
                "(moodle_id, full_name, language, matrix_id, trust, reason, fingerprint, checked_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (moodle_id) DO UPDATE SET "
                "full_name = excluded.full_name, language = excluded.language, matrix_id = excluded.matrix_id, "
                "trust = excluded.trust, reason = excluded.reason, fingerprint = excluded.fingerprint, "
                "checked_at = excluded.checked_at",
                final.user_id,
                person.full_name if person else "",
                person.language if person else "",
                final.matrix_id,
                final.trust,
                final.reason,
                fingerprint(person) if person else "",
                at,
            )
            return final

        return await self._db.transaction(work)

    async def unusable(self, since: Mapping[MoodleUserId, float | None]) -> None:
        """Book since when these people's Moodle accounts can't be used."""
        await self._db.transaction(
            lambda connection: connection.executemany(
                "UPDATE person SET unusable_since = $2 WHERE moodle_id = $1", list(since.items())
            )
        )

    async def names(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """Full names."""
        rows = await self._db.fetch_in(
            "SELECT moodle_id, full_name FROM person WHERE moodle_id IN ({in})", user_ids
        )
        return {MoodleUserId(row["moodle_id"]): row["full_name"] for row in rows}

    async def exclude(self, user_id: MoodleUserId, *, at: float) -> None:
        """Keep a salted hash of an erased person."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                "INSERT INTO exclusion (person_hash, since) VALUES ($1, $2) ON CONFLICT (person_hash) DO NOTHING",
                hash_of(user_id, await salt(connection)),
                at,
            )

        await self._db.transaction(work)

    async def excluded(self, user_ids: Collection[MoodleUserId]) -> frozenset[MoodleUserId]:
        """Who of these was erased."""
        return await self._db.transaction(lambda connection: excluded(connection, user_ids))

    async def wrote_field(self, user_id: MoodleUserId, value: str) -> None:
        """Remember what we wrote into the person's profile field."""
        await self._db.execute("UPDATE person SET field_written = $2 WHERE moodle_id = $1", user_id, value)

    async def written_fields(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """What we last wrote into the profile fields of these people."""
        rows = await self._db.fetch_in(
            "SELECT moodle_id, field_written FROM person WHERE field_written IS NOT NULL AND moodle_id IN ({in})",
            user_ids,
        )
        return {MoodleUserId(row["moodle_id"]): row["field_written"] for row in rows}


async def _settle(connection: Connection, resolution: Resolution) -> Resolution:
    if resolution.matrix_id is None:
        return resolution
    # One allocation at a time: of two who want the same id at once, the second must see the first.
    await next_number(connection, ALLOCATION)
    holder = await connection.fetchrow(
        "SELECT moodle_id FROM person WHERE matrix_id = $1 AND moodle_id <> $2",
        resolution.matrix_id,
        resolution.user_id,
    )
    if holder is None:
        return resolution
    before = await connection.fetchrow(
        "SELECT moodle_id, matrix_id, trust, reason FROM person WHERE moodle_id = $1", resolution.user_id
    )
    reason = (
        f"Quarantined: {resolution.matrix_id} already belongs to another Moodle person "
        f"(user id {holder['moodle_id']}). Nobody was moved. Give one of the two another Matrix id in Moodle."
    )
    kept = _resolution(before) if before else Resolution(resolution.user_id, None, None)
    return replace(kept, reason=reason)


def _resolution(row: Row) -> Resolution:
    return Resolution(
        user_id=MoodleUserId(row["moodle_id"]),
        matrix_id=None if row["matrix_id"] is None else UserId(row["matrix_id"]),
        trust=None if row["trust"] is None else Trust(row["trust"]),
        reason=row["reason"],
    )
