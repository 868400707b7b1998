"""`help`: what the person who asks may use here, and nothing else; `help COMMAND` and `-h` tell of one command."""

from __future__ import annotations

from ...domain.model import CourseId
from ...languages import N_
from ..call import Call
from ..command import COURSE, Command, For, Where
from ..render import Answer, Item

TITLES = (
    (For.PEOPLE, N_("For everybody:")),
    (For.STAFF, N_("For teachers:")),
    (For.ADMINS, N_("For administrators:")),
)


async def run(call: Call) -> CourseId | None:
    """List the commands that this person may use, or tell of one. Raises `Told` for any other."""
    from . import COMMANDS

    _ = call.reader.language.gettext
    wanted = call.arguments["command"].lower().lstrip("!")
    command = COMMANDS.get(wanted)
    if wanted and (command is None or not command.listed or not await allowed(call, command)):
        raise await call.refuse("There is no command “{word}” that you may use.", word=wanted[:40])
    if command is not None:
        await call.answer(about(call, command))
        return None
    mine = [command for command in COMMANDS.values() if command.listed and await allowed(call, command)]
    answer = Answer().line(_("I keep the chat rooms of your Moodle courses. You can ask me:"))
    prefix = "" if call.is_direct else call.desk.prefix
    titled = len({_class(command) for command in mine}) > 1
    for rights, title in TITLES:
        entries = [
            Item(f"{prefix}{command.name}", f"– {_(command.summary)}")
            for command in mine
            if _class(command) is rights
        ]
        if entries and titled:
            answer.line("", strong=_(title))
        answer.items(entries)
    more = f"`{prefix}help {_example(mine)}`"
    answer.line(_("{command} tells more of a command.", command=more))
    await call.answer(answer)
    return None


def about(call: Call, command: Command) -> Answer:
    """One command: what it does, what is written behind it, an example."""
    _ = call.reader.language.gettext
    answer = Answer().line(_(command.summary), strong=command.name)
    answer.line(_("Write: {usage}", usage=f"`{command.usage}`"))
    words = [*command.words, *([COURSE] if command.of_course else [])]
    answer.items([Item(word.name, f"– {_(word.help)}") for word in words])
    if command.examples:
        examples = ", ".join(f"`{example}`" for example in command.examples)
        answer.line(_("Such as: {examples}", examples=examples))
    if command.where is Where.DIRECT:
        answer.line(_("The answer comes in our direct chat."))
    return answer


async def allowed(call: Call, command: Command) -> bool:
    """Whether the person may use a command, here."""
    match command.rights:
        case For.ANYBODY:
            return True
        case For.KNOWN:
            return call.person is not None or await call.is_admin()
        case For.PEOPLE:
            return call.person is not None
        case For.STAFF if call.place.course_id is not None:
            return await call.is_staff(call.place.course_id)
        case For.STAFF:
            return bool(await call.staffed_courses())
        case For.ADMINS:
            return await call.is_admin()


def _class(command: Command) -> For:
    return For.PEOPLE if command.rights in (For.ANYBODY, For.KNOWN) else command.rights


def _example(commands: list[Command]) -> str:
    names = [command.name for command in commands]
    return next((name for name in ("status", "invite", "link") if name in names), "help")
