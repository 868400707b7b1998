"""Facts × mirror × ledger → the plans of a course's rooms, and what safety says of them. Nothing is written here.

`CoursePlanner` stops before the first write; the command line's `plan`, the bot and previews use it alone, and the
`course` key goes on from it. People whom nobody has looked at yet are resolved for a preview as far as the rules tell.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ..domain.actions import Note, Plan, Step
from ..domain.digest import digest
from ..domain.identity import fingerprint, print_of_rules, resolve
from ..domain.ledger import Ledger
from ..domain.life import GENERATION, stage_of, word_of
from ..domain.mapping import DesiredCourse, DesiredRoom, desired_course
from ..domain.markers import stand_in
from ..domain.members import Circumstances, Leaver, roles_in, why_unusable
from ..domain.model import (
    ActualRoom,
    CourseFacts,
    CourseId,
    MoodleUserId,
    Person,
    Role,
    RoomId,
    SiteFacts,
    UserId,
)
from ..domain.plan import plan_room, staying_in, steps_of
from ..domain.repairs import TOMBSTONE
from ..domain.rooms import RoomKey, RoomKind
from ..domain.rules import Rules
from ..domain.safety import Verdict, judge
from ..domain.selection import MOODLE_FIELD
from ..domain.tree import space_of_course
from ..ports import AccountRights, Clock, Facts, PersonRow, Store
from .course_images import CourseImages
from .digests import Digest
from .lastday import LastDay
from .rooms import Absent, RoomFinder

Rights = Callable[[], Awaitable[AccountRights]]
Adopting = Mapping[RoomKey, tuple[ActualRoom, Ledger]]
"""Rooms that are not in the books, with what these would begin with."""
NOTHING_MORE: Adopting = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PreparedRoom:
    """One room with its plan and everything that this was made from. `room_id` None: it is not made yet."""

    desired: DesiredRoom
    room_id: RoomId | None
    actual: ActualRoom | None
    plan: Plan
    verdict: Verdict
    absent: Absent | None = None
    """Set where the bot is not in the room any more: nothing is planned for it."""
    filled: bool = False
    """Whether everybody who was to come had come once."""

    @property
    def lacks_power(self) -> bool:
        """Whether something waits for a higher level of the bot."""
        return any(note.kind == "powerless" for note in self.plan.notes)

    @property
    def replacement(self) -> RoomId | None:
        """The room that a tombstone in this one names; whether it is to be followed is not said."""
        named = self.actual.content(TOMBSTONE).get("replacement_room") if self.actual is not None else None
        return RoomId(named) if isinstance(named, str) and named else None

    @property
    def key(self) -> RoomKey:
        """Which room it is."""
        return self.desired.key


@dataclass(frozen=True, slots=True)
class Prepared:
    """The plans of all rooms of a course, with everything that they were made from."""

    facts: CourseFacts
    course: DesiredCourse
    rooms: tuple[PreparedRoom, ...]
    nobody_looked_at: tuple[MoodleUserId, ...]
    changed_people: tuple[MoodleUserId, ...]
    digest: int
    """Of everything that the facts say for this plan, see `domain.digest`."""
    roles: Mapping[MoodleUserId, frozenset[Role]]
    """Everybody who counts in the course, enrolled or by a role from above."""
    image: str | None
    """The picture of the course at the homeserver; empty: there is none; None: nobody has fetched it yet."""
    usability: Mapping[MoodleUserId, float | None]
    """Whose account has become unusable, with the time, or usable again (None), since it was last booked."""
    above: RoomKey | None = None
    """The space of a category, or of the site, in which the course hangs."""

    @property
    def main(self) -> PreparedRoom:
        """The room of everybody: every course has one."""
        return next(room for room in self.rooms if room.key.kind is RoomKind.MAIN and not room.key.retired)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What may be carried out, in order."""
        return steps_of([(room.plan, room.verdict.actions) for room in self.rooms])

    @property
    def ids(self) -> dict[RoomKey, RoomId]:
        """The rooms that there are."""
        return {room.key: room.room_id for room in self.rooms if room.room_id is not None}

    @property
    def is_held(self) -> bool:
        """Whether something waits for a person."""
        return any(room.verdict.hold is not None for room in self.rooms)

    @property
    def next_look(self) -> float | None:
        """Unix seconds: when the same facts mean something else; None: never."""
        looks = [room.plan.next_look for room in self.rooms if room.plan.next_look is not None]
        return min(looks, default=None)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of the rooms of a course before they are planned."""

    actual: Mapping[RoomKey, ActualRoom]
    ledgers: Mapping[RoomKey, Ledger]
    known: Mapping[RoomKey, Mapping[UserId, MoodleUserId]]
    absent: Mapping[RoomKey, Absent]

    @property
    def ids(self) -> dict[RoomKey, RoomId]:
        there = {key: room.room_id for key, room in self.actual.items()}
        return {**there, **{key: one.own.room_id for key, one in self.absent.items()}}

    @property
    def ours(self) -> frozenset[RoomId]:
        """The rooms, and those whose place they have taken."""
        before = (room.content("m.room.create").get("predecessor") for room in self.actual.values())
        named = (one.get("room_id") for one in before if isinstance(one, Mapping))
        return frozenset({*self.ids.values(), *(RoomId(one) for one in named if isinstance(one, str))})

    @property
    def everybody(self) -> dict[UserId, MoodleUserId]:
        return {user: person for known in self.known.values() for user, person in known.items()}

    def booked(self) -> set[MoodleUserId]:
        """People who have, had or were to have a place in one of the rooms."""
        return {
            person
            for key, known in self.known.items()
            if not key.retired
            for user, person in known.items()
            if user in self.ledgers[key].places | self.ledgers[key].intended | self.ledgers[key].bans
        }


class CoursePlanner:
    """Plans courses. Writes nothing; reads the homeserver only for distrusted rooms."""

    def __init__(
        self,
        facts: Facts,
        store: Store,
        rooms: RoomFinder,
        rules: Rules,
        clock: Clock,
        rights: Rights | None = None,
        digests: Digest = digest,
        images: CourseImages | None = None,
    ) -> None:
        self._images = images
        self._rights = rights
        self._digest = digests
        self._clock = clock
        self._last_day = LastDay(facts, store, clock)
        self._facts = facts
        self._store = store
        self._rooms = rooms
        self._rules = rules
        self._print = print_of_rules(rules)

    async def prepare(
        self, course_id: CourseId, *, not_older_than: float, adopting: Adopting = NOTHING_MORE
    ) -> Prepared:
        """Plan one course. Raises what the reading raises. `adopting`: rooms that it would have beside its own."""
        facts = await self._facts.course_facts(course_id, not_older_than=not_older_than)
        site = await self._facts.site(not_older_than=0.0)
        choices = await self._choices(course_id)
        found = await self._find(course_id, adopting, generation=int(choices.get(GENERATION, 1)))
        rows, unseen, changed = await self._people(facts, found.everybody)
        resolutions = {user: row.resolution for user, row in rows.items()}
        # For a preview; the people's own keys decide before anything is done.
        resolutions.update({user: resolve(facts.people[user], self._rules) for user in unseen})
        circumstances = await self._circumstances(facts, rows, found, not_older_than=not_older_than)
        category = site.categories.get(facts.course.category_id)
        image = await self._images.known(facts.course.image) if self._images is not None else ""
        above, spaces = self._above(facts, site, choices), await self._store.spaces.spaces()
        course = desired_course(
            facts,
            category,
            resolutions,
            await self._possible(),
            choices=choices,
            existing=found.ids,
            image=image or "",
            circumstances=circumstances,
            above=spaces.get(above) if above else None,
        )
        return Prepared(
            facts,
            course,
            await self._plan(facts, course, found, frozenset(spaces.values())),
            unseen,
            changed,
            self._digest(facts, category),
            roles_in(facts, self._rules),
            image,
            _usability(facts, rows, circumstances),
            above,
        )

    async def _choices(self, course_id: CourseId) -> dict[str, Any]:
        chosen = await self._store.choices.of(course_id)
        choices = {setting: choice.value for setting, choice in chosen.items()}
        row = await self._store.courses.get(course_id)
        if row is not None and row.choice is not None and row.choice.on:
            # Kept in the marker alone, so that it survives the loss of our database.
            choices["on"] = MOODLE_FIELD if row.choice.by == MOODLE_FIELD else "people"
        return choices

    def _above(self, facts: CourseFacts, site: SiteFacts, choices: Mapping[str, Any]) -> RoomKey | None:
        stage = stage_of(facts.course, self._rules.life, now=self._clock.now(), archived=word_of(choices))
        if not stage.is_listed:
            return None
        return space_of_course(facts.course, site.categories, self._rules.spaces)

    async def _possible(self) -> Rules:
        """The rules without what our rights do not allow: who can't be put into rooms is invited."""
        if self._rules.how != "join" or self._rights is None or (await self._rights()).force_join:
            return self._rules
        return replace(self._rules, how="invite")

    async def _find(self, course_id: CourseId, adopting: Adopting, *, generation: int) -> _Found:
        rooms = await self._rooms.find(course_id)
        current = {key: own for key, own in rooms.items() if own.generation >= generation}
        older: dict[RoomKey, ActualRoom] = {}
        if generation > 1:
            every = await self._store.ledger.generations(course_id)
            older = await self._rooms.replaced(
                {key: own for key, own in every.items() if own.generation < generation}
            )
        actual, absent = await self._rooms.look(current)
        actual = {**actual, **older}
        actual.update({key: room for key, (room, _) in adopting.items()})
        ids = [room.room_id for room in actual.values()]
        ledgers = await self._store.ledger.read_many(ids)
        places = await self._store.ledger.places_in(ids)
        seen = {key: room.members.keys() | _with_a_level(room) for key, room in actual.items()}
        people = await self._store.people.by_matrix_id(sorted(set().union(*seen.values())))
        known = {
            key: {**places[room.room_id], **{user: people[user] for user in seen[key] if user in people}}
            for key, room in actual.items()
        }
        books = {key: ledgers[room.room_id] for key, room in actual.items()}
        books.update({key: ledger for key, (_, ledger) in adopting.items()})
        return _Found(actual, books, known, absent)

    async def _plan(
        self, facts: CourseFacts, course: DesiredCourse, found: _Found, spaces: frozenset[RoomId]
    ) -> tuple[PreparedRoom, ...]:
        confirmed = await self._last_day.confirmed(course.course_id)
        staying: dict[RoomKind, frozenset[UserId]] = {}
        rooms = []
        for desired in course.rooms:
            absent = found.absent.get(desired.key)
            if absent is not None:
                rooms.append(left_alone(desired, absent))
                staying[desired.key.kind] = staying_in(desired, absent.last, rooms[-1].plan)
                continue
            actual = found.actual.get(desired.key)
            plan = plan_room(
                desired,
                actual,
                found.ledgers.get(desired.key, Ledger()),
                found.known.get(desired.key, {}),
                course.rules,
                admitted=_admitted(desired, staying),
                ours=spaces | found.ours,
            )
            staying[desired.key.kind] = staying_in(desired, actual, plan)
            room_id = actual.room_id if actual else None
            filled = found.ledgers.get(desired.key, Ledger()).filled
            recent = await self._last_day.recent(facts, desired, plan, room_id, filled=filled)
            verdict = judge(
                plan,
                desired,
                actual,
                course.rules,
                confirmed=confirmed.get(room_id or stand_in(desired.key)),
                recent=recent,
            )
            rooms.append(PreparedRoom(desired, room_id, actual, plan, verdict, filled=filled))
        return tuple(rooms)

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
        found: _Found,
        *,
        not_older_than: float,
    ) -> Circumstances:
        gone = found.booked() - roles_in(facts, self._rules).keys()
        people = self._rules.people
        has_bans = any(ledger.bans for ledger in found.ledgers.values())
        # Where whoever is not enrolled goes at once, whatever the reason, nobody needs to ask Moodle for it.
        all_alike = people.on_suspend == "remove" and people.grace_period <= 0 and not has_bans
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
            staying_out=await self._store.requests.out_of(facts.course.id),
            leavers=leavers,
        )

    def _may_differ(self, row: PersonRow, person: Person) -> bool:
        """Whether a look at the person may find another id: the account has changed, or the rules have.

        Who waits for an account, or for an id that another holds, is sent for when that changes.
        """
        return row.fingerprint != fingerprint(person, self._print)


