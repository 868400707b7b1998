"""`courses`, `invite`, `leave`: the person's own courses, and whether they are in their rooms."""

from __future__ import annotations

from ...domain.model import CourseId, Membership
from ...engine.mine import MyCourse
from ...languages import N_
from ..call import Call
from ..render import Answer, Item, link_to
from .pages import listed
from .which import own_course

STATES = {
    Membership.JOIN: N_("you are in the room"),
    Membership.INVITE: N_("you are invited: please accept"),
    Membership.LEAVE: N_("you have left, or declined"),
    Membership.BAN: N_("a moderator has banned you"),
}


async def courses(call: Call) -> CourseId | None:
    """My courses, with links and the state of each invite. Raises `Told` where there are none."""
    _ = call.reader.language.gettext
    mine = await call.desk.mine.courses(call.known)
    if not mine:
        raise await call.refuse("You are in no course that I know.")
    entries = [_entry(call, course) for course in mine]
    answer = Answer().line(
        call.reader.language.ngettext(
            "You are in {number} course:", "You are in {number} courses:", len(entries)
        )
    )
    listed(call, answer, entries)
    if any(course.on and course.membership is not Membership.JOIN for course in mine):
        answer.line(_("You miss a room? Write `invite` and the course."))
    await call.answer(answer)
    return None


async def invite(call: Call) -> CourseId | None:
    """Invite the person again, also after leaving."""
    course_id = await own_course(call)
    said = await call.desk.operations.request_membership(call.known, course_id, at=call.desk.clock.now())
    answer = Answer().line(call.reader.tell(said.sentence))
    row = next((one for one in await call.desk.mine.courses(call.known) if one.course_id == course_id), None)
    if said.membership in (Membership.INVITE, Membership.JOIN) and row is not None:
        answer.items([_entry(call, row)])
    await call.answer(answer)
    return course_id


async def leave(call: Call) -> CourseId | None:
    """Take the person out of a course's rooms, until they ask for an invite."""
    course_id = await own_course(call)
    said = await call.desk.mine.leave(call.known, course_id, at=call.desk.clock.now())
    answer = Answer().line(call.reader.tell(said))
    answer.line(call.reader.language.gettext("To come back: `invite {course}`", course=course_id))
    await call.answer(answer)
    return course_id


def _entry(call: Call, course: MyCourse) -> Item:
    _ = call.reader.language.gettext
    if not course.on:
        return Item(course.shortname, f"– {_('no room')}")
    if course.stays_out:
        state = _("you stay out, as you asked")
    else:
        state = _(STATES.get(course.membership, N_("you are not invited")))
    url = link_to(course.room_id, call.desk.rules.domain) if course.room_id is not None else ""
    return Item(course.shortname, f"– {state}", url)
