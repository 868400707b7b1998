"""The board of a cluster: what its reader has read of Moodle, as JSON that the next version can read too.

A course is stored without its people, each of whom is in many courses and is stored once. A process of another version
may find a row that it can't read; for it that row is not there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from mautrix.util.async_db import Connection
from pydantic import TypeAdapter, ValidationError

from ..domain.model import CourseFacts, CourseId, MoodleUserId, Person, SiteFacts
from ..ports.board import Met, Posted
from .db import Db
from .exclusion import excluded
from .settings import next_number

T = TypeVar("T")
NUMBER: Final = "board_number"
READER: Final = "reader"
SITE: Final = "site"
_SITE: Final = TypeAdapter(SiteFacts)
_COURSE: Final = TypeAdapter(CourseFacts)
_PERSON: Final = TypeAdapter(Person)
# The database's clock, so that processes need not agree about the time.
_NOW: Final = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


class BoardBook:
    """Implements `ports.board.Board` on PostgreSQL."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def lead(self, holder: int, *, seconds: float) -> bool:
        """Be the reader, or stay it."""
        row = await self._db.fetch_one(
            f"INSERT INTO board_reader (name, holder, beaten_at) VALUES ($1, $2, {_NOW}) "
            "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, beaten_at = excluded.beaten_at "
            "WHERE board_reader.holder = excluded.holder OR board_reader.beaten_at < excluded.beaten_at - $3 "
            "RETURNING holder",
            READER,
            holder,
            seconds,
        )
        return row is not None

    async def retire(self, holder: int) -> None:
        """Be the reader no more."""
        await self._db.execute("DELETE FROM board_reader WHERE name = $1 AND holder = $2", READER, holder)

    async def post_site(self, site: SiteFacts, held: Mapping[CourseId, str]) -> None:
        """Put up the listing."""
        data = _dump(_SITE, site)

        async def work(connection: Connection) -> None:
            number = await next_number(connection, NUMBER)
            await connection.execute(
                "INSERT INTO board_site (name, number, data, held) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (name) DO UPDATE SET number = excluded.number, data = excluded.data, held = excluded.held",
                SITE,
                number,
                data,
                json.dumps({str(course_id): reason for course_id, reason in held.items()}),
            )

        await self._db.transaction(work)

    async def site_number(self) -> int:
        """The number of the last listing."""
        row = await self._db.fetch_one("SELECT number FROM board_site WHERE name = $1", SITE)
        return 0 if row is None else int(row["number"])

    async def site(self) -> tuple[SiteFacts, Mapping[CourseId, str]] | None:
        """The last listing with the held courses."""
        row = await self._db.fetch_one("SELECT data, held FROM board_site WHERE name = $1", SITE)
        site = None if row is None else _load(_SITE, row["data"])
        if row is None or site is None:
            return None
        held = json.loads(row["held"])
        return site, {CourseId(int(course_id)): str(reason) for course_id, reason in held.items()}

    async def post(self, courses: Sequence[CourseFacts], people: Collection[Person]) -> None:
        """Put up courses, and people."""
        everybody = {user for facts in courses for user in _names(facts)} | {person.id for person in people}

        async def work(connection: Connection) -> None:
            erased = await excluded(connection, everybody)
            rows = [(facts.course.id, _dump_course(_without(facts, erased))) for facts in courses]
            persons = [(person.id, _dump(_PERSON, person)) for person in people if person.id not in erased]
            number = await next_number(connection, NUMBER)
            await connection.executemany(
                "INSERT INTO board_person (moodle_id, number, data) VALUES ($1, $2, $3) "
                "ON CONFLICT (moodle_id) DO UPDATE SET number = excluded.number, data = excluded.data",
                [(person, number, data) for person, data in persons],
            )
            await connection.executemany(
                "INSERT INTO board_course (course_id, number, data) VALUES ($1, $2, $3) "
                "ON CONFLICT (course_id) DO UPDATE SET number = excluded.number, data = excluded.data, "
                "trouble = '', gone = 0",
                [(course_id, number, data) for course_id, data in rows],
            )

        if courses or people:
            await self._db.transaction(work)

    async def post_trouble(self, course_id: CourseId, trouble: str, *, is_gone: bool = False) -> None:
        """The course could not be read."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                "INSERT INTO board_course (course_id, number, data, trouble, gone) VALUES ($1, $2, NULL, $3, $4) "
                "ON CONFLICT (course_id) DO UPDATE SET number = excluded.number, data = NULL, "
                "trouble = excluded.trouble, gone = excluded.gone",
                course_id,
                await next_number(connection, NUMBER),
                trouble,
                int(is_gone),
            )

        await self._db.transaction(work)

    async def take_down(self, course_ids: Collection[CourseId]) -> None:
        """What is known of these courses is not to be used any more."""
        rows = [(course_id,) for course_id in course_ids]
        if rows:
            await self._db.transaction(
                lambda connection: connection.executemany(
                    "DELETE FROM board_course WHERE course_id = $1", rows
                )
            )

    async def course(self, course_id: CourseId) -> Posted | None:
        """One course with its people."""
        row = await self._db.fetch_one("SELECT * FROM board_course WHERE course_id = $1", course_id)
        if row is None:
            return None
        number = int(row["number"])
        if row["data"] is None:
            return Posted(number, None, row["trouble"], bool(row["gone"]))
        raw = json.loads(row["data"])
        facts = _load(_COURSE, raw["facts"])
        if facts is None:
            return None
        rows = await self._db.fetch_in(
            "SELECT moodle_id, data FROM board_person WHERE moodle_id IN ({in})", raw["people"]
        )
        people = {
            MoodleUserId(one["moodle_id"]): person
            for one in rows
            if one["data"] is not None and (person := _load(_PERSON, one["data"])) is not None
        }
        return Posted(number, replace(facts, people=people))

    async def post_person(self, user_id: MoodleUserId, person: Person | None) -> None:
        """Put up one account."""

        async def work(connection: Connection) -> None:
            is_shown = person is not None and not await excluded(connection, [user_id])
            data = _dump(_PERSON, person) if is_shown else None
            await connection.execute(
                "INSERT INTO board_person (moodle_id, number, data) VALUES ($1, $2, $3) "
                "ON CONFLICT (moodle_id) DO UPDATE SET number = excluded.number, data = excluded.data",
                user_id,
                await next_number(connection, NUMBER),
                data,
            )

        await self._db.transaction(work)

    async def person(self, user_id: MoodleUserId) -> Met | None:
        """One account."""
        row = await self._db.fetch_one("SELECT number, data FROM board_person WHERE moodle_id = $1", user_id)
        if row is None:
            return None
        return Met(int(row["number"]), None if row["data"] is None else _load(_PERSON, row["data"]))

    async def settle(self, course_id: CourseId, digest: int | None) -> None:
        """A course is as it should be, or may not be."""
        if digest is None:
            await self._db.execute("DELETE FROM board_settled WHERE course_id = $1", course_id)
            return
        await self._db.execute(
            "INSERT INTO board_settled (course_id, digest) VALUES ($1, $2) "
            "ON CONFLICT (course_id) DO UPDATE SET digest = excluded.digest",
            course_id,
            digest,
        )

    async def settled(self) -> Mapping[CourseId, int]:
        """Every course that is."""
        rows = await self._db.fetch("SELECT course_id, digest FROM board_settled")
        return {CourseId(row["course_id"]): int(row["digest"]) for row in rows}

    async def unsettle_all(self) -> None:
        """No course is known to be."""
        await self._db.execute("DELETE FROM board_settled")


def _dump(adapter: TypeAdapter[Any], value: object) -> str:
    # Mappings that nobody can change are no mappings to pydantic.
    return adapter.dump_json(value, fallback=dict, warnings="none").decode().replace("\\u0000", "")


def names_in(data: str) -> frozenset[int]:
    """Whom a stored course names."""
    return frozenset(json.loads(data)["names"])


def _names(facts: CourseFacts) -> set[MoodleUserId]:
    enrolled = {one.user_id for one in facts.enrolments}
    return enrolled | facts.people.keys() | facts.inherited.keys()


def _without(facts: CourseFacts, erased: frozenset[MoodleUserId]) -> CourseFacts:
    """The course as if these people were not in it."""
    if not erased:
        return facts
    return replace(
        facts,
        enrolments=tuple(one for one in facts.enrolments if one.user_id not in erased),
        people={user: person for user, person in facts.people.items() if user not in erased},
        inherited={user: roles for user, roles in facts.inherited.items() if user not in erased},
    )


def _dump_course(facts: CourseFacts) -> str:
    without_people = _dump(_COURSE, replace(facts, people={}))
    return json.dumps(
        {"people": sorted(facts.people), "names": sorted(_names(facts)), "facts": without_people}
    )


def _load(adapter: TypeAdapter[T], data: str) -> T | None:
    try:
        return adapter.validate_json(data)
    except ValidationError:
        return None
