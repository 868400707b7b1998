"""`whoami`, `language`, `privacy`: what the bot knows of the person who asks, and how it speaks to them."""

from __future__ import annotations

import json

from ...domain.model import CourseId, MoodleUserId, Trust
from ...languages import LANGUAGES, N_, nearest
from ..call import Call
from ..render import Answer, Item
from .pages import listed

TRUSTS = {
    Trust.PROVEN: N_("you have proven it, or your institution has"),
    Trust.DIRECTORY: N_("it comes from your institution's directory"),
    Trust.DERIVED: N_("it follows from your Moodle user name"),
}
MOODLE = "moodle"


async def whoami(call: Call) -> CourseId | None:
    """Whom the bot takes the person for."""
    _ = call.reader.language.gettext
    person = call.known
    row = (await call.desk.store.people.look_up([person]))[person]
    name = (await call.desk.store.people.names([person])).get(person, "")
    trust = row.resolution.trust
    entries = [
        Item(f"{_('In Moodle')}:", f"{name} ({_('user number {number}', number=person)})".strip()),
        Item(f"{_('In Matrix')}:", str(call.sender)),
    ]
    if trust is not None and row.resolution.matrix_id == call.sender:
        entries.append(Item(f"{_('Why')}:", _(TRUSTS[trust])))
    entries.append(Item(f"{_('Language')}:", call.reader.language.name))
    entries.append(Item(f"{_('Time zone')}:", call.reader.zone or "UTC"))
    if await call.is_admin():
        entries.append(Item(f"{_('Rights')}:", _("you look after the whole site")))
    await call.answer(
        Answer().items(entries).line(_("Not you? Write `unlink`, or tell Moodle's administrators."))
    )
    return None


async def language(call: Call) -> CourseId | None:
    """Choose the language of the bot's answers, or follow Moodle again. Raises `Told` for an unknown one."""
    _ = call.reader.language.gettext
    wanted = call.arguments["language"].strip().lower()
    if not wanted:
        answer = Answer().line(_("I speak {language} with you.", language=call.reader.language.name))
        answer.items([Item(code, one.name) for code, one in LANGUAGES.items()])
        answer.line(_("Write `language de`, or `language moodle` to follow your setting in Moodle."))
        await call.answer(answer)
        return None
    code = "" if wanted == MOODLE else _code(wanted)
    if code is None:
        raise await call.refuse(
            "I do not speak “{language}”. I speak {known}. Nothing was changed.",
            language=wanted[:40],
            known=", ".join(LANGUAGES),
        )
    await call.desk.store.readers.choose(call.known, code)
    reader = await call.desk.readers.of(call.known)
    said = reader.language.gettext("From now on I speak {language} with you.", language=reader.language.name)
    await call.answer(Answer().line(said))
    return None


def _code(wanted: str) -> str | None:
    """`de`, `de_at`, `Deutsch`, `german`: the code of one of our languages."""
    english = {"english": "en", "german": "de", "french": "fr", "spanish": "es"}
    names = {one.name.casefold(): code for code, one in LANGUAGES.items()}
    named = english.get(wanted) or names.get(wanted.casefold())
    if named is not None:
        return named
    base = wanted.replace("-", "_").partition("_")[0]
    return nearest(wanted).code if base in LANGUAGES else None


async def privacy(call: Call) -> CourseId | None:
    """What is stored about the person; with `export` all of it as a file. Raises `Told` for any other word."""
    _ = call.reader.language.gettext
    wanted = call.arguments["export"].strip().lower()
    if wanted == "export":
        await _export(call, call.known)
        return None
    if wanted:
        raise await call.refuse("Write `privacy`, or `privacy export` for a file with everything.")
    lines = await call.desk.personal.show(str(call.known))
    answer = Answer().line("", strong=_("What I store about you"))
    listed(call, answer, [Item("", call.reader.tell(line.strip())) for line in lines])
    answer.line(
        _(
            "I keep nothing of what people write to each other. `privacy export` sends you everything as a file."
        )
    )
    await call.answer(answer)
    return None


async def _export(call: Call, person: MoodleUserId) -> None:
    found = await call.desk.personal.export(str(person))
    data = json.dumps(found, ensure_ascii=False, indent=1, default=str).encode()
    room_id, _event = await call.answer_privately(
        Answer().line(call.reader.language.gettext("Here is everything that is stored about you."))
    )
    await call.desk.messenger.file(
        room_id, f"moodle-chat-{person}.json", data, "application/json", key=f"{call.event_id}:file"
    )
