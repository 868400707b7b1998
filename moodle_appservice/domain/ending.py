"""How courses end: what becomes of the rooms of one that is gone, switched off, or archived long enough.

What follows from the policies and the clock is a list of endings, in their order; a course takes one after the other.
Rooms of a course that Moodle lists no more are planned from what they are, not from Moodle: nobody is removed from
them. Several endings at once look like an accident and wait for a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .life import marked
from .mapping import TOMBSTONE, DesiredRoom
from .markers import alias_of
from .model import ActualRoom, CourseId, Membership, RoomId, UserId
from .moments import moment
from .plan import CHILD, PARENT
from .power import BOT_LEVEL, Voice
from .rights import creators_of
from .rooms import RoomKey, RoomKind
from .rules import LifeRules, Rules
from .safety import judge_closing


class Ending(StrEnum):
    """What becomes of a course's rooms, in the order in which one follows the other."""

    RELEASE = "release"
    ARCHIVE = "archive"
    EXPORT = "export"
    DELETE = "delete"

    @property
    def rank(self) -> int:
        """What comes later has a higher one."""
        return list(Ending).index(self)


@dataclass(frozen=True, slots=True)
class Due:
    """An ending that is due. `why`: a sentence; `is_loss`: it follows from Moodle's list, not from a known date."""

    ending: Ending
    why: str
    is_loss: bool


def of_lost(*, gone: bool, left_at: float, rules: LifeRules, now: float) -> tuple[Due, ...]:
    """What is due for a course that Moodle lists no more (`gone`) or that is off, since `left_at` (Unix seconds)."""
    policy = rules.when_deleted if gone else rules.when_unselected
    ends = left_at + rules.grace_period
    if policy == "keep" or now < ends:
        return ()
    name = "life.when_deleted" if gone else "life.when_unselected"
    why = (
        f"{'Moodle has not listed the course' if gone else 'The course has been off'} since {moment(left_at)} "
        f"({name})."
    )
    first = Due(Ending(policy), why, True)
    return (first, *of_archive(ends, rules, now)) if first.ending is Ending.ARCHIVE else (first,)


def of_archive(since: float, rules: LifeRules, now: float) -> tuple[Due, ...]:
    """What is due for a course that has been archived since then (Unix seconds)."""
    found = []
    for ending, delay, name in (
        (Ending.EXPORT, rules.export_after, "life.export_after"),
        (Ending.DELETE, rules.purge_after, "life.purge_after"),
    ):
        if delay is not None and since + delay <= now:
            why = f"The course has been archived since {moment(since)} ({name})."
            found.append(Due(ending, why, False))
    return tuple(found)


def next_of(due: Sequence[Due], done: Ending | None) -> Due | None:
    """The first that is not done yet. `done`: the last one that is."""
    return next((one for one in due if done is None or one.ending.rank > done.rank), None)


def held(endings: Mapping[CourseId, Due], rules: Rules, *, recent: int = 0) -> dict[CourseId, str]:
    """Which of the endings of one pass wait for a person, each with a sentence for people.

    Losses count, and whatever deletes rooms: what a known date archives can be undone. `recent`: how many were carried
    out within the last day.
    """
    risky = {
        course_id: due for course_id, due in endings.items() if due.is_loss or due.ending is Ending.DELETE
    }
    hold = judge_closing(frozenset(str(course_id) for course_id in risky), recent, rules)
    return {} if hold is None else {course_id: f"{due.why} {hold.reason}" for course_id, due in risky.items()}


def archived_room(key: RoomKey, actual: ActualRoom, rules: Rules, *, is_top: bool, why: str) -> DesiredRoom:
    """What a room should be whose course is gone: as it is, but marked, silent, and in no space above the course."""
    state: dict[tuple[str, str], Mapping[str, Any]] = {
        place: content
        for place, content in actual.state.items()
        if content and (place[0] == TOMBSTONE or (place[0] == PARENT and not is_top))
    }
    name = str(actual.content("m.room.name").get("name", ""))
    return DesiredRoom(
        key=key,
        alias=alias_of(key, rules),
        name=name if key.retired else marked(name, rules.life),
        topic=str(actual.content("m.room.topic").get("topic", "")),
        avatar=str(actual.content("m.room.avatar").get("url", "")),
        members={},
        notes=(),
        rules=rules,
        state=state,
        children={
            RoomId(place[1]): content
            for place, content in actual.state.items()
            if place[0] == CHILD and content
        },
        voice=Voice.NOBODY,
        is_listed=False,
        is_frozen=True,
        is_made=False,
        why=why,
    )


def top_of(keys: Sequence[RoomKey]) -> RoomKind:
    """The kind of the room of a course that hangs in the spaces above it."""
    has_space = any(key.kind is RoomKind.SPACE and not key.retired for key in keys)
    return RoomKind.SPACE if has_space else RoomKind.MAIN


def administrators(room: ActualRoom, bot: UserId) -> frozenset[UserId]:
    """Who beside the bot could change the levels of a room, and so administer it without us."""
    joined = {user for user, member in room.members.items() if member.membership is Membership.JOIN} - {bot}
    levels = room.content("m.room.power_levels")
    events, users = levels.get("events"), levels.get("users")
    needed = events.get("m.room.power_levels", BOT_LEVEL) if isinstance(events, Mapping) else BOT_LEVEL
    able = {
        user
        for user, level in (users.items() if isinstance(users, Mapping) else ())
        if isinstance(level, int) and isinstance(needed, int) and level >= needed
    }
    return frozenset(joined & (able | creators_of(room)))


def handed_over(room: ActualRoom, named: Sequence[UserId], bot: UserId) -> dict[str, Any] | None:
    """The levels with which those of the named who are in the room administer it; None where nothing is to be done.

    Nothing is, where somebody could already, or where nobody who is named is there.
    """
    there = [
        user
        for user in named
        if user in room.members
        and room.members[user].membership is Membership.JOIN
        and user not in creators_of(room)
    ]
    if not there or administrators(room, bot):
        return None
    levels = room.content("m.room.power_levels")
    users = levels.get("users")
    known = dict(users) if isinstance(users, Mapping) else {}
    return {**levels, "users": dict(sorted({**known, **dict.fromkeys(there, BOT_LEVEL)}.items()))}
