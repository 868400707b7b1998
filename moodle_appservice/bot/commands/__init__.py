"""The commands, one module each. `COMMANDS` maps the word that people write to what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..call import Call
from . import help, link, status, sync


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `summary` is its line in `help`; `staff` that it takes a teacher's role in some course."""

    name: str
    summary: str
    run: Callable[[Call], Awaitable[None]]
    staff: bool


COMMANDS = {
    command.name: command
    for command in (
        Command("help", "what I can do for you", help.run, staff=False),
        Command(
            "status", "who is expected, joined, invited and missing in your course", status.run, staff=True
        ),
        Command("sync", "look at the course in Moodle now", sync.run, staff=True),
        Command("link", "say that this account is yours, with a code from Moodle", link.link, staff=False),
        Command("unlink", "undo that", link.unlink, staff=False),
    )
}
ANSWERS = {
    command.name: command
    for command in (
        Command("yes", "agree to what I asked", link.yes, staff=False),
        Command("no", "disagree with what I asked", link.no, staff=False),
    )
}
"""Words that only answer a question of the bot: `help` does not list them."""
FOR_STRANGERS = frozenset({"link", "unlink", "yes", "no"})
"""What somebody whom we do not know may say in a direct chat."""
