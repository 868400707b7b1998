"""Slices of the bare loop (`bare.py`): what the homeserver can do at this moment, for others to be compared with.

The loop runs in a program of its own, which is told over HTTP what to send. Each slice goes into fresh rooms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import aiohttp

from bench.installation import Installation
from bench.metered import MeteredSynapse
from moodle_appservice.domain.actions import Action, CreateRoom, Invite, SetState
from moodle_appservice.domain.markers import with_ids
from moodle_appservice.domain.model import RoomId
from moodle_appservice.domain.pace import SLOW
from moodle_appservice.domain.rooms import RoomKey

CHANCE = 0.03
"""By how much the rates of trials differ without meaning anything."""


def as_sent(actions: Sequence[Action], ids: Mapping[RoomKey, RoomId]) -> Mapping[str, Any]:
    """What the bare loop is told of a new room: the bodies that ours sends for these actions. `ids`: of other rooms."""
    create = next(action for action in actions if isinstance(action, CreateRoom))
    return {
        "create": dict(with_ids(create.content, ids)),
        "state": [
            (action.event_type, with_ids(action.state_key, ids), with_ids(action.content, ids))
            for action in actions
            if isinstance(action, SetState)
        ],
        "invite": [action.matrix_id for action in actions if isinstance(action, Invite)],
    }


@dataclass(frozen=True, slots=True)
class BareSlice:
    """One slice of the bare loop."""

    events: int
    wall_s: float
    cpu_s: float
    p95_s: float
    """Seconds within which 95 of 100 invites were answered."""
    worked_through: int
    """How often Synapse worked through what follows from events."""

    @property
    def rate(self) -> float:
        """Membership events per second."""
        return self.events / self.wall_s


@dataclass(frozen=True, slots=True)
class Way:
    """How the bare loop sends: so many rooms at once, each on its own, or their invites in waves."""

    at_once: int
    in_waves: bool = False

    def __str__(self) -> str:
        return f"{self.at_once} in waves" if self.in_waves else str(self.at_once)


def chosen(trials: Mapping[Way, Sequence[BareSlice]]) -> Way:
    """The fastest way of those that keep answers quick; of those that trials can't tell apart, the one with most."""
    quick = [way for way, tried in trials.items() if median(one.p95_s for one in tried) <= SLOW]
    among = quick or [min(trials, key=lambda way: way.at_once)]
    rates = {way: median(one.rate for one in trials[way]) for way in among}
    fast = [way for way, rate in rates.items() if rate >= (1 - CHANCE) * max(rates.values())]
    return max(fast, key=lambda way: (way.at_once, way.in_waves))


@dataclass(frozen=True, slots=True)
class Bare:
    """The bare loop's program, and what it is to send: bodies as ours, from the same planner."""

    home: Installation
    synapse: MeteredSynapse
    rooms: Sequence[Mapping[str, Any]]

    async def slice(self, way: Way, name: str, *, invites: int | None = None) -> BareSlice:
        """Send everything, or only the first `invites` of each room, into fresh rooms; `name` makes them fresh."""
        rooms = [
            {
                "create": {**room["create"], "room_alias_name": f"moodle_{self.home.site}_{name}_{number}"},
                "state": room["state"],
                "invite": room["invite"][:invites],
            }
            for number, room in enumerate(self.rooms)
        ]
        return await self._send(rooms, way)

    async def warm_up(self) -> None:
        """One room with few people."""
        first = self.rooms[0]
        await self._send([{**first, "invite": first["invite"][:3]}], Way(1))

    async def _send(self, rooms: Sequence[Mapping[str, Any]], way: Way) -> BareSlice:
        job = {"rooms": rooms, "at_once": way.at_once, "in_waves": way.in_waves}
        timeout = aiohttp.ClientTimeout(total=None)
        cpu, before = self.synapse.cpu_seconds(), await self.synapse.times_worked_through()
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"http://127.0.0.1:{self.home.port}/run", json=job) as answer,
        ):
            if answer.status != 200:
                raise RuntimeError(f"The bare loop failed.\n{self.home.log_end()}")
            told = await answer.json()
        events = sum(len(room["invite"]) for room in rooms)
        cpu = self.synapse.cpu_seconds() - cpu
        worked_through = await self.synapse.times_worked_through() - before
        return BareSlice(events, told["wall_s"], cpu, told["p95_s"], worked_through)
