"""What the person of a session may do, looked up at each request: nothing of it stands in a cookie.

Roles in a course are Moodle's, as its web service tells them; what LTI says of roles is never asked. An administrator
of the site stands in `permissions`, and, where the session came from Moodle, Moodle must have called the person an
administrator too.
"""

from __future__ import annotations

from ..domain.members import level_of, roles_in
from ..domain.model import CourseId, Role
from ..errors import AppError
from .cookies import Session
from .inside import Inside
from .refusals import Advice, Refusal, Why

STAFF = 50
"""The level from which on somebody sees the page of the teachers (see `domain.power`)."""
EDITOR = 60
"""The level from which on somebody may change what the course's rooms are."""
_FRESH = 300.0
"""Seconds for which Moodle's answer about a course that is off may be kept."""


class Rights:
    """Answers for sessions."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def level(self, session: Session, course_id: CourseId) -> int | None:
        """The level of the person's roles in a course; None where they are not in it, or it is not known."""
        roles = await self._roles(session, course_id)
        return None if roles is None else level_of(roles, self._inside.rules)

    async def must_have(self, session: Session, course_id: CourseId, level: int) -> None:
        """Raises `Refusal` where the person has less. Administrators of the site may everything."""
        if self.is_admin(session):
            if await self._inside.store.courses.get(course_id) is None:
                raise Refusal(Why.NO_COURSE, Advice.NO_RIGHT)
            return
        has = await self.level(session, course_id)
        if has is None or has < level:
            raise Refusal(Why.NO_RIGHT, Advice.NO_RIGHT)

    def is_admin(self, session: Session) -> bool:
        """Whether the person looks after the whole site."""
        permissions = self._inside.permissions
        if session.account is not None:
            return permissions.has(person=session.user_id, account=session.account)
        return session.administrator and permissions.has(person=session.user_id)

    def must_be_admin(self, session: Session) -> None:
        """Raises `Refusal` for everybody else."""
        if not self.is_admin(session):
            raise Refusal(Why.NO_RIGHT, Advice.NO_RIGHT)

    async def _roles(self, session: Session, course_id: CourseId) -> frozenset[Role] | None:
        user_id = session.user_id
        row = await self._inside.store.courses.get(course_id)
        if user_id is None or row is None or row.gone:
            return None
        known = (await self._inside.store.people.look_up([user_id])).get(user_id)
        if known is not None and known.unusable_since is not None:
            return None
        if row.on:
            return await self._inside.store.courses.roles(course_id, user_id)
        # What is stored of a course that is off is as it was when it was on.
        try:
            facts = await self._inside.facts.course_facts(
                course_id, not_older_than=self._inside.clock.now() - _FRESH
            )
        except AppError:
            return None
        return roles_in(facts, self._inside.rules).get(user_id)
