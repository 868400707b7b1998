"""Invites, state and new rooms of many courses go out together, and nobody waits long for whoever does not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from moodle_appservice.engine.course import Outcome
from moodle_appservice.engine.waves import MOMENT, Waves
from moodle_appservice.ports import Priority, Taken, course_key
from tests.engine.world import World


class Scene:
    """Rooms that send one invite after the other, and a homeserver that answers when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waves = Waves(clock=lambda: self.now)
        self.sent: list[str] = []
        self.answers: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def asks(self, *rooms: str) -> None:
        """These rooms have an invite to send."""
        for room in rooms:
            self.answers[room] = asyncio.Event()
            self.tasks[room] = asyncio.create_task(self._send(room))
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

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _send(self, room: str) -> None:
        async with self.waves.turn(room):
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

    def turn(waves: Waves, room: object) -> AbstractAsyncContextManager[None]:
        turns.append(room)
        return original(waves, room)

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

    def turn(waves: Waves, room: object) -> AbstractAsyncContextManager[None]:
        sent.append("turn")
        return original(waves, room)

    world.use(layout="space")
    course_id = await world.course(students=[8])
    await world.look(course_id)
    await world.look_at_people()
    monkeypatch.setattr(Waves, "turn", turn)
    world.matrix.forget_requests()
    await world.sync(course_id)
    written = [request for request in world.matrix.requests if request[0] != "put_alias"]
    assert world.matrix.made("set_state"), "the space names its rooms"
    assert len(sent) == len(written)
