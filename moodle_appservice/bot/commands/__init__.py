"""The commands, by the word that people write.

Who may write which words stands in `for_people`, `for_staff` and `for_admins`; what each does, in the other modules.
"""

from __future__ import annotations

from ..call import Call
from .for_admins import FOR_ADMINS
from .for_people import ANSWERS, FOR_PEOPLE
from .for_staff import FOR_STAFF

COMMANDS = {command.name: command for command in (*FOR_PEOPLE, *FOR_STAFF, *FOR_ADMINS, *ANSWERS)}


def agreed(call: Call) -> Call | None:
    """The dangerous command to which a `yes` with its word agrees; None where the word stands for nothing."""
    word = call.arguments["word"]
    waiting = call.desk.pending.take(call.sender, word, call.desk.clock.now()) if word else None
    return None if waiting is None else waiting.call
