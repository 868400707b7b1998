"""Random stories of a course: people come, go and change their role, things happen in the room and go wrong around it.

`Story` holds what may happen, `stories` makes them up, `told` lets one happen and then makes everything work again.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.engine.course import Outcome
from moodle_appservice.errors import AppError, PermanentFailure, Unreachable
from moodle_appservice.ports import Event, person_key
from tests.engine.world import World

COURSE = CourseId(42)
PEOPLE = range(1, 7)
Steps = list[tuple[str, int, str]]
STRANGER, ADMIN = "@guest:else.test", "@admin:uni.test"


class Crash(Exception):
    """The process dies at this point."""


class Story:
    """One world and what may happen in it; every method is a step, named in the stories that hypothesis makes up."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pushed: list[Event] = []
        self.roles: dict[int, str] = {}
        self.let_in_by_admin: set[int] = set()

    @property
    def room_id(self) -> RoomId | None:
        return self.world.matrix.aliases.get(alias_of(main_room(COURSE), self.world.rules))

    # In Moodle

    async def enrol(self, person: int, role: str) -> None:
        self.world.facts.enrol(COURSE, person, role=role)

    async def unenrol(self, person: int, _: str) -> None:
        self.world.facts.enrolments[COURSE].pop(MoodleUserId(person), None)

    async def suspend(self, person: int, word: str) -> None:
        self.world.facts.add_person(person, suspended=word == "teacher")

    async def hide(self, person: int, word: str) -> None:
        hidden = self.world.facts.hidden
        (hidden.add if word == "teacher" else hidden.discard)(MoodleUserId(person))

    async def account_appears(self, person: int, _: str) -> None:
        """Nothing but one more account at the homeserver; where nobody stands in for it, it changes nothing."""
        self.world.accounts.add(f"p{person}")
        await self.world.queue.add(person_key(MoodleUserId(person)), signal="waiting")

    async def rename(self, person: int, _: str) -> None:
        course = self.world.facts.courses[COURSE]
        enrolled = self.world.facts.enrolments[COURSE]
        self.world.facts.add_course(COURSE, shortname=f"{course.shortname}{person}"[:20])
        self.world.facts.enrolments[COURSE] = enrolled

    # In the room

    async def accept(self, person: int, _: str) -> None:
        if self._membership(person) == "invite":
            self._act(person, "join")

    async def leave(self, person: int, _: str) -> None:
        if self._membership(person) in ("invite", "join"):
            self._act(person, "leave")

    async def put_out(self, person: int, _: str) -> None:
        if self._membership(person) in ("invite", "join"):
            self._act(person, "leave", by=ADMIN)

    async def ban(self, person: int, word: str) -> None:
        if self._membership(person) is not None:
            self._act(person, "ban" if word == "teacher" else "leave", by=ADMIN)

    async def let_in(self, person: int, word: str) -> None:
        """An admin invites somebody: a stranger, or a person who may not be enrolled."""
        if self.room_id is None:
            return
        if word == "teacher":
            self.world.matrix.member(self.room_id, STRANGER, "invite", by=ADMIN)
        elif self._membership(person) not in ("join", "ban"):
            self._act(person, "invite", by=ADMIN)
            self.let_in_by_admin.add(person)

    async def give_level(self, person: int, _: str) -> None:
        if self.room_id is not None:
            levels = dict(self.world.matrix.content(self.room_id, "m.room.power_levels"))
            levels["users"] = {**levels["users"], self.world.user(person): 77}
            self.world.matrix.act(self.room_id, ADMIN, "m.room.power_levels", "", levels)

    # Trouble

    async def refuse(self, person: int, word: str) -> None:
        kind = ("create_room", "invite", "kick", "set_state", "read_state", "resolve_alias")[person % 6]
        error = Unreachable("down") if word == "teacher" else PermanentFailure("refused")
        self.world.matrix.refuse(kind, error=error, times=1)

    async def lose_answer(self, person: int, _: str) -> None:
        kind = ("create_room", "invite", "kick", "set_state")[person % 4]
        original: Callable[..., Awaitable[Any]] = getattr(type(self.world.matrix), kind)
        matrix = self.world.matrix

        async def answer_lost(*given: Any) -> None:
            delattr(matrix, kind)
            await original(matrix, *given)
            raise Unreachable("the answer was lost")

        setattr(matrix, kind, answer_lost)

    async def crash_before_booking(self, *_: Any) -> None:
        ledger = self.world.store.ledger

        async def die(*_: Any, **__: Any) -> None:
            del ledger.record
            raise Crash

        ledger.record = die  # type: ignore[method-assign]

    async def restart(self, *_: Any) -> None:
        self.world.rebuild()

    async def push(self, *_: Any) -> None:
        self.pushed += self.world.matrix.outbox
        await self.world.matrix.push()

    async def repeat_push(self, person: int, _: str) -> None:
        await self.world.pushed(self.pushed[-3 * person :])

    async def lose_push(self, *_: Any) -> None:
        self.world.gate.close()

    async def time_passes(self, person: int, _: str) -> None:
        self.world.clock.advance(60 * person)

    async def work(self, *_: Any) -> None:
        """A pass, and then whatever is due, with failures as the workers take them."""
        world = self.world
        try:
            await world.pass_over_site()
            await self._turn()
        except Crash:
            world.rebuild()
        except AppError:
            pass

    async def _turn(self) -> None:
        world = self.world
        for _ in range(60):
            if not any(one.not_before <= world.clock.now() for one in world.queue._waiting.values()):
                return
            taken = await world.queue.take()
            try:
                if taken.key.kind == "person":
                    await world.people.run(taken)
                elif taken.key.kind == "course" and await world.courses.run(taken) is Outcome.MORE:
                    await world.queue.add(taken.key, signal="more")
            finally:
                await world.queue.done(taken)
        raise AssertionError("always busy")

    def _membership(self, person: int) -> str | None:
        if self.room_id is None:
            return None
        return self.world.matrix.members(self.room_id).get(self.world.user(person))

    def _act(self, person: int, membership: str, *, by: str | None = None) -> None:
        assert self.room_id is not None
        self.world.matrix.member(self.room_id, self.world.user(person), membership, by=by)

    # The end

    async def calm(self) -> None:
        """All works again: two passes, each confirmed and pushed."""
        self.world.matrix._refusals.clear()
        for kind in ("create_room", "invite", "kick", "set_state"):
            self.world.matrix.__dict__.pop(kind, None)
        self.world.store.ledger.__dict__.pop("record", None)
        for _ in range(2):
            self.world.clock.advance(4000)
            await self.push()
            await self.world.store.journal.confirm()
            await self.work()


