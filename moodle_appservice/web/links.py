"""Addresses of rooms and people in the app that the institution has chosen: matrix.to, or an Element of its own.

A room's id may say nothing about any server (room version 12), so each address names one that is in the room.
"""

from __future__ import annotations

from urllib.parse import quote

from ..domain.model import RoomId, UserId

MATRIX_TO = "https://matrix.to"
_SAFE = "!@:"


class Links:
    """`client_url`: as in the configuration; `domain`: our homeserver."""

    def __init__(self, client_url: str, domain: str) -> None:
        self._base = client_url
        self._is_element = client_url != MATRIX_TO
        self._domain = domain

    def room(self, room_id: RoomId) -> str:
        """Where a room opens."""
        path = "#/room/" if self._is_element else "#/"
        return f"{self._base}/{path}{quote(room_id, safe=_SAFE)}?via={quote(self._domain, safe=':')}"

    def person(self, user_id: UserId) -> str:
        """Where somebody can be written to."""
        path = "#/user/" if self._is_element else "#/"
        return f"{self._base}/{path}{quote(user_id, safe=_SAFE)}"
