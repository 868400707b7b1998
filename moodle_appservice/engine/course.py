"""The `course` key: facts and mirror into a plan, the plan past safety, what passes into requests.

`CoursePlanner` stops before the first write; the command line's `plan`, the bot and previews use it alone.
`CourseSync` goes on. People whom nobody has looked at yet are sent through their own key first; the course comes back
when they are done.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256

from ..domain.actions import Plan, takes_out
from ..domain.digest import digest
from ..domain.identity import fingerprint, print_of_rules, resolve
from ..domain.mapping import DesiredRoom, desired_room
from ..domain.members import Circumstances, Leaver, roles_in, why_unusable
from ..domain.model import (
    ActualRoom,
    CourseFacts,
    CourseId,
    MoodleUserId,
    Person,
    Role,
    RoomId,
    UserId,
)
from ..domain.plan import Ledger, plan_room
from ..domain.rules import Rules
from ..domain.safety import Verdict, judge
from ..ports import (
    Clock,
    CourseRow,
    Facts,
    PersonRow,
    Priority,
    Queue,
    Store,
    Taken,
    course_key,
    person_key,
)
from .apply import Hands
from .freshness import Freshness
from .gate import Gate
from .people import FOR_COURSE
from .rooms import RoomFinder
from .settled import Settled
from .troubles import Troubles

log = logging.getLogger(__name__)


class Outcome(Enum):
    """How a look at a key ended: all is as it should be, more to do at once, or other keys come first."""

    DONE = auto()
    MORE = auto()
    WAITING = auto()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with everything that it was made from."""

    facts: CourseFacts
    desired: DesiredRoom
    room_id: RoomId | None
    actual: ActualRoom | None
    plan: Plan
    verdict: Verdict
    nobody_looked_at: tuple[MoodleUserId, ...]
    changed_people: tuple[MoodleUserId, ...]
    digest: int
    """Of everything that the facts say for this plan, see `domain.digest`."""
    roles: Mapping[MoodleUserId, frozenset[Role]]
    """Everybody who counts in the course, enrolled or by a role from above."""
    usability: Mapping[MoodleUserId, float | None]
    """Whose account has become unusable, with the time, or usable again (None), since it was last booked."""


class CoursePlanner:
    """Facts × mirror × ledger → plan and verdict. Writes nothing; reads the homeserver only for distrusted rooms."""

    def __init__(self, facts: Facts, store: Store, rooms: RoomFinder, rules: Rules, clock: Clock) -> None:
        self._clock = clock
        self._facts = facts
        self._store = store
        self._rooms = rooms
        self._rules = rules
        self._print = print_of_rules(rules)

    async def prepare(self, course_id: CourseId, *, not_older_than: float) -> Prepared:
        """Plan one course. Raises what the reading raises."""
        facts = await self._facts.course_facts(course_id, not_older_than=not_older_than)
        site = await self._facts.site(not_older_than=0.0)
        room_id = await self._rooms.find(course_id)
        actual = await self._rooms.actual(room_id, course_id) if room_id else None
        room_id = actual.room_id if actual else None
        ledger = await self._store.ledger.read(room_id) if room_id else Ledger()
        known = await self._known(room_id, actual)
        rows, unseen, changed = await self._people(facts, known)
        resolutions = {user: row.resolution for user, row in rows.items()}
        # For a preview; the people's own keys decide before anything is done.
        resolutions.update({user: resolve(facts.people[user], self._rules) for user in unseen})
        circumstances = await self._circumstances(facts, rows, ledger, known, not_older_than=not_older_than)
        category = site.categories.get(facts.course.category_id)
        desired = desired_room(facts, category, resolutions, self._rules, circumstances=circumstances)
        plan = plan_room(desired, actual, ledger, known, self._rules)
        confirmed = await self._confirmed(course_id)
        verdict = judge(plan, desired, actual, self._rules, confirmed=confirmed)
        usability = _usability(facts, rows, circumstances)
        return Prepared(
            facts,
            desired,
            room_id,
            actual,
            plan,
            verdict,
            unseen,
            changed,
            digest(facts, category),
            roles_in(facts, self._rules),
            usability,
        )

    async def _people(
        self, facts: CourseFacts, known: Mapping[UserId, MoodleUserId]
    ) -> tuple[Mapping[MoodleUserId, PersonRow], tuple[MoodleUserId, ...], tuple[MoodleUserId, ...]]:
        ids = list(roles_in(facts, self._rules))
        # Who was erased has no account here, also as long as the erasing goes on.
        erased = await self._store.people.excluded(ids)
        ids = [user for user in ids if user not in erased]
        rows = await self._store.people.look_up([*ids, *(set(known.values()) - set(ids) - erased)])
        unseen = tuple(user for user in ids if user not in rows and user in facts.people)
        changed = tuple(
            user
            for user, row in rows.items()
            if user in facts.people and self._may_differ(row, facts.people[user])
        )
        return rows, unseen, changed

    async def _circumstances(
        self,
        facts: CourseFacts,
        rows: Mapping[MoodleUserId, PersonRow],
        ledger: Ledger,
        known: Mapping[UserId, MoodleUserId],
        *,
        not_older_than: float,
    ) -> Circumstances:
        counted = roles_in(facts, self._rules).keys()
        booked = ledger.places | ledger.intended | ledger.bans
        gone = {person for user, person in known.items() if user in booked} - counted
        people = self._rules.people
        # Where whoever is not enrolled goes at once, whatever the reason, nobody needs to ask Moodle for it.
        all_alike = people.on_suspend == "remove" and people.grace_period <= 0 and not ledger.bans
        leavers = {
            user: Leaver()
            if all_alike
            else Leaver.of(await self._facts.person(user, not_older_than=not_older_than))
            for user in sorted(gone)
        }
        by_request = people.when == "on-request"
        return Circumstances(
            now=self._clock.now(),
            unusable_since={
                user: row.unusable_since for user, row in rows.items() if row.unusable_since is not None
            },
            usernames={user: row.username for user, row in rows.items()},
            asked=await self._store.requests.of_course(facts.course.id) if by_request else frozenset(),
            leavers=leavers,
        )

    def _may_differ(self, row: PersonRow, person: Person) -> bool:
        """Whether a look at the person may find another id: the account has changed, or the rules have.

        Who waits for an account, or for an id that another holds, is sent for when that changes.
        """
        return row.fingerprint != fingerprint(person, self._print)

    async def _known(self, room_id: RoomId | None, actual: ActualRoom | None) -> dict[UserId, MoodleUserId]:
        if room_id is None or actual is None:
            return {}
        known = dict(await self._store.ledger.places(room_id))
        known.update(await self._store.people.by_matrix_id(list(actual.members)))
        return known

    async def _confirmed(self, course_id: CourseId) -> frozenset[UserId]:
        held = await self._store.journal.held(course_id)
        return frozenset(user for row in held if row.confirmed for user in row.users)


