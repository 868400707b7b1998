"""How fast a first sync is, beside what this Synapse can do on this machine at this moment.

The limit is measured, not assumed: a bare loop (`bare.py`) sends the same events, createRooms with the same content,
what is set in these rooms, and then the same invites, into fresh rooms of its own on the same homeserver, and does
nothing else. Small slices of it at 4, 8 and 16 rooms at once, each on its own or in waves, in turn, tell which way is
the best of those in which 95 of 100 invites are answered within a second (`limit.chosen`): more ours must not ask of a
homeserver. Then whole slices of it alternate with slices of ours (bare, ours, bare, ours, …, bare), each begun when
the homeserver has come to rest. A slice of ours is the first sync of a new installation with a database of its own,
warmed up with one small course before all the other courses are switched on in Moodle. Each is compared with the mean
of the bare slices before and after it, so that what else the machine does hits both sides alike; `share_of_limit` is
the median of these shares. More than 1.05 can't be: then something disturbed the run, and `valid` is false.

What reached the homeserver is counted at the homeserver: requests in its access log, membership events in the rooms.
The last line of the output is one JSON object; `bench/README.md` explains its keys.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import aiohttp

from bench.installation import DOMAIN, Installation
from bench.limit import Bare, BareSlice, Way, as_sent, chosen
from bench.metered import MeteredSynapse
from moodle_appservice.demo import house
from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle, University, generate
from moodle_appservice.domain.model import RoomId
from moodle_appservice.service import Service
from tests.live.postgres import postgres_server

WAYS = (Way(4), Way(8), Way(16), Way(8, in_waves=True), Way(16, in_waves=True))
TRIALS = 3
"""So often each of these is tried, with half as small a part of the people each time."""
IMPOSSIBLE = 1.05
OFF, ON = 3, 2
"""The options of the course field `matrix_enabled`, as the sandbox numbers them."""
WARM_UP = "WARM-UP"
LAYOUTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "room": {},
    "space": {"rooms": {"layout": "space", "invite": "space"}},
}


@dataclass(frozen=True, slots=True)
class Slice:
    """One first sync of ours. `cpu_s`: processor time of the homeserver; `own_cpu_s`: of the service."""

    wall_s: float
    cpu_s: float
    own_cpu_s: float
    enrolments: int
    membership_events: int
    requests: int
    moodle_requests: int
    second_pass: int
    second_pass_canary: int
    peak_rss_mb: float
    worked_through: int

    @property
    def rate(self) -> float:
        """Membership events per second."""
        return self.membership_events / self.wall_s


@dataclass(frozen=True, slots=True)
class Ours:
    """The service in a new installation of its own."""

    home: Installation
    synapse: MeteredSynapse
    university: University
    layout: str
    database: str

    async def slice(self) -> Slice:
        """Start, warm up, sync the whole site for the first time, look at it again, end."""
        switch(self.university, OFF)
        async with SandboxMoodle(self.university) as moodle:
            top = {"database": self.database} if self.database else {}
            self.home.connect_to(self.synapse.url, moodle, LAYOUTS[self.layout], **top)
            try:
                await self.home.start_service()
                await self.home.sync()
                return await self._measured(moodle)
            finally:
                await asyncio.to_thread(self.home.stop)

    async def _measured(self, moodle: SandboxMoodle) -> Slice:
        before = set(await self._rooms())
        await at_rest(self.synapse)
        switch(self.university, ON)
        asked, mark = moodle.counts.total(), self.synapse.mark()
        cpu, own_cpu = self.synapse.cpu_seconds(), self.home.cpu_seconds
        worked_through = await self.synapse.times_worked_through()
        wall = await self.home.sync()
        worked_through = await self.synapse.times_worked_through() - worked_through
        cpu, own_cpu = self.synapse.cpu_seconds() - cpu, self.home.cpu_seconds - own_cpu
        asked = moodle.counts.total() - asked
        requests = len(self.synapse.requests_by(self.home.bot, mark))
        mark = self.synapse.mark()
        await self.home.sync()
        again = self.synapse.requests_by(self.home.bot, mark)
        canary = sum(1 for request in again if request.is_look_at_newest)
        rooms = set(await self._rooms()) - before
        return Slice(
            wall_s=wall,
            cpu_s=cpu,
            own_cpu_s=own_cpu,
            enrolments=enrolments(self.university),
            membership_events=sum([await self._membership_events(room) for room in rooms]),
            requests=requests,
            moodle_requests=asked,
            second_pass=len(again) - canary,
            second_pass_canary=canary,
            peak_rss_mb=self.home.peak_rss_mb,
            worked_through=worked_through,
        )

    async def _rooms(self) -> list[str]:
        return [str(room) for room in (await self._ask("joined_rooms"))["joined_rooms"]]

    async def _membership_events(self, room: str) -> int:
        """Membership events of others than the bot in a room's whole history."""
        path = f"rooms/{quote(room)}/messages"
        query = {"dir": "b", "limit": "500", "filter": json.dumps({"types": ["m.room.member"]})}
        found = 0
        while True:
            page = await self._ask(path, query)
            found += sum(1 for event in page["chunk"] if event["state_key"] != self.home.bot)
            if "end" not in page:
                return found
            query["from"] = page["end"]

    async def _ask(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        url = f"{self.synapse.url}/_matrix/client/v3/{path}"
        headers = {"Authorization": f"Bearer {self.home.token}"}
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.get(url, params=query, headers=headers) as answer,
        ):
            return await answer.json()


