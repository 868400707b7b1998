"""Spaces above courses: made, hung, renamed, moved and emptied as Moodle's categories are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CategoryId, CourseId, RoomId
from moodle_appservice.domain.rooms import SITE_SPACE, RoomKey, category_space, course_space, main_room
from moodle_appservice.domain.space_rules import SpaceRules
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.ports import Priority, Taken, course_key, space_key
from tests.engine.world import World

ALL = SpaceRules(site=True, levels=None)
ARTS, MUSIC, MATHS = (category_space(CategoryId(number)) for number in (10, 11, 3))
CHILD, PARENT = "m.space.child", "m.space.parent"


async def university(world: World, spaces: SpaceRules = ALL, **rules: Any) -> None:
    """Arts with Music below it, and Mathematics below a category that is not shown; a course in each."""
    world.use(spaces=spaces, existing_courses=True, **rules)
    world.facts.add_category("Arts", 10)
    world.facts.add_category("Music", 10, 11)
    world.facts.add_course(1, category_id=10, sort_order=100_001)
    world.facts.add_course(2, category_id=11, sort_order=110_001)
    world.facts.add_course(3, category_id=3, sort_order=30_001)
    for course_id in world.facts.courses:
        world.facts.enrol(course_id, 7)


async def settle(world: World) -> None:
    """A pass, and everything that follows from it."""
    await world.pass_over_site()
    await world.work()
    await world.matrix.push()
    await world.work()


def room(world: World, key: RoomKey) -> RoomId:
    return world.matrix.aliases[alias_of(key, world.rules)]


def below(world: World, space: RoomKey) -> list[str]:
    """What hangs in a space, in order, by the aliases without what all have in common."""
    names = {
        room_id: alias[len("#moodle_uni_") : -len(":uni.test")]
        for alias, room_id in world.matrix.aliases.items()
    }
    children = [
        (event.content["order"], names[RoomId(key)])
        for (kind, key), event in world.matrix.rooms[room(world, space)].items()
        if kind == CHILD and event.content
    ]
    return [name for _, name in sorted(children)]


def parents(world: World, key: RoomKey) -> Mapping[str, Mapping[str, Any]]:
    return {
        state_key: event.content
        for (kind, state_key), event in world.matrix.rooms[room(world, key)].items()
        if kind == PARENT and event.content
    }


async def test_there_are_no_spaces_above_courses_unless_somebody_wants_them(world: World) -> None:
    await university(world, SpaceRules())
    await settle(world)
    assert sorted(world.matrix.aliases) == [
        "#moodle_uni_control:uni.test",
        *(f"#moodle_uni_course_{number}:uni.test" for number in (1, 2, 3)),
    ]


async def test_site_categories_and_courses_hang_in_each_other_in_moodles_order(world: World) -> None:
    await university(world)
    await settle(world)
    assert below(world, SITE_SPACE) == ["category_3", "category_10"]
    assert below(world, ARTS) == ["course_1", "category_11"]
    assert below(world, MUSIC) == ["course_2"]
    for child, above in ((ARTS, SITE_SPACE), (MUSIC, ARTS), (main_room(CourseId(2)), MUSIC)):
        assert parents(world, child) == {room(world, above): {"via": ["uni.test"], "canonical": True}}
    site, music = room(world, SITE_SPACE), room(world, MUSIC)
    assert world.matrix.content(music, "m.room.name") == {"name": "Music"}
    assert world.matrix.content(music, "m.room.topic") == {
        "topic": "Arts / Music · https://moodle.uni.test/course/index.php?categoryid=11"
    }
    assert world.matrix.content(site, "m.room.name") == {"name": "Uni"}
    assert world.matrix.content(site, "m.room.join_rules") == {"join_rule": "invite"}
    assert world.matrix.content(music, "m.room.join_rules") == {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": site}],
    }
    assert world.matrix.content(music, "m.room.power_levels")["events_default"] == 100


async def test_a_second_pass_asks_nothing_of_the_homeserver_and_looks_at_no_space(world: World) -> None:
    await university(world)
    await settle(world)
    world.matrix.forget_requests()
    await world.pass_over_site()
    assert [key for key in await world.due() if key.kind == "space"] == []
    await settle(world)
    assert {request[0] for request in world.matrix.requests} <= {"get_state"}


async def test_each_space_and_each_room_is_made_with_one_request_and_hung_with_one(world: World) -> None:
    await university(world)
    await settle(world)
    assert len(world.matrix.made("create_room")) == 1 + 4 + 3
    sent = [kind for _, kind in world.matrix.made("set_state")]
    # Rooms that are made after their spaces are born with their parent.
    assert sent.count(CHILD) == 6
    assert sent.count(PARENT) == 0


async def test_only_chosen_depths_have_spaces_and_the_others_are_skipped(world: World) -> None:
    await university(world, SpaceRules(site=True, levels=frozenset({2})))
    await settle(world)
    assert below(world, SITE_SPACE) == ["category_3", "course_1", "category_11"]
    assert alias_of(ARTS, world.rules) not in world.matrix.aliases


async def test_a_course_with_a_space_of_its_own_hangs_there_by_that_space(world: World) -> None:
    await university(world, layout="space")
    await settle(world)
    assert below(world, MUSIC) == ["course_2_space"]
    assert set(parents(world, course_space(CourseId(2)))) == {room(world, MUSIC)}
    assert set(parents(world, main_room(CourseId(2)))) == {room(world, course_space(CourseId(2)))}


async def test_a_course_that_gets_a_space_of_its_own_is_hung_anew(world: World) -> None:
    await university(world)
    await settle(world)
    world.use(layout="space")
    await settle(world)
    assert below(world, MUSIC) == ["course_2_space"]
    world.use(layout="room")
    await settle(world)
    assert below(world, MUSIC) == ["course_2"]
    assert set(parents(world, main_room(CourseId(2)))) == {room(world, MUSIC)}
    assert parents(world, course_space(CourseId(2))) == {}


async def test_a_renamed_category_renames_its_space_and_the_topics_below(world: World) -> None:
    await university(world)
    await settle(world)
    world.facts.add_category("Fine Arts", 10)
    await settle(world)
    assert world.matrix.content(room(world, ARTS), "m.room.name") == {"name": "Fine Arts"}
    assert world.matrix.content(room(world, MUSIC), "m.room.topic")["topic"].startswith("Fine Arts / Music")


async def test_a_course_that_moves_to_another_category_is_taken_along(world: World) -> None:
    await university(world)
    await settle(world)
    enrolled = world.facts.enrolments[CourseId(1)]
    world.facts.add_course(1, category_id=3, sort_order=30_000)
    world.facts.enrolments[CourseId(1)] = enrolled
    await settle(world)
    assert below(world, MATHS) == ["course_1", "course_3"]
    assert below(world, ARTS) == ["category_11"]
    assert set(parents(world, main_room(CourseId(1)))) == {room(world, MATHS)}


async def test_a_category_that_moves_below_another_takes_all_below_it_along(world: World) -> None:
    await university(world)
    await settle(world)
    world.facts.add_category("Arts", 1, 3, 10)
    world.facts.add_category("Music", 1, 3, 10, 11)
    await settle(world)
    assert below(world, SITE_SPACE) == ["category_3"]
    assert below(world, MATHS) == ["course_3", "category_10"]
    assert set(parents(world, ARTS)) == {room(world, MATHS)}
    assert below(world, ARTS) == ["course_1", "category_11"]


async def test_another_order_in_moodle_costs_one_event_for_what_has_moved(world: World) -> None:
    await university(world)
    for number in range(20, 26):
        world.facts.add_course(number, category_id=10, sort_order=100_000 + number)
    await settle(world)
    world.matrix.forget_requests()
    world.facts.add_course(25, category_id=10, sort_order=100_000)
    await settle(world)
    assert below(world, ARTS)[:2] == ["course_25", "course_1"]
    assert [kind for _, kind in world.matrix.made("set_state") if kind == CHILD] == [CHILD]


async def test_the_space_of_a_deleted_category_is_emptied_and_kept(world: World) -> None:
    await university(world)
    await settle(world)
    space = room(world, MUSIC)
    world.matrix.act(space, world.rules.bot, CHILD, "!else", {"via": ["else.test"]})
    del world.facts.categories[CategoryId(11)], world.facts.courses[CourseId(2)]
    await settle(world)
    assert below(world, ARTS) == ["course_1"]
    assert parents(world, MUSIC) == {}
    children = {
        key: event.content for (kind, key), event in world.matrix.rooms[space].items() if kind == CHILD
    }
    assert children == {"!else": {"via": ["else.test"]}, room(world, main_room(CourseId(2))): {}}
    assert world.matrix.content(space, "m.room.name") == {"name": "Music"}
    assert world.matrix.content(space, "m.room.join_rules")["join_rule"] == "invite"
    world.matrix.forget_requests()
    await settle(world)
    assert {request[0] for request in world.matrix.requests} <= {"get_state"}


async def test_a_category_whose_courses_are_on_again_has_its_old_space_again(world: World) -> None:
    await university(world)
    await settle(world)
    space, rooms = room(world, MUSIC), len(world.matrix.rooms)
    world.use(deny_courses=frozenset({CourseId(2)}))
    await settle(world)
    assert below(world, MUSIC) == []
    assert below(world, ARTS) == ["course_1"]
    world.use(deny_courses=frozenset())
    await settle(world)
    assert below(world, ARTS) == ["course_1", "category_11"]
    assert (below(world, MUSIC), room(world, MUSIC), len(world.matrix.rooms)) == (["course_2"], space, rooms)
    assert world.matrix.content(space, "m.room.join_rules")["join_rule"] == "restricted"


async def test_spaces_that_are_switched_off_are_emptied_and_leave_the_rooms_alone(world: World) -> None:
    await university(world)
    await settle(world)
    world.use(spaces=SpaceRules())
    await settle(world)
    assert [below(world, space) for space in (SITE_SPACE, ARTS, MUSIC, MATHS)] == [[], [], [], []]
    assert parents(world, main_room(CourseId(1))) == {}
    assert world.matrix.members(room(world, main_room(CourseId(1)))) == {world.user(7): "invite"}


async def test_a_category_that_moodle_hides_lets_nobody_in_whom_it_does_not_have(world: World) -> None:
    await university(world)
    world.facts.add_category("Arts", 10, visible=False)
    await settle(world)
    for space in (ARTS, MUSIC):
        assert world.matrix.content(room(world, space), "m.room.join_rules") == {"join_rule": "invite"}
    assert below(world, SITE_SPACE) == ["category_3", "category_10"]
    world.facts.add_category("Arts", 10)
    await settle(world)
    assert world.matrix.content(room(world, MUSIC), "m.room.join_rules")["join_rule"] == "restricted"


async def test_courses_and_categories_that_are_to_hang_nowhere_are_left_out(world: World) -> None:
    await university(
        world,
        SpaceRules(
            site=True,
            levels=None,
            without_categories=frozenset({CategoryId(10)}),
            without_courses=frozenset({CourseId(3)}),
        ),
    )
    await settle(world)
    assert below(world, SITE_SPACE) == ["course_1", "category_11"]
    assert parents(world, main_room(CourseId(3))) == {}


async def test_a_course_that_was_just_made_is_hung_without_a_pass(world: World) -> None:
    await university(world)
    await settle(world)
    course_id = world.facts.add_course(4, category_id=10, sort_order=100_002)
    await world.switch_on(course_id)
    await world.queue.add(course_key(course_id))
    await world.pass_over_site()
    await world.work()
    assert below(world, ARTS) == ["course_1", "course_4", "category_11"]


# Drift


async def test_what_somebody_takes_out_of_a_space_is_hung_back_and_what_they_add_stays(world: World) -> None:
    await university(world)
    await settle(world)
    space = room(world, ARTS)
    child = room(world, main_room(CourseId(1)))
    order = world.matrix.rooms[space][CHILD, child].content["order"]
    world.matrix.act(space, "@admin:uni.test", CHILD, child, {})
    world.matrix.act(space, "@admin:uni.test", CHILD, "!club", {"via": ["uni.test"]})
    await world.matrix.push()
    await world.work()
    assert world.matrix.rooms[space][CHILD, child].content == {"via": ["uni.test"], "order": order}
    assert world.matrix.rooms[space][CHILD, "!club"].content == {"via": ["uni.test"]}


async def test_a_space_that_somebody_renames_keeps_that_name_unless_rules_are_strict(world: World) -> None:
    await university(world)
    await settle(world)
    space = room(world, ARTS)
    world.matrix.act(space, "@admin:uni.test", "m.room.name", "", {"name": "Our arts"})
    await world.matrix.push()
    await world.work()
    assert world.matrix.content(space, "m.room.name") == {"name": "Our arts"}
    world.use(strict=True)
    await settle(world)
    assert world.matrix.content(space, "m.room.name") == {"name": "Arts"}


async def test_a_lost_space_is_made_anew_and_everything_hung_into_it(world: World) -> None:
    await university(world)
    await settle(world)
    lost, site = room(world, ARTS), world.matrix.rooms[room(world, SITE_SPACE)]
    world.matrix.lose(lost)
    await world.store.mirror.mark_stale(lost)
    await world.queue.add(space_key(ARTS))
    await world.work()
    await settle(world)
    assert room(world, ARTS) != lost
    assert below(world, ARTS) == ["course_1", "category_11"]
    assert set(parents(world, main_room(CourseId(1)))) == {room(world, ARTS)}
    hanging = {key for (kind, key), event in site.items() if kind == CHILD and event.content}
    assert hanging == {room(world, ARTS), room(world, MATHS)}


async def test_after_the_loss_of_the_database_the_spaces_are_found_again(world: World) -> None:
    await university(world)
    await settle(world)
    before = dict(world.matrix.aliases)
    for table in ("room", "place", "mirror_room", "mirror_state", "mirror_member"):
        await world.db.execute(f"DELETE FROM {table}")
    world.rebuild()
    world.matrix.forget_requests()
    await settle(world)
    await settle(world)
    assert world.matrix.aliases == before
    assert below(world, ARTS) == ["course_1", "category_11"]
    assert world.matrix.made("invite") == []


async def test_a_space_that_can_not_be_made_holds_up_no_course(world: World) -> None:
    await university(world)
    alias = alias_of(ARTS, world.rules)
    world.matrix.refuse("create_room", alias, error=PermanentFailure("not allowed"))
    await world.pass_over_site()
    for space in (SITE_SPACE, SITE_SPACE):
        await world.spaces.run(Taken(space_key(space), Priority.PASS, 0, frozenset({"pass"})))
    with pytest.raises(PermanentFailure, match="not allowed"):
        await world.spaces.run(Taken(space_key(ARTS), Priority.PASS, 0, frozenset({"pass"})))
    for course_id in world.facts.courses:
        await world.sync(course_id)
    assert {f"#moodle_uni_course_{number}:uni.test" for number in (1, 2, 3)} <= set(world.matrix.aliases)
