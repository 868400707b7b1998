"""What a command is: its name, who may use it, where its answer may stand, what is written behind it, what it does.

A command is a value: the tables of `bot.commands` hold one for each word, and the router, the help and the
documentation read what stands there. Nothing is decided here. Who may use a command is asked in `commands.help`,
in which room its answer stands in `call`. Options may stand anywhere; where a free text ends the command, only in
front of it, and the text stays as it was written. Words that do not fit raise `Misused`; the router tells the
person, in their language.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from ..domain.model import CourseId
from ..languages import N_
from .reading import Said, quoted

if TYPE_CHECKING:
    from .call import Call

LONGEST_PAGE = 1000


class For(Enum):
    """Who may use a command. The value is how the documentation calls them."""

    ANYBODY = "everybody, also somebody whom the bot does not know yet"
    KNOWN = "everybody"
    """Whom the bot knows, administrators too."""
    PEOPLE = "everybody in a course"
    STAFF = "teachers"
    ADMINS = "administrators"


class Where(Enum):
    """Where an answer may stand."""

    HERE = "where it was asked"
    """It holds numbers only where students read along."""
    DISCREET = "in the direct chat, the staff room or the management room"
    DIRECT = "in the direct chat"


class Misused(Exception):
    """The words behind a command are not what it takes. `message` is a text of the catalogue, with its values."""

    def __init__(self, message: str, **values: str) -> None:
        super().__init__(message)
        self.message = message
        self.values = {name: quoted(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Word:
    """Something that is written behind a command. `rest`: all that follows, as it was written."""

    name: str
    help: str
    required: bool = True
    rest: bool = False


COURSE = Word("course", N_("the short name or number of a course, where you have several"), required=False)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was written behind a command. `course` is empty where none was named; pages count from 1."""

    values: Mapping[str, str]
    course: str = ""
    page: int = 1
    wants_help: bool = False

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `summary`: its line in `help`. `run` returns the course in which it has changed something.

    `of_course`: it is about one course, which may be named. `paged`: its answer can be long. `changes`: it changes
    something, so it stands in the audit log. `examples`: what is written, each as in a direct chat.
    """

    name: str
    summary: str
    run: Callable[[Call], Awaitable[CourseId | None]]
    rights: For
    where: Where = Where.HERE
    words: tuple[Word, ...] = ()
    of_course: bool = False
    paged: bool = False
    changes: bool = False
    examples: tuple[str, ...] = ()
    listed: bool = True

    @property
    def usage(self) -> str:
        """Such as `announce [-c course] text`."""
        parts = [self.name]
        if self.of_course and self.words:
            parts.append("[-c course]")
        parts += [word.name if word.required else f"[{word.name}]" for word in self.words]
        if self.of_course and not self.words:
            parts.append("[course]")
        if self.paged:
            parts.append("[-p page]")
        return " ".join(parts)

    def parse(self, said: Said) -> Arguments:
        """The words behind the command. Raises `Misused`."""
        rest = self.words[-1] if self.words and self.words[-1].rest else None
        words = _before_text(said, rest is not None)
        if len(words) > MOST_WORDS:
            raise Misused(N_("“{word}” is too much there."), word=words[MOST_WORDS])
        options, left = _parser(self.of_course, self.paged).parse_known_args(words)
        if options.help:
            return Arguments({}, wants_help=True)
        if unknown := next((word for word in left if word.startswith("-") and rest is None), None):
            raise Misused(N_("I do not know “{word}” there."), word=unknown)
        values, course = self._values(left, said, rest)
        return Arguments(values, getattr(options, "course", "") or course, getattr(options, "page", 1))

    def _values(self, left: list[str], said: Said, rest: Word | None) -> tuple[dict[str, str], str]:
        values: dict[str, str] = {}
        for word in self.words:
            if word is rest:
                values[word.name] = _text_after(said)
            elif left:
                values[word.name] = left.pop(0)
            if word.required and not values.get(word.name):
                raise Misused(N_("Something is missing: {word}."), word=word.name)
        if rest is not None:
            return values, ""
        if left and not self.of_course:
            raise Misused(N_("“{word}” is too much there."), word=left[0])
        return values, " ".join(left)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        del message
        raise Misused(N_("I do not understand what stands behind the command."))


@cache
def _parser(of_course: bool, paged: bool) -> _Parser:
    """Made once: argparse looks for its translations at each argument."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    if of_course:
        parser.add_argument("-c", "--course", default="")
    if paged:
        parser.add_argument("-p", "--page", type=_page, default=1)
    return parser


def _page(text: str) -> int:
    number = int(text)
    if not 1 <= number <= LONGEST_PAGE:
        raise ValueError(text)
    return number


OPTIONS = ("-c", "--course", "-p", "--page")
MOST_WORDS = 60
"""Words besides a free text. argparse takes the square of their number: a message of 60,000 characters, for minutes."""


def _before_text(said: Said, has_text: bool) -> list[str]:
    """The words that can be options: all, or those in front of a free text."""
    words = list(said.words)
    if not has_text:
        return words
    return words[: _length_of_options(words)]


def _length_of_options(words: list[str]) -> int:
    at = 0
    while at < len(words) and words[at] in OPTIONS:
        at += 2
    if at < len(words) and words[at] in ("-h", "--help"):
        at += 1
    return at


def _text_after(said: Said) -> str:
    """The free text as it was written, with its lines and quotes, without the options in front of it."""
    text = said.text
    for word in said.words[: _length_of_options(list(said.words))]:
        text = text.lstrip()
        quoted = [f'"{word}"', f"'{word}'", word]
        text = next((text[len(one) :] for one in quoted if text.startswith(one)), text)
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text.count(text[0]) == 2:
        text = text[1:-1]
    return text
