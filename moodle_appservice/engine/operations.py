"""What a person can ask of a running service, whoever asks: the command line, the bot, a page.

Nothing here changes membership or state: it makes keys due, waits for them, and reads plans.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..domain.actions import ForceJoin, Invite
from ..domain.holds import HoldGroup
from ..domain.model import CourseId, Membership, MoodleUserId, RoomId
from ..domain.rooms import RoomKey, RoomKind
from ..errors import AppError, PermanentFailure, TemporaryFailure
from ..ports import SITE, CourseRow, Facts, HeldRow, Key, Priority, Queue, Store, course_key
from .freshness import ASKED_PASS, SYNC
from .holds import Holds
from .lifecycle import Lifecycle
from .pauses import sentence
from .planning import CoursePlanner, Prepared
from .site import SitePass
from .slow_audit import SlowAudit
from .space import PreparedSpace
from .space_status import SpaceReader, SpaceStatus
from .status import CourseStatus, StatusReader
from .troubles import Troubles
from .worker import Workers

TOLD = "told_held"
"""The setting that keeps which courses the last report named as held by the source of facts."""
MOST_HURRIED = 100
"""Keys that back off and are looked at now where somebody asks for everything; the others come within minutes."""
UNSEEN = "Something is held that no report has told of before; nothing was confirmed. Look at it, then confirm again."


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a sync ended. `failures`: what is still not done, by key."""

    courses: int
    failures: dict[Key, AppError]
    held: tuple[HeldRow, ...]
    doubted: Mapping[CourseId, str] = field(default_factory=dict)
    """Courses of which Moodle suddenly lists so few that its list is not believed, with the reason."""
    note: str = ""
    """What else is to be said, as a sentence; empty when nothing is."""
    groups: tuple[HoldGroup, ...] = ()
    """What is held, in groups that can be confirmed."""


@dataclass(frozen=True, slots=True)
class PlanView:
    """The plan of one course, or the reason why there is none."""

    row: CourseRow
    prepared: Prepared | None
    trouble: str = ""
    paused: str = ""
    """Why nothing of it is carried out, as a sentence; empty where it is."""
    differences: tuple[str, ...] = ()
    """Where the homeserver's rooms were otherwise than ours, where somebody asked to compare them."""


@dataclass(frozen=True, slots=True)
class Requested:
    """What came of somebody's wish to be in a room. `membership`: how the person's own account stands there now."""

    membership: Membership
    sentence: str
    """For the person: what happened, or why nothing did."""


