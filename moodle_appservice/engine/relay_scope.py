"""Which courses relay, into which room, and who has switched that on or off.

Whose word counts is decided in `domain.relay_choice`; here it meets what is so. A course relays while it is on,
listed and visible in Moodle, and the site is not paused. It relays from a moment that is written down, and what
was posted before is not told. A course that is paused or archived is muted: nothing new is said there, and what
was said is kept true. The last listing of the site serves; Moodle is asked only where there is none yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..domain.life import ARCHIVED, Phase, stage_of, word_of
from ..domain.model import Course, CourseId, RoomId, SiteFacts
from ..domain.relay_choice import Relaying, RelayRules, relays
from ..domain.rooms import RoomKey, RoomKind, main_room
from ..domain.rules import Choice, Rules
from ..domain.structure import rules_for
from ..errors import PermanentFailure
from ..ports import Chosen, Clock, Facts, Reader, Store

SETTING = "relay"
"""The setting of a course (`domain.choices`)."""
CLOCKS_DIFFER = 60.0
"""Seconds: a post that is older when its course is switched on is not told."""


class RelayScope:
    """`room_rules`: they tell which rooms a course has. `is_possible`: there is a token to read content with."""

    def __init__(
        self,
        facts: Facts,
        store: Store,
        rules: RelayRules,
        room_rules: Rules,
        clock: Clock,
        *,
        is_possible: bool,
    ) -> None:
        self._facts = facts
        self._store = store
        self._rules = rules
        self._room_rules = room_rules
        self._clock = clock
        self._is_possible = is_possible
        self._muted: frozenset[CourseId] = frozenset()

    async def site(self) -> SiteFacts:
        """The last listing of the site; it is read only where there is none yet."""
        return await self._facts.site(not_older_than=0.0)

    async def targets(self) -> Mapping[CourseId, float]:
        """Courses that relay → since when (Unix seconds). Writes down which have begun or stopped."""
        site, begun = await self.site(), await self._store.relay.since()
        choices = await self._store.choices.everywhere(SETTING)
        archived = await self._store.choices.everywhere(ARCHIVED)
        paused = {one.course_id for one in await self._store.pauses.all()}
        # Moodle's clock may be behind ours, and it counts whole seconds.
        now = self._clock.now() - CLOCKS_DIFFER
        since: dict[CourseId, float] = {}
        changed: dict[CourseId, float | None] = {}
        for course_id, row in (await self._store.courses.all()).items():
            if not row.on or row.gone or course_id not in site.courses:
                continue
            if self._decide(course_id, site, choices.get(course_id)).on:
                since[course_id] = begun.get(course_id, now)
                if course_id not in begun:
                    changed[course_id] = now
            elif course_id in begun:
                changed[course_id] = None
        if changed:
            await self._store.relay.set_since(changed)
        if None in paused:
            return {}
        self._muted = frozenset(
            course_id
            for course_id in since
            if course_id in paused or self._is_archived(site.courses[course_id], archived.get(course_id))
        )
        # Our reader may not enter a hidden course, as participants may not.
        return {course_id: at for course_id, at in since.items() if site.courses[course_id].visible}

    def is_muted(self, course_id: CourseId) -> bool:
        """Whether nothing new is said in the room; what was said stays true."""
        return course_id in self._muted

    def _is_archived(self, course: Course, said: Chosen | None) -> bool:
        """By its dates, or by somebody's word."""
        word = None if said is None else word_of({ARCHIVED: said.value})
        stage = stage_of(course, self._room_rules.life, now=self._clock.now(), archived=word)
        return stage.phase is Phase.ARCHIVED

    async def room(self, course_id: CourseId) -> RoomId | None:
        """Where the course's news go: the room for announcements where it is to have one, else the main room."""
        site = await self.site()
        course = site.courses.get(course_id)
        if course is None:
            return None
        chosen = await self._store.choices.of(course_id)
        choices = {name: one.value for name, one in chosen.items()}
        rules = rules_for(course, site.categories.get(course.category_id), self._room_rules, choices)
        if rules.layout == "space" and rules.announcements:
            room_id = await self._store.ledger.room_of(RoomKey(RoomKind.ANNOUNCEMENTS, course_id))
            if room_id is not None:
                return room_id
        return await self._store.ledger.room_of(main_room(course_id))

    async def state(self, course_id: CourseId) -> Relaying:
        """Whether a course relays, and why."""
        if not self._is_possible:
            return Relaying(False, "There is no token by which it could be read (moodle.content_token).")
        choice = (await self._store.choices.of(course_id)).get(SETTING)
        return self._decide(course_id, await self.site(), choice)

    async def of_reader(self, reader: Reader, site: SiteFacts, *, with_books: bool = True) -> Sequence[str]:
        """What the facts about courses tell of the reader's account, as sentences about what it sees too much.

        Raises `PermanentFailure` where the account belongs to another Moodle.
        """
        found = []
        if reader.user_id == site.site.user_id:
            found.append(
                "It is the account of moodle.token, which sees hidden courses and all groups. Make one of its own."
            )
        enrolled = [
            course_id
            for course_id in (await self._store.courses.courses_of(reader.user_id) if with_books else ())
            if course_id in site.courses
        ]
        if enrolled:
            found.append(f"It is enrolled in course {enrolled[0]}, and may be in groups there: take it out.")
        if reader.url != site.site.url:
            raise PermanentFailure(
                f"moodle.content_token belongs to another Moodle: {reader.url} instead of {site.site.url}. Nothing is "
                "relayed."
            )
        return found

    def _decide(self, course_id: CourseId, site: SiteFacts, choice: Chosen | None) -> Relaying:
        course = site.courses.get(course_id)
        category = site.categories.get(course.category_id) if course else None
        path = category.path if category else (course.category_id,) if course else ()
        said = Choice(choice.value, choice.by, choice.at) if choice else None
        return relays(course_id, path, self._rules, said)
