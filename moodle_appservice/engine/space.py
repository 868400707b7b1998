"""The `space` key: the space of the site (0) or of a category, from the tree to requests.

It makes the space, hangs into it what belongs there in Moodle's order, and invites to the space of the site. Only this
key writes `m.space.child` of a space above courses; what hangs in it names it as its parent by a key of its own. A
space is made after the one above it, so that it is born with its parent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..domain.actions import CreateRoom, Step, takes_out
from ..domain.holds import REMOVAL_CAUSES, Cause
from ..domain.ledger import Ledger
from ..domain.model import ActualRoom, CourseId, MoodleUserId, RoomId, SiteFacts, UserId
from ..domain.plan import CHILD, PARENT, plan_room, steps_of
from ..domain.rooms import SITE_SPACE, RoomKey
from ..domain.rules import Rules
from ..domain.safety import judge
from ..domain.spaces import Grove, desired_space, print_of_space
from ..domain.tree import Tree
from ..domain.visitors import Visitor, Visitors, visitors_of
from ..errors import PermanentFailure
from ..ports import Clock, OwnRoom, Priority, Queue, Store, Taken, space_key, space_of
from .apply import Hands
from .course import Outcome
from .freshness import tries_again
from .gate import Gate
from .planning import PreparedRoom, Rights, left_alone
from .returning import Returning
from .rooms import RoomFinder
from .tree import SIGNAL, SpaceTree
from .troubles import SpaceTroubles

_LINKS = (CHILD, PARENT)
OF_SITE = CourseId(0)
"""Under this number the holds of spaces are booked: no course has it."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedSpace:
    """A space with its plan and everything that this was made from. `digest`: of all that, see `print_of_space`."""

    room: PreparedRoom
    grove: Grove
    digest: int

    @property
    def key(self) -> RoomKey:
        """Which space it is."""
        return self.room.key

    @property
    def ids(self) -> dict[RoomKey, RoomId]:
        """The space itself, where it is made."""
        return {self.key: self.room.room_id} if self.room.room_id is not None else {}

    @property
    def steps(self) -> tuple[Step, ...]:
        """What may be carried out, in order."""
        return steps_of([(self.room.plan, self.room.verdict.actions)])


