"""Writes of many rooms go out together, no more of them than may, and nobody waits long for whoever does not come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.course import Outcome
from moodle_appservice.engine.waves import MOMENT, Waves
from moodle_appservice.ports import Priority, Taken, course_key
from tests.engine.world import World


class Scene:
    """Rooms that send one invite after the other, and a homeserver that answers when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.most = 16
        self.over = 0
        self.in_all = 16
        self.waves = Waves(lambda: self.most, lambda: self.in_all, over=self._count, clock=lambda: self.now)
        self.sent: list[str] = []
        self.answers: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def _count(self) -> None:
        self.over += 1

    async def asks(self, *rooms: str) -> None:
        """These rooms have an invite to send."""
        for room in rooms:
            self.answers[room] = asyncio.Event()
            self.tasks[room] = asyncio.create_task(self._send(room))
        await self.settle()

    async def hurries(self, *rooms: str) -> None:
        """Somebody waits for what these rooms send."""
        for room in rooms:
            self.answers[room] = asyncio.Event()
            self.tasks[room] = asyncio.create_task(self._send_at_once(room))
        await self.settle()

    async def answered(self, *rooms: str, after: float = 0.0) -> None:
        """The homeserver answers, so many seconds after it was asked."""
        self.now += after
        for room in rooms:
            self.answers[room].set()
            await self.tasks[room]

    async def takes(self, seconds: float) -> None:
        """One answer that took so long."""
        await self.asks("first")
        await self.answered("first", after=seconds)
        self.waves.leave("first")
        self.sent.clear()

    async def make(self, weight: float) -> None:
        """A room is being made, which never ends."""
        async with self.waves.turn("made", weight=weight):
            await asyncio.Event().wait()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _send(self, room: str) -> None:
        async with self.waves.turn(room):
            self.sent.append(room)
            await self.answers[room].wait()

    async def _send_at_once(self, room: str) -> None:
        async with self.waves.at_once():
            self.sent.append(room)
            await self.answers[room].wait()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    for task in scene.tasks.values():
        task.cancel()
    await asyncio.gather(*scene.tasks.values(), return_exceptions=True)


async def test_one_room_by_itself_waits_for_nobody(scene: Scene) -> None:
    await scene.takes(1000)
    for _ in range(3):
        await scene.asks("a")
        assert scene.sent.pop() == "a"
        await scene.answered("a")


async def test_rooms_that_are_at_theirs_go_together(scene: Scene) -> None:
    await scene.takes(1000)
    await scene.asks("a")
    await scene.asks("b")
    assert scene.sent == ["a"], "b waits for a's next one"
    await scene.answered("a")
    await scene.asks("a")
    assert sorted(scene.sent) == ["a", "a", "b"]


async def test_a_room_that_has_none_to_send_any_more_is_not_waited_for(scene: Scene) -> None:
    await scene.takes(1000)
    await scene.asks("a")
    await scene.asks("b")
    await scene.answered("a")
    assert scene.sent == ["a"]
    scene.waves.leave("a")
    await scene.settle()
    assert scene.sent == ["a", "b"]


async def test_whoever_comes_too_late_is_waited_for_once(scene: Scene) -> None:
    await scene.takes(0.01)
    await scene.asks("far away")
    await scene.asks("b", "c")
    while len(scene.sent) < 3:
        # The patience of a hundredth of a second's answer; nothing else lets them go.
        await asyncio.sleep(0.001)
    assert scene.sent == ["far away", "b", "c"]
    await scene.answered("b", "c", after=1000)
    await scene.asks("b", "c")
    assert sorted(scene.sent[3:]) == ["b", "c"], "nobody waits for it a second time"
    await scene.answered("far away")
    await scene.asks("far away")
    assert scene.sent.count("far away") == 1, "it goes with the others again"
    await scene.answered("b", "c")
    await scene.asks("b", "c")
    assert sorted(scene.sent[-3:]) == ["b", "c", "far away"]


