"""The result of an invite goes into the books while the next one is sent; everything else finds the books complete."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from moodle_appservice.domain.actions import Invite
from moodle_appservice.domain.model import CourseId
from moodle_appservice.errors import TemporaryFailure
from moodle_appservice.ports import Done
from moodle_appservice.store.ledger import LedgerBooks
from tests.engine.world import World

COURSE = CourseId(42)
PATIENCE = 30.0
"""Seconds after which something that was to happen counts as not happening."""


def around_booking(monkeypatch: pytest.MonkeyPatch, before: Callable[[Done], Awaitable[None]]) -> None:
    """Run something before each booking."""
    original = LedgerBooks.record

    async def record(books: LedgerBooks, done: Done, **rest: Any) -> None:
        await before(done)
        await original(books, done, **rest)

    monkeypatch.setattr(LedgerBooks, "record", record)


async def ready(world: World, *students: int) -> None:
    """A course whose room is there and whose people are known, with these invites left to send."""
    await world.synced(students=[7])
    world.facts.enrol(COURSE, *students)
    await world.look(COURSE)
    await world.look_at_people()


async def told(world: World) -> list[tuple[str, int | None]]:
    """Kind and person of each line of the audit log."""
    return [(line.kind, line.person) for line in await world.audit(COURSE) if line.person in (8, 9, 10)]


async def test_the_next_invite_is_sent_while_the_last_one_is_booked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(world, 8, 9)
    next_one = asyncio.Event()

    async def second() -> None:
        next_one.set()

    async def first() -> None:
        world.matrix.before("invite", second)

    async def until_the_next_is_sent(done: Done) -> None:
        await asyncio.wait_for(next_one.wait(), PATIENCE)

    world.matrix.before("invite", first)
    around_booking(monkeypatch, until_the_next_is_sent)
    await world.sync(COURSE)
    assert await told(world) == [("Invite", 8), ("Invite", 9)]


async def test_no_more_than_one_invite_is_ahead_of_the_books(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(world, 8, 9, 10)
    ahead: list[int] = []
    booked = 0

    async def count(done: Done) -> None:
        nonlocal booked
        for _ in range(20):
            # However long a booking takes, no third one is sent.
            await asyncio.sleep(0)
        ahead.append(len(world.matrix.made("invite")) - booked)
        booked += 1

    around_booking(monkeypatch, count)
    await world.sync(COURSE)
    assert max(ahead) <= 2
    assert len(await told(world)) == 3


async def test_a_removal_is_sent_when_all_invites_are_in_the_books(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.synced(students=[7, 8])
    world.facts.unenrol(COURSE, 8)
    world.facts.enrol(COURSE, 9, 10)
    await world.look(COURSE)
    await world.look_at_people()
    order: list[str] = []

    async def note(done: Done) -> None:
        await asyncio.sleep(0)
        order.append(type(done.action).__name__)

    async def kicked() -> None:
        order.append("kick")

    world.matrix.before("kick", kicked)
    around_booking(monkeypatch, note)
    await world.sync(COURSE)
    at = order.index("kick")
    assert order[at + 1] == "Remove"
    assert sorted(order) == ["Invite", "Invite", "Remove", "kick"]


async def test_where_the_books_take_nothing_the_look_ends_and_the_next_one_tells_what_was_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(world, 8, 9, 10)
    is_full = True

    async def refuse(done: Done) -> None:
        if is_full and isinstance(done.action, Invite):
            raise TemporaryFailure("The disk is full.")

    around_booking(monkeypatch, refuse)
    with pytest.raises(TemporaryFailure, match="disk is full"):
        await world.look(COURSE)
    assert len(world.matrix.made("invite")) == 2, "the one that was not booked, and one more at most"
    is_full = False
    await world.matrix.push()
    await world.sync(COURSE)
    invited = [user for _, user in world.matrix.made("invite")]
    assert sorted(invited) == [world.user(number) for number in (10, 8, 9)], "nobody twice"
    assert sorted(await told(world)) == [("Invite", 8), ("Invite", 9), ("Invite", 10)]


async def test_a_look_that_is_stopped_ends_with_complete_books(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(world, 8, 9, 10)
    second = asyncio.Event()

    async def stops() -> None:
        second.set()
        await asyncio.Event().wait()

    async def first() -> None:
        world.matrix.before("invite", stops)

    async def slowly(done: Done) -> None:
        await asyncio.wait_for(second.wait(), PATIENCE)

    world.matrix.before("invite", first)
    around_booking(monkeypatch, slowly)
    look = asyncio.create_task(world.look(COURSE))
    await asyncio.wait_for(second.wait(), PATIENCE)
    look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look
    assert await told(world) == [("Invite", 8)], "the first is booked; the second got no answer"
