"""Carrying out a plan, one request after the other, in slices.

A slice ends after so many actions or seconds, so that newer facts and more urgent keys get their turn. Each result
goes into the books before the next request. The failure of one action stops only what depends on it: without a room
nobody can be invited, and who could not be invited keeps the account that holds the place so far; but one person who
can't be invited does not hold up the next. Whom a slice is to invite is booked as intended before its first request,
so that even a crash leaves nobody in a room who seems to be somebody else's guest.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from ..domain.actions import (
    Action,
    Ban,
    CreateRoom,
    Invite,
    Join,
    OfPerson,
    Remove,
    SetPower,
    SetState,
    Unban,
)
from ..domain.model import CourseId, EventId, RoomId, UserId
from ..domain.rules import Rules
from ..errors import AliasTaken, AlreadyThere, AppError, NotThere, TemporaryFailure, Unreachable
from ..ports import Before, Clock, Done, Matrix, Store
from .rooms import RoomFinder
from .troubles import after, name_of

KICK_REASON = "Not a member of this course according to Moodle."
SWAP_REASON = "Another account has this place now."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a slice may be: actions and seconds."""

    actions: int = 20
    seconds: float = 2.0


@dataclass(slots=True)
class SliceResult:
    """What a slice did. `left`: actions that were not begun. `failures`: those that did not work, in order."""

    done: int = 0
    left: int = 0
    failures: list[tuple[Action, AppError]] = field(default_factory=list)


class Masquerade(Protocol):
    """Acts as a virtual user of ours; see `ports.Accounts`."""

    async def join_as(self, room_id: RoomId, user_id: UserId) -> None:
        """A virtual user joins a room that it may join."""
        ...


class Hands:
    """Carries out actions of one course at a time; used by many workers at once for different courses."""

    def __init__(
        self,
        matrix: Matrix,
        accounts: Masquerade,
        store: Store,
        rooms: RoomFinder,
        rules: Rules,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._matrix = matrix
        self._accounts = accounts
        self._store = store
        self._rooms = rooms
        self._rules = rules
        self._clock = clock
        self._limits = limits

    async def slice(
        self,
        course_id: CourseId,
        room_id: RoomId | None,
        actions: tuple[Action, ...],
        *,
        signal: str,
    ) -> SliceResult:
        """Carry out the first actions of a plan. Raises `TemporaryFailure` when the homeserver is the trouble."""
        result = SliceResult(left=len(actions))
        ends = self._clock.now() + self._limits.seconds
        part = actions[: self._limits.actions]
        if room_id is not None:
            await self._intend(room_id, part)
        for action in part:
            if result.done and self._clock.now() >= ends:
                break
            if isinstance(action, CreateRoom):
                room_id = await self._create(action, signal=signal)
                if room_id is not None:
                    await self._intend(room_id, part)
            elif room_id is not None and not _must_wait(action, result):
                await self._one(course_id, room_id, action, signal, result)
            result.left -= 1
            if room_id is None:
                break
            result.done += 1
        return result

    async def _intend(self, room_id: RoomId, actions: tuple[Action, ...]) -> None:
        invited = {action.matrix_id: action.person for action in actions if isinstance(action, Invite)}
        if invited:
            await self._store.ledger.intend(room_id, invited)

    async def _create(self, action: CreateRoom, *, signal: str) -> RoomId | None:
        try:
            room_id = await self._matrix.create_room(action.content)
        except AliasTaken:
            await self._rooms.take_alias(action.course_id, action.alias)
            return None
        except AppError as failure:
            await self._book(action, RoomId(""), action.course_id, signal, error=failure)
            raise
        await self._book(action, room_id, action.course_id, signal)
        log.info("Course %d has the new room %s.", action.course_id, room_id)
        return room_id

    async def _one(
        self, course_id: CourseId, room_id: RoomId, action: Action, signal: str, result: SliceResult
    ) -> None:
        before = await self._before(room_id, action)
        try:
            event_id = await self._request(room_id, action)
        except (AlreadyThere, NotThere) as surprise:
            await self._store.mirror.mark_stale(room_id)
            raise TemporaryFailure(f"{surprise}", retry_after=0) from None
        except Unreachable:
            raise
        except AppError as failure:
            await self._book(action, room_id, course_id, signal, error=failure)
            result.failures.append((action, failure))
            return
        await self._book(action, room_id, course_id, signal, event_id=event_id, before=before)

    async def _request(self, room_id: RoomId, action: Action) -> EventId | None:
        match action:
            case SetState(event_type, state_key, content):
                return await self._matrix.set_state(room_id, event_type, state_key, content)
            case SetPower(content):
                return await self._matrix.set_state(room_id, "m.room.power_levels", "", content)
            case Invite(matrix_id):
                await self._matrix.invite(room_id, matrix_id)
                return None
            case Join(matrix_id, invite=invite):
                if invite:
                    await self._matrix.invite(room_id, matrix_id)
                await self._accounts.join_as(room_id, matrix_id)
                return None
            case Remove(matrix_id, instead=instead):
                # The whole room can read it, so it says nothing about the person.
                await self._matrix.kick(room_id, matrix_id, KICK_REASON if instead is None else SWAP_REASON)
                return None
            case Ban(matrix_id):
                await self._matrix.ban(room_id, matrix_id, KICK_REASON)
                return None
            case Unban(matrix_id):
                await self._matrix.unban(room_id, matrix_id)
                return None
            case CreateRoom():
                raise AssertionError("a room is made by _create")
            case _ as unreachable:
                assert_never(unreachable)

    async def _before(self, room_id: RoomId, action: Action) -> Before:
        if isinstance(action, OfPerson):
            return await self._store.mirror.before(room_id, "m.room.member", action.matrix_id)
        match action:
            case SetPower():
                return await self._store.mirror.before(room_id, "m.room.power_levels", "")
            case SetState(event_type, state_key):
                return await self._store.mirror.before(room_id, event_type, state_key)
            case CreateRoom():
                return Before(None, False)
            case _ as unreachable:
                assert_never(unreachable)

    async def _book(
        self,
        action: Action,
        room_id: RoomId,
        course_id: CourseId,
        signal: str,
        *,
        error: AppError | None = None,
        event_id: EventId | None = None,
        before: Before | None = None,
    ) -> None:
        reference = ""
        if error is not None:
            reference = secrets.token_hex(4)
            log.warning(
                "%s failed for course %d [%s]: %s", type(action).__name__, course_id, reference, error
            )
        done = Done(
            action=action,
            room_id=room_id,
            course_id=course_id,
            at=self._clock.now(),
            signal=signal,
            error=str(error) if error else None,
            event_id=event_id,
            before=before or Before(None, False),
            reference=reference,
        )
        await self._store.ledger.record(done, bot=self._rules.bot)


def _must_wait(action: Action, result: SliceResult) -> bool:
    """Whether what this action depends on has just failed."""
    return bool(after(action) & {name_of(failed) for failed, _ in result.failures})
