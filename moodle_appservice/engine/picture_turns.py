"""Which pictures people have, asked in turns, for a source of facts that does not tell it (reports).

Only those are asked about whose account we made: nobody else's avatar is ours to write. Each pass asks about some of
them, first those about whom nothing is known yet, then those whose answer is the oldest, and wakes a person whose
picture is not the one that we wrote. What is known lives in memory: after a start everybody's turn comes once more, and
the account book tells whose picture has changed meanwhile. Nothing here holds up a pass.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ..domain.model import MoodleUserId
from ..errors import AppError
from ..ports import AccountRow, Clock, PictureList, Priority, Queue, Store, person_key

AT_ONCE = 200
"""People in one request: it takes Moodle some 8 ms each."""
REQUESTS = 2
"""At most, per pass."""
log = logging.getLogger(__name__)


class PictureTurns:
    """Called once per pass. `at_once`: people in one request; `requests`: of one pass."""

    def __init__(
        self,
        listing: PictureList,
        store: Store,
        queue: Queue,
        clock: Clock,
        *,
        at_once: int = AT_ONCE,
        requests: int = REQUESTS,
    ) -> None:
        self._listing = listing
        self._store = store
        self._queue = queue
        self._clock = clock
        self._at_once = at_once
        self._requests = requests
        self._asked: dict[MoodleUserId, float] = {}
        self._known: dict[MoodleUserId, str] = {}
        self._told = ""

    def of(self, user_id: MoodleUserId) -> str | None:
        """The person's picture as it was told last; None where nothing is known of it."""
        return self._known.get(user_id)

    async def run(self) -> None:
        """Ask about those whose turn it is. Never raises for a Moodle that does not answer, or that refuses."""
        try:
            lacks = await self._listing.lacks()
            if lacks:
                self._say(f"Avatars do not follow pictures in Moodle. {lacks}")
                return
            made = await self._store.accounts.made()
            self._keep_only(made)
            for part in self._chosen(made):
                await self._ask(part, made)
            self._told = ""
        except AppError as failure:
            self._say(f"Pictures in Moodle could not be asked for; avatars stay as they are: {failure}")

    def _say(self, sentence: str) -> None:
        """Once, until something else is to be said."""
        if sentence != self._told:
            log.warning("%s", sentence)
        self._told = sentence

    def _keep_only(self, made: Mapping[MoodleUserId, Sequence[AccountRow]]) -> None:
        self._asked = {user_id: at for user_id, at in self._asked.items() if user_id in made}
        self._known = {user_id: picture for user_id, picture in self._known.items() if user_id in made}

    def _chosen(self, made: Mapping[MoodleUserId, Sequence[AccountRow]]) -> list[Sequence[MoodleUserId]]:
        in_order = sorted(made, key=lambda user_id: (self._asked.get(user_id, float("-inf")), user_id))
        starts = range(0, min(len(in_order), self._at_once * self._requests), self._at_once)
        return [in_order[start : start + self._at_once] for start in starts]

    async def _ask(
        self, user_ids: Sequence[MoodleUserId], made: Mapping[MoodleUserId, Sequence[AccountRow]]
    ) -> None:
        found = await self._listing.read(user_ids)
        self._asked.update(dict.fromkeys(user_ids, self._clock.now()))
        news = [
            user_id
            for user_id, picture in found.items()
            if user_id in made and self._is_news(user_id, picture, made[user_id])
        ]
        # Before anybody is woken, for a worker may take the key at once.
        self._known.update(found)
        for user_id in news:
            await self._queue.add(person_key(user_id), priority=Priority.PERSON, signal="picture")

    def _is_news(self, user_id: MoodleUserId, picture: str, rows: Sequence[AccountRow]) -> bool:
        """What failed for good is not tried again for the same picture."""
        if user_id in self._known:
            return picture != self._known[user_id]
        return any(picture != (row.avatar_written or "") for row in rows)
