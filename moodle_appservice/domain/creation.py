"""The one request by which a room is made, with everything in it but the people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .mapping import DesiredRoom


def creation_content(room: DesiredRoom, power: Mapping[str, Any]) -> dict[str, Any]:
    """Body of the one createRoom request (client-server API, `POST /createRoom`)."""
    return {
        "room_version": room.rules.room_version,
        "room_alias_name": room.alias[1:].split(":", 1)[0],
        "visibility": "private",
        "preset": "private_chat",
        "name": room.name,
        "topic": room.topic,
        "creation_content": dict(room.creation),
        "power_level_content_override": dict(power),
        "initial_state": [
            {"type": event_type, "state_key": state_key, "content": dict(content)}
            for (event_type, state_key), content in (*room.state.items(), *_avatar(room))
        ],
    }


def _avatar(room: DesiredRoom) -> list[tuple[tuple[str, str], Mapping[str, Any]]]:
    return [(("m.room.avatar", ""), {"url": room.avatar})] if room.avatar else []
