"""The life of everything that runs: in which order it starts, and that it stops the other way round.

What is built of what stands in `assembly`.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack

from .accounts import say_what_is_missing
from .assembly import Assembly
from .config import Settings
from .doorway import Doorway
from .engine.site import SITE_NAME
from .errors import PermanentFailure
from .matrix.inbox import Inbox
from .registration import Registration
from .survey import BOT

log = logging.getLogger(__name__)


class Service(Assembly):
    """Everything that runs. `start` raises `AppError` and leaves nothing behind when it can't."""

    def __init__(self, settings: Settings, registration: Registration, *, dry: bool = False) -> None:
        super().__init__(settings, registration, dry=dry)
        self._db_is_open = False
        self._doorway = Doorway(settings, self.clock)

    async def start(self, *, timer: bool = True) -> None:
        """Start everything. `timer` False: nothing is looked at until somebody asks."""
        try:
            self._joins = self.clustered is not None
            await self._open()
            await self.listen()
            if self.clustered is not None:
                await self.clustered.open(self.workers)
            if not self.dry:
                await self.matrix.ensure_registered(self.settings.bot.name)
            await self._check_bot()
            await say_what_is_missing(self.accounts, self.rules)
            self.workers.start()
            self.source.moments.start()
            if not self.dry:
                await self.talk.start()
            await self.door.start()
            self.sampler.start()
            if timer:
                self.timer.start()
                self.keeping.slow_audit.start()
                if self.relaying.relay is not None:
                    self.relaying.relay.start()
        except BaseException:
            await self.stop()
            raise
        self.health.ready = True
        log.info("Ready: %s keeps rooms on %s.", self.rules.bot, self.settings.homeserver.address)

    async def prepare(self) -> None:
        """Open the database and build everything, but neither listen nor write: enough to read plans."""
        try:
            await self._open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything, in the opposite order; safe after a start that failed half-way.

        What fails to stop keeps nothing else from it: a database that stays open would keep the process alive.
        """
        self.health.ready = False
        async with AsyncExitStack() as parts:
            # The last one stops first.
            parts.push_async_callback(self._close_database)
            parts.push_async_callback(self._close_session)
            parts.push_async_callback(self._doorway.close)
            if not self._is_built:
                return
            self._is_built = False
            parts.push_async_callback(self.browsers.close)
            parts.push_async_callback(self.source.close)
            if self.clustered is not None and self._joins:
                parts.push_async_callback(self.clustered.close)
            parts.push_async_callback(self.workers.stop)
            parts.push_async_callback(self.talk.stop)
            parts.push_async_callback(self.door.stop)
            if self.relaying.relay is not None:
                parts.push_async_callback(self.relaying.relay.stop)
            parts.push_async_callback(self.machines.stop)
            parts.push_async_callback(self.sampler.stop)
            parts.push_async_callback(self.keeping.slow_audit.stop)
            parts.push_async_callback(self.timer.stop)

    async def _close_session(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _close_database(self) -> None:
        if self._db_is_open:
            await self._db.stop()
            self._db_is_open = False

    async def _open(self) -> None:
        self.build()
        await self._db.start()
        self._db_is_open = True
        await self.source.recall()
        known = await self.store.settings.get(SITE_NAME)
        if known is None:
            await self.store.settings.set(SITE_NAME, self.settings.site)
        elif known != self.settings.site:
            raise PermanentFailure(
                f"This database belongs to the site {known}, the configuration says {self.settings.site}. Nothing was "
                "started. `site` stands in every alias and can't change; use another database for another site."
            )

    async def listen(self) -> None:
        """Open the door for the homeserver's pushes, and for people where they have pages."""
        hs_token = self.registration.hs_token.get_secret_value()
        inbox = Inbox(hs_token, self.pushed, on_failure=self.gate.close)
        routes = [*inbox.routes(), *self.health.routes(), *self.machines.routes()]
        await self.machines.start()
        if self.browsers.are_served:
            await self.browsers.pages.start()
        await self._doorway.open(routes, self.browsers.pages.hang_into if self.browsers.are_served else None)

    async def _check_bot(self) -> None:
        taken_for = await self.matrix.whoami()
        if taken_for != self.rules.bot:
            raise PermanentFailure(
                f"The homeserver takes us for {taken_for}, the configuration for {self.rules.bot}. "
                "Nothing was changed. Compare `homeserver.domain` and the registration with the homeserver's."
            )
        if await self.store.settings.get(BOT) is None:
            await self.store.settings.set(BOT, self.rules.bot)
