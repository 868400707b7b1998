"""Forgetting in time: the audit log, messages to and from us, and wishes are kept as long as the configuration says.

Called after each pass. The words of a message that nobody answered go when it is too old for an answer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ..errors import AppError
from ..ports import AuditBook, Clock, Limits

DAY = 86400.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many seconds; `audit` None: for ever. `answerable`: until a message to us is too old for an answer."""

    audit: float | None
    commands: float
    messages: float
    requests: float
    answerable: float


class Retention:
    """The job. Never raises for a database that does not answer: it is tried again after the next pass."""

    def __init__(self, book: AuditBook, keep: Keep, clock: Clock) -> None:
        self._book = book
        self.keep = keep
        self._clock = clock

    async def run(self) -> None:
        """Delete what is too old."""
        now, keep = self._clock.now(), self.keep
        limits = Limits(
            audit=None if keep.audit is None else now - keep.audit,
            commands=now - keep.commands,
            messages=now - keep.messages,
            requests=now - keep.requests,
            unanswered=now - keep.answerable,
        )
        try:
            gone = await self._book.forget(limits, now=now)
        except AppError as failure:
            log.warning("Old rows could not be deleted: %s", failure)
            return
        if gone.total:
            log.info(
                "Forgotten: %d lines of the audit log, %d commands, %d sent messages, %d wishes, %d unanswered words.",
                *(gone.audit, gone.commands, gone.messages, gone.requests, gone.words),
            )
