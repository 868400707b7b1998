"""A homeserver as an administrator and an application service see it, for tests of accounts: see `town` and `desk`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.domain.model import RoomId, UserId
from moodle_appservice.matrix.admin_token import TokenPair
from tests.accounts_desk import Desk, MemorySettings
from tests.live.homeserver import Seat

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000a49444154789c6360000002000154a24f5d0000000049454e44ae426082"
)
"""One transparent pixel."""


class Town:
    """A seat at the homeserver, its bot registered, and the adapter for it."""

    def __init__(self, synapse: EmbeddedSynapse, seat: Seat) -> None:
        self.synapse = synapse
        self.seat = seat
        self.desks: list[Desk] = []
        self._numbers = 0

    def desk(self, admin: TokenPair | None = None, settings: MemorySettings | None = None) -> Desk:
        made = Desk(
            self.synapse.url,
            bot=self.seat.sender,
            as_token=self.seat.as_token,
            admin=admin,
            virtual=f"@{self.seat.prefix}",
            settings=settings,
        )
        self.desks.append(made)
        return made

    def new_id(self, name: str = "ann") -> UserId:
        self._numbers += 1
        return UserId(f"@{name}-{self.seat.site}-{self._numbers}:{self.synapse.server_name}")

    def virtual(self, number: int) -> UserId:
        return UserId(f"@{self.seat.prefix}{number}:{self.synapse.server_name}")

    async def admin(self, method: str, path: str, content: Any = None) -> Any:
        """A request of the homeserver's own administrator."""
        return await self.request(method, path, content, token=self.synapse.admin_token)

    async def request(
        self, method: str, path: str, content: Any = None, *, token: str | None = None, **query: str
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.seat.as_token if token is None else token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, self.synapse.url + path, json=content, params=query, headers=headers
            ) as answer,
        ):
            told = await answer.json()
            assert answer.status in (200, 201), (method, path, answer.status, told)
            return told

    async def make_bot_admin(self, yes: bool = True) -> None:
        await self.admin("PUT", f"/_synapse/admin/v1/users/{self.seat.sender}/admin", {"admin": yes})

    async def as_stored(self, user_id: str) -> dict[str, Any]:
        told = await self.admin("GET", f"/_synapse/admin/v2/users/{quote(user_id, safe='')}")
        assert isinstance(told, dict)
        return told

    async def room(self) -> RoomId:
        return RoomId((await self.request("POST", "/_matrix/client/v3/createRoom", {}))["room_id"])

    async def membership(self, room_id: RoomId, user_id: str) -> str | None:
        path = f"/_matrix/client/v3/rooms/{quote(room_id)}/members"
        for event in (await self.request("GET", path))["chunk"]:
            if event["state_key"] == user_id:
                return str(event["content"]["membership"])
        return None