class CourseSync:
    """One look at one course."""

    def __init__(
        self,
        planner: CoursePlanner,
        hands: Hands,
        store: Store,
        queue: Queue,
        gate: Gate,
        clock: Clock,
        freshness: Freshness,
        troubles: Troubles,
        settled: Settled,
    ) -> None:
        self._settled = settled
        self._freshness = freshness
        self._troubles = troubles
        self._planner = planner
        self._hands = hands
        self._store = store
        self._queue = queue
        self._gate = gate
        self._clock = clock

    async def run(self, taken: Taken) -> Outcome:
        """Plan and carry out one slice. `MORE`: the key must come back at once."""
        course_id = CourseId(taken.key.number)
        row = await self._store.courses.get(course_id)
        self._settled.unsettle(course_id)
        if row is None or not row.on or row.gone:
            return Outcome.DONE
        await self._gate.open()
        epoch = self._gate.epoch
        prepared = await self._planner.prepare(
            course_id, not_older_than=self._freshness.oldest_allowed(taken, self._clock.now())
        )
        if prepared.nobody_looked_at:
            await self._send_people(prepared.nobody_looked_at, signal=f"{FOR_COURSE}{course_id}")
            return Outcome.WAITING
        await self._remember(row, prepared)
        # Nobody waits for these: the course comes back only if another id comes out of it.
        await self._send_people(prepared.changed_people, signal="changed")
        return await self._carry_out(course_id, prepared, taken, epoch)

    async def _send_people(self, user_ids: Iterable[MoodleUserId], *, signal: str) -> None:
        for user_id in user_ids:
            await self._queue.add(person_key(user_id), priority=Priority.PERSON, signal=signal)

    async def _remember(self, row: CourseRow, prepared: Prepared) -> None:
        """Who is enrolled with which roles, where it has changed; what is held, or is not any more."""
        enrolled = facts_hash(prepared.roles)
        if enrolled != row.facts_hash:
            await self._store.courses.set_enrolments(row.id, prepared.roles, facts_hash=enrolled)
        if prepared.usability:
            await self._store.people.unusable(prepared.usability)
        if prepared.room_id is not None:
            await self._book_hold(row.id, prepared, prepared.room_id)
            await self._book_what_is(prepared, prepared.room_id)

    async def _book_hold(self, course_id: CourseId, prepared: Prepared, room_id: RoomId) -> None:
        hold = prepared.verdict.hold
        if hold is None:
            rows = await self._store.journal.held(course_id)
            if rows and not (prepared.plan.removals and all(row.confirmed for row in rows)):
                await self._store.journal.clear_hold(course_id)
        elif not self._removes_now(course_id, prepared):
            log.warning("Course %d: %d removals are held. %s", course_id, len(hold.users), hold.reason)
            await self._store.journal.hold(course_id, room_id, hold.users, hold.reason, at=self._clock.now())

    def _removes_now(self, course_id: CourseId, prepared: Prepared) -> bool:
        """Whether confirmed removals are being carried out: who is held beside them is booked after them."""
        actions = self._troubles.due(course_id, prepared.verdict.actions, now=self._clock.now())
        return any(takes_out(action) for action in actions)

    async def _book_what_is(self, prepared: Prepared, room_id: RoomId) -> None:
        """What the room tells our books: who is where they belong, and who left and is not enrolled any more."""
        bookings = prepared.plan.bookings
        if bookings.found or bookings.banned:
            await self._store.ledger.found(
                room_id,
                {**bookings.found, **bookings.banned},
                bans=bookings.banned,
                at=self._clock.now(),
            )
        # While Moodle's list is doubted, nobody counts as not wanted any more.
        if bookings.unwanted and prepared.verdict.hold is None:
            await self._store.ledger.unwanted(room_id, bookings.unwanted)

    async def _carry_out(self, course_id: CourseId, prepared: Prepared, taken: Taken, epoch: int) -> Outcome:
        now = self._clock.now()
        self._troubles.keep_only(course_id, prepared.verdict.actions)
        actions = self._troubles.due(course_id, prepared.verdict.actions, now=now)
        if actions:
            if not await self._gate.before_writes(epoch):
                return Outcome.MORE
            result = await self._hands.slice(
                course_id,
                prepared.room_id,
                actions,
                signal=",".join(sorted(taken.signals)),
            )
            failed = [action for action, _ in result.failures]
            for action in actions[: len(actions) - result.left]:
                if action not in failed:
                    self._troubles.solved(course_id, action)
            for action, failure in result.failures:
                self._troubles.add(course_id, action, failure, now=self._clock.now())
            holds_more = prepared.verdict.hold is not None and any(takes_out(one) for one in actions)
            if result.left or not result.done or holds_more:
                return Outcome.MORE
        await self._finish(course_id, prepared)
        return Outcome.DONE

    async def _finish(self, course_id: CourseId, prepared: Prepared) -> None:
        """All that could be done is done; what was put aside is looked at again when its time comes."""
        now = self._clock.now()
        await self._store.courses.synced(course_id, at=now)
        troubles = list(self._troubles.of(course_id).values())
        is_quiet = not troubles and prepared.verdict.hold is None and not prepared.changed_people
        # Of people who are not enrolled the facts of the course say nothing, so each pass asks for them.
        if is_quiet and prepared.desired.treatments.keys() <= prepared.desired.enrolled:
            self._settled.settle(course_id, prepared.digest)
        if prepared.plan.next_look is not None:
            await self._queue.add(
                course_key(course_id),
                priority=Priority.PASS,
                signal="moment",
                not_before=prepared.plan.next_look,
            )
        if troubles:
            text = f"{len(troubles)} actions failed and are tried again, the first: {troubles[0].failure}"
            await self._store.courses.synced(course_id, at=now, error=text)
            await self._queue.add(
                course_key(course_id),
                priority=Priority.PASS,
                signal="retry",
                not_before=min(trouble.retry_at for trouble in troubles),
            )


def _usability(
    facts: CourseFacts, rows: Mapping[MoodleUserId, PersonRow], circumstances: Circumstances
) -> dict[MoodleUserId, float | None]:
    """What is new about whose account can be used, by the facts and by what was asked beside them."""
    unusable = {user: bool(why_unusable(person)) for user, person in facts.people.items()}
    unusable.update(
        {
            user: bool(leaver.unusable)
            for user, leaver in circumstances.leavers.items()
            if leaver.unusable is not None
        }
    )
    return {
        user: circumstances.now if is_unusable else None
        for user, is_unusable in unusable.items()
        if user in rows and is_unusable != (rows[user].unusable_since is not None)
    }


def facts_hash(roles: Mapping[MoodleUserId, frozenset[Role]]) -> str:
    """Changes when the people who count in a course or their roles change."""
    parts = sorted(f"{user_id}:{','.join(sorted(held))}" for user_id, held in roles.items())
    return sha256("\n".join(parts).encode()).hexdigest()[:32]
