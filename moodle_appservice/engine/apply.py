"""Carrying out a plan, one request after the other, in slices.

A slice ends after so many actions or seconds, so that newer facts and more urgent keys get their turn. Each result
goes into the books before the next request, that of an invite while the next one is sent. The failure of one action
stops only what depends on it: without a room nobody can be invited, and who could not be invited keeps the account that
holds the place so far; but one person who can't be invited does not hold up the next. Whom a slice is to invite is
booked as intended before its first request, so that even a crash leaves nobody in a room who seems to be
somebody else's guest.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from ..domain.actions import (
    Action,
    Ban,
    CreateRoom,
    Export,
    ForceJoin,
    Invite,
    Join,
    MoveAlias,
    OfPerson,
    Purge,
    PutAlias,
    Remove,
    SetPower,
    SetState,
    Step,
    Unban,
)
from ..domain.markers import filled
from ..domain.model import CourseId, EventId, RoomAlias, RoomId, UserId
from ..domain.pace import ROOM
from ..domain.power import MARKER
from ..domain.rooms import RoomKey
from ..domain.rules import Rules
from ..errors import (
    AliasTaken,
    AlreadyThere,
    AppError,
    NotThere,
    PermanentFailure,
    TemporaryFailure,
    Unreachable,
)
from ..ports import UNOBSERVED, Before, Clock, Done, Matrix, Observer, RoomOffice, Store
from .bookings import Bookings
from .rooms import RoomFinder
from .troubles import after, name_of
from .waves import Waves

KICK_REASON = "Not a member of this course according to Moodle."
SPACE_REASON = "Not a member of this space according to Moodle."
SWAP_REASON = "Another account has this place now."
APART = Export | Purge  # these take long, so they go by themselves; see `waves`
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a slice may be: actions and seconds."""

    actions: int = 20
    seconds: float = 2.0


