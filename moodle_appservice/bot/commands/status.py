"""`status` and `missing`: how the rooms of a course stand. In a room that students read: numbers only.

The numbers come from `engine.status`, which takes them from the plan of a sync; here they become lines.
`rendered` asks nothing and has no clock: what goes with a status is handed in as a `Moment`. Names, reasons,
dates and links to rooms are told only with `names`, which `call` decides by the room. `sync` and `on` end with
`tell` too, so a course always looks the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...domain.model import CourseId
from ...domain.rooms import RoomKind
from ...engine.readers import Reader
from ...engine.status import CourseStatus, RoomStatus
from ...languages import N_
from ..call import Call
from ..render import Answer, Item, link_to
from .pages import listed
from .which import staffed_course

KINDS = {
    RoomKind.MAIN: N_("course room"),
    RoomKind.ANNOUNCEMENTS: N_("announcements"),
    RoomKind.STAFF: N_("staff room"),
    RoomKind.GROUP: N_("group"),
    RoomKind.SPACE: N_("space"),
}
FEW_NAMES = 5


async def run(call: Call) -> CourseId | None:
    """Answer with the status of the course that is meant."""
    await tell(call, await staffed_course(call))
    return None


async def tell(call: Call, course_id: CourseId) -> None:
    """Tell the status of a course where it was asked for. Raises `Told` for a course that we do not know."""
    status = await call.desk.operations.status(course_id)
    if status is None:
        raise await call.refuse("I do not know this course yet; the next pass will find it.")
    overview = call.desk.overview
    moment = Moment(
        now=call.desk.clock.now(),
        next_look=await overview.next_look(),
        running=overview.is_running(course_id),
        server=call.desk.rules.domain,
        left=await overview.left(),
    )
    await call.answer(rendered(status, call.reader, moment, names=call.may_name), part="status")


async def missing(call: Call) -> CourseId | None:
    """Who is not in the room yet, why, and what to do."""
    _ = call.reader.language.gettext
    course_id = await staffed_course(call)
    status = await call.desk.operations.status(course_id)
    if status is None or not status.on:
        await tell(call, course_id)
        return None
    people = [*status.missing, *status.without_level]
    if not people and not status.invited:
        await call.answer(Answer().line(_("Nobody is missing."), strong=status.shortname))
        return None
    answer = Answer().line(
        call.reader.language.ngettext(
            "{number} person is missing.", "{number} people are missing.", len(status.missing)
        ),
        strong=status.shortname,
    )
    if status.invited:
        answer.line(
            call.reader.language.ngettext(
                "{number} person is invited and has not joined: `remind` invites again.",
                "{number} people are invited and have not joined: `remind` invites them again.",
                status.invited,
            )
        )
    tell_ = call.reader.tell
    listed(call, answer, [Item(one.name, f"– {tell_(one.reason)}") for one in people], per_page=8)
    await call.answer(answer)
    return None


@dataclass(frozen=True, slots=True)
class Moment:
    """What goes with a status: the time, when the next pass is due (Unix seconds), whether a sync is under way.

    `left`: how much is left to do in all courses together, as a sentence; empty where nothing is.
    """

    now: float
    next_look: float | None = None
    running: bool = False
    server: str = ""
    left: str = ""


def rendered(status: CourseStatus, reader: Reader, moment: Moment, *, names: bool) -> Answer:
    """The status in words. `names` False where students read along: numbers only."""
    _ = reader.language.gettext
    answer = Answer()
    if not status.on:
        reason = reader.tell(status.reason) if names else ""
        return answer.line(f"{_('There is no room.')} {reason}".strip(), strong=status.shortname)
    ready = _("The room is being made.") if status.room_id is None else _("The room is ready.")
    answer.line(ready, strong=status.shortname)
    entries = _numbers(status, reader)
    if status.last_error and not names:
        entries.append(Item(_("errors"), "1"))
    answer.items(entries)
    if len(status.rooms) > 1:
        rooms = [_room(room, reader, moment.server, names=names) for room in status.rooms]
        answer.line("", strong=_("Rooms")).items(rooms)
    answer.line(reader.tell(moment.left))
    if names:
        _add_details(answer, status, reader, moment)
    if status.own_room:
        answer.line(_("Moodle itself has made a room for this course too."), strong=_("There are two rooms"))
    if status.held:
        why = reader.tell(status.held) if names else _("An administrator must confirm it.")
        answer.line(why, strong=_("Some removals are held"))
    if len(status.missing) > (FEW_NAMES if names else 0):
        answer.line(_("`missing` tells who, and why."))
    return answer


def _numbers(status: CourseStatus, reader: Reader) -> list[Item]:
    _ = reader.language.gettext
    held = f" ({_('virtual users hold the places of {number}', number=status.virtual)})"
    entries = [
        Item(_("expected"), str(status.expected)),
        Item(_("joined"), str(status.joined)),
        Item(_("invited"), str(status.invited)),
        Item(_("missing"), f"{len(status.missing)}{held if status.virtual else ''}"),
    ]
    for title, number in (
        (_("of them declined"), status.declined),
        (_("of them left"), status.left),
        (_("of them banned"), status.banned),
        (_("of them without an account"), status.no_account),
        (_("of them failed"), status.failed),
        (_("without the level of their role"), len(status.without_level)),
        (_("guests"), status.guests),
        (_("to do"), status.to_do),
    ):
        if number:
            entries.append(Item(title, str(number)))
    return entries


def _room(room: RoomStatus, reader: Reader, server: str, *, names: bool) -> Item:
    _ = reader.language.gettext
    kind = _(KINDS.get(room.key.kind, N_("group")))
    name = room.name if room.key.kind is RoomKind.GROUP and names else ""
    numbers = _("{joined} of {expected} joined", joined=room.joined, expected=room.expected)
    for text, number in (
        (N_("{number} invited"), room.invited),
        (N_("{number} declined"), room.declined),
        (N_("{number} left"), room.left),
        (N_("{number} banned"), room.banned),
        (N_("{number} without an account"), room.no_account),
        (N_("{number} failed"), room.failed),
    ):
        if number:
            numbers += ", " + _(text, number=number)
    url = link_to(room.room_id, server) if room.room_id and names else ""
    return Item(f"{kind} {name}".strip(), f"– {numbers}", url)


def _add_details(answer: Answer, status: CourseStatus, reader: Reader, moment: Moment) -> None:
    """What only teachers are to read: dates, reasons, names."""
    _, language = reader.language.gettext, reader.language
    last = _("never") if status.last_sync is None else language.ago(moment.now - status.last_sync)
    entries = [Item(_("last sync"), last)]
    if moment.next_look is not None:
        entries.append(Item(_("next sync"), language.ahead(moment.next_look - moment.now)))
    if moment.running:
        entries.append(Item(_("running"), _("a sync of this course")))
    errors = reader.tell(status.last_error) or _("none")
    if status.last_error and status.last_error_at is not None:
        errors = f"{errors} ({language.ago(moment.now - status.last_error_at)})"
    entries.append(Item(_("errors"), errors))
    answer.items(entries)
    answer.line(reader.tell(status.phase)).line(reader.tell(status.paused))
    for title, people in (
        (_("Not there yet"), status.missing),
        (_("Without the level of their role"), status.without_level),
    ):
        if people:
            few = [Item(one.name, f"– {reader.tell(one.reason)}") for one in people[:FEW_NAMES]]
            answer.line("", strong=title).items(few)
