"""From a stored message to a command to an answer.

Messages come from the database, where the push that brought them has left them, so a restart loses none; each is
claimed before it is answered, so none is answered twice. Old ones are left alone: an answer after an outage of hours
would only confuse.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ..domain.model import EventId
from ..errors import AppError
from ..ports import CommandRow
from .call import Call, Desk
from .commands import ANSWERS, COMMANDS, FOR_STRANGERS
from .commands.link import HOW
from .render import Answer

LONG_PREFIX = "!moodle"
log = logging.getLogger(__name__)


class Router:
    """Answers commands, several at a time. `max_age`: seconds after which a command is left alone."""

    def __init__(self, desk: Desk, *, max_age: float) -> None:
        self._desk = desk
        self._max_age = max_age
        self._waiting: asyncio.Queue[EventId] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, workers: int = 4) -> None:
        """Begin to answer, with what was left from before a restart first."""
        since = self._desk.clock.now() - self._max_age
        self.hear(await self._desk.store.journal.new_commands(sent_after=since))
        self._tasks = [asyncio.create_task(self._work(), name=f"bot {n}") for n in range(workers)]

    async def stop(self) -> None:
        """No further answers."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def hear(self, commands: Sequence[EventId]) -> None:
        """Messages that have just been stored."""
        for event_id in commands:
            self._waiting.put_nowait(event_id)

    async def _work(self) -> None:
        while True:
            event_id = await self._waiting.get()
            try:
                await self._handle(event_id)
            except AppError as failure:
                log.warning("The command %s could not be answered: %s", event_id, failure)
            except Exception:
                log.exception("The command %s ended in a bug of ours.", event_id)

    async def _handle(self, event_id: EventId) -> None:
        row = await self._desk.store.journal.claim_command(event_id)
        if row is None or row.sent_at < self._desk.clock.now() - self._max_age:
            return
        call = await self._call(row)
        if call is None:
            return
        word = call.words[0].lower()
        if call.is_direct and call.person is None and word not in FOR_STRANGERS:
            await self._greet(call)
            return
        command = COMMANDS.get(word) or ANSWERS.get(word)
        if command is None:
            if call.is_direct:
                await call.answer(
                    Answer().line(f"I do not know “{call.words[0]}”. Write help to see what I know.")
                )
            return
        log.info("Command %s by %s in %s.", command.name, row.sender, row.room_id)
        try:
            await command.run(replace(call, words=call.words[1:]))
        except AppError as failure:
            reference = secrets.token_hex(4)
            log.warning("Command %s failed [%s]: %s", command.name, reference, failure)
            await call.answer_privately(
                Answer().line(f"{failure} (reference {reference})", strong="Not done"), part="failure"
            )

    async def _greet(self, call: Call) -> None:
        """To somebody whom we do not know we say one thing, once."""
        answer = Answer().line(f"I do not know this account yet. {HOW}")
        await self._desk.messenger.notice(
            call.room_id, answer.text, answer.html, key=f"{call.room_id}:stranger"
        )

    async def _call(self, row: CommandRow) -> Call | None:
        course_id = await self._desk.store.ledger.course_of(row.room_id)
        words = _words(row.body, self._desk.prefix, needs_prefix=course_id is not None)
        if not words:
            return None
        known = await self._desk.store.people.by_matrix_id([row.sender])
        return Call(
            desk=self._desk,
            event_id=row.event_id,
            room_id=row.room_id,
            sender=row.sender,
            person=known.get(row.sender),
            course_id=course_id,
            thread=row.thread,
            words=words,
        )


def _words(body: str, prefix: str, *, needs_prefix: bool) -> tuple[str, ...]:
    text = body.strip()
    if text.split(" ", 1)[0].lower() == LONG_PREFIX:
        text = text[len(LONG_PREFIX) :] or "help"
    elif text.startswith(prefix):
        text = text[len(prefix) :]
    elif needs_prefix:
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError:
        # An apostrophe in a name is not a quotation mark.
        return tuple(text.split())
