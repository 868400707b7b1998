"""One process that reads one Moodle again and again, as the service does, and tells what it cost.

Everything between a signal and a course that is due runs as in the service: configuration, client, source with its
judgement, `SitePass`, the queue, and a database on disk. What lies behind it does not: a course that was due is
taken as looked at and found right, as a look at its room would have ended (`Settled`), and the gate to Matrix stands
open. Started by `moodle.py`; its last line is one JSON object.

The processor time is of all threads of this process alone. The kernel's mark of the most memory is set back before
each phase (Linux), so each has its own peak, with whatever is kept from before in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from moodle_appservice.demo import house
from moodle_appservice.domain.digest import digest
from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.endings import Endings
from moodle_appservice.engine.freshness import Freshness
from moodle_appservice.engine.gate import Gate
from moodle_appservice.engine.settled import Settled
from moodle_appservice.engine.site import SitePass
from moodle_appservice.moodle import report_tables, shapes
from moodle_appservice.moodle.answer import Reply, read_answer, text_decoder
from moodle_appservice.moodle.bulk import BULK, decode_bulk
from moodle_appservice.moodle.errors import MoodleError
from moodle_appservice.moodle.report_fetch import RETRIEVE, Choice, ReportReader, find, parse_page
from moodle_appservice.moodle.report_kinds import MEMBERSHIPS
from moodle_appservice.moodle.report_layout import recognise
from moodle_appservice.moodle.rosters import roster_call
from moodle_appservice.ports import SITE, Priority, Taken
from moodle_appservice.service import Service

SITE_NAME, DOMAIN = "bench", "uni.test"
PASSES = 3
"""So often an unchanged site is looked at."""
ROSTERS = 20
"""Lists of participants in one bulk request: what the service asks for by default."""


class OpenGate(Gate):
    """Behind it nothing is written, so there is nothing to wait for."""

    async def check(self) -> bool:
        """All that is known can be relied upon."""
        return True


class Reading:
    """One service without its Matrix half, and the passes that it makes."""

    def __init__(self, service: Service, enrolments: int) -> None:
        self._service = service
        self._enrolments = enrolments
        self._settled = Settled()
        self._freshness = Freshness()
        self._pass = SitePass(
            service.facts,
            service.store,
            service.queue,
            OpenGate(service.matrix, service.store, service.rules),
            service.rules,
            service.clock,
            self._freshness,
            self._settled,
            Endings(service.store, service.queue, service.rules, service.clock),
            after_reading=service.source.after_reading,
        )

    async def look(self, *signals: str) -> list[CourseId]:
        """One pass; the courses that it made due."""
        await self._pass.run(Taken(SITE, Priority.PASS, 0, frozenset(signals or ("pass",))))
        due: list[CourseId] = []
        while self._service.queue.depth():
            taken = await self._service.queue.take()
            due.append(CourseId(taken.key.number))
            await self._service.queue.done(taken)
        return due

    async def settle(self, due: list[CourseId]) -> None:
        """Take these courses as looked at and found right."""
        for course_id in due:
            self._settled.settle(course_id, await self.digest(course_id, not_older_than=0.0))

    async def digest(self, course_id: CourseId, *, not_older_than: float) -> int:
        """What decides a course."""
        facts = await self._service.facts.course_facts(course_id, not_older_than=not_older_than)
        site = await self._service.facts.site(not_older_than=0.0)
        return digest(facts, site.categories.get(facts.course.category_id))

    async def measured(self) -> tuple[dict[str, Any], list[CourseId]]:
        """What one pass cost, and the courses that it made due."""
        moodle = self._service.moodle
        gc.collect()
        reset_peak()
        requests, received = moodle.requests, moodle.bytes_received
        cpu, began = time.process_time(), time.perf_counter()
        due = await self.look()
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        return {
            "wall_s": round(wall, 3),
            "cpu_s": round(cpu, 3),
            "requests": moodle.requests - requests,
            "bytes": moodle.bytes_received - received,
            "peak_rss_mb": round(peak_mb(), 1),
            "rows_per_s": round(self._enrolments / wall),
        }, due


def summary(passes: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several passes: the median of times, the worst of everything else."""
    times = {key: median(one[key] for one in passes) for key in ("wall_s", "cpu_s", "rows_per_s")}
    return {key: times.get(key, max(one[key] for one in passes)) for key in passes[0]}


def reset_peak() -> None:
    """Begin to look for the most memory anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mb() -> float:
    """The most memory since `reset_peak`, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None, "no VmHWM: this benchmark needs Linux"
    return int(found[1]) / 1024


async def changed(options: argparse.Namespace, course_id: CourseId, service: Service) -> None:
    """Take somebody out of a course, on the sandbox's page."""
    facts = await service.facts.course_facts(course_id, not_older_than=0.0)
    user = facts.enrolments[-1].user_id
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{options.url}/course/{course_id}/unenrol", data={"user": user}, allow_redirects=False
        ) as answer,
    ):
        assert answer.status == 303, f"the sandbox answers {answer.status}"


