"""What the pages must remember: who is signed in, links to sign in with, and samples for the charts."""

from __future__ import annotations

from mautrix.util.async_db import Connection

_STATEMENTS = (
    """CREATE TABLE web_session (
        session_hash TEXT PRIMARY KEY,
        moodle_id BIGINT,
        account TEXT,
        expires_at DOUBLE PRECISION NOT NULL
    )""",
    "CREATE INDEX web_session_person ON web_session (moodle_id)",
    "CREATE INDEX web_session_expiry ON web_session (expires_at)",
    """CREATE TABLE web_entry (
        secret_hash TEXT PRIMARY KEY,
        moodle_id BIGINT,
        account TEXT NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE sample (
        name TEXT NOT NULL,
        at BIGINT NOT NULL,
        value DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (name, at)
    )""",
    "CREATE INDEX sample_age ON sample (at)",
)


async def pages(connection: Connection) -> None:
    """The tables."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
