"""Checks of what people have changed in rooms, of what the loss of a database has left open, and of old rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..domain.drift import CROWDED
from .database import CHECK_DATABASE
from .examined import Examined
from .frame import Caution, Check
from .rooms import SHOWN as LISTED

SHOWN = 20


def _in_room(one: Mapping[str, Any]) -> str:
    return f"In the room {one['room']}: {one['sentence']}"


async def _drift(at: Examined) -> str:
    found = [one for one in (await at.survey())["drift"] if one["what"] != CROWDED]
    if found:
        shown = " ".join(map(_in_room, found[:SHOWN]))
        raise Caution(f"{len(found)} things stand in rooms that this service would have otherwise. {shown}")
    return "Nothing in the rooms is to be reported."


async def _crowded(at: Examined) -> str:
    found = [one for one in (await at.survey())["drift"] if one["what"] == CROWDED]
    if found:
        shown = " ".join(map(_in_room, found[:SHOWN]))
        raise Caution(f"In {len(found)} rooms more people have a level than one event can hold. {shown}")
    return "The levels of each room fit into one event."


async def _nobodies(at: Examined) -> str:
    found: Sequence[Mapping[str, Any]] = (await at.survey())["nobodies"]
    if found:
        number = sum(one["number"] for one in found)
        raise Caution(
            f"{number} accounts in {len(found)} rooms that were adopted, or found again after the loss of a database, "
            "are nobody's in Moodle by any rule. They are left alone."
        )
    return "Everybody in adopted and recovered rooms is known."


async def _older(at: Examined) -> str:
    older: Sequence[str] = (await at.survey())["older"]
    if older:
        listed = ", ".join(older[:LISTED]) + (" …" if len(older) > LISTED else "")
        raise Caution(f"{len(older)} rooms have an older version than rooms.version: {listed}.")
    return "No room has an older version than the configured one."


CHECKS = (
    Check(
        "Changes in rooms",
        "Nothing in the rooms waits for a person.",
        _drift,
        "Look at the rooms. What is put back, kept or reported is set in the section drift.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Levels in large rooms",
        "Whoever has a level in a room by their role has it there: all levels stand in one event of limited size.",
        _crowded,
        "Give fewer roles a level (rooms.levels), or give the roles level 0 in this kind of room (rooms.kinds).",
        after=CHECK_DATABASE,
    ),
    Check(
        "Accounts of nobody",
        "Whoever is in adopted and recovered rooms is somebody in Moodle.",
        _nobodies,
        "`moodle-appservice adopt --find` lists them. Whoever had proven an account proves it once more.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Room versions",
        "No room is older than rooms.version.",
        _older,
        "Leave them, or upgrade all with `moodle-appservice doctor --upgrade-rooms`: people are invited anew.",
        after=CHECK_DATABASE,
    ),
)
