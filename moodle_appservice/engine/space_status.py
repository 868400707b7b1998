"""How the spaces above courses stand, and what would be done in them: what `plan` and the pages show.

Made from the same plans that a look at them would carry out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..domain.model import Membership, RoomAlias, RoomId
from ..domain.rooms import RoomKey
from ..errors import AppError
from ..ports import Facts, Key, space_key
from .site import SitePass
from .space import PreparedSpace, SpacePlanner
from .tree import SpaceTree
from .troubles import SpaceTroubles


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """The state of one space. `below`: what hangs in it in Moodle's order, made or not; `above`: None at the top."""

    key: RoomKey
    room_id: RoomId | None
    name: str
    alias: RoomAlias
    above: RoomKey | None
    below: tuple[RoomKey, ...]
    joined: int
    invited: int
    to_do: int
    held: str
    trouble: str
    """What failed last and is tried again; empty where nothing did."""


class SpaceReader:
    """Reads plans and statuses of spaces. Sends no request but to look at distrusted rooms."""

    def __init__(
        self, planner: SpacePlanner, tree: SpaceTree, site: SitePass, facts: Facts, troubles: SpaceTroubles
    ) -> None:
        self._planner = planner
        self._tree = tree
        self._site = site
        self._facts = facts
        self._troubles = troubles

    async def plans(self) -> Sequence[PreparedSpace]:
        """Every space that there is or that is to be made, from the top down, by the listing as it is in memory."""
        rows = await self._site.preview()
        site = await self._facts.site(not_older_than=0.0)
        return await self._planner.all(site, await self._tree.planted(site, rows))

    async def status(self) -> Sequence[SpaceStatus]:
        """How each of them stands."""
        return [self._status(prepared) for prepared in await self.plans()]

    def failures(self) -> Mapping[Key, AppError]:
        """The first failure of each space in which something is put aside for later."""
        return {
            space_key(space): next(iter(troubles.values())).failure
            for space, troubles in self._troubles.all().items()
        }

    def _status(self, prepared: PreparedSpace) -> SpaceStatus:
        room, tree = prepared.room, prepared.grove.tree
        members = room.actual.members.items() if room.actual else ()
        there = [one.membership for user, one in members if user != room.desired.rules.bot]
        failed = list(self._troubles.of(prepared.key).values())
        return SpaceStatus(
            key=prepared.key,
            room_id=room.room_id,
            name=room.desired.name,
            alias=room.desired.alias,
            above=tree.parents.get(prepared.key),
            below=tree.spaces.get(prepared.key, ()),
            joined=there.count(Membership.JOIN),
            invited=there.count(Membership.INVITE),
            to_do=len(room.plan.actions),
            held=room.verdict.hold.reason if room.verdict.hold else "",
            trouble=str(failed[0].failure) if failed else "",
        )
