"""How a course's room stands, in numbers and names: what `!status` and the pages show.

Made from the same plan that a sync would carry out, so that a status never tells another story than the sync.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..domain.actions import ForceJoin, Invite
from ..domain.life import Invited
from ..domain.members import DesiredMember
from ..domain.model import CourseId, Membership, MoodleUserId, RoomAlias, RoomId
from ..domain.rooms import RoomKey
from ..ports import Facts, Store
from .pauses import sentence
from .planning import CoursePlanner, Prepared, PreparedRoom
from .troubles import Troubles

FREE = "May join through the space of the course, and has not done so yet."
NOT_THERE = frozenset({"unresolved", "waiting", "blocked", "unasked", "left", "declined", "banned"})
"""Kinds of notes about people who are enrolled and not in the room."""
DECLINED = frozenset({"declined"})
LEFT = frozenset({"left"})
BANNED = frozenset({"banned"})
NO_ACCOUNT = frozenset({"unresolved", "waiting", "blocked"})
FAILED = frozenset({"failed"})


@dataclass(frozen=True, slots=True)
class Missing:
    """Somebody who is enrolled and lacks a place in the room, or the level of the role, with the reason."""

    person: MoodleUserId
    name: str
    reason: str
    kind: str = ""
    """That of the plan's note; `failed` where the invite failed, `due` where it has not been sent yet."""


@dataclass(frozen=True, slots=True)
class RoomStatus:
    """The state of one room of a course. `expected`: who is invited there, or may join by themselves.

    Of the enrolled, `declined`: who has refused the invite. `left`: who has been in the room and left it by choice.
    `banned`: whom a moderator keeps out. `no_account`: who has none that can be invited. `failed`: whose invite failed.
    """

    key: RoomKey
    room_id: RoomId | None
    name: str
    alias: RoomAlias
    expected: int
    joined: int
    invited: int
    virtual: int
    to_do: int
    held: str
    declined: int = 0
    left: int = 0
    banned: int = 0
    no_account: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class CourseStatus:
    """The state of one course. Times are Unix seconds. `expected` = joined + invited + missing.

    `virtual`: for how many of those who are missing a virtual user holds the place. `without_level`: who is there or
    expected, and lacks the level of the role, with the reason. `guests`: people whom we know and did not invite.
    """

    course_id: CourseId
    shortname: str
    on: bool
    reason: str
    room_id: RoomId | None = None
    expected: int = 0
    joined: int = 0
    invited: int = 0
    missing: tuple[Missing, ...] = ()
    virtual: int = 0
    without_level: tuple[Missing, ...] = ()
    guests: int = 0
    to_do: int = 0
    held: str = ""
    last_sync: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    rooms: tuple[RoomStatus, ...] = ()
    """Every room of the course; the numbers above are those of the main room."""
    own_room: bool = False
    """Moodle itself has made a room for the course too, so it has two."""

    @property
    def declined(self) -> int:
        """Who has refused the invite."""
        return self._missing_by(DECLINED)

    @property
    def left(self) -> int:
        """Who has been in the room and left it by choice."""
        return self._missing_by(LEFT)

    @property
    def banned(self) -> int:
        """Whom a moderator keeps out."""
        return self._missing_by(BANNED)

    @property
    def no_account(self) -> int:
        """Who has no Matrix account that can be invited."""
        return self._missing_by(NO_ACCOUNT)

    @property
    def failed(self) -> int:
        """Whose invite failed."""
        return self._missing_by(FAILED)

    def _missing_by(self, kinds: frozenset[str]) -> int:
        return sum(1 for one in self.missing if one.kind in kinds)

    paused: str = ""
    """Why nothing is written for the course, as a sentence; empty where it is not paused."""
    phase: str = ""
    """What is different because the course has not begun, is hidden, or has ended, as a sentence; empty: nothing."""