def left_alone(desired: DesiredRoom, absent: Absent) -> PreparedRoom:
    """The plan of a room in which the bot is not."""
    plan = Plan(desired.key, (), (*desired.notes, Note(None, absent.sentence, "put_out")))
    return PreparedRoom(desired, absent.own.room_id, None, plan, Verdict(()), absent)


def _with_a_level(room: ActualRoom) -> set[UserId]:
    """Who stands among the levels, there or not: somebody may have given one to whom we know and nobody invited."""
    users = room.content("m.room.power_levels").get("users")
    return {UserId(user) for user in users} if isinstance(users, Mapping) else set()


def _admitted(desired: DesiredRoom, staying: Mapping[RoomKind, frozenset[UserId]]) -> frozenset[UserId]:
    """Who stays in one of the rooms whose members this one lets in."""
    if not desired.is_free:
        return frozenset()
    letting_in = [RoomKind.SPACE] + [RoomKind.MAIN] * (desired.key.kind is not RoomKind.MAIN)
    return frozenset().union(*(staying.get(kind, frozenset()) for kind in letting_in))


def _usability(
    facts: CourseFacts, rows: Mapping[MoodleUserId, PersonRow], circumstances: Circumstances
) -> dict[MoodleUserId, float | None]:
    """What is new about whose account can be used, by the facts and by what was asked beside them."""
    unusable = {user: bool(why_unusable(person)) for user, person in facts.people.items()}
    asked = circumstances.leavers.items()
    unusable |= {user: bool(leaver.unusable) for user, leaver in asked if leaver.unusable is not None}
    return {
        user: circumstances.now if is_unusable else None
        for user, is_unusable in unusable.items()
        if user in rows and is_unusable != (rows[user].unusable_since is not None)
    }
