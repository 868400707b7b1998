"""Writing Matrix ids into Moodle: only what differs, never over what others wrote, never taken for a source."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from moodle_appservice.domain.model import MoodleUserId, Resolution, Standing, Trust, UserId
from moodle_appservice.domain.rules import IdentityRules, PeopleRules
from moodle_appservice.engine.writeback import AGAIN, WriteBack
from moodle_appservice.errors import PermanentFailure, TemporaryFailure
from tests.engine.world import World

ONE, TWO = MoodleUserId(1), MoodleUserId(2)


@dataclass
class Moodle:
    """`ports.ProfileWriter` in memory; `silent` are dropped without a word, `hidden` are not shown."""

    values: dict[MoodleUserId, str] = field(default_factory=dict)
    refuses: set[MoodleUserId] = field(default_factory=set)
    hidden: set[MoodleUserId] = field(default_factory=set)
    trouble: Exception | None = None
    on: bool = True
    writes: list[dict[MoodleUserId, str]] = field(default_factory=list)
    reads: int = 0

    async def is_on(self) -> bool:
        return self.on

    async def read(self, user_ids: list[MoodleUserId]) -> dict[MoodleUserId, str]:
        self.reads += 1
        return {user_id: self.values.get(user_id, "") for user_id in user_ids if user_id not in self.hidden}

    async def write(self, values: dict[MoodleUserId, str]) -> dict[MoodleUserId, str]:
        self.writes.append(dict(values))
        if self.trouble is not None:
            raise self.trouble
        self.values.update(
            {user_id: value for user_id, value in values.items() if user_id not in self.refuses}
        )
        return {user_id: "Moodle did not want it." for user_id in values if user_id in self.refuses}


@dataclass
class Desk:
    world: World
    moodle: Moodle

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.back = WriteBack(self.moodle, self.world.store, self.world.rules, self.world.clock)  # type: ignore[arg-type]

    async def know(
        self,
        user_id: MoodleUserId,
        account: str | None,
        trust: Trust = Trust.DERIVED,
        standing: Standing = Standing.READY,
    ) -> None:
        self.world.facts.add_person(int(user_id))
        found = Resolution(
            user_id, UserId(account) if account else None, trust if account else None, standing=standing
        )
        await self.world.store.people.save(self.world.facts.people[user_id], found, at=1.0)

    async def written(self, user_id: MoodleUserId = ONE) -> str | None:
        return (await self.world.store.people.written_fields([user_id])).get(user_id)


@pytest.fixture
async def desk(world: World) -> Desk:
    made = Desk(world, Moodle())
    await made.know(ONE, "@one:uni.test")
    return made


async def test_an_id_is_written_once_and_again_only_when_it_changes(desk: Desk) -> None:
    for _ in range(3):
        await desk.back.run()
    assert desk.moodle.writes == [{ONE: "@one:uni.test"}]
    assert desk.moodle.reads == 1
    assert await desk.written() == "@one:uni.test"
    await desk.know(ONE, "@uno:uni.test")
    for _ in range(3):
        await desk.back.run()
    assert desk.moodle.values == {ONE: "@uno:uni.test"}
    assert [line.kind for line in await desk.world.store.journal.audit(person=ONE)] == ["WriteBack"] * 2


async def test_an_id_that_is_not_the_person_s_any_more_is_taken_out(desk: Desk) -> None:
    await desk.back.run()
    await desk.know(ONE, None)
    await desk.back.run()
    assert desk.moodle.values == {ONE: ""}
    await desk.back.run()
    assert len(desk.moodle.writes) == 2


async def test_who_waits_for_an_account_is_not_written(desk: Desk) -> None:
    await desk.know(TWO, "@two:uni.test", standing=Standing.WAITING)
    await desk.back.run()
    assert desk.moodle.values == {ONE: "@one:uni.test"}


async def test_a_value_of_somebody_else_stays(desk: Desk) -> None:
    desk.moodle.values = {ONE: "@other:uni.test"}
    for _ in range(3):
        await desk.back.run()
    assert (desk.moodle.writes, desk.moodle.reads) == ([], 1)
    assert await desk.written() is None


@pytest.mark.parametrize("is_locked", [True, False])
async def test_only_a_proven_id_replaces_what_somebody_else_wrote_and_not_in_a_locked_field(
    desk: Desk, is_locked: bool
) -> None:
    desk.world.use(identity=IdentityRules(profile_field="matrixid", field_is_locked=is_locked))
    desk.restart()
    await desk.know(ONE, "@mine:uni.test", Trust.PROVEN)
    desk.moodle.values = {ONE: "@other:uni.test"}
    await desk.back.run()
    assert desk.moodle.values == {ONE: "@other:uni.test" if is_locked else "@mine:uni.test"}


async def test_the_same_value_by_somebody_else_is_not_taken_for_ours(desk: Desk) -> None:
    desk.moodle.values = {ONE: "@one:uni.test"}
    await desk.back.run()
    assert desk.moodle.writes == []
    assert await desk.written() is None


async def test_who_is_refused_is_tried_again_after_a_day_and_the_reason_is_noted(desk: Desk) -> None:
    desk.moodle.refuses = {ONE}
    await desk.know(TWO, "@two:uni.test")
    for _ in range(3):
        await desk.back.run()
    assert desk.moodle.values == {TWO: "@two:uni.test"}
    assert (len(desk.moodle.writes), await desk.written()) == (1, "")
    (line,) = await desk.world.store.journal.audit(person=ONE)
    assert line.result == "Moodle did not want it."
    desk.moodle.refuses = set()
    desk.world.clock.advance(AGAIN)
    await desk.back.run()
    assert desk.moodle.values[ONE] == "@one:uni.test"


@pytest.mark.parametrize("trouble", [TemporaryFailure("away"), PermanentFailure("no right")])
async def test_a_moodle_that_fails_does_not_stop_the_pass_and_it_is_made_good(
    desk: Desk, trouble: Exception
) -> None:
    desk.moodle.trouble = trouble
    await desk.back.run()
    # What may have arrived is no source from now on.
    assert await desk.written() == "@one:uni.test"
    desk.moodle.trouble = None
    await desk.back.run()
    assert desk.moodle.values == {ONE: "@one:uni.test"}


async def test_after_a_start_everybody_is_compared_once(desk: Desk) -> None:
    await desk.world.store.people.wrote_field(ONE, "@one:uni.test")
    await desk.back.run()
    assert desk.moodle.values == {ONE: "@one:uni.test"}
    desk.restart()
    await desk.back.run()
    await desk.back.run()
    assert (len(desk.moodle.writes), desk.moodle.reads) == (1, 2)


async def test_where_moodle_has_no_such_function_nothing_is_asked(desk: Desk) -> None:
    desk.moodle.on = False
    await desk.back.run()
    assert (desk.moodle.reads, desk.moodle.writes) == (0, [])


async def test_people_whom_we_leave_alone_are_not_written(desk: Desk) -> None:
    await desk.know(TWO, "@two:uni.test")
    desk.world.use(people=PeopleRules(exclude=frozenset({"1", "p2"})))
    desk.restart()
    await desk.back.run()
    assert desk.moodle.writes == []
