"""What people choose for a course: booked with its way and in the audit log, then the course is looked at.

Who may choose is for the door to know (the bot, a page, the command line); here it is only checked that the choice can
be one. Nothing is changed in Matrix here: the course's own key does that, and `choose` waits for it if asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..domain.choices import checked
from ..domain.model import CourseId, MoodleUserId
from ..domain.rules import Choice, Rules
from ..domain.structure import fixed_for
from ..errors import AppError, PermanentFailure, Refused
from ..ports import Chosen, Clock, Facts, Store, course_key
from .site import SitePass
from .worker import Workers

CHOSEN = "Chosen"
"""The kind of the audit line."""
SIGNAL = "choice"


class Choosing:
    """Books choices."""

    def __init__(
        self, store: Store, facts: Facts, site: SitePass, workers: Workers, rules: Rules, clock: Clock
    ) -> None:
        self._store = store
        self._facts = facts
        self._site = site
        self._workers = workers
        self._rules = rules
        self._clock = clock

    async def of(self, course_id: CourseId) -> Mapping[str, Chosen]:
        """What people have chosen for a course so far; `on` is among it where somebody has switched it."""
        chosen = dict(await self._store.choices.of(course_id))
        row = await self._store.courses.get(course_id)
        if row is not None and row.choice is not None and row.choice.on is not None:
            chosen["on"] = Chosen(row.choice.on, row.choice.by, row.choice.at)
        return chosen

    async def fixed(self, course_id: CourseId) -> frozenset[str]:
        """Settings that are not people's to choose for this course."""
        site = await self._facts.site(not_older_than=0.0)
        course = site.courses.get(course_id)
        return (
            frozenset()
            if course is None
            else fixed_for(course, site.categories.get(course.category_id), self._rules)
        )

    async def choose(
        self,
        course_id: CourseId,
        setting: str,
        value: Any,
        *,
        by: str,
        person: MoodleUserId | None = None,
        reference: str = "",
    ) -> AppError | None:
        """Book a choice, have the course looked at and wait for that; returns what stopped the look, if anything did.

        `value` None: as the site. `setting` `on` switches the course on or off; the others are those of
        `domain.choices`. `by`: the way, such as `bot`; `person`: who, for the audit log. Raises `Refused` where the
        value can't be, `PermanentFailure` for an unknown course; then nothing was changed.
        """
        if setting == "on":
            await self._switch(course_id, value, by=by)
        else:
            await self._keep(course_id, setting, value, by=by)
        shown = "as the site" if value is None else value
        await self._store.journal.note(
            CHOSEN,
            at=self._clock.now(),
            why=f"The setting {setting} was chosen: {shown}.",
            person=person,
            course_id=course_id,
            signal=by,
            reference=reference,
        )
        return await self._workers.ask(course_key(course_id), signal=SIGNAL)

    async def _keep(self, course_id: CourseId, setting: str, value: Any, *, by: str) -> None:
        site = await self._facts.site(not_older_than=0.0)
        course = site.courses.get(course_id)
        if course is None:
            raise PermanentFailure(f"Moodle lists no course {course_id}. Nothing was changed.")
        if value is not None and setting in fixed_for(
            course, site.categories.get(course.category_id), self._rules
        ):
            raise Refused(
                f"The setting {setting} was not changed. It was decided for this course by the site's administrators."
            )
        try:
            kept = checked(setting, value, course, self._rules.fields)
        except ValueError as problem:
            raise Refused(f"The setting {setting} was not changed. {problem}") from None
        chosen = None if kept is None else Chosen(kept, by, self._clock.now())
        await self._store.choices.choose(course_id, setting, chosen)

    async def _switch(self, course_id: CourseId, value: Any, *, by: str) -> None:
        if value not in (True, False, None):
            raise Refused("The course was neither switched on nor off. Write on, off, or nothing.")
        row = await self._store.courses.get(course_id)
        if row is None:
            raise PermanentFailure(f"Moodle lists no course {course_id}. Nothing was changed.")
        await self._store.courses.save([replace(row, choice=Choice(value, by, self._clock.now()))])
        await self._site.reconsider(course_id)
