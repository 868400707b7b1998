"""From a pushed or read JSON object to an `Event`, or to nothing.

A homeserver passes on what strangers write. An event that lacks what every event has, or that holds text which no
database takes, must neither stop the push that brought it nor enter the mirror; and only the types that decide
something are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..domain.model import EventId, RoomId, UserId
from ..domain.power import BRIDGE, CANARY, MARKER
from ..ports import Event

MIRRORED = frozenset(
    {
        "m.room.create",
        "m.room.member",
        "m.room.power_levels",
        "m.room.name",
        "m.room.topic",
        "m.room.avatar",
        "m.room.canonical_alias",
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.encryption",
        "m.room.tombstone",
        "m.room.server_acl",
        "m.room.retention",
        "m.space.child",
        "m.space.parent",
        BRIDGE,
        MARKER,
        CANARY,
    }
)
MESSAGES = frozenset({"m.room.message", "m.room.encrypted"})
LATEST = 2**62


def parse_event(raw: object, *, room_id: RoomId | None = None) -> Event | None:
    """One event in client format; `room_id` for answers that leave it out. None where it is not a whole event."""
    if not isinstance(raw, Mapping):
        return None
    room = raw.get("room_id", room_id)
    texts = [raw.get("event_id"), room, raw.get("type"), raw.get("sender")]
    content, state_key = raw.get("content"), raw.get("state_key")
    if not all(isinstance(text, str) and _storable(text) for text in texts) or not isinstance(
        content, Mapping
    ):
        return None
    if state_key is not None and not (isinstance(state_key, str) and _storable(state_key)):
        return None
    event_id, room, event_type, sender = (str(text) for text in texts)
    sent = raw.get("origin_server_ts")
    return Event(
        event_id=EventId(event_id),
        room_id=RoomId(room),
        type=event_type,
        sender=UserId(sender),
        content=_clean(event_type, content),
        timestamp=min(max(sent, 0), LATEST) if isinstance(sent, int) else 0,
        state_key=state_key,
        replaces=_replaces(raw.get("unsigned")),
        prev_membership=_prev_membership(raw.get("unsigned")),
    )


def wanted(event: Event) -> bool:
    """Whether an event can matter to us at all: messages, readable or not, and state that decides something."""
    if event.state_key is None:
        return event.type in MESSAGES
    return event.type in MIRRORED


def parse_state(raw: Sequence[object], room_id: RoomId) -> list[Event]:
    """The answer of `GET /rooms/{id}/state`, without what we do not keep."""
    events = (parse_event(item, room_id=room_id) for item in raw)
    return [event for event in events if event is not None and event.state_key is not None and wanted(event)]


def _clean(event_type: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    if event_type not in MESSAGES:
        return content
    cleaned = dict(content)
    body, relation = content.get("body"), content.get("m.relates_to")
    if isinstance(body, str):
        cleaned["body"] = _storable_part(body)
    related = relation.get("event_id") if isinstance(relation, Mapping) else None
    if isinstance(related, str) and not _storable(related):
        del cleaned["m.relates_to"]
    return cleaned


def _storable(text: str) -> bool:
    return text == _storable_part(text) and len(text) <= 1024


def _storable_part(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _replaces(unsigned: object) -> EventId | None:
    value = unsigned.get("replaces_state") if isinstance(unsigned, Mapping) else None
    return EventId(value) if isinstance(value, str) and _storable(value) else None


def _prev_membership(unsigned: object) -> str | None:
    content = unsigned.get("prev_content") if isinstance(unsigned, Mapping) else None
    value = content.get("membership") if isinstance(content, Mapping) else None
    return value if isinstance(value, str) and _storable(value) else None
