"""Invites and removals that the homeserver has taken and not pushed back: it may have lost them since.

That is so where it was killed before the push and set back to a copy without them: what it has pushed of ours is all
there, so nothing shows that it went back in time. The mirror knows such a membership as one that we have assumed. After
`PATIENCE` its room is read again, and whoever keeps the room is due.
"""

from __future__ import annotations

import logging

from ..ports import Clock, Priority, Queue, Store, key_of_room

PATIENCE = 60.0
"""Seconds; a push that comes later than this costs one reading of the room."""
SIGNAL = "unconfirmed"
log = logging.getLogger(__name__)


class Unconfirmed:
    """Looks for them, once a pass, while what was pushed is known to be complete."""

    def __init__(self, store: Store, queue: Queue, clock: Clock) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock

    async def look(self) -> None:
        """Have the rooms read again, and their keys looked at."""
        rooms = await self._store.mirror.unconfirmed(before=self._clock.now() - PATIENCE)
        if not rooms:
            return
        log.warning(
            "In %d rooms what was written was not pushed back within %.0f s; they are read again.",
            len(rooms),
            PATIENCE,
        )
        for room_id, users in rooms.items():
            await self._store.mirror.mark_stale(room_id)
            # Whom we have removed may be there again, and is still nobody else's guest.
            await self._store.ledger.want_again_in(room_id, users)
        keepers = (await self._store.ledger.keys_of(rooms)).values()
        for key in sorted({key_of_room(room) for room in keepers}):
            await self._queue.add(key, priority=Priority.PASS, signal=SIGNAL)
