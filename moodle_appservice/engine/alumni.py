"""People in the site's space who are in no course: whether their Moodle accounts can still be used.

A course tells of its own people; of these nobody does. So each is asked for once a day, few with each pass, and what is
found is booked, which makes the spaces due in which they are.
"""

from __future__ import annotations

import logging

from ..domain.members import why_unusable
from ..domain.model import MoodleUserId
from ..domain.rooms import SITE_SPACE
from ..errors import AppError
from ..ports import Clock, Facts, Store

DAILY = 24 * 3600.0
AT_ONCE = 50
"""People with each pass."""
log = logging.getLogger(__name__)


class Alumni:
    """Called once with each pass. When somebody was asked for is kept in memory: after a start all are, in turns."""

    def __init__(self, facts: Facts, store: Store, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._clock = clock
        self._asked: dict[MoodleUserId, float] = {}

    async def look(self) -> None:
        """Ask for those whose turn it is. Never raises for a Moodle that does not answer."""
        space = (await self._store.spaces.spaces()).get(SITE_SPACE)
        people = await self._store.spaces.without_course(space) if space is not None else frozenset()
        self._asked = {person: at for person, at in self._asked.items() if person in people}
        now = self._clock.now()
        due = [person for person in sorted(people) if self._asked.get(person, -DAILY) <= now - DAILY][
            :AT_ONCE
        ]
        rows = await self._store.people.look_up(due)
        found: dict[MoodleUserId, float | None] = {}
        for person in due:
            try:
                account = await self._facts.person(person, not_older_than=now - DAILY)
            except AppError as failure:
                log.warning(
                    "Whether people without a course can still use Moodle could not be asked: %s", failure
                )
                break
            self._asked[person] = now
            is_unusable = account is None or bool(why_unusable(account))
            if person in rows and is_unusable != (rows[person].unusable_since is not None):
                found[person] = now if is_unusable else None
        if found:
            await self._store.people.unusable(found)
