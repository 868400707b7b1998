"""The waiting list: people whose account does not exist yet are looked at again when it does.

With admin rights one request per pass tells the accounts that were made last, and who waits for one of them is sent
for. Without, the public profile of each is asked for, with growing pauses and few at a time. Accounts that were found
blocked, or not to be taken, are looked at again once a day. Where nobody waits, nothing is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from ..domain.accounts import is_local
from ..domain.model import MoodleUserId, UserId
from ..domain.rules import Rules
from ..errors import AppError
from ..ports import Accounts, Clock, Priority, Queue, Store, person_key

NEWEST = 100
MANY = 5000
FIRST_PAUSE = 300.0
LONGEST_PAUSE = 6 * 3600.0
DAILY = 24 * 3600.0
AT_ONCE = 50
"""People per pass whose profiles are asked for."""
SIGNAL = "account"
log = logging.getLogger(__name__)


class WaitingList:
    """Called once per pass. The pauses are kept in memory: after a start everybody's turn comes soon."""

    def __init__(self, accounts: Accounts, store: Store, queue: Queue, rules: Rules, clock: Clock) -> None:
        self._accounts = accounts
        self._store = store
        self._queue = queue
        self._rules = rules
        self._clock = clock
        self._turns: dict[MoodleUserId, tuple[float, float]] = {}
        """Person → when it is their turn, and the pause that led to it."""
        self._newest: UserId | None = None
        self._told: set[UserId] = set()
        """Accounts whose people were sent for because they appeared."""

    async def look(self, *, at_once: bool = False) -> None:
        """Send for everybody whose account may have appeared; `at_once`: whatever the pauses, for somebody asks.

        Never raises for a homeserver that does not answer.
        """
        if at_once:
            self._turns.clear()
            self._told.clear()
        waiting = await self._store.people.waiting()
        blocked = await self._store.people.blocked()
        self._forget_all_but({*waiting.values(), *blocked})
        wait = 0.0 if at_once else 1.0
        await self._take_turns(blocked, first=DAILY, longest=DAILY, wait=wait)
        here = {one: user for one, user in waiting.items() if is_local(one, self._rules)}
        try:
            appeared = await self._appeared(here)
        except AppError as failure:
            log.warning("The waiting list could not be looked at: %s", failure)
            return
        if appeared is None:
            polled = set(waiting.values())
        else:
            # Who waits although the account is there was sent for before: no need to hurry.
            polled = {user for one, user in waiting.items() if one not in here or one in self._told}
            await self._send(here[one] for one in appeared if one not in self._told)
            self._told |= set(appeared)
        await self._take_turns(polled, first=FIRST_PAUSE, longest=LONGEST_PAUSE, wait=wait)

    async def _appeared(self, here: Collection[UserId]) -> list[UserId] | None:
        """Which of these accounts are there now; None without admin rights."""
        if not here:
            return []
        newest = await self._accounts.newest(limit=NEWEST)
        if newest is None:
            return None
        if self._newest not in newest and len(newest) >= NEWEST:
            # More have been made since the last pass than one look shows, or it is the first.
            newest = await self._accounts.newest(limit=MANY) or newest
        self._newest = newest[0] if newest else None
        return [one for one in newest if one in here]

    async def _take_turns(
        self, people: Iterable[MoodleUserId], *, first: float, longest: float, wait: float
    ) -> None:
        """Send for those whose turn it is; who is new here waits for the first pause, or (`wait` 0) not at all."""
        now = self._clock.now()
        due: list[MoodleUserId] = []
        for user_id in sorted(people):
            turn, pause = self._turns.setdefault(user_id, (now + wait * first, first))
            if turn <= now and len(due) < AT_ONCE:
                due.append(user_id)
                pause = min(2 * pause, longest)
                self._turns[user_id] = (now + pause, pause)
        await self._send(due)

    async def _send(self, people: Iterable[MoodleUserId]) -> None:
        for user_id in people:
            await self._queue.add(person_key(user_id), priority=Priority.PERSON, signal=SIGNAL)

    def _forget_all_but(self, people: set[MoodleUserId]) -> None:
        self._turns = {user_id: turn for user_id, turn in self._turns.items() if user_id in people}
