"""The same stories as in `test_convergence`, in a course with a space, five rooms and two groups.

What is new here: people change groups, join open rooms by themselves, and somebody with power meddles with any room.
When the trouble is over, every room is what Moodle says within two looks, and stays quiet.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, GroupId, GroupVisibility, MoodleUserId, RoomId
from moodle_appservice.domain.rooms import RoomKey, RoomKind
from tests.engine.stories import ADMIN, PEOPLE, STRANGER, Story
from tests.engine.world import World

COURSE = CourseId(42)
OPEN, CLOSED = GroupId(7), GroupId(8)
KEYS = (
    RoomKey(RoomKind.SPACE, COURSE),
    RoomKey(RoomKind.MAIN, COURSE),
    RoomKey(RoomKind.ANNOUNCEMENTS, COURSE),
    RoomKey(RoomKind.STAFF, COURSE),
    RoomKey(RoomKind.GROUP, COURSE, OPEN),
    RoomKey(RoomKind.GROUP, COURSE, CLOSED),
)
LEVELS = {"student": None, "teacher": 50, "editingteacher": 60}
BOT_ALONE = ("m.room.power_levels", "m.room.join_rules", "m.space.child", "m.space.parent", "m.bridge")


class SpaceStory(Story):
    """The acts of people in a room are in the one that was last gone to."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.key = KEYS[1]

    @property
    def room_id(self) -> RoomId | None:
        return self.room(self.key)

    def room(self, key: RoomKey) -> RoomId | None:
        return self.world.matrix.aliases.get(alias_of(key, self.world.rules))

    async def go_to(self, person: int, _: str) -> None:
        self.key = KEYS[person % len(KEYS)]

    async def change_group(self, person: int, word: str) -> None:
        number = OPEN if word == "teacher" else CLOSED
        group, members = self.world.facts.groups[COURSE][number]
        self.world.facts.groups[COURSE][number] = (group, members ^ {MoodleUserId(person)})

    async def let_oneself_in(self, person: int, _: str) -> None:
        """Into the room that was gone to, where its join rules allow that."""
        if self.room_id is not None and self._membership(person) not in ("join", "ban"):
            user = self.world.user(person)
            if self.world.matrix._lets_in(self.room_id, user):
                self.world.matrix.admit(self.room_id, user)

    async def tear(self, person: int, word: str) -> None:
        """Somebody with power takes rooms out of the space, opens a room to everybody, or lifts a level."""
        space = self.room(KEYS[0])
        if space is None or self.room_id is None:
            return
        if word == "teacher":
            self.world.matrix.act(space, ADMIN, "m.space.child", self.room_id, {})
        elif word == "student":
            self.world.matrix.act(self.room_id, ADMIN, "m.room.join_rules", "", {"join_rule": "public"})
        else:
            levels = dict(self.world.matrix.content(self.room_id, "m.room.power_levels"))
            levels["events"] = {**levels["events"], "m.room.power_levels": 0}
            self.world.matrix.act(self.room_id, ADMIN, "m.room.power_levels", "", levels)


STEPS = [name for name in vars(Story) | vars(SpaceStory) if not name.startswith("_")]
STORIES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(name for name in STEPS if name not in ("room_id", "room", "calm")),
                *("work", "work", "work", "push", "enrol", "enrol", "accept", "go_to", "go_to", "go_to"),
                *("let_oneself_in", "let_oneself_in", "change_group"),
            ]
        ),
        st.sampled_from(PEOPLE),
        st.sampled_from(["student", "teacher", "editingteacher"]),
    ),
    min_size=4,
    max_size=50,
)


def belongs(world: World, key: RoomKey, person: MoodleUserId) -> bool:
    """Whether somebody enrolled belongs in a room, by Moodle alone."""
    role = next(iter(world.facts.enrolments[COURSE][person]))
    if key.kind is RoomKind.STAFF:
        return role != "student"
    if key.group == CLOSED:
        return person in world.facts.groups[COURSE][CLOSED][1] or role == "editingteacher"
    return True


async def check(world: World, story: SpaceStory) -> None:
    known = await world.store.people.look_up([MoodleUserId(number) for number in PEOPLE])
    for key in KEYS:
        room_id = story.room(key)
        assert room_id is not None, f"there is no {key}"
        power = world.matrix.content(room_id, "m.room.power_levels")
        assert world.rules.bot not in power["users"]
        assert all(power["events"][event_type] == 100 for event_type in BOT_ALONE)
        assert all(level < 100 for level in power["users"].values())
        for number in PEOPLE:
            _check_person(
                world, story, key, room_id, MoodleUserId(number), known=MoodleUserId(number) in known
            )


def _check_person(
    world: World, story: SpaceStory, key: RoomKey, room_id: RoomId, person: MoodleUserId, *, known: bool
) -> None:
    user = world.user(person)
    if person in world.facts.hidden or person in story.let_in_by_admin:
        return
    event = world.matrix.rooms[room_id].get(("m.room.member", user))
    membership = event.content["membership"] if event else None
    level = world.matrix.content(room_id, "m.room.power_levels")["users"].get(user)
    roles = world.facts.enrolments[COURSE].get(person)
    account = world.facts.people.get(person)
    if roles is None or account is None or not account.usable or not belongs(world, key, person):
        assert not known or membership not in ("invite", "join"), f"{user} is {membership} in {key}"
        return
    is_asked = key.kind in (RoomKind.SPACE, RoomKind.MAIN, RoomKind.STAFF) or key.group == CLOSED
    chose = event is not None and event.sender == user and membership == "leave"
    assert not is_asked or membership in ("invite", "join", "ban") or chose, (
        f"{user} is {membership} in {key}"
    )
    if membership in ("invite", "join") or is_asked:
        assert level == LEVELS[next(iter(roles))], f"{user} has {level} in {key}"


@settings(max_examples=60)
@example(
    [
        *[("enrol", 1, "student"), ("work", 1, ""), ("go_to", 6, ""), ("accept", 1, "")],
        *[("go_to", 2, ""), ("let_oneself_in", 1, ""), ("unenrol", 1, "")],
    ]
)
@given(STORIES)
async def test_when_the_trouble_is_over_every_room_is_what_moodle_says(
    steps: list[tuple[str, int, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(
            Path(folder) / "store.db",
            existing_courses=True,
            layout="space",
            announcements=True,
            staff=True,
            groups=(".*",),
        )
        await world.db.start()
        try:
            world.facts.add_course(COURSE)
            world.facts.group(COURSE, OPEN, "Open")
            world.facts.group(COURSE, CLOSED, "Closed", visibility=GroupVisibility.MEMBERS)
            story = SpaceStory(world)
            for name, person, word in steps:
                await getattr(story, name)(person, word)
            strangers = {
                room_id
                for room_id, state in world.matrix.rooms.items()
                if ("m.room.member", STRANGER) in state
                and state["m.room.member", STRANGER].content["membership"] == "invite"
            }
            await story.calm()
            await check(world, story)
            for room_id in strangers:
                assert world.matrix.members(room_id)[STRANGER] == "invite", "nobody removes a stranger"
            world.matrix.forget_requests()
            await story.work()
            assert {request[0] for request in world.matrix.requests} <= {"get_state"}, "the rooms stay quiet"
            assert len([alias for alias in world.matrix.aliases if "course" in alias]) == len(KEYS)
        finally:
            await world.db.stop()
