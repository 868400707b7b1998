"""What `doctor` wants to know of a service that may be running: its books, its queue, its rooms at the homeserver.

One JSON object, so that it can be asked through the control socket too; nothing about people is in it.
"""

from __future__ import annotations

from typing import Any

from .domain.rules import Rules
from .engine.candidates import Candidates
from .engine.overview import LAST_PASS
from .engine.pauses import Pauses, sentence
from .engine.replacing import is_older
from .errors import AppError
from .matrix.survey import HomeserverSurvey
from .ports import Queue
from .store.books import Books
from .store.survey import MOST, SurveyBook

BOT = "bot"
"""The setting that keeps which bot made the rooms of this database."""


class Survey:
    """Asks everybody. Raises what the database raises; what the homeserver can't tell is left out."""

    def __init__(
        self,
        book: SurveyBook,
        store: Books,
        homeserver: HomeserverSurvey,
        queue: Queue,
        pauses: Pauses,
        candidates: Candidates,
        rules: Rules,
    ) -> None:
        self._candidates = candidates
        self._rules = rules
        self._book = book
        self._store = store
        self._homeserver = homeserver
        self._queue = queue
        self._pauses = pauses

    async def take(self) -> dict[str, Any]:
        """`{bot, last_pass, database, rooms, work, queue, orphans, paused, lti, drift, nobodies, older}`."""
        platform = await self._store.lti.platform()
        return {
            "bot": await self._store.settings.get(BOT),
            "last_pass": float(await self._store.settings.get(LAST_PASS) or 0.0) or None,
            "database": await self._book.database(),
            "rooms": await self._book.rooms(),
            "work": await self._book.work(),
            "queue": {"keys": self._queue.depth(), "oldest": self._queue.oldest()},
            "orphans": await self._orphans(),
            "paused": [sentence(pause) for pause in await self._pauses.all()],
            "drift": [
                {"room": one.room_id, "what": one.what, "sentence": one.sentence}
                for one in await self._store.drift.every()
            ],
            "nobodies": [
                {"room": one.room_id, "number": len(one.users)} for one in await self._candidates.unmanaged()
            ],
            "older": await self._older(),
            "lti": {"registered": platform is not None, "keys": platform.keys_url if platform else ""},
        }

    async def _older(self) -> list[str]:
        """Rooms of a version older than that of new rooms."""
        rooms = await self._store.mirror.rooms(list(await self._store.ledger.every()))
        wanted = self._rules.room_version
        return sorted(str(room_id) for room_id, room in rooms.items() if is_older(room.version, wanted))

    async def _orphans(self) -> list[str] | None:
        """Rooms in which the bot is, and of which our books know nothing; None where we can't see them."""
        try:
            joined = await self._homeserver.joined_rooms()
        except AppError:
            return None
        return [str(one) for one in sorted(joined - await self._book.booked())[:MOST]]
