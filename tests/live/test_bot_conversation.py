"""The conversation in the documentation is one that took place: the demo's people talk with the bot on a real Synapse.

`WRITE_TRANSCRIPT=1` writes `docs/conversation.md` anew; without it the page must be what was said. What differs from
run to run (rooms' ids, one-time words, dates) is written in one way.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from moodle_appservice.demo.actor import Actor
from moodle_appservice.demo.cast import PASSWORD, Cast, Part, cast_of, people_with_ids
from moodle_appservice.demo.stage import Stage
from moodle_appservice.demo.witness import Witness
from moodle_appservice.domain.model import RoomId

PAGE = Path(__file__).parents[2] / "docs" / "conversation.md"
HEAD = """# A conversation with the bot

What the people of the demo said to the bot, and what it answered, on a real Synapse. A test writes this page from that
conversation and fails when the bot answers in another way.
"""
ALWAYS = (
    (r"https://matrix\.to/#/\S+", "https://matrix.to/#/…"),
    (r"yes [a-z]{6}", "yes bakute"),
    (r"reference [0-9a-f]{8}", "reference 1a2b3c4d"),
    (r"\d{1,2} \w{3,4} \d{4}, \d\d:\d\d(?: UTC)?", "1 Sep 2026, 08:00"),
)
LANGUAGES = {"de": "Deutsch", "fr": "français", "es": "español"}


@dataclass
class Chat:
    """One person's direct chat, written down."""

    actor: Actor
    room_id: RoomId
    lines: list[str]

    async def says(self, text: str) -> str:
        """Say something and write down the answer."""
        answer = await self.actor.ask(self.room_id, text)
        self._write(self.actor.name, [text])
        self._write("Moodle", answer)
        return "\n".join(answer)

    async def is_greeted(self) -> None:
        """Write down the welcome."""
        self._write("Moodle", await self.actor.greeting(self.room_id))

    def _write(self, who: str, said: list[str]) -> None:
        self.lines += [f"**{who}:**", "", "```text", *said, "```", ""]


@dataclass
class Theatre:
    """The demo's stage with its people."""

    stage: Stage
    cast: Cast
    actors: list[Actor] = field(default_factory=list)
    lines: list[str] = field(default_factory=lambda: [HEAD])

    def title(self, text: str) -> None:
        """A heading of the page."""
        self.lines += [f"## {text}", ""]

    async def chat(self, part: Part) -> Chat:
        """Somebody logs in and opens a direct chat with the bot."""
        actor = Actor(part.name, part.matrix_id, self.stage.synapse.url)
        self.actors.append(actor)
        await actor.log_in(PASSWORD)
        return Chat(actor, await actor.open_chat(self.stage.service.rules.bot), self.lines)

    @property
    def page(self) -> str:
        """All that was said."""
        text = "\n".join(self.lines).rstrip() + "\n"
        for pattern, replacement in ALWAYS:
            text = re.sub(pattern, replacement, text)
        return text


@pytest.fixture
async def theatre() -> AsyncIterator[Theatre]:
    async with Stage() as stage, Witness(stage.synapse) as witness:
        people = people_with_ids(stage.sandbox.university, stage.service.rules)
        cast = cast_of(stage.sandbox.university, people)
        for part in (cast.student, cast.teacher):
            await witness.make_accounts([(part.matrix_id, part.name)], PASSWORD)
        report = await stage.service.operations.sync()
        assert report.failures == {}
        theatre = Theatre(stage, cast)
        try:
            yield theatre
        finally:
            for actor in theatre.actors:
                await actor.close()


async def test_the_conversation_in_the_documentation_took_place(theatre: Theatre) -> None:
    theatre.title("A student")
    student = await theatre.chat(theatre.cast.student)
    await student.is_greeted()
    for text in ("help", "courses", "status", "statsu", "whoami", "leave LIN", "invite LIN"):
        await student.says(text)
    theatre.title("A teacher")
    teacher = await theatre.chat(theatre.cast.teacher)
    await teacher.is_greeted()
    for text in (
        "status LIN",
        "help status",
        f"why -c LIN {theatre.cast.student.name}",
        "plan LIN",
        "rooms LIN",
    ):
        await teacher.says(text)
    await teacher.says("off LIN")
    await teacher.says("no")
    theatre.title("The same in other languages")
    for code, name in LANGUAGES.items():
        assert name.casefold() in (await teacher.says(f"language {code}")).casefold()
        await teacher.says("help")
        await teacher.says("status LIN")
    if os.environ.get("WRITE_TRANSCRIPT"):
        PAGE.write_text(theatre.page, encoding="utf-8")
    assert theatre.page == PAGE.read_text(encoding="utf-8")
