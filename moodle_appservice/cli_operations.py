"""The part of the command line that is about operations: explaining, pausing, the audit log, backups.

As in `cli`, it parses and explains, and decides nothing. `add` describes the words to argparse, `command` turns them
into one of a closed union of frozen dataclasses.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from .domain.model import CourseId

DEFAULT_CONFIG = Path("config.yaml")


@dataclass(frozen=True, slots=True)
class Files:
    """Which files to use; without a registration, the configuration names it."""

    config: Path = DEFAULT_CONFIG
    registration: Path | None = None


@dataclass(frozen=True, slots=True)
class Explain:
    """Say why somebody is, or is not, in the rooms of a course, or of all."""

    files: Files
    person: str
    course: CourseId | None
    json: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Write nothing for a course or the whole site until it is resumed; `resume`: let it go on."""

    files: Files
    course: CourseId | None
    why: str = ""
    resume: bool = False


@dataclass(frozen=True, slots=True)
class AuditExport:
    """Print the audit log, oldest line first. `since`: Unix seconds; `person`: as in `Explain`."""

    files: Files
    csv: bool
    course: CourseId | None = None
    person: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Backup:
    """Write all that the database holds into one new file."""

    files: Files
    into: Path


@dataclass(frozen=True, slots=True)
class Restore:
    """Fill the empty database from such a file; `replace`: also one that is not empty."""

    files: Files
    out_of: Path
    replace: bool = False


@dataclass(frozen=True, slots=True)
class OfCourse:
    """A person's decision about the life of a course: one of `DECISIONS`.

    `to`: Matrix ids of who administers released rooms. `yes`: what can't be undone is meant.
    """

    files: Files
    what: str
    course: CourseId
    to: tuple[str, ...] = ()
    yes: bool = False


Operation: TypeAlias = Explain | Pause | AuditExport | Backup | Restore | OfCourse
DECISIONS = ("reset", "archive", "unarchive", "release", "manage", "fresh")
TEXTS = {
    "explain": "say why somebody is, or is not, in the rooms of a course",
    "pause": "write nothing, in one course or anywhere, until it is resumed; survives restarts",
    "resume": "undo a pause and look at everything that it held",
    "course": "archive the rooms of a course, begin anew with empty ones, or let them go",
    "audit": "hand out the log of everything that was done and why",
    "backup": "write all that the database holds into one file, while the service runs or not",
    "restore": "fill the database from such a file, while the service is stopped",
}
"""What each word does, for `--help`."""


def command(words: argparse.Namespace, files: Files) -> Operation | None:
    """The command that these words mean, None where it is none of these."""
    match words.command:
        case "explain":
            return Explain(files, words.person, words.course, words.json)
        case "pause":
            return Pause(files, words.course, words.why)
        case "resume":
            return Pause(files, words.course, resume=True)
        case "course":
            return OfCourse(files, words.what, words.course, tuple(words.to), words.yes)
        case "audit":
            return AuditExport(files, words.csv, words.course, words.person, words.since)
        case "backup":
            return Backup(files, words.file)
        case "restore":
            return Restore(files, words.file, words.replace)
    return None


def add(made: Mapping[str, argparse.ArgumentParser]) -> None:
    """Describe the words of each command."""
    add_person(made["explain"])
    made["explain"].add_argument(
        "course", type=course, nargs="?", metavar="COURSE", help="only this Moodle course"
    )
    made["explain"].add_argument("--json", action="store_true", help="print one JSON object, for programs")
    for name in ("pause", "resume"):
        made[name].add_argument("--course", type=course, metavar="ID", help="only this Moodle course")
    made["pause"].add_argument("--why", default="", metavar="TEXT", help="shown wherever the pause is shown")
    _add_of_course(made["course"])
    _add_audit(made["audit"])
    made["backup"].add_argument(
        "file", type=Path, metavar="FILE", help="the new file; it holds names and secrets"
    )
    made["restore"].add_argument("file", type=Path, metavar="FILE", help="what `backup` has written")
    made["restore"].add_argument(
        "--replace", action="store_true", help="throw away what the database holds now, if it holds anything"
    )


def _add_of_course(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=DECISIONS,
        help="reset: new rooms, the old ones lead there and become read-only; archive: read-only, marked and out of "
        "the space tree; unarchive: undo that, also where the dates of the course would archive it; release: manage "
        "its rooms no more; manage: undo that; fresh: new rooms for a course that looks restored from one that is gone",
    )
    parser.add_argument("course", type=course, metavar="ID", help="the number in the course's address")
    parser.add_argument("--yes", action="store_true", help="with reset, which can't be undone: it is meant")
    parser.add_argument(
        "--to",
        nargs="+",
        default=(),
        metavar="USER",
        help="with release: Matrix ids of members who administer the rooms from then on",
    )


def _add_audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("export",), help="export: print it, oldest line first")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="a table with a head (RFC 4180)")
    form.add_argument("--json", action="store_true", help="one JSON object a line (the default)")
    parser.add_argument("--course", type=course, metavar="ID", help="only this Moodle course")
    parser.add_argument("--person", default="", metavar="PERSON", help="only what is about this person")
    parser.add_argument(
        "--since", type=_day, default=0.0, metavar="DAY", help="only from this day on: 2026-10-01 (UTC)"
    )


def add_person(parser: argparse.ArgumentParser) -> None:
    """The word that names a person."""
    parser.add_argument(
        "person", metavar="PERSON", help="a Moodle user id, a Moodle user name, or a Matrix id"
    )


def course(text: str) -> CourseId:
    """A course id. Raises argparse's error for anything else."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a course id; it is the number in the course's address"
        )
    return CourseId(int(text))


def _day(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; write it as 2026-10-01") from None
