"""Writing people's Matrix ids into a profile field of Moodle, so that their profiles lead to a chat with them.

Once per pass the books say whose id is not what we wrote last; then Moodle's own value is read, and only what differs
is written. A value that somebody else wrote stays as it is, unless the person has proven the id and may fill in the
field anyway. What we write is remembered before it is sent: from then on it is no source for anybody's identity. After
a start everybody is compared once, because a crash may have come between the two.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from ..domain.model import MoodleUserId, Trust
from ..domain.rules import Rules
from ..errors import AppError
from ..ports import Clock, ProfileWriter, Store, ToWrite

AGAIN = 86_400.0
"""Seconds until somebody who was refused is tried again with the same id."""
MOST_READ = 500
log = logging.getLogger(__name__)


class WriteBack:
    """Called once per pass. Who was refused is kept in memory: after a start they are tried once more."""

    def __init__(self, profile: ProfileWriter, store: Store, rules: Rules, clock: Clock) -> None:
        self._profile = profile
        self._store = store
        self._rules = rules
        self._clock = clock
        self._compared_all = False
        self._left: dict[MoodleUserId, tuple[str, float]] = {}
        """Person → the value that is not tried, and until when."""

    async def run(self) -> None:
        """Write what differs. Never raises for a Moodle that does not answer, or that refuses."""
        try:
            if await self._profile.is_on():
                await self._run()
        except AppError as failure:
            log.warning("Matrix ids could not be written into Moodle's profiles: %s", failure)

    async def _run(self) -> None:
        now = self._clock.now()
        self._left = {user_id: left for user_id, left in self._left.items() if now < left[1]}
        due = [
            one
            for one in await self._store.people.to_write(everybody=not self._compared_all)
            if not self._is_left(one) and not self._is_excluded(one)
        ]
        for start in range(0, len(due), MOST_READ):
            await self._compare(due[start : start + MOST_READ])
        self._compared_all = True

    async def _compare(self, people: list[ToWrite]) -> None:
        there = await self._profile.read([one.user_id for one in people])
        values: dict[MoodleUserId, str] = {}
        for one in people:
            has = there.get(one.user_id)
            if has == one.value and one.value != one.written and one.written is not None:
                # It arrived, and only the books do not know it.
                await self._store.people.wrote_field(one.user_id, one.value)
            elif has is None or has == one.value or not self._may_write(one, has):
                self._leave([one.user_id], {one.user_id: one.value})
            else:
                values[one.user_id] = one.value
        if values:
            await self._write(values, {one.user_id: one.written or "" for one in people})

    async def _write(self, values: Mapping[MoodleUserId, str], before: Mapping[MoodleUserId, str]) -> None:
        for user_id, value in values.items():
            await self._store.people.wrote_field(user_id, value)
        try:
            refused = await self._profile.write(values)
        except AppError:
            self._compared_all = False
            raise
        self._leave(refused, values)
        now = self._clock.now()
        for user_id in values:
            if user_id in refused:
                await self._store.people.wrote_field(user_id, before[user_id])
            await self._store.journal.note(
                "WriteBack",
                at=now,
                person=user_id,
                why="The profile in Moodle is to show the Matrix account.",
                result=refused.get(user_id, "done"),
                signal="pass",
            )
        log.info(
            "%d Matrix ids were written into Moodle's profiles, %d were not.",
            len(values) - len(refused),
            len(refused),
        )

    def _may_write(self, one: ToWrite, has: str) -> bool:
        if has in ("", one.written):
            return True
        return one.trust is Trust.PROVEN and not self._rules.identity.field_is_locked

    def _is_left(self, one: ToWrite) -> bool:
        left = self._left.get(one.user_id)
        return left is not None and left[0] == one.value

    def _is_excluded(self, one: ToWrite) -> bool:
        return bool({str(one.user_id), one.username} & self._rules.people.exclude)

    def _leave(self, user_ids: Iterable[MoodleUserId], values: Mapping[MoodleUserId, str]) -> None:
        until = self._clock.now() + AGAIN
        self._left.update({user_id: (values[user_id], until) for user_id in user_ids})
