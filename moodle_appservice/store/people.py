"""Moodle people and their Matrix ids; the unique constraint is what keeps two people from sharing one.

Which id a person should have is decided in `domain.identity`. Where two should have the same, whoever is surer of
it (`Trust`) gets it, and the other one is quarantined: `wanted` holds the id that is not theirs. Among equals
nobody is moved. `save` settles one allocation at a time, for of two at once the second must see the first, and says
who is to be looked at again; what is saved in the same moment goes together. The hashes of who was erased are written
here and used in `exclusion`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mautrix.util.async_db import Connection

from ..domain.identity import FieldSeen
from ..domain.model import MoodleUserId, Person, Resolution, Standing, Trust, UserId
from ..ports import PersonRow, Saved, ToWrite
from .db import Db, Row, fetch_in, in_order
from .exclusion import excluded, hash_of, salt
from .keys import new_key
from .settings import next_number
from .together import Together, look_ups

ALLOCATION = "id_allocation"


class PeopleBooks:
    """The `person` table, keyed by Moodle's user id: a rename does not make a second person."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._rows = look_ups(self._look_up)
        self._written = look_ups(self._written_fields)
        self._erased = look_ups(self._excluded)
        self._saves = Together(self._save)

    async def look_up(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, PersonRow]:
        """What is known about these people."""
        return await self._rows.ask(user_ids)

    async def _look_up(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, PersonRow]:
        rows = await self._db.fetch_in("SELECT * FROM person WHERE moodle_id IN ({in})", user_ids)
        return {MoodleUserId(row["moodle_id"]): _person(row) for row in rows}

    async def by_matrix_id(self, ids: Collection[UserId]) -> Mapping[UserId, MoodleUserId]:
        """The Moodle people behind Matrix ids."""
        rows = await self._db.fetch_in(
            "SELECT moodle_id, matrix_id FROM person WHERE matrix_id IN ({in})", ids
        )
        return {UserId(row["matrix_id"]): MoodleUserId(row["moodle_id"]) for row in rows}

    async def save(
        self,
        person: Person | None,
        resolution: Resolution,
        *,
        at: float,
        fingerprint: str = "",
        field: FieldSeen | None = None,
    ) -> Saved:
        """Store what was found, or the quarantine where another person holds that id as surely."""

        return await self._saves.ask(_Look(person, resolution, at, fingerprint, field))

    async def _save(self, looks: Sequence[_Look]) -> Sequence[Saved]:
        return await self._db.transaction(lambda connection: _save(connection, looks))

    async def unusable(self, since: Mapping[MoodleUserId, float | None]) -> None:
        """Book since when these people's Moodle accounts can't be used."""
        await self._db.transaction(
            lambda connection: connection.executemany(
                "UPDATE person SET unusable_since = $2 WHERE moodle_id = $1", in_order(since.items())
            )
        )

    async def waiting(self) -> Mapping[UserId, MoodleUserId]:
        """Who waits for an account."""
        rows = await self._db.fetch(
            "SELECT moodle_id, matrix_id FROM person WHERE standing = 'waiting' AND matrix_id IS NOT NULL"
        )
        return {UserId(row["matrix_id"]): MoodleUserId(row["moodle_id"]) for row in rows}

    async def blocked(self) -> frozenset[MoodleUserId]:
        """Whose account can't be invited, or may not be taken."""
        rows = await self._db.fetch(
            "SELECT moodle_id FROM person WHERE standing = 'blocked' OR (matrix_id IS NULL AND wanted IS NOT NULL)"
        )
        return frozenset(MoodleUserId(row["moodle_id"]) for row in rows)

    async def standings(self) -> Mapping[Standing | None, int]:
        """How many people there are, by how their account stands."""
        rows = await self._db.fetch(
            "SELECT CASE WHEN matrix_id IS NULL THEN '' ELSE standing END AS standing, COUNT(*) AS number "
            "FROM person GROUP BY 1"
        )
        return {Standing(row["standing"]) if row["standing"] else None: row["number"] for row in rows}

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

    async def readmit(self, user_id: MoodleUserId) -> bool:
        """Forget the hash of somebody who was erased; whether there was one."""

        async def work(connection: Connection) -> bool:
            person_hash = hash_of(user_id, await salt(connection))
            if not await connection.fetchval(
                "SELECT COUNT(*) FROM exclusion WHERE person_hash = $1", person_hash
            ):
                return False
            await connection.execute("DELETE FROM exclusion WHERE person_hash = $1", person_hash)
            return True

        return await self._db.transaction(work)

    async def excluded(self, user_ids: Collection[MoodleUserId]) -> frozenset[MoodleUserId]:
        """Who of these was erased."""
        return frozenset(await self._erased.ask(user_ids))

    async def _excluded(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, bool]:
        if await self._db.fetch_one("SELECT 1 FROM exclusion LIMIT 1") is None:
            return {}
        erased = await self._db.transaction(lambda connection: excluded(connection, user_ids))
        return dict.fromkeys(erased, True)

    async def wrote_field(self, user_id: MoodleUserId, value: str) -> None:
        """Remember what we wrote into the person's profile field."""
        await self._db.execute("UPDATE person SET field_written = $2 WHERE moodle_id = $1", user_id, value)

    async def to_write(self, *, everybody: bool) -> Sequence[ToWrite]:
        """Whose id is not what we wrote last."""
        # Who waits for an account has nothing yet that others could write to.
        condition = "standing = 'ready' AND (matrix_id IS NOT NULL OR COALESCE(field_written, '') <> '')"
        if not everybody:
            condition += " AND COALESCE(matrix_id, '') <> COALESCE(field_written, '')"
        rows = await self._db.fetch(
            "SELECT moodle_id, username, matrix_id, trust, field_written FROM person "
            f"WHERE {condition} ORDER BY moodle_id"
        )
        return [
            ToWrite(
                user_id=MoodleUserId(row["moodle_id"]),
                username=row["username"],
                value=row["matrix_id"] or "",
                trust=None if row["trust"] is None else Trust(row["trust"]),
                written=row["field_written"],
            )
            for row in rows
        ]

    async def written_fields(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """What we last wrote into the profile fields of these people."""
        return await self._written.ask(user_ids)

    async def _written_fields(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        rows = await self._db.fetch_in(
            "SELECT moodle_id, field_written FROM person WHERE field_written IS NOT NULL AND moodle_id IN ({in})",
            user_ids,
        )
        return {MoodleUserId(row["moodle_id"]): row["field_written"] for row in rows}


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look at a person has found; the arguments of `save`."""

    person: Person | None
    resolution: Resolution
    at: float
    fingerprint: str
    field: FieldSeen | None

    def row(self, final: Resolution, before: Row | None) -> tuple[object, ...]:
        """The row to write, in the order of `_WRITE`."""
        person = self.person
        seen = self.field or (_field(before) if before else FieldSeen())
        # A look that showed nothing is no look: how old a value may be is counted from real ones.
        looked_at = self.at if person else (before["checked_at"] if before else 0.0)
        return (
            final.user_id,
            person.full_name if person else "",
            person.language if person else "",
            person.timezone if person else "",
            person.username if person else "",
            final.matrix_id,
            final.trust,
            final.reason,
            final.standing,
            final.virtual_id,
            final.wanted,
            self.fingerprint,
            looked_at,
            seen.value,
            seen.since,
            new_key(),
        )


async def _save(connection: Connection, looks: Sequence[_Look]) -> Sequence[Saved]:
    """Store what was found. Where nobody else can have to do with it, in one go; else one after the other."""
    # One allocation at a time: of two who want the same id at once, the second must see the first.
    await next_number(connection, ALLOCATION)
    by_themselves = await _by_themselves(connection, looks)
    if by_themselves:
        await connection.executemany(_WRITE, in_order(by_themselves.values()))
    return [
        Saved(look.resolution)
        if look.resolution.user_id in by_themselves
        else await _settle_and_write(connection, look)
        for look in looks
    ]


async def _by_themselves(
    connection: Connection, looks: Sequence[_Look]
) -> Mapping[MoodleUserId, tuple[object, ...]]:
    """The rows to write of those who give up no id, and whose id nobody else has or is to get now."""
    people = Counter(look.resolution.user_id for look in looks)
    ids = Counter(look.resolution.matrix_id for look in looks if look.resolution.matrix_id is not None)
    rows = await fetch_in(connection, "SELECT * FROM person WHERE moodle_id IN ({in})", list(people))
    before = {row["moodle_id"]: row for row in rows}
    query = "SELECT matrix_id, moodle_id FROM person WHERE matrix_id IN ({in})"
    holders = {row["matrix_id"]: row["moodle_id"] for row in await fetch_in(connection, query, list(ids))}
    found: dict[MoodleUserId, tuple[object, ...]] = {}
    for look in looks:
        user_id, matrix_id = look.resolution.user_id, look.resolution.matrix_id
        row = before.get(user_id)
        is_free = matrix_id is None or (ids[matrix_id] == 1 and holders.get(matrix_id, user_id) == user_id)
        if people[user_id] == 1 and is_free and (row is None or row["matrix_id"] in (None, matrix_id)):
            found[user_id] = look.row(look.resolution, row)
    return found


async def _settle_and_write(connection: Connection, look: _Look) -> Saved:
    before = await connection.fetchrow("SELECT * FROM person WHERE moodle_id = $1", look.resolution.user_id)
    saved = await _settle(connection, look.resolution, before)
    await connection.execute(_WRITE, *look.row(saved.resolution, before))
    return saved


async def _settle(connection: Connection, resolution: Resolution, before: Row | None) -> Saved:
    """The resolution as it may stand, after whoever has to make room for it has done so."""
    held = None if before is None or before["matrix_id"] is None else UserId(before["matrix_id"])
    look_again: set[MoodleUserId] = set()
    if resolution.matrix_id is not None:
        holder = await connection.fetchrow(
            "SELECT * FROM person WHERE matrix_id = $1 AND moodle_id <> $2",
            resolution.matrix_id,
            resolution.user_id,
        )
        if holder is not None and not _is_surer(resolution, holder):
            return Saved(_quarantined(resolution, holder, before))
        if holder is not None:
            await _displace(connection, holder)
            look_again.add(MoodleUserId(holder["moodle_id"]))
    if held is not None and held != resolution.matrix_id:
        rows = await connection.fetch("SELECT moodle_id FROM person WHERE wanted = $1", held)
        look_again |= {MoodleUserId(row["moodle_id"]) for row in rows}
    return Saved(resolution, frozenset(look_again - {resolution.user_id}))


def _is_surer(resolution: Resolution, holder: Row) -> bool:
    rank = -1 if resolution.trust is None else resolution.trust.rank
    return holder["trust"] is None or rank > Trust(holder["trust"]).rank


def _quarantined(resolution: Resolution, holder: Row, before: Row | None) -> Resolution:
    reason = (
        f"Quarantined: {resolution.matrix_id} already belongs to another Moodle person "
        f"(user id {holder['moodle_id']}). Nobody was moved. Give one of the two another Matrix id in Moodle."
    )
    kept = _resolution(before) if before else Resolution(resolution.user_id, None, None)
    standing = kept.standing if kept.matrix_id is not None else Standing.READY
    return replace(
        kept, reason=reason, standing=standing, wanted=resolution.matrix_id, virtual_id=resolution.virtual_id
    )


async def _displace(connection: Connection, holder: Row) -> None:
    reason = (
        f"Quarantined: {holder['matrix_id']} turned out to belong to another Moodle person, which is surer than how it "
        "was found for this one. Give this person another Matrix id in Moodle, or prove the account with the bot's "
        "command link."
    )
    await connection.execute(
        "UPDATE person SET matrix_id = NULL, trust = NULL, standing = 'ready', wanted = $2, reason = $3 "
        "WHERE moodle_id = $1",
        holder["moodle_id"],
        holder["matrix_id"],
        reason,
    )


_WRITE = (
    "INSERT INTO person (moodle_id, full_name, language, timezone, username, matrix_id, trust, reason, standing, "
    "virtual_id, wanted, fingerprint, checked_at, field_value, field_since, audit_key) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) "
    "ON CONFLICT (moodle_id) DO UPDATE SET "
    "full_name = COALESCE(NULLIF(excluded.full_name, ''), person.full_name), "
    "language = COALESCE(NULLIF(excluded.language, ''), person.language), "
    "timezone = COALESCE(NULLIF(excluded.timezone, ''), person.timezone), "
    "username = COALESCE(NULLIF(excluded.username, ''), person.username), "
    "matrix_id = excluded.matrix_id, trust = excluded.trust, reason = excluded.reason, "
    "standing = excluded.standing, virtual_id = excluded.virtual_id, wanted = excluded.wanted, "
    "fingerprint = excluded.fingerprint, checked_at = excluded.checked_at, field_value = excluded.field_value, "
    "field_since = excluded.field_since"
)


def _person(row: Row) -> PersonRow:
    return PersonRow(
        _resolution(row),
        row["fingerprint"],
        username=row["username"],
        unusable_since=row["unusable_since"],
        field=_field(row),
        looked_at=row["checked_at"] or None,
    )


def _field(row: Row) -> FieldSeen:
    return FieldSeen(row["field_value"], row["field_since"])


def _resolution(row: Row) -> Resolution:
    return Resolution(
        user_id=MoodleUserId(row["moodle_id"]),
        matrix_id=None if row["matrix_id"] is None else UserId(row["matrix_id"]),
        trust=None if row["trust"] is None else Trust(row["trust"]),
        reason=row["reason"],
        standing=Standing(row["standing"]),
        virtual_id=None if row["virtual_id"] is None else UserId(row["virtual_id"]),
        wanted=None if row["wanted"] is None else UserId(row["wanted"]),
    )
