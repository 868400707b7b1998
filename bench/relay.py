"""What the relay costs a large Moodle and us, and how soon a post is a message.

The sandbox Moodle runs in a process of its own. The relay is the service's (content client, markup, books on disk); the
rooms are in memory, so that its own work is measured and not the homeserver's. A cycle in which nothing is new tells
`moodle_requests` and `cpu_s` (announcements and dates of all courses); then posts are made at random moments while the
loop runs, and each is timed until it is sent. The last line is one JSON object; see `bench/README.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Collection, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp

from moodle_appservice.clock import SystemClock
from moodle_appservice.demo.sandbox import SandboxMoodle, University
from moodle_appservice.domain.model import CourseId, EventId, RoomId, UserId
from moodle_appservice.domain.quiet import Hours
from moodle_appservice.domain.relay_choice import RelayRules
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.domain.rules import Rules
from moodle_appservice.engine.announcing import Announcer
from moodle_appservice.engine.enclosures import Enclosures
from moodle_appservice.engine.relay import Pace, Relay
from moodle_appservice.engine.relay_scope import RelayScope
from moodle_appservice.engine.relay_sender import Senders
from moodle_appservice.engine.relay_words import Wording
from moodle_appservice.engine.reminding import Reminders
from moodle_appservice.languages import ENGLISH
from moodle_appservice.matrix.markup import Markup
from moodle_appservice.moodle.client import MoodleClient
from moodle_appservice.moodle.content import MoodleContent
from moodle_appservice.moodle.read import MoodleFacts
from moodle_appservice.ports import CourseRow, File, Found, Speech
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db

BOT = UserId("@bot:bench.test")
FIRST = 10
TEXT = "<p>The lecture on <b>Monday</b> is in room 101. " + "Please bring your notes. " * 20 + "</p>"


class Rooms:
    """Implements `ports.RelayMessenger`: whatever is said arrives at once, and when is written down."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        self.sent = 0

    async def post(self, room_id: RoomId, speech: Speech, *, key: str, sender: UserId) -> EventId:
        del room_id, key, sender
        self.sent += 1
        self.arrived[speech.text.split("\n", 1)[0]] = time.monotonic()
        return EventId(f"${self.sent}")

    async def edit(
        self, room_id: RoomId, event_id: EventId, speech: Speech, *, key: str, sender: UserId
    ) -> None:
        del room_id, event_id, speech, key, sender
        self.sent += 1

    async def redact(self, room_id: RoomId, event_id: EventId, *, key: str, sender: UserId) -> None:
        del room_id, event_id, key, sender
        self.sent += 1

    async def find(
        self, room_id: RoomId, about: Mapping[str, str | int], *, senders: Collection[UserId], since: float
    ) -> Found | None:
        del room_id, about, senders, since
        return None

    async def upload(self, file: File) -> str:
        raise AssertionError(f"nothing is uploaded here: {file.name}")

    async def post_file(
        self,
        room_id: RoomId,
        file: File,
        address: str,
        *,
        about: Mapping[str, str | int],
        key: str,
        sender: UserId,
    ) -> EventId:
        del room_id, address, about, key, sender
        raise AssertionError(f"nothing is uploaded here: {file.name}")


def moodle(courses: int, pipe: Connection) -> None:
    """The other process: a Moodle whose posts are made on demand."""
    asyncio.run(_moodle(courses, pipe))


async def _moodle(courses: int, pipe: Connection) -> None:
    university = University()
    university.add_category("Department")
    teacher = university.add_person("teach", "Teach", "One").id
    university.add_person("other", "Other", "One")
    before = university.now() - 90 * 86_400
    async with SandboxMoodle(university) as sandbox:
        reader = sandbox.add_reader()
        for number in range(FIRST, FIRST + courses):
            university.add_course(f"C{number}", f"Course {number}", 1, id=number)
            for place in range(3):
                sandbox.activities.announce(number, teacher, f"Old {number}.{place}", TEXT, created=before)
            for place in range(3):
                due = {"duedate": university.now() + (20 + place) * 86_400}
                sandbox.activities.add(number, "assign", f"Sheet {place}", dates=due)
        pipe.send((sandbox.url, sandbox.token, reader.token))
        while True:
            order = await asyncio.to_thread(pipe.recv)
            if order is None:
                return
            course, subject = order
            sandbox.activities.announce(course, teacher, subject, TEXT)


