"""Checks of our rooms, as the mirror has them: can the bot still do its work there, and are they still ours?"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import PermanentFailure
from .database import CHECK_DATABASE
from .examined import Examined
from .frame import Caution, Check
from .homeserver import CHECK_HOMESERVER

SHOWN = 10
"""So many rooms are listed; more would not fit into a gap of a sentence that is told in another language."""


def _list(rooms: Sequence[str]) -> str:
    return ", ".join(rooms[:SHOWN]) + (" …" if len(rooms) > SHOWN else "")


async def _power(at: Examined) -> str:
    rooms = (await at.survey())["rooms"]
    if rooms["powerless"]:
        raise PermanentFailure(
            f"The bot has not all power in {_list(rooms['powerless'])}, so plans there may fail."
        )
    return f"The bot has all power in {rooms['total']} rooms."


async def _foreign(at: Examined) -> str:
    rooms = (await at.survey())["rooms"]
    if rooms["foreign"]:
        raise PermanentFailure(
            f"The creator or the marker of {_list(rooms['foreign'])} is not ours: nothing is done there unasked."
        )
    return "All rooms were made and marked by the bot, for this site."


async def _encrypted(at: Examined) -> str:
    rooms = (await at.survey())["rooms"]
    if rooms["encrypted"]:
        raise Caution(f"Encrypted: {_list(rooms['encrypted'])}. The bot can't read or answer commands there.")
    return "No room is encrypted."


async def _tombstoned(at: Examined) -> str:
    rooms = (await at.survey())["rooms"]
    if rooms["tombstoned"]:
        raise PermanentFailure(
            f"Replaced by another room: {_list(rooms['tombstoned'])}. A tombstone of somebody else is not followed."
        )
    return "No room was replaced by another one."


async def _unread(at: Examined) -> str:
    rooms = (await at.survey())["rooms"]
    if rooms["missing"]:
        raise Caution(
            f"Of {rooms['missing']} of {rooms['total']} rooms nothing is known; they are read at the next look."
        )
    return f"{rooms['unread']} of {rooms['total']} rooms are read anew before the next write."


async def _orphans(at: Examined) -> str:
    orphans = (await at.survey())["orphans"]
    if orphans is None:
        return "Can't be seen: the homeserver does not tell in which rooms the bot is."
    if orphans:
        raise Caution(
            f"The bot is in rooms that are none of ours, none of a direct chat, or left from a failed start: "
            f"{_list(orphans)}."
        )
    return "The bot is in its own rooms and in direct chats only."


CHECKS = (
    Check(
        "Power of the bot",
        "In each of our rooms the bot may do everything.",
        _power,
        "Give the bot its level back in the room (100), as the room's creator or by Synapse's make_room_admin.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Rooms that are ours",
        "Creator and marker of each room are the bot's and of this site.",
        _foreign,
        "Look at the room. If somebody else made it, `plan` says what is held for it.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Encrypted rooms",
        "None of our rooms is encrypted.",
        _encrypted,
        "Encryption can't be switched off. Switch encryption_enabled_by_default_for_room_type off at Synapse, and make "
        "the room anew.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Replaced rooms",
        "None of our rooms has a tombstone.",
        _tombstoned,
        "Upgrade rooms through this service only; see the page on rooms and roles.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Picture of the rooms",
        "The mirror knows each of our rooms.",
        _unread,
        "Nothing: the next look at the course reads the room.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Orphans",
        "The bot is in no room of which our books know nothing.",
        _orphans,
        "Let the bot leave them, or delete them with Synapse's admin API.",
        after=CHECK_HOMESERVER,
    ),
)