S = TypeVar("S", bound=Story)
STEPS = [name for name in vars(Story) if not name.startswith("_") and name not in ("room_id", "calm")]


def stories(steps: Iterable[str], *often: str) -> st.SearchStrategy[Steps]:
    """Stories of these steps; those that make something happen at all come more often."""
    return st.lists(
        st.tuples(
            st.sampled_from([*steps, "work", "work", "work", "push", "enrol", "accept", *often]),
            st.sampled_from(PEOPLE),
            st.sampled_from(["student", "teacher", "editingteacher"]),
        ),
        min_size=4,
        max_size=40,
    )


@asynccontextmanager
async def told(steps: Steps, kind: type[S], **rules: Any) -> AsyncIterator[tuple[World, S]]:
    """A world of its own after the story, when everything works again; after what is asserted of it, it stays quiet."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "store.db", existing_courses=True)
        if rules:
            world.use(**rules)
        await world.db.start()
        try:
            world.facts.add_course(42)
            story = kind(world)
            for name, person, word in steps:
                await getattr(story, name)(person, word)
            await story.calm()
            yield world, story
            world.matrix.forget_requests()
            await story.work()
            assert {request[0] for request in world.matrix.requests} <= {"get_state"}, "the rooms stay quiet"
        finally:
            await world.db.stop()


async def check(world: World, room_id: RoomId, let_in_by_admin: set[int]) -> None:
    """The room is what Moodle says. Whom nobody has ever looked at is a stranger and stays.

    Whom an admin has let in may be a guest, but only where our books say nothing else.
    """
    ledger = await world.store.ledger.read(room_id)
    known = await world.store.people.look_up([MoodleUserId(number) for number in PEOPLE])
    members = world.matrix.rooms[room_id]
    levels = world.matrix.content(room_id, "m.room.power_levels")["users"]
    for number in PEOPLE:
        person, user = MoodleUserId(number), world.user(number)
        if person in world.facts.hidden:
            continue
        event = members.get(("m.room.member", user))
        membership = event.content["membership"] if event else None
        roles = world.facts.enrolments[COURSE].get(person)
        account = world.facts.people.get(person)
        if roles is not None and account is not None and account.usable:
            chose = event is not None and event.sender == user and membership == "leave"
            assert membership in ("invite", "join", "ban") or chose, f"{user} is {membership}"
            wanted = {"student": None, "teacher": 50, "editingteacher": 60}[next(iter(roles))]
            assert levels.get(user) == wanted, f"{user} has {levels.get(user)}"
        elif person in known:
            booked = ledger.places | ledger.intended
            if number in let_in_by_admin and user not in booked:
                continue
            if event is None and user not in booked:
                # Was never here: a level that an admin has prepared for somebody is the admin's word.
                continue
            assert membership not in ("invite", "join"), f"{user} is {membership}"
            assert user not in levels, f"{user} has {levels[user]}"
