"""How fast people get accounts, beside what this Synapse can do on this machine at this moment.

Two ways are measured: `create` (real accounts with their sign-on id, by the admin API) and `virtual` (virtual users
with a name). Each takes two requests for a person. The limit is a bare loop (`bare.py`) that sends the very same
requests for people of its own and does nothing else, at the number of people at once that suits it best. Slices of
it alternate with slices of ours (bare, ours, bare, …, bare), each at a homeserver of its own that was started for it
and has no accounts yet. Each of ours is compared with the mean of the bare slices before and after it;
`share_of_limit` is the median of these shares.

A slice of ours is a new installation: the whole service, whose person keys are looked at by its own workers
(`person_keys.py`), after a few people to warm up. Requests are counted at the homeserver, in its access log, and the
accounts that came of them are counted there too. The last line of the output is one JSON object; `bench/README.md`
explains its keys.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import aiohttp

from bench.installation import DOMAIN, Installation
from bench.sync import IMPOSSIBLE, at_rest, tell
from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle, University

AT_ONCE = (4, 8, 16, 32)
TRIALS = 2
WARM_UP = 40
"""More than are looked at at the same time, so that what is found out once for all is known after them."""
PROVIDER = "oidc-campus"
MODES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "create": {
        "accounts": {"mode": "create", "login": "sso"},
        "identity": {"sso": {"provider": PROVIDER}},
    },
    "virtual": {"accounts": {"mode": "virtual"}},
}
Request = tuple[str, str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice. `cpu_s`: processor time of the homeserver; `own_cpu_s`: of the program that asked."""

    people: int
    wall_s: float
    cpu_s: float
    own_cpu_s: float
    requests: int

    @property
    def rate(self) -> float:
        """People per second."""
        return self.people / self.wall_s


@dataclass(frozen=True, slots=True)
class Bare:
    """The bare loop's program; it knows what to send for people of its own."""

    home: Installation
    synapse: EmbeddedSynapse
    mode: str

    async def slice(self, people: int, at_once: int, name: str) -> Slice:
        """Send everything for `people` people; `name` makes them new ones."""
        job = {
            "at_once": at_once,
            "people": [self._requests(f"{name}_{number}") for number in range(people)],
        }
        mark, cpu, own = self.synapse.mark(), self.synapse.cpu_seconds(), self.home.cpu_seconds
        told = await post(f"http://127.0.0.1:{self.home.port}/send", job)
        requests = asked_since(self.synapse, mark)
        return Slice(
            people,
            told["wall_s"],
            self.synapse.cpu_seconds() - cpu,
            self.home.cpu_seconds - own,
            requests,
        )

    def _requests(self, name: str) -> list[Request]:
        full_name = f"Person {name}"
        if self.mode == "create":
            path = f"/_synapse/admin/v2/users/{quote(f'@bare_{name}:{DOMAIN}')}"
            ids = [{"auth_provider": PROVIDER, "external_id": f"bare_{name}"}]
            return [("PUT", path, {}), ("PUT", path, {"displayname": full_name, "external_ids": ids})]
        localpart = f"moodle_{self.home.site}_{name}"
        user_id = quote(f"@{localpart}:{DOMAIN}")
        registration = {
            "type": "m.login.application_service",
            "username": localpart,
            "inhibit_login": True,
        }
        profile = f"/_matrix/client/v3/profile/{user_id}/displayname?user_id={user_id}"
        return [
            ("POST", "/_matrix/client/v3/register?kind=user", registration),
            ("PUT", profile, {"displayname": full_name}),
        ]


