"""What the reading of lists over LTI (Names and Roles) needs from the registration, and which courses it knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from ..domain.model import CourseId
from .lti import Platform


class ToolAccess(Protocol):
    """The tool that Moodle has registered, as far as it signs requests."""

    async def platform(self) -> Platform | None:
        """Where we are registered, or None."""
        ...

    async def assertion(self, claims: Mapping[str, Any]) -> str:
        """Claims signed with the key that Moodle checks."""
        ...


class KnownCourses(Protocol):
    """Names and Roles lists the people of a course, never the courses: those are named by us."""

    async def all(self) -> Collection[CourseId]:
        """Courses whose link was clicked once, and those that the configuration allows."""
        ...