async def measure(arguments: argparse.Namespace, pipe: Connection) -> dict[str, Any]:
    """Run it all; `pipe` leads to the Moodle."""
    url, token, content_token = await asyncio.to_thread(pipe.recv)
    with tempfile.TemporaryDirectory() as folder:
        db = Db(f"sqlite:{Path(folder) / 'bench.db'}")
        await db.start()
        async with aiohttp.ClientSession() as session:
            relay, rooms, client = await _relay(arguments, db, session, url, token, content_token)
            began = time.process_time()
            await relay.cycle()
            first_cpu = time.process_time() - began
            requests, began, wall = client.requests, time.process_time(), time.monotonic()
            relay._dates_at = float("-inf")
            await relay.cycle()
            found: dict[str, Any] = {
                "courses": arguments.courses,
                "moodle_requests": client.requests - requests,
                "cpu_s": round(time.process_time() - began, 3),
                "cycle_s": round(time.monotonic() - wall, 3),
                "first_cycle_cpu_s": round(first_cpu, 3),
                "messages_unchanged": rooms.sent,
            }
            found |= await _posts(arguments, relay, rooms, pipe)
        await db.stop()
    return found


async def _posts(
    arguments: argparse.Namespace, relay: Relay, rooms: Rooms, pipe: Connection
) -> dict[str, Any]:
    made: dict[str, float] = {}
    relay.start()
    chance = random.Random(1)
    for number in range(arguments.posts):
        await asyncio.sleep(chance.expovariate(arguments.posts / (3 * arguments.interval)))
        subject = f"News {number}"
        made[subject] = time.monotonic()
        pipe.send((chance.randrange(FIRST, FIRST + arguments.courses), subject))
    until = time.monotonic() + 5 * arguments.interval + 60
    while len(rooms.arrived) < len(made) and time.monotonic() < until:
        await asyncio.sleep(0.1)
    await relay.stop()
    waits = sorted(rooms.arrived[subject] - at for subject, at in made.items() if subject in rooms.arrived)
    return {
        "interval_s": arguments.interval,
        "posts": len(made),
        "told": len(waits),
        "post_to_message_p50_s": round(waits[len(waits) // 2], 3),
        "post_to_message_p95_s": round(waits[min(len(waits) - 1, int(len(waits) * 0.95))], 3),
    }


async def _relay(
    arguments: argparse.Namespace,
    db: Db,
    session: aiohttp.ClientSession,
    url: str,
    token: str,
    content_token: str,
) -> tuple[Relay, Rooms, MoodleClient]:
    store, clock = Books(db, bot=BOT, prefix="!"), SystemClock()
    facts = MoodleFacts(MoodleClient(url, token, session=session), clock=clock)
    courses = [CourseId(number) for number in range(FIRST, FIRST + arguments.courses)]
    await store.courses.save([CourseRow(one, f"C{one}", True, "For the bench.") for one in courses])
    for one in courses:
        await store.ledger.adopt(RoomId(f"!{one}"), main_room(one), at=0.0)
    rules = RelayRules(site=True, hours=Hours(0, 24), most_per_day=1000)
    own = Rules(site="bench", domain="bench.test", bot=BOT, site_url=url)
    client = MoodleClient(url, content_token, session=session, concurrency=1, batch=50, raw=False)
    content, rooms, markup = MoodleContent(client), Rooms(), Markup(url)
    scope = RelayScope(facts, store, rules, own, clock, is_possible=True)
    wording = Wording(ENGLISH, markup, url, rules.most_text)
    enclosures = Enclosures(content, rooms, store, rules, site="bench")
    senders = Senders(store, bot=BOT)
    announcer = Announcer(rooms, store, markup, wording, senders, enclosures, rules, clock, site="bench")
    reminders = Reminders(rooms, store, wording, rules, clock, site="bench", bot=BOT)
    pace = Pace(arguments.interval, arguments.interval * 6, 3600.0)
    return Relay(content, scope, announcer, reminders, store, rules, clock, pace=pace), rooms, client


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--courses", type=int, default=1000)
    parser.add_argument("--posts", type=int, default=40)
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two looks")
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=moodle, args=(arguments.courses, theirs))
    process.start()
    try:
        print(json.dumps(asyncio.run(measure(arguments, ours))))
    finally:
        ours.send(None)
        process.join(10)
        if process.is_alive():
            process.kill()


if __name__ == "__main__":
    main()
