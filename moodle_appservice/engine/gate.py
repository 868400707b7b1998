"""The gate before every write: the mirror must be known to be up to date.

At start, and after a push that we could not store, events may still be on their way to us, and a plan made from an
old mirror would repeat or undo things. So a counter is written into a state event of the bot's own control room (the
canary); when it comes back by push, everything before it has come too. What we wrote last, read once per pass and
before each new canary, shows a homeserver that was restored from an older backup: then every room is read again before
the next write. That is the newest event of ours that was pushed back, or the canary where nothing is newer. A write
that was not pushed yet has the canary before it: a pass that has something to write begins with a new one.

In a cluster each process has a canary of its own in the same room, whoever is pushed to: it finds it in the mirror that
they share. Passes and epochs are counted in the database, for the reader makes the passes and all of them write.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from ..domain.model import RoomId
from ..domain.order import Order, Version, compare
from ..domain.power import CANARY
from ..domain.rules import Rules
from ..errors import AliasTaken, PermanentFailure, TemporaryFailure
from ..ports import Matrix, OwnWrite, Store

COUNTER = "canary"
BASELINE = "baseline_course"
"""The setting that keeps the highest course id of the first listing; the canary keeps it too."""
WRITTEN = "canary_written"
"""The newest canary of which we know that the homeserver took it: what it must show, unless it went back in time."""
EPOCH = "gate_epoch"
PASSES = "gate_passes"
LOOK_EVERY = 0.2
"""Seconds between two looks of a process of a cluster for its canary."""
TRIES = 10
"""How often the same canary is waited for."""
log = logging.getLogger(__name__)


class _Older(NamedTuple):
    """What shows that the homeserver went back in time, for the log: a state event there, and as we knew it."""

    type: str
    room_id: RoomId
    theirs: object
    ours: object


class Gate:
    """Opened once after each start and each lost push. `patience`: seconds until a push must have come back.

    `process`: our name among the processes of a cluster, empty where there is none; `makes_room`: whether it is for us
    to make the control room.
    """

    def __init__(
        self,
        matrix: Matrix,
        store: Store,
        rules: Rules,
        *,
        patience: float = 30.0,
        process: str = "",
        makes_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._process = process
        self._makes_room = makes_room
        self._pass = ""
        self._matrix = matrix
        self._store = store
        self._rules = rules
        self._patience = patience
        self.writes = True
        """Whether what is behind it is written at all; not in a dry run."""
        self.epoch = 0
        """How often we have seen the homeserver go back in time."""
        self._is_open = False
        self._has_lost = False
        self._is_new = False
        self._checked = 0
        self._lock = asyncio.Lock()
        self._highest = 0
        self._awaited: tuple[int, int] | None = None
        self._came = asyncio.Event()

    def close(self) -> None:
        """A push was lost for now: no write until the canary has come back once more."""
        if self._is_open:
            log.warning(
                "Events of the homeserver could not be stored; nothing is written until they came again."
            )
        self._is_open = False
        self._has_lost = True
        self._awaited = None

    def seen(self, counters: Iterable[int]) -> None:
        """Canaries that have just been pushed and stored."""
        if not self._process:
            self._highest = max([self._highest, *counters])
        self._came.set()

    async def open(self) -> None:
        """Wait until the mirror is up to date. Raises `TemporaryFailure` when the canary does not come back."""
        if self._is_open:
            return
        async with self._lock:
            if self._is_open:
                return
            counter = await self._next_canary()
            await self._matrix.ping()
            try:
                async with asyncio.timeout(self._patience):
                    while not await self._has_come(counter):
                        pass
            except TimeoutError:
                raise TemporaryFailure(
                    f"The homeserver has not pushed our own event back within {self._patience:.0f} s, so our picture "
                    "of the rooms may be old. Nothing was written. Check that it can reach `url` of the registration.",
                    retry_after=5,
                ) from None
            if self._awaited is None:
                raise TemporaryFailure(
                    "A push was lost while the canary was on its way. Nothing was written.", retry_after=0
                )
            self._awaited = None
            self._is_open = self._is_new = True
            log.info("The mirror is up to date; writing may begin.")

    async def prepare(self) -> None:
        """Make the control room of a cluster before many processes need it at once; nothing where it is there.

        Raises what `open` raises.
        """
        if self._process and self._makes_room() and await self._store.ledger.control_room() is None:
            await self.open()

    async def before_writes(self, epoch: int) -> bool:
        """Called ahead of what is written to rooms: the first time after each `check` a new canary goes ahead of it.

        False when the plan was made in another epoch and must be made anew.
        """
        await self._hear()
        async with self._lock:
            if not self._is_new:
                await self._release_canary()
                self._is_new = True
        return epoch == self.epoch

    async def _hear(self) -> None:
        """What other processes have found out: that the homeserver went back in time, that a new pass has begun."""
        if not self._process:
            return
        self.epoch = max(self.epoch, int(await self._store.settings.get(EPOCH) or 0))
        latest = await self._store.settings.get(PASSES) or ""
        if latest != self._pass:
            self._pass, self._is_new = latest, False

    async def _has_come(self, counter: int) -> bool:
        """Wait for a push, at most a moment where another process may get it; whether the canary has come."""
        self._came.clear()
        if self._process:
            room_id = await self._store.ledger.control_room()
            room = await self._store.mirror.room(room_id) if room_id is not None else None
            shown = room.content(CANARY, self._process).get("counter") if room is not None else None
            if isinstance(shown, int) and shown >= counter:
                return True
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._came.wait()
            return False
        if self._highest < counter:
            await self._came.wait()
        return self._highest >= counter

    async def check(self) -> bool:
        """Look once at what we wrote last; False when nothing that was known of rooms can be relied upon.

        That is so while the gate is shut, once after a lost push (what it meant may have been lost with it), and once
        after the homeserver was seen to have gone back in time.
        """
        await self._hear()
        room_id = await self._store.ledger.control_room()
        if room_id is not None and self._is_open and await self._is_behind(room_id):
            self.close()
        if self._process:
            self._pass = str(await self._store.settings.next_number(PASSES))
        reliable = self._is_open and not self._has_lost and self.epoch == self._checked
        self._is_new, self._has_lost, self._checked = False, False, self.epoch
        return reliable

    async def _is_behind(self, room_id: RoomId) -> bool:
        """Whether the homeserver lacks what it had from us; then every room is read again."""
        ours = int(await self._store.settings.get(self._name(WRITTEN)) or 0)
        if ours == 0:
            # A process that is new in a cluster has no canary yet in the room that others have made.
            return False
        newest = await self._store.mirror.newest_own()
        older = await (self._covered_up(room_id, ours) if newest is None else self._undone(newest))
        if older is None:
            return False
        log.error(
            "The homeserver shows an older state than we have seen (%s in %s is %s, ours %s): it was restored from a "
            "backup. Every room is read again before the next write to it.",
            *older,
        )
        await self._store.mirror.mark_stale()
        # Whom we removed since that backup is there again, and still nobody else's guest.
        await self._store.ledger.want_again()
        self.epoch = await self._store.settings.next_number(EPOCH) if self._process else self.epoch + 1
        return True

    async def _covered_up(self, room_id: RoomId, ours: int) -> _Older | None:
        """Whether the canary is older than ours."""
        content = await self._matrix.get_state(room_id, CANARY, self._process)
        theirs = content.get("counter") if content is not None else None
        is_new = isinstance(theirs, int) and theirs >= ours
        return None if is_new else _Older(CANARY, room_id, theirs, ours)

    async def _undone(self, newest: OwnWrite) -> _Older | None:
        """Whether neither the newest write of ours that was pushed back nor something newer is there."""
        event = await self._matrix.get_state_event(newest.room_id, newest.type, newest.state_key)
        if event is not None:
            shown = Version(event.event_id, event.replaces, event.timestamp)
            if compare(newest.version, shown) in (Order.SAME, Order.NEWER):
                return None
        theirs = event.event_id if event is not None else None
        return _Older(newest.type, newest.room_id, theirs, newest.version.event_id)

    def _name(self, setting: str) -> str:
        return f"{setting}:{self._process}" if self._process else setting

    async def _next_canary(self) -> int:
        """The canary to wait for: the one that is on its way, as long as it may be, else a new one.

        After a long absence more is waiting for us than comes within our patience; a canary that we gave up each time
        for a newer one at the end of the queue might never arrive.
        """
        counter, tries = self._awaited or (0, 0)
        if counter == 0 or tries >= TRIES:
            counter, tries = await self._release_canary(), 0
        self._awaited = (counter, tries + 1)
        return counter

    async def _release_canary(self) -> int:
        room_id = await self._store.ledger.control_room()
        if room_id is not None:
            # A new canary covers up what the old one shows.
            await self._is_behind(room_id)
        counter = await self._store.settings.next_number(self._name(COUNTER))
        await self._store.mirror.await_canary(self._process)
        if room_id is None or not await self._written(room_id, await self._canary(counter)):
            if not self._makes_room():
                # Two that find each other's room half made would take the alias from it.
                raise TemporaryFailure(
                    "Another process makes the control room. Nothing was written; it is tried again.",
                    retry_after=1,
                )
            room_id = await self._control_room()
            counter = await self._above_what_is_there(room_id, counter)
            await self._matrix.set_state(room_id, CANARY, self._process, await self._canary(counter))
            await self._store.ledger.set_control_room(room_id)
        await self._store.settings.set(self._name(WRITTEN), str(counter))
        return counter

    async def _canary(self, counter: int) -> dict[str, Any]:
        content: dict[str, Any] = {"counter": counter, "site": self._rules.site}
        baseline = await self._store.settings.get(BASELINE)
        return content if baseline is None else {**content, "baseline": int(baseline)}

    async def _above_what_is_there(self, room_id: RoomId, counter: int) -> int:
        """After the loss of our database the room knows higher counters; the same one again would not be pushed."""
        content = await self._matrix.get_state(room_id, CANARY, self._process)
        theirs = content.get("counter") if content is not None else None
        if not isinstance(theirs, int) or theirs < counter:
            return counter
        await self._store.settings.set(self._name(COUNTER), str(theirs))
        return await self._store.settings.next_number(self._name(COUNTER))

    async def _written(self, room_id: RoomId, content: Mapping[str, Any]) -> bool:
        try:
            await self._matrix.set_state(room_id, CANARY, self._process, content)
        except PermanentFailure as failure:
            log.warning(
                "The control room %s can't be used any more (%s); a new one is made.", room_id, failure
            )
            return False
        return True

    async def _control_room(self) -> RoomId:
        alias = self._rules.control_alias
        content = {
            "room_alias_name": alias[1:].split(":", 1)[0],
            "room_version": self._rules.room_version,
            "preset": "private_chat",
            "visibility": "private",
            "name": f"Control room of {self._rules.site}",
            "creation_content": {"m.federate": False},
            "power_level_content_override": {"events_default": 100, "state_default": 100, "invite": 100},
        }
        try:
            return await self._matrix.create_room(content)
        except AliasTaken:
            room_id = await self._matrix.resolve_alias(alias)
        if room_id is not None and await self._usable(room_id):
            return room_id
        # A control room that the bot can't write to holds nothing: its alias is given to a new one.
        await self._matrix.delete_alias(alias)
        return await self._matrix.create_room(content)

    async def _usable(self, room_id: RoomId) -> bool:
        return await self._matrix.get_state(room_id, "m.room.create") is not None
