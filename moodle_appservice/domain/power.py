"""Power levels for every room version.

From version 12 on the creator has infinite power and must not stand in `users`; before, the bot stands there with
100 and nobody else gets 100 or more. The `events` map is always complete, because a map in createRoom replaces the
homeserver's defaults instead of adding to them. Keys and people that we do not manage are kept as they are.
(Matrix specification, `m.room.power_levels`; room version 12.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from .model import UserId
from .rooms import RoomKind
from .rules import Rules

MARKER = "org.moodle_appservice.marker"
CANARY = "org.moodle_appservice.canary"
CREATOR_IS_ABOVE = 12
BOT_LEVEL = 100
_CALL_EVENTS = ("org.matrix.msc3401.call.member", "m.call.member")
_NAMING = ("m.room.name", "m.room.topic", "m.room.avatar")
BRIDGE = "m.bridge"
"""State that says what a room belongs to elsewhere, which clients show (MSC2346)."""
_BOT_ONLY = (
    "m.room.power_levels",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.encryption",
    "m.room.server_acl",
    "m.room.guest_access",
    "m.space.child",
    "m.space.parent",
    BRIDGE,
    MARKER,
)
REACTION = "m.reaction"
STAFF_LEVEL = 50
"""From this level on somebody counts as staff: may see names, start calls where only staff may."""
TEACHER_LEVEL = 60
"""From this level on somebody may name the room, and moderates where only teachers do."""
MUTED_LEVEL = -1
"""Below every `events_default`: may read, and send nothing at all."""


MOST_BYTES = 60_000
"""The size that the content of a power-level event may have; the envelope needs some room too."""


class Voice(StrEnum):
    """Who may write in a room."""

    ALL = "all"
    STAFF = "staff"
    NOBODY = "nobody"


_VOICES = {Voice.ALL: 0, Voice.STAFF: STAFF_LEVEL, Voice.NOBODY: BOT_LEVEL}


def creator_is_above(version: str) -> bool:
    """Whether rooms of this version give their creator infinite power. Unknown versions count as newer."""
    return not version.isdigit() or int(version) >= CREATOR_IS_ABOVE


def power_levels(
    version: str,
    rules: Rules,
    users: Mapping[UserId, int],
    *,
    kind: RoomKind = RoomKind.MAIN,
    voice: Voice = Voice.ALL,
    current: Mapping[str, Any] | None = None,
    managed: frozenset[UserId] = frozenset(),
    creators: frozenset[UserId] = frozenset(),
    maker: UserId | None = None,
) -> dict[str, Any]:
    """Content of `m.room.power_levels` for a room of this kind.

    `users`: the people who are to have a level; a level that equals the default is left out. `voice`: who may write.
    `current`: what the room has; its other keys, events and people stay. `managed`: people whose level we gave
    earlier, taken away where they are not in `users` any more. `creators`: whom the room has beside its
    `maker`, the bot where nothing is said. In a room that somebody else made the bot stands in `users`, and whatever is
    out of its reach there, of people and of events, keeps the level.
    """
    content: dict[str, Any] = dict(current or {})
    above = frozenset({maker or rules.bot, *creators}) if creator_is_above(version) else frozenset()
    own = _own_level(rules.bot, above, _mapping(content.get("users")))
    moderator = TEACHER_LEVEL if rules.moderators == "teachers" else STAFF_LEVEL
    content.update(
        users_default=0,
        events_default=_VOICES[voice],
        state_default=60,
        ban=moderator,
        kick=moderator,
        redact=moderator,
        invite=0 if rules.members_may_invite and not kind.is_space else 50,
    )
    content["events"] = {**_mapping(content.get("events")), **_events(version, rules.calls, voice, own)}
    if kind is RoomKind.ANNOUNCEMENTS:
        content["events"][REACTION] = 0 if voice is not Voice.NOBODY else _VOICES[voice]
    content.update(rules.kind(kind).powers)
    content["notifications"] = {**_mapping(content.get("notifications")), "room": 50}
    content["users"] = _users(rules, users, _mapping(content.get("users")), managed, above, own)
    return _within_reach(content, current or {}, own)


def _within_reach(content: Mapping[str, Any], current: Mapping[str, Any], own: float) -> dict[str, Any]:
    # The homeserver refuses the whole event if it changes a level that is above the sender's (authorization rules of
    # `m.room.power_levels`), and version 12 gives tombstones 150 in a room that was made without a word about them.
    kept = _above(current, own)
    for part in ("events", "notifications"):
        kept[part] = {**_mapping(content[part]), **_above(_mapping(current.get(part)), own)}
    return {**content, **kept}


def _above(levels: Mapping[str, Any], own: float) -> dict[str, Any]:
    return {key: level for key, level in levels.items() if isinstance(level, int) and level > own}


def _own_level(bot: UserId, above: frozenset[UserId], users: Mapping[str, Any]) -> float:
    if bot in above:
        return float("inf")
    given = users.get(bot)
    return max(given, BOT_LEVEL) if isinstance(given, int) else BOT_LEVEL


def _events(version: str, calls: str, voice: Voice, own: float) -> dict[str, int]:
    # Who may not write may not talk either.
    call_level = max({"all": 0, "staff": STAFF_LEVEL, "off": BOT_LEVEL}[calls], _VOICES[voice])
    return {
        **dict.fromkeys(_NAMING, 60),
        **dict.fromkeys(_BOT_ONLY, BOT_LEVEL),
        # Nobody can ask for more than they have.
        "m.room.tombstone": 150 if creator_is_above(version) and own >= 150 else BOT_LEVEL,
        **dict.fromkeys(_CALL_EVENTS, call_level),
    }


def _users(
    rules: Rules,
    wanted: Mapping[UserId, int],
    current: Mapping[str, Any],
    managed: frozenset[UserId],
    above: frozenset[UserId],
    own: float,
) -> dict[str, Any]:
    users = {user: level for user, level in current.items() if user not in managed and user not in wanted}
    users.update({user: min(level, BOT_LEVEL - 1) for user, level in wanted.items() if level != 0})
    users.update({user: level for user, level in current.items() if isinstance(level, int) and level >= own})
    for user in {*above, rules.bot}:
        users.pop(user, None)
    if rules.bot not in above:
        users[rules.bot] = int(own)
    return dict(sorted(users.items()))


def creators_of(creation: Mapping[str, Any]) -> frozenset[UserId]:
    """Who has the same power as the creator, by the content of `m.room.create` (room version 12)."""
    named = creation.get("additional_creators")
    return (
        frozenset(UserId(user) for user in named if isinstance(user, str))
        if isinstance(named, list)
        else frozenset()
    )


def fitting(content: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The same content without so many people that the event is too large, and how many those are.

    An event may have 65,536 bytes (specification, "Size limits"). Who has the higher level stays.
    """
    users = _mapping(content.get("users"))
    room = MOST_BYTES - _size({**content, "users": {}})
    kept: dict[str, Any] = {}
    for user in sorted(users, key=lambda one: (-_rank(users[one]), one)):
        room -= _size({user: users[user]})
        if room < 0:
            break
        kept[user] = users[user]
    return {**content, "users": dict(sorted(kept.items()))}, len(users) - len(kept)


def _rank(level: object) -> int:
    return level if isinstance(level, int) else 0


def _size(value: Mapping[str, Any]) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def same_power(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two contents mean the same; the order of keys does not matter."""
    return dict(first) == dict(second)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
