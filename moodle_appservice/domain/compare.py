"""Where our picture of a room and the room itself differ, in sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .model import ActualRoom, Membership, RoomAlias
from .repairs import CANONICAL_ALIAS

LONGEST = 120


def differences(
    ours: ActualRoom | None, theirs: ActualRoom, lost: RoomAlias | None = None
) -> tuple[str, ...]:
    """What the mirror had otherwise than the homeserver; nothing where it knew nothing of the room.

    `lost`: an alias that the room names, and that leads nowhere.
    """
    if ours is None:
        return ()
    found = []
    for key in sorted(ours.state.keys() | theirs.state.keys()):
        was, is_now = ours.state.get(key) or {}, theirs.state.get(key) or {}
        if lost is not None and key == (CANONICAL_ALIAS, ""):
            if was.get("alias") == lost:
                found.append(f"the alias {lost} leads nowhere, though the room names it")
        elif dict(was) != dict(is_now):
            found.append(f"{' '.join(key).strip()} is {_shown(is_now)}, not {_shown(was)}")
    for user in sorted(ours.members.keys() | theirs.members.keys()):
        here, there = (room.members.get(user) for room in (ours, theirs))
        before = here.membership if here is not None else Membership.NONE
        now = there.membership if there is not None else Membership.NONE
        if before is not now:
            found.append(f"{user} is {_word(now)}, not {_word(before)}")
    return tuple(found)


def _word(membership: Membership) -> str:
    return "not there" if membership is Membership.NONE else str(membership)


def _shown(content: Mapping[str, Any]) -> str:
    if not content:
        return "not set"
    text = json.dumps(dict(content), ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
