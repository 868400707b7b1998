"""What the bot may do in a room: by the levels there, and by who made it.

In a room that the bot made it may do everything. In a room that somebody else made and that was adopted, it may do what
its level allows: from version 12 on the creators stay above every level, before that everybody with a level as high as
the bot's is beyond its reach. What can't be done is not planned, so that it is not refused again and again.
(Matrix specification, "Authorization rules" of the room versions.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from .actions import (
    Action,
    Ban,
    CreateRoom,
    Export,
    ForceJoin,
    Invite,
    Join,
    MoveAlias,
    Purge,
    PutAlias,
    Remove,
    SetPower,
    SetState,
    Unban,
)
from .model import ActualRoom, Membership, UserId
from .power import BOT_LEVEL, creator_is_above

POWER = "m.room.power_levels"
_ALL = float("inf")


def creators_of(room: ActualRoom) -> frozenset[UserId]:
    """Who is above every level there; nobody in versions before 12."""
    if not creator_is_above(room.version):
        return frozenset()
    further = room.content("m.room.create").get("additional_creators")
    listed = further if isinstance(further, list | tuple) else ()
    return frozenset({room.creator, *(UserId(one) for one in listed if isinstance(one, str))})


def level_in(room: ActualRoom, user: UserId) -> float:
    """The level of an account in a room; infinite for a creator from version 12 on."""
    if user in creators_of(room):
        return _ALL
    power = room.content(POWER)
    if not power:
        return 100 if user == room.creator else 0
    users = power.get("users")
    given = users.get(user) if isinstance(users, Mapping) else None
    return _number(given, _number(power.get("users_default"), 0))


def needed_for_state(room: ActualRoom, event_type: str) -> float:
    """The level that somebody needs to set state of this type."""
    power = room.content(POWER)
    if not power:
        return 0
    events = power.get("events")
    given = events.get(event_type) if isinstance(events, Mapping) else None
    return _number(given, _number(power.get("state_default"), 50))


def what_is_missing(room: ActualRoom, bot: UserId) -> str:
    """A sentence that says what the bot lacks to manage this room, and how to give it; empty where nothing."""
    here = room.members.get(bot)
    if here is None or here.membership is not Membership.JOIN:
        return (
            f"The bot {bot} is not in the room {room.room_id}. Somebody who may invite there invites it "
            f"(in Element: /invite {bot})."
        )
    needed = max(BOT_LEVEL, needed_for_state(room, POWER))
    own = level_in(room, bot)
    if own >= needed:
        return ""
    return (
        f"The bot {bot} has the level {own:g} in the room {room.room_id} and needs {needed:g}, because only it is to "
        f"set levels, join rules and its mark. Somebody who has {needed:g} or more there gives it (in Element: "
        f"/op {bot} {needed:g}), or an administrator of the homeserver by make_room_admin."
    )


def may(action: Action, room: ActualRoom, bot: UserId) -> bool:
    """Whether the homeserver would let the bot do this in the room as it is."""
    own = level_in(room, bot)
    match action:
        case CreateRoom() | PutAlias() | MoveAlias() | Export() | Purge():
            return True
        case SetPower():
            return own >= needed_for_state(room, POWER)
        case SetState(event_type):
            return own >= needed_for_state(room, event_type)
        case Invite() | ForceJoin():
            return own >= _threshold(room, "invite", 0)
        case Join(invite=invite):
            return not invite or own >= _threshold(room, "invite", 0)
        case Remove(user):
            return own >= _threshold(room, "kick", 50) and own > level_in(room, user)
        case Ban(user) | Unban(user):
            return own >= _threshold(room, "ban", 50) and own > level_in(room, user)
        case _ as unreachable:
            assert_never(unreachable)


def _threshold(room: ActualRoom, what: str, otherwise: int) -> float:
    return _number(room.content(POWER).get(what), otherwise)


def _number(value: Any, otherwise: float) -> float:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
