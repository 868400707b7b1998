"""What must hold when a story has ended: the rooms are what Moodle says, and on the way there nobody was harmed.

Checked at the homeserver with the eyes of its administrator, so that a room which the bot has left or cannot read is
judged like any other, and on every event that is there: nobody was removed who had belonged all the time, no room
stands twice, everybody is where the model says with the level that it says; and in the books: each removal and each
invite of the bot has its line in the audit log, and the log of the service tells of no bug of ours.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import asyncpg

from moodle_appservice.control import ask
from moodle_appservice.domain.power import MARKER
from moodle_appservice.errors import AppError
from tests.faults.schedule import COURSES, PEOPLE
from tests.faults.stage import FIRST_COURSE, Stage

LEVELS = {"student": 0, "teacher": 50, "editingteacher": 60}
SKEW = 1.5
"""Seconds between what we call a moment and what the homeserver does."""
PASSES = 2
BOOKED_WITHIN = 120.0
"""Seconds until what was done and could not be booked must stand in the audit log."""


class Verdict:
    """What was found wrong, as sentences; and figures for the report."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.events = 0
        self.removals = 0


async def judge(stage: Stage) -> Verdict:
    """Let everything work again, pass twice, and look. The service is running afterwards."""
    verdict = Verdict()
    stage.calm()
    await stage.until_ready()
    for _ in range(PASSES):
        await _pass(stage, verdict)
    await _look_at_rooms(stage, verdict)
    await _until_booked(stage, verdict)
    await stage.stop_service()
    verdict.wrong += await _not_booked(stage)
    _look_at_log(stage.log, verdict)
    return verdict


async def _pass(stage: Stage, verdict: Verdict) -> None:
    try:
        report = await ask(stage.socket, "sync")
    except AppError as failure:
        verdict.wrong.append(f"A pass after the trouble failed: {failure}")
        return
    if report is None:
        verdict.wrong.append("No service answers after the trouble.")


async def _get(stage: Stage, path: str, **params: str) -> Any | None:
    """What the homeserver tells its administrator; None of a room that it does not know (any more)."""
    headers = {"Authorization": f"Bearer {stage.synapse.admin_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{stage.synapse.url}/_synapse/admin/v1/rooms{path}", params=params) as answer,
    ):
        told = await answer.json()
        if answer.status == 404:
            return None
        assert answer.status == 200, f"The homeserver did not tell {path}: {answer.status} {told}"
        return told


async def _rooms_of(stage: Stage) -> list[dict[str, Any]]:
    """Every room that the bot has made, whoever is in it now."""
    found: list[dict[str, Any]] = []
    start = 0
    while True:
        page = await _get(stage, "", limit="500", **{"from": str(start)})
        assert page is not None
        found += [room for room in page["rooms"] if room["creator"] == stage.seat.sender]
        if "next_batch" not in page:
            return found
        start = page["next_batch"]


async def _look_at_rooms(stage: Stage, verdict: Verdict) -> None:
    of_course: dict[str, list[str]] = {}
    for room in await _rooms_of(stage):
        room_id = room["room_id"]
        told = await _get(stage, f"/{quote(room_id)}/state")
        assert told is not None, room
        by_key = {(event["type"], event["state_key"]): event["content"] for event in told["state"]}
        marker = by_key.get((MARKER, ""))
        course = int(marker["moodle_id"]) - FIRST_COURSE if marker is not None else -1
        await _look_at_events(stage, room_id, course, verdict)
        # A room that was begun and given up again has neither marker nor people; it is nobody's room.
        if marker is None or room["joined_members"] == 0:
            continue
        of_course.setdefault(f"{marker['moodle_id']} {marker['room']}", []).append(room_id)
        if marker["room"] == "main" and 0 <= course < COURSES:
            _compare(stage, course, by_key, verdict)
    for key, rooms in of_course.items():
        if len(rooms) > 1:
            verdict.wrong.append(f"There are {len(rooms)} rooms for {key}: {rooms}")
    for course in range(COURSES):
        if f"{course + FIRST_COURSE} main" not in of_course:
            verdict.wrong.append(f"Course {course} has no room.")


