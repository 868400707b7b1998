"""The command line: from words to one typed command. It parses and explains; what a command does is decided elsewhere.

`parse` returns one of a closed union of frozen dataclasses; for `--help`, `--version` and wrong words it ends the
process as argparse does (code 0 or 2). The codes with which this program ends are `Exit`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, Never, TypeAlias

from . import __doc__ as summary
from . import __version__, cli_operations, cli_rooms, cli_setup
from .cli_operations import DEFAULT_CONFIG, Files, Operation
from .cli_rooms import RoomCommand
from .cli_setup import SetupCommand
from .domain.model import CourseId
from .errors import AppError, ConfigError, Unreachable

_HIGHEST_PORT = 65535
_EPILOG = """\
exit codes:
  0  done
  1  anything else
  2  the configuration, the registration or the command line is wrong; nothing was started
  3  Moodle, the homeserver or the running service could not be reached
  4  safety holds something back until you confirm it (sync --confirm)

first steps:
  moodle-appservice init        ask for what is needed, write config.yaml and registration.yaml, check everything
  moodle-appservice doctor      check everything, with a hint for whatever is wrong
  moodle-appservice plan        show what would be done; nothing is changed
  moodle-appservice             run
"""


class Exit(IntEnum):
    """How the process ends."""

    DONE = 0
    OTHER = 1
    CONFIGURATION = 2
    UNREACHABLE = 3
    HELD = 4


WORDS: Final[Mapping[str, str]] = {
    **cli_setup.TEXTS,
    "run": "run the service (the default)",
    "doctor": "check Moodle, the homeserver and this service, with a hint for whatever is wrong",
    "plan": "show what would be done; nothing is changed",
    "sync": "look at everything now and do what is to be done",
    **cli_rooms.TEXTS,
    **cli_operations.TEXTS,
    "lti": "the link in Moodle's courses that leads into the chat (LTI 1.3)",
    "user": "show, export, erase, readmit, link or unlink one person",
    "demo": "show it on a homeserver and a Moodle of its own; needs the extra [demo]",
}
"""The commands, and what each does."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run the service until it is told to stop; `dry`: without writing anything."""

    files: Files
    dry: bool = False


@dataclass(frozen=True, slots=True)
class Generate:
    """Write the example configuration or the registration."""

    files: Files
    force: bool


@dataclass(frozen=True, slots=True)
class Doctor:
    """Check everything and give hints."""

    files: Files
    json: bool
    reports: bool = False
    """Examine as if `moodle.source` were `reports`."""
    accept: bool = False
    """Take the reports as they are now for the ones that were set up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Show what would be done; `compare`: after reading every room anew."""

    files: Files
    course: CourseId | None
    json: bool
    compare: bool = False


@dataclass(frozen=True, slots=True)
class Sync:
    """Do now what is to be done; `confirm` also what safety holds: all of it, or the group with the id `group`."""

    files: Files
    course: CourseId | None
    confirm: bool
    group: str = ""


@dataclass(frozen=True, slots=True)
class LtiInvite:
    """Make the link by which Moodle registers this service, once."""

    files: Files
    replace: bool


@dataclass(frozen=True, slots=True)
class Demo:
    """Show everything on a homeserver and a Moodle of our own; port 0 = a free one."""

    once: bool
    port: int
    homeserver_port: int


@dataclass(frozen=True, slots=True)
class User:
    """Something about one person; `what` is a word of the command line. `yes`: without asking back."""

    files: Files
    what: str
    person: str
    yes: bool = False
    message: bool = False
    """Send the code as a Moodle message instead of showing it."""


Command: TypeAlias = (
    Run | Generate | Doctor | Plan | Sync | LtiInvite | User | Demo | Operation | RoomCommand | SetupCommand
)


def parse(argv: Sequence[str]) -> Command:
    """The command that these words (without the program's name) mean."""
    parser = _parser()
    words = parser.parse_args(argv)
    if words.force and not words.generate:
        parser.error("--force belongs to -g")
    if words.generate:
        if words.command is not None:
            parser.error(f"-g stands alone, without {words.command}")
        return Generate(_files(words), words.force)
    if words.command == "doctor" and words.accept and not words.reports:
        parser.error("--accept belongs to --reports")
    if problem := cli_rooms.wrong(words):
        parser.error(problem)
    if words.command == "demo":
        if words.config or words.registration:
            parser.error("the demo makes its own configuration: leave out -c and -r")
        return Demo(words.once, words.port, words.homeserver_port)
    return _command(words)


def exit_code(error: AppError) -> Exit:
    """The code with which the process ends because of this error."""
    if isinstance(error, ConfigError):
        return Exit.CONFIGURATION
    return Exit.UNREACHABLE if isinstance(error, Unreachable) else Exit.OTHER


