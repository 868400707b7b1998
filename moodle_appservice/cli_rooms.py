"""The part of the command line that is about rooms: adopting, finding and upgrading them.

As in `cli`, it parses and explains, and decides nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TypeAlias

from .cli_operations import Files, course
from .domain.model import CourseId


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take an existing room for a course. `yes`: without asking back."""

    files: Files
    course: CourseId
    room: str
    kind: str = "main"
    yes: bool = False


@dataclass(frozen=True, slots=True)
class FindRooms:
    """List rooms that could be adopted."""

    files: Files
    json: bool = False


@dataclass(frozen=True, slots=True)
class UpgradeRooms:
    """Upgrade rooms of versions older than the configured one."""

    files: Files


RoomCommand: TypeAlias = Adopt | FindRooms | UpgradeRooms
TEXTS = {"adopt": "take an existing room for a course, after showing what would be done there"}


def command(words: argparse.Namespace, files: Files) -> RoomCommand | None:
    """The command that these words mean, None where it is none of these."""
    if words.command == "doctor" and words.upgrade_rooms:
        return UpgradeRooms(files)
    if words.command != "adopt":
        return None
    if words.find:
        return FindRooms(files, words.json)
    return Adopt(files, words.course, words.room, words.kind, words.yes)


def wrong(words: argparse.Namespace) -> str:
    """What can't be meant, for the message; empty where all is well."""
    if words.command != "adopt":
        return ""
    if words.find:
        return "--find stands alone, without a course" if words.course is not None else ""
    return "" if words.room is not None else "name a course and a room, or --find"


def add(adopt: argparse.ArgumentParser, doctor: argparse.ArgumentParser) -> None:
    """Describe the words."""
    adopt.add_argument("course", type=course, nargs="?", metavar="COURSE", help="the id of the Moodle course")
    adopt.add_argument("room", nargs="?", metavar="ROOM", help="a room id, an alias, or a link to the room")
    adopt.add_argument(
        "--kind",
        default="main",
        metavar="KIND",
        help="which room of the course it is to be: main (default), announcements, staff, space or group:ID",
    )
    adopt.add_argument("--yes", action="store_true", help="do not ask back")
    adopt.add_argument(
        "--find",
        action="store_true",
        help="list rooms that could be adopted: of a lost database, and of Moodle's own Matrix provider",
    )
    adopt.add_argument("--json", action="store_true", help="with --find: print one JSON object, for programs")
    doctor.add_argument(
        "--upgrade-rooms",
        action="store_true",
        help="upgrade every room whose version is older than rooms.version; its people are invited to the new room",
    )