@dataclass(frozen=True, slots=True)
class Ours:
    """The service in a new installation of its own, with people of its own."""

    home: Installation
    synapse: EmbeddedSynapse
    mode: str

    async def slice(self, people: int) -> Slice:
        """Start, warm up, look at everybody, end."""
        university, course = self._university(people + WARM_UP)
        everybody = sorted(university.enrolled(course))
        async with SandboxMoodle(university) as moodle:
            self.home.connect(
                self.synapse, moodle, {**MODES[self.mode], "rooms": {"existing_courses": False}}
            )
            try:
                await self.home.start_program(Path(__file__).with_name("person_keys.py"), socket="run.sock")
                await self._look_at(course, everybody[:WARM_UP])
                await at_rest(self.synapse)
                before = await self._accounts()
                mark, cpu, own = self.synapse.mark(), self.synapse.cpu_seconds(), self.home.cpu_seconds
                wall = await self._look_at(course, everybody[WARM_UP:])
                cpu, own = self.synapse.cpu_seconds() - cpu, self.home.cpu_seconds - own
                requests = asked_since(self.synapse, mark)
                made = await self._accounts() - before
                if made != people:
                    raise RuntimeError(
                        f"{made} accounts were made for {people} people.\n{self.home.log_end()}"
                    )
                return Slice(people, wall, cpu, own, requests)
            finally:
                await asyncio.to_thread(self.home.stop)

    def _university(self, people: int) -> tuple[University, int]:
        university = University()
        university.add_category("Department", id=2)
        course = university.add_course("C1", "Course 1", 2)
        for number in range(people):
            person = university.add_person(f"{self.home.site}_{number}", "Stu", f"Dent {number}")
            university.enrol(person.id, course.id, "student")
        return university, course.id

    async def _look_at(self, course: int, people: Sequence[int]) -> float:
        told = await post(
            "http://person-keys/run",
            {"course": course, "people": list(people)},
            socket=self.home.folder / "run.sock",
        )
        # In `virtual` everybody waits for an account of their own, and says so.
        if told["missing"] and self.mode == "create":
            raise RuntimeError(f"{len(told['missing'])} have no account: {told['missing'][:3]}")
        return float(told["wall_s"])

    async def _accounts(self) -> int:
        """The accounts at the homeserver that belong to this installation."""
        name = f"moodle_{self.home.site}_" if self.mode == "virtual" else f"@{self.home.site}_"
        headers = {"Authorization": f"Bearer {self.synapse.admin_token}"}
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.get(
                f"{self.synapse.url}/_synapse/admin/v2/users",
                params={"user_id": name, "limit": "1", "deactivated": "true"},
                headers=headers,
            ) as answer,
        ):
            return int((await answer.json())["total"])


def asked_since(synapse: EmbeddedSynapse, mark: int) -> int:
    """Requests since then. Nobody else asks meanwhile, and not every line of the log tells who asked."""
    return len(synapse.since(mark))


async def post(url: str, job: Mapping[str, Any], socket: Path | None = None) -> Mapping[str, Any]:
    """Have a program do something; raises where it failed."""
    connector = aiohttp.UnixConnector(str(socket)) if socket else aiohttp.TCPConnector()
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), connector=connector) as session,
        session.post(url, json=job) as answer,
    ):
        if answer.status != 200:
            raise RuntimeError(f"{url} failed: {await answer.text()}")
        told = await answer.json()
        assert isinstance(told, dict)
        return told


async def make_admin(synapse: EmbeddedSynapse, home: Installation) -> None:
    """Let the bot of an installation be an administrator; it is made where it is not there yet."""
    localpart = home.bot[1:].partition(":")[0]
    wanted = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
    async with aiohttp.ClientSession(synapse.url) as session:
        as_bot = {"Authorization": f"Bearer {home.token}"}
        async with session.post("/_matrix/client/v3/register", json=wanted, headers=as_bot):
            pass
        as_admin = {"Authorization": f"Bearer {synapse.admin_token}"}
        path = f"/_synapse/admin/v1/users/{home.bot}/admin"
        async with session.put(path, json={"admin": True}, headers=as_admin) as answer:
            answer.raise_for_status()


