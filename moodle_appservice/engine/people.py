"""The `person` key: finds the Matrix id of one Moodle person, then makes the person's courses due.

It alone allocates ids; a course never does. Whatever it finds, even nothing, is stored with a reason, so that a course
never waits for the same person twice.
"""

from __future__ import annotations

import logging

from ..domain.identity import resolve, settle
from ..domain.model import CourseId, MoodleUserId, Resolution
from ..domain.rules import Rules
from ..ports import Clock, Facts, Priority, Queue, Store, Taken, course_key
from .freshness import Freshness

log = logging.getLogger(__name__)
HIDDEN = "Moodle does not show this account to our web service user."
FOR_COURSE = "course:"
"""Signals of this form name the course that waits for the person."""


class PersonFinder:
    """One look at one person."""

    def __init__(
        self, facts: Facts, store: Store, queue: Queue, rules: Rules, clock: Clock, freshness: Freshness
    ) -> None:
        self._facts = facts
        self._freshness = freshness
        self._store = store
        self._queue = queue
        self._rules = rules
        self._clock = clock

    async def run(self, taken: Taken) -> None:
        """Resolve and store, then wake the courses that are named in the signals or that hold the person."""
        user_id = MoodleUserId(taken.key.number)
        person = await self._facts.person(
            user_id, not_older_than=self._freshness.oldest_allowed(taken, self._clock.now())
        )
        rows = await self._store.people.look_up([user_id])
        before = rows[user_id].resolution if user_id in rows else None
        fresh = resolve(person, self._rules) if person else Resolution(user_id, None, None, HIDDEN)
        stored = await self._store.people.save(person, settle(before, fresh), at=self._clock.now())
        if stored.matrix_id is None:
            log.info("Moodle user %d has no Matrix account: %s", user_id, stored.reason)
        await self._wake_courses(user_id, taken, changed=stored != before)

    async def _wake_courses(self, user_id: MoodleUserId, taken: Taken, *, changed: bool) -> None:
        courses = {
            CourseId(int(signal.removeprefix(FOR_COURSE)))
            for signal in taken.signals
            if signal.startswith(FOR_COURSE)
        }
        if changed:
            courses |= set(await self._store.courses.courses_of(user_id))
        for course_id in sorted(courses):
            await self._queue.add(course_key(course_id), priority=Priority.HINT, signal="person")
