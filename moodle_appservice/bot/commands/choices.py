"""`name`, `topic`, `rooms`, `on`, `off`: what teachers choose for their course; the last word, until the next.

A choice outranks the configuration, but not what an administrator has denied (`domain.choices`). Here words
become values; `site` stands for none, and takes a name, a topic or a further room back. Whether a value can be
one is checked in `engine.choosing`, which books it with the person and has the course looked at; the answer waits
for that and tells what came of it. Only `off` asks first: from then on nobody is invited and nobody taken out.
"""

from __future__ import annotations

from typing import Any

from ...domain.model import CourseId
from ...domain.rooms import RoomKind
from ...languages import N_
from ..call import Call
from ..render import Answer, Item
from . import status
from .which import staffed_course

FURTHER = {
    "announcements": N_("a room in which only teachers write"),
    "staff": N_("a room for teachers only"),
    "groups": N_("a room for each group of the course"),
}
WORDS: dict[str, bool | None] = {"on": True, "off": False, "site": None}
BY = "bot"


async def name(call: Call) -> CourseId | None:
    """Name the course's room."""
    return await _text(call, "name")


async def topic(call: Call) -> CourseId | None:
    """Say what the course's room is about."""
    return await _text(call, "topic")


async def rooms(call: Call) -> CourseId | None:
    """Switch further rooms of the course on or off, or tell which there are. Raises `Told` for any other word."""
    _ = call.reader.language.gettext
    which, word = call.arguments["which"], call.arguments["switch"].lower()
    if which and not word and which.lower() not in FURTHER:
        # `rooms MATH101` names a course.
        call, which = call.about(which), ""
    which = which.lower()
    course_id = await staffed_course(call)
    if not which:
        await _further(call, course_id)
        return None
    if which not in FURTHER or word not in WORDS:
        raise await call.refuse(
            "Write one of {rooms}, and behind it on, off, or site (as everywhere). Nothing was changed.",
            rooms=", ".join(FURTHER),
        )
    await _choose(call, course_id, which, WORDS[word])
    await _further(call, course_id)
    return course_id


async def on(call: Call) -> CourseId | None:
    """Switch the course's chat on."""
    course_id = await staffed_course(call)
    await _choose(call, course_id, "on", True)
    await status.tell(call, course_id)
    return course_id


async def off(call: Call) -> CourseId | None:
    """Switch the course's chat off: after its plan was shown, with a word.

    Raises `Told` until then, and without a room.
    """
    _ = call.reader.language.gettext
    course_id = await staffed_course(call)
    now = await call.desk.operations.status(course_id)
    if now is None or not now.on:
        raise await call.refuse("This course has no room. Nothing was changed.")
    answer = Answer().line(
        _(
            "The room stays as it is, with everybody and everything in it, and is not kept up to date any more: who "
            "comes to the course is not invited, who leaves it is not taken out."
        ),
        strong=_("{course} is to be switched off", course=now.shortname),
    )
    await call.agree(answer)
    await _choose(call, course_id, "on", False)
    await call.answer(Answer().line(_("{course} is off. `on` switches it on again.", course=now.shortname)))
    return course_id


async def _text(call: Call, setting: str) -> CourseId | None:
    course_id = await staffed_course(call)
    text = call.arguments["text"]
    if not text:
        raise await call.refuse("Write the text behind the command, or `site` for what it is everywhere.")
    await _choose(call, course_id, setting, None if text.lower() == "site" else text)
    _ = call.reader.language.gettext
    now = await call.desk.operations.status(course_id)
    shown = text if text.lower() != "site" else _("as Moodle says")
    if setting == "name" and now is not None:
        shown = next((room.name for room in now.rooms if room.key.kind is RoomKind.MAIN), shown)
    title = _("The room is called") if setting == "name" else _("The room is about")
    await call.answer(Answer().line(shown, strong=title))
    return course_id


async def _choose(call: Call, course_id: CourseId, setting: str, value: Any) -> None:
    """Book the choice and wait for it; raises what stopped it."""
    async with call.work():
        failure = await call.desk.choosing.choose(
            course_id, setting, value, by=BY, person=call.person, reference=call.reference
        )
        if failure is not None:
            raise failure


async def _further(call: Call, course_id: CourseId) -> None:
    """Which rooms there are, and which there could be."""
    _ = call.reader.language.gettext
    found = await call.desk.operations.status(course_id)
    if found is None or not found.on:
        await status.tell(call, course_id)
        return
    kinds = [room.key.kind for room in found.rooms]
    entries = []
    for which, meaning in FURTHER.items():
        kind = RoomKind.GROUP if which == "groups" else RoomKind(which)
        number = kinds.count(kind)
        state = _("off") if not number else _("on") if which != "groups" else _("on: {number}", number=number)
        entries.append(Item(which, f"– {state} – {_(meaning)}"))
    answer = Answer().line("", strong=found.shortname).items(entries)
    answer.line(_("Such as: {examples}", examples="`rooms staff on`"))
    await call.answer(answer)