class SpacePlanner:
    """Plans spaces above courses. Writes nothing; reads the homeserver only for distrusted rooms."""

    def __init__(
        self,
        tree: SpaceTree,
        store: Store,
        rooms: RoomFinder,
        rules: Rules,
        clock: Clock,
        rights: Rights | None = None,
    ) -> None:
        self._tree = tree
        self._store = store
        self._rooms = rooms
        self._rules = rules
        self._clock = clock
        self._rights = rights

    async def all(self, site: SiteFacts, tree: Tree) -> list[PreparedSpace]:
        """Every space that there is, or that is to be made, from the top down."""
        spaces = sorted({*tree.spaces, *await self._store.spaces.spaces()}, key=lambda key: key.rank)
        found = [await self.prepare(space, await self._tree.around(space, site, tree)) for space in spaces]
        return [one for one in found if one is not None]

    async def prepare(self, space: RoomKey, grove: Grove) -> PreparedSpace | None:
        """Plan one space; None where there is none, and none is wanted. Raises what the reading raises."""
        room_id = await self._rooms.find_space(space)
        found, absent = await self._rooms.look({space: OwnRoom(room_id)} if room_id is not None else {})
        actual = found.get(space)
        if actual is None and space not in grove.tree.spaces:
            return None
        if space in absent:
            desired = desired_space(space, grove, absent[space].last, Visitors(), self._rules)
            return PreparedSpace(left_alone(desired, absent[space]), grove, 0)
        ledger = await self._store.ledger.read(room_id) if room_id else Ledger()
        known = await self._known(actual)
        concerned = await self._tree.concerned(grove.ids.get(SITE_SPACE))
        newcomers = concerned.newcomers if space == SITE_SPACE else frozenset()
        visitors = await self._visitors(space, actual, known, newcomers)
        rules = await self._possible()
        desired = desired_space(space, grove, actual, visitors, rules)
        plan = plan_room(desired, actual, ledger, known, rules, ours=await self._ours(actual, grove))
        verdict = judge(plan, desired, actual, rules, confirmed=await self._confirmed(room_id))
        digest = print_of_space(space, grove, concerned.of(space, room_id))
        return PreparedSpace(PreparedRoom(desired, room_id, actual, plan, verdict), grove, digest)

    async def _known(self, actual: ActualRoom | None) -> dict[UserId, MoodleUserId]:
        if actual is None:
            return {}
        places = await self._store.ledger.places(actual.room_id)
        return {**places, **await self._store.people.by_matrix_id(list(actual.members))}

    async def _visitors(
        self,
        space: RoomKey,
        actual: ActualRoom | None,
        known: Mapping[UserId, MoodleUserId],
        newcomers: frozenset[MoodleUserId],
    ) -> Visitors:
        rows = await self._store.people.look_up({*known.values(), *newcomers})
        people = {
            person: Visitor(
                person,
                row.resolution.matrix_id,
                row.resolution.invitable is not None,
                row.username,
                row.unusable_since,
            )
            for person, row in rows.items()
        }
        members = actual.members if actual else {}
        is_site, now = space == SITE_SPACE, self._clock.now()
        return visitors_of(members, known, people, newcomers, self._rules, now, invites=is_site)

    async def _ours(self, actual: ActualRoom | None, grove: Grove) -> frozenset[RoomId]:
        """The rooms that we may take out of the space, or out of which we may take it.

        A course that Moodle shows only from the outside stays where it is.
        """
        if actual is None:
            return frozenset()
        hanging = {RoomId(key) for (kind, key), content in actual.state.items() if kind in _LINKS and content}
        keys = await self._store.ledger.keys_of(hanging)
        unreadable = {room_id for room_id, key in keys.items() if key.course_id in grove.site.unreadable}
        return (frozenset(keys) | await self._store.spaces.hung_by_bot(actual.room_id)) - unreadable

    async def _confirmed(self, room_id: RoomId | None) -> dict[Cause, frozenset[str]]:
        held = await self._store.journal.held(OF_SITE)
        return {row.cause: row.users for row in held if row.confirmed and row.room_id == room_id}

    async def _possible(self) -> Rules:
        if self._rules.how != "join" or self._rights is None or (await self._rights()).force_join:
            return self._rules
        return replace(self._rules, how="invite")


