"""The configuration of a new installation: the example with answers in it, and the questions to which they belong.

A draft is text and nothing is written. Each answer is judged by the same checks as the file at every start (`problem`),
so what is taken here works there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from . import config
from .config.keys import FILE_SUFFIX, variable
from .config.values import is_loopback
from .errors import ConfigError, Problem
from .generate import example_config
from .yamlfile import parse

TOKEN = "moodle.token"
TOKEN_FILE = TOKEN + FILE_SUFFIX
REGISTRATION = "appservice.registration"
ADDRESS = "appservice.address"
HOSTNAME = "appservice.hostname"
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./:@-]*[A-Za-z0-9_/]")
_LONGEST_SITE = 16
_USUAL_NAMES = ("moodle", "www", "lms", "elearning", "learn", "learning", "courses")
Answers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask for: the key, how it is asked for, what is proposed given the answers before."""

    name: str
    text: str
    proposal: Callable[[Answers], str] = lambda _: ""
    secret: bool = False
    when: Callable[[Answers], bool] = lambda _: True
    required: bool = True


def _site(answers: Answers) -> str:
    """A short word of Moodle's address."""
    host = urlsplit(answers.get("moodle.url", "")).hostname or ""
    words = [word for word in host.split(".")[:-1] if word not in _USUAL_NAMES]
    short = re.sub(r"[^a-z0-9]", "", words[0].lower())[:_LONGEST_SITE] if words else ""
    return short if short[:1].isalpha() else ""


def _is_elsewhere(answers: Answers) -> bool:
    return "homeserver.address" in answers and not is_loopback(answers["homeserver.address"])


QUESTIONS = (
    Question("moodle.url", "Address of Moodle's front page, such as https://moodle.example.org"),
    Question(TOKEN, "Token of Moodle's web service user (not shown while you type)", secret=True),
    Question("site", "Short name of this Moodle; stands in every room alias and can never change", _site),
    Question(
        "homeserver.address",
        "Address under which this service reaches the homeserver",
        lambda _: "http://127.0.0.1:8008",
    ),
    Question(
        "homeserver.domain",
        "Server name of the homeserver: example.org for @anna:example.org",
    ),
    Question(
        ADDRESS,
        "Address under which the homeserver reaches this service, such as http://moodle-appservice:29301",
        when=_is_elsewhere,
        required=False,
    ),
)


def missing(answers: Answers, environment: Mapping[str, str]) -> list[Question]:
    """The questions that neither an answer nor the environment has answered."""
    return [question for question in QUESTIONS if not _is_known(question.name, answers, environment)]


def _is_known(name: str, answers: Answers, environment: Mapping[str, str]) -> bool:
    for one in (name, name + FILE_SUFFIX):
        if one in answers or environment.get(variable(tuple(one.split("."))), "").strip():
            return True
    return False


def filled(answers: Answers) -> str:
    """The example with these answers, by the names of keys; what is not answered stays as it is there."""
    text = example_config()
    for name, value in answers.items():
        text = _with(text, name, value)
    elsewhere = ADDRESS in answers and not is_loopback(answers[ADDRESS])
    return _with(text, HOSTNAME, "0.0.0.0") if elsewhere and HOSTNAME not in answers else text


def problem(name: str, answers: Answers, path: Path, environment: Mapping[str, str]) -> Problem | None:
    """What is wrong with the answer `name`, among these; None if nothing is."""
    try:
        config.check(filled(answers), path, environment)
    except ConfigError as error:
        return next((one for one in error.problems if one.path in (name, "file")), None)
    return None


def _with(text: str, name: str, value: str) -> str:
    """A value at a key of the example, be it filled in there or behind a #."""
    section, _, key = name.rpartition(".")
    shown = TOKEN.rpartition(".")[2] if name == TOKEN_FILE else key
    lines = text.splitlines(keepends=True)
    first = parse(text, "example").line_of((section,)) if section else 0
    for number in range(first or 0, len(lines)):
        match = re.fullmatch(rf"( *)#?{shown}: .*\n", lines[number])
        if match and bool(match[1]) == bool(section):
            lines[number] = f"{match[1]}{key}: {_scalar(value)}\n"
            return "".join(lines)
    raise KeyError(name)


def _scalar(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "''") + "'"
