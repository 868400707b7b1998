"""How fast pushed events are taken in, on one core, and whether memory stays as it is.

A program that generates a homeserver's transactions sends them at full speed, one at a time as a homeserver does, to
the real endpoint of the service, which runs in a process of its own on one core with a database on disk. The events are
a mixture: messages of people among themselves (`--messages` of a hundred), joins and leaves, now and then another state
event, in rooms that the service keeps.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.accounts import post
from bench.installation import DOMAIN, Installation
from bench.sync import tell
from moodle_appservice import registration
from moodle_appservice.demo import house
from moodle_appservice.demo.sandbox import SandboxMoodle, University
from moodle_appservice.domain.model import CourseId, RoomId, UserId
from moodle_appservice.domain.power import MARKER
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db

BATCH = 100
PEOPLE = 30
FLAT_MB = 16.0
"""What memory may grow from the first tenth of the events to the last and still be flat."""


class History:
    """What a homeserver would push: rooms that the bot makes, then life in them."""

    def __init__(self, home: Installation, rooms: int, messages: int) -> None:
        self._home = home
        self._rooms = rooms
        self._messages = messages
        self._numbers = count(1)
        self._last: dict[tuple[str, str, str], str] = {}

    def beginning(self) -> Iterator[dict[str, Any]]:
        """Every room is made, and everybody invited."""
        bot = self._home.bot
        for room in range(self._rooms):
            yield self._state(room, bot, "m.room.create", "", {"room_version": "12"})
            yield self._state(room, bot, "m.room.member", bot, {"membership": "join"})
            marker = {"site": self._home.site, "kind": "course", "moodle_id": room + 2, "generation": 1}
            yield self._state(room, bot, MARKER, "", marker)
            for person in range(PEOPLE):
                yield self._member(room, person, "invite", by=bot)

    def life(self) -> Iterator[dict[str, Any]]:
        """For ever."""
        for number in count():
            room, person = number % self._rooms, (number // self._rooms) % PEOPLE
            if number % 100 < self._messages:
                yield self._message(room, person, number)
            elif number % 100 == 99:
                user = self._user(person)
                yield self._state(room, user, "m.room.topic", "", {"topic": f"Topic {number}"})
            else:
                before = self._last.get((str(room), "membership", str(person)), "leave")
                now = "leave" if before == "join" else "join"
                self._last[str(room), "membership", str(person)] = now
                yield self._member(room, person, now, by=self._user(person))

    def _user(self, person: int) -> str:
        return f"@person{person}:{DOMAIN}"

    def _member(self, room: int, person: int, membership: str, *, by: str) -> dict[str, Any]:
        return self._state(room, by, "m.room.member", self._user(person), {"membership": membership})

    def _message(self, room: int, person: int, number: int) -> dict[str, Any]:
        content = {"msgtype": "m.text", "body": f"Does anybody have the notes of lecture {number}?"}
        return {**self._event(room, self._user(person), "m.room.message"), "content": content}

    def _state(self, room: int, sender: str, kind: str, key: str, content: dict[str, Any]) -> dict[str, Any]:
        event = {**self._event(room, sender, kind), "state_key": key, "content": content}
        replaced = self._last.get((str(room), kind, key))
        if replaced:
            event["unsigned"] = {"replaces_state": replaced}
        self._last[str(room), kind, key] = event["event_id"]
        return event

    def _event(self, room: int, sender: str, kind: str) -> dict[str, Any]:
        number = next(self._numbers)
        return {
            "event_id": f"$event{number}",
            "room_id": f"!room{room}:{DOMAIN}",
            "type": kind,
            "sender": sender,
            "origin_server_ts": 1_700_000_000_000 + number,
        }


async def send(
    session: aiohttp.ClientSession, url: str, events: Iterator[dict[str, Any]], number: int
) -> tuple[int, float]:
    """Send so many events; how many that were and how long the other side took, without our own part."""
    sent, waited = 0, 0.0
    while sent < number:
        batch = [event for _, event in zip(range(min(BATCH, number - sent)), events, strict=False)]
        if not batch:
            break
        data = json.dumps({"events": batch})
        began = time.perf_counter()
        async with session.put(f"{url}/_matrix/app/v1/transactions/{sent}", data=data) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {await answer.text()}")
        waited += time.perf_counter() - began
        sent += len(batch)
    return sent, waited


async def measure(events: int, rooms: int, messages: int, database: str) -> dict[str, Any]:
    """The whole run."""
    with tempfile.TemporaryDirectory(prefix="moodle-appservice-bench-") as folder:
        home = Installation(Path(folder), "intake")
        async with SandboxMoodle(University()) as moodle:
            top = {"database": database} if database else {}
            home.connect_to("http://127.0.0.1:9", moodle, None, **top)
            await book(home, rooms)
            try:
                await home.start_program(Path(__file__).with_name("measured.py"), "listen", socket="run.sock")
                on_one_core(home)
                return await fed(home, History(home, rooms, messages), events)
            finally:
                await asyncio.to_thread(home.stop)


async def book(home: Installation, rooms: int) -> None:
    """The rooms are ours."""
    settings, _ = house.read(home.config)
    db = Db(settings.database.get_secret_value())
    await db.start()
    books = Books(db, bot=UserId(home.bot), prefix="!")
    for room in range(rooms):
        await books.ledger.adopt(RoomId(f"!room{room}:{DOMAIN}"), main_room(CourseId(room + 2)), at=0.0)
    await db.stop()


def on_one_core(home: Installation) -> None:
    """The service, with all its threads, has one core for itself; we take the others."""
    cores = sorted(os.sched_getaffinity(0))
    psutil.Process(home.pid).cpu_affinity(cores[:1])
    if len(cores) > 1:
        psutil.Process().cpu_affinity(cores[1:])


async def fed(home: Installation, history: History, events: int) -> dict[str, Any]:
    """Feed it, in ten parts."""
    token = registration.read(home.registration, site=home.site, domain=DOMAIN).hs_token.get_secret_value()
    url, socket = f"http://127.0.0.1:{home.port}", home.folder / "run.sock"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    rates: list[float] = []
    sizes: list[float] = []
    async with aiohttp.ClientSession(headers=headers) as session:
        await send(session, url, history.beginning(), 10**9)
        life = history.life()
        before = await post("http://bench/figures", {}, socket=socket)
        for part in range(10):
            sent, took = await send(session, url, life, events // 10)
            figures = await post("http://bench/figures", {}, socket=socket)
            rates.append(sent / took)
            sizes.append(figures["rss_mb"])
            tell(f"part {part + 1}: {rates[-1]:7.0f} events/s, {sizes[-1]:6.1f} MiB")
        after = await post("http://bench/figures", {}, socket=socket)
    cpu = after["cpu_s"] - before["cpu_s"]
    return {
        "bench": "intake",
        "events": events,
        "events_per_s": round(sorted(rates)[len(rates) // 2]),
        "slowest_events_per_s": round(min(rates)),
        "cpu_us_per_event": round(1e6 * cpu / events, 1),
        "trips_per_transaction": round((after["queries"] - before["queries"]) / (events / BATCH), 2),
        "rss_mb": [round(size, 1) for size in sizes],
        "rss_growth_mb": round(sizes[-1] - sizes[0], 1),
        "memory_flat": sizes[-1] - sizes[0] < FLAT_MB,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Pushed events at full speed; see README.md.")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rooms", type=int, default=200)
    parser.add_argument("--messages", type=int, default=60, help="of a hundred events")
    parser.add_argument("--database", default="", help="postgres://…; SQLite where it is left out")
    options = parser.parse_args()
    told = asyncio.run(measure(options.events, options.rooms, options.messages, options.database))
    print(json.dumps({**told, "messages_per_hundred": options.messages, "rooms": options.rooms}))


if __name__ == "__main__":
    main()
