"""The demo's first act: every account is made, then all rooms, with a bar that shows what the homeserver has finished.

What is planned is the service's own plan; what is done is counted at the homeserver. The act has succeeded when each
planned room is there and everybody for whom an invite was planned is invited to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Set

from ..domain.actions import CreateRoom, Invite
from ..domain.model import RoomAlias, UserId
from .cast import PASSWORD, Part
from .screen import Bars, Screen
from .stage import Stage
from .trouble import LONGEST_STEP, NotSeen, within
from .witness import Witness

_REFRESH = 0.25
_LONGEST_SYNC = 5 * LONGEST_STEP


async def make_accounts(people: Mapping[str, Part], witness: Witness, screen: Screen) -> None:
    """An account for everybody."""
    began = time.monotonic()
    accounts = [(part.matrix_id, part.name) for part in people.values()]
    async with within(LONGEST_STEP, f"{len(accounts)} new Matrix accounts"):
        refused = await witness.make_accounts(accounts, PASSWORD)
    screen.step(
        f"{len(accounts) - len(refused)} people of the sandbox Moodle have Matrix accounts",
        time.monotonic() - began,
        [f"the homeserver makes none for {user}: {reason}" for user, reason in refused.items()],
    )


async def first_sync(stage: Stage, witness: Witness, screen: Screen) -> None:
    """Have everything synced and look whether it is there."""
    async with within(LONGEST_STEP, "a plan for all courses"):
        planned = await _planned(stage)
    invites = sum(map(len, planned.values()))
    goal = f"{len(planned)} rooms with {invites} invites"
    began = time.monotonic()
    async with within(_LONGEST_SYNC, goal):
        with screen.bars(rooms=len(planned), invites=invites) as bars:
            await _sync(stage, witness, bars)
        seconds = time.monotonic() - began
        await _look(planned, witness, goal)
    screen.step(f"{goal}: Moodle's courses are rooms now", seconds)


async def _sync(stage: Stage, witness: Witness, bars: Bars) -> None:
    mark = stage.synapse.mark()
    sync = asyncio.create_task(stage.service.operations.sync())
    try:
        while not sync.done():
            rooms, invites = witness.made_since(mark, stage.service.rules.bot)
            bars.show(rooms=rooms, invites=invites)
            await asyncio.wait({sync}, timeout=_REFRESH)
    finally:
        sync.cancel()
    for failure in (await sync).failures.values():
        raise failure


async def _planned(stage: Stage) -> dict[RoomAlias, Set[UserId]]:
    """The people to be invited, by the alias of the room that is to be made for them."""
    planned: dict[RoomAlias, Set[UserId]] = {}
    for view in await stage.service.operations.plans():
        if view.prepared is None:
            raise NotSeen(f"a plan for the course {view.row.shortname} ({view.trouble})")
        for room in view.prepared.rooms:
            actions = room.verdict.actions
            invited = {action.matrix_id for action in actions if isinstance(action, Invite)}
            planned.update({action.alias: invited for action in actions if isinstance(action, CreateRoom)})
    return planned


async def _look(planned: Mapping[RoomAlias, Set[UserId]], witness: Witness, goal: str) -> None:
    rooms = await witness.rooms()
    for alias, people in planned.items():
        if alias not in rooms:
            raise NotSeen(f"{goal}: there is no room {alias}")
        members = await witness.memberships(rooms[alias])
        missing = sorted(user for user in people if members.get(user) != "invite")
        if missing:
            raise NotSeen(
                f"{goal}: {len(missing)} invites to {alias} are missing, such as that of {missing[0]}"
            )
