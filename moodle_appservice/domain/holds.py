"""What is held, and how it is shown: a hold is one thing in one room that waits for a person, with its cause.

Holds of one cause are one group, whatever the number of courses: the end of a term asks one question, not thousands. A
group has an id that is made of everything that it holds; when the facts change, so does the id. So a confirmation
covers what a person has looked at and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from .actions import Action
from .model import CourseId


class Cause(StrEnum):
    """Why something is held."""

    FOREIGN = "foreign"
    """The creator or the marker of a room is not ours."""
    NOBODY = "nobody"
    """Moodle lists nobody in a course."""
    TEACHERS = "teachers"
    """Every teacher of a room would be removed."""
    REMOVALS = "removals"
    """Many would be removed from a room within a day."""
    SITE = "site-removals"
    """Many would be removed from all rooms together within a day."""
    CLOSING = "closing"
    """Several courses would be archived or deleted at once."""
    BOT = "bot"
    """The bot would lose power in a room."""
    MODERATORS = "moderators"
    """Many would become moderators of a room."""
    GROWTH = "growth"
    """A room would grow by a multiple."""
    SIZE = "size"
    """A room would be larger than rooms should be."""
    IDS = "ids"
    """Many people would get another Matrix id."""
    DOUBT = "doubt"
    """What Moodle says about a course is implausible."""


TITLES: Mapping[Cause, str] = {
    Cause.FOREIGN: "Rooms whose creator or marker is not ours",
    Cause.NOBODY: "Courses in which Moodle lists nobody",
    Cause.TEACHERS: "Rooms that would lose every teacher",
    Cause.REMOVALS: "Rooms that would lose many people",
    Cause.SITE: "Many removals in all rooms together",
    Cause.CLOSING: "Courses that would be closed at once",
    Cause.BOT: "Rooms in which the bot would lose power",
    Cause.MODERATORS: "Rooms that would get many moderators",
    Cause.GROWTH: "Rooms that would grow by a multiple",
    Cause.SIZE: "Rooms that would be very large",
    Cause.IDS: "People who would get another Matrix id",
    Cause.DOUBT: "Courses of which Moodle suddenly lists too little",
}
"""What each group is called."""
REMOVAL_CAUSES = frozenset({Cause.NOBODY, Cause.TEACHERS, Cause.REMOVALS, Cause.SITE})
"""Causes that hold removals: a confirmation of one covers the same people under another."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One thing that waits. `users`: the accounts whose removal, arrival or level it is, or what stands for the room.

    `reason` says what it is, and what to check, in a sentence.
    """

    users: frozenset[str]
    reason: str
    cause: Cause = Cause.REMOVALS


@dataclass(frozen=True, slots=True)
class Verdict:
    """The part of a plan that may be carried out, and what is held."""

    actions: tuple[Action, ...]
    holds: tuple[Hold, ...] = ()

    @property
    def hold(self) -> Hold | None:
        """All that is held, in one; None where nothing is."""
        if not self.holds:
            return None
        users = frozenset().union(*(hold.users for hold in self.holds))
        return Hold(users, " ".join(hold.reason for hold in self.holds), self.holds[0].cause)


Confirmed = Mapping[Cause, frozenset[str]]
"""What a person has confirmed in a room, by cause."""


def covered(confirmed: Confirmed, cause: Cause) -> frozenset[str]:
    """Whom the confirmations for this cause cover."""
    causes = REMOVAL_CAUSES if cause in REMOVAL_CAUSES else {cause}
    return frozenset().union(*(confirmed.get(one, frozenset()) for one in causes))


@dataclass(frozen=True, slots=True)
class HeldPart:
    """What a group holds in one room, or (`room` empty) in a course or for people. `users`: how many it is about."""

    course_id: CourseId | None
    room: str
    users: int
    reason: str


@dataclass(frozen=True, slots=True)
class HoldGroup:
    """What is asked of a person at once. `since`: Unix seconds, of the oldest part."""

    id: str
    cause: Cause
    since: float
    parts: tuple[HeldPart, ...]

    @property
    def title(self) -> str:
        """What the group is called."""
        return TITLES[self.cause]

    @property
    def users(self) -> int:
        """How many it is about, in all rooms together."""
        return sum(part.users for part in self.parts)


def group_id(cause: Cause, parts: Iterable[tuple[str, Iterable[str]]]) -> str:
    """`removals-1a2b3c4d`: the cause, and a digest of every place with all that is held there."""
    lines = sorted(f"{place}:{','.join(sorted(held))}" for place, held in parts)
    return f"{cause}-{sha256(chr(10).join(lines).encode()).hexdigest()[:8]}"
