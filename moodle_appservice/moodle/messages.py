"""Messages inside Moodle, one in each request.

`core_message_send_instant_messages` answers a batch in which one message worked and another did not with an error,
although the one was sent: so messages travel alone. What Moodle does not deliver it says in a successful answer
(`msgid` -1). A request whose answer was lost may have arrived: it is not repeated, and counts as sent nowhere, so that
the caller decides. Messages come from our web service user.
"""

from __future__ import annotations

from typing import Final

from ..domain.model import EventId, MoodleUserId
from ..errors import PermanentFailure, Refused
from ..ports import Store
from . import errors
from .answer import Json
from .client import MoodleClient
from .functions import SEND_MESSAGES, Functions
from .parse import plain_text

PLAIN: Final = 2
"""Moodle's FORMAT_PLAIN: no markup in a name or an address can become a link or a tag."""


class MoodleMessages:
    """Implements `ports.MoodleInbox`."""

    def __init__(self, client: MoodleClient, functions: Functions, store: Store) -> None:
        self._client = client
        self._functions = functions
        self._store = store

    async def is_on(self) -> bool:
        """Whether the service of our token has the function."""
        return await self._functions.has(SEND_MESSAGES)

    async def send(self, user_id: MoodleUserId, text: str, *, key: str) -> None:
        """Send plain text to one person, once for each key.

        Raises `Refused` where the function is not in our service, `PermanentFailure` where Moodle does not take it.
        """
        if await self._store.journal.message(key) is not None:
            return
        if not await self.is_on():
            raise Refused(
                f"The function {SEND_MESSAGES} is not in the service of our Moodle token, so nothing was sent to "
                f"Moodle user {user_id}. Add it there; doctor says which right it takes."
            )
        message: dict[str, Json] = {"touserid": user_id, "text": text, "textformat": PLAIN}
        try:
            answer = await self._client.call(SEND_MESSAGES, {"messages": [message]}, once=True)
        except errors.MissingCapability:
            raise PermanentFailure(
                f"Our Moodle account lacks moodle/site:sendmessage, so nothing was sent to Moodle user {user_id}. "
                "Give it to the role of our account."
            ) from None
        sent = number(answer)
        if sent is None:
            raise PermanentFailure(
                f"Moodle did not deliver a message to its user {user_id}: {_why(answer)} Nothing was sent. The right "
                "moodle/site:messageanyuser lets our Moodle account write to everybody."
            )
        await self._store.journal.sent(key, EventId(f"moodle:{sent}"))


def number(answer: Json) -> int | None:
    """Moodle's number of the one message in an answer, None where it was not delivered. Raises `BadAnswer`."""
    row = answer[0] if isinstance(answer, list) and len(answer) == 1 else None
    found = row.get("msgid") if isinstance(row, dict) else None
    if not isinstance(found, int):
        raise errors.BadAnswer(SEND_MESSAGES, about="not one message with its number")
    return found if found > 0 else None


def _why(answer: Json) -> str:
    row = answer[0] if isinstance(answer, list) else None
    said = row.get("errormessage") if isinstance(row, dict) else None
    return plain_text(str(said)) if said else "It did not say why."
