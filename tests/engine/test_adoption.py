"""Adopting rooms: shown first, refused with what is missing, recognised afterwards, and nobody in them is put out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moodle_appservice.domain.actions import Invite, PutAlias, Remove, SetPower
from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, RoomId
from moodle_appservice.domain.power import MARKER
from moodle_appservice.domain.rooms import RoomKey, RoomKind, main_room
from moodle_appservice.engine.adoption import Adoption
from moodle_appservice.engine.candidates import Candidates
from moodle_appservice.engine.choosing import Choosing
from moodle_appservice.engine.recovery import Recovery
from moodle_appservice.errors import PermanentFailure, Refused
from moodle_appservice.roomwork import found_text, said_of
from tests.engine.test_rooms import with_lost_books
from tests.engine.world import World

COURSE = CourseId(42)
ANN = "@ann:uni.test"
OLD = "#old-room:uni.test"


@pytest.fixture
async def adoption(world: World) -> AsyncIterator[Adoption]:
    workers = world.workers(2)
    choosing = Choosing(world.store, world.facts, world.site, workers, world.rules, world.clock)
    workers.start()
    yield Adoption(
        *(world.matrix, world.matrix, world.store, world.planner, world.site, workers, choosing),
        *(world.rules, world.clock),
    )
    await workers.stop()


async def foreign(
    world: World, *, version: str = "12", bot: int | None = 100, invited: bool = True
) -> RoomId:
    """A room that Ann has made, with a student, somebody who left, and a guest; the bot is invited with a level."""
    world.facts.add_course(42)
    world.facts.enrol(COURSE, 8, 9)
    world.facts.enrol(COURSE, 7, role="editingteacher")
    room_id = world.matrix.found(creator=ANN, alias=OLD, version=version)
    users: dict[str, int] = {**({ANN: 100} if version == "11" else {}), world.user(8): 50}
    if bot is not None:
        users[world.rules.bot] = bot
    world.matrix.act(room_id, ANN, "m.room.power_levels", "", {"users": users, "invite": 0})
    world.matrix.act(room_id, ANN, "m.room.name", "", {"name": "Old room"})
    world.matrix.act(room_id, ANN, "m.room.canonical_alias", "", {"alias": OLD})
    for user in (world.user(8), "@guest:elsewhere.test"):
        world.matrix.member(room_id, user, "join")
    world.matrix.member(room_id, world.user(9), "join")
    world.matrix.member(room_id, world.user(9), "leave")
    if invited:
        world.matrix.member(room_id, world.rules.bot, "invite", by=ANN)
    world.matrix.outbox.clear()
    return room_id


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_foreign_room_is_shown_with_its_plan_and_nothing_is_changed_in_it(
    world: World, adoption: Adoption, version: str
) -> None:
    room_id = await foreign(world, version=version)
    before = {key: event.content for key, event in world.matrix.rooms[room_id].items()}
    proposal = await adoption.look(COURSE, OLD)
    actions = proposal.planned.verdict.actions
    assert [action.matrix_id for action in actions if isinstance(action, Invite)] == [world.user(7)]
    assert not [action for action in actions if isinstance(action, Remove)]
    assert [action.alias for action in actions if isinstance(action, PutAlias)] == [
        alias_of(main_room(COURSE), world.rules)
    ]
    (power,) = (action for action in actions if isinstance(action, SetPower))
    assert power.content["users"] == {
        **({ANN: 100} if version == "11" else {}),
        world.rules.bot: 100,
        world.user(7): 60,
    }
    after = {key: event.content for key, event in world.matrix.rooms[room_id].items()}
    assert {key for key in after if after[key] != before.get(key)} == {("m.room.member", world.rules.bot)}
    text = "\n".join(said_of(proposal))
    assert "Old room" in text and "name stay as they are" in text and ANN in text
    assert await world.store.ledger.every() == {}


@pytest.mark.parametrize("version", ["11", "12"])
async def test_an_adopted_room_is_the_course_s_from_then_on(
    world: World, adoption: Adoption, version: str
) -> None:
    room_id = await foreign(world, version=version)
    said = await asyncio.wait_for(adoption.adopt(COURSE, room_id), 60)
    assert said == [f"The room {room_id} is that of course 42 main now."]
    assert await world.store.ledger.room_of(main_room(COURSE)) == room_id
    assert world.room(COURSE) == room_id
    assert world.matrix.members(room_id) == {
        ANN: "join",
        world.user(7): "invite",
        world.user(8): "join",
        world.user(9): "leave",
        "@guest:elsewhere.test": "join",
    }
    assert world.matrix.content(room_id, "m.room.name") == {"name": "Old room"}
    assert world.matrix.content(room_id, MARKER)["adopted"] is True
    assert world.matrix.content(room_id, "m.room.canonical_alias") == {
        "alias": alias_of(main_room(COURSE), world.rules),
        "alt_aliases": [OLD],
    }
    assert world.matrix.made("create_room") == [(world.rules.control_alias,)]
    assert [row.kind for row in await world.audit(COURSE) if row.kind == "RoomAdopted"] == ["RoomAdopted"]
    row = await world.store.courses.get(COURSE)
    assert row is not None and row.on
    await world.matrix.push()
    world.matrix.forget_requests()
    await world.sync(COURSE)
    assert world.matrix.requests == []


async def test_after_the_loss_of_the_database_an_adopted_room_is_found_again(
    world: World, adoption: Adoption, tmp_path: Path
) -> None:
    room_id = await foreign(world)
    await asyncio.wait_for(adoption.adopt(COURSE, room_id), 60)
    await world.matrix.push()
    other = await with_lost_books(world, tmp_path / "other.db")
    await other.pass_over_site()
    assert await other.store.ledger.room_of(main_room(COURSE)) == room_id
    await other.sync(COURSE)
    assert other.matrix.members(room_id)[world.user(9)] == "leave"
    assert other.matrix.content(room_id, "m.room.name") == {"name": "Old room"}
    await other.db.stop()


async def test_a_foreign_room_that_nobody_adopted_is_refused_under_our_alias(world: World) -> None:
    room_id = await foreign(world)
    await world.switch_on(COURSE)
    world.matrix.aliases[alias_of(main_room(COURSE), world.rules)] = room_id
    world.matrix.member(room_id, world.rules.bot, "join")
    content = {"site": "uni", "kind": "course", "room": "main", "moodle_id": 42}
    world.matrix.act(room_id, world.rules.bot, MARKER, "", content)
    world.matrix.outbox.clear()
    with pytest.raises(PermanentFailure, match="left untouched"):
        await world.sync(COURSE)


async def test_without_an_invite_it_is_said_how_to_give_one(world: World, adoption: Adoption) -> None:
    await foreign(world, invited=False)
    with pytest.raises(
        Refused, match=r"Invite the bot \(in Element: /invite @moodle:uni\.test\) .* level 100"
    ):
        await adoption.look(COURSE, OLD)


async def test_without_enough_power_it_is_said_what_is_missing_and_nothing_is_written(
    world: World, adoption: Adoption
) -> None:
    room_id = await foreign(world, version="11", bot=50)
    proposal = await adoption.look(COURSE, OLD)
    assert "has the level 50" in proposal.lacks and "/op @moodle:uni.test 100" in proposal.lacks
    with pytest.raises(Refused, match="has the level 50"):
        await adoption.adopt(COURSE, OLD)
    assert (MARKER, "") not in world.matrix.rooms[room_id]
    assert await world.store.ledger.every() == {}


@pytest.mark.parametrize("invited", [True, False])
async def test_with_admin_rights_the_bot_gets_what_it_lacks(
    world: World, adoption: Adoption, invited: bool
) -> None:
    room_id = await foreign(world, version="11", bot=None, invited=invited)
    world.matrix.is_admin = True
    await asyncio.wait_for(adoption.adopt(COURSE, OLD), 60)
    assert await world.store.ledger.room_of(main_room(COURSE)) == room_id
    assert world.matrix.content(room_id, "m.room.power_levels")["users"][world.rules.bot] == 100


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("nonsense", "is no room"),
        ("#nowhere:uni.test", "knows no room"),
        ("https://matrix.to/#/%23nowhere%3Auni.test", "knows no room"),
    ],
)
async def test_what_is_no_room_is_refused(world: World, adoption: Adoption, what: str, why: str) -> None:
    await foreign(world)
    with pytest.raises(Refused, match=why):
        await adoption.look(COURSE, what)


async def test_rooms_that_are_taken_or_of_another_kind_are_refused(world: World, adoption: Adoption) -> None:
    room_id = await foreign(world)
    world.matrix.member(room_id, world.rules.bot, "join")
    with pytest.raises(Refused, match="no such room as course 42 staff"):
        await adoption.look(COURSE, OLD, "staff")
    with pytest.raises(Refused, match="no kind of room “cellar”"):
        await adoption.look(COURSE, OLD, "cellar")
    with pytest.raises(Refused, match="is no space"):
        await adoption.look(COURSE, OLD, "space")
    world.matrix.act(room_id, world.rules.bot, MARKER, "", {"site": "trial", "moodle_id": 42})
    with pytest.raises(Refused, match="site trial"):
        await adoption.look(COURSE, OLD)
    world.matrix.act(room_id, world.rules.bot, MARKER, "", {"site": "uni", "moodle_id": 43})
    with pytest.raises(Refused, match="marked as that of course 43 main"):
        await adoption.look(COURSE, OLD)
    world.matrix.act(room_id, world.rules.bot, MARKER, "", {})
    world.matrix.act(room_id, ANN, "m.room.tombstone", "", {"replacement_room": "!new"})
    with pytest.raises(Refused, match=r"replaced by !new.*Adopt that one"):
        await adoption.look(COURSE, OLD)
    with pytest.raises(PermanentFailure, match="lists no course 99"):
        await adoption.look(CourseId(99), OLD)


async def test_a_course_that_has_a_room_keeps_it(world: World, adoption: Adoption) -> None:
    await foreign(world)
    await world.store.ledger.adopt(RoomId("!own"), main_room(COURSE), at=1.0)
    with pytest.raises(Refused, match="There is a room for course 42 main already: !own"):
        await adoption.look(COURSE, OLD)
    with pytest.raises(Refused, match="is ours already: course 42 main"):
        await adoption.look(COURSE, "!own")


async def test_the_room_of_moodle_s_own_provider_is_found_and_warned_of(
    world: World, adoption: Adoption
) -> None:
    room_id = await foreign(world)
    link = f"https://matrix.to/#/{OLD.replace('#', '%23').replace(':', '%3A')}?via=uni.test"
    world.facts.add_course(42, own_room_url=link)
    world.facts.enrol(COURSE, 8, 9)
    candidates = Candidates(
        *(
            world.matrix,
            world.store,
            world.facts,
            Recovery(world.matrix, world.store, world.rules, world.clock),
        ),
        world.rules,
    )
    (found,) = await candidates.find()
    assert (found.key, found.room) == (main_room(COURSE), OLD)
    proposal = await adoption.look(COURSE, found.room)
    assert any("communication subsystem" in note for note in proposal.notes)
    await asyncio.wait_for(adoption.adopt(COURSE, found.room), 60)
    assert await world.store.ledger.room_of(main_room(COURSE)) == room_id
    assert await candidates.find() == []
    assert [(one.key, one.users) for one in await candidates.unmanaged()] == [
        (main_room(COURSE), (ANN, "@guest:elsewhere.test"))
    ]


async def test_what_was_found_is_told_with_the_command_that_adopts_it() -> None:
    room = {
        "course": 42,
        "kind": "main",
        "room": OLD,
        "why": "It is so.",
        "command": "moodle-appservice adopt …",
    }
    nobodies = {"room": "course 42 main", "room_id": "!r", "users": [ANN]}
    text = found_text({"rooms": [room], "unmanaged": [nobodies]})
    assert f"{OLD} → course 42, main: It is so." in text
    assert f"1 accounts are nobody's in Moodle by any rule, and are left alone: {ANN}." in text
    assert "No room was found" in found_text({"rooms": [], "unmanaged": []})


async def test_announcements_can_be_adopted_where_the_course_is_to_have_them(world: World) -> None:
    world.use(layout="space", announcements=True)
    room_id = await foreign(world)
    world.matrix.member(room_id, world.rules.bot, "join")
    workers = world.workers(2)
    choosing = Choosing(world.store, world.facts, world.site, workers, world.rules, world.clock)
    workers.start()
    adoption = Adoption(
        *(world.matrix, world.matrix, world.store, world.planner, world.site, workers, choosing),
        *(world.rules, world.clock),
    )
    said = await asyncio.wait_for(adoption.adopt(COURSE, OLD, "announcements"), 60)
    await workers.stop()
    assert said[0] == f"The room {room_id} is that of course 42 announcements now."
    key = RoomKey(RoomKind.ANNOUNCEMENTS, COURSE)
    assert await world.store.ledger.room_of(key) == room_id
    assert world.matrix.content(room_id, "m.room.power_levels")["events_default"] == 50
