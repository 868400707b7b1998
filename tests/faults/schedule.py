"""From a seed to a story: what happens to the university, and what goes wrong meanwhile. Pure, so that a seed replays.

A story is a list of steps. A `Step` names what to do and with what; `seconds` is how long the world then goes on by
itself. No story removes more than a few people from a room, so that safety holds nothing: a story that ends in a hold
would prove nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from moodle_appservice.demo.sandbox import Fault
from tests.faults.proxy import Trouble

STEPS = 14
COURSES = 2
PEOPLE = 9
MOST_LEAVERS = 4
"""People who ever leave a course: below what safety holds."""


class What(StrEnum):
    """What a step does."""

    ENROL = "enrol"
    LEAVE = "leave"
    ROLE = "role"
    SUSPEND = "suspend"
    RESTORE = "restore"
    RENAME = "rename"
    PASS = "pass"
    KILL_SERVICE = "kill the service"
    STOP_SERVICE = "stop the service"
    SECOND_SERVICE = "start a second service"
    KILL_SYNAPSE = "kill Synapse"
    RESTORE_SYNAPSE = "restore Synapse from a backup"
    HOMESERVER = "trouble on the way to the homeserver"
    PUSHES = "trouble on the way of pushes"
    MOODLE = "trouble on the way to Moodle"
    MOODLE_FAULT = "Moodle answers wrongly"
    MOODLE_RIGHTS = "Moodle takes a right away"
    MOODLE_CLOCK = "the clock of Moodle jumps"
    DATABASE_LOCKED = "somebody else locks the database"
    DISK_FULL = "the disk is full"
    DATABASE_LOST = "the connections to the database are cut"
    DATABASE_RESTARTED = "the database is restarted"
    DATABASE_FAILED_OVER = "the database crashes and comes back from its log"
    CALM = "all works again"


TERM = (What.ENROL, What.ENROL, What.LEAVE, What.ROLE, What.SUSPEND, What.RESTORE, What.RENAME)
TROUBLE = (
    *(What.KILL_SERVICE, What.KILL_SERVICE, What.STOP_SERVICE, What.SECOND_SERVICE, What.KILL_SYNAPSE),
    *(What.RESTORE_SYNAPSE, What.HOMESERVER, What.HOMESERVER, What.PUSHES, What.PUSHES, What.MOODLE),
    *(What.MOODLE_FAULT, What.MOODLE_FAULT, What.MOODLE_RIGHTS, What.MOODLE_CLOCK, What.CALM, What.CALM),
)
ON_SQLITE = (What.DATABASE_LOCKED, What.DISK_FULL)
ON_POSTGRES = (What.DATABASE_LOST, What.DATABASE_RESTARTED, What.DATABASE_FAILED_OVER)
HTML = (Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.PHP_NOTICE, Fault.CUT, Fault.EMPTY, Fault.DATABASE_DOWN)
PARTIAL = (Fault.TRUNCATED, Fault.MAINTENANCE, Fault.HANG_UP, Fault.PHP_FATAL)
RIGHTS = ("moodle/user:viewdetails", "moodle/course:enrolreview", "moodle/site:accessallgroups")


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `course` and `person` are numbers from 0, `how` says more about a trouble."""

    what: What
    course: int = 0
    person: int = 0
    how: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        more = f" {self.how}" if self.how else ""
        return f"{self.what} (course {self.course}, person {self.person}){more}, then {self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class Story:
    """What a seed stands for. `postgres`: where the service keeps its books; else SQLite.

    `settled`: it begins when all rooms are filled; else with the first sync, which most troubles then fall into.
    """

    seed: int
    postgres: bool
    settled: bool
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        engine = "PostgreSQL" if self.postgres else "SQLite"
        begin = "after the first sync" if self.settled else "from the start"
        return "\n".join([f"seed {self.seed}, {engine}, {begin}:", *(f"  {step}" for step in self.steps)])


def story(seed: int, *, steps: int = STEPS) -> Story:
    """The story of a seed, always the same."""
    chance = random.Random(seed)
    postgres = chance.random() < 0.3
    engine = ON_POSTGRES if postgres else ON_SQLITE
    left: list[set[int]] = [set() for _ in range(COURSES)]
    told: list[Step] = []
    for _ in range(steps):
        what = chance.choice(TERM) if chance.random() < 0.5 else chance.choice((*TROUBLE, *engine))
        course, person = chance.randrange(COURSES), chance.randrange(PEOPLE)
        if what in (What.LEAVE, What.SUSPEND):
            courses = [course] if what is What.LEAVE else range(COURSES)
            if any(len(left[one] | {person}) > MOST_LEAVERS for one in courses):
                what = What.ENROL
            else:
                for one in courses:
                    left[one].add(person)
        told.append(Step(what, course, person, _how(what, chance), chance.uniform(0.05, 0.6)))
        if chance.random() < 0.5:
            told.append(Step(What.PASS, seconds=chance.uniform(0.0, 0.4)))
    return Story(seed, postgres, seed % 2 == 0, tuple(told))


def _how(what: What, chance: random.Random) -> str:
    if what in (What.HOMESERVER, What.PUSHES):
        return str(chance.choice([one for one in Trouble if one is not Trouble.NONE]))
    match what:
        case What.MOODLE:
            return str(
                chance.choice([Trouble.DELAY, Trouble.CUT, Trouble.RESET, Trouble.LOSE, Trouble.CORRUPT])
            )
        case What.MOODLE_FAULT:
            return chance.choice([*HTML, *PARTIAL]).name
        case What.MOODLE_RIGHTS:
            return chance.choice(RIGHTS)
        case What.ROLE:
            return chance.choice(["student", "teacher", "editingteacher"])
        case What.MOODLE_CLOCK:
            return str(chance.choice([-7200, -60, 60, 7200]))
    return ""
