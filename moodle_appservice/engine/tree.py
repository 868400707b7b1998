"""The tree of spaces as the last accepted listing of the site has it, and which spaces are as they should be.

It is made anew with each listing of the site, and only of the Moodle that the pass has accepted: another one behind the
same address must not take the spaces apart. In between, a course that is looked at tells where it hangs, so that a new
one need not wait for the next pass. Kept in memory: the first pass after a start looks at every space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..domain.life import ARCHIVED, stage_of, word_of
from ..domain.model import CourseId, MoodleUserId, RoomId, SiteFacts
from ..domain.rooms import SITE_SPACE, RoomKey
from ..domain.rules import Rules
from ..domain.spaces import Grove, print_of_space
from ..domain.structure import CHOOSABLE, rules_for
from ..domain.tree import NO_TREE, Tree, entry_of, tree_of
from ..ports import Changed, Clock, CourseRow, Facts, Priority, Queue, Store, course_key, space_key
from .freshness import PASS

SIGNAL = "tree"
SITE_URL = "site_url"
"""The setting that keeps by which address the Moodle calls itself that we know."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """The people for whom something may be to do: who is in a space and not simply to stay, and whom to invite."""

    changed: Mapping[RoomId, Changed]
    newcomers: frozenset[MoodleUserId]

    def of(self, space: RoomKey, room_id: RoomId | None) -> object:
        """Those of one space, as a value that differs when they do."""
        changed = self.changed.get(room_id) if room_id is not None else None
        return changed, self.newcomers if space == SITE_SPACE else None


class SpaceTree:
    """Shared by the pass, the courses and the spaces."""

    def __init__(self, facts: Facts, store: Store, queue: Queue, rules: Rules, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._store = store
        self._queue = queue
        self._rules = rules
        self._tree: Tree | None = None
        self._read_at: float | None = None
        """When the listing was read of which the tree is."""
        self._settled: dict[RoomKey, int] = {}

    async def take(self, site: SiteFacts, rows: Mapping[CourseId, CourseRow], *, signal: str = PASS) -> int:
        """Take an accepted listing, and make the spaces due in which something has changed; how many those are."""
        self._tree, self._read_at = await self.planted(site, rows), site.read_at
        there = await self._store.spaces.spaces()
        if not self._tree.spaces and not there:
            return 0
        ids = {**there, **await self._store.spaces.entries(_courses_in(self._tree))}
        grove, people = Grove(site, self._tree, ids), await self.concerned(ids.get(SITE_SPACE))
        due = [
            space
            for space in sorted({*self._tree.spaces, *there}, key=lambda key: key.rank)
            if self._settled.get(space) != print_of_space(space, grove, people.of(space, ids.get(space)))
        ]
        for space in due:
            await self._queue.add(space_key(space), priority=Priority.HINT, signal=signal)
        return len(due)

    async def planted(self, site: SiteFacts, rows: Mapping[CourseId, CourseRow]) -> Tree:
        """The tree of a listing. `rows`: which courses are on."""
        if not self._rules.spaces.are_on:
            return NO_TREE
        choices = await self._store.spaces.choices({*CHOOSABLE, ARCHIVED})
        entries = {}
        for course_id, course in site.courses.items():
            row, chosen = rows.get(course_id), choices.get(course_id, {})
            stage = stage_of(course, self._rules.life, now=self._clock.now(), archived=word_of(chosen))
            if row is not None and row.on and not row.gone and stage.is_listed:
                category = site.categories.get(course.category_id)
                own = rules_for(course, category, self._rules, chosen)
                entries[course_id] = entry_of(course_id, own.layout)
        return tree_of(site.categories, site.courses, entries, self._rules.spaces)

    async def grove(self, space: RoomKey) -> Grove | None:
        """All from which one space is planned; None where the listing is not that of the Moodle that we know."""
        site = await self._facts.site(not_older_than=0.0)
        if await self._store.settings.get(SITE_URL) != site.site.url:
            return None
        if self._tree is None or self._read_at != site.read_at:
            self._tree = await self.planted(site, await self._store.courses.all())
            self._read_at = site.read_at
        return await self.around(space, site, self._tree)

    async def around(self, space: RoomKey, site: SiteFacts, tree: Tree) -> Grove:
        """A tree with the ids of what one space needs."""
        entries = await self._store.spaces.entries(tree.courses_in(space))
        return Grove(site, tree, {**await self._store.spaces.spaces(), **entries})

    async def concerned(self, site_space: RoomId | None) -> Concerned:
        """The people for whom something may be to do in the spaces."""
        spaces = self._rules.spaces
        invites = spaces.site and spaces.invite == "members"
        newcomers = await self._store.spaces.newcomers(site_space) if invites else frozenset()
        return Concerned(await self._store.spaces.changed(), newcomers)

    # Courses

    async def entered(self, entry: RoomKey, above: RoomKey | None, room_id: RoomId | None) -> None:
        """A course was looked at: where its room does not hang in its space yet, that space is due.

        `above`: the space in which it belongs; `room_id` None: the room is not made yet.
        """
        before = self._tree.parents.get(entry) if self._tree is not None else above
        if before != above:
            self._tree = None
            if before is not None:
                await self._queue.add(space_key(before), priority=Priority.HINT, signal=SIGNAL)
        if above is None or room_id is None:
            return
        space = (await self._store.spaces.spaces()).get(above)
        if space is None or not await self._store.spaces.hangs_in(space, room_id):
            await self._queue.add(space_key(above), priority=Priority.HINT, signal=SIGNAL)

    async def left(self, course_id: CourseId) -> None:
        """A course is off: the space in which it hangs is due."""
        for layout in ("room", "space"):
            above = self._tree.parents.get(entry_of(course_id, layout)) if self._tree is not None else None
            if above is not None:
                self._tree = None
                await self._queue.add(space_key(above), priority=Priority.HINT, signal=SIGNAL)

    async def look_below(self, space: RoomKey, room_id: RoomId, grove: Grove) -> None:
        """Make due what hangs in a space and does not know it yet."""
        children = grove.tree.spaces.get(space, ())
        parents = await self._store.spaces.parents([grove.ids[key] for key in children if key in grove.ids])
        for child in children:
            child_id = grove.ids.get(child)
            if child_id is not None and room_id in parents.get(child_id, ()):
                continue
            if child.course_id is None:
                await self._queue.add(space_key(child), priority=Priority.HINT, signal=SIGNAL)
            elif child_id is not None:
                await self._queue.add(course_key(child.course_id), priority=Priority.PASS, signal=SIGNAL)

    # What is as it should be

    def settle(self, space: RoomKey, digest: int) -> None:
        """All is as it should be by these facts."""
        self._settled[space] = digest

    def unsettle(self, space: RoomKey) -> None:
        """Something is to be done, or may be."""
        self._settled.pop(space, None)

    def unsettle_all(self) -> None:
        """Nothing can be relied upon: look at every space."""
        self._settled.clear()


def _courses_in(tree: Tree) -> list[CourseId]:
    return [key.course_id for key in tree.parents if key.course_id is not None]
