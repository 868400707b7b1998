"""All reports read one after the other and put together: one reading of the whole site.

Reports are read one at a time, each turned into compact values before the next one is asked for, so that a large site
needs the memory of one answer. Those that change rarely (known starts and ends, the tree of categories) are read again
after `rare` seconds. Every answer is compared with what was set up before one row of it is used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from ..domain.above import Above, ExtraRole, by_place, resolve_extra, roles_above
from ..domain.groups import SeenGroup
from ..domain.model import (
    Category,
    CategoryId,
    Course,
    CourseId,
    Enrolment,
    GroupId,
    MoodleUserId,
    Person,
    Role,
    SiteInfo,
)
from ..domain.snapshot import Moment, SiteSnapshot, hash_course, hash_people
from . import errors, report_lists, report_tables, shapes
from .client import MoodleClient
from .group_register import GroupRegister
from .report_errors import ReportChanged, ReportIncomplete, ReportMissing
from .report_fetch import LIST, RETRIEVE, Choice, Listed, Page, ReportReader, find
from .report_kinds import (
    COURSE_GROUPS,
    ENDS,
    KINDS,
    MEMBERSHIPS,
    PEOPLE,
    ROLE_HOLDERS,
    SITE_COURSES,
    STARTS,
    Kind,
)
from .report_layout import Layout, difference, recognise
from .report_roles import NO_ROLES, RoleRows, place_categories, role_holders

logger = logging.getLogger(__name__)
Value = TypeVar("Value")
Places = dict[CourseId, dict[MoodleUserId, frozenset[Role]]]

_MANY: Final = 5000
"""Rows from which on they are worked on in a thread, so that everything else goes on meanwhile."""
ROLE_SINCE: Final = (4, 3)


@dataclass(frozen=True, slots=True)
class Fields:
    """The custom fields to keep, by short name, and under which header they stand where it is not the short name."""

    profile: Sequence[str] = ()
    course: Sequence[str] = ()
    headers: Mapping[str, str] | None = None


class SnapshotReader:
    """Reads snapshots. `expected`: fingerprints by kind, as they were stored when the source was set up."""

    def __init__(
        self,
        client: MoodleClient,
        reader: ReportReader,
        choice: Choice,
        fields: Fields,
        *,
        language: str,
        expected: Mapping[str, str] | None,
        rare: float,
        groups: GroupRegister | None = None,
        extra: Sequence[ExtraRole] = (),
    ) -> None:
        self._client = client
        self._extra = extra
        self._paths: Mapping[CategoryId, str] = {}
        self.left_out: tuple[str, ...] = ()
        """Roles from above that could not be placed at the last reading, a sentence each."""
        self._groups = groups or GroupRegister()
        self._reader = reader
        self._choice = choice
        self._fields = fields
        self._language = language
        self._rare = rare
        self._rare_read_at = float("-inf")
        self._moments: tuple[Moment, ...] = ()
        self._tree: Mapping[CategoryId, Category] = {}
        self._ids: dict[str, int] | None = None
        self.expected: dict[str, str] = dict(expected or {})
        self.seen: dict[str, str] = {}
        self.layouts: dict[str, Layout] = {}

    async def read(self, info: SiteInfo, began: float, last: SiteSnapshot | None) -> SiteSnapshot:
        """One reading. What did not change since `last` is shared with it. Raises `MoodleError`."""
        for function in (LIST, RETRIEVE):
            if function not in info.functions:
                raise errors.FunctionMissing(function)
        again = began - self._rare_read_at >= self._rare
        if again or self._ids is None:
            self._ids = await self._find_all()
        places = await self._needed(MEMBERSHIPS, info, report_tables.memberships)
        groups = await self._take(COURSE_GROUPS, info, partial(self._read_groups, info)) or {}
        roles = await self._take(ROLE_HOLDERS, info, self._roles) or NO_ROLES
        has_groups = COURSE_GROUPS.name in (self._ids or {})
        if again:
            await self._read_rare(info)
        known = last.people if last else {}
        people = await self._needed(
            PEOPLE, info, lambda page, layout: self._people(page, layout, before=known)
        )
        courses, categories = await self._needed(SITE_COURSES, info, self._courses)
        if again:
            self._rare_read_at = began
        self.expected = {**self.seen, **self.expected}
        tree, above = self._place(roles, {**categories, **self._tree}, people)
        parts = _Parts(places, groups, people, courses, tree, self._moments, has_groups, above)
        if len(people) + len(courses) < _MANY:
            made = assemble(parts, began, last, self._groups)
        else:
            made = await asyncio.to_thread(assemble, parts, began, last, self._groups)
        await self._groups.save()
        return made

    @property
    def numbers(self) -> Mapping[str, int]:
        """The number in Moodle of each report that was found, by kind."""
        return dict(self._ids or {})

    def _place(
        self,
        roles: RoleRows,
        categories: Mapping[CategoryId, Category],
        people: Mapping[MoodleUserId, Person],
    ) -> tuple[Mapping[CategoryId, Category], Above]:
        """Categories and the roles in them, from the report and from the configuration."""
        placed, held = place_categories(categories, self._paths, roles.names)
        assigned = roles.assignments
        if self._extra:
            ids = {person.username: user_id for user_id, person in people.items()}
            extra, wrong = resolve_extra(self._extra, placed, lambda name: ids.get(name.lower()))
            assigned, held = assigned + extra, held + wrong
        for sentence in held:
            if sentence not in self.left_out:
                logger.warning("%s", sentence)
        self.left_out = held
        return placed, by_place(assigned)

    async def accept(self, read: Callable[[], Awaitable[object]]) -> tuple[str, ...]:
        """Read without comparing, and say what is not as it was. Raises what `read` does; then all is as before."""
        before = dict(self.expected)
        self.expected.clear()
        self.seen.clear()
        self.forget()
        try:
            await read()
        except BaseException:
            self.expected.clear()
            self.expected.update(before)
            raise
        names = {kind.name: self._choice.name(kind) for kind in KINDS}
        said: list[str] = []
        for name in names:
            old, now = before.get(name), self.seen.get(name)
            if old != now:
                what = (
                    difference(old, now)
                    if old and now
                    else "It is new."
                    if now
                    else "It is not there any more."
                )
                said.append(f"“{names[name]}”: {what}")
        return tuple(said)

    def forget(self) -> None:
        """Look for reports and read the rare ones anew at the next reading."""
        self._rare_read_at = float("-inf")

    async def _find_all(self) -> dict[str, int]:
        listed: list[Listed] = await self._reader.list_reports()
        found: dict[str, int] = {}
        for kind in KINDS:
            number = find(kind, self._choice, listed)
            if number is not None:
                found[kind.name] = number
            elif kind.needed or kind.name in self.expected:
                raise ReportMissing(LIST, about=f"“{self._choice.name(kind)}”: {kind.purpose}")
        return found

    async def _read_rare(self, info: SiteInfo) -> None:
        moments: list[Moment] = []
        for kind, ends in ((STARTS, False), (ENDS, True)):

            def parse(page: Page, layout: Layout, ends: bool = ends) -> list[Moment]:
                return report_tables.moments(page, layout, ends=ends)

            moments += await self._take(kind, info, parse) or []
        self._moments = tuple(sorted(moments, key=lambda moment: moment.at))
        if shapes.CATEGORIES in info.functions:
            try:
                self._tree = shapes.categories(await self._client.call(shapes.CATEGORIES), self._language)
            except errors.MoodleError as error:
                if error.whole_site:
                    raise

    async def _needed(self, kind: Kind, info: SiteInfo, parse: Callable[[Page, Layout], Value]) -> Value:
        found = await self._take(kind, info, parse)
        if found is None:
            raise ReportMissing(LIST, about=f"“{self._choice.name(kind)}”: {kind.purpose}")
        return found

    async def _take(self, kind: Kind, info: SiteInfo, parse: Callable[[Page, Layout], Value]) -> Value | None:
        """What a report of a kind holds; None where there is no such report."""
        number = (self._ids or {}).get(kind.name)
        if number is None:
            return None
        try:
            page = await self._reader.read(number)
        except ReportMissing:
            self._ids = None
            raise
        layout = self._judge(kind, page, info)
        if len(page.rows) < _MANY:
            return parse(page, layout)
        return await asyncio.to_thread(parse, page, layout)

    def _judge(self, kind: Kind, page: Page, info: SiteInfo) -> Layout:
        seen = page.description
        about = f"report {seen.id}, “{seen.name}”"
        now = seen.fingerprint()
        before = self.expected.get(kind.name)
        if before is not None and before != now:
            raise ReportChanged(RETRIEVE, about=about, detail=difference(before, now).rstrip("."))
        layout = recognise(kind, seen, page.rows)
        if layout.problems:
            raise ReportIncomplete(RETRIEVE, problems(layout, info), about=about)
        self.seen[kind.name] = now
        self.layouts[kind.name] = layout
        return layout

    def _roles(self, page: Page, layout: Layout) -> RoleRows:
        return role_holders(page, layout, language=self._language)

    def _read_groups(
        self, info: SiteInfo, page: Page, layout: Layout
    ) -> dict[CourseId, tuple[SeenGroup, ...]]:
        return report_tables.groups(page, layout, version=info.version, language=self._language)

    def _people(
        self, page: Page, layout: Layout, before: Mapping[MoodleUserId, Person]
    ) -> dict[MoodleUserId, Person]:
        fields = report_lists.headers_of(self._fields.profile, self._fields.headers or {}, layout)
        return report_lists.people(page, layout, fields=fields, language=self._language, before=before)

    def _courses(
        self, page: Page, layout: Layout
    ) -> tuple[dict[CourseId, Course], dict[CategoryId, Category]]:
        fields = report_lists.headers_of(self._fields.course, self._fields.headers or {}, layout)
        courses = report_lists.courses(page, layout, fields=fields, language=self._language)
        self._paths = report_lists.category_paths(page, layout, self._language)
        return courses, report_lists.categories(page, layout, self._language)


def problems(layout: Layout, info: SiteInfo) -> tuple[str, ...]:
    """What is wrong with a report, and that an old Moodle can't do better."""
    found = layout.problems
    if layout.kind is MEMBERSHIPS and not layout.has("role") and info.version < ROLE_SINCE:
        found += (
            f"This is Moodle {info.release}; the short name of a role can be shown since Moodle 4.3: on this site "
            "set moodle.source to courses.",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Parts:
    places: Places
    groups: Mapping[CourseId, tuple[SeenGroup, ...]]
    people: Mapping[MoodleUserId, Person]
    courses: Mapping[CourseId, Course]
    categories: Mapping[CategoryId, Category]
    moments: tuple[Moment, ...]
    has_groups: bool
    """Whether there is a report of groups: then a group that it does not show is gone."""
    above: Above


def assemble(parts: _Parts, began: float, last: SiteSnapshot | None, register: GroupRegister) -> SiteSnapshot:
    """One snapshot of what was read. Whatever is as it was is the object that it was."""
    digests = hash_people(parts.people)
    made: dict[MoodleUserId, Enrolment] = {}
    spelled: dict[frozenset[Role], str] = {}
    above: dict[CategoryId, dict[MoodleUserId, frozenset[Role]]] = {}
    courses, hashes = dict[CourseId, Course](), dict[CourseId, str]()
    enrolments, groups = dict[CourseId, tuple[Enrolment, ...]](), dict[CourseId, tuple[SeenGroup, ...]]()
    for course_id, course in parts.courses.items():
        before = last.groups.get(course_id, ()) if last else ()
        seen = register.take(course_id, parts.groups.get(course_id, ()), whole=parts.has_groups)
        there_before = last.enrolments.get(course_id, ()) if last else ()
        there = _enrolments(parts.places.get(course_id, {}), seen, there_before, made)
        inherited = above.get(course.category_id)
        if inherited is None:
            inherited = above[course.category_id] = roles_above(
                parts.above, course.category_id, parts.categories
            )
        digest = hash_course(course, there, seen, digests, spelled, inherited)
        if last and last.hashes.get(course_id) == digest and course_id in last.courses:
            course, there = last.courses[course_id], there_before
        courses[course_id], enrolments[course_id] = course, there
        groups[course_id], hashes[course_id] = before if seen == before else seen, digest
    return SiteSnapshot(
        courses, parts.categories, enrolments, groups, parts.people, parts.moments, hashes, began, parts.above
    )


def _enrolments(
    places: Mapping[MoodleUserId, frozenset[Role]],
    groups: Sequence[SeenGroup],
    before: Sequence[Enrolment],
    made: dict[MoodleUserId, Enrolment],
) -> tuple[Enrolment, ...]:
    """Everybody in one course; `before` is who was there, `made` has a place of each person elsewhere, to share."""
    into: dict[MoodleUserId, list[GroupId]] = {}
    for seen in groups:
        for user_id in seen.members:
            into.setdefault(user_id, []).append(seen.group.id)
    sets: dict[frozenset[GroupId], frozenset[GroupId]] = {}
    none: frozenset[GroupId] = frozenset()
    known = {enrolment.user_id: enrolment for enrolment in before}
    found: list[Enrolment] = []
    for user_id in sorted(places):
        roles = places[user_id]
        inside = frozenset(into[user_id]) if user_id in into else none
        enrolment = known.get(user_id) or made.get(user_id)
        if enrolment is None or enrolment.roles != roles or enrolment.groups != inside:
            enrolment = made[user_id] = Enrolment(user_id, roles, sets.setdefault(inside, inside))
        found.append(enrolment)
    return tuple(found)
