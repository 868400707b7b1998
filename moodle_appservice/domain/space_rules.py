"""Which spaces there are above courses, who is invited to them, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from .model import CategoryId, CourseId


@dataclass(frozen=True, slots=True)
class SpaceRules:
    """The spaces of the site and of its categories; there are none unless an institution wants them.

    The templates know {name} (of the site in Moodle, or of the category), {site} and {url}; those of categories also
    {path} (the names from the top down) and {idnumber}.
    """

    site: bool = False
    levels: frozenset[int] | None = frozenset()
    """The depths at which categories have spaces, 1 for those at the top; None: every depth."""
    without_categories: frozenset[CategoryId] = frozenset()
    """Categories that have no space themselves; what is below them hangs in the next space above."""
    without_courses: frozenset[CourseId] = frozenset()
    """Courses that hang in no space."""
    invite: str = "members"
    """Who is invited to the space of the site, once: `members` (of any room of a course) or `nobody`."""
    site_name: str = "{name}"
    site_topic: str = "{url}"
    category_name: str = "{name}"
    category_topic: str = "{path} · {url}"

    @property
    def are_on(self) -> bool:
        """Whether there are any spaces above courses."""
        return self.site or self.levels is None or bool(self.levels)

    def has_depth(self, depth: int) -> bool:
        """Whether categories at this depth have spaces."""
        return self.levels is None or depth in self.levels
