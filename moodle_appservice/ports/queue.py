"""Keyed work, coalesced: the port behind which one process or many machines share it.

A key names a thing to look at, not a change to make. While it waits, further signals for it are one; while it is
worked on, a further signal makes it due again afterwards. So none is lost and nothing is done twice at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from ..domain.model import CategoryId, CourseId, MoodleUserId
from ..domain.rooms import SITE_SPACE, RoomKey, category_space


class Priority(IntEnum):
    """Who goes first when keys wait: smaller is sooner."""

    WAITING_PERSON = 0
    """Somebody looks at a screen for it: a bot command, a launch."""
    PERSON = 1
    """`person:` keys are short, and courses wait for them."""
    HINT = 2
    """Something is known to have changed."""
    REMOVAL = 3
    """Somebody may have to go: a course that was as it should be and has changed, or whose plan goes on so."""
    TEACHER = 4
    """Somebody with a level is to come; or the people are known now for whom a new course has waited."""
    PASS = 5
    """The periodic look at everything; for a new course, its room."""
    REST = 6
    """What is left of a course in which all that is urgent is done."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a worker takes: `site:0`, `space:<category id>`, `course:<course id>` or `person:<Moodle user id>`."""

    kind: str
    number: int

    def __str__(self) -> str:
        return self.kind if self.kind == "site" else f"{self.kind}:{self.number}"


SITE = Key("site", 0)
KINDS = ("site", "space", "course", "person", "read", "meet")
"""All kinds of keys that there are."""
FOR_READER = frozenset({"site", "read", "meet"})
"""Kinds that only the process takes which reads Moodle for all; where there is one process, it is that one."""


def course_key(course_id: CourseId) -> Key:
    """The key under which everything of one course is worked on."""
    return Key("course", course_id)


def space_key(space: RoomKey) -> Key:
    """The key under which the space of the site (0) or of a category is worked on."""
    return Key("space", space.owner)


def key_of_room(room: RoomKey) -> Key:
    """The key that looks after a room of ours: of its course, or of the space itself."""
    return space_key(room) if room.course_id is None else course_key(room.course_id)


def space_of(key: Key) -> RoomKey:
    """The space that a key of the kind `space` stands for."""
    return category_space(CategoryId(key.number)) if key.number else SITE_SPACE


def person_key(user_id: MoodleUserId) -> Key:
    """The key under which a person's account is looked for."""
    return Key("person", user_id)


def read_key(course_id: CourseId) -> Key:
    """The key under which the reader reads one course for another process."""
    return Key("read", course_id)


def meet_key(user_id: MoodleUserId) -> Key:
    """The key under which the reader looks at one account for another process."""
    return Key("meet", user_id)


@dataclass(frozen=True, slots=True)
class Taken:
    """A key in the hands of one worker. `attempt` counts failures in a row before this try."""

    key: Key
    priority: Priority
    attempt: int
    signals: frozenset[str]
    """Why it was queued, e.g. `pass`, `command`, `event`: for the audit log."""


class Queue(Protocol):
    """Keyed work: a key is with one worker at a time, waiting signals coalesce, none that comes meanwhile is lost."""

    async def add(
        self, key: Key, *, priority: Priority = Priority.PASS, signal: str = "pass", not_before: float = 0.0
    ) -> None:
        """Ask for a look at this key. While it waits, the higher priority and the earlier time win."""
        ...

    async def take(self, *, only: str = "") -> Taken:
        """Wait for the next key that is due and that nobody works on; `only`: of this kind."""
        ...

    async def done(self, taken: Taken) -> None:
        """Give the key back as finished; if a signal came meanwhile it is due again at once."""
        ...

    async def back_off(self, taken: Taken, *, delay: float) -> None:
        """Give the key back as failed: due again in `delay` seconds, or sooner by a signal of a waiting person."""
        ...

    async def idle(self) -> None:
        """Wait until nothing is due, running, or waiting for a retry within the next minute."""
        ...

    def presses(self, taken: Taken, *, above: Priority | None = None) -> bool:
        """Whether whoever has this key in hand should give it back soon: others wait, or a signal for it has come.

        Others are keys of the same kind; `above`: of those, only the ones that are more urgent than this.
        """
        ...

    def depth(self) -> int:
        """How many keys are due, are tried again later, or run; a look that is planned for later is no work yet."""
        ...

    def oldest(self) -> float:
        """For how many seconds the key that waits longest has been due; 0 where none is."""
        ...
