"""Dates of one course into its room: one list a day at most, kept true afterwards.

A list is claimed by its course and day before it is sent, and the room is asked whether it is there, as with
announcements. Lists notify nobody unless the administrator wants them to.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..domain.deadlines import Dated, DateKey, DateList, Item, Told, plan_dates
from ..domain.model import UserId
from ..domain.quiet import day_of
from ..domain.relay import digest_of
from ..domain.relay_choice import RelayRules
from ..ports import Clock, RelayMessenger, Speech, Store
from .announcing import SLACK, Target
from .relay_words import Wording

LOOK_BACK = 14 * 86_400.0
"""Seconds: of a date that was past for longer than this, it is not told that it has moved."""
log = logging.getLogger(__name__)


class Reminders:
    """Tells what comes up. `zone_name`: as it is shown."""

    def __init__(
        self,
        messenger: RelayMessenger,
        store: Store,
        wording: Wording,
        rules: RelayRules,
        clock: Clock,
        *,
        site: str,
        bot: UserId,
    ) -> None:
        self._messenger = messenger
        self._store = store
        self._wording = wording
        self._rules = rules
        self._clock = clock
        self._site = site
        self._bot = bot
        self.zone_name = "UTC"

    async def tell(
        self, target: Target, dates: Sequence[Dated], lists: Sequence[DateList], told: Told
    ) -> None:
        """Do what is to be done about the dates of one course. `lists`: those since `LOOK_BACK`."""
        now = self._clock.now()
        wanted = [one for one in dates if one.kind in self._rules.dates]
        day = day_of(now, target.zone)
        plan = plan_dates(
            wanted,
            # One that was not sent, or was withdrawn, says nothing.
            [one for one in lists if one.event_id is not None],
            told,
            day=day,
            now=now,
            until=self._rules.hours.next_opening(now, target.zone),
            leads=self._rules.reminders,
        )
        current = {one.key: one for one in wanted}
        for one in plan.earlier:
            await self._keep_true(one, current)
        stored = next((one for one in lists if one.day == day), None)
        if plan.today is None:
            if stored is not None:
                await self._keep_true(stored, current)
        elif stored is not None and stored.event_id is not None:
            await self._keep_true(replace(stored, items=plan.today), current)
            await self._store.relay.save_told(target.course_id, plan.told)
        elif plan.today and not target.muted and self._rules.hours.are_open(now, target.zone):
            one = stored or DateList(target.course_id, day, target.room_id, ())
            await self._begin(replace(one, items=plan.today), current)
            await self._store.relay.save_told(target.course_id, plan.told)
        if plan.forgotten:
            await self._store.relay.forget_dates(target.course_id, plan.forgotten)

    def plain(self, text: str) -> str:
        """A name that notifies nobody."""
        return self._wording.markup.plain(text)

    async def _begin(self, one: DateList, current: Mapping[DateKey, Dated]) -> None:
        speech, digest = self._speech(one, current)
        await self._store.relay.save_list(one)
        since = self._clock.now() - 86_400 - SLACK
        found = await self._messenger.find(one.room_id, speech.about, senders={self._bot}, since=since)
        if found is not None:
            await self._keep_true(replace(one, event_id=found.event_id), current)
            return
        event_id = await self._messenger.post(
            one.room_id, speech, key=f"{self._key(one)}:{digest}", sender=self._bot
        )
        await self._store.relay.save_list(replace(one, event_id=event_id, digest=digest))
        log.info("%d dates of course %d were told in %s.", len(one.items), one.course_id, one.room_id)

    async def _keep_true(self, one: DateList, current: Mapping[DateKey, Dated]) -> None:
        """Edit a list that was sent, or withdraw it where nothing is left of it."""
        if one.event_id is None:
            return
        shown = [item for item in one.items if item.key in current]
        if not shown:
            await self._messenger.redact(
                one.room_id, one.event_id, key=f"{self._key(one)}:gone", sender=self._bot
            )
            await self._store.relay.save_list(replace(one, items=(), event_id=None, digest=""))
            log.info("The dates of %s in course %d were withdrawn.", one.day, one.course_id)
            return
        speech, digest = self._speech(one, current)
        if digest == one.digest:
            return
        await self._messenger.edit(
            one.room_id, one.event_id, speech, key=f"{self._key(one)}:{digest}", sender=self._bot
        )
        await self._store.relay.save_list(replace(one, digest=digest))
        log.info("The dates of %s in course %d were edited.", one.day, one.course_id)

    def _speech(self, one: DateList, current: Mapping[DateKey, Dated]) -> tuple[Speech, str]:
        shown: list[tuple[Item, Dated]] = [
            (item, current[item.key]) for item in one.items if item.key in current
        ]
        text, rich = self._wording.dates(shown, self.zone_name)
        about: dict[str, str | int] = {"site": self._site, "dates": one.course_id, "day": one.day}
        return Speech(text, rich, notice=not self._rules.notify_reminders, about=about), digest_of(text, rich)

    def _key(self, one: DateList) -> str:
        return f"{self._site}:dates:{one.course_id}:{one.day}"
