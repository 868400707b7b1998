"""What `doctor` asks of the homeserver beside the daily work: who it is, what it can do, in which rooms the bot is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession
from mautrix.api import Method, Path, PathBuilder

from ..domain.model import RoomId, UserId
from ..errors import TemporaryFailure
from .http import HomeserverApi, HomeserverRefused

_SERVERS = (
    PathBuilder("_matrix/federation/v1/version"),
    PathBuilder("_synapse/admin/v1/server_version"),
)


class HomeserverSurvey:
    """Reads only. Every method raises what a request raises (`TemporaryFailure`, `HomeserverRefused`)."""

    def __init__(self, address: str, as_token: str, *, session: ClientSession, timeout: float) -> None:
        self._api = HomeserverApi(address, as_token, session=session, timeout=timeout)

    async def versions(self) -> frozenset[str]:
        """`GET /_matrix/client/versions`: the versions of Matrix that it knows, such as `v1.11`."""
        answer = await self._api.call(Method.GET, PathBuilder("_matrix/client/versions"))
        listed = answer.get("versions")
        return frozenset(str(one) for one in listed) if isinstance(listed, list) else frozenset()

    async def server(self) -> str:
        """Its name and version, such as `Synapse 1.163.2`; empty where it does not tell us."""
        for path in _SERVERS:
            try:
                answer = await self._api.call(Method.GET, path)
            except HomeserverRefused:
                continue
            server = answer.get("server")
            if isinstance(server, Mapping):
                return f"{server.get('name', '')} {server.get('version', '')}".strip()
            if isinstance(answer.get("server_version"), str):
                return f"Synapse {answer['server_version']}"
        return ""

    async def room_versions(self) -> Mapping[str, str]:
        """`GET /capabilities`: room version → `stable` or `unstable`. Raises `TemporaryFailure` where it tells none."""
        answer = await self._api.call(Method.GET, Path.v3.capabilities)
        available: Any = answer
        for name in ("capabilities", "m.room_versions", "available"):
            available = available.get(name) if isinstance(available, Mapping) else None
        if not isinstance(available, Mapping):
            raise TemporaryFailure("The homeserver does not tell which rooms it can make.")
        return {str(version): str(stability) for version, stability in available.items()}

    async def joined_rooms(self) -> frozenset[RoomId]:
        """`GET /joined_rooms`: where the bot is."""
        answer = await self._api.call(Method.GET, Path.v3.joined_rooms)
        listed = answer.get("joined_rooms")
        return frozenset(RoomId(str(one)) for one in listed) if isinstance(listed, list) else frozenset()

    async def display_name(self, user_id: UserId) -> str:
        """`GET /profile/{user}`: the display name, empty where there is none."""
        answer = await self._api.call(Method.GET, Path.v3.profile[user_id])
        return str(answer.get("displayname") or "")
