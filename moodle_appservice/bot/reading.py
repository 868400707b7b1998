"""From what somebody wrote to the words of a command. Pure; where it was written decides whether it is one.

In a direct chat everything is a command, with or without the prefix. Elsewhere only what begins with the prefix
(`!status`), or with `!moodle` whatever the prefix is. Words are parted as a shell does it: quotes keep them together.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ..domain.mapping import cut

LONG_PREFIX = "!moodle"
_MOST_QUOTED = 40


@dataclass(frozen=True, slots=True)
class Said:
    """A command as it was written: its name in small letters, the words behind it, and the same as one text."""

    name: str
    words: tuple[str, ...] = ()
    text: str = ""


def read(body: str, prefix: str, *, direct: bool) -> Said | None:
    """What was said to the bot; None where nothing was. `direct`: in a direct chat."""
    text = body.strip()
    first = text.split(None, 1)[0] if text else ""
    if first.lower() == LONG_PREFIX:
        text = text[len(LONG_PREFIX) :].strip() or "help"
    elif text.startswith(prefix):
        text = text[len(prefix) :].lstrip()
    elif not direct:
        return None
    if not text or not text[0].isalnum():
        # `!!!` and `!?` are no commands.
        return None
    name, rest = (*text.split(None, 1), "")[:2]
    return Said(name.lower(), words_of(rest), rest)


def quoted(words: str) -> str:
    """What somebody wrote, as far as it is said back."""
    return cut(words, _MOST_QUOTED)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text; where a quotation mark stands alone, it is an apostrophe in a name."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())
