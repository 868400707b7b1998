"""The bot's hands: one method, one request (client-server API, paths in each docstring of `ports.Matrix`).

It decides and remembers nothing. Where Matrix has no single request for something, as for a direct chat, a method
makes a few. Patience and the kinds of failures are in `http`; here only an answer that a caller can act on
becomes an error of its own, such as `NotThere`; some of these Synapse tells by the text of its answer alone. A
request that would be done twice if it were repeated is sent once (`attempts=1`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiohttp import ClientSession
from mautrix.api import Method, Path

from ..domain.model import EventId, RoomAlias, RoomId, UserId
from ..errors import (
    AliasTaken,
    AlreadyThere,
    AppError,
    NotThere,
    PermanentFailure,
    RoomGone,
    TemporaryFailure,
)
from ..ports import Event
from .events import parse_event, parse_state
from .http import HomeserverApi, HomeserverRefused
from .media import upload

log = logging.getLogger(__name__)


class MatrixClient:
    """Implements `ports.Matrix`. `appservice_id` is the registration's `id`; `bot` its sender's user id."""

    def __init__(
        self,
        address: str,
        as_token: str,
        *,
        appservice_id: str,
        bot: UserId,
        session: ClientSession,
        timeout: float = 60.0,
    ) -> None:
        self._api = HomeserverApi(address, as_token, session=session, timeout=timeout)
        self._appservice_id = appservice_id
        self._bot = bot

    async def ensure_registered(self, display_name: str) -> None:
        """Make the bot's account where there is none yet, and give it its name (`POST /register`)."""
        localpart = self._bot[1:].split(":", 1)[0]
        content = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            await self._api.call(Method.POST, Path.v3.register, content, query={"kind": "user"})
        except HomeserverRefused as error:
            if error.errcode != "M_USER_IN_USE":
                raise
        # A name that is set again, even the same, goes through every room of the bot.
        try:
            profile = await self._api.call(Method.GET, Path.v3.profile[self._bot])
        except HomeserverRefused as error:
            if error.errcode != "M_NOT_FOUND":
                raise
            profile = {}
        if profile.get("displayname") != display_name:
            await self._api.call(
                Method.PUT, Path.v3.profile[self._bot].displayname, {"displayname": display_name}
            )

    async def whoami(self) -> UserId:
        """`GET /account/whoami`: whom the homeserver takes us for."""
        answer = await self._api.call(Method.GET, Path.v3.account.whoami)
        return UserId(str(answer.get("user_id", "")))

    async def create_room(self, content: Mapping[str, Any]) -> RoomId:
        """`POST /createRoom`. Raises `AliasTaken` where the alias exists already."""
        try:
            answer = await self._api.call(Method.POST, Path.v3.createRoom, content)
        except HomeserverRefused as error:
            # The second: of two that made it at the same moment, this one was the later.
            if error.errcode == "M_ROOM_IN_USE" or (error.status == 409 and "already exists" in error.text):
                raise AliasTaken(f"The alias {content.get('room_alias_name')} exists already.") from None
            raise
        return RoomId(_told(answer, "room_id"))

    async def resolve_alias(self, alias: RoomAlias) -> RoomId | None:
        """`GET /directory/room/{alias}`."""
        try:
            answer = await self._api.call(Method.GET, Path.v3.directory.room[alias])
        except HomeserverRefused as error:
            # By its code: a 404 without it is not the homeserver's, and says nothing about the alias.
            if error.errcode == "M_NOT_FOUND":
                return None
            raise
        return RoomId(_told(answer, "room_id"))

    async def delete_alias(self, alias: RoomAlias) -> None:
        """`DELETE /directory/room/{alias}`."""
        try:
            await self._api.call(Method.DELETE, Path.v3.directory.room[alias])
        except HomeserverRefused as error:
            if error.errcode != "M_NOT_FOUND":
                raise

    async def put_alias(self, alias: RoomAlias, room_id: RoomId) -> None:
        """`PUT /directory/room/{alias}`. Raises `AliasTaken` where it leads elsewhere."""
        try:
            await self._api.call(Method.PUT, Path.v3.directory.room[alias], {"room_id": room_id})
        except HomeserverRefused as error:
            if error.status != 409:
                raise
            leads_to = await self.resolve_alias(alias)
            if leads_to != room_id:
                raise AliasTaken(
                    f"The alias {alias} leads to the room {leads_to}, not to {room_id}."
                ) from None

    async def joined_rooms(self) -> frozenset[RoomId]:
        """`GET /joined_rooms`. Raises `TemporaryFailure` for what is no list."""
        answer = await self._api.call(Method.GET, Path.v3.joined_rooms)
        listed = answer.get("joined_rooms")
        if not isinstance(listed, list):
            raise TemporaryFailure(
                "The homeserver does not tell in which rooms the bot is. It is asked again."
            )
        return frozenset(RoomId(str(one)) for one in listed)

    async def upgrade(self, room_id: RoomId, version: str) -> RoomId:
        """`POST /rooms/{id}/upgrade`, never sent twice."""
        answer = await self._api.call(
            Method.POST, Path.v3.rooms[room_id].upgrade, {"new_version": version}, attempts=1
        )
        return RoomId(_told(answer, "replacement_room"))

    async def read_state(self, room_id: RoomId) -> Sequence[Event]:
        """`GET /rooms/{id}/state`. Raises `TemporaryFailure` for what is no list."""
        answer = await self._api.call(Method.GET, Path.v3.rooms[room_id].state)
        raw = answer.get("value")
        if not isinstance(raw, list):
            raise TemporaryFailure(
                f"The homeserver's answer about the room {room_id} is not a list. It is tried again."
            )
        return parse_state(raw, room_id)

    async def get_state(
        self, room_id: RoomId, event_type: str, state_key: str = ""
    ) -> Mapping[str, Any] | None:
        """`GET /rooms/{id}/state/{type}/{key}`."""
        try:
            return await self._api.call(Method.GET, Path.v3.rooms[room_id].state[event_type][state_key])
        except HomeserverRefused as error:
            if error.errcode in {"M_NOT_FOUND", "M_FORBIDDEN"}:
                return None
            raise

    async def get_state_event(self, room_id: RoomId, event_type: str, state_key: str) -> Event | None:
        """`GET /rooms/{id}/state/{type}/{key}?format=event`. Raises `TemporaryFailure` for what is no event."""
        path = Path.v3.rooms[room_id].state[event_type][state_key]
        try:
            answer = await self._api.call(Method.GET, path, query={"format": "event"})
        except HomeserverRefused as error:
            if error.errcode in {"M_NOT_FOUND", "M_FORBIDDEN"}:
                return None
            raise
        event = parse_event(answer, room_id=room_id)
        if event is None:
            raise TemporaryFailure(
                f"The homeserver's answer about one event of the room {room_id} is not an event. It is tried again."
            )
        return event

    async def set_state(
        self, room_id: RoomId, event_type: str, state_key: str, content: Mapping[str, Any]
    ) -> EventId:
        """`PUT /rooms/{id}/state/{type}/{key}`."""
        answer = await self._api.call(
            Method.PUT, Path.v3.rooms[room_id].state[event_type][state_key], content
        )
        return EventId(_told(answer, "event_id"))

    async def invite(self, room_id: RoomId, user_id: UserId, reason: str = "") -> None:
        """`POST /rooms/{id}/invite`. Raises `AlreadyThere` where the person is in the room."""
        content = {"user_id": user_id, "reason": reason} if reason else {"user_id": user_id}
        try:
            await self._api.call(Method.POST, Path.v3.rooms[room_id].invite, content)
        except HomeserverRefused as error:
            if error.status == 403 and "already in the room" in error.text:
                raise AlreadyThere(
                    f"{user_id} is in the room {room_id} already; the room is read again."
                ) from None
            raise

    async def kick(self, room_id: RoomId, user_id: UserId, reason: str) -> None:
        """`POST /rooms/{id}/kick`. Raises `NotThere` where the person is not in the room."""
        try:
            await self._api.call(
                Method.POST, Path.v3.rooms[room_id].kick, {"user_id": user_id, "reason": reason}
            )
        except HomeserverRefused as error:
            if error.status == 403 and "not in the room" in error.text:
                raise NotThere(
                    f"{user_id} is not in the room {room_id} any more; the room is read again."
                ) from None
            raise

    async def ban(self, room_id: RoomId, user_id: UserId, reason: str) -> None:
        """`POST /rooms/{id}/ban`."""
        await self._api.call(Method.POST, Path.v3.rooms[room_id].ban, {"user_id": user_id, "reason": reason})

    async def unban(self, room_id: RoomId, user_id: UserId) -> None:
        """`POST /rooms/{id}/unban`. Raises `NotThere` where the person is not banned."""
        try:
            await self._api.call(Method.POST, Path.v3.rooms[room_id].unban, {"user_id": user_id})
        except HomeserverRefused as error:
            if error.status == 403 and "not banned" in error.text:
                raise NotThere(
                    f"{user_id} is not banned from the room {room_id} any more; the room is read again."
                ) from None
            raise

    async def join(self, room_id: RoomId) -> None:
        """`POST /join/{id}`. Raises `RoomGone` where nobody there could let the bot in."""
        try:
            await self._api.call(Method.POST, Path.v3.join[room_id])
        except HomeserverRefused as error:
            # Who is not invited gets a 403; a room without anybody in it is looked for elsewhere, in vain.
            if error.status == 404 or "no servers" in error.text:
                raise RoomGone(
                    f"The homeserver has nobody in the room {room_id} who could let the bot in."
                ) from None
            raise

    async def leave(self, room_id: RoomId) -> None:
        """`POST /rooms/{id}/leave`."""
        await self._api.call(Method.POST, Path.v3.rooms[room_id].leave)

    async def send(
        self, room_id: RoomId, content: Mapping[str, Any], txn_id: str, *, as_user: UserId | None = None
    ) -> EventId:
        """`PUT /rooms/{id}/send/m.room.message/{txn_id}`."""
        return await self._send(room_id, "m.room.message", content, txn_id, as_user)

    async def redact(
        self, room_id: RoomId, event_id: EventId, txn_id: str, *, as_user: UserId | None = None
    ) -> None:
        """`PUT /rooms/{id}/redact/{event}/{txn_id}`."""
        path = Path.v3.rooms[room_id].redact[event_id][txn_id]
        await self._api.call(Method.PUT, path, {}, as_user=as_user)

    async def messages(
        self, room_id: RoomId, *, senders: Collection[UserId], since: float, most: int = 1000
    ) -> Sequence[Event]:
        """`GET /rooms/{id}/messages`, backwards, page by page."""
        wanted = {"types": ["m.room.message"], "senders": sorted(senders), "lazy_load_members": True}
        query = {"dir": "b", "limit": "100", "filter": json.dumps(wanted)}
        found: list[Event] = []
        while len(found) < most:
            answer = await self._api.call(Method.GET, Path.v3.rooms[room_id].messages, query=query)
            chunk = answer.get("chunk")
            read = (parse_event(raw, room_id=room_id) for raw in (chunk if isinstance(chunk, list) else ()))
            page = [event for event in read if event is not None]
            found += [event for event in page if event.timestamp >= since * 1000]
            end = answer.get("end")
            if not isinstance(end, str) or any(event.timestamp < since * 1000 for event in page):
                break
            query["from"] = end
        return found

    async def react(self, room_id: RoomId, event_id: EventId, key: str, txn_id: str) -> EventId:
        """Send an `m.reaction`."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self._send(room_id, "m.reaction", {"m.relates_to": relation}, txn_id)

    async def direct_room(self, user_id: UserId) -> RoomId:
        """`POST /createRoom`, never sent twice, then the invite: who can't be invited leaves no room behind."""
        content = {
            "preset": "private_chat",
            "visibility": "private",
            "is_direct": True,
            "initial_state": [
                {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}}
            ],
        }
        answer = await self._api.call(Method.POST, Path.v3.createRoom, content, attempts=1)
        room_id = RoomId(_told(answer, "room_id"))
        try:
            # Only as a state event can an invite say that the chat is a direct one.
            await self.set_state(
                room_id, "m.room.member", user_id, {"membership": "invite", "is_direct": True}
            )
        except AppError:
            await self.leave(room_id)
            raise
        return room_id

    async def upload(self, data: bytes, content_type: str) -> str:
        """`POST /_matrix/media/v3/upload`."""
        return await upload(self._api, data, content_type)

    async def ping(self) -> None:
        """`POST /appservice/{id}/ping` (application service API, "Pinging"); once more where it fails.

        Raises `TemporaryFailure` where the homeserver can't reach us, `PermanentFailure` where it does not know us.
        """
        path = Path.v1.appservice[self._appservice_id].ping
        try:
            # A loaded Synapse cancels a ping that has just been answered, and says that it could not connect.
            await self._api.call(Method.POST, path, {}, attempts=2)
        except TemporaryFailure as error:
            raise TemporaryFailure(
                f"The homeserver can't reach this service: {error} Check `url` in the registration.",
                retry_after=5,
            ) from None
        except HomeserverRefused as error:
            raise PermanentFailure(
                f"The homeserver does not know this service under its id: {error}"
            ) from None

    async def _send(
        self,
        room_id: RoomId,
        event_type: str,
        content: Mapping[str, Any],
        txn_id: str,
        as_user: UserId | None = None,
    ) -> EventId:
        path = Path.v3.rooms[room_id].send[event_type][txn_id]
        answer = await self._api.call(Method.PUT, path, content, as_user=as_user)
        return EventId(_told(answer, "event_id"))


def _told(answer: Mapping[str, Any], key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str):
        raise TemporaryFailure(
            f"The homeserver said yes without a {key}: is there another server at its address? It is looked at again."
        )
    return value