async def measure(options: argparse.Namespace, service: Service) -> dict[str, Any]:
    """First sight, an unchanged site, a change found by a pass, and one found by a hint."""
    reading = Reading(service, options.courses * options.people)
    first, due = await reading.measured()
    assert len(due) == options.courses, f"{len(due)} courses are due at first sight"
    await reading.settle(due)
    passes: list[dict[str, Any]] = []
    for _ in range(PASSES):
        unchanged, due = await reading.measured()
        assert not due, f"nothing has changed, but {len(due)} courses are due"
        passes.append(unchanged)
    first_course, *_, last_course = sorted((await service.facts.site(not_older_than=0.0)).courses)
    await changed(options, first_course, service)
    began = time.perf_counter()
    due = await reading.look()
    by_pass = time.perf_counter() - began
    assert due == [first_course], f"course {first_course} has changed, due are {due}"
    before = await reading.digest(last_course, not_older_than=0.0)
    await changed(options, last_course, service)
    began = time.perf_counter()
    assert before != await reading.digest(last_course, not_older_than=service.clock.now())
    by_hint = time.perf_counter() - began
    return {
        "first": first,
        "unchanged": summary(passes),
        "change_to_dirty_s": round(by_pass, 3),
        "hint_to_dirty_s": round(by_hint, 3),
        "parse_rows_per_s": await (parse_report if options.source == "reports" else parse_rosters)(
            options, service
        ),
    }


async def body_of(options: argparse.Namespace, function: str, form: dict[str, str]) -> bytes:
    """An answer as it comes over the wire."""
    common = {"wstoken": options.token, "wsfunction": function, "moodlewsrestformat": "json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{options.url}/webservice/rest/server.php", data=common | form) as answer,
    ):
        return await answer.read()


def reply_of(body: bytes) -> Reply:
    """The answer, made text of as the client does it."""
    return Reply(200, text_decoder().decode(body, final=True))


async def parse_report(options: argparse.Namespace, service: Service) -> int:
    """Rows of the memberships a second, from bytes to who is where; the best of three."""
    listed = await ReportReader(service.moodle).list_reports()
    number = find(MEMBERSHIPS, Choice(service.settings.moodle.reports_prefix), listed)
    body = await body_of(options, RETRIEVE, {"reportid": str(number), "page": "0", "perpage": "0"})
    rows = 0

    def parse() -> None:
        nonlocal rows
        page = parse_page(read_answer(RETRIEVE, reply_of(body), set(), compact=True))
        rows = len(page.rows)
        report_tables.memberships(page, recognise(MEMBERSHIPS, page.description, page.rows))

    took = best_of_three(parse)
    return round(rows / took)


async def parse_rosters(options: argparse.Namespace, service: Service) -> int:
    """Participants a second, from bytes to who is where; the best of three."""
    courses = sorted((await service.facts.site(not_older_than=0.0)).courses)[:ROSTERS]
    calls = [roster_call(course_id) for course_id in courses]
    form: dict[str, str] = {}
    for at, (function, parameters) in enumerate(calls):
        form[f"requests[{at}][function]"] = function
        form[f"requests[{at}][arguments]"] = json.dumps(parameters)
    body = await body_of(options, BULK, form)
    rows = 0

    def parse() -> None:
        nonlocal rows
        outcomes = decode_bulk(calls, read_answer(BULK, reply_of(body), set()))
        rows = 0
        for outcome in outcomes:
            assert not isinstance(outcome, MoodleError), outcome
            rows += len(shapes.roster(outcome, "en").enrolments)

    took = best_of_three(parse)
    return round(rows / took)


def best_of_three(work: Callable[[], None]) -> float:
    """Seconds of the processor."""
    times = []
    for _ in range(3):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Open the service's lower half in a folder of its own, measure, close it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        house.write_registration(home, site=SITE_NAME, domain=DOMAIN, port=1)
        config = house.write_config(
            home,
            site=SITE_NAME,
            moodle_url=options.url,
            moodle_token=options.token,
            homeserver_url="http://127.0.0.1:9",
            domain=DOMAIN,
            port=1,
            overrides={"moodle": {"source": options.source, "timeout": 600}},
        )
        service = Service(*house.read(config))
        await service.prepare()
        try:
            return await measure(options, service)
        finally:
            await service.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Read one Moodle; started by moodle.py.")
    for name in ("url", "token", "source"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("courses", "people"):
        parser.add_argument(f"--{name}", type=int, required=True)
    print(json.dumps(asyncio.run(run(parser.parse_args()))), file=sys.stdout)


if __name__ == "__main__":
    main()
