"""What several processes tell each other through the database: what one of them has read of Moodle, and how it ended.

One process at a time is the reader (`engine.cluster`). It puts what it has read on the board, and all take it from
there. A publication has a number that grows; a course that the reader could not read is on the board with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import CourseFacts, CourseId, MoodleUserId, Person, SiteFacts


@dataclass(frozen=True, slots=True)
class Posted:
    """One course as the reader has it; `facts` None where it could not be read: `trouble` says why."""

    number: int
    facts: CourseFacts | None
    trouble: str = ""
    is_gone: bool = False
    """Moodle says that there is no such course."""


@dataclass(frozen=True, slots=True)
class Met:
    """One person as the reader has them; None: Moodle does not show the account."""

    number: int
    person: Person | None


class Board(Protocol):
    """The board of one database."""

    async def lead(self, holder: int, *, seconds: float) -> bool:
        """Be the reader, or stay it; False while another one is, who said so less than `seconds` ago."""
        ...

    async def retire(self, holder: int) -> None:
        """Be the reader no more."""
        ...

    async def post_site(self, site: SiteFacts, held: Mapping[CourseId, str]) -> None:
        """Put up the listing, and which courses the source holds."""
        ...

    async def site_number(self) -> int:
        """The number of the last listing; 0 where there is none."""
        ...

    async def site(self) -> tuple[SiteFacts, Mapping[CourseId, str]] | None:
        """The last listing with the held courses."""
        ...

    async def post(self, courses: Sequence[CourseFacts], people: Collection[Person]) -> None:
        """Put up courses, and those of their people who are new or have changed."""
        ...

    async def post_trouble(self, course_id: CourseId, trouble: str, *, is_gone: bool = False) -> None:
        """The course could not be read; whoever waits for it is to know why."""
        ...

    async def take_down(self, course_ids: Collection[CourseId]) -> None:
        """What is known of these courses is not to be used any more."""
        ...

    async def course(self, course_id: CourseId) -> Posted | None:
        """One course with its people, None where it is not there."""
        ...

    async def post_person(self, user_id: MoodleUserId, person: Person | None) -> None:
        """Put up one account, or that there is none to see."""
        ...

    async def person(self, user_id: MoodleUserId) -> Met | None:
        """One account, None where nobody has looked for it."""
        ...

    async def settle(self, course_id: CourseId, digest: int | None) -> None:
        """A course is as it should be by these facts; None: it may not be."""
        ...

    async def settled(self) -> Mapping[CourseId, int]:
        """Every course that is."""
        ...

    async def unsettle_all(self) -> None:
        """No course is known to be."""
        ...
