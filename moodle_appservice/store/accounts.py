"""The accounts that we made, or were about to make when something happened: only these are ever written to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..domain.model import MoodleUserId, UserId
from ..ports import AccountKind, AccountRow, AccountState
from .db import Db, Row
from .together import look_ups


class AccountBooks:
    """The `account` table."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._by_id = look_ups(self._get)
        self._by_person = look_ups(self._of)

    async def get(self, matrix_id: UserId) -> AccountRow | None:
        """One account, None where it is not of our making."""
        return (await self._by_id.ask([matrix_id])).get(matrix_id)

    async def of(self, user_id: MoodleUserId) -> Sequence[AccountRow]:
        """All that we made for one person."""
        return (await self._by_person.ask([user_id])).get(user_id, [])

    async def made(self) -> Mapping[MoodleUserId, Sequence[AccountRow]]:
        """All accounts that are whole and ours, by person."""
        return _by_person(await self._db.fetch("SELECT * FROM account WHERE state = $1", AccountState.MADE))

    async def _get(self, ids: Collection[UserId]) -> Mapping[UserId, AccountRow]:
        rows = await self._db.fetch_in("SELECT * FROM account WHERE matrix_id IN ({in})", ids)
        return {UserId(row["matrix_id"]): _account(row) for row in rows}

    async def _of(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, Sequence[AccountRow]]:
        rows = await self._db.fetch_in(
            "SELECT * FROM account WHERE moodle_id IN ({in}) ORDER BY intended_at", user_ids
        )
        return _by_person(rows)

    async def put(self, row: AccountRow) -> None:
        """Write down the state of an account."""
        await self._db.execute(
            "INSERT INTO account (matrix_id, moodle_id, kind, state, intended_at, made_at, name_written, "
            "avatar_written, email_written) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
            "ON CONFLICT (matrix_id) DO UPDATE SET moodle_id = excluded.moodle_id, kind = excluded.kind, "
            "state = excluded.state, intended_at = excluded.intended_at, made_at = excluded.made_at, "
            "name_written = excluded.name_written, avatar_written = excluded.avatar_written, "
            "email_written = excluded.email_written",
            row.matrix_id,
            row.user_id,
            row.kind,
            row.state,
            row.intended_at,
            row.made_at,
            row.name_written,
            row.avatar_written,
            row.email_written,
        )

    async def forget(self, matrix_id: UserId) -> None:
        """It is not of our making after all, or does not exist any more."""
        await self._db.execute("DELETE FROM account WHERE matrix_id = $1", matrix_id)


def _by_person(rows: Iterable[Row]) -> Mapping[MoodleUserId, Sequence[AccountRow]]:
    found: dict[MoodleUserId, list[AccountRow]] = {}
    for account in map(_account, rows):
        found.setdefault(account.user_id, []).append(account)
    return found


def _account(row: Row) -> AccountRow:
    return AccountRow(
        matrix_id=UserId(row["matrix_id"]),
        user_id=MoodleUserId(row["moodle_id"]),
        kind=AccountKind(row["kind"]),
        state=AccountState(row["state"]),
        intended_at=row["intended_at"],
        made_at=row["made_at"],
        name_written=row["name_written"],
        avatar_written=row["avatar_written"],
        email_written=row["email_written"],
    )
