"""How the relay speaks: messages that are edited, withdrawn and found again, by the bot or as a virtual user.

It remembers nothing: the relay has books of its own. What a message tells of stands in the event, by which it is found
where those books have lost it. `m.mentions` is empty, so that nobody is notified by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from ..domain.model import EventId, RoomId, UserId
from ..ports import File, Found, Matrix, Speech

ABOUT = "org.moodle_appservice.about"
"""In a message: what it tells of."""


class MatrixRelayMessenger:
    """Implements `ports.RelayMessenger`. `bot`: whoever else speaks is a virtual user, whose mask the bot puts on."""

    def __init__(self, matrix: Matrix, *, bot: UserId) -> None:
        self._matrix = matrix
        self._bot = bot

    async def post(self, room_id: RoomId, speech: Speech, *, key: str, sender: UserId) -> EventId:
        """Say something in a room."""
        return await self._matrix.send(room_id, _said(speech), _txn_id(key), as_user=self._masked(sender))

    async def edit(
        self, room_id: RoomId, event_id: EventId, speech: Speech, *, key: str, sender: UserId
    ) -> None:
        """Say something else in its place (“Event replacements”): older clients show the new text with a star."""
        content = {
            **_said(speech),
            "body": f"* {speech.text}",
            "formatted_body": f"* {speech.html}",
            "m.new_content": _said(speech),
            "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
        }
        await self._matrix.send(room_id, content, _txn_id(key), as_user=self._masked(sender))

    async def redact(self, room_id: RoomId, event_id: EventId, *, key: str, sender: UserId) -> None:
        """Take back what was said."""
        await self._matrix.redact(room_id, event_id, _txn_id(key), as_user=self._masked(sender))

    async def find(
        self, room_id: RoomId, about: Mapping[str, str | int], *, senders: Collection[UserId], since: float
    ) -> Found | None:
        """What was said about something; not its edits."""
        for event in await self._matrix.messages(room_id, senders=senders, since=since):
            relation = event.content.get("m.relates_to")
            is_edit = isinstance(relation, Mapping) and relation.get("rel_type") == "m.replace"
            if event.content.get(ABOUT) == about and not is_edit:
                return Found(event.event_id, event.sender)
        return None

    async def upload(self, file: File) -> str:
        """Put a file into the homeserver's media."""
        return await self._matrix.upload(file.data, file.content_type)

    async def post_file(
        self,
        room_id: RoomId,
        file: File,
        address: str,
        *,
        about: Mapping[str, str | int],
        key: str,
        sender: UserId,
    ) -> EventId:
        """Show a file in a room."""
        content = {
            "msgtype": "m.image" if file.content_type.startswith("image/") else "m.file",
            "body": file.name,
            "filename": file.name,
            "url": address,
            "info": {"mimetype": file.content_type, "size": len(file.data)},
            "m.mentions": {},
            ABOUT: dict(about),
        }
        return await self._matrix.send(room_id, content, _txn_id(key), as_user=self._masked(sender))

    def _masked(self, sender: UserId) -> UserId | None:
        return None if sender == self._bot else sender


def _said(speech: Speech) -> dict[str, Any]:
    return {
        "msgtype": "m.notice" if speech.notice else "m.text",
        "body": speech.text,
        "format": "org.matrix.custom.html",
        "formatted_body": speech.html,
        "m.mentions": {},
        ABOUT: dict(speech.about),
    }


def _txn_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
