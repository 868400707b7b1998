"""What people are told about their links, beside the answer in the chat: in the old account, and inside Moodle.

A notice that can't be delivered never stops the link: it is logged, and the audit log has what happened anyway.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Awaitable

from ..domain.linking import Link
from ..domain.model import MoodleUserId, UserId
from ..errors import AppError
from ..ports import Messenger, MoodleInbox
from .readers import Readers

log = logging.getLogger(__name__)
_NOT_YOU = "If that was not you, change your Moodle password and tell Moodle's administrators."


class Notices:
    """Tells, in the language of whom it concerns (`readers`); `reference` keys the messages: each is sent once."""

    def __init__(self, messenger: Messenger, inbox: MoodleInbox, readers: Readers | None = None) -> None:
        self._readers = readers
        self._messenger = messenger
        self._inbox = inbox

    async def linked(self, link: Link, old: UserId | None, *, now: float, reference: str) -> None:
        """A link was made: told to the account that it takes the place of, and inside Moodle."""
        waits = link.waits_at(now)
        when = "in 24 hours" if waits else "now"
        if old is not None:
            stop = " Answer no to stop that, or yes to let it count at once." if waits else ""
            await self._to_account(
                old,
                f"Your Moodle account is being linked to {link.matrix_id} instead of this one. It counts {when}.{stop} "
                f"{_NOT_YOU}",
                reference,
            )
        stop = f" The account {old} can stop that by answering the bot with no." if waits else ""
        await self._to_moodle(
            link.user_id,
            f"Your Moodle account was linked to the Matrix account {link.matrix_id}. It counts {when}.{stop} "
            f"{_NOT_YOU}",
            reference,
        )

    async def stopped(self, link: Link, *, reference: str) -> None:
        """The old account has stopped a change."""
        await self._to_moodle(
            link.user_id,
            f"The link to {link.matrix_id} was stopped; {link.previous} stays your Matrix account. {_NOT_YOU}",
            reference,
        )

    async def undone(self, link: Link, *, reference: str) -> None:
        """A link was undone."""
        await self._to_moodle(
            link.user_id, f"The link to the Matrix account {link.matrix_id} was undone. {_NOT_YOU}", reference
        )

    async def _to_account(self, account: UserId, text: str, reference: str) -> None:
        key = f"link:{reference}:old"
        if self._readers is not None:
            text = (await self._readers.of_account(account)).tell(text)
        await _try(
            "old account", self._messenger.direct(account, text, f"<p>{html.escape(text)}</p>", key=key)
        )

    async def _to_moodle(self, user_id: MoodleUserId, text: str, reference: str) -> None:
        if self._readers is not None:
            text = (await self._readers.of(user_id)).tell(text)
        if await _is_on(self._inbox):
            await _try("Moodle inbox", self._inbox.send(user_id, text, key=f"link:{reference}:moodle"))


async def _is_on(inbox: MoodleInbox) -> bool:
    try:
        return await inbox.is_on()
    except AppError as failure:
        log.warning("Whether Moodle takes messages could not be asked: %s", failure)
        return False


async def _try(where: str, sending: Awaitable[object]) -> None:
    try:
        await sending
    except AppError as failure:
        log.warning("A notice about a link did not reach the %s: %s", where, failure)
