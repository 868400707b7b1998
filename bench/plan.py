"""How long planning a large course takes: the pure functions alone, without a database or a homeserver.

A course with so many members is planned three times over: for a room that is as it should be (`unchanged`), for no room
at all (`new`), and for a room in which nobody of them is and everybody else is to go (`changed`). The alternative in
the same run, `copy_ms`, makes the same number of steps without deciding anything: what the answer costs by itself.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sized
from functools import partial
from statistics import median
from typing import Any

from moodle_appservice.domain.actions import Action, CreateRoom, Invite
from moodle_appservice.domain.holds import Cause
from moodle_appservice.domain.ledger import Ledger
from moodle_appservice.domain.mapping import desired_course
from moodle_appservice.domain.members import Circumstances
from moodle_appservice.domain.model import (
    ActualMember,
    ActualRoom,
    CategoryId,
    Course,
    CourseFacts,
    CourseId,
    Enrolment,
    Membership,
    MoodleUserId,
    Person,
    Resolution,
    Role,
    RoomId,
    Trust,
    UserId,
)
from moodle_appservice.domain.plan import plan_room
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.domain.rules import Rules
from moodle_appservice.domain.safety import judge

ROOM = RoomId("!room")
BOT = UserId("@bot:uni.test")
TIMES = 7


def facts_of(people: int) -> CourseFacts:
    """A course with so many people, every hundredth a teacher."""
    everybody = {
        MoodleUserId(number): Person(
            MoodleUserId(number), f"p{number}", f"Person {number}", False, True, "oidc", f"p{number}@uni.test"
        )
        for number in range(1, people + 1)
    }
    enrolments = tuple(
        Enrolment(user, frozenset({Role("editingteacher" if user % 100 == 1 else "student")}))
        for user in everybody
    )
    course = Course(CourseId(42), "BIG", "A large course", CategoryId(2), True)
    return CourseFacts(course, enrolments, everybody, (), 0.0)


class Planner:
    """Plans one course as the engine does."""

    def __init__(self, facts: CourseFacts) -> None:
        self.facts = facts
        self.rules = Rules(site="uni", domain="uni.test", bot=BOT, site_url="https://moodle.uni.test")
        self.resolutions = {
            user: Resolution(user, UserId(f"@p{user}:uni.test"), Trust.DIRECTORY) for user in facts.people
        }
        self.made: Mapping[str, Any] = {}

    def plan(self, members: Mapping[UserId, MoodleUserId]) -> tuple[Action, ...]:
        """For a room with these members, or for none."""
        existing = {main_room(self.facts.course.id): ROOM} if members else {}
        course = desired_course(
            self.facts,
            None,
            self.resolutions,
            self.rules,
            existing=existing,
            circumstances=Circumstances(now=0.0),
        )
        (desired,) = course.rooms
        actual = self.room(members) if members else None
        made = plan_room(desired, actual, self.ledger(members), members, course.rules)
        # A person has confirmed everything: what safety holds is no work.
        confirmed = dict.fromkeys(Cause, frozenset(members) | frozenset(desired.members))
        verdict = judge(made, desired, actual, course.rules, confirmed=confirmed)
        return verdict.actions

    def room(self, members: Mapping[UserId, MoodleUserId]) -> ActualRoom:
        """The room as it was made, with these people in it."""
        made = self.made
        state: dict[tuple[str, str], Mapping[str, Any]] = {
            ("m.room.create", ""): {"room_version": "12", **made.get("creation_content", {})},
            ("m.room.power_levels", ""): made["power_level_content_override"],
            ("m.room.name", ""): {"name": made["name"]},
            ("m.room.topic", ""): {"topic": made["topic"]},
            ("m.room.canonical_alias", ""): {"alias": f"#{made['room_alias_name']}:uni.test"},
            ("m.room.history_visibility", ""): {"history_visibility": "shared"},
            ("m.room.join_rules", ""): {"join_rule": "invite"},
        }
        for event in made["initial_state"]:
            state[event["type"], event.get("state_key", "")] = event["content"]
        there = {user: ActualMember(Membership.JOIN, user) for user in (*members, BOT)}
        return ActualRoom(ROOM, "12", BOT, state, there)

    def ledger(self, members: Mapping[UserId, MoodleUserId]) -> Ledger:
        """As it was booked."""
        if not members:
            return Ledger()
        levels = self.made["power_level_content_override"]["users"]
        return Ledger(
            name=self.made["name"], topic=self.made["topic"], levels=levels, places=frozenset(members)
        )


def timed(work: Callable[[], Sized]) -> tuple[float, int]:
    """Milliseconds, the median of some times, and how many steps came of it."""
    took = []
    steps = len(work())
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - began))
    return round(median(took), 1), steps


def measure(people: int) -> dict[str, Any]:
    """The whole run."""
    planner = Planner(facts_of(people))
    create = planner.plan({})[0]
    assert isinstance(create, CreateRoom)
    planner.made = create.content
    same = {UserId(f"@p{user}:uni.test"): user for user in planner.facts.people}
    others = {UserId(f"@x{user}:uni.test"): MoodleUserId(user + 10**6) for user in planner.facts.people}
    result: dict[str, Any] = {"bench": "plan", "people": people}
    for name, members in (("new", {}), ("unchanged", same), ("changed", others)):
        result[f"{name}_ms"], result[f"{name}_steps"] = timed(partial(planner.plan, members))
    result["copy_ms"], _ = timed(
        lambda: [Invite(BOT, MoodleUserId(number), 0, "why") for number in range(people)]
    )
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The planner alone; see README.md.")
    parser.add_argument("--people", type=int, default=3000)
    print(json.dumps(measure(parser.parse_args().people)))


if __name__ == "__main__":
    main()