@dataclass(slots=True)
class SliceResult:
    """What a slice did. `left`: steps that were not begun. `failures`: those that did not work, in order.

    `rooms`: those that there are after it.
    """

    done: int = 0
    left: int = 0
    failures: list[tuple[Step, AppError]] = field(default_factory=list)
    rooms: dict[RoomKey, RoomId] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One slice under way. `before`: what the mirror knew of those who are invited, before the first request."""

    course_id: CourseId | None
    part: tuple[Step, ...]
    signal: str
    result: SliceResult
    alone: bool
    look: object
    before: dict[tuple[RoomId, UserId], Before] = field(default_factory=dict)
    bookings: Bookings = field(default_factory=Bookings)


class Masquerade(Protocol):
    """Acts as a virtual user of ours; see `ports.Accounts`."""

    async def join_as(self, room_id: RoomId, user_id: UserId) -> None:
        """A virtual user joins a room that it may join."""
        ...

    async def force_join(self, room_id: RoomId, user_id: UserId) -> None:
        """An account of our homeserver is put into a room. Raises `NoAdminRights`."""
        ...


class Hands:
    """Carries out steps of one key at a time; used by many workers at once for different keys."""

    def __init__(
        self,
        matrix: Matrix,
        accounts: Masquerade,
        store: Store,
        rooms: RoomFinder,
        rules: Rules,
        clock: Clock,
        limits: Limits,
        office: RoomOffice,
        waves: Waves,
        observer: Observer = UNOBSERVED,
        on_invited: Callable[[RoomKey, RoomId, Invite], None] | None = None,
    ) -> None:
        self._office = office
        self._observer = observer
        self._on_invited = on_invited
        self._matrix = matrix
        self._accounts = accounts
        self._store = store
        self._rooms = rooms
        self._rules = rules
        self._clock = clock
        self._limits = limits
        self._waves = waves

    async def slice(
        self,
        course_id: CourseId | None,
        rooms: Mapping[RoomKey, RoomId],
        steps: tuple[Step, ...],
        *,
        signal: str,
        alone: bool = False,
        look: object = None,
    ) -> SliceResult:
        """Carry out the first steps of a plan. `rooms`: those that there are; the ids of new ones are filled in.

        `alone`: somebody waits for it, so that no invite waits for those of other rooms. `look`: the slice is one of
        several of this look.

        Raises `TemporaryFailure` when the homeserver is the trouble, and what stops the making of the only room.
        """
        result = SliceResult(left=len(steps), rooms=dict(rooms))
        look_of_its_own = object()
        work = _Work(course_id, steps[: self._limits.actions], signal, result, alone, look or look_of_its_own)
        for room, room_id in rooms.items():
            await self._intend(room, room_id, work)
        try:
            await self._work_off(work)
        finally:
            self._waves.leave(look_of_its_own)
            await work.bookings.settle()
        return result

    @contextmanager
    def look(self, *, alone: bool) -> Iterator[object]:
        """One look, from its planning to its last slice: other rooms wait for its next invite, unless it is `alone`."""
        look = object()
        if not alone:
            self._waves.join(look)
        try:
            yield look
        finally:
            self._waves.leave(look)

    async def _work_off(self, work: _Work) -> None:
        ends = self._clock.now() + self._limits.seconds
        result, ids = work.result, work.result.rooms
        for step in work.part:
            if result.done and self._clock.now() >= ends:
                break
            if isinstance(step.action, APART):
                self._waves.leave(work.look)
            if not isinstance(step.action, Invite):
                await work.bookings.settle()
            if not _must_wait(step, result):
                step = Step(step.room, filled(step.action, ids))
                if isinstance(step.action, CreateRoom):
                    if not await self._make(step, step.action, work):
                        result.left -= 1
                        break
                elif step.room in ids:
                    await self._one(ids[step.room], step, work)
            result.left -= 1
            result.done += 1

    async def _intend(self, room: RoomKey, room_id: RoomId, work: _Work) -> None:
        """Book whom this slice is to let in, and see in one go what the mirror knows of those who are invited."""
        here = [step.action for step in work.part if step.room == room]
        invited = {
            action.matrix_id: action.person for action in here if isinstance(action, Invite | ForceJoin)
        }
        if not invited:
            return
        await self._store.ledger.intend(room_id, invited)
        # Where an account has more than one step, the one before its invite changes what the mirror knows.
        steps = Counter(action.matrix_id for action in here if isinstance(action, OfPerson))
        alone = [
            action.matrix_id for action in here if isinstance(action, Invite) and steps[action.matrix_id] == 1
        ]
        known = await self._store.mirror.members_before(room_id, alone)
        work.before.update({(room_id, user): before for user, before in known.items()})

    async def _make(self, step: Step, action: CreateRoom, work: _Work) -> bool:
        """Make a room; False where it was there already, so that everything is to be planned anew."""
        try:
            room_id = await self._create(action, work)
        except PermanentFailure as failure:
            if not work.result.rooms:
                raise
            work.result.failures.append((step, failure))
            return True
        if room_id is None:
            return False
        work.result.rooms[step.room] = room_id
        await self._intend(step.room, room_id, work)
        return True

    async def _create(self, action: CreateRoom, work: _Work) -> RoomId | None:
        try:
            async with self._turn(work, action):
                room_id = await self._matrix.create_room(action.content)
        except AliasTaken:
            await self._rooms.take_alias(action.room, action.alias, generation=_generation(action))
            return None
        except AppError as failure:
            await self._book(action, RoomId(""), work, error=failure)
            raise
        await self._book(action, room_id, work)
        log.info("There is the new room %s: %s.", room_id, action.room)
        return room_id

    async def _one(self, room_id: RoomId, step: Step, work: _Work) -> None:
        action = step.action
        before = await self._before(room_id, action, work)
        try:
            async with self._turn(work, action):
                event_id = await self._request(step.room, room_id, action)
        except (AlreadyThere, NotThere) as surprise:
            await self._store.mirror.mark_stale(room_id)
            raise TemporaryFailure(f"{surprise}", retry_after=0) from None
        except Unreachable:
            raise
        except AppError as failure:
            await work.bookings.settle()
            await self._book(action, room_id, work, error=failure)
            work.result.failures.append((step, failure))
            return
        if isinstance(action, Invite):
            await work.bookings.begin(self._book_invite(step.room, room_id, action, work, before))
        else:
            await self._book(action, room_id, work, event_id=event_id, before=before)

    async def _book_invite(
        self, room: RoomKey, room_id: RoomId, action: Invite, work: _Work, before: Before
    ) -> None:
        await self._book(action, room_id, work, before=before)
        if self._on_invited is not None:
            self._on_invited(room, room_id, action)

    def _turn(self, work: _Work, action: Action) -> AbstractAsyncContextManager[None]:
        """With other rooms, or at once where somebody waits."""
        if work.alone or isinstance(action, APART):
            return self._waves.at_once()
        return self._waves.turn(work.look, weight=ROOM if isinstance(action, CreateRoom) else 1.0)

    async def _request(self, room: RoomKey, room_id: RoomId, action: Action) -> EventId | None:
        match action:
            case SetState(event_type, state_key, content):
                return await self._matrix.set_state(room_id, event_type, state_key, content)
            case SetPower(content):
                return await self._matrix.set_state(room_id, "m.room.power_levels", "", content)
            case MoveAlias(alias):
                await self._move(room_id, alias)
            case Export():
                await self._office.export(room_id, room)
            case Purge():
                await self._office.purge(room_id)
            case Invite(matrix_id):
                await self._matrix.invite(room_id, matrix_id)
            case Join(matrix_id, invite=invite):
                if invite:
                    await self._matrix.invite(room_id, matrix_id)
                await self._accounts.join_as(room_id, matrix_id)
            case ForceJoin(matrix_id):
                await self._accounts.force_join(room_id, matrix_id)
            case Remove(matrix_id, instead=instead):
                # The whole room can read it, so it says nothing about the person.
                await self._matrix.kick(
                    room_id, matrix_id, _kick_reason(room) if instead is None else SWAP_REASON
                )
            case Ban(matrix_id):
                await self._matrix.ban(room_id, matrix_id, _kick_reason(room))
            case Unban(matrix_id):
                await self._matrix.unban(room_id, matrix_id)
            case PutAlias(alias):
                await self._matrix.put_alias(alias, room_id)
            case CreateRoom():
                raise AssertionError("a room is made by _create")
            case _ as unreachable:
                assert_never(unreachable)
        return None

    async def _move(self, room_id: RoomId, alias: RoomAlias) -> None:
        """Each request by itself leaves something from which the next look goes on."""
        leads_to = await self._matrix.resolve_alias(alias)
        if leads_to == room_id:
            return
        if leads_to is not None:
            await self._matrix.delete_alias(alias)
        await self._matrix.put_alias(alias, room_id)

    async def _before(self, room_id: RoomId, action: Action, work: _Work) -> Before:
        if isinstance(action, Invite) and (room_id, action.matrix_id) in work.before:
            return work.before[room_id, action.matrix_id]
        if isinstance(action, OfPerson):
            return await self._store.mirror.before(room_id, "m.room.member", action.matrix_id)
        match action:
            case SetPower():
                return await self._store.mirror.before(room_id, "m.room.power_levels", "")
            case SetState(event_type, state_key):
                return await self._store.mirror.before(room_id, event_type, state_key)
            case CreateRoom() | PutAlias() | MoveAlias() | Export() | Purge():
                return Before(None, False)
            case _ as unreachable:
                assert_never(unreachable)

    async def _book(
        self,
        action: Action,
        room_id: RoomId,
        work: _Work,
        *,
        error: AppError | None = None,
        event_id: EventId | None = None,
        before: Before | None = None,
    ) -> None:
        self._observer.acted(type(action).__name__, "done" if error is None else "failed")
        reference = ""
        if error is not None:
            reference = secrets.token_hex(4)
            log.warning(
                "%s failed in room %s of course %s [%s]: %s",
                type(action).__name__,
                room_id or "(none yet)",
                work.course_id or "(none)",
                reference,
                error,
            )
        done = Done(
            action=action,
            room_id=room_id,
            course_id=work.course_id,
            at=self._clock.now(),
            signal=work.signal,
            error=str(error) if error else None,
            event_id=event_id,
            before=before or Before(None, False),
            reference=reference,
        )
        await self._store.ledger.record(done)


def _kick_reason(room: RoomKey) -> str:
    return KICK_REASON if room.course_id is not None else SPACE_REASON


def _must_wait(step: Step, result: SliceResult) -> bool:
    """Whether what this step depends on has just failed."""
    return bool(after(step) & {name_of(failed) for failed, _ in result.failures})


def _generation(action: CreateRoom) -> int:
    """How often the room's key has been given a room, as the marker of the new one says."""
    states = action.content.get("initial_state", ())
    return next((state["content"].get("generation", 1) for state in states if state["type"] == MARKER), 1)