class StatusReader:
    """Reads the status of courses."""

    def __init__(self, planner: CoursePlanner, store: Store, troubles: Troubles, facts: Facts) -> None:
        self._facts = facts
        self._troubles = troubles
        self._planner = planner
        self._store = store

    async def course(self, course_id: CourseId) -> CourseStatus | None:
        """One course, or None where it was never seen. Uses the facts in memory where there are any."""
        row = await self._store.courses.get(course_id)
        if row is None:
            return None
        pause = await self._store.pauses.of(course_id)
        paused = sentence(pause) if pause is not None else ""
        if not row.on:
            return CourseStatus(course_id, row.shortname, False, row.reason, paused=paused)
        prepared = await self._planner.prepare(course_id, not_older_than=0.0)
        main = prepared.main
        joined, invited, virtual = _count(main)
        why = self._why_missing(prepared, main)
        missing = await self._named(prepared, why)
        holds = [room.verdict.hold for room in prepared.rooms if room.verdict.hold is not None]
        return CourseStatus(
            course_id=course_id,
            shortname=row.shortname,
            on=True,
            reason=row.reason,
            room_id=main.room_id,
            expected=joined + invited + len(missing),
            joined=joined,
            invited=invited,
            missing=missing,
            virtual=virtual,
            without_level=await self._named(prepared, _untrusted(main)),
            guests=sum(1 for note in main.plan.notes if note.kind == "guest"),
            to_do=sum(len(room.plan.actions) for room in prepared.rooms),
            phase=prepared.course.stage.why,
            held=holds[0].reason if holds else self._facts.held.get(course_id, ""),
            last_sync=row.last_sync,
            last_error=row.last_error,
            last_error_at=row.last_error_at,
            own_room=bool(prepared.facts.course.own_room_url),
            paused=paused,
            rooms=tuple(self._rooms(prepared, why)),
        )

    def _rooms(self, prepared: Prepared, why: Mapping[MoodleUserId, tuple[str, str]]) -> Iterator[RoomStatus]:
        """How each room in use stands; `why`: who is missing in the main one."""
        for room in prepared.rooms:
            if room.key.retired:
                continue
            missing = dict(why)
            if room is not prepared.main:
                missing = _without_account(room, why) | self._why_missing(prepared, room)
            yield _room(room, missing.values())

    def _why_missing(self, prepared: Prepared, room: PreparedRoom) -> dict[MoodleUserId, tuple[str, str]]:
        """Who is enrolled and lacks a place in this room: the reason, and its kind as in `Missing`."""
        reasons = {
            note.person: (note.text, note.kind)
            for note in room.plan.notes
            if note.person is not None and note.kind in NOT_THERE and not _is_there(room, note.person)
        }
        for trouble in self._troubles.of(prepared.facts.course.id).values():
            action = trouble.action
            if trouble.step.room != room.key or not isinstance(action, Invite | ForceJoin):
                continue
            if not _is_there(room, action.person):
                reasons[action.person] = (
                    f"The invite failed and is tried again: {trouble.failure}",
                    "failed",
                )
        for member in room.desired.members.values():
            if member.virtual or member.person in reasons or _is_there(room, member.person):
                continue
            if member.required:
                reasons[member.person] = ("The invite has not been sent yet.", "due")
            elif member.free and member.welcome:
                reasons[member.person] = (FREE, "free")
            elif self._is_kept_out(prepared, member):
                reasons[member.person] = (prepared.course.stage.why, "phase")
        return reasons

    def _is_kept_out(self, prepared: Prepared, member: DesiredMember) -> bool:
        """Whether somebody would be invited if the course were in another phase of its life."""
        stage = prepared.course.stage
        is_simple = not member.guest and member.person not in prepared.course.course.treatments
        return is_simple and stage.invited is not Invited.EVERYBODY

    async def _named(
        self, prepared: Prepared, reasons: Mapping[MoodleUserId, tuple[str, str]]
    ) -> tuple[Missing, ...]:
        names = await self._store.people.names(list(reasons))
        return tuple(
            Missing(person, names.get(person) or _name(prepared, person), reason, kind)
            for person, (reason, kind) in sorted(reasons.items())
        )


def _without_account(
    room: PreparedRoom, of_course: Mapping[MoodleUserId, tuple[str, str]]
) -> dict[MoodleUserId, tuple[str, str]]:
    """Who belongs in this room and has no account; plans speak of these people in the main room alone."""
    return {
        person: reason
        for person, reason in of_course.items()
        if reason[1] in NO_ACCOUNT and person in room.desired.belonging
    }


def _room(room: PreparedRoom, missing: Collection[tuple[str, str]]) -> RoomStatus:
    """`missing`: why people are not there, a reason and its kind for each of them."""
    joined, invited, virtual = _count(room)
    expected = {
        member.person
        for member in room.desired.members.values()
        if not member.virtual and not member.guest and (member.required or member.free)
    }
    return RoomStatus(
        key=room.key,
        room_id=room.room_id,
        name=room.desired.name,
        alias=room.desired.alias,
        expected=len(expected),
        joined=joined,
        invited=invited,
        virtual=virtual,
        to_do=len(room.plan.actions),
        held=room.verdict.hold.reason if room.verdict.hold else "",
        declined=_of_kind(missing, DECLINED),
        left=_of_kind(missing, LEFT),
        banned=_of_kind(missing, BANNED),
        no_account=_of_kind(missing, NO_ACCOUNT),
        failed=_of_kind(missing, FAILED),
    )


def _untrusted(room: PreparedRoom) -> dict[MoodleUserId, tuple[str, str]]:
    """Who lacks the level of the role: the reason, and its kind."""
    return {
        note.person: (note.text, note.kind)
        for note in room.plan.notes
        if note.kind == "untrusted" and note.person is not None
    }


def _of_kind(missing: Collection[tuple[str, str]], kinds: frozenset[str]) -> int:
    return sum(1 for _, kind in missing if kind in kinds)


def _count(room: PreparedRoom) -> tuple[int, int, int]:
    """Joined, invited, and places held by virtual users."""
    members = room.actual.members if room.actual else {}
    desired = room.desired.members.items()
    own = [members[user].membership for user, member in desired if user in members and not member.virtual]
    virtual = sum(
        1
        for user, member in desired
        if member.virtual
        and user in members
        and members[user].membership is Membership.JOIN
        and not _is_there(room, member.person)
    )
    return own.count(Membership.JOIN), own.count(Membership.INVITE), virtual


def _is_there(room: PreparedRoom, person: MoodleUserId) -> bool:
    members = room.actual.members if room.actual else {}
    return any(
        member.person == person
        and not member.virtual
        and user in members
        and members[user].membership in (Membership.JOIN, Membership.INVITE)
        for user, member in room.desired.members.items()
    )


def _name(prepared: Prepared, person: MoodleUserId) -> str:
    found = prepared.facts.people.get(person)
    return found.full_name if found else f"Moodle user {person}"