async def measure(people: int, rounds: int) -> dict[str, Any]:
    """The whole benchmark; gives the object that is printed."""
    result: dict[str, Any] = {"bench": "accounts", "people": people, "rounds": rounds}
    for mode in MODES:
        at_once, trials = await best_at_once(mode, people)
        theirs: list[Slice] = []
        mine: list[Slice] = []
        for number in range(2 * rounds + 1):
            if number % 2:
                mine.append(await our_slice(mode, people))
                tell(f"{mode}, ours: {mine[-1].rate:6.1f} people/s")
            else:
                (one,) = await bare_slices(mode, [(people, at_once)])
                theirs.append(one)
                tell(f"{mode}, bare: {one.rate:6.1f} people/s")
        result[mode] = {
            **summary(theirs, mine),
            "bare_at_once": at_once,
            "bare_trials_people_per_s": {str(level): round(rate, 1) for level, rate in trials.items()},
        }
    return {**result, "synapse": version("matrix-synapse"), "database": "sqlite"}


async def our_slice(mode: str, people: int) -> Slice:
    """The service in a new installation, with a homeserver that has nobody's accounts yet."""
    with tempfile.TemporaryDirectory(prefix="moodle-appservice-bench-") as folder:
        home = Installation(Path(folder), "ours")
        async with EmbeddedSynapse(server_name=DOMAIN, registrations=[home.registration]) as synapse:
            await make_admin(synapse, home)
            return await Ours(home, synapse, mode).slice(people)


async def bare_slices(mode: str, jobs: Sequence[tuple[int, int]]) -> list[Slice]:
    """The bare loop at such a homeserver, once for each (people, how many of them at once)."""
    with tempfile.TemporaryDirectory(prefix="moodle-appservice-bench-") as folder:
        home = Installation(Path(folder), "bare")
        async with (
            EmbeddedSynapse(server_name=DOMAIN, registrations=[home.registration]) as synapse,
            SandboxMoodle(University()) as moodle,
        ):
            home.connect(synapse, moodle)
            try:
                await home.start_program(Path(__file__).with_name("bare.py"))
                await make_admin(synapse, home)
                bare = Bare(home, synapse, mode)
                await bare.slice(WARM_UP, 1, "warm")
                slices: list[Slice] = []
                for number, (people, at_once) in enumerate(jobs):
                    await at_rest(synapse)
                    slices.append(await bare.slice(people, at_once, f"n{number}"))
                return slices
            finally:
                await asyncio.to_thread(home.stop)


async def best_at_once(mode: str, people: int) -> tuple[int, dict[int, float]]:
    """The number of people at once at which the bare loop is the fastest, and its rate at each."""
    levels = AT_ONCE * TRIALS
    slices = await bare_slices(mode, [(max(people // 4, level), level) for level in levels])
    rates = {
        level: median(one.rate for one, at in zip(slices, levels, strict=True) if at == level)
        for level in AT_ONCE
    }
    return max(rates, key=lambda level: rates[level]), rates


def summary(theirs: Sequence[Slice], ours: Sequence[Slice]) -> dict[str, Any]:
    """The figures of all slices of one way together."""
    shares = [
        mine.rate * (before.wall_s + after.wall_s) / (2 * before.people)
        for mine, (before, after) in zip(ours, pairwise(theirs), strict=True)
    ]
    return {
        "valid": median(shares) <= IMPOSSIBLE,
        "requests_per_person": round(max(mine.requests / mine.people for mine in ours), 4),
        "share_of_limit": round(median(shares), 3),
        "shares": [round(share, 3) for share in shares],
        "people_per_s": round(median(mine.rate for mine in ours), 1),
        "bare_people_per_s": round(median(bare.rate for bare in theirs), 1),
        "wall_s": round(median(mine.wall_s for mine in ours), 2),
        "bare_requests_per_person": round(max(bare.requests / bare.people for bare in theirs), 4),
        "synapse_cpu_ms_per_person": round(median(1000 * mine.cpu_s / mine.people for mine in ours), 1),
        "bare_synapse_cpu_ms_per_person": round(median(1000 * one.cpu_s / one.people for one in theirs), 1),
        "own_cpu_ms_per_person": round(median(1000 * mine.own_cpu_s / mine.people for mine in ours), 1),
        "bare_own_cpu_ms_per_person": round(median(1000 * one.own_cpu_s / one.people for one in theirs), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Accounts for people beside the limit of this homeserver; see README.md."
    )
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.people, options.rounds))))


if __name__ == "__main__":
    main()
