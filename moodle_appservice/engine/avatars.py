"""Avatars of accounts of ours, real and virtual, kept like people's pictures in Moodle.

Where Moodle has a picture, it is the account's, also over one that the person has chosen in Matrix; where Moodle's is
taken away, so is what we wrote. The account book tells which one we wrote last, so that the same one is neither
downloaded nor sent twice. No picture is worth holding up a person: what fails is logged, and tried again later where
that may help.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from ..domain.model import CourseFacts, MoodleUserId, Person, Resolution
from ..domain.rules import Rules
from ..errors import PermanentFailure, TemporaryFailure
from ..ports import AccountRow, Accounts, AccountState, Pictures, Store
from .picture_turns import PictureTurns

log = logging.getLogger(__name__)


class AvatarKeeper:
    """Writes avatars. `pictures`: where they come from; `turns`: who knows of them where the facts tell nothing."""

    def __init__(
        self,
        accounts: Accounts,
        pictures: Pictures,
        store: Store,
        rules: Rules,
        turns: PictureTurns | None = None,
    ) -> None:
        self._turns = turns
        self._accounts = accounts
        self._pictures = pictures
        self._store = store
        self._rules = rules

    async def follow(self, person: Person, resolution: Resolution) -> bool:
        """Write the person's avatar where Moodle's picture is another one. False: to be tried again."""
        picture = person.picture
        if picture is None and self._turns is not None:
            picture = self._turns.of(person.id)
        if not self._rules.accounts.follow_avatar or picture is None:
            return True
        for row in await self._store.accounts.of(person.id):
            is_in_use = row.matrix_id in (resolution.invitable, resolution.virtual_id)
            if row.state is not AccountState.MADE or not is_in_use or picture == (row.avatar_written or ""):
                continue
            try:
                await self._write(row, picture)
            except PermanentFailure as failure:
                log.warning("The avatar of %s does not follow Moodle: %s", row.matrix_id, failure)
            except TemporaryFailure as failure:
                log.warning(
                    "The avatar of %s does not follow Moodle yet, it is tried again: %s",
                    row.matrix_id,
                    failure,
                )
                return False
        return True

    async def _write(self, row: AccountRow, source: str) -> None:
        picture = await self._pictures.read(source) if source else None
        await self._accounts.set_avatar(row.matrix_id, picture)
        await self._store.accounts.put(replace(row, avatar_written=source or None))


class PicturesSeen:
    """Which picture each person had at the last reading.

    Pictures decide nothing in a room, so a course in which nothing else has changed is not looked at for them. Kept in
    memory: after a start every course is looked at anyway, and with it everybody whose picture has changed meanwhile.
    """

    def __init__(self) -> None:
        self._last: dict[MoodleUserId, str] = {}

    def changed(self, facts: CourseFacts) -> frozenset[MoodleUserId]:
        """Who of a course has another picture than at the last reading."""
        now: Mapping[MoodleUserId, str] = {
            user_id: person.picture for user_id, person in facts.people.items() if person.picture is not None
        }
        changed = frozenset(user for user, picture in now.items() if self._last.get(user, picture) != picture)
        self._last.update(now)
        return changed
