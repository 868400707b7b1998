"""How the homeserver knows our rooms: by an alias and by a marker, a state event that only the bot may set.

Both say which room it is, so that a room is found again after a crash or the loss of our database. The marker also
keeps what people have chosen for the course. A room that is planned but not made yet stands in the state of other
rooms under `stand_in`, until its id is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .actions import Action, CreateRoom, SetState
from .model import GroupId, RoomAlias, RoomId
from .rooms import RoomKey, RoomKind
from .rules import Rules

SCHEMA = 1
_STAND_IN = "?room "


def alias_of(key: RoomKey, rules: Rules, generation: int = 1) -> RoomAlias:
    """`#moodle_<site>_course_42[_group_7][_g2]:domain`; a number below zero is written with `n` in front."""
    match key.kind:
        case RoomKind.SITE:
            name = "space"
        case RoomKind.CATEGORY:
            name = f"category_{key.owner}"
        case RoomKind.MAIN:
            name = f"course_{key.owner}"
        case RoomKind.GROUP:
            name = f"course_{key.owner}_group_{str(key.group).replace('-', 'n')}"
        case RoomKind.SPACE | RoomKind.ANNOUNCEMENTS | RoomKind.STAFF:
            name = f"course_{key.owner}_{key.kind}"
    suffix = f"_g{generation}" if generation > 1 else ""
    return RoomAlias(f"#moodle_{rules.site}_{name}{suffix}:{rules.domain}")


def is_alias_of_ours(alias: object, rules: Rules) -> bool:
    """Whether an alias is in our namespace."""
    return (
        isinstance(alias, str)
        and alias.startswith(f"#moodle_{rules.site}_")
        and alias.endswith(f":{rules.domain}")
    )


def marker(
    key: RoomKey, rules: Rules, *, generation: int = 1, choices: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Content of our marker state event: what makes a room ours, and which one it is.

    `choices`: what people have chosen for the course, kept here so that it survives the loss of our database.
    """
    content: dict[str, Any] = {
        "site": rules.site,
        "kind": "course" if key.kind.is_of_course else str(key.kind),
        "room": str(key.kind),
        "moodle_id": int(key.owner),
        "generation": generation,
        "schema": SCHEMA,
    }
    if key.group:
        content["group"] = int(key.group)
    if choices:
        content["choices"] = dict(choices)
    return content


def key_in(content: Mapping[str, Any], rules: Rules) -> RoomKey | None:
    """The room that a marker of this site names; None where it names none, or one of another site."""
    owner, group = content.get("moodle_id"), content.get("group", 0)
    if content.get("site") != rules.site or type(owner) is not int or type(group) is not int:
        return None
    try:
        return RoomKey(RoomKind(content.get("room", "main")), owner, GroupId(group))
    except ValueError:
        return None


def stand_in(key: RoomKey) -> RoomId:
    """What stands for the id of a room that is not made yet."""
    return RoomId(f"{_STAND_IN}{key}")


def is_stand_in(room_id: str) -> bool:
    """Whether this is no id yet."""
    return room_id.startswith(_STAND_IN)


def with_ids(value: Any, ids: Mapping[RoomKey, RoomId]) -> Any:
    """A JSON value in which ids take the place of what stands for them, as far as they are known."""
    known = {stand_in(key): room_id for key, room_id in ids.items()}
    return _with_ids(value, known)


def _with_ids(value: Any, known: Mapping[RoomId, RoomId]) -> Any:
    if isinstance(value, str):
        return known.get(RoomId(value), value)
    if isinstance(value, Mapping):
        return {_with_ids(key, known): _with_ids(inner, known) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_ids(inner, known) for inner in value]
    return value


def waited_for(value: Any) -> frozenset[str]:
    """The keys, as text, of rooms that are not made yet and stand in a JSON value."""
    if isinstance(value, str):
        return frozenset({value.removeprefix(_STAND_IN)}) if is_stand_in(value) else frozenset()
    if isinstance(value, Mapping):
        inner = [*map(waited_for, value.keys()), *map(waited_for, value.values())]
        return frozenset().union(*inner)
    if isinstance(value, list | tuple):
        return frozenset().union(*map(waited_for, value))
    return frozenset()


def filled(action: Action, ids: Mapping[RoomKey, RoomId]) -> Action:
    """The same action with the ids of rooms that were made meanwhile."""
    if isinstance(action, CreateRoom) and waited_for(action.content):
        return replace(action, content=with_ids(action.content, ids))
    if isinstance(action, SetState) and (waited_for(action.content) or waited_for(action.state_key)):
        return replace(
            action, state_key=with_ids(action.state_key, ids), content=with_ids(action.content, ids)
        )
    return action
