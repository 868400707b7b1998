"""How far long work is: one message, edited in its own time, and at the end the last word in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from moodle_appservice.bot.call import Call, Progress
from moodle_appservice.bot.render import Answer
from moodle_appservice.domain.model import EventId, RoomId
from tests.bot.house import Recorder

ROOM, MESSAGE = RoomId("!direct"), EventId("$progress")


@dataclass
class Desk:
    """What a call has of the house: it only answers, and its messenger edits."""

    now: float = 0.0
    answers: list[str] = field(default_factory=list)
    messenger: Recorder = field(default_factory=Recorder)

    def progress(self) -> Progress:
        async def answer(answer: Answer, *, part: str = "answer") -> tuple[RoomId, EventId]:
            self.answers.append(answer.text)
            return ROOM, MESSAGE

        call = SimpleNamespace(answer=answer, desk=self, event_id=EventId("$command"))
        return Progress(cast(Call, call), seconds=lambda: self.now)


async def test_one_message_is_edited_never_more_often_than_every_two_seconds() -> None:
    desk = Desk()
    progress = desk.progress()
    for tenth in range(61):
        desk.now = tenth / 10
        await progress.tell(Answer().line(f"after {desk.now}"))
    assert desk.answers == ["after 0.0"]
    assert desk.messenger.edits == ["after 2.0", "after 4.0", "after 6.0"]


async def test_the_last_word_comes_at_once_and_in_the_place_of_the_progress() -> None:
    desk = Desk()
    progress = desk.progress()
    await progress.tell(Answer().line("begun"))
    desk.now = 0.1
    await progress.end(Answer().line("done"))
    assert (desk.answers, desk.messenger.edits) == (["begun"], ["done"])


async def test_short_work_has_one_answer_and_no_edit() -> None:
    desk = Desk()
    await desk.progress().end(Answer().line("done"))
    assert (desk.answers, desk.messenger.edits) == (["done"], [])
