"""What is done around a look at the whole site: before its courses, after the reading, and once all is booked."""

from __future__ import annotations

from dataclasses import dataclass

from .domain.model import SiteFacts
from .engine.alumni import Alumni
from .engine.linking import Linking
from .engine.overview import LAST_PASS
from .engine.pauses import Pauses
from .engine.picture_turns import PictureTurns
from .engine.retention import DAY, Retention
from .engine.settled import Settled
from .engine.waiting import WaitingList
from .engine.writeback import WriteBack
from .ports import Clock
from .source import Source
from .store.books import Books


@dataclass(frozen=True, slots=True)
class Rounds:
    """`write_back` and `picture_turns` are None where they are switched off."""

    store: Books
    clock: Clock
    settled: Settled
    source: Source
    linking: Linking
    retention: Retention
    waiting: WaitingList
    alumni: Alumni
    pauses: Pauses
    write_back: WriteBack | None
    picture_turns: PictureTurns | None

    async def before_courses(self, site: SiteFacts) -> None:
        """The list of courses was read, none of them yet."""
        await self.settled.recall()
        await self.source.before_courses(site)

    async def after_reading(self) -> None:
        """Moodle was read; links that waited may take effect now."""
        await self.source.after_reading()
        await self.linking.wake()

    async def after_pass(self, *, at_once: bool) -> None:
        """Every course is in the queue. `at_once`: a person waits for all of it."""
        await self.store.settings.set(LAST_PASS, str(self.clock.now()))
        await self.retention.run()
        await self.store.safety.forget(before=self.clock.now() - 2 * DAY)
        await self.waiting.look(at_once=at_once)
        await self.alumni.look()
        if self.write_back is not None and not await self.pauses.why_not():
            await self.write_back.run()
        if self.picture_turns is not None:
            await self.picture_turns.run()