async def test_where_the_homeserver_has_nothing_to_do_one_waits_for_a_moment_only(scene: Scene) -> None:
    def patience() -> float:
        assert scene.waves._patience is not None
        return scene.waves._patience.when() - asyncio.get_running_loop().time()

    await scene.takes(0.8)
    await scene.asks("a")
    await scene.asks("b")
    assert patience() > 0.4, "a is under way"
    await scene.answered("a")
    assert patience() <= 0.8 * MOMENT, "a has its next one to send, or it comes too late"
    await scene.asks("a")
    assert sorted(scene.sent) == ["a", "a", "b"]


async def test_a_room_that_is_being_planned_is_waited_for_a_moment(scene: Scene) -> None:
    await scene.takes(1000)
    scene.waves.join("b")
    await scene.asks("a")
    assert scene.sent == []
    await scene.asks("b")
    assert sorted(scene.sent) == ["a", "b"]


async def test_a_room_in_which_nothing_is_to_do_is_not_waited_for_after_its_planning(scene: Scene) -> None:
    await scene.takes(1000)
    scene.waves.join("b")
    await scene.asks("a")
    scene.waves.leave("b")
    await scene.settle()
    assert scene.sent == ["a"]


async def test_a_room_that_is_stopped_while_it_waits_keeps_nobody(scene: Scene) -> None:
    await scene.takes(1000)
    await scene.asks("a")
    await scene.asks("b")
    scene.tasks["b"].cancel()
    await scene.settle()
    scene.waves.leave("b")
    await scene.answered("a")
    await scene.asks("a")
    assert scene.sent == ["a", "a"]


async def test_a_wave_has_no_more_rooms_than_may_be_and_the_next_one_is_ready_when_it_is_answered(
    scene: Scene,
) -> None:
    scene.most = 2
    await scene.takes(1000)
    scene.waves.join("e")
    await scene.asks("a", "b", "c", "d", "e")
    assert sorted(scene.sent) == ["a", "b"], "two are enough, whoever else is planned"
    await scene.answered("a")
    await scene.asks("a")
    assert len(scene.sent) == 2, "b is still under way"
    await scene.answered("b")
    assert sorted(scene.sent[2:]) == ["c", "d"], "nobody waits for b, as two others are ready"
    await scene.answered("c", "d")
    assert sorted(scene.sent[4:]) == ["a", "e"], "who has waited longest goes first"


async def test_it_is_told_when_a_wave_is_over(scene: Scene) -> None:
    await scene.takes(0.01)
    assert scene.over == 1
    scene.waves.join("b")
    await scene.asks("a", "b")
    await scene.answered("a")
    assert scene.over == 1
    await scene.answered("b")
    assert scene.over == 2
    scene.waves.leave("a")
    scene.waves.leave("b")
    await scene.asks("far away")
    await scene.asks("c")
    while scene.sent[-1] != "c":
        await asyncio.sleep(0.001)
    assert scene.over == 3, "nobody waits for who is late"
    await scene.answered("far away")
    assert scene.over == 3
    await scene.answered("c")
    assert scene.over == 4


async def test_as_many_as_may_be_now_are_in_the_next_wave(scene: Scene) -> None:
    scene.most = 1
    await scene.takes(1000)
    await scene.asks("a", "b", "c", "d", "e", "f")
    assert scene.sent == ["a"]
    scene.most = 3
    await scene.answered("a")
    assert scene.sent == ["a", "b", "c", "d"]
    scene.most = 1
    await scene.answered("b", "c")
    assert len(scene.sent) == 4
    await scene.answered("d")
    assert scene.sent[4:] == ["e"]


