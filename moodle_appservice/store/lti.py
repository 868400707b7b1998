"""The registration with Moodle as an LTI platform, links to register, used nonces, and the keys of the web part."""

from __future__ import annotations

from mautrix.util.async_db import Connection

from ..ports.lti import Invitation, Platform
from .db import Db


class LtiBooks:
    """Implements `ports.lti.LtiBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def platform(self) -> Platform | None:
        """Where we are registered, or None."""
        row = await self._db.fetch_one(
            "SELECT issuer, client_id, deployment_id, login_url, token_url, keys_url FROM lti_platform WHERE id = 1"
        )
        return None if row is None else Platform(**dict(row))

    async def register(self, platform: Platform, *, at: float, replace: bool) -> bool:
        """Store a registration, unless there is one that must not be replaced."""

        async def work(connection: Connection) -> bool:
            if replace:
                await connection.execute("DELETE FROM lti_platform")
            row = await connection.fetchrow(
                "INSERT INTO lti_platform "
                "(id, issuer, client_id, deployment_id, login_url, token_url, keys_url, registered_at) "
                "VALUES (1, $1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING RETURNING id",
                platform.issuer,
                platform.client_id,
                platform.deployment_id,
                platform.login_url,
                platform.token_url,
                platform.keys_url,
                at,
            )
            return row is not None

        return await self._db.transaction(work)

    async def invite(self, secret_hash: str, *, now: float, expires_at: float, replaces: bool) -> None:
        """Remember a link; only the newest is good."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM lti_invitation")
            await connection.execute(
                "INSERT INTO lti_invitation (secret_hash, made_at, expires_at, replaces) VALUES ($1, $2, $3, $4)",
                secret_hash,
                now,
                expires_at,
                int(replaces),
            )

        await self._db.transaction(work)

    async def accept(self, secret_hash: str, *, now: float) -> Invitation | None:
        """Use a link up: whoever deletes its row has it."""

        async def work(connection: Connection) -> Invitation | None:
            row = await connection.fetchrow(
                "DELETE FROM lti_invitation WHERE secret_hash = $1 RETURNING expires_at, replaces",
                secret_hash,
            )
            if row is None or row["expires_at"] <= now:
                return None
            return Invitation(replaces=bool(row["replaces"]))

        return await self._db.transaction(work)

    async def use_once(self, nonce_hash: str, *, now: float, expires_at: float) -> bool:
        """Book a nonce, and forget those that nobody could use any more anyway."""

        async def work(connection: Connection) -> bool:
            await connection.execute("DELETE FROM lti_nonce WHERE expires_at <= $1", now)
            row = await connection.fetchrow(
                "INSERT INTO lti_nonce (nonce_hash, expires_at) VALUES ($1, $2) "
                "ON CONFLICT (nonce_hash) DO NOTHING RETURNING nonce_hash",
                nonce_hash,
                expires_at,
            )
            return row is not None

        return await self._db.transaction(work)

    async def secret(self, name: str, proposal: str) -> str:
        """What is stored under this name; the first proposal is what stays."""

        async def work(connection: Connection) -> str:
            await connection.execute(
                "INSERT INTO web_secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                name,
                proposal,
            )
            return str(await connection.fetchval("SELECT value FROM web_secret WHERE name = $1", name))

        return await self._db.transaction(work)
