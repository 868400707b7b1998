"""The key of a course whose rooms are not to go on: what was decided is carried out in them, without Moodle's list.

The rooms are planned from what they are. An archive marks and silences them; a release gives level 100 to the named
people where nobody could administer a room, and touches nothing else; an export and a deletion take every generation.
Each step may be cut short: the next look goes on with what is left.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from ..domain.actions import Action, Export, Plan, Purge, SetPower, Step
from ..domain.ending import Ending, administrators, archived_room, handed_over, top_of
from ..domain.ledger import Ledger
from ..domain.model import ActualRoom, CourseId, RoomId
from ..domain.plan import plan_room, steps_of
from ..domain.rooms import RoomKey
from ..domain.rules import Rules
from ..errors import PermanentFailure
from ..ports import Clock, CourseRow, EndingRow, OwnRoom, Store, Taken
from .apply import Hands
from .gate import Gate
from .rooms import RoomFinder
from .troubles import Troubles

log = logging.getLogger(__name__)
NOBODY_LEFT = (
    "Nobody could administer these rooms after a release, because nobody but the bot may change levels there: {rooms}. "
    "Nothing was changed. Name somebody who is in them: moodle-appservice course release {course} --to @NAME:SERVER"
)


class Departed:
    """Carries out the ending of one course."""

    def __init__(
        self,
        finder: RoomFinder,
        hands: Hands,
        store: Store,
        gate: Gate,
        troubles: Troubles,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._finder = finder
        self._hands = hands
        self._store = store
        self._gate = gate
        self._troubles = troubles
        self._rules = rules
        self._clock = clock

    async def run(self, row: CourseRow, taken: Taken) -> bool:
        """One look; False where the key must come back at once. Raises what stops the whole ending."""
        ending = await self._store.endings.get(row.id)
        if ending is None or ending.done_at is not None or await self._is_held(row.id):
            return True
        await self._gate.open()
        epoch = self._gate.epoch
        rooms = await self._store.ledger.generations(row.id) or {}
        rooms = _named_as_now(rooms)
        actual, _ = await self._finder.look(rooms)
        steps = await self._steps(ending, rooms, actual)
        self._troubles.keep_only(row.id, steps)
        due = self._troubles.due(row.id, steps, now=self._clock.now())
        if due:
            if not await self._gate.before_writes(epoch):
                return False
            ids = {key: own.room_id for key, own in rooms.items()}
            result = await self._hands.slice(row.id, ids, due, signal=",".join(sorted(taken.signals)))
            for step, failure in result.failures:
                self._troubles.add(row.id, step, failure, now=self._clock.now())
            if result.failures:
                raise result.failures[0][1]
            return False
        if steps:
            raise next(iter(self._troubles.of(row.id).values())).failure
        await self._finish(row, ending)
        return True

    async def _is_held(self, course_id: CourseId) -> bool:
        rows = await self._store.journal.held(course_id)
        return any(not row.users and not row.confirmed for row in rows)

    async def _steps(
        self, ending: EndingRow, rooms: Mapping[RoomKey, OwnRoom], actual: Mapping[RoomKey, ActualRoom]
    ) -> tuple[Step, ...]:
        match ending.ending:
            case Ending.ARCHIVE:
                ours = frozenset(await self._store.ledger.every())
                return self._archive(ending, actual, ours)
            case Ending.RELEASE:
                return self._release(ending, actual)
            case Ending.EXPORT:
                done = await self._exported(ending)
                return tuple(
                    Step(key, Export(ending.why)) for key, own in rooms.items() if own.room_id not in done
                )
            case Ending.DELETE:
                # What hangs in the space goes before the space.
                order = sorted(rooms, key=lambda key: key.rank, reverse=True)
                return tuple(Step(key, Purge(ending.why)) for key in order)
            case _ as unreachable:
                assert_never(unreachable)

    def _archive(
        self, ending: EndingRow, actual: Mapping[RoomKey, ActualRoom], ours: frozenset[RoomId]
    ) -> tuple[Step, ...]:
        top = top_of(list(actual))
        plans: list[tuple[Plan, Sequence[Action]]] = []
        for key, room in actual.items():
            is_top = key.kind is top and not key.retired
            desired = archived_room(key, room, self._rules, is_top=is_top, why=ending.why)
            plan = plan_room(desired, room, Ledger(), {}, self._rules, ours=ours)
            plans.append((plan, plan.actions))
        return steps_of(plans)

    def _release(self, ending: EndingRow, actual: Mapping[RoomKey, ActualRoom]) -> tuple[Step, ...]:
        steps, lonely = [], []
        for key, room in actual.items():
            if key.retired or administrators(room, self._rules.bot):
                continue
            content = handed_over(room, ending.named, self._rules.bot)
            if content is None:
                lonely.append(str(key))
            else:
                why = "The room is released, and nobody could administer it."
                steps.append(Step(key, SetPower(content, {}, why)))
        if lonely:
            raise PermanentFailure(NOBODY_LEFT.format(rooms=", ".join(lonely), course=ending.course_id))
        return tuple(steps)

    async def _exported(self, ending: EndingRow) -> set[RoomId]:
        """The rooms that were written down since this was decided."""
        lines = await self._store.journal.audit(course_id=ending.course_id, limit=1000)
        return {
            line.room_id
            for line in lines
            if line.kind == Export.__name__
            and line.result == "done"
            and line.at >= ending.booked_at
            and line.room_id is not None
        }

    async def _finish(self, row: CourseRow, ending: EndingRow) -> None:
        now = self._clock.now()
        if ending.ending is Ending.RELEASE:
            reason = "It was released: its rooms are not managed any more (course manage takes them back)."
            await self._store.courses.save([replace(row, on=False, released=True, reason=reason)])
        await self._store.endings.done(row.id, at=now)
        await self._store.courses.synced(row.id, at=now)
        await self._store.journal.note(
            f"Ended{ending.ending.capitalize()}", at=now, why=ending.why, course_id=row.id, signal="ending"
        )
        log.info("Course %d: %s is done. %s", row.id, ending.ending, ending.why)


def _named_as_now(rooms: Mapping[RoomKey, OwnRoom]) -> dict[RoomKey, OwnRoom]:
    """Of every generation, the newest of each key under that key itself."""
    newest: dict[RoomKey, int] = {}
    for key in rooms:
        newest[key.current] = max(newest.get(key.current, 0), key.retired)
    return {
        key.current if key.retired == newest[key.current] else key: own
        for key, own in sorted(rooms.items(), key=lambda item: item[0].rank)
    }
