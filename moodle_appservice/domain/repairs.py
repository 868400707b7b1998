"""What was changed in a room and is put back, kept or reported, by the policies of `drift`.

The planner asks here for the alias, for levels and settings that somebody else may have changed, and in the end which
of its actions the bot has the right to carry out. What is let stand becomes a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .actions import Action, Note, OfPerson, PutAlias, SetState
from .drift import Policy
from .mapping import DesiredRoom
from .markers import alias_of
from .model import ActualRoom
from .power import MARKER
from .rights import may, what_is_missing
from .rules import Rules

CANONICAL_ALIAS = "m.room.canonical_alias"
TOMBSTONE = "m.room.tombstone"
SETTINGS = frozenset({"m.room.join_rules", "m.room.history_visibility", "m.room.guest_access"})
POWERS_KEPT = "Somebody changed what the levels may do in the room; it is left so (drift.power_levels)."
OUT_OF_REACH = (
    "Is to be removed, and has as high a level in the room as the bot. Somebody with a higher level can."
)


def alias(
    desired: DesiredRoom, actual: ActualRoom, rules: Rules, notes: list[Note]
) -> list[PutAlias | SetState]:
    """Put our alias back where the room does not name it any more; another one is kept beside it.

    A room that the bot has made names it from the first moment; where it names none at all, nobody has taken it away.
    """
    has = actual.content(CANONICAL_ALIAS)
    if desired.key.retired:
        return []
    if (CANONICAL_ALIAS, "") not in actual.state and actual.creator == rules.bot:
        return []
    if has.get("alias") in (desired.alias, alias_of(desired.key, rules)):
        return []
    if rules.drift.alias is not Policy.REPAIR:
        notes.append(Note(None, f"The room does not name its alias {desired.alias}; it is left so.", "alias"))
        return []
    listed = has.get("alt_aliases")
    others = [has.get("alias"), *(listed if isinstance(listed, list | tuple) else ())]
    kept = [one for one in dict.fromkeys(others) if isinstance(one, str) and one and one != desired.alias]
    content: dict[str, Any] = {"alias": desired.alias}
    if kept:
        content["alt_aliases"] = kept
    why = "The room has lost its alias."
    return [PutAlias(desired.alias, why), SetState(CANONICAL_ALIAS, "", content, why)]


def powers(
    wanted: Mapping[str, Any], current: Mapping[str, Any], rules: Rules, notes: list[Note]
) -> dict[str, Any]:
    """Power levels in which what somebody changed stands, where it is not to be put back; people's levels are ours."""
    if rules.drift.power_levels is Policy.REPAIR or not current:
        return dict(wanted)
    kept = {**current, "users": wanted["users"]}
    if kept != dict(wanted):
        notes.append(Note(None, POWERS_KEPT, "powers"))
    return kept


def is_kept(event_type: str, what: str, has: Mapping[str, Any], rules: Rules, notes: list[Note]) -> bool:
    """Whether a setting that somebody changed in the room stands; one that is not there at all is made."""
    if event_type not in SETTINGS or not has or rules.drift.settings is Policy.REPAIR:
        return False
    notes.append(
        Note(None, f"Somebody changed the {what} in the room; it is left so (drift.settings).", "settings")
    )
    return True


def marker_in(actual: ActualRoom, want: Mapping[str, Any]) -> dict[str, Any]:
    """What the marker says in this room: that a room which somebody else made was adopted stays in it for good."""
    is_adopted = actual.content(MARKER).get("adopted") is True
    return {**want, "adopted": True} if is_adopted else dict(want)


def possible(
    actions: Iterable[Action], actual: ActualRoom, rules: Rules, notes: list[Note]
) -> tuple[Action, ...]:
    """What the bot has the right to do in the room as it is; the rest is told in notes."""
    passing: list[Action] = []
    refused: list[Action] = []
    for action in actions:
        (passing if may(action, actual, rules.bot) else refused).append(action)
    missing = what_is_missing(actual, rules.bot)
    if missing and refused:
        waiting = f"{len(refused)} changes wait for that."
        notes.append(Note(None, f"{missing} {waiting}", "powerless"))
        return tuple(passing)
    notes.extend(Note(one.person, OUT_OF_REACH, "above") for one in refused if isinstance(one, OfPerson))
    return tuple(passing)


def replaced(actual: ActualRoom, notes: list[Note]) -> None:
    """Tell of a tombstone: the engine follows it where it leads to a room of ours, else the room stays what it is."""
    if actual.content(TOMBSTONE):
        text = (
            "Somebody says in the room that it was replaced by another one. That is followed only where the other room "
            "names this one as its predecessor and the bot has all power there; until then this one stays the course's."
        )
        notes.append(Note(None, text, "tombstone"))
