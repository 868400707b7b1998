"""`overview`, `stuck`, `stats`, `audit`, `doctor`: how the whole site stands, for those who look after it.

None of them changes anything, and none answers where students read along (`for_admins`). What they tell is found
elsewhere: numbers and troubles in `engine.overview`, lines and their counts in the audit log, checks in `doctor`,
which examines the running service. Sentences from there are English, stored ones too, and become the reader's
language here; the kinds of lines stay as they are.
"""

from __future__ import annotations

from ...domain.model import CourseId
from ..call import Call
from ..reading import quoted
from ..render import Answer, Item
from .pages import listed

DAY = 86_400.0
MOST_LINES = 200
SIGNS = {"ok": "✅", "failed": "❌", "warning": "⚠️", "unchecked": "–"}


async def overview(call: Call) -> CourseId | None:
    """The whole site in numbers."""
    _, language = call.reader.language.gettext, call.reader.language
    now = await call.desk.overview.now()
    at = call.desk.clock.now()
    entries = [
        Item(_("courses with a room"), str(now.courses_on)),
        Item(_("courses without"), str(now.courses_off)),
        Item(_("courses that Moodle does not list any more"), str(now.courses_gone)),
        Item(_("people"), str(now.people)),
        Item(_("of them without an account"), str(now.without_account)),
        Item(_("keys that wait"), str(now.waiting)),
        Item(_("held"), str(now.held)),
        Item(_("stuck"), str(now.stuck)),
        Item(_("paused"), _("the whole site") if now.site_paused else str(now.courses_paused)),
        Item(_("last sync"), _("never") if now.last_sync is None else language.ago(at - now.last_sync)),
    ]
    answer = Answer().items(entries).line(call.reader.tell(await call.desk.overview.left()))
    if now.held:
        answer.line(_("`held` tells what waits for you."))
    if now.stuck:
        answer.line(_("`stuck` tells what does not go on, and why."))
    await call.answer(answer)
    return None


async def stuck(call: Call) -> CourseId | None:
    """What does not go on, and why."""
    _, language = call.reader.language.gettext, call.reader.language
    found = await call.desk.overview.stuck()
    if not found:
        await call.answer(Answer().line(_("Nothing is stuck.")))
        return None
    entries = []
    for one in found:
        again = ""
        if one.retry_at is not None:
            again = " " + _("Tried again {when}.", when=language.ahead(one.retry_at - call.desk.clock.now()))
        entries.append(Item(one.what, f"– {call.reader.tell(one.why)}{again}"))
    await call.answer(listed(call, Answer(), entries, per_page=8))
    return None


async def stats(call: Call) -> CourseId | None:
    """What was done within the last day and week."""
    _ = call.reader.language.gettext
    at = call.desk.clock.now()
    day = await call.desk.store.journal.counts(since=at - DAY)
    week = await call.desk.store.journal.counts(since=at - 7 * DAY)
    entries = [
        Item(kind, f"– {day.get(kind, 0)} / {number}")
        for kind, number in sorted(week.items(), key=lambda one: (-one[1], one[0]))
    ]
    answer = Answer().line(_("What was done: within a day / within a week"))
    if not entries:
        answer.line(_("Nothing."))
    await call.answer(listed(call, answer, entries))
    return None


async def audit(call: Call) -> CourseId | None:
    """The newest lines of the audit log, of all, of one course or of one person.

    Raises `Told` for a course that is no number, and where the words name nobody or several people.
    """
    _, tell = call.reader.language.gettext, call.reader.tell
    course, words = call.arguments.course, call.arguments["person"]
    if course and not course.isdecimal():
        raise await call.refuse("Write the course's number behind -c.")
    found = await call.desk.store.personal.find(words) if words else []
    if words and len(found) != 1:
        raise await call.refuse("I know nobody called “{name}”, or several people.", name=quoted(words))
    lines = await call.desk.store.journal.audit(
        course_id=CourseId(int(course)) if course else None,
        person=found[0] if found else None,
        limit=MOST_LINES,
    )
    if not lines:
        await call.answer(Answer().line(_("There is no such line.")))
        return None
    entries = [
        Item(
            line.kind,
            " ".join(
                part
                for part in (
                    call.reader.moment(line.at),
                    _("course {course}", course=line.course_id) if line.course_id else "",
                    _("user {person}", person=line.person) if line.person else "",
                    f"– {tell(line.why)}",
                    f"→ {tell(line.result)}",
                    f"[{line.reference}]" if line.reference else "",
                )
                if part
            ),
        )
        for line in lines
    ]
    await call.answer(listed(call, Answer(), entries, per_page=8))
    return None


async def doctor(call: Call) -> CourseId | None:
    """Check everything that this service depends on. The command line says the same, in English."""
    _, tell = call.reader.language.gettext, call.reader.tell
    async with call.work():
        found = await call.desk.examine()
    wrong = [one for one in found if one.state != "ok"]
    answer = Answer().line(
        _("{good} of {all} checks are in order.", good=len(found) - len(wrong), all=len(found))
    )
    entries = [
        Item(f"{SIGNS.get(one.state, '')} {_(one.name)}", f"– {tell(one.said)} {tell(one.hint)}".strip())
        for one in (wrong or found)
    ]
    await call.answer(listed(call, answer, entries, per_page=6))
    return None