def new_university(courses: int, people: int) -> University:
    """What the sandbox generates, and one small course to warm up with."""
    university = generate(courses, people)
    course = university.add_course(
        WARM_UP, "Warm-up", min(university.categories), fields={"matrix_enabled": ON}
    )
    for user in [user for user in university.people if university.courses_of(user, university.now())][:3]:
        university.enrol(user, course.id)
    return university


def switch(university: University, to: int) -> None:
    """Switch the rooms of all courses but the warm-up's."""
    for course in university.courses.values():
        if course.shortname != WARM_UP and "matrix_enabled" in course.fields:
            course.fields["matrix_enabled"] = to


def enrolments(university: University) -> int:
    """Active enrolments of usable people in the courses that are switched on, without the warm-up's."""
    now = university.now()
    return sum(
        1
        for course in university.courses.values()
        if course.shortname != WARM_UP and course.fields.get("matrix_enabled") == ON
        for user in university.enrolled(course.id)
        if university.active(course.id, user, now) and _usable(university, user)
    )


def _usable(university: University, user: int) -> bool:
    person = university.people[user]
    return person.confirmed and not person.suspended and person.auth != "nologin"


async def planned(
    home: Installation, synapse: EmbeddedSynapse, university: University, layout: str
) -> list[Mapping[str, Any]]:
    """What our planner would send for these courses, if they belonged to this installation."""
    switch(university, ON)
    async with SandboxMoodle(university) as moodle:
        home.connect(synapse, moodle, LAYOUTS[layout])
        service = Service(*house.read(home.config))
        await service.prepare()
        try:
            views = await service.operations.plans()
        finally:
            await service.stop()
    rooms: list[Mapping[str, Any]] = []
    for view in views:
        assert view.prepared is not None, view.trouble
        for room in view.prepared.rooms:
            if view.row.shortname == WARM_UP:
                continue
            # Rooms that others name are not there yet; any id will do for what it costs.
            ids = {one.key: RoomId("!another") for one in view.prepared.rooms}
            rooms.append(as_sent(room.plan.actions, ids))
    return rooms


async def at_rest(synapse: EmbeddedSynapse, *, patience: int = 60) -> None:
    """Wait until the homeserver has done what it does after an answer: pushes, its user directory."""
    used = synapse.cpu_seconds()
    for _ in range(patience):
        await asyncio.sleep(0.25)
        before, used = used, synapse.cpu_seconds()
        if used - before < 0.02:
            return


async def measure(courses: int, people: int, rounds: int, layout: str, database: str) -> dict[str, Any]:
    """The whole run."""
    with (
        postgres_server() if database == "postgres" else nullcontext() as server,
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
    ):
        homes = [Installation(Path(folder), f"bench{number}") for number in range(1, rounds + 1)]
        yard = Installation(Path(folder), "bare")
        registrations = [home.registration for home in (*homes, yard)]
        async with MeteredSynapse(DOMAIN, registrations) as synapse:
            await make_accounts(synapse, new_university(courses, people))
            rooms = await planned(yard, synapse, new_university(courses, people), layout)
            bare = Bare(yard, synapse, rooms)
            await yard.start_program(Path(__file__).with_name("bare.py"))
            try:
                await bare.warm_up()
                best, trials = await best_way(bare, courses, people)
                databases = [server.create_database() if server else "" for _ in homes]
                ours = [
                    Ours(home, synapse, new_university(courses, people), layout, url)
                    for home, url in zip(homes, databases, strict=True)
                ]
                theirs, mine = await alternate(bare, best, ours)
            finally:
                await asyncio.to_thread(yard.stop)
            version = await synapse_version(synapse)
    return {
        "bench": "sync",
        "courses": courses,
        "people": people,
        "rounds": rounds,
        **summary(theirs, mine),
        "bare_at_once": str(best),
        **tried_ways(trials),
        "synapse": version,
        "layout": layout,
        "database": database,
        "python": platform.python_version(),
    }


