"""Single values and counters."""

from __future__ import annotations

from collections.abc import Mapping

from mautrix.util.async_db import Connection

from .db import Db


class SettingBook:
    """The `setting` table."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def get(self, name: str) -> str | None:
        """A value, or None."""
        row = await self._db.fetch_one("SELECT value FROM setting WHERE name = $1", name)
        return None if row is None else str(row["value"])

    async def set(self, name: str, value: str) -> None:
        """Store a value."""
        await self._db.execute(
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            name,
            value,
        )

    async def next_number(self, name: str) -> int:
        """Add one to a counter and return it; starts at 1."""
        return await self._db.transaction(lambda connection: next_number(connection, name))


async def next_number(connection: Connection, name: str, *, step: int = 1) -> int:
    """Add `step` to a counter inside a running transaction and return its new value; two callers never get the same."""
    return (await next_numbers(connection, {name: step}))[name]


async def next_numbers(connection: Connection, steps: Mapping[str, int]) -> Mapping[str, int]:
    """The same for several counters in one statement: name → step, name → new value."""
    marks = ", ".join(f"(${2 * number + 1}, ${2 * number + 2})" for number in range(len(steps)))
    rows = await connection.fetch(
        f"INSERT INTO setting (name, value) VALUES {marks} ON CONFLICT (name) DO UPDATE "
        "SET value = CAST(CAST(setting.value AS BIGINT) + CAST(excluded.value AS BIGINT) AS TEXT) "
        "RETURNING name, value",
        *(value for name, step in steps.items() for value in (name, str(step))),
    )
    return {row["name"]: int(row["value"]) for row in rows}