async def test_a_room_that_is_being_made_is_waited_for_as_long_as_that_takes(scene: Scene) -> None:
    await scene.takes(1000)
    loop = asyncio.get_running_loop()
    for weight, patience in ((1.0, 1001), (4.0, 4001)):
        scene.waves._took = 1000
        making = asyncio.create_task(scene.make(weight))
        await scene.settle()
        await scene.asks("b")
        assert scene.waves._patience is not None
        # Its answer and, where that is late, a second more.
        assert scene.waves._patience.when() - loop.time() == pytest.approx(patience, abs=0.5)
        making.cancel()
        await scene.settle()
        scene.waves.leave("made")
        scene.tasks["b"].cancel()
        await scene.settle()
        scene.waves.leave("b")


async def test_whoever_is_late_keeps_its_place(scene: Scene) -> None:
    scene.most = 2
    await scene.takes(0.01)
    await scene.asks("far away")
    await scene.asks("b", "c", "d")
    while len(scene.sent) < 2:
        await asyncio.sleep(0.001)
    for room in ("b", "c", "d"):
        assert scene.sent[-1] == room
        await scene.answered(room, after=0.01)
    assert scene.sent == ["far away", "b", "c", "d"]


async def test_what_somebody_waits_for_goes_beside_a_full_wave_and_takes_a_place_of_the_next(
    scene: Scene,
) -> None:
    scene.most = 2
    await scene.takes(1000)
    scene.waves.join("e")
    await scene.asks("a", "b", "c", "d", "e")
    assert sorted(scene.sent) == ["a", "b"]
    await scene.hurries("hurried")
    assert scene.sent[2:] == ["hurried"]
    await scene.answered("a", "b")
    assert scene.sent[3:] == ["c"]
    await scene.answered("hurried", "c")
    assert sorted(scene.sent[4:]) == ["d", "e"]


async def test_of_those_that_somebody_waits_for_no_more_than_may_be_are_under_way(scene: Scene) -> None:
    scene.most = 2
    await scene.hurries("a", "b", "c")
    assert scene.sent == ["a", "b"]
    await scene.asks("d")
    await scene.answered("a")
    assert scene.sent == ["a", "b", "c"], "they go before a wave"
    scene.tasks["b"].cancel()
    await scene.settle()
    assert scene.sent == ["a", "b", "c", "d"]


async def test_where_more_are_not_allowed_what_somebody_waits_for_goes_with_the_next_answer(
    scene: Scene,
) -> None:
    scene.most = scene.in_all = 2
    await scene.takes(1000)
    scene.waves.join("e")
    await scene.asks("a", "b", "c", "d", "e")
    await scene.hurries("hurried")
    assert sorted(scene.sent) == ["a", "b"]
    await scene.answered("a")
    await scene.settle()
    assert scene.sent[2:] == ["hurried"]
    await scene.answered("b")
    await scene.settle()
    assert scene.sent[3:] == ["c"]


async def test_where_nobody_waits_any_more_nothing_is_left_that_would_let_them_go(scene: Scene) -> None:
    await scene.takes(1000)
    scene.waves.join("planned")
    await scene.asks("a")
    assert scene.waves._patience is not None
    scene.tasks["a"].cancel()
    await scene.settle()
    assert scene.waves._patience is None


async def test_rooms_that_are_all_stopped_at_once_are_not_let_go(scene: Scene) -> None:
    scene.most = 1
    await scene.takes(1000)
    await scene.asks("a", "b", "c")
    # The answer comes before those that were stopped have heard of it.
    scene.tasks["b"].cancel()
    scene.tasks["c"].cancel()
    await scene.answered("a")
    await scene.settle()
    assert scene.sent == ["a"]
    scene.waves.leave("a")
    scene.waves.leave("b")
    scene.waves.leave("c")
    await scene.asks("d")
    assert scene.sent == ["a", "d"]