async def best_way(bare: Bare, courses: int, people: int) -> tuple[Way, dict[Way, list[BareSlice]]]:
    """The fastest way of the bare loop that keeps answers quick, and what was tried."""
    ways = dict.fromkeys(Way(min(way.at_once, courses), way.in_waves and courses > 1) for way in WAYS)
    trials: dict[Way, list[BareSlice]] = {way: [] for way in ways}
    for turn in range(TRIALS):
        for number, (way, tried) in enumerate(trials.items()):
            await at_rest(bare.synapse)
            invites = max(people // (2 * TRIALS), 1)
            tried.append(await bare.slice(way, f"trial{turn}_{number}", invites=invites))
            tell(
                f"trial {turn + 1}: bare, {way} rooms at once: {tried[-1].rate:5.1f} events/s, "
                f"95 of 100 invites within {tried[-1].p95_s:.2f} s"
            )
    return chosen(trials), trials


def tried_ways(trials: Mapping[Way, Sequence[BareSlice]]) -> dict[str, dict[str, float]]:
    """What the trials showed, by way."""
    return {
        "bare_trials_events_per_s": {
            str(way): round(median(one.rate for one in tried), 2) for way, tried in trials.items()
        },
        "bare_trials_p95_s": {
            str(way): round(median(one.p95_s for one in tried), 2) for way, tried in trials.items()
        },
    }


async def alternate(bare: Bare, way: Way, ours: Sequence[Ours]) -> tuple[list[BareSlice], list[Slice]]:
    """bare, ours, bare, ours, …, bare."""
    theirs: list[BareSlice] = []
    mine: list[Slice] = []
    for number in range(len(ours) + 1):
        await at_rest(bare.synapse)
        theirs.append(await bare.slice(way, f"slice{number}"))
        tell(f"bare: {theirs[-1].rate:5.1f} events/s, {processor_ms(theirs[-1])}")
        if number < len(ours):
            mine.append(await ours[number].slice())
            tell(f"ours: {mine[-1].rate:5.1f} events/s, {processor_ms(mine[-1])}")
    return theirs, mine


def processor_ms(part: BareSlice | Slice) -> str:
    """What an event cost the homeserver in this slice, and how much of its time it was at work."""
    events = part.rate * part.wall_s
    busy = part.cpu_s / part.wall_s
    return f"{part.wall_s:.1f} s, {1000 * part.cpu_s / events:.0f} ms of a processor each, {busy:.0%} at work"


def summary(theirs: Sequence[BareSlice], ours: Sequence[Slice]) -> dict[str, Any]:
    """The figures of all slices together: the median of times, the worst of everything that must not vary."""
    shares = [
        mine.rate * (before.wall_s + after.wall_s) / (2 * before.events)
        for mine, (before, after) in zip(ours, pairwise(theirs), strict=True)
    ]
    return {
        "valid": median(shares) <= IMPOSSIBLE,
        "wall_s": round(median(mine.wall_s for mine in ours), 2),
        "requests": max(mine.requests for mine in ours),
        "membership_events": max(mine.membership_events for mine in ours),
        "events_per_s": round(median(mine.rate for mine in ours), 2),
        "share_of_limit": round(median(shares), 3),
        "events_per_enrolment": round(max(mine.membership_events / mine.enrolments for mine in ours), 4),
        "second_pass_matrix_requests": max(mine.second_pass for mine in ours),
        "second_pass_canary_requests": max(mine.second_pass_canary for mine in ours),
        "peak_rss_mb": round(max(mine.peak_rss_mb for mine in ours), 1),
        "moodle_requests": max(mine.moodle_requests for mine in ours),
        "shares": [round(share, 3) for share in shares],
        "bare_events_per_s": round(median(bare.rate for bare in theirs), 2),
        "synapse_cpu_ms_per_event": round(
            median(1000 * mine.cpu_s / mine.membership_events for mine in ours), 1
        ),
        "bare_cpu_ms_per_event": round(median(1000 * bare.cpu_s / bare.events for bare in theirs), 1),
        "worked_through": round(median(mine.worked_through for mine in ours)),
        "bare_worked_through": round(median(bare.worked_through for bare in theirs)),
        "own_cpu_ms_per_event": round(
            median(1000 * mine.own_cpu_s / mine.membership_events for mine in ours), 1
        ),
    }


async def make_accounts(synapse: EmbeddedSynapse, university: University) -> None:
    """Everybody who will be invited has an account, as in life."""
    tell(f"Synapse answers at {synapse.url}; making accounts")
    for person in university.people.values():
        if any(university.courses_of(person.id, university.now())):
            await synapse.register(person.username, "a password that nobody uses")


async def synapse_version(synapse: EmbeddedSynapse) -> str:
    """The homeserver's version, as it tells it."""
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(f"{synapse.url}/_synapse/admin/v1/server_version") as answer,
    ):
        return str((await answer.json())["server_version"])


def tell(line: str) -> None:
    """Progress, for people."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="A first sync beside the limit of this homeserver; see README.md."
    )
    parser.add_argument("--courses", type=int, default=20)
    parser.add_argument("--people", type=int, default=30, help="in each course, one of them a teacher")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--layout", choices=list(LAYOUTS), default="room", help="space: people are invited to the space alone"
    )
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite", help="of the service")
    options = parser.parse_args()
    told = measure(options.courses, options.people, options.rounds, options.layout, options.database)
    print(json.dumps(asyncio.run(told)))


if __name__ == "__main__":
    main()
