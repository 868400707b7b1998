"""From a stored message to a command to an answer.

Messages come from the database, where the push that brought them has left them, so a restart loses none; each is
claimed before it is answered, so none is answered twice. Old ones are left alone: an answer after an outage of hours
would only confuse. Who asks too much is told so once and then not heard for a while.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from ..domain.model import CourseId, EventId, MoodleUserId, RoomId, UserId
from ..domain.permissions import Level
from ..domain.rooms import RoomKind
from ..engine.management import ROOM
from ..engine.readers import Reader
from ..engine.stopping import end
from ..errors import AppError
from ..ports import CommandRow
from .call import FAILED, Call, Kind, Place, Told
from .command import Arguments, Command, For, Misused
from .commands import COMMANDS, agreed
from .commands.help import about, allowed
from .commands.link import HOW
from .desk import Desk
from .limits import Limits, Verdict
from .reading import Said, quoted, read
from .render import Answer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Somebody has opened a direct chat."""

    user_id: UserId
    room_id: RoomId


class Router:
    """Answers commands, several at a time. `max_age`: seconds after which a command is left alone."""

    def __init__(self, desk: Desk, *, max_age: float, limits: Limits | None = None) -> None:
        self._desk = desk
        self._max_age = max_age
        self._limits = limits or Limits()
        self._waiting: asyncio.Queue[EventId | _Meeting] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, workers: int = 4) -> None:
        """Begin to answer, with what was left from before a restart first."""
        since = self._desk.clock.now() - self._max_age
        self.hear(await self._desk.store.journal.new_commands(sent_after=since))
        self._tasks = [asyncio.create_task(self._work(), name=f"bot {n}") for n in range(workers)]

    async def stop(self) -> None:
        """No further answers."""
        await end(*self._tasks)

    def hear(self, commands: Sequence[EventId]) -> None:
        """Messages that have just been stored."""
        for event_id in commands:
            self._waiting.put_nowait(event_id)

    def meet(self, user_id: UserId, room_id: RoomId) -> None:
        """Somebody has opened a direct chat with the bot."""
        self._waiting.put_nowait(_Meeting(user_id, room_id))

    async def _work(self) -> None:
        while True:
            waiting = await self._waiting.get()
            try:
                if isinstance(waiting, _Meeting):
                    await self._desk.chats.meet(waiting.user_id, waiting.room_id)
                else:
                    await self._handle(waiting)
            except AppError as failure:
                log.warning("%s could not be answered: %s", waiting, failure)
            except Exception:
                log.exception("%s ended in a bug of ours.", waiting)
            finally:
                self._waiting.task_done()

    async def idle(self) -> None:
        """Wait until everything that was heard is answered."""
        await self._waiting.join()

    async def _handle(self, event_id: EventId) -> None:
        row = await self._desk.store.journal.claim_command(event_id)
        if row is None or row.sent_at < self._desk.clock.now() - self._max_age:
            return
        if row.sender == self._desk.rules.bot or self._desk.rules.person_of_virtual(row.sender) is not None:
            return
        place = await self._place(row.room_id)
        if row.encrypted:
            await self._desk.chats.unreadable(row.sender, row.room_id)
            return
        said = read(row.body, self._desk.prefix, direct=place.kind is Kind.DIRECT)
        if said is None:
            return
        command = COMMANDS.get(said.name)
        if command is None and place.kind is not Kind.DIRECT:
            return
        person = (await self._desk.store.people.by_matrix_id([row.sender])).get(row.sender)
        if self._desk.permissions.level_of(person=person, account=row.sender) is Level.NONE:
            return
        reader = await self._desk.readers.of(person)
        if not await self._has_time(row, reader):
            return
        call = self._call(row, place, said, command or COMMANDS["help"], person, reader)
        if person is None and not await call.is_admin() and call.command.rights is not For.ANYBODY:
            await self._greet(call)
        elif command is None:
            await self._unknown(call)
        else:
            await self._run(call)

    async def _place(self, room_id: RoomId) -> Place:
        store = self._desk.store
        key = await store.ledger.key_of(room_id)
        if key is not None:
            kind = Kind.STAFF if key.kind is RoomKind.STAFF else Kind.COURSE
            return Place(kind, room_id, key.course_id)
        if await store.settings.get(ROOM) == room_id:
            return Place(Kind.MANAGEMENT, room_id)
        return Place(Kind.DIRECT, room_id)

    def _call(
        self,
        row: CommandRow,
        place: Place,
        said: Said,
        command: Command,
        person: MoodleUserId | None,
        reader: Reader,
    ) -> Call:
        return Call(
            desk=self._desk,
            command=command,
            said=said,
            arguments=Arguments({}),
            event_id=row.event_id,
            place=place,
            sender=row.sender,
            person=person,
            reader=reader,
            thread=row.thread,
            reference=secrets.token_hex(4),
        )

    async def _has_time(self, row: CommandRow, reader: Reader) -> bool:
        verdict = self._limits.ask(row.sender, self._desk.clock.now())
        if verdict is Verdict.SAY_SO:
            text = reader.language.gettext(
                "That was a lot at once. Please give me a minute; until then I keep silent."
            )
            await self._desk.messenger.notice(
                row.room_id, text, Answer().line(text).html, key=f"{row.event_id}:limit", thread=row.thread
            )
        return verdict is Verdict.ANSWER

    async def _greet(self, call: Call) -> None:
        """To somebody whom we do not know we say one thing, once."""
        if call.place.kind is not Kind.DIRECT:
            return
        _ = call.reader.language.gettext
        answer = Answer().line(f"{_('I do not know this account yet.')} {_(HOW)}")
        await self._desk.messenger.notice(
            call.place.room_id, answer.text, answer.html, key=f"{call.place.room_id}:stranger"
        )

    async def _unknown(self, call: Call) -> None:
        _ = call.reader.language.gettext
        names = [
            name for name, command in COMMANDS.items() if command.listed and await allowed(call, command)
        ]
        near = get_close_matches(call.said.name, names, n=1, cutoff=0.6)
        answer = Answer().line(_("I do not know “{word}”.", word=quoted(call.said.name)))
        if near:
            answer.line(_("Did you mean `{command}`?", command=near[0]))
        await call.answer_privately(answer.line(_("Write `help` to see what I know.")))

    async def _run(self, call: Call) -> None:
        command = call.command
        log.info(
            "Command %s by %s in %s [%s].", command.name, call.sender, call.place.room_id, call.reference
        )
        try:
            arguments = command.parse(call.said)
            call = replace(call, arguments=arguments)
            if not await allowed(call, command):
                await _refuse(call)
            if arguments.wants_help:
                await call.answer_privately(about(call, command))
                return
            if command.name == "yes" and (waiting := agreed(call)) is not None:
                # The command is carried out where it was asked, under the number that stands in the log now.
                call = replace(waiting, agreed=True, reference=call.reference, event_id=call.event_id)
                command = call.command
                log.info("Agreed to %s by %s [%s].", command.name, call.sender, call.reference)
            course_id = await command.run(call)
        except Told:
            return
        except Misused as problem:
            text = call.reader.language.gettext(problem.message, **problem.values)
            await call.answer_privately(Answer().line(text).add(about(call, command)))
        except AppError as failure:
            log.warning("Command %s failed [%s]: %s", command.name, call.reference, failure)
            await self._note(call, None, "failed")
            await _failed(call, call.reader.tell(str(failure)))
        except Exception:
            log.exception("Command %s ended in a bug of ours [%s].", command.name, call.reference)
            await self._note(call, None, "failed")
            await _failed(call, call.reader.language.gettext("Something went wrong on my side."))
        else:
            await self._note(call, course_id, "done")

    async def _note(self, call: Call, course_id: CourseId | None, result: str) -> None:
        """Every command that changes something stands in the audit log, with the person."""
        if not call.command.changes:
            return
        await self._desk.store.journal.note(
            f"Command {call.command.name}",
            at=self._desk.clock.now(),
            why="A person has given this command to the bot.",
            result=result,
            person=call.person,
            course_id=course_id or call.place.course_id,
            signal="bot",
            reference=call.reference,
        )


async def _refuse(call: Call) -> None:
    match call.command.rights:
        case For.STAFF if call.place.course_id is not None:
            raise await call.refuse("That is for the teachers of this course, so I did nothing.")
        case For.STAFF:
            raise await call.refuse(
                "That is for teachers, and you are a teacher in none of the courses that I know. I did nothing."
            )
        case _:
            raise await call.refuse("That is for the administrators of the chat, so I did nothing.")


async def _failed(call: Call, text: str) -> None:
    _ = call.reader.language.gettext
    text = f"{text} " + _("(Reference {reference})", reference=f"`{call.reference}`")
    await call.answer_privately(Answer().line(text, strong=f"{FAILED} {_('Not done')}"), part="failure")