@pytest.mark.parametrize(
    ("priority", "together"),
    [(Priority.PASS, True), (Priority.REST, True), (Priority.HINT, False), (Priority.WAITING_PERSON, False)],
)
async def test_a_new_room_and_its_invites_go_with_those_of_others_unless_somebody_waits_for_them(
    world: World, monkeypatch: pytest.MonkeyPatch, priority: Priority, together: bool
) -> None:
    turns: list[object] = []
    joined: list[object] = []
    original, join = Waves.turn, Waves.join

    def joins(waves: Waves, room: object) -> None:
        joined.append(room)
        join(waves, room)

    def turn(waves: Waves, room: object, **more: float) -> AbstractAsyncContextManager[None]:
        turns.append(room)
        return original(waves, room, **more)

    monkeypatch.setattr(Waves, "turn", turn)
    monkeypatch.setattr(Waves, "join", joins)
    course_id = await world.course(students=[8, 9])
    await world.look(course_id)
    await world.look_at_people()
    joined.clear()
    taken = Taken(course_key(course_id), priority, 0, frozenset({"pass"}))
    while await world.courses.run(taken) is not Outcome.DONE:
        assert not turns or len(world.matrix.made("create_room")) == 1
    assert len(world.matrix.made("invite")) == 2
    assert len(turns) == (3 if together else 0)
    assert len(set(turns)) <= 1, "one look"
    assert set(turns) <= set(joined)
    assert bool(joined) is together, "others wait for it while it is planned"


async def test_the_state_of_a_new_space_goes_with_that_of_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    original = Waves.turn

    def turn(waves: Waves, room: object, **more: float) -> AbstractAsyncContextManager[None]:
        sent.append("turn")
        return original(waves, room, **more)

    world.use(layout="space")
    course_id = await world.course(students=[8])
    await world.look(course_id)
    await world.look_at_people()
    monkeypatch.setattr(Waves, "turn", turn)
    world.matrix.forget_requests()
    await world.sync(course_id)
    assert world.matrix.made("set_state"), "the space names its rooms"
    assert len(sent) == len(world.matrix.requests)


async def test_removals_go_with_the_writes_of_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[object] = []
    original = Waves.turn

    def turn(waves: Waves, room: object, **more: float) -> AbstractAsyncContextManager[None]:
        turns.append(room)
        return original(waves, room, **more)

    await world.synced(42, students=[8, 9, 10, 11])
    monkeypatch.setattr(Waves, "turn", turn)
    world.facts.unenrol(CourseId(42), 8)
    await world.sync(CourseId(42))
    assert len(world.matrix.made("kick")) == len(turns) == 1


@pytest.mark.parametrize("seed", range(20))
async def test_however_they_come_go_and_stop_no_more_than_may_are_under_way_and_everybody_gets_a_turn(
    scene: Scene, seed: int
) -> None:
    drawn = random.Random(seed)
    scene.in_all = drawn.randrange(1, 7)
    await scene.takes(0.001)
    asked: list[str] = []
    open_rooms: set[str] = set()

    def under_way() -> list[str]:
        return [room for room in scene.sent if not scene.tasks[room].done()]

    for number in range(60):
        scene.most = drawn.randrange(1, scene.in_all + 1)
        room = f"room {number}"
        match drawn.randrange(5):
            case 0 | 1:
                await scene.asks(room)
                asked.append(room)
            case 2:
                await scene.hurries(room)
                asked.append(room)
            case 3:
                scene.waves.join(f"planned {number}")
            case _ if open_rooms:
                stopped = drawn.choice(sorted(open_rooms))
                scene.tasks[stopped].cancel()
                await scene.settle()
                scene.waves.leave(stopped)
        if drawn.random() < 0.4 and (now := under_way()):
            await scene.answered(drawn.choice(now), after=0.001)
            await scene.settle()
        open_rooms = {room for room in asked if not scene.tasks[room].done()}
        assert len(under_way()) <= scene.in_all
    async with asyncio.timeout(10):
        while waiting := [room for room in asked if not scene.tasks[room].done()]:
            assert len(under_way()) <= scene.in_all
            for room in under_way():
                await scene.answered(room, after=0.001)
            # Who waits for a moment needs the clock.
            await asyncio.sleep(0.001)
    assert not waiting
