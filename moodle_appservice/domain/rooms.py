"""Which rooms there are, and by what each is known.

A course has a main room, and in the layout `space` also a space with further rooms below it: announcements, staff and
one for each group. Above courses there may be spaces for categories and one for the whole site. A `RoomKey` names one
of them, whatever its Matrix id is; after a reset a new room (the next generation) takes over the same key.

What the homeserver holds of a key, its alias and its marker, is in `markers`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from .model import CategoryId, CourseId, GroupId

NO_GROUP = GroupId(0)


class RoomKind(StrEnum):
    """What a room is for. `SPACE`, `CATEGORY` and `SITE` are spaces."""

    SITE = "site"
    CATEGORY = "category"
    SPACE = "space"
    MAIN = "main"
    ANNOUNCEMENTS = "announcements"
    STAFF = "staff"
    GROUP = "group"

    @property
    def is_space(self) -> bool:
        """Whether it holds rooms instead of messages."""
        return self in (RoomKind.SITE, RoomKind.CATEGORY, RoomKind.SPACE)

    @property
    def is_of_course(self) -> bool:
        """Whether a course has it; the others are above courses."""
        return self not in (RoomKind.SITE, RoomKind.CATEGORY)


_ORDER = {kind: number for number, kind in enumerate(RoomKind)}


@dataclass(frozen=True, slots=True)
class RoomKey:
    """One room of ours. `owner`: the id of the course or category, 0 for the site; `group`: of a room of a group.

    `retired`: of a room that another has replaced, its generation; 0 for the room that the key stands for now.
    """

    kind: RoomKind
    owner: int
    group: GroupId = NO_GROUP
    retired: int = 0

    def __str__(self) -> str:
        """Such as `course 42 main`, `course 42 group 7`, `category 3`, `site`, `course 42 main, generation 1`."""
        if self.kind is RoomKind.SITE:
            return "site"
        if self.kind is RoomKind.CATEGORY:
            return f"category {self.owner}"
        words = f"course {self.owner} {self.kind}" + (f" {self.group}" if self.group else "")
        return f"{words}, generation {self.retired}" if self.retired else words

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """The order in which rooms are made, and people removed from them: what others hang on comes first.

        Rooms that others have replaced come last.
        """
        return _ORDER[self.kind] + (len(_ORDER) if self.retired else 0), self.owner, self.group, self.retired

    @property
    def current(self) -> RoomKey:
        """The key of the room that has replaced a retired one; any other key is its own."""
        return replace(self, retired=0) if self.retired else self

    @property
    def course_id(self) -> CourseId | None:
        """The course whose room it is; None for one above courses."""
        return CourseId(self.owner) if self.kind.is_of_course else None


SITE_SPACE = RoomKey(RoomKind.SITE, 0)


def main_room(course_id: CourseId) -> RoomKey:
    """The room of everybody in a course."""
    return RoomKey(RoomKind.MAIN, course_id)


def course_space(course_id: CourseId) -> RoomKey:
    """The space of a course."""
    return RoomKey(RoomKind.SPACE, course_id)


def category_space(category_id: CategoryId) -> RoomKey:
    """The space of a category."""
    return RoomKey(RoomKind.CATEGORY, category_id)
