"""Which courses are read now, where courses are read one by one: a little all the time instead of all at once.

Time is cut into turns. A course in which something has changed is read every `fastest` seconds; the longer it stays
quiet, the less often, down to every `slowest` seconds. A day before and after a known moment, such as the start or the
end of the course, counts as lively, and so does a course in which something is still to be done (`restless`).

Who is due first goes first, however much there is to do. A course that has been read is due again `fastest` seconds
later at the earliest, so everybody who waits is passed by each other course at most once: nobody starves, even where
the budget is too small for all. And each turn takes on as many as its share of the steady work is, also ahead of their
time: what was read together, as after a start, is thereby spread evenly over the interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .model import CourseId


@dataclass(frozen=True, slots=True)
class TurnRules:
    """Seconds: between two readings of a lively course, of the quietest one, and between two turns.

    A course that has been quiet for q seconds is read every q / `calm` seconds, within those limits; `near` is how
    close a known moment makes it lively. `batch`: courses that travel in one request; ahead of their time they are only
    read in whole batches, or a small site would be asked more often for less.
    """

    fastest: float
    slowest: float
    turn: float
    calm: float = 8.0
    near: float = 86400.0
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a course that is on. Times are Unix seconds; `tried_at` None: not read since the start.

    `moments`: when something is known to happen. `urgent`: it is known to have changed, read it now.
    """

    tried_at: float | None
    changed_at: float
    moments: tuple[float, ...] = ()
    restless: bool = False
    urgent: bool = False


def interval_of(seen: Seen, now: float, rules: TurnRules) -> float:
    """Seconds from one reading of this course to the next."""
    lively = seen.restless or any(abs(moment - now) <= rules.near for moment in seen.moments)
    if lively:
        return rules.fastest
    return min(max((now - seen.changed_at) / rules.calm, rules.fastest), max(rules.slowest, rules.fastest))


def due_at(seen: Seen, now: float, rules: TurnRules) -> float:
    """When the course is to be read next; in the past where that is overdue."""
    if seen.tried_at is None:
        return float("-inf")
    if seen.urgent:
        return min(seen.tried_at, now)
    due = seen.tried_at + interval_of(seen, now, rules)
    return min([due, *(moment for moment in seen.moments if moment > seen.tried_at)])


def choose(
    courses: Mapping[CourseId, Seen], now: float, rules: TurnRules, *, room: int | None = None
) -> list[CourseId]:
    """The courses to read in this turn, the most urgent first; at most `room` of them, None for no limit."""
    order = sorted((due_at(seen, now, rules), course_id) for course_id, seen in courses.items())
    # Whoever would be late by half a turn or more at the next one is read in this one.
    late = sum(1 for due, _ in order if due <= now + rules.turn / 2)
    work = sum(rules.turn / interval_of(seen, now, rules) for seen in courses.values())
    share = int(work + 1e-6) // rules.batch * rules.batch
    number = max(late, share)
    chosen = [course_id for _, course_id in order]
    return chosen[: number if room is None else min(number, room)]
