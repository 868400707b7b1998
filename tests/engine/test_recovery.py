"""After the loss of our database: every room is found again, nobody is put out, and no word of anybody is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from moodle_appservice.domain.actions import CreateRoom, Invite, Remove
from moodle_appservice.domain.model import CourseId, RoomId
from moodle_appservice.domain.power import MARKER
from moodle_appservice.domain.rooms import RoomKey, RoomKind, course_space, main_room
from moodle_appservice.domain.rules import Choice
from moodle_appservice.engine.planning import Prepared
from moodle_appservice.engine.recovery import RECOVERED
from moodle_appservice.errors import Unreachable
from moodle_appservice.ports import Chosen, CourseRow
from tests.engine.world import World

COURSE = CourseId(42)
KINDS = (RoomKind.SPACE, RoomKind.MAIN, RoomKind.ANNOUNCEMENTS, RoomKind.STAFF)
Lose = Callable[[], Awaitable[World]]


@pytest.fixture
async def lose(world: World, tmp_path: Path) -> AsyncIterator[Lose]:
    """`await lose()`: the service anew, with the same rules and an empty database."""
    made: list[World] = []

    async def anew() -> World:
        await world.matrix.push()
        other = World(tmp_path / f"new{len(made)}.db")
        other.rules = world.rules
        await other.db.start()
        other.matrix, other.facts, other.clock = world.matrix, world.facts, world.clock
        other.rebuild()
        other.matrix.forget_requests()
        made.append(other)
        return other

    yield anew
    for one in made:
        await one.db.stop()


async def whole_course(world: World) -> dict[RoomKind, RoomId]:
    """A course with all rooms that need no groups, everybody where they are invited."""
    world.use(layout="space", announcements=True, staff=True)
    await world.course(students=[8, 9, 10], teachers=[7])
    await world.sync(COURSE)
    rooms = await world.store.ledger.rooms_of(COURSE)
    for own in rooms.values():
        for user, membership in world.matrix.members(own.room_id).items():
            if membership == "invite":
                world.matrix.member(own.room_id, user, "join")
    await world.matrix.push()
    await world.sync(COURSE)
    return {key.kind: own.room_id for key, own in rooms.items()}


async def planned(world: World) -> Prepared:
    """The plan after a look at the site and at everybody in the course."""
    await world.pass_over_site()
    await world.switch_on(COURSE)
    prepared = await world.planner.prepare(COURSE, not_older_than=0)
    if prepared.nobody_looked_at:
        await world.look(COURSE)
        await world.look_at_people()
        prepared = await world.planner.prepare(COURSE, not_older_than=0)
    return prepared


async def test_all_kinds_of_rooms_come_back_and_nothing_is_left_to_do(world: World, lose: Lose) -> None:
    rooms = await whole_course(world)
    assert set(rooms) == set(KINDS)
    other = await lose()
    prepared = await planned(other)
    assert [step.action for step in prepared.steps] == []
    assert {key.kind: room_id for key, room_id in prepared.ids.items()} == rooms
    await other.sync(COURSE)
    assert (
        other.matrix.made("invite") == other.matrix.made("kick") == other.matrix.made("set_state")[1:] == []
    )
    assert other.matrix.made("create_room") == [(other.rules.control_alias,)]


async def test_rooms_above_courses_come_back_too(world: World, lose: Lose) -> None:
    for key in (RoomKey(RoomKind.SITE, 0), RoomKey(RoomKind.CATEGORY, 3)):
        room_id = world.matrix.found(creator=world.rules.bot)
        content = {"site": "uni", "kind": str(key.kind), "room": str(key.kind), "moodle_id": key.owner}
        world.matrix.act(room_id, world.rules.bot, MARKER, "", content)
        other = await lose()
        await other.pass_over_site()
        assert await other.store.ledger.room_of(key) == room_id


async def test_nobody_who_left_declined_or_was_banned_is_invited(world: World, lose: Lose) -> None:
    room_id = await world.synced(students=[8, 9, 10, 11, 12], teachers=[7])
    world.matrix.member(room_id, world.user(8), "leave")
    world.matrix.member(room_id, world.user(9), "ban", by=world.user(7))
    world.matrix.member(room_id, world.user(10), "leave", by=world.rules.bot)
    other = await lose()
    prepared = await planned(other)
    invited = [step.action.matrix_id for step in prepared.steps if isinstance(step.action, Invite)]
    assert invited == [world.user(10)]
    kinds = {note.person: note.kind for note in prepared.main.plan.notes}
    assert kinds == {8: "left", 9: "banned"}


async def test_who_left_and_is_enrolled_anew_is_invited(world: World, lose: Lose) -> None:
    room_id = await world.synced(students=[8, 9], teachers=[7])
    world.matrix.member(room_id, world.user(8), "leave")
    other = await lose()
    await planned(other)
    await other.sync(COURSE)
    other.facts.unenrol(COURSE, 8)
    await other.sync(COURSE)
    other.facts.enrol(COURSE, 8)
    await other.sync(COURSE)
    assert other.matrix.members(room_id)[world.user(8)] == "invite"


async def test_who_left_before_and_asks_for_it_now_is_invited(world: World, lose: Lose) -> None:
    room_id = await world.synced(students=[8, 9], teachers=[7])
    world.matrix.member(room_id, world.user(8), "leave")
    other = await lose()
    await planned(other)
    await other.sync(COURSE)
    await other.store.ledger.unwanted(room_id, [world.user(8)])
    await other.sync(COURSE)
    assert other.matrix.members(room_id)[world.user(8)] == "invite"


async def test_who_has_no_account_that_a_rule_leads_to_is_left_alone(world: World, lose: Lose) -> None:
    room_id = await world.synced(students=[8], teachers=[7])
    world.matrix.member(room_id, "@proven:elsewhere.test", "join")
    other = await lose()
    prepared = await planned(other)
    assert not [step for step in prepared.steps if isinstance(step.action, Remove | CreateRoom)]
    await other.sync(COURSE)
    assert other.matrix.members(room_id)["@proven:elsewhere.test"] == "join"


async def test_a_name_given_in_element_stands_until_moodle_says_another(world: World, lose: Lose) -> None:
    room_id = await world.synced(students=[8], teachers=[7])
    world.matrix.act(room_id, world.user(7), "m.room.name", "", {"name": "Our room"})
    other = await lose()
    await planned(other)
    await other.sync(COURSE)
    await other.sync(COURSE)
    assert other.matrix.content(room_id, "m.room.name") == {"name": "Our room"}
    other.facts.add_course(42, fullname="Algebra")
    other.facts.enrol(COURSE, 8, 7)
    await other.sync(COURSE)
    assert other.matrix.content(room_id, "m.room.name") == {"name": "C42: Algebra"}


async def test_a_name_that_we_wrote_and_moodle_has_changed_since_follows(world: World, lose: Lose) -> None:
    room_id = await world.synced(students=[8])
    world.facts.courses[COURSE] = world.facts.courses[COURSE].__class__(
        COURSE, "C42", "Algebra", world.facts.courses[COURSE].category_id, True
    )
    other = await lose()
    await planned(other)
    await other.sync(COURSE)
    assert other.matrix.content(room_id, "m.room.name") == {"name": "C42: Algebra"}


async def test_what_people_have_chosen_comes_back_from_the_marker(world: World, lose: Lose) -> None:
    await world.course(students=[8])
    await world.store.choices.choose(COURSE, "calls", Chosen("off", "bot", 1.0))
    await world.store.courses.save(
        [CourseRow(COURSE, "C42", True, "", choice=Choice(True, "the bot", 1.0), field_seen=None)]
    )
    await world.sync(COURSE)
    other = await lose()
    await other.pass_over_site()
    chosen = await other.store.choices.of(COURSE)
    assert {setting: choice.value for setting, choice in chosen.items()} == {"calls": "off"}
    row = await other.store.courses.get(COURSE)
    assert row is not None and row.choice is not None
    assert (row.on, row.choice.on) == (True, True)


async def test_a_course_that_was_new_stays_new_and_one_that_was_there_before_stays_off(
    world: World, lose: Lose
) -> None:
    world.facts.add_course(40)
    await world.pass_over_site()
    await world.course(42, students=[8])
    await world.sync(COURSE)
    other = await lose()
    await other.pass_over_site()
    rows = await other.store.courses.all()
    assert {number: row.on for number, row in rows.items()} == {40: False, 42: True}


async def test_a_course_that_a_checkbox_has_switched_off_since_stays_off(world: World, lose: Lose) -> None:
    world.use(new_courses=False)
    types = {"matrix_enabled": "checkbox"}
    world.facts.add_course(42, custom_fields={"matrix_enabled": "0"}, custom_field_types=types)
    await world.pass_over_site()
    world.facts.add_course(42, custom_fields={"matrix_enabled": "1"}, custom_field_types=types)
    world.facts.enrol(COURSE, 8)
    await world.pass_over_site()
    await world.sync(COURSE)
    on = await lose()
    await on.pass_over_site()
    assert (row := await on.store.courses.get(COURSE)) is not None and row.on
    world.facts.add_course(42, custom_fields={"matrix_enabled": "0"}, custom_field_types=types)
    off = await lose()
    await off.pass_over_site()
    assert (row := await off.store.courses.get(COURSE)) is not None and not row.on


async def test_the_homeserver_is_asked_once_and_again_only_if_it_did_not_answer(
    world: World, lose: Lose
) -> None:
    await world.synced(students=[8])
    other = await lose()
    other.matrix.refuse("joined_rooms", error=Unreachable("down"), times=1)
    with pytest.raises(Unreachable):
        await other.pass_over_site()
    assert await other.store.settings.get(RECOVERED) is None
    await other.pass_over_site()
    await other.pass_over_site()
    assert len(other.matrix.made("joined_rooms")) == 2
    assert await other.store.ledger.room_of(main_room(COURSE)) is not None


@pytest.mark.parametrize("site", ["trial", None])
async def test_rooms_of_other_sites_and_with_markers_of_others_are_not_taken(
    world: World, lose: Lose, site: str | None
) -> None:
    room_id = await world.synced(students=[8])
    content = {**world.matrix.content(room_id, MARKER), "site": site or "uni"}
    world.matrix.act(room_id, world.rules.bot if site else "@tess:uni.test", MARKER, "", content)
    world.matrix.act(room_id, "@tess:uni.test" if site is None else world.rules.bot, MARKER, "", content)
    other = await lose()
    await other.pass_over_site()
    assert await other.store.ledger.every() == {}


async def test_of_two_generations_the_newest_counts(world: World, lose: Lose) -> None:
    await world.course(students=[8])
    await world.sync(COURSE)
    await world.store.choices.choose(COURSE, "generation", Chosen(2, "command line", 1.0))
    await world.sync(COURSE)
    rooms = await world.store.ledger.rooms_of(COURSE)
    assert rooms[main_room(COURSE)].generation == 2
    other = await lose()
    await other.pass_over_site()
    assert await other.store.ledger.rooms_of(COURSE) == rooms
    assert (await other.store.choices.of(COURSE))["generation"].value == 2
    assert len(await other.store.ledger.every()) == 2


async def test_an_installation_that_has_its_books_asks_nothing(world: World) -> None:
    await world.synced(students=[8])
    await world.pass_over_site()
    assert world.matrix.made("joined_rooms") == []
    assert await world.store.ledger.room_of(course_space(COURSE)) is None
