"""All rooms of a course together, case by case: what is to be done, where, in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moodle_appservice.domain.actions import ForceJoin, Invite, Join, OfPerson, SetState, Step
from moodle_appservice.domain.ledger import Ledger
from moodle_appservice.domain.mapping import DesiredCourse, desired_course
from moodle_appservice.domain.model import (
    ActualMember,
    ActualRoom,
    CourseFacts,
    CourseId,
    GroupId,
    Membership,
    MoodleUserId,
    RoomId,
    UserId,
)
from moodle_appservice.domain.plan import plan_room, staying_in, steps_of
from moodle_appservice.domain.power import power_levels
from moodle_appservice.domain.rooms import RoomKey, RoomKind
from tests.domain import casefiles, values
from tests.domain.test_structure import group

COURSE = CourseId(42)
KEYS = ("rules", "people", "groups", "there", "places", "places_of", "levels", "steps")


def key_of(name: str) -> RoomKey:
    kind, _, number = name.partition(" ")
    return RoomKey(RoomKind(kind), COURSE, GroupId(int(number or 0)))


def name_of(key: RoomKey) -> str:
    return f"{key.kind} {key.group}" if key.group else str(key.kind)


def facts_of(case: dict[str, Any]) -> tuple[CourseFacts, Any]:
    people = {
        number: {name: value for name, value in one.items() if name != "groups"}
        for number, one in case["people"].items()
    }
    facts, resolutions = values.course_facts({"course": {"id": COURSE}, "people": people})
    in_groups = {number: frozenset(one.get("groups", ())) for number, one in case["people"].items()}
    enrolments = tuple(replace(one, groups=in_groups[one.user_id]) for one in facts.enrolments)
    groups = tuple(group(number, one) for number, one in case.get("groups", {}).items())
    return replace(facts, enrolments=enrolments, groups=groups), resolutions


def actual_of(case: dict[str, Any], course: DesiredCourse, name: str) -> ActualRoom:
    """A room in which all is as it should be but for its members, and for what a case is about."""
    desired = next(room for room in course.rooms if room.key == key_of(name))
    rules = course.rules
    users = {UserId(user): level for user, level in case.get("levels", {"@tess:uni.test": 60}).items()}
    members = {rules.bot: ActualMember(Membership.JOIN)}
    for user, one in case["there"][name].items():
        membership, sender, *admitted = (one, None) if isinstance(one, str) else one
        members[UserId(user)] = ActualMember(Membership(membership), sender, bool(admitted))
    state: dict[tuple[str, str], Any] = dict(desired.state)
    state["m.room.name", ""] = {"name": desired.name}
    state["m.room.topic", ""] = {"topic": desired.topic}
    for room_id, content in desired.children.items():
        state["m.space.child", room_id] = content
    voice = desired.voice
    if not desired.is_listed:
        # As it was while it was wanted.
        voice = type(voice)("all")
        state["m.space.parent", "!space"] = {"via": ["uni.test"], "canonical": True}
    state["m.room.power_levels", ""] = power_levels("12", rules, users, kind=desired.key.kind, voice=voice)
    return ActualRoom(RoomId(f"!{name}"), "12", rules.bot, state, members)


def steps(case: dict[str, Any]) -> tuple[Step, ...]:
    given = dict(case.get("rules", {}))
    if "groups" in given:
        given["groups"] = tuple(given["groups"])
    rules = values.rules(given)
    facts, resolutions = facts_of(case)
    there = case.get("there", {})
    existing = {key_of(name): RoomId(f"!{name}") for name in there}
    course = desired_course(facts, None, resolutions, rules, existing=existing)
    known = {UserId("@tess:uni.test"): MoodleUserId(7), UserId("@sam:uni.test"): MoodleUserId(8)}
    plans = []
    staying: dict[RoomKind, frozenset[UserId]] = {}
    hung = {room_id: {"via": ["uni.test"]} for room_id in existing.values() if room_id != "!space"}
    for desired in course.rooms:
        name = name_of(desired.key)
        actual = actual_of(case, course, name) if name in there else None
        if actual is not None and desired.key.kind is RoomKind.SPACE:
            state: dict[tuple[str, str], Any] = {("m.space.child", str(one)): hung[one] for one in hung}
            actual = replace(actual, state={**state, **actual.state})
        booked = case.get("places", list(there))
        of_ours = case.get("places_of", there.get(name, {}))
        places = frozenset(UserId(user) for user in of_ours if name in booked)
        ledger = Ledger(name=desired.name, topic=desired.topic, places=places)
        admitted = frozenset().union(*staying.values()) if desired.is_free else frozenset[UserId]()
        plan = plan_room(
            desired,
            actual,
            ledger,
            known,
            course.rules,
            admitted=admitted,
            ours=frozenset(existing.values()),
        )
        if desired.key.kind in (RoomKind.SPACE, RoomKind.MAIN):
            staying[desired.key.kind] = staying_in(desired, actual, plan)
        plans.append((plan, plan.actions))
    return steps_of(plans)


def shown(step: Step) -> str:
    action = step.action
    words = [name_of(step.room), type(action).__name__]
    if isinstance(action, OfPerson):
        words.append(action.matrix_id)
    if isinstance(action, Invite | ForceJoin):
        words.append(str(action.level))
    if isinstance(action, Join) and action.invite:
        words.append("with an invite")
    if isinstance(action, SetState):
        words.append(action.event_type)
        if action.event_type == "m.space.child":
            words.append(action.state_key.removeprefix("!").removeprefix("?room course 42 "))
    return " ".join(words)


@pytest.mark.parametrize("case", casefiles.cases("course", keys=KEYS))
def test_course(case: dict[str, Any]) -> None:
    assert [shown(step) for step in steps(case)] == case["steps"]