def _compare(
    stage: Stage, course: int, state: dict[tuple[str, str], dict[str, Any]], verdict: Verdict
) -> None:
    levels = state["m.room.power_levels", ""].get("users", {})
    for person in range(PEOPLE):
        user = f"@s{person + 1}:{stage.synapse.server_name}"
        membership = state.get(("m.room.member", user), {}).get("membership", "none")
        belongs = stage.model.belongs(course, person)
        if belongs != (membership in ("invite", "join")):
            verdict.wrong.append(f"Course {course}: {user} is {membership}, and belongs there: {belongs}")
        wanted = LEVELS[stage.model.roles[course, person]] if belongs else 0
        if levels.get(user, 0) != wanted:
            verdict.wrong.append(f"Course {course}: {user} has level {levels.get(user, 0)}, not {wanted}")


async def _look_at_events(stage: Stage, room_id: str, course: int, verdict: Verdict) -> None:
    for event in await member_events(stage, room_id):
        verdict.events += 1
        removes = event["content"].get("membership") in ("leave", "ban")
        if event["sender"] != stage.seat.sender or not removes or event["state_key"] == stage.seat.sender:
            continue
        verdict.removals += 1
        person = _person(event["state_key"])
        since = stage.model.first_out.get((course, person)) if person is not None else None
        at = event["origin_server_ts"] / 1000
        if since is None or at < since - SKEW:
            verdict.wrong.append(
                f"Course {course}: {event['state_key']} was removed and had belonged there all the time."
            )


async def member_events(stage: Stage, room_id: str) -> list[dict[str, Any]]:
    """Every membership event of a room, as the homeserver has them."""
    found: list[dict[str, Any]] = []
    only = json.dumps({"types": ["m.room.member"], "lazy_load_members": False})
    start = ""
    while True:
        params = {"dir": "b", "limit": "500", "filter": only, **({"from": start} if start else {})}
        page = await _get(stage, f"/{quote(room_id)}/messages", **params)
        if page is None:
            # The homeserver was set back to a time before this room.
            return found
        chunk = page["chunk"]
        found += chunk
        start = page.get("end", "")
        if not start or not chunk:
            return found


def _person(user: str) -> int | None:
    name = user[1:].split(":", 1)[0]
    return int(name[1:]) - 1 if name[:1] == "s" and name[1:].isdigit() else None


async def _until_booked(stage: Stage, verdict: Verdict) -> None:
    """Where an answer was lost, the push books it, and Synapse may take its time after a trouble of its own."""
    with suppress(TimeoutError):
        async with asyncio.timeout(BOOKED_WITHIN):
            while await _not_booked(stage):
                await _pass(stage, verdict)
                await asyncio.sleep(0.5)


async def _not_booked(stage: Stage) -> list[str]:
    """Removals and invites that stand at the homeserver and have no line in the audit log."""
    missing: list[str] = []
    query = "SELECT room_id, kind, COUNT(*) AS number FROM audit WHERE result = 'done' GROUP BY room_id, kind"
    if stage.story.postgres:
        connection = await asyncpg.connect(stage.database)
        try:
            rows = [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()
    else:
        with sqlite3.connect(stage.folder / "our.db") as database:
            rows = database.execute(query).fetchall()
    booked = Counter({(room, kind): number for room, kind, number in rows})
    for room_id in {room for room, _, _ in rows if room}:
        events = await member_events(stage, room_id)
        ours = [one for one in events if one["sender"] == stage.seat.sender]
        others = [one for one in ours if one["state_key"] != stage.seat.sender]
        for kinds, memberships in ((("Invite",), ("invite",)), (("Remove", "Ban"), ("leave", "ban"))):
            happened = sum(1 for one in others if one["content"].get("membership") in memberships)
            written = sum(booked[room_id, kind] for kind in kinds)
            if happened > written:
                missing.append(
                    f"{room_id}: {happened} events {memberships[0]} of the bot, and {written} lines in the audit log"
                )
    return missing


def _look_at_log(path: Path, verdict: Verdict) -> None:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if "bug of ours" in line or "This is a bug" in line:
            verdict.wrong.append(f"The log: {line}")
