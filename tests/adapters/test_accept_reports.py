"""Reports that were changed on purpose are accepted: by the running service, or on its database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from moodle_appservice.config.settings import Settings
from moodle_appservice.control import ControlDoor, ask
from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.demo.sandbox.report_seed import MEMBERSHIPS
from moodle_appservice.demo.sandbox.reports import ReportColumn
from moodle_appservice.domain.model import UserId
from moodle_appservice.domain.rules import Rules
from moodle_appservice.engine.queues.memory import MemoryQueue
from moodle_appservice.errors import AppError, PermanentFailure
from moodle_appservice.moodle import MoodleClient, report_errors
from moodle_appservice.show import accepted_text
from moodle_appservice.source import FINGERPRINT, Source, extra_roles, report_names
from moodle_appservice.store.books import Books

NOW = 1795204800
NO_OPERATIONS, NO_REGISTRAR, NO_PERSONAL = cast(Any, None), cast(Any, None), cast(Any, None)
NO_SWITCHES = cast(Any, None)
NO_ROOMS = cast(Any, None)


class HandClock:
    time = float(NOW)

    def now(self) -> float:
        self.time += 1
        return self.time


def settings(moodle: SandboxMoodle, **more: Any) -> Settings:
    return Settings.model_validate(
        {
            "site": "uni",
            "moodle": {"url": moodle.url, "token": moodle.token, "source": "reports", **more},
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": "uni.test"},
        }
    )


def source(moodle: SandboxMoodle, session: aiohttp.ClientSession, books: Books, **more: Any) -> Source:
    rules = Rules("uni", "uni.test", UserId("@moodle:uni.test"))
    clock = HandClock()
    client = MoodleClient(moodle.url, moodle.token, session=session, attempts=1)
    return Source(settings(moodle, **more), rules, client, books, MemoryQueue(clock), clock)


async def test_what_is_accepted_is_what_the_next_run_compares_with(books: Books, tmp_path: Path) -> None:
    async with SandboxMoodle(clock=lambda: NOW) as moodle, aiohttp.ClientSession() as session:
        first = source(moodle, session, books)
        await first.recall()
        assert len(await first.accept_reports()) == 7, "all are new"
        moodle.reports.named(MEMBERSHIPS).columns.append(ReportColumn("course:idnumber"))
        second = source(moodle, session, books)
        await second.recall()
        with pytest.raises(report_errors.ReportChanged):
            await second.facts.site(not_older_than=NOW + 100)
        door = ControlDoor(
            tmp_path / "s.sock",
            NO_OPERATIONS,
            NO_REGISTRAR,
            NO_PERSONAL,
            second.accept_reports,
            NO_SWITCHES,
            NO_ROOMS,
        )
        await door.start()
        try:
            answer = await ask(tmp_path / "s.sock", "accept")
        finally:
            await door.stop()
        assert answer is not None and "Its columns were" in answer["changed"][0]
        assert "Accepted" in accepted_text(answer)
        assert "course:idnumber" not in str(answer)
        stored = await books.settings.get(FINGERPRINT)
        assert stored is not None and set(json.loads(stored)) >= {"memberships", "users", "roles"}
        third = source(moodle, session, books)
        await third.recall()
        await third.facts.site(not_older_than=NOW)
        assert await third.accept_reports() == ()
        for one in (first, second, third):
            await one.close()


async def test_without_reports_there_is_nothing_to_accept(books: Books, tmp_path: Path) -> None:
    async with SandboxMoodle(clock=lambda: NOW) as moodle, aiohttp.ClientSession() as session:
        one = source(moodle, session, books, source="courses")
        with pytest.raises(PermanentFailure, match="There are no reports"):
            await one.accept_reports()
        door = ControlDoor(
            tmp_path / "s.sock",
            NO_OPERATIONS,
            NO_REGISTRAR,
            NO_PERSONAL,
            one.accept_reports,
            NO_SWITCHES,
            NO_ROOMS,
        )
        await door.start()
        try:
            with pytest.raises(AppError, match="Nothing was changed"):
                await ask(tmp_path / "s.sock", "accept")
        finally:
            await door.stop()
            await one.close()
    assert "nothing to accept" in accepted_text({"changed": []})


async def test_reports_and_headers_are_found_as_the_configuration_says(books: Books) -> None:
    async with SandboxMoodle(clock=lambda: NOW) as moodle, aiohttp.ClientSession() as session:
        moodle.reports.named("Matrix users").name = "People for the chat"
        number = moodle.reports.named(MEMBERSHIPS).id
        moodle.reports.named(MEMBERSHIPS).name = "Something else"
        listed = moodle.reports.named("Matrix courses")
        own = next(one for one in listed.columns if one.identifier.endswith("matrix_enabled"))
        own.heading = "Chat room"
        one = source(
            moodle,
            session,
            books,
            reports={"memberships": str(number), "users": "people for the chat"},
            report_headers={"matrix_enabled": "Chat room"},
        )
        site = await one.facts.site(not_older_than=NOW)
        assert all("matrix_enabled" in course.custom_fields for course in site.courses.values())
        await one.close()


def test_the_configuration_is_read_entry_by_entry() -> None:
    found = Settings.model_validate(
        {
            "site": "uni",
            "moodle": {
                "url": "https://moodle.example.org",
                "token": "x",
                "reports": {"users": "12", "groups": "Groups 12"},
            },
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": "uni.test"},
            "roles": {"extra": {"4": ["anna", "id:7", "ünï cödé as teacher"]}},
        }
    )
    assert report_names(found) == {"users": 12, "groups": "Groups 12"}
    read = [(one.category, one.person, one.role) for one in extra_roles(found)]
    assert read == [("4", "anna", "manager"), ("4", "id:7", "manager"), ("4", "ünï cödé", "teacher")]