def _command(words: argparse.Namespace) -> Command:
    files = _files(words)
    room_command = cli_rooms.command(words, files)
    if room_command is not None:
        return room_command
    other = cli_operations.command(words, files) or cli_setup.command(words, files)
    if other is not None:
        return other
    match words.command:
        case "doctor":
            return Doctor(files, words.json, words.reports, words.accept)
        case "plan":
            return Plan(files, words.course, words.json, words.audit)
        case "sync":
            return Sync(files, words.course, words.confirm is not None, words.confirm or "")
        case "lti":
            return LtiInvite(files, words.replace)
        case "user":
            return User(files, words.what, words.person, words.yes, words.message)
        case _:
            return Run(files, getattr(words, "dry_run", False))


def _files(words: argparse.Namespace) -> Files:
    return Files(words.config or DEFAULT_CONFIG, words.registration)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        self.exit(Exit.CONFIGURATION, f"{self.prog}: {message}. Nothing was done. Try: {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="moodle-appservice",
        description=summary,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_files(parser, default=None)
    parser.add_argument(
        "-g",
        "--generate",
        action="store_true",
        help="write the example configuration where there is none, else the registration; say what comes next",
    )
    parser.add_argument(
        "--force", action="store_true", help="with -g: replace the registration, with new tokens"
    )
    parser.add_argument("--version", action="version", version=f"moodle-appservice {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", title="commands")
    _add_commands(commands)
    return parser


def _add_files(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    parser.add_argument(
        *("-c", "--config"),
        type=Path,
        default=default,
        metavar="FILE",
        help=f"the configuration (default: {DEFAULT_CONFIG})",
    )
    parser.add_argument(
        *("-r", "--registration"),
        type=Path,
        default=default,
        metavar="FILE",
        help="the registration (default: appservice.registration of the configuration)",
    )


def _add_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    made = {
        name: commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        for name, text in WORDS.items()
    }
    made["invite"] = _add_invite(made["lti"])
    own = ("run", "doctor", "plan", "sync", "user", "invite")
    for name in (*own, *cli_setup.TEXTS, *cli_rooms.TEXTS, *cli_operations.TEXTS):
        # Suppressed, so that the words before the command keep what they said.
        _add_files(made[name], default=argparse.SUPPRESS)
    _add_options(made)
    cli_rooms.add(made["adopt"], made["doctor"])
    _add_user(made["user"])
    cli_operations.add(made)
    cli_setup.add(made)
    _add_port(made["demo"], "--port", "the demo's web page")
    _add_port(made["demo"], "--homeserver-port", "the demo's homeserver")


def _add_options(made: Mapping[str, _Parser]) -> None:
    for name in ("doctor", "plan"):
        made[name].add_argument("--json", action="store_true", help="print one JSON object, for programs")
    made["run"].add_argument(
        "--dry-run",
        action="store_true",
        help="everything but the writes: what would be done stands in the log",
    )
    made["doctor"].add_argument(
        "--reports",
        action="store_true",
        help="check the reports in Moodle, also while moodle.source is courses",
    )
    made["doctor"].add_argument(
        "--accept",
        action="store_true",
        help="with --reports: take the reports as they are now for the ones that were set up",
    )
    for name in ("plan", "sync"):
        made[name].add_argument(
            "--course", type=cli_operations.course, metavar="ID", help="only this Moodle course"
        )
    made["plan"].add_argument(
        "--audit", action="store_true", help="read every room anew first, and show where it differed"
    )
    made["sync"].add_argument(
        "--confirm",
        nargs="?",
        const="",
        metavar="ID",
        help="also do what safety holds: the group with this id, as `plan` shows it, or all that is held",
    )
    made["demo"].add_argument(
        "--once", action="store_true", help="end after the story; 0 only if all of it happened"
    )


def _add_invite(lti: _Parser) -> _Parser:
    text = "print the link to paste into Moodle's page Manage tools; it works once, for an hour"
    actions = lti.add_subparsers(dest="action", metavar="action", title="actions", required=True)
    invite: _Parser = actions.add_parser("invite", help=text, description=text, allow_abbrev=False)
    invite.add_argument(
        "--replace", action="store_true", help="let it take the place of the registration that exists"
    )
    return invite


def _add_user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("show", "export", "erase", "readmit", "link", "unlink"),
        help="show: what is known, in sentences; export: everything that is stored or was sent, as JSON; erase: remove "
        "it everywhere, for good; readmit: let somebody who was erased take part again, by the Moodle user id; link: "
        "make a code for proving a Matrix account; unlink: undo that",
    )
    cli_operations.add_person(parser)
    parser.add_argument("--yes", action="store_true", help="with erase: do not ask back")
    parser.add_argument(
        "--message", action="store_true", help="with link: send the code as a Moodle message, do not show it"
    )


def _add_port(parser: argparse.ArgumentParser, flag: str, what: str) -> None:
    parser.add_argument(
        flag, type=_port, default=0, metavar="PORT", help=f"port of {what} (default: a free one)"
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; write a number from 0 to {_HIGHEST_PORT}")
    return int(text)