class SpaceSync:
    """One look at one space."""

    def __init__(
        self,
        planner: SpacePlanner,
        tree: SpaceTree,
        hands: Hands,
        store: Store,
        queue: Queue,
        gate: Gate,
        clock: Clock,
        troubles: SpaceTroubles,
        returning: Returning,
    ) -> None:
        self._returning = returning
        self._planner = planner
        self._tree = tree
        self._hands = hands
        self._store = store
        self._queue = queue
        self._gate = gate
        self._clock = clock
        self._troubles = troubles

    async def run(self, taken: Taken) -> Outcome:
        """Plan and carry out one slice. `MORE`: the key must come back at once.

        Raises `PermanentFailure` where the bot is not in the space any more.
        """
        space = space_of(taken.key)
        self._tree.unsettle(space)
        if tries_again(taken):
            self._troubles.hurry(space, now=self._clock.now())
        grove = await self._tree.grove(space)
        if grove is None:
            # The pass says what is wrong; when it is content, it looks at every space.
            return Outcome.DONE
        await self._gate.open()
        epoch = self._gate.epoch
        prepared = await self._planner.prepare(space, grove)
        if prepared is None:
            return Outcome.DONE
        if await self._returning.settle([prepared.room]):
            return Outcome.MORE
        if prepared.room.absent is not None:
            raise PermanentFailure(prepared.room.absent.sentence)
        above = grove.waits_for(space)
        for other in above:
            await self._queue.add(space_key(other), priority=Priority.HINT, signal=SIGNAL)
        if above:
            return Outcome.WAITING
        await self._book(prepared)
        return await self._carry_out(prepared, taken, epoch)

    async def _book(self, prepared: PreparedSpace) -> None:
        """What the space tells our books, and what is held, or is not any more."""
        room, room_id = prepared.room, prepared.room.room_id
        if room_id is None:
            return
        now, holds = self._clock.now(), {hold.cause: hold for hold in room.verdict.holds}
        held = {row.cause: row for row in await self._store.journal.held(OF_SITE) if row.room_id == room_id}
        for cause, row in held.items():
            under_way = row.confirmed and cause in REMOVAL_CAUSES and room.plan.removals
            if cause not in holds and not under_way:
                await self._store.journal.clear_hold(room_id, cause)
        for cause, hold in holds.items():
            if cause not in held:
                log.warning("%s: %d people are held. %s", room.key, len(hold.users), hold.reason)
            await self._store.journal.hold(OF_SITE, room_id, hold.users, hold.reason, at=now, cause=cause)
        bookings = room.plan.bookings
        if bookings.found or bookings.banned:
            both = {**bookings.found, **bookings.banned}
            await self._store.ledger.found(room_id, both, bans=bookings.banned, at=now)
        if bookings.unwanted and not holds:
            await self._store.ledger.unwanted(room_id, bookings.unwanted, at=now)

    async def _carry_out(self, prepared: PreparedSpace, taken: Taken, epoch: int) -> Outcome:
        key = prepared.key
        self._troubles.keep_only(key, prepared.steps)
        steps = self._troubles.due(key, prepared.steps, now=self._clock.now())
        if steps:
            if not await self._gate.before_writes(epoch):
                return Outcome.MORE
            signal = ",".join(sorted(taken.signals))
            alone = taken.priority <= Priority.HINT
            result = await self._hands.slice(None, prepared.ids, steps, signal=signal, alone=alone)
            failed = [step for step, _ in result.failures]
            for step in steps[: len(steps) - result.left]:
                if step not in failed:
                    self._troubles.solved(key, step)
            for step, failure in result.failures:
                self._troubles.add(key, step, failure, now=self._clock.now())
            if result.left or not result.done or _asks_for_more(steps):
                return Outcome.MORE
        await self._finish(prepared)
        return Outcome.DONE

    async def _finish(self, prepared: PreparedSpace) -> None:
        """All that could be done is done; what hangs together with the space is made due where it must know."""
        key, room_id = prepared.key, prepared.room.room_id
        troubles = list(self._troubles.of(key).values())
        if not troubles and prepared.room.verdict.hold is None:
            self._tree.settle(key, prepared.digest)
        if room_id is not None:
            await self._tell_above(prepared, room_id)
            await self._tree.look_below(key, room_id, prepared.grove)
        next_look = prepared.room.plan.next_look
        if next_look is not None:
            await self._come_again(key, "moment", next_look)
        if troubles:
            await self._come_again(key, "retry", min(trouble.retry_at for trouble in troubles))

    async def _come_again(self, key: RoomKey, signal: str, at: float) -> None:
        await self._queue.add(space_key(key), priority=Priority.PASS, signal=signal, not_before=at)

    async def _tell_above(self, prepared: PreparedSpace, room_id: RoomId) -> None:
        parent = prepared.grove.tree.parents.get(prepared.key)
        above = prepared.grove.ids.get(parent) if parent is not None else None
        if parent is not None and above is not None and not await self._store.spaces.hangs_in(above, room_id):
            await self._queue.add(space_key(parent), priority=Priority.HINT, signal=SIGNAL)


def _asks_for_more(steps: tuple[Step, ...]) -> bool:
    """Whether the space is to be looked at once more: it has an id now, or what was held may be done."""
    return any(isinstance(step.action, CreateRoom) or takes_out(step.action) for step in steps)
