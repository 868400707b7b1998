"""Rooms as a whole: deleting one at the homeserver by Synapse's admin API, and writing one down as the bot reads it.

Synapse deletes in the background (documentation, "Delete Room API, version 2"): the request is answered with an id, and
`delete_status` tells how far it is, by room. So whoever asks again after a crash finds the deletion that is under way.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import IO, Any

from mautrix.api import Method, Path, SynapseAdminPath

from ..domain.model import RoomId
from ..domain.rooms import RoomKey
from ..errors import PermanentFailure, TemporaryFailure
from .admin import AdminApi
from .http import HomeserverApi, HomeserverRefused

PATIENCE = 20.0
"""Seconds that we wait for a deletion before it is looked at again later."""
_PAUSE = 0.3
_PAGE = "500"
_UNDER_WAY = frozenset({"scheduled", "active", "shutting_down", "purging"})


class SynapseOffice:
    """Implements `ports.RoomOffice`. `folder` None: nothing is written down."""

    def __init__(self, api: HomeserverApi, admin: AdminApi, folder: FilePath | None, site: str) -> None:
        self._api = api
        self._admin = admin
        self._folder = folder
        self._site = site

    async def purge(self, room_id: RoomId) -> None:
        """`DELETE /_synapse/admin/v2/rooms/{id}`, then `GET …/delete_status` until it is complete.

        Raises `PermanentFailure` where the deletion fails, `TemporaryFailure` where it takes longer than we wait.
        """
        if not await self._exists(room_id):
            return
        status = await self._status(room_id)
        if status.get("status") not in _UNDER_WAY:
            await self._admin.ask(
                Method.DELETE, SynapseAdminPath.v2.rooms[room_id], {"block": False, "purge": True}
            )
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            status = await self._status(room_id)
            match status.get("status"):
                case "complete":
                    return
                case "failed":
                    raise PermanentFailure(
                        f"The homeserver could not delete the room {room_id} ({status.get('error')}). "
                        "What is left of it was left as it is. See Synapse's log."
                    )
            await asyncio.sleep(_PAUSE)
        raise TemporaryFailure(
            f"The homeserver is still deleting the room {room_id}. It is looked at again.", retry_after=60
        )

    async def export(self, room_id: RoomId, key: RoomKey) -> None:
        """`GET /rooms/{id}/messages`, from the first event to the last, into one file of JSON lines.

        Where a deletion has begun, and put the bot out, the room was written down before: that file stays.
        Raises `PermanentFailure` where no folder is set or it can't be written.
        """
        if self._folder is None:
            raise PermanentFailure(
                f"The room {room_id} was not written down: life.export_folder is empty. Nothing was changed. "
                "Name a folder, or set life.export_after to never."
            )
        name = f"{self._site} {key} {room_id[1:].partition(':')[0]}.jsonl".replace(" ", "-").replace("/", "_")
        target = self._folder / name
        try:
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
            descriptor, part = await asyncio.to_thread(tempfile.mkstemp, dir=self._folder, prefix=".part-")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    await self._write(room_id, file)
                await asyncio.to_thread(os.replace, part, target)
            except HomeserverRefused as error:
                await asyncio.to_thread(FilePath(part).unlink, missing_ok=True)
                if error.errcode != "M_FORBIDDEN" or not await self._has_file_of_deletion(room_id, target):
                    raise
            except BaseException:
                await asyncio.to_thread(FilePath(part).unlink, missing_ok=True)
                raise
        except OSError as error:
            raise PermanentFailure(
                f"The room {room_id} was not written down: {target} can't be written ({error.strerror}). "
                "Nothing was changed. Let this user write in life.export_folder."
            ) from None

    async def _write(self, room_id: RoomId, file: IO[str]) -> None:
        query = {"dir": "f", "limit": _PAGE}
        while True:
            answer = await self._api.call(Method.GET, Path.v3.rooms[room_id].messages, query=query)
            lines = [json.dumps(event, ensure_ascii=False) + "\n" for event in answer.get("chunk", ())]
            await asyncio.to_thread(file.writelines, lines)
            following = answer.get("end")
            if not isinstance(following, str) or following == query.get("from"):
                return
            query["from"] = following

    async def _has_file_of_deletion(self, room_id: RoomId, target: FilePath) -> bool:
        """Whether a deletion has begun, which is asked for when the room is written down and not before.

        An older file alone tells nothing: the room may have been used since, and somebody else have put the bot out.
        """
        try:
            return await asyncio.to_thread(target.exists) and bool(await self._status(room_id))
        except PermanentFailure:
            # Who may not ask has not deleted anything either.
            return False

    async def _exists(self, room_id: RoomId) -> bool:
        try:
            await self._admin.ask(Method.GET, SynapseAdminPath.v1.rooms[room_id])
        except HomeserverRefused as error:
            if error.errcode == "M_NOT_FOUND":
                return False
            raise
        return True

    async def _status(self, room_id: RoomId) -> Mapping[str, Any]:
        """The newest deletion of a room, empty where there is none."""
        try:
            reply = await self._admin.ask(Method.GET, SynapseAdminPath.v2.rooms[room_id].delete_status)
        except HomeserverRefused as error:
            if error.errcode == "M_NOT_FOUND":
                return {}
            raise
        results = reply.body.get("results")
        found = [one for one in results if isinstance(one, Mapping)] if isinstance(results, list) else []
        under_way = [one for one in found if one.get("status") in _UNDER_WAY]
        return (under_way or found or [{}])[-1]
