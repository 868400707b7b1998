"""The accounts that we made, or were about to make when something happened: only these are ever written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..domain.model import MoodleUserId, UserId
from ..ports import AccountKind, AccountRow, AccountState
from .db import Db, Row


class AccountBooks:
    """The `account` table."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def get(self, matrix_id: UserId) -> AccountRow | None:
        """One account, None where it is not of our making."""
        row = await self._db.fetch_one("SELECT * FROM account WHERE matrix_id = $1", matrix_id)
        return None if row is None else _account(row)

    async def of(self, user_id: MoodleUserId) -> Sequence[AccountRow]:
        """All that we made for one person."""
        rows = await self._db.fetch(
            "SELECT * FROM account WHERE moodle_id = $1 ORDER BY intended_at", user_id
        )
        return [_account(row) for row in rows]

    async def made(self) -> Mapping[MoodleUserId, Sequence[AccountRow]]:
        """All accounts that are whole and ours, by person."""
        found: dict[MoodleUserId, list[AccountRow]] = {}
        for row in await self._db.fetch("SELECT * FROM account WHERE state = $1", AccountState.MADE):
            account = _account(row)
            found.setdefault(account.user_id, []).append(account)
        return found

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
