"""What goes first: removals, teachers, new rooms, the rest; and where a plan's urgent part ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.actions import (
    Action,
    Ban,
    CreateRoom,
    Invite,
    Join,
    Remove,
    SetPower,
    SetState,
    Step,
)
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomAlias, UserId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.domain.urgency import Urgency, urgency, urgent_part

ROOM = main_room(CourseId(42))
SAM, SAMS = UserId("@sam:uni.test"), MoodleUserId(7)
MAKE = CreateRoom(ROOM, RoomAlias("#a:uni.test"), {}, "")
NAME = SetState("m.room.name", "", {"name": "A"}, "")
LEVELS = SetPower({}, {SAM: 50}, "")
TEACHER, STUDENT = Invite(SAM, SAMS, 50, ""), Invite(SAM, SAMS, 0, "")
VIRTUAL = Join(SAM, SAMS, True, "")
OUT, BAN, SWAP = (
    Remove(SAM, SAMS, ""),
    Ban(SAM, SAMS, ""),
    Remove(SAM, SAMS, "", instead=UserId("@new:uni.test")),
)
ALL: list[Action] = [MAKE, NAME, LEVELS, TEACHER, STUDENT, VIRTUAL, OUT, BAN, SWAP]


def steps(*actions: Action) -> tuple[Step, ...]:
    return tuple(Step(ROOM, action) for action in actions)


def test_each_kind_of_step_has_its_class() -> None:
    assert [urgency(steps(action)) for action in ALL] == [
        Urgency.NEW_ROOM,
        Urgency.REST,
        Urgency.TEACHER,
        Urgency.TEACHER,
        *[Urgency.REST] * 2,
        *[Urgency.REMOVAL] * 2,
        Urgency.REST,
    ]
    assert urgency(()) is Urgency.REST
    assert list(Urgency) == [Urgency.REMOVAL, Urgency.TEACHER, Urgency.NEW_ROOM, Urgency.REST]


def test_the_urgent_part_ends_before_the_first_ordinary_arrival() -> None:
    plan = steps(OUT, MAKE, NAME, TEACHER, STUDENT, STUDENT)
    assert urgent_part(plan) == plan[:4]
    assert urgent_part(plan[4:]) == plan[4:], "nothing is urgent: all of it"
    assert urgent_part(plan[:4]) == plan[:4]


@given(st.lists(st.sampled_from(ALL), max_size=12))
def test_the_urgent_part_is_a_beginning_and_never_empty_where_something_is_to_be_done(
    actions: list[Action],
) -> None:
    plan = steps(*actions)
    part = urgent_part(plan)
    assert plan[: len(part)] == part
    assert bool(part) == bool(plan)


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=12))
def test_the_most_urgent_step_decides(actions: list[Action]) -> None:
    assert urgency(steps(*actions)) is min(urgency(steps(action)) for action in actions)
