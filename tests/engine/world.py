"""The engine as the composition root builds it, over fakes and a real SQLite store; tests turn its keys by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, EventId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.domain.turns import TurnRules
from moodle_appservice.engine.accounts import AccountKeeper
from moodle_appservice.engine.apply import Hands, Limits
from moodle_appservice.engine.avatars import AvatarKeeper
from moodle_appservice.engine.course import CourseSync, Outcome
from moodle_appservice.engine.course_images import CourseImages
from moodle_appservice.engine.departed import Departed
from moodle_appservice.engine.direct import DirectChats
from moodle_appservice.engine.endings import Endings
from moodle_appservice.engine.freshness import Freshness, continued
from moodle_appservice.engine.gate import Gate
from moodle_appservice.engine.holds import Holds
from moodle_appservice.engine.lifecycle import Lifecycle
from moodle_appservice.engine.operations import Operations
from moodle_appservice.engine.people import PersonFinder
from moodle_appservice.engine.picture_turns import PictureTurns
from moodle_appservice.engine.planning import CoursePlanner
from moodle_appservice.engine.queues.memory import MemoryQueue
from moodle_appservice.engine.recovery import Recovery
from moodle_appservice.engine.replacing import Replacing
from moodle_appservice.engine.returning import Returning
from moodle_appservice.engine.rooms import RoomFinder
from moodle_appservice.engine.settled import Settled
from moodle_appservice.engine.signals import Pushed
from moodle_appservice.engine.site import SitePass
from moodle_appservice.engine.space import SpacePlanner, SpaceSync
from moodle_appservice.engine.status import StatusReader
from moodle_appservice.engine.tree import SpaceTree
from moodle_appservice.engine.troubles import SpaceTroubles, Troubles
from moodle_appservice.engine.turns import Budget, Turns
from moodle_appservice.engine.waiting import WaitingList
from moodle_appservice.engine.waves import Waves
from moodle_appservice.engine.worker import Workers
from moodle_appservice.ports import SITE, AuditRow, CourseRow, Key, Priority, Taken, course_key
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.domain import values
from tests.empty_database import put_empty_database
from tests.fake_accounts import FakeAccounts, FakePictureList, FakePictures
from tests.fakes import FakeClock, FakeFacts, FakeHomeserver


class World:
    """Everything, put together. `limits` of a slice and `patience` of the gate count from the next `rebuild` on."""

    def __init__(self, database: Path, **rules: object) -> None:
        self.rules = values.rules(rules)
        self.clock = FakeClock()
        self.facts = FakeFacts(self.clock)
        self.matrix = FakeHomeserver(self.rules)
        self.accounts = FakeAccounts(self.clock)
        self.pictures = FakePictures()
        put_empty_database(database)
        self.db = Db(f"sqlite:{database}")
        self.store = Books(self.db, bot=self.rules.bot, prefix="!")
        self.commands: list[EventId] = []
        self.picture_list: FakePictureList | None = None
        """Where the facts tell no pictures, as reports do."""
        self.limits = Limits()
        self.is_crowded = False
        self.patience = 0.05
        self.turn_rules: TurnRules | None = None
        self.budget: Budget | None = None
        self.rebuild()

    def rebuild(self) -> None:
        """The engine anew, as after a restart: only database, homeserver and Moodle stay."""
        self.queue = MemoryQueue(self.clock)
        self.gate = Gate(self.matrix, self.store, self.rules, patience=self.patience)
        self.rooms = RoomFinder(self.matrix, self.store, self.rules, self.clock)
        images = CourseImages(self.pictures, self.matrix, self.store.settings)
        self.planner = CoursePlanner(
            *(self.facts, self.store, self.rooms, self.rules, self.clock, self.accounts.rights),
            images=images,
        )
        hands = Hands(
            *(
                self.matrix,
                self.matrix,
                self.store,
                self.rooms,
                self.rules,
                self.clock,
                self.limits,
                self.matrix,
                Waves(lambda: 16, lambda: 16),
            )
        )
        self.freshness, self.troubles, self.settled = Freshness(), Troubles(), Settled()
        self.tree = SpaceTree(self.facts, self.store, self.queue, self.rules, self.clock)
        self.replacing = Replacing(self.matrix, self.store, self.queue, self.rules, self.clock)
        self.returning = Returning(
            *(self.matrix, self.matrix, self.store, self.rooms, self.replacing, self.rules, self.clock)
        )
        self.endings = Endings(self.store, self.queue, self.rules, self.clock)
        self.life = Lifecycle(self.store, self.queue, self.rules, self.clock)
        departed = Departed(
            *(self.rooms, hands, self.store, self.gate, self.troubles, self.rules, self.clock)
        )
        self.courses = CourseSync(
            self.planner,
            hands,
            self.store,
            self.queue,
            self.gate,
            self.clock,
            self.freshness,
            self.troubles,
            self.settled,
            self.returning,
            departed,
            images=images,
            tree=self.tree,
            is_crowded=lambda: self.is_crowded,
        )
        self.space_planner = SpacePlanner(
            self.tree, self.store, self.rooms, self.rules, self.clock, self.accounts.rights
        )
        self.space_troubles = SpaceTroubles()
        self.spaces = SpaceSync(
            *(self.space_planner, self.tree, hands, self.store, self.queue, self.gate, self.clock),
            *(self.space_troubles, self.returning),
        )
        rules = self.turn_rules
        self.turns = Turns(self.store, self.clock, rules, self.budget) if rules else None
        listing = self.picture_list
        self.picture_turns = (
            PictureTurns(listing, self.store, self.queue, self.clock, at_once=listing.at_once)
            if listing
            else None
        )
        self.keeper = AccountKeeper(self.accounts, self.store, self.rules, self.clock)
        self.people = PersonFinder(
            *(self.facts, self.store, self.queue, self.rules, self.clock, self.freshness, self.keeper),
            AvatarKeeper(self.accounts, self.pictures, self.store, self.rules, self.picture_turns),
        )
        self.waiting = WaitingList(self.accounts, self.store, self.queue, self.rules, self.clock)
        self.site = SitePass(
            self.facts,
            self.store,
            self.queue,
            self.gate,
            self.rules,
            self.clock,
            self.freshness,
            self.settled,
            self.endings,
            turns=self.turns,
            tree=self.tree,
            recovery=Recovery(self.matrix, self.store, self.rules, self.clock),
        )
        self.status = StatusReader(self.planner, self.store, self.troubles, self.facts)
        self.pushed = Pushed(
            self.store,
            self.queue,
            self.gate,
            on_commands=self.commands.extend,
            on_invites=DirectChats(self.matrix, self.store, self.rules, self.clock),
        )
        self.matrix.sink = self.pushed

    def workers(self, number: int, **more: Any) -> Workers:
        """Workers over the engine as it is now, not started; `more` as in `Workers`."""
        return Workers(
            *(self.queue, self.store, self.clock),
            site=self.site,
            people=self.people,
            courses=self.courses,
            number=number,
            **more,
        )

    def operations(self, workers: Workers, **more: Any) -> Operations:
        """What people ask of the engine as it is now; `more` as in `Operations`."""
        return Operations(
            *(self.store, self.queue, workers, self.planner, self.site, self.status),
            *(self.troubles, self.facts),
            Holds(self.store, self.facts, self.queue, self.clock),
            self.life,
            **more,
        )

    async def somebody_waits(self) -> None:
        """A more urgent course is due, so that a look at one ends with its slice."""
        await self.queue.add(course_key(CourseId(999_999)), priority=Priority.HINT)

    async def switch_on(self, course_id: CourseId) -> None:
        """Book a course as one that has a room."""
        await self.store.courses.save([CourseRow(course_id, f"C{course_id}", True, "For the test.")])

    async def course(
        self, number: int = 42, *, students: Sequence[int] = (), teachers: Sequence[int] = ()
    ) -> CourseId:
        """A course that is on, with these people."""
        course_id = self.facts.add_course(number)
        self.facts.enrol(course_id, *teachers, role="editingteacher")
        self.facts.enrol(course_id, *students)
        await self.switch_on(course_id)
        return course_id

    async def synced(
        self, number: int = 42, *, students: Sequence[int] = (), teachers: Sequence[int] = ()
    ) -> RoomId:
        """A course whose room is made, with everybody in it; all requests so far are forgotten."""
        course_id = await self.course(number, students=students, teachers=teachers)
        await self.sync(course_id)
        room_id = self.room(course_id)
        for user, membership in self.matrix.members(room_id).items():
            if membership == "invite":
                self.matrix.member(room_id, user, "join")
        await self.matrix.push()
        self.matrix.forget_requests()
        return room_id

    async def look(self, course_id: CourseId, *signals: str, attempt: int = 0) -> Outcome:
        """One look at a course. Raises what the look raises."""
        key = course_key(course_id)
        return await self.courses.run(Taken(key, Priority.PASS, attempt, frozenset(signals or ("pass",))))

    async def sync(self, course_id: CourseId, *signals: str, most: int = 50) -> int:
        """Look at a course, and at the people for whom it waits, until it is done; how many looks that took."""
        for looks in range(1, most + 1):
            outcome = await self.look(course_id, *signals)
            if outcome is Outcome.DONE:
                return looks
            if outcome is Outcome.WAITING:
                await self.look_at_people()
            signals = tuple(continued(signal) for signal in signals)
        raise AssertionError(f"not done after {most} looks")

    async def work(self, *, most: int = 100) -> int:
        """Turn whatever is due until nothing is, as one worker does; how many looks that took.

        What waits for a later time stays in the queue.
        """
        for looks in range(most):
            if not any(one.not_before <= self.clock.now() for one in self.queue._waiting.values()):
                return looks
            taken = await self.queue.take()
            if taken.key.kind == "person":
                await self.people.run(taken)
            elif await self._look_at_rooms(taken) is Outcome.MORE:
                for signal in taken.signals:
                    await self.queue.add(taken.key, priority=taken.priority, signal=continued(signal))
            await self.queue.done(taken)
        raise AssertionError(f"busy after {most} looks")

    async def _look_at_rooms(self, taken: Taken) -> Outcome:
        return await (self.spaces if taken.key.kind == "space" else self.courses).run(taken)

    def use(self, **rules: object) -> None:
        """Other rules, and the engine anew with them."""
        self.rules = replace(self.rules, **rules)  # type: ignore[arg-type]
        self.matrix.rules = self.rules
        self.rebuild()

    async def look_at_people(self) -> list[Key]:
        """Turn every key of a person that is due, and drop all others; which those were."""
        seen: list[Key] = []
        others: list[Taken] = []
        while self.queue.depth() > len(others):
            taken = await self.queue.take()
            if taken.key.kind == "person":
                seen.append(taken.key)
                await self.people.run(taken)
                await self.queue.done(taken)
            else:
                others.append(taken)
        for taken in others:
            await self.queue.done(taken)
        return seen

    async def due(self) -> Mapping[Key, frozenset[str]]:
        """What is due, with the signals; it is taken out of the queue."""
        found = {}
        while self.queue.depth():
            taken = await self.queue.take()
            await self.queue.done(taken)
            found[taken.key] = taken.signals
        return found

    async def pass_over_site(self, *signals: str) -> None:
        """One look at the whole site, without the looks at courses that follow from it."""
        await self.site.run(Taken(SITE, Priority.PASS, 0, frozenset(signals or ("pass",))))

    def room(self, course_id: CourseId) -> RoomId:
        return self.matrix.room_under(alias_of(main_room(course_id), self.rules))

    async def audit(self, course_id: CourseId) -> list[AuditRow]:
        """The audit log, oldest line first."""
        return list(reversed(await self.store.journal.audit(course_id=course_id)))

    def user(self, number: int) -> UserId:
        """The Matrix id of `p<number>`."""
        return UserId(f"@p{number}:{self.rules.domain}")

    def users(self, *numbers: int) -> dict[MoodleUserId, UserId]:
        return {MoodleUserId(number): self.user(number) for number in numbers}
