"""Links that people have proven, with the codes and questions on the way to one.

Codes lie here as keyed hashes. One that was used or has run out is kept for a while, so that a replay is told from a
wrong code. The unique constraint of `link` and the check of `previous` keep an account from having two people.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mautrix.util.async_db import Connection

from ..domain.linking import LOCK, Code, Failures, Link, Question
from ..domain.model import MoodleUserId, UserId
from .db import Db, Row
from .settings import next_number
from .together import look_ups

ALLOCATION = "link_allocation"
KEEP_CODES = 7 * 86_400.0


class LinkBooks:
    """The `link` table and what leads to it."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._links = look_ups(self._of)

    async def of(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, Link]:
        """The links of these people; who has none is absent."""
        return await self._links.ask(user_ids)

    async def _of(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, Link]:
        rows = await self._db.fetch_in("SELECT * FROM link WHERE moodle_id IN ({in})", user_ids)
        return {MoodleUserId(row["moodle_id"]): _link(row) for row in rows}

    async def holder(self, account: UserId, *, now: float) -> MoodleUserId | None:
        """Who has proven this account."""
        return await self._db.transaction(lambda connection: _holder(connection, account, now))

    async def waiting(self, account: UserId, *, now: float) -> Link | None:
        """The change that would take this account from its person."""
        row = await self._db.fetch_one(
            "SELECT * FROM link WHERE previous = $1 AND effective_at > $2", account, now
        )
        return None if row is None else _link(row)

    async def due(self, *, now: float) -> Sequence[MoodleUserId]:
        """People whose link counts, but whose row names another account or none."""
        rows = await self._db.fetch(
            "SELECT link.moodle_id FROM link LEFT JOIN person ON person.moodle_id = link.moodle_id "
            "WHERE link.effective_at <= $1 AND (person.matrix_id IS NULL OR person.matrix_id <> link.matrix_id)",
            now,
        )
        return [MoodleUserId(row["moodle_id"]) for row in rows]

    async def save(self, link: Link, *, now: float) -> bool:
        """Store a link in place of the person's earlier one."""

        async def work(connection: Connection) -> bool:
            # One at a time: of two who prove the same account at once, the second must see the first.
            await next_number(connection, ALLOCATION)
            if await _holder(connection, link.matrix_id, now) not in (None, link.user_id):
                return False
            await connection.execute("DELETE FROM link WHERE moodle_id = $1", link.user_id)
            await connection.execute(
                "INSERT INTO link (moodle_id, matrix_id, proven_at, effective_at, previous) "
                "VALUES ($1, $2, $3, $4, $5)",
                link.user_id,
                link.matrix_id,
                link.proven_at,
                link.effective_at,
                link.previous,
            )
            return True

        return await self._db.transaction(work)

    async def remove(self, user_id: MoodleUserId) -> None:
        """Forget the link of a person."""
        await self._db.execute("DELETE FROM link WHERE moodle_id = $1", user_id)

    async def give_code(self, code_hash: str, code: Code, *, now: float) -> None:
        """Store a new code."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM link_code WHERE expires_at < $1", now - KEEP_CODES)
            await connection.execute("DELETE FROM link_question WHERE asked_at < $1", now - KEEP_CODES)
            await connection.execute(
                "UPDATE link_code SET used_at = $2 WHERE moodle_id = $1 AND used_at IS NULL",
                code.user_id,
                now,
            )
            await connection.execute(
                "INSERT INTO link_code (code_hash, moodle_id, expires_at, used_at) VALUES ($1, $2, $3, $4)",
                code_hash,
                code.user_id,
                code.expires_at,
                code.used_at,
            )

        await self._db.transaction(work)

    async def code(self, code_hash: str) -> Code | None:
        """A code by the hash of its letters."""
        row = await self._db.fetch_one("SELECT * FROM link_code WHERE code_hash = $1", code_hash)
        if row is None:
            return None
        return Code(MoodleUserId(row["moodle_id"]), row["expires_at"], row["used_at"])

    async def burn(self, code_hash: str, *, at: float) -> None:
        """A code can't be used any more, nor what was asked because of it be answered."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM link_question WHERE code_hash = $1", code_hash)
            await connection.execute(
                "UPDATE link_code SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL", code_hash, at
            )

        await self._db.transaction(work)

    async def ask(self, account: UserId, question: Question) -> bool:
        """Book that an account is asked, and its code as used."""

        async def work(connection: Connection) -> bool:
            if not question.undoes and not await _take_code(connection, account, question):
                return False
            await connection.execute(
                "INSERT INTO link_question (sender, moodle_id, code_hash, asked_at) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (sender) DO UPDATE SET moodle_id = excluded.moodle_id, code_hash = excluded.code_hash, "
                "asked_at = excluded.asked_at",
                account,
                question.user_id,
                question.code_hash,
                question.asked_at,
            )
            return True

        return await self._db.transaction(work)

    async def question(self, account: UserId) -> Question | None:
        """What an account was asked last and has not answered."""
        row = await self._db.fetch_one("SELECT * FROM link_question WHERE sender = $1", account)
        return None if row is None else _question(row)

    async def take_question(self, account: UserId) -> Question | None:
        """The same, and it is answered now."""
        row = await self._db.transaction(
            lambda connection: connection.fetchrow(
                "DELETE FROM link_question WHERE sender = $1 RETURNING *", account
            )
        )
        return None if row is None else _question(row)

    async def failures(self, account: UserId) -> Failures:
        """What an account has tried in vain."""
        row = await self._db.fetch_one("SELECT * FROM link_failure WHERE sender = $1", account)
        return Failures() if row is None else Failures(row["failures"], row["since"], row["locked_until"])

    async def set_failures(self, account: UserId, failures: Failures) -> None:
        """Remember it, and forget what has run out for everybody."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                "DELETE FROM link_failure WHERE sender = $1 OR (since < $2 AND locked_until < $3)",
                account,
                failures.since - LOCK,
                failures.since,
            )
            if failures != Failures():
                await connection.execute(
                    "INSERT INTO link_failure (sender, failures, since, locked_until) VALUES ($1, $2, $3, $4)",
                    account,
                    failures.count,
                    failures.since,
                    failures.locked_until,
                )

        await self._db.transaction(work)


async def _take_code(connection: Connection, account: UserId, question: Question) -> bool:
    taken = await connection.fetchrow(
        "UPDATE link_code SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL RETURNING code_hash",
        question.code_hash,
        question.asked_at,
    )
    if taken is not None:
        return True
    asked = await connection.fetchrow(
        "SELECT sender FROM link_question WHERE sender = $1 AND code_hash = $2", account, question.code_hash
    )
    return asked is not None


async def _holder(connection: Connection, account: UserId, now: float) -> MoodleUserId | None:
    row = await connection.fetchrow(
        "SELECT moodle_id FROM link WHERE matrix_id = $1 OR (previous = $1 AND effective_at > $2)",
        account,
        now,
    )
    return None if row is None else MoodleUserId(row["moodle_id"])


def _link(row: Row) -> Link:
    return Link(
        user_id=MoodleUserId(row["moodle_id"]),
        matrix_id=UserId(row["matrix_id"]),
        proven_at=row["proven_at"],
        effective_at=row["effective_at"],
        previous=None if row["previous"] is None else UserId(row["previous"]),
    )


def _question(row: Row) -> Question:
    return Question(MoodleUserId(row["moodle_id"]), row["code_hash"], row["asked_at"])
