"""The part of the command line that is about files of this installation: making them, and bringing them up to date.

As in `cli`, it parses and explains, and decides nothing. A token is never a word of a command line, where every user of
the machine can read it: it comes from a file, from standard input, or is asked for on the terminal.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from .cli_operations import Files


@dataclass(frozen=True, slots=True)
class Init:
    """Make configuration and registration of a new installation.

    `answers`: what is known already, by the name of the key; `token_from_input`: the token stands on standard input.
    `force`: replace what exists. `doctor`: check everything afterwards.
    """

    files: Files
    answers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_from_input: bool = False
    force: bool = False
    doctor: bool = True


@dataclass(frozen=True, slots=True)
class Migrate:
    """Write the present names of keys into the configuration; `yes`: without asking."""

    files: Files
    yes: bool


SetupCommand: TypeAlias = Init | Migrate
TEXTS = {
    "init": "make the configuration and the registration: asks on a terminal, or takes flags; then checks everything",
    "config": "bring the configuration of an older version up to date",
}
"""What each word does, for `--help`."""
FLAGS = {
    "site": (
        "--site",
        "NAME",
        "a short name of this Moodle, such as uni; in every room alias, fixed for good",
    ),
    "moodle.url": ("--moodle-url", "URL", "the address of Moodle's front page"),
    "moodle.token_file": (
        "--moodle-token-file",
        "FILE",
        "a file with the token of the web service user, which the configuration then names; -: read the token from "
        "standard input and write it into the configuration",
    ),
    "homeserver.address": ("--homeserver-url", "URL", "the homeserver, as this service reaches it"),
    "homeserver.domain": (
        "--domain",
        "NAME",
        "the homeserver's server_name: example.org for @anna:example.org",
    ),
    "appservice.address": (
        "--appservice-url",
        "URL",
        "where the homeserver reaches this service, if that is not this machine",
    ),
}
"""The flags of `init` by the key that each fills in: flag, metavar, help."""


def command(words: argparse.Namespace, files: Files) -> SetupCommand | None:
    """The command that these words mean, None where it is none of these."""
    match words.command:
        case "init":
            given = {name: getattr(words, _attribute(name)) for name in FLAGS}
            answers = {name: value for name, value in given.items() if value is not None}
            from_input = answers.get("moodle.token_file") == "-"
            if from_input:
                del answers["moodle.token_file"]
            return Init(files, answers, from_input, words.replace, not words.no_doctor)
        case "config":
            return Migrate(files, words.yes)
    return None


def add(made: Mapping[str, argparse.ArgumentParser]) -> None:
    """Describe the words of each command."""
    init = made["init"]
    for name, (flag, metavar, text) in FLAGS.items():
        init.add_argument(flag, dest=_attribute(name), metavar=metavar, help=text)
    init.add_argument(
        "--force",
        dest="replace",
        action="store_true",
        help="replace a configuration, and a registration that does not fit; the old ones stay beside them as *.bak",
    )
    init.add_argument("--no-doctor", action="store_true", help="write the files and check nothing")
    migrate = made["config"]
    migrate.add_argument(
        "what",
        choices=("migrate",),
        help="migrate: write the present names of keys into the file, after showing the difference; the old file stays "
        "beside it as *.bak",
    )
    migrate.add_argument("--yes", action="store_true", help="do not ask back")


def _attribute(name: str) -> str:
    return f"answer_{name.replace('.', '_')}"
