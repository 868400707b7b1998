"""`deadlines`: what comes up in the next 14 days, in the course of the room, or in all courses of who asks."""

from __future__ import annotations

from collections.abc import Sequence

from ...domain.deadlines import Dated
from ...domain.model import CourseId
from ...engine.relay_words import happens
from ..call import Call
from ..render import Answer, Item
from .pages import listed
from .which import own_course

DAYS = 14


async def deadlines(call: Call) -> CourseId | None:
    """Dates of activities that every participant may open; those of a person or a group alone are not known.

    Raises `Told` where dates can't be read.
    """
    _ = call.reader.language.gettext
    relay = call.desk.relay
    if relay is None:
        raise await call.refuse("Dates can't be read: an administrator has not set this up.")
    courses = await _meant(call)
    found = await relay.coming_up(courses, days=DAYS)
    if relay.refusal:
        raise await call.refuse("Dates can't be read at the moment: {reason}", reason=relay.refusal)
    rows = await call.desk.store.courses.all()
    dates: list[tuple[str, Dated]] = sorted(
        (
            (rows[course].shortname if course in rows else "", date)
            for course in found
            for date in found[course]
        ),
        key=lambda one: (one[1].at, one[0], one[1].key),
    )
    if not dates:
        await call.answer(Answer().line(_("Nothing is due in the next 14 days.")))
        return None
    answer = Answer().line(_("Times in {zone}.", zone=relay.zone_name))
    listed(call, answer, _entries(call, dates, several=len(courses) > 1, zone=relay.zone_name))
    await call.answer(answer)
    return None


async def _meant(call: Call) -> list[CourseId]:
    here = call.place.course_id
    if call.arguments.course:
        return [await own_course(call)]
    if here is not None:
        return [here]
    mine = [course.course_id for course in await call.desk.mine.courses(call.known) if course.on]
    if not mine:
        raise await call.refuse("You are in no course that I know.")
    return mine


def _entries(call: Call, dates: Sequence[tuple[str, Dated]], *, several: bool, zone: str) -> list[Item]:
    language = call.reader.language
    return [
        Item(
            language.weekday_moment(date.at, zone),
            f"{f'{shortname}: ' if several else ''}{happens(date, language).format(name=date.name)}",
            date.url,
        )
        for shortname, date in dates
    ]
