"""The bare loop: the same requests as ours, sent by a program that does nothing else. It is what Synapse can do.

A program of its own, because the service under test is one too. It is registered in the same way and gets the same
pushes, which it answers unread. It holds no books, plans nothing and is told everything beforehand: each room's
createRoom body, what to set in it then, and whom to invite. Every room is under way from the start and has one write
in flight at most; a fair semaphore says how many rooms write at once, so that there is work for all of them until the
very end. `in_waves`: the invites of so many rooms go together, and the next ones when all of them are answered.

    python bench/bare.py CONFIG       then: POST /run {"at_once": 8, "in_waves": false,
                                                       "rooms": [{"create": {…}, "state": [[type, key, {…}], …],
                                                                  "invite": […]}]}
                                      or: POST /send {"at_once": 8, "people": [[["PUT", path, {…}], …], …]}

answers `{"wall_s": seconds, "p95_s": seconds}`: from the first request to the last answer, and within which 95 of 100
invites were answered. `/send` answers the first of them, and sends each person's requests one after
the other, so many people at once. Any error ends the run.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from moodle_appservice.demo import house

Room = Mapping[str, Any]
Request = tuple[str, str, Mapping[str, Any]]
"""Method, path from the root, content."""


class BareLoop:
    """Sends rooms. `post` raises on every answer but 200."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str) -> None:
        self._session = session
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._took: list[float] = []

    async def sign_in(self, localpart: str, user_id: str, name: str) -> None:
        """Make the bot's account and give it its name, as the service does."""
        wanted = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        await self.request("POST", "register", wanted)
        await self.request("PUT", f"profile/{quote(user_id)}/displayname", {"displayname": name})

    async def run(
        self, rooms: Sequence[Room], at_once: int, *, in_waves: bool = False
    ) -> tuple[float, float]:
        """Make these rooms and invite their people; gives the seconds that it took, and p95 of the invites."""
        turn, self._took = asyncio.Semaphore(at_once), []
        began = time.perf_counter()
        if in_waves:
            made = await asyncio.gather(*(self._make(room, turn) for room in rooms))
            await self._waves(
                [(path, deque(room["invite"])) for path, room in zip(made, rooms, strict=True)], at_once
            )
        else:
            async with asyncio.TaskGroup() as group:
                for room in rooms:
                    group.create_task(self._room(room, turn))
        wall, took = time.perf_counter() - began, sorted(self._took)
        return wall, took[int(len(took) * 0.95)]

    async def send(self, people: Sequence[Sequence[Request]], at_once: int) -> float:
        """Send everybody's requests; gives the seconds that it took."""
        waiting = iter(people)

        async def one_after_the_other() -> None:
            for requests in waiting:
                for method, path, content in requests:
                    await self._ask(method, path, content)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_the_other())
        return time.perf_counter() - began

    async def request(self, method: str, path: str, content: Mapping[str, Any]) -> Any:
        """One request of the client-server API."""
        return await self._ask(method, f"/_matrix/client/v3/{path}", content)

    async def _ask(self, method: str, path: str, content: Mapping[str, Any]) -> Any:
        # What is quoted already is not to be quoted anew.
        url, data = URL(f"{self._address}{path}", encoded=True), json.dumps(content)
        async with self._session.request(method, url, data=data, headers=self._headers) as answer:
            told = await answer.json()
            if answer.status not in (200, 201):
                raise RuntimeError(f"{path}: {answer.status} {told}")
            return told

    async def _make(self, room: Room, turn: asyncio.Semaphore) -> str:
        """Make a room and set what belongs into it; gives the path of its invites."""
        async with turn:
            made = await self.request("POST", "createRoom", room["create"])
            path = f"rooms/{quote(made['room_id'])}"
            for event_type, state_key, content in room["state"]:
                await self.request("PUT", f"{path}/state/{event_type}/{quote(state_key)}", content)
        return f"{path}/invite"

    async def _waves(self, rooms: Sequence[tuple[str, deque[str]]], at_once: int) -> None:
        waiting = deque(room for room in rooms if room[1])
        while waiting:
            wave = [waiting.popleft() for _ in range(min(at_once, len(waiting)))]
            await asyncio.gather(*(self._invite(path, users.popleft()) for path, users in wave))
            waiting.extend(room for room in wave if room[1])

    async def _room(self, room: Room, turn: asyncio.Semaphore) -> None:
        path = await self._make(room, turn)
        for user in room["invite"]:
            async with turn:
                await self._invite(path, user)

    async def _invite(self, path: str, user: str) -> None:
        began = time.perf_counter()
        await self.request("POST", path, {"user_id": user})
        self._took.append(time.perf_counter() - began)


async def serve(config: Path) -> None:
    """Listen at the registration's port, for Synapse and for jobs, until somebody ends us."""
    settings, registration = house.read(config)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        loop = BareLoop(session, settings.homeserver.address, registration.as_token.get_secret_value())

        async def pushed(request: web.Request) -> web.Response:
            await request.read()
            return web.json_response({})

        async def run(request: web.Request) -> web.Response:
            job = await request.json()
            wall, p95 = await loop.run(job["rooms"], job["at_once"], in_waves=job["in_waves"])
            return web.json_response({"wall_s": wall, "p95_s": p95})

        async def send(request: web.Request) -> web.Response:
            job = await request.json()
            return web.json_response({"wall_s": await loop.send(job["people"], job["at_once"])})

        app = web.Application(client_max_size=2**26)
        app.add_routes(
            [
                web.post("/run", run),
                web.post("/send", send),
                web.route("*", "/_matrix/app/v1/{rest:.*}", pushed),
            ],
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        bot = registration.bot_user_id(settings.homeserver.domain)
        await loop.sign_in(registration.sender_localpart, bot, settings.bot.name)
        await web.TCPSite(runner, settings.appservice.hostname, settings.appservice.port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