class Operations:
    """The questions and requests of people."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        workers: Workers,
        planner: CoursePlanner,
        site: SitePass,
        status: StatusReader,
        troubles: Troubles,
        facts: Facts,
        holds: Holds,
        life: Lifecycle,
        spaces: SpaceReader | None = None,
        audit: SlowAudit | None = None,
    ) -> None:
        self.holds = holds
        self.life = life
        """What people decide about the life of a course."""
        self._spaces = spaces
        self._audit = audit
        self._facts = facts
        self._troubles = troubles
        self._store = store
        self._queue = queue
        self._workers = workers
        self._planner = planner
        self._site = site
        self._status = status

    async def sync(self, course_id: CourseId | None = None, *, confirm: bool = False) -> SyncReport:
        """Look at everything, or at one course, now; wait until there is nothing left to do.

        `confirm` also lets pass what safety holds at this moment. Raises `PermanentFailure` for an unknown course.
        """
        doubted = [course for course in self._facts.held if course_id in (None, course)]
        await self._look(course_id, confirm=confirm)
        if confirm and doubted:
            # What the source held comes to safety only now, and it is the same loss that was confirmed.
            await self._look(course_id, confirm=True)
        rows = await self._store.courses.all()
        if course_id is not None and course_id not in rows and SITE not in self._workers.failures:
            raise PermanentFailure(f"Moodle lists no course {course_id}. Nothing was changed.")
        held = [row for row in await self._store.journal.held(course_id) if not row.confirmed]
        await self._store.settings.set(TOLD, json.dumps(sorted(self._facts.held)))
        return SyncReport(
            courses=sum(1 for row in rows.values() if row.on and not row.gone),
            failures={**self._set_aside(course_id), **self._workers.failures},
            held=tuple(held),
            groups=tuple(await self.holds.groups(course_id)),
            doubted={
                course: reason for course, reason in self._facts.held.items() if course_id in (None, course)
            },
            note=" ".join(
                part
                for part in (
                    await self._paused(course_id),
                    _about(rows.get(course_id)) if course_id is not None else _unlisted(rows),
                )
                if part
            ),
        )

    async def sync_confirmed(self, wanted: str, course_id: CourseId | None = None, *, by: str) -> SyncReport:
        """Confirm one group of what is held (see `Holds`), then look and wait. Raises `Refused` as `Holds` does."""
        said = await self.holds.confirm(wanted, by=by, course_id=course_id)
        await self._queue.idle()
        report = await self.sync(course_id)
        return replace(report, note=f"{said} {report.note}".strip())

    async def look_and_confirm(self, course_id: CourseId | None = None) -> SyncReport:
        """Confirm in a process that has read nothing yet, so that it does not know what the source of facts holds.

        It looks first. Where that finds something that no earlier report has told of, nothing is confirmed.
        """
        told = {CourseId(number) for number in json.loads(await self._store.settings.get(TOLD) or "[]")}
        told |= {row.course_id for row in await self._store.journal.held()}
        report = await self.sync(course_id)
        if ({row.course_id for row in report.held} | set(report.doubted)) - told:
            return replace(report, note=f"{UNSEEN} {report.note}".strip())
        return await self.sync(course_id, confirm=True)

    async def _look(self, course_id: CourseId | None, *, confirm: bool) -> None:
        if confirm:
            await self._store.journal.confirm(course_id)
            await self._facts.confirm(list(self._facts.held) if course_id is None else [course_id])
        signal = "confirm" if confirm else "cli"
        row = await self._store.courses.get(course_id) if course_id is not None else None
        # Whether a course is on is the listing's to say: one that was off may have been switched on just now.
        if course_id is not None and row is not None and row.on and not row.gone:
            await self._queue.add(course_key(course_id), priority=Priority.WAITING_PERSON, signal=signal)
        else:
            await self._queue.add(SITE, priority=Priority.WAITING_PERSON, signal=signal)
            await self._hurry()
        await self._queue.idle()

    async def _hurry(self) -> None:
        """What backs off is looked at now, as far as it is not so much that others who wait would wait for it."""
        backing_off = [
            key
            for key, failure in self._workers.failures.items()
            if isinstance(failure, TemporaryFailure) and key.kind in ("course", "person", "space")
        ]
        for key in backing_off[:MOST_HURRIED]:
            await self._queue.add(key, priority=Priority.WAITING_PERSON, signal=ASKED_PASS)

    def _set_aside(self, course_id: CourseId | None) -> dict[Key, AppError]:
        """The first failure of each course, and each space, in which something is put aside for later."""
        spaces = self._spaces.failures() if self._spaces is not None and course_id is None else {}
        return dict(spaces) | {
            course_key(course): next(iter(troubles.values())).failure
            for course, troubles in self._troubles.all().items()
            if course_id in (None, course)
        }

    async def sync_course(self, course_id: CourseId, *, signal: str = SYNC) -> AppError | None:
        """Have one course looked at now and wait for it; returns what stopped it.

        With another `signal` Moodle is not asked anew (see `freshness`).
        """
        return await self._workers.ask(course_key(course_id), signal=signal)

    async def request_membership(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> Requested:
        """Somebody asks to be in the room of a course: where `membership.when` waits for that, and after leaving it.

        `at`: Unix seconds. Who asks must have been recognised as this Moodle person. A request gives no rights: only
        who is enrolled is invited, and a moderator's ban stands.
        """
        row = await self._store.courses.get(course_id)
        if row is None or not row.on or row.gone:
            return Requested(Membership.NONE, "This course has no room. Nothing was changed.")
        await self.wish(user_id, course_id, at=at)
        failure = await self._workers.ask(course_key(course_id), signal="command")
        if failure is not None:
            return Requested(
                Membership.NONE, f"The request is kept, and the room is looked at again. {failure}"
            )
        return self._answer(user_id, await self._planner.prepare(course_id, not_older_than=0.0))

    async def wish(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> None:
        """Book the same wish, without looking at the course: whoever books it makes the course due.

        Raises what the database raises.
        """
        await self._store.requests.ask(user_id, course_id, at=at)
        await self._forget_leaving(user_id, course_id)

    async def _forget_leaving(self, user_id: MoodleUserId, course_id: CourseId) -> None:
        """Whoever left by choice has changed their mind."""
        for own in (await self._store.ledger.rooms_of(course_id)).values():
            room = await self._store.mirror.room(own.room_id)
            places = await self._store.ledger.places(own.room_id)
            rows = await self._store.people.look_up([user_id])
            users = {user for user, person in places.items() if person == user_id}
            users |= {
                row.resolution.matrix_id for row in rows.values() if row.resolution.matrix_id is not None
            }
            members = room.members if room is not None else {}
            # Who left the room that this one replaces has never been in this one.
            left = [
                user
                for user in sorted(users)
                if user not in members or members[user].membership is Membership.LEAVE
            ]
            if left:
                await self._store.ledger.unwanted(own.room_id, left)

    def _answer(self, user_id: MoodleUserId, prepared: Prepared) -> Requested:
        main = prepared.main
        members = main.actual.members if main.actual is not None else {}
        for user, member in main.desired.members.items():
            if member.person == user_id and not member.virtual and user in members:
                match members[user].membership:
                    case Membership.JOIN:
                        return Requested(Membership.JOIN, f"{user} is in the room.")
                    case Membership.INVITE:
                        return Requested(Membership.INVITE, f"{user} is invited to the room.")
        for trouble in self._troubles.of(prepared.facts.course.id).values():
            if isinstance(trouble.action, Invite | ForceJoin) and trouble.action.person == user_id:
                sentence = f"The invite failed and is tried again: {trouble.failure}"
                return Requested(Membership.NONE, sentence)
        reasons = [note.text for note in main.plan.notes if note.person == user_id]
        if user_id not in main.desired.enrolled:
            reasons = ["Moodle does not list this person in the course. Nobody was invited."]
        return Requested(Membership.NONE, " ".join(reasons) or "The invite has not been sent yet.")

    async def status(self, course_id: CourseId) -> CourseStatus | None:
        """How one course stands."""
        return await self._status.course(course_id)

    async def people_of(self, course_id: CourseId) -> Mapping[MoodleUserId, str]:
        """Everybody who counts in a course, or had a place in one of its rooms, with their names."""
        people = {
            person
            for own in (await self._store.ledger.rooms_of(course_id)).values()
            for person in (await self._store.ledger.places(own.room_id)).values()
        }
        people |= (await self._store.courses.people(course_id)).keys()
        names = await self._store.people.names(list(people))
        return {person: names.get(person, "") for person in people}

    async def announcements_of(self, course_id: CourseId) -> RoomId | None:
        """The announcements room of a course, where there is one."""
        return await self._store.ledger.room_of(RoomKey(RoomKind.ANNOUNCEMENTS, course_id))

    async def plans(self, course_id: CourseId | None = None, *, compare: bool = False) -> Sequence[PlanView]:
        """What a sync would do now, course by course; nothing is changed.

        `compare`: every room is read anew before, and where it differs from what we knew the plan says so.
        Raises `PermanentFailure` for a course that Moodle does not list.
        """
        rows = await self._site.preview()
        if course_id is not None:
            if course_id not in rows:
                raise PermanentFailure(f"Moodle lists no course {course_id}. Nothing was changed.")
            return [await self._plan(rows[course_id], compare=compare)]
        return [await self._plan(row, compare=compare) for row in rows.values() if row.on and not row.gone]

    async def space_plans(self) -> Sequence[PreparedSpace]:
        """What would be done now in the spaces above courses, from the top down; nothing is changed."""
        return await self._spaces.plans() if self._spaces is not None else ()

    async def spaces(self) -> Sequence[SpaceStatus]:
        """How the spaces above courses stand, from the top down."""
        return await self._spaces.status() if self._spaces is not None else ()

    async def _plan(self, row: CourseRow, *, compare: bool) -> PlanView:
        pause = await self._store.pauses.of(row.id)
        paused = sentence(pause) if pause is not None else ""
        if not row.on:
            return PlanView(row, None, row.reason, paused)
        try:
            found = await self._audit.compare_course(row.id) if compare and self._audit is not None else ()
            prepared = await self._planner.prepare(row.id, not_older_than=0.0)
            return PlanView(row, prepared, paused=paused, differences=found)
        except AppError as failure:
            return PlanView(row, None, str(failure), paused)

    async def _paused(self, course_id: CourseId | None) -> str:
        """What of this is paused, and so was not done."""
        pauses = [
            one
            for one in await self._store.pauses.all()
            if course_id in (None, one.course_id) or not one.course_id
        ]
        return " ".join(f"{sentence(one)} Nothing was written there." for one in pauses)


def _about(row: CourseRow | None) -> str:
    if row is None or (row.on and not row.gone):
        return ""
    what = "is not listed by Moodle any more" if row.gone else "is off"
    return f"Course {row.id} {what}, so nothing was done for it. {row.reason}"


def _unlisted(rows: Mapping[CourseId, CourseRow]) -> str:
    gone = sorted(row.id for row in rows.values() if row.on and row.gone)
    if not gone:
        return ""
    shown = ", ".join(map(str, gone[:20])) + (" …" if len(gone) > 20 else "")
    return (
        f"Moodle does not list these courses any more, and their rooms are left as they are: {shown}. They were "
        "deleted, or they are hidden and our account lacks moodle/course:viewhiddencourses."
    )
