"""The `web_session`, `web_entry` and `sample` tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mautrix.util.async_db import Connection

from ..domain.model import MoodleUserId, UserId
from ..ports.pages import SignedIn
from .db import Db, Row


class SessionBooks:
    """Implements `ports.pages.SessionBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def open(self, session_hash: str, who: SignedIn, *, now: float, expires_at: float) -> None:
        """Remember a session, and forget those that are over."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM web_session WHERE expires_at <= $1", now)
            await connection.execute(
                "INSERT INTO web_session (session_hash, moodle_id, account, expires_at) VALUES ($1, $2, $3, $4)",
                session_hash,
                who.user_id,
                who.account,
                expires_at,
            )

        await self._db.transaction(work)

    async def find(self, session_hash: str, *, now: float) -> SignedIn | None:
        """Whose session this is."""
        row = await self._db.fetch_one(
            "SELECT moodle_id, account FROM web_session WHERE session_hash = $1 AND expires_at > $2",
            session_hash,
            now,
        )
        return None if row is None else _who(row)

    async def close(self, session_hash: str) -> None:
        """End one session."""
        await self._db.execute("DELETE FROM web_session WHERE session_hash = $1", session_hash)

    async def invite(self, secret_hash: str, who: SignedIn, *, now: float, expires_at: float) -> None:
        """Remember a link; only the newest of an account is good."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                "DELETE FROM web_entry WHERE account = $1 OR expires_at <= $2", who.account, now
            )
            await connection.execute(
                "INSERT INTO web_entry (secret_hash, moodle_id, account, expires_at) VALUES ($1, $2, $3, $4)",
                secret_hash,
                who.user_id,
                who.account,
                expires_at,
            )

        await self._db.transaction(work)

    async def accept(self, secret_hash: str, *, now: float) -> SignedIn | None:
        """Use a link up: whoever deletes its row has it."""

        async def work(connection: Connection) -> SignedIn | None:
            row = await connection.fetchrow(
                "DELETE FROM web_entry WHERE secret_hash = $1 RETURNING moodle_id, account, expires_at",
                secret_hash,
            )
            return None if row is None or row["expires_at"] <= now else _who(row)

        return await self._db.transaction(work)


class SampleBooks:
    """Implements `ports.pages.SampleBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def add(self, at: int, values: Mapping[str, float], *, forget_before: int) -> None:
        """Store one sample of each."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM sample WHERE at < $1", forget_before)
            await connection.executemany(
                "INSERT INTO sample (name, at, value) VALUES ($1, $2, $3) "
                "ON CONFLICT (name, at) DO UPDATE SET value = excluded.value",
                [(name, at, float(value)) for name, value in values.items()],
            )

        await self._db.transaction(work)

    async def since(self, at: int) -> Mapping[str, Sequence[tuple[int, float]]]:
        """What was stored since then."""
        rows = await self._db.fetch("SELECT name, at, value FROM sample WHERE at >= $1 ORDER BY name, at", at)
        found: dict[str, list[tuple[int, float]]] = {}
        for row in rows:
            found.setdefault(row["name"], []).append((row["at"], row["value"]))
        return found


def _who(row: Row) -> SignedIn:
    return SignedIn(
        user_id=None if row["moodle_id"] is None else MoodleUserId(row["moodle_id"]),
        account=None if row["account"] is None else UserId(row["account"]),
    )
