"""In which language, and in which time zone, somebody is written to.

A person's own choice comes first, then Moodle's setting of that person, then the site's; a setting that we do not
speak counts as none.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.model import MoodleUserId, UserId
from ..domain.moments import retold
from ..languages import Language, known_zone, nearest
from ..ports import ReaderRow, Store


@dataclass(frozen=True, slots=True)
class Reader:
    """How somebody reads. `zone`: an IANA name, empty for UTC."""

    language: Language
    zone: str = ""

    def moment(self, at: float) -> str:
        """A date and time for this reader. `at`: Unix seconds."""
        return self.language.moment(at, self.zone)

    def tell(self, sentence: str) -> str:
        """Sentences of the engine in the reader's language, with the times in them as the reader's clock shows them."""
        return retold(self.language.tell(sentence), self.moment)


@dataclass(frozen=True, slots=True)
class Habits:
    """How somebody reads who may be another than Moodle's person: a visitor of the pages.

    `chosen`: the language told to the bot, as a code, empty where none was; `zone`: as in `Reader`.
    """

    chosen: str = ""
    zone: str = ""


class Readers:
    """Finds how people read. `site`: for whom nothing is known."""

    def __init__(self, store: Store, site: Reader) -> None:
        self._store = store
        self.site = site

    async def of(self, user_id: MoodleUserId | None) -> Reader:
        """A Moodle person; None for somebody whom we do not know."""
        row = None if user_id is None else (await self._store.readers.of([user_id])).get(user_id)
        if row is None:
            return self.site
        return Reader(nearest(row.chosen or row.moodle, self.site.language), self._zone(row))

    async def habits(self, user_id: MoodleUserId | None, account: UserId | None) -> Habits:
        """A visitor, known by one of both."""
        if user_id is None and account is not None:
            user_id = (await self._store.people.by_matrix_id([account])).get(account)
        row = None if user_id is None else (await self._store.readers.of([user_id])).get(user_id)
        return Habits(zone=self.site.zone) if row is None else Habits(row.chosen, self._zone(row))

    async def of_account(self, account: UserId) -> Reader:
        """Whoever has a Matrix account."""
        return await self.of((await self._store.people.by_matrix_id([account])).get(account))

    def _zone(self, row: ReaderRow) -> str:
        return row.zone if known_zone(row.zone) else self.site.zone
