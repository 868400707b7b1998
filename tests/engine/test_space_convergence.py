"""Whatever happens to categories, courses and spaces: two passes later the tree is that of Moodle, and quiet."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CategoryId, CourseId, RoomId
from moodle_appservice.domain.space_rules import SpaceRules
from moodle_appservice.domain.tree import Tree
from moodle_appservice.errors import AppError, PermanentFailure, Unreachable
from tests.engine.test_spaces import CHILD, PARENT, settle
from tests.engine.world import World

RULES = (
    SpaceRules(site=True, levels=None),
    SpaceRules(site=True, levels=frozenset({1, 3})),
    SpaceRules(site=True, levels=None, without_categories=frozenset({CategoryId(2)})),
    SpaceRules(site=True),
    SpaceRules(),
)


class Story:
    """One world and what may happen in it; `number` chooses a category or a course, `other` another one."""

    def __init__(self, world: World) -> None:
        self.world = world

    # In Moodle

    def category(self, number: int, other: int) -> None:
        """A category that is made, renamed, hidden or moved below another, with all below it."""
        known = self.world.facts.categories
        above = known.get(CategoryId(other))
        path = (*above.path, number) if above is not None and number not in above.path else (number,)
        self.world.facts.add_category(f"K{number}{other}", *path, sort_order=other, visible=other % 4 > 0)
        for one in list(known.values()):
            if number in one.path[:-1]:
                below = one.path[one.path.index(CategoryId(number)) + 1 :]
                self.world.facts.add_category(one.name, *path, *below, sort_order=one.sort_order)

    def delete_category(self, number: int, _: int) -> None:
        for one in list(self.world.facts.categories.values()):
            if number in one.path:
                del self.world.facts.categories[one.id]

    def course(self, number: int, other: int) -> None:
        """A course that is made, or moved to another category and place."""
        enrolled = self.world.facts.enrolments.get(CourseId(number), {})
        self.world.facts.add_course(number, category_id=other, sort_order=(number * other) % 7)
        self.world.facts.enrolments[CourseId(number)] = enrolled

    def delete_course(self, number: int, _: int) -> None:
        self.world.facts.courses.pop(CourseId(number), None)

    def rules(self, number: int, _: int) -> None:
        self.world.use(spaces=RULES[number % len(RULES)])

    def layout(self, number: int, _: int) -> None:
        self.world.use(layout="space" if number % 2 else "room")

    # In Matrix

    def take_out(self, number: int, other: int) -> None:
        """Somebody takes something out of a space, or gives it another order."""
        links = [
            (room_id, key, event.content)
            for room_id, state in sorted(self.world.matrix.rooms.items())
            for (kind, key), event in sorted(state.items())
            if kind == CHILD and event.content
        ]
        if links:
            room_id, key, content = links[number * other % len(links)]
            changed = {} if other % 2 else {**content, "order": str(other)}
            self.world.matrix.act(room_id, "@admin:uni.test", CHILD, key, changed)

    def rename(self, number: int, _: int) -> None:
        room_id = self.world.matrix.aliases.get(f"#moodle_uni_category_{number}:uni.test")
        if room_id is not None:
            self.world.matrix.act(room_id, "@admin:uni.test", "m.room.name", "", {"name": "Ours"})

    # Trouble

    def refuse(self, number: int, other: int) -> None:
        kind = ("create_room", "set_state", "read_state", "resolve_alias")[number % 4]
        error = Unreachable("down") if other % 2 else PermanentFailure("refused")
        self.world.matrix.refuse(kind, error=error, times=1)

    def restart(self, *_: int) -> None:
        self.world.rebuild()

    async def work(self) -> None:
        """A pass and what follows from it, as far as it comes."""
        try:
            await settle(self.world)
        except AppError:
            self.world.rebuild()

    # The end

    async def calm(self) -> None:
        """All works again: two passes."""
        self.world.matrix._refusals.clear()
        await self.world.matrix.push()
        for _ in range(2):
            self.world.clock.advance(4000)
            await settle(self.world)


STEPS = [name for name in vars(Story) if not name.startswith("_") and name not in ("work", "calm")]
STORIES = st.lists(
    st.tuples(
        st.sampled_from([*STEPS, "work", "work", "category", "category", "course", "course"]),
        st.integers(1, 6),
        st.integers(1, 6),
    ),
    min_size=3,
    max_size=25,
)


async def check(world: World) -> None:
    """The homeserver holds Moodle's tree, and nothing else of ours."""
    site = await world.facts.site(not_older_than=0.0)
    tree: Tree = await world.tree.planted(site, await world.store.courses.all())
    ids = {key: room_id for room_id, key in (await world.store.ledger.every()).items()}
    of = {room_id: key for key, room_id in ids.items()}
    for room_id, key in of.items():
        if key.kind.is_of_course and key.kind != "space":
            continue
        hanging = sorted(
            (event.content["order"], of[RoomId(child)])
            for (kind, child), event in world.matrix.rooms[room_id].items()
            if kind == CHILD and event.content and RoomId(child) in of
        )
        if not key.kind.is_of_course:
            assert [child for _, child in hanging] == list(tree.spaces.get(key, ())), key
    for child, space in tree.parents.items():
        assert alias_of(child, world.rules) in world.matrix.aliases
        assert _parents(world, ids[child]) == [ids[space]], (child, space)
    for key, room_id in ids.items():
        course = key.course_id
        if key in tree.parents or (course is not None and course not in world.facts.courses):
            continue
        assert len(_parents(world, room_id)) <= 1, key
        if course is None:
            assert _parents(world, room_id) == [], key


def _parents(world: World, room_id: RoomId) -> list[str]:
    return [
        key
        for (kind, key), event in world.matrix.rooms[room_id].items()
        if kind == PARENT and event.content.get("canonical")
    ]


@settings(max_examples=40)
@given(STORIES)
async def test_two_passes_after_the_last_trouble_the_spaces_are_the_tree_of_moodle_and_stay_quiet(
    steps: list[tuple[str, int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "store.db", existing_courses=True)
        world.use(spaces=RULES[0])
        await world.db.start()
        try:
            story = Story(world)
            for name, number, other in steps:
                if name == "work":
                    await story.work()
                else:
                    getattr(story, name)(number, other)
            await story.calm()
            await check(world)
            world.matrix.forget_requests()
            await settle(world)
            assert {request[0] for request in world.matrix.requests} <= {"get_state"}, "the tree stays quiet"
        finally:
            await world.db.stop()
