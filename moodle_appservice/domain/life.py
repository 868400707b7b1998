"""The life of a course in its rooms: from before term to the archive, by its dates, its visibility and people's word.

A `Stage` is what a course is in now, and what that means for its rooms: who may write, who is invited, whether the
rooms hang in the space tree, whether they are marked. It never takes anybody out: people are removed because of their
own enrolment, and from an archive not even then. Moodle's dates are optional; a course without an end never ends. The
clock alone changes a stage at `until`, so a course is looked at again then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .model import Course
from .moments import moment
from .power import Voice
from .rules import LifeRules

ARCHIVED = "archived"
"""The setting by which people archive a course (true), or keep it open whatever its dates say (false)."""
GENERATION = "generation"
"""The setting that counts the resets of a course: 1 before the first."""


class Phase(StrEnum):
    """Where a course stands in its life."""

    NOT_STARTED = "not-started"
    RUNNING = "running"
    HIDDEN = "hidden"
    READ_ONLY = "read-only"
    ARCHIVED = "archived"


class Invited(StrEnum):
    """Whom a stage lets be invited; who is there already stays."""

    EVERYBODY = "everybody"
    STAFF = "staff"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a course is in now. `why`: a sentence; `until`: Unix seconds, None where no date ends it."""

    phase: Phase = Phase.RUNNING
    why: str = ""
    until: float | None = None
    voice: Voice = Voice.ALL
    invited: Invited = Invited.EVERYBODY
    is_listed: bool = True
    """Whether the course hangs in the spaces of its category."""
    is_marked: bool = False
    """Whether the names of its rooms say that it is archived."""
    is_frozen: bool = False
    """Whether people stay although they are not enrolled any more."""
    is_made: bool = True
    """Whether rooms are made where there are none."""
    since: float | None = None
    """When an archive began, as far as dates tell; Unix seconds."""


RUNNING = Stage()


def stage_of(
    course: Course,
    rules: LifeRules,
    *,
    now: float,
    archived: bool | None = None,
) -> Stage:
    """The stage of a course that exists and is on. `archived`: the word of people, see `ARCHIVED`."""
    if archived is True:
        return _archive("A person has archived the course.")
    end = _end(course)
    if archived is None and end is not None:
        ended = _ended(end, rules, now)
        if ended is not None:
            return ended
    begins = course.start is not None and course.start > now and rules.before_start != "open"
    # The first of the moments ahead at which the clock alone changes something.
    until = _first(
        now,
        course.start if begins else None,
        _after(end, rules.read_only_after) if archived is None else None,
        _after(end, rules.archive_after) if archived is None else None,
    )
    if not course.visible and rules.hidden != "keep":
        return _hidden(rules, until)
    if begins and course.start is not None:
        return _not_started(course.start, rules, until)
    return Stage(until=until)


def word_of(choices: Mapping[str, Any]) -> bool | None:
    """What people have said about archiving a course."""
    said = choices.get(ARCHIVED)
    return said if isinstance(said, bool) else None


def strictest(*voices: Voice) -> Voice:
    """The voice that fewest have."""
    return max(voices, key=list(Voice).index)


def _archive(why: str, since: float | None = None) -> Stage:
    return Stage(
        Phase.ARCHIVED,
        f"{why} Nobody writes in its rooms or is invited, and whoever is there may read on.",
        voice=Voice.NOBODY,
        invited=Invited.NOBODY,
        is_listed=False,
        is_marked=True,
        is_frozen=True,
        is_made=False,
        since=since,
    )


def _ended(end: float, rules: LifeRules, now: float) -> Stage | None:
    archived_at, silent_at = _after(end, rules.archive_after), _after(end, rules.read_only_after)
    if archived_at is not None and archived_at <= now:
        return _archive(f"The course ended on {moment(end)} (life.archive_after).", archived_at)
    if silent_at is not None and silent_at <= now:
        return Stage(
            Phase.READ_ONLY,
            f"The course ended on {moment(end)}, so its rooms are read-only (life.read_only_after).",
            until=_first(now, archived_at),
            voice=Voice.NOBODY,
            is_made=False,
        )
    return None


def _hidden(rules: LifeRules, until: float | None) -> Stage:
    if rules.hidden == "hide":
        return Stage(
            Phase.HIDDEN,
            "The course is hidden in Moodle: only staff write and are invited, and it hangs in no space (life.hidden).",
            until=until,
            voice=Voice.STAFF,
            invited=Invited.STAFF,
            is_listed=False,
        )
    why = "The course is hidden in Moodle, so only staff write in its rooms (life.hidden)."
    return Stage(Phase.HIDDEN, why, until=until, voice=Voice.STAFF)


def _not_started(start: float, rules: LifeRules, until: float | None) -> Stage:
    if rules.before_start == "muted":
        why = f"The course begins on {moment(start)}; until then only staff write (life.before_start)."
        return Stage(Phase.NOT_STARTED, why, until=until, voice=Voice.STAFF)
    return Stage(
        Phase.NOT_STARTED,
        f"The course begins on {moment(start)}; until then only staff write and are invited (life.before_start).",
        until=until,
        voice=Voice.STAFF,
        invited=Invited.STAFF,
    )


def _end(course: Course) -> float | None:
    """An end before the beginning is none: dates that were moved half-way must not close a course."""
    if course.end is not None and course.start is not None and course.end <= course.start:
        return None
    return course.end


def _after(end: float | None, delay: float | None) -> float | None:
    return None if end is None or delay is None else end + delay


def _first(now: float, *moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def marked(name: str, rules: LifeRules) -> str:
    """The name of an archived room, from the one that it had; one that is marked already stays as it is."""
    before, _, after = rules.archived_name.partition("{name}")
    is_marked = len(name) > len(before + after) and name.startswith(before) and name.endswith(after)
    return name if is_marked else f"{before}{name}{after}"
