"""A homeserver that costs nothing and counts: for benchmarks of what is ours, where a real one would be the limit.

It knows as much of rooms as our requests need, answers at once, and pushes what came of each request to the
application service in transactions of up to 100 events, one transaction at a time, as Synapse does: again and again
until it is taken.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

from bench.installation import DOMAIN, Installation
from moodle_appservice import registration

BATCH = 100
AGAIN = 0.2


@dataclass
class Room:
    """State by (type, key) → event; every version that was replaced is forgotten."""

    state: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


class CountingHomeserver:
    """`requests` counts by method and kind, `pushes` transactions. `target`: the application service's address.

    `seen` tells when a membership stood in a room: (room, user) → time.monotonic().
    """

    @classmethod
    def of(cls, home: Installation) -> CountingHomeserver:
        """The one that an installation is registered with."""
        found = registration.read(home.registration, site=home.site, domain=DOMAIN)
        return cls(
            bot=home.bot,
            hs_token=found.hs_token.get_secret_value(),
            target=f"http://127.0.0.1:{home.port}",
            domain=DOMAIN,
        )

    def __init__(self, *, bot: str, hs_token: str, target: str, domain: str) -> None:
        self.bot = bot
        self.domain = domain
        self.requests: Counter[str] = Counter()
        self.rooms: dict[str, Room] = {}
        self.aliases: dict[str, str] = {}
        self.seen: dict[tuple[str, str], float] = {}
        self.memberships = 0
        self.pushes = 0
        self._target = target
        self._headers = {"Authorization": f"Bearer {hs_token}"}
        self._numbers = count(1)
        self._waiting: list[dict[str, Any]] = []
        self._more = asyncio.Event()
        self._pushed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> CountingHomeserver:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._task = asyncio.create_task(self._push())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None and self._runner is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._runner.cleanup()

    def tell(self, *, without_canary: bool = True) -> int:
        """Requests so far; looks at the canary, or at a newer write of ours in its place, aside."""
        return sum(
            number for name, number in self.requests.items() if not (without_canary and "canary" in name)
        )

    async def drained(self) -> None:
        """Wait until everything has been pushed."""
        while self._waiting:
            self._pushed.clear()
            self._more.set()
            await self._pushed.wait()

    def event(self, room_id: str, kind: str, key: str | None, content: Any, sender: str) -> str:
        """Something happens in a room, and is pushed."""
        event_id = f"${next(self._numbers)}"
        event: dict[str, Any] = {
            "event_id": event_id,
            "room_id": room_id,
            "type": kind,
            "sender": sender,
            "content": content,
            "origin_server_ts": int(time.time() * 1000),
        }
        if key is not None:
            event["state_key"] = key
            state = self.rooms.setdefault(room_id, Room()).state
            before = state.get((kind, key))
            if before is not None:
                event["unsigned"] = {"replaces_state": before["event_id"]}
            state[kind, key] = event
            if kind == "m.room.member":
                self.memberships += 1
                self.seen[room_id, key] = time.monotonic()
        self._waiting.append(event)
        self._more.set()
        return event_id

    async def _push(self) -> None:
        async with aiohttp.ClientSession(headers=self._headers) as session:
            while True:
                self._more.clear()
                while self._waiting:
                    batch = self._waiting[:BATCH]
                    url = f"{self._target}/_matrix/app/v1/transactions/{next(self._numbers)}"
                    try:
                        async with session.put(url, json={"events": batch}) as answer:
                            taken = answer.status == 200
                    except aiohttp.ClientError:
                        taken = False
                    if taken:
                        del self._waiting[: len(batch)]
                        self.pushes += 1
                        self._pushed.set()
                    else:
                        await asyncio.sleep(AGAIN)
                await self._more.wait()

    async def _answer(self, request: web.Request) -> web.Response:
        parts = [part for part in request.match_info["path"].split("/") if part]
        content = await request.json() if request.can_read_body else {}
        match (request.method, *parts):
            case ("GET", "_matrix", "client", _, "rooms", room_id, "state", kind, *key) if (
                "format" in request.query
            ):
                return self._one("GET canary", room_id, kind, key)
            case (method, "_matrix", "client", _, "rooms", room_id, *what):
                return self._room(method, room_id, what, content)
            case ("POST", "_matrix", "client", _, "createRoom"):
                return self._create(content)
            case (method, "_matrix", "client", _, *what):
                return await self._about(method, what)
        return self._refused(f"{request.method} other", 403, "M_FORBIDDEN")

    async def _about(self, method: str, what: list[str]) -> web.Response:
        match what:
            case ["register"]:
                return self._ok(f"{method} register", {"user_id": self.bot})
            case ["account", "whoami"]:
                return self._ok("GET whoami", {"user_id": self.bot})
            case ["joined_rooms"]:
                joined = [
                    room_id
                    for room_id, room in self.rooms.items()
                    if room.state.get(("m.room.member", self.bot), {}).get("content", {}).get("membership")
                    == "join"
                ]
                return self._ok("GET joined_rooms", {"joined_rooms": joined})
            case ["profile", *_]:
                return self._ok(f"{method} profile", {"displayname": "Somebody"})
            case ["directory", "room", alias]:
                room_id = self.aliases.get(alias)
                if room_id is None:
                    return self._refused("GET alias", 404, "M_NOT_FOUND")
                return self._ok("GET alias", {"room_id": room_id})
            case ["appservice", _, "ping"]:
                await self.drained()
                return self._ok("POST ping", {"duration_ms": 1})
            case _:
                return self._refused(f"{method} {what[0] if what else ''}", 404, "M_UNRECOGNIZED")

    def _room(self, method: str, room_id: str, what: list[str], content: Any) -> web.Response:
        state = self.rooms.setdefault(room_id, Room()).state
        match (method, *what):
            case ("PUT", "state", kind, *key):
                event_id = self.event(room_id, kind, key[0] if key else "", content, self.bot)
                return self._ok("PUT canary" if "canary" in kind else "PUT state", {"event_id": event_id})
            case ("GET", "state"):
                return self._ok("GET room", list(state.values()))
            case ("GET", "state", kind, *key):
                name = "GET canary" if "canary" in kind else "GET state"
                return self._one(name, room_id, kind, key, whole=False)
            case ("POST", "invite" | "kick" | "ban" as how):
                membership = {"invite": "invite", "kick": "leave", "ban": "ban"}[how]
                user = str(content["user_id"])
                self.event(room_id, "m.room.member", user, {"membership": membership}, self.bot)
                return self._ok(f"POST {how}", {})
            case ("PUT", "send", kind, *_):
                return self._ok("PUT send", {"event_id": self.event(room_id, kind, None, content, self.bot)})
            case _:
                return self._refused(f"{method} room", 404, "M_UNRECOGNIZED")

    def _one(self, name: str, room_id: str, kind: str, key: list[str], *, whole: bool = True) -> web.Response:
        """One state event, or its content."""
        found = self.rooms.setdefault(room_id, Room()).state.get((kind, key[0] if key else ""))
        if found is None:
            return self._refused(name, 404, "M_NOT_FOUND")
        return self._ok(name, found if whole else found["content"])

    def _create(self, content: Mapping[str, Any]) -> web.Response:
        name = content.get("room_alias_name")
        alias = f"#{name}:{self.domain}"
        if name and alias in self.aliases:
            return self._refused("POST createRoom", 400, "M_ROOM_IN_USE")
        room_id = f"!{next(self._numbers)}"
        if name:
            self.aliases[alias] = room_id
        version = content.get("room_version", "12")
        made = {"room_version": version, **content.get("creation_content", {})}
        self.event(room_id, "m.room.create", "", made, self.bot)
        self.event(room_id, "m.room.member", self.bot, {"membership": "join"}, self.bot)
        self.event(
            room_id, "m.room.power_levels", "", content.get("power_level_content_override", {}), self.bot
        )
        if name:
            self.event(room_id, "m.room.canonical_alias", "", {"alias": alias}, self.bot)
        for given in content.get("initial_state", ()):
            self.event(room_id, given["type"], given.get("state_key", ""), given["content"], self.bot)
        for kind in ("name", "topic"):
            if kind in content:
                self.event(room_id, f"m.room.{kind}", "", {kind: content[kind]}, self.bot)
        return self._ok("POST createRoom", {"room_id": room_id})

    def _ok(self, name: str, body: Any) -> web.Response:
        self.requests[name] += 1
        return web.json_response(body)

    def _refused(self, name: str, status: int, errcode: str) -> web.Response:
        self.requests[name] += 1
        return web.json_response({"errcode": errcode, "error": "no"}, status=status)
