"""Dates of a course that everybody in it has: when to remind of them, and what becomes of a reminder.

A date is known by its activity and by which date of it it is. It is due to be told a while before (a *lead*), in the
one list of the day. A lead is told once for one moment; where the date moves, its leads are due again. Lists that were
sent stay true: a moved date is shown with what was said before, a date that is gone is taken out, and an empty list is
withdrawn. Of what a list says, its dates are remembered by their numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NewType

from .model import CourseId, EventId, RoomId

ModuleId = NewType("ModuleId", int)
"""Moodle's `cmid`, the number in the address of an activity."""


class DateKind(StrEnum):
    """What happens at a date."""

    DUE = "due"
    OPENS = "opens"
    CLOSES = "closes"


KINDS: Mapping[str, DateKind] = {
    "allowsubmissionsfromdate": DateKind.OPENS,
    "duedate": DateKind.DUE,
    "timeopen": DateKind.OPENS,
    "timeclose": DateKind.CLOSES,
    "available": DateKind.OPENS,
    "deadline": DateKind.CLOSES,
    "submissionstart": DateKind.OPENS,
    "submissionend": DateKind.CLOSES,
    "assessmentstart": DateKind.OPENS,
    "assessmentend": DateKind.CLOSES,
}
"""`dataid` of a date in `core_course_get_contents` → what it is."""
MODULES = frozenset({"assign", "quiz", "lesson", "workshop", "choice", "feedback"})

DateKey = tuple[ModuleId, str]
"""An activity and the `dataid` of one of its dates."""


@dataclass(frozen=True, slots=True)
class Dated:
    """One date. `at`: Unix seconds."""

    module_id: ModuleId
    name_of_date: str
    at: int
    kind: DateKind
    name: str
    url: str
    module: str = "assign"

    @property
    def key(self) -> DateKey:
        """By what it is known again."""
        return self.module_id, self.name_of_date


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a list as it was sent: when the date was, and when it was said to be before that."""

    key: DateKey
    at: int
    moved_from: int | None = None


@dataclass(frozen=True, slots=True)
class DateList:
    """The list of one day. `event_id` None: it was claimed, and may have been sent."""

    course_id: CourseId
    day: str
    room_id: RoomId
    items: tuple[Item, ...]
    event_id: EventId | None = None
    digest: str = ""


MOVED = 0
"""In place of a lead: the date was told in some way."""

Told = Mapping[tuple[DateKey, int], int]
"""A date and a lead in seconds → the moment for which it was told."""


@dataclass(frozen=True, slots=True)
class DatePlan:
    """What is to be said about the dates of a course.

    `today`: the items of today's list as it should be, None where it stays as it is. `earlier`: the lists of other
    days as they should be. `told`: what counts as told once today's list is sent. `forgotten`: dates that are gone, of
    which a later return is news.
    """

    today: tuple[Item, ...] | None
    earlier: tuple[DateList, ...]
    told: Told
    forgotten: frozenset[DateKey]


def plan_dates(
    dates: Sequence[Dated],
    lists: Sequence[DateList],
    told: Told,
    *,
    day: str,
    now: float,
    until: float,
    leads: Sequence[int],
) -> DatePlan:
    """What should be said of a course's dates on this day. The reading must have been whole.

    `lists`: those that were sent lately or hold a date that lies ahead, today's too. `until`: leads that begin before
    it are told now, because the next list comes after it.
    """
    current = {one.key: one for one in dates}
    corrected = [_corrected(one, current) for one in lists]
    today = next((one for one in corrected if one.day == day), None)
    items = {item.key: item for item in today.items} if today else {}
    for item in (item for one in corrected if one.day != day for item in one.items):
        if item.moved_from is not None and item.at > now and told.get((item.key, MOVED)) != item.at:
            items.setdefault(item.key, item)
    for date in current.values():
        if date.at > now and _due(date, told, until, leads):
            items.setdefault(date.key, Item(date.key, date.at))
    wanted = tuple(sorted(items.values(), key=lambda item: (item.at, item.key)))
    before = next((one.items for one in lists if one.day == day), ())
    is_changed = set(wanted) != set(before)
    return DatePlan(
        today=wanted if is_changed else None,
        earlier=tuple(one for one in corrected if one.day != day),
        told=_as_told(wanted, until, leads) if is_changed else {},
        forgotten=frozenset(item.key for one in lists for item in one.items) - current.keys(),
    )


def _corrected(sent: DateList, current: Mapping[DateKey, Dated]) -> DateList:
    """A list with what its dates are now."""
    items = (_moved(item, current[item.key].at) for item in sent.items if item.key in current)
    return replace(sent, items=tuple(items))


def _moved(item: Item, at: int) -> Item:
    if at == item.at:
        return item
    first = item.at if item.moved_from is None else item.moved_from
    return Item(item.key, at, None if first == at else first)


def _due(date: Dated, told: Told, until: float, leads: Sequence[int]) -> bool:
    return any(date.at - lead <= until and told.get((date.key, lead)) != date.at for lead in leads)


def _as_told(items: Sequence[Item], until: float, leads: Sequence[int]) -> Told:
    begun = {(item.key, lead): item.at for item in items for lead in leads if item.at - lead <= until}
    return {**begun, **{(item.key, MOVED): item.at for item in items}}


def upcoming(dates: Sequence[Dated], *, now: float, seconds: float) -> list[Dated]:
    """What lies ahead within a time, the nearest first."""
    ahead = [one for one in dates if now < one.at <= now + seconds]
    return sorted(ahead, key=lambda one: (one.at, one.name, one.key))
