"""Checks of the database, and of the work: what waits, what is paused, held or in trouble.

They judge the numbers of `survey`, which tell nothing about people: the running service is asked for them, since
it owns the database; where none runs they are read from the database itself. So all of them build on the first
check, whether it can be had at all. A pass that is overdue fails, as do held plans, with an exit code of their
own; what waits long, has trouble or is paused is a warning.
"""

from __future__ import annotations

import time

from ..cli import Exit
from ..domain.moments import moment
from ..errors import PermanentFailure
from .examined import Examined
from .frame import Caution, Check

CHECK_DATABASE = "Database"
OLDEST = {"SQLite": (3, 40), "PostgreSQL": (15, 0)}
OLD_KEY = 600.0
"""Seconds: what is due and waits longer waits for something that is wrong."""
MISSED_PASSES = 3


async def _database(at: Examined) -> str:
    if at.running:
        return f"{at.settings.database_shown} is in use by the running service."
    if at.no_database is not None:
        raise at.no_database
    return f"{at.settings.database_shown} can be opened and written."


async def _version(at: Examined) -> str:
    found = (await at.survey())["database"]
    said = (
        f"{found['engine']} {found['version']}, schema {found['schema']}, {found['bytes'] // 2**20} MiB, "
        f"{found['audit']} lines in the audit log."
    )
    oldest = OLDEST[found["engine"]]
    if _numbers(found["version"]) < oldest:
        raise Caution(f"{said} It is older than {'.'.join(map(str, oldest))}, the oldest that is tested.")
    return said


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(" ")[0].split(".")[:2]
    return tuple(int("".join(letter for letter in part if letter.isdigit()) or 0) for part in parts)


async def _queue(at: Examined) -> str:
    found = (await at.survey())["queue"]
    if not at.running:
        return "No service is running, so nothing waits."
    oldest = found["oldest"]
    said = f"{found['keys']} keys wait or are worked on; the longest has been due for {oldest:.0f} s."
    if oldest > OLD_KEY:
        raise Caution(said)
    return said


async def _passes(at: Examined) -> str:
    last = (await at.survey())["last_pass"]
    if last is None:
        return "The whole site was never looked at yet."
    age = time.time() - last
    said = f"The last look at the whole site ended {age:.0f} s ago."
    if at.running and age > MISSED_PASSES * at.settings.moodle.interval:
        raise PermanentFailure(f"{said} There should be one every {at.settings.moodle.interval} s.")
    return said


async def _failing(at: Examined) -> str:
    work = (await at.survey())["work"]
    if work["failing"]:
        raise Caution(f"Of {work['on']} courses that are on {work['failing']} had trouble at the last look.")
    return f"{work['courses']} courses are known, {work['on']} are on, none is in trouble."


async def _held(at: Examined) -> str:
    work = (await at.survey())["work"]
    if work["held"]:
        since = moment(work["held_since"])
        raise PermanentFailure(f"{work['held']} held plans wait for a person, the oldest since {since}.")
    return "Nothing waits for a person."


async def _paused(at: Examined) -> str:
    found = await at.survey()
    if found["paused"]:
        raise Caution(" ".join(found["paused"]))
    return "Nothing is paused."


async def _commands(at: Examined) -> str:
    number = (await at.survey())["work"]["commands"]
    if number > 100:
        raise Caution(f"{number} messages to the bot have no answer.")
    return f"{number} messages to the bot wait for an answer."


CHECKS = (
    Check(
        CHECK_DATABASE,
        "The database can be opened and written, or the running service owns it.",
        _database,
        "See `database` in the configuration.",
    ),
    Check(
        "Version of the database",
        "The database is as new as those that this service is tested with; its size.",
        _version,
        "Update SQLite or PostgreSQL.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Queue",
        "What is due is worked on soon.",
        _queue,
        "See the log for what fails again and again.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Looks at the whole site",
        "The site was looked at within the last intervals.",
        _passes,
        "See the log: the line “site is not done” says why.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Courses in trouble",
        "The last look at each course went well.",
        _failing,
        "`plan --course ID` and `explain PERSON ID` say what it is.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Held by safety",
        "Nothing waits for a person.",
        _held,
        "`plan` shows it. If it is right: `sync --confirm`.",
        after=CHECK_DATABASE,
        code=Exit.HELD,
    ),
    Check(
        "Paused",
        "Nothing is paused.",
        _paused,
        "`moodle-appservice resume`, for one course with --course ID.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Messages to the bot",
        "The bot answers.",
        _commands,
        "Is the service running? See the log.",
        after=CHECK_DATABASE,
    ),
)
