"""The homeserver as its administrator sees it: the witness for everything that the demo says has happened.

Nothing here asks our service or its database. Accounts are made, rooms and memberships are read through Synapse's
admin API; how far a sync has come is counted in the homeserver's own log of finished requests.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from ..domain.model import RoomAlias, RoomId, UserId
from ..errors import PermanentFailure, Unreachable
from .homeserver import EmbeddedSynapse

_AT_ONCE = 8
_CREATE = re.compile(r"/_matrix/client/v3/createRoom")
_INVITE = re.compile(r"/_matrix/client/v3/rooms/[^/]+/invite")


class Witness:
    """Reads and makes accounts with the rights of a server administrator. Use as a context."""

    def __init__(self, synapse: EmbeddedSynapse) -> None:
        self._synapse = synapse
        headers = {"Authorization": f"Bearer {synapse.admin_token}"}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=30))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def version(self) -> str:
        """Which Synapse answers."""
        told = str((await self._read("/_synapse/admin/v1/server_version"))["server_version"])
        # Started inside a checkout, Synapse adds that checkout's branch.
        return told.split(" ")[0]

    async def make_accounts(self, people: Iterable[tuple[UserId, str]], password: str) -> dict[UserId, str]:
        """An account for each Matrix id, with a display name. Gives the reason for each impossible one."""
        turn = asyncio.Semaphore(_AT_ONCE)
        refused: dict[UserId, str] = {}

        async def make(user: UserId, name: str) -> None:
            body = {"password": password, "displayname": name}
            path = f"/_synapse/admin/v2/users/{_quoted(user)}"
            async with turn:
                status, told = await self._ask("PUT", path, body)
            if status == 400:
                refused[user] = str(told.get("error"))
            elif status not in (200, 201):
                raise _refusal(path, told)

        await asyncio.gather(*(make(user, name) for user, name in people))
        return refused

    async def rooms(self) -> dict[RoomAlias, RoomId]:
        """Every room that has an alias."""
        answer = await self._read("/_synapse/admin/v1/rooms?limit=1000")
        return {
            RoomAlias(room["canonical_alias"]): RoomId(room["room_id"])
            for room in answer["rooms"]
            if room["canonical_alias"]
        }

    async def memberships(self, room_id: RoomId) -> dict[UserId, str]:
        """Everybody who is or was in a room: `invite`, `join`, `leave`, `ban`."""
        answer = await self._read(f"/_synapse/admin/v1/rooms/{_quoted(room_id)}/state")
        return {
            UserId(event["state_key"]): str(event["content"].get("membership"))
            for event in answer["state"]
            if event["type"] == "m.room.member"
        }

    def made_since(self, mark: int, user: UserId) -> tuple[int, int]:
        """How many rooms and how many invites this user got through since the mark."""
        paths = [asked.path for asked in self._synapse.requests_by(user, mark) if asked.status == 200]
        return (
            sum(1 for path in paths if _CREATE.fullmatch(path)),
            sum(1 for path in paths if _INVITE.fullmatch(path)),
        )

    async def _read(self, path: str) -> dict[str, Any]:
        status, told = await self._ask("GET", path)
        if status != 200:
            raise PermanentFailure(
                f"The homeserver refused {path}: {told.get('errcode')} {told.get('error')}"
            )
        return told

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        try:
            async with self._session.request(method, self._synapse.url + path, json=body) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"The homeserver did not answer {path}: {type(error).__name__}") from None


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _refusal(path: str, told: dict[str, Any]) -> PermanentFailure:
    return PermanentFailure(f"The homeserver refused {path}: {told.get('errcode')} {told.get('error')}")
