"""The checks of `doctor`, one by one: what makes each fail, warn or pass, and with which code the whole ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.cli import Exit
from moodle_appservice.config import Settings
from moodle_appservice.doctor import database, machine
from moodle_appservice.doctor.checks import CHECKS
from moodle_appservice.doctor.examined import Examined
from moodle_appservice.doctor.frame import FAILED, OK, UNCHECKED, WARNING, Check, Result, examine, exit_of
from moodle_appservice.doctor.relay import CHECK_RELAY
from moodle_appservice.domain.model import MoodleUserId
from moodle_appservice.domain.rules import Rules
from moodle_appservice.errors import AppError, PermanentFailure, Unreachable
from moodle_appservice.moodle.content_shapes import CONFIG, NEEDED
from moodle_appservice.ports import Reader
from moodle_appservice.registration import Namespace, Registration

BOT = "@moodlebot:uni.test"
BY_NAME: Mapping[str, Check[Examined]] = {check.name: check for check in CHECKS}
WELL: dict[str, Any] = {
    "bot": BOT,
    "last_pass": None,
    "database": {"engine": "SQLite", "version": "3.40.1", "schema": 7, "bytes": 0, "audit": 0},
    "rooms": {
        "total": 2,
        "encrypted": [],
        "tombstoned": [],
        "powerless": [],
        "foreign": [],
        "unread": 0,
        "missing": 0,
    },
    "work": {
        "courses": 2,
        "on": 2,
        "failing": 0,
        "last_sync": None,
        "held": 0,
        "held_since": None,
        "commands": 0,
    },
    "queue": {"keys": 0, "oldest": 0.0},
    "orphans": [],
    "paused": [],
    "lti": {"registered": True, "keys": ""},
}


CROWDED_ROOM = {"room": "!a", "what": "crowded", "sentence": "3 people have no power level here."}


def surveyed(**parts: Any) -> dict[str, Any]:
    """What the books tell when all is well, but for these parts."""
    found = json.loads(json.dumps(WELL))
    for name, part in parts.items():
        found[name] = {**found[name], **part} if isinstance(part, dict) else part
    return cast(dict[str, Any], found)


class Homeserver:
    """What `HomeserverSurvey` and the client answer."""

    def __init__(self) -> None:
        self.known = frozenset({"v1.11"})
        self.name = "Synapse 1.163.2"
        self.rooms = {"12": "stable", "11": "stable", "13": "unstable"}
        self.taken_for = BOT
        self.profile: str | AppError = "Moodle"

    async def versions(self) -> frozenset[str]:
        return self.known

    async def server(self) -> str:
        return self.name

    async def room_versions(self) -> Mapping[str, str]:
        return self.rooms

    async def whoami(self) -> str:
        return self.taken_for

    async def display_name(self, _: str) -> str:
        if isinstance(self.profile, AppError):
            raise self.profile
        return self.profile


def installation(
    tmp_path: Path, *, survey: Mapping[str, Any] | None = None, running: bool = False, **settings: Any
) -> Examined:
    """One that is all well."""
    homeserver = Homeserver()

    async def told(_: str, __: Mapping[str, Any]) -> Mapping[str, Any]:
        return survey if survey is not None else WELL

    service = SimpleNamespace(
        rules=Rules("uni", "uni.test", cast(Any, BOT)),
        switches=SimpleNamespace(do=told),
        homeserver=homeserver,
        matrix=homeserver,
    )
    made = Settings.model_validate(
        {
            "site": "uni",
            "database": f"sqlite:{tmp_path / 'our.db'}",
            "control_socket": str(tmp_path / "control.sock"),
            "moodle": {"url": "http://127.0.0.1:9", "token": "t" * 32},
            "homeserver": {"address": "http://127.0.0.1:9", "domain": "uni.test"},
            "appservice": {"registration": str(tmp_path / "registration.yaml")},
            **settings,
        }
    )
    found = Registration(
        "moodle",
        "http://127.0.0.1:9",
        cast(Any, None),
        cast(Any, None),
        "moodlebot",
        (Namespace("@moodle_uni_.*:uni.test"),),
        (Namespace("#moodle_uni_.*:uni.test"),),
    )
    at = Examined(made, found, cast(Any, service), config=tmp_path / "config.yaml")
    at.running = running
    if running:
        at._survey = survey if survey is not None else WELL
    return at


async def result(name: str, at: Examined) -> Result:
    """How one check ends, whatever comes before it."""
    (found,) = await examine([BY_NAME[name]], at)
    return found


def test_there_are_more_than_thirty_checks_each_with_a_name_a_fix_and_a_code() -> None:
    assert len(CHECKS) >= 30
    assert len(BY_NAME) == len(CHECKS), "two checks have the same name"
    for number, check in enumerate(CHECKS):
        assert check.about.endswith(".") and check.hint.endswith("."), check.name
        assert check.code in (Exit.OTHER, Exit.CONFIGURATION, Exit.HELD), check.name
        before = [one.name for one in CHECKS[:number]]
        assert not check.after or check.after in before, f"{check.name} comes before {check.after}"


async def test_the_books_and_the_homeserver_of_a_healthy_installation_pass(tmp_path: Path) -> None:
    at = installation(tmp_path)
    names = [
        *("Configuration", "Modes of files", "Control socket", "Machine", "Registration", "Namespaces"),
        *("The homeserver knows us", "Bot unchanged", "Account of the bot", "Version of the homeserver"),
        *("Room version", "Database", "Version of the database", "Queue", "Looks at the whole site"),
        *("Courses in trouble", "Held by safety", "Paused", "Messages to the bot", "Power of the bot"),
        *("Rooms that are ours", "Encrypted rooms", "Replaced rooms", "Picture of the rooms", "Orphans"),
    ]
    results = await examine([BY_NAME[name] for name in names], at)
    assert [(one.name, one.found) for one in results if one.state != OK] == []
    assert exit_of(results) == Exit.DONE


@pytest.mark.parametrize(
    ("name", "parts", "state", "said"),
    [
        ("Bot unchanged", {"bot": "@old:uni.test"}, FAILED, "The bot of this database is @old:uni.test"),
        ("Version of the database", {"database": {"version": "3.31.0"}}, WARNING, "older than 3.40"),
        (
            "Version of the database",
            {"database": {"engine": "PostgreSQL", "version": "13.2 (Debian)"}},
            WARNING,
            "older than 15.0",
        ),
        (
            "Version of the database",
            {"database": {"engine": "PostgreSQL", "version": "16.4 (Debian)"}},
            OK,
            "PostgreSQL 16.4",
        ),
        ("Courses in trouble", {"work": {"failing": 1}}, WARNING, "Of 2 courses that are on 1 had trouble"),
        ("Held by safety", {"work": {"held": 2, "held_since": 0.0}}, FAILED, "since 1970-01-01"),
        ("Paused", {"paused": ["The whole site is paused."]}, WARNING, "The whole site is paused."),
        ("Messages to the bot", {"work": {"commands": 101}}, WARNING, "101 messages"),
        ("Power of the bot", {"rooms": {"powerless": ["!a"]}}, FAILED, "has not all power in !a"),
        ("Rooms that are ours", {"rooms": {"foreign": ["!a"]}}, FAILED, "marker of !a is not ours"),
        ("Encrypted rooms", {"rooms": {"encrypted": ["!a"]}}, WARNING, "Encrypted: !a."),
        ("Replaced rooms", {"rooms": {"tombstoned": ["!a", "!b"]}}, FAILED, "another room: !a, !b."),
        ("Picture of the rooms", {"rooms": {"missing": 1}}, WARNING, "Of 1 of 2 rooms nothing is known"),
        ("Orphans", {"orphans": ["!x"]}, WARNING, "failed start: !x."),
        ("Orphans", {"orphans": None}, OK, "Can't be seen"),
        ("Changes in rooms", {"drift": [CROWDED_ROOM]}, OK, "Nothing in the rooms"),
        ("Levels in large rooms", {"drift": [CROWDED_ROOM]}, WARNING, "!a: 3 people have no power level"),
        ("Levels in large rooms", {"drift": [{**CROWDED_ROOM, "what": "alias"}]}, OK, "fit into one event"),
        ("Registration with Moodle", {"lti": {"registered": False}}, WARNING, "does not know this service"),
    ],
)
async def test_what_the_books_tell_makes_the_check_fail(
    tmp_path: Path, name: str, parts: dict[str, Any], state: str, said: str
) -> None:
    at = installation(tmp_path, survey=surveyed(**parts), web={"public_url": "https://chat.uni.test"})
    found = await result(name, at)
    assert (found.state, said in found.found) == (state, True), found.found
    assert bool(found.hint) is (state != OK)


async def test_the_queue_and_the_passes_of_a_running_service_are_watched(tmp_path: Path) -> None:
    late = surveyed(queue={"keys": 3, "oldest": 700.0}, last_pass=time.time() - 4000)
    at = installation(tmp_path, survey=late, running=True)
    assert (await result("Queue", at)).state == WARNING
    passes = await result("Looks at the whole site", at)
    assert passes.state == FAILED and "one every 300 s" in passes.found
    recent = surveyed(last_pass=time.time() - 10)
    assert (
        await result("Looks at the whole site", installation(tmp_path, survey=recent, running=True))
    ).state == OK


async def test_what_keeps_us_from_the_database_is_said_once(tmp_path: Path) -> None:
    at = installation(tmp_path)
    at.no_database = PermanentFailure("It was written by a newer version.")
    results = {one.name: one for one in await examine(database.CHECKS, at)}
    assert results["Database"].found == "It was written by a newer version."
    assert results["Held by safety"].state == UNCHECKED


@pytest.mark.parametrize(
    ("name", "change", "state", "said"),
    [
        ("The homeserver knows us", {"taken_for": "@x:uni.test"}, FAILED, "takes us for @x:uni.test"),
        ("Version of the homeserver", {"known": frozenset({"v1.2"})}, WARNING, "does not know Matrix v1.11"),
        ("Version of the homeserver", {"name": ""}, OK, "is not told to us"),
        ("Room version", {"rooms": {"11": "stable"}}, FAILED, "makes rooms of the versions 11"),
        ("Room version", {"rooms": {"12": "unstable"}}, WARNING, "calls the room version 12 unstable"),
        ("Account of the bot", {"profile": PermanentFailure("404")}, WARNING, "has no profile yet"),
    ],
)
async def test_what_the_homeserver_tells_makes_the_check_fail(
    tmp_path: Path, name: str, change: dict[str, Any], state: str, said: str
) -> None:
    at = installation(tmp_path)
    vars(at.service.homeserver).update(change)
    found = await result(name, at)
    assert (found.state, said in found.found) == (state, True), found.found


async def test_namespaces_that_leave_our_names_to_others_are_found(tmp_path: Path) -> None:
    at = installation(tmp_path)
    whole = at.found
    at.found = replace(whole, aliases=())
    assert (await result("Namespaces", at)).state == FAILED
    at.found = replace(whole, users=())
    found = await result("Namespaces", at)
    assert found.state == WARNING and "virtual users can't be made" in found.found


async def test_a_rate_limit_is_a_warning(tmp_path: Path) -> None:
    at = installation(tmp_path)
    at.found = replace(at.found, rate_limited=True)
    assert (await result("Registration", at)).state == WARNING


async def test_files_that_everybody_may_read_fail_and_their_code_is_the_configurations(
    tmp_path: Path,
) -> None:
    at = installation(tmp_path)
    for name in ("config.yaml", "registration.yaml", "our.db"):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o600)
    assert (await result("Modes of files", at)).state == OK
    (tmp_path / "our.db").chmod(0o644)
    found = await result("Modes of files", at)
    assert (found.state, found.code) == (FAILED, Exit.CONFIGURATION)
    assert "our.db" in found.found and "config.yaml" not in found.found


async def test_a_socket_that_can_not_be_made_fails(tmp_path: Path) -> None:
    at = installation(tmp_path, control_socket=str(tmp_path / "none" / "control.sock"))
    assert "can't be written" in (await result("Control socket", at)).found


@pytest.mark.parametrize(("free", "state"), [(50, FAILED), (500, WARNING), (5000, OK)])
async def test_free_space_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    usage = SimpleNamespace(free=free * machine.MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = await result("Free space", installation(tmp_path))
    assert found.state == state and f"{free} MiB are free in {tmp_path}" in found.found


@pytest.fixture
async def clock() -> AsyncIterator[tuple[str, dict[str, float]]]:
    """A server whose clock is wrong by so many seconds."""
    wrong = {"by": 0.0}

    async def answer(_: web.Request) -> web.Response:
        told = datetime.now(UTC) + timedelta(seconds=wrong["by"])
        return web.Response(headers={"Date": format_datetime(told, usegmt=True)})

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/")).rstrip("/"), wrong


@pytest.mark.parametrize(("by", "state"), [(0, OK), (-8, OK), (100, WARNING), (-1000, FAILED)])
async def test_clocks_that_differ_are_found(
    tmp_path: Path, clock: tuple[str, dict[str, float]], by: float, state: str
) -> None:
    address, wrong = clock
    wrong["by"] = by
    at = installation(tmp_path, homeserver={"address": address, "domain": "uni.test"})
    assert (await result("Clock of the homeserver", at)).state == state


async def test_who_does_not_answer_ends_with_3_and_a_hint_of_its_own(tmp_path: Path) -> None:
    found = await result("Clock of Moodle", installation(tmp_path))
    assert (found.state, found.code, found.unreachable) == (FAILED, Exit.UNREACHABLE, True)
    assert found.hint == "Is Moodle there? See `moodle.url`."


def _certificate(folder: Path, days: int) -> ssl.SSLContext:
    """One for localhost, of our own making."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [(100, OK, "good for 100 days"), (5, WARNING, "good for 5 days"), (-2, FAILED, "is not valid")],
)
async def test_certificates_that_end_soon_or_have_ended_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, state: str, said: str
) -> None:
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=_certificate(tmp_path, days)
    )
    port = server.sockets[0].getsockname()[1]
    usual = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda: usual(cafile=str(tmp_path / "cert.pem")))
    at = installation(tmp_path, web={"public_url": f"https://localhost:{port}"})
    found = await result("Certificate of our pages", at)
    server.close()
    await server.wait_closed()
    assert (found.state, said in found.found) == (state, True), found.found


async def test_pages_behind_a_wrong_address_are_found(
    tmp_path: Path, clock: tuple[str, dict[str, float]]
) -> None:
    at = installation(tmp_path, running=True, web={"public_url": clock[0]})
    found = await result("Our pages", at)
    assert found.state == FAILED and "HTTP 404" in found.found


def relaying(
    tmp_path: Path, *excess: str, zone: str = "Europe/Berlin", also: frozenset[str] = frozenset()
) -> Examined:
    """An installation whose relay finds this of its reader."""

    async def found(*, with_books: bool) -> tuple[str, ...]:
        assert with_books
        return excess

    async def reader() -> Reader:
        functions = frozenset({*NEEDED, CONFIG}) | also
        return Reader(MoodleUserId(77), False, functions, "http://127.0.0.1:9", True)

    async def time_zone() -> str:
        return zone

    at = installation(tmp_path)
    relay, content = SimpleNamespace(excess=found), SimpleNamespace(reader=reader, time_zone=time_zone)
    cast(Any, at.service).relaying = SimpleNamespace(relay=relay, content=content)
    return at


async def test_a_content_token_that_sees_no_more_than_participants_passes(tmp_path: Path) -> None:
    found = await result(CHECK_RELAY, relaying(tmp_path))
    assert (found.state, found.found) == (
        OK,
        "Their reader sees what participants see. Times are told in Europe/Berlin.",
    )


@pytest.mark.parametrize(
    "excess",
    [
        ("Its account is an administrator of the site.",),
        ("It may enter the hidden course 7: take moodle/course:viewhiddencourses from its role.",),
        ("It is shown posts to single groups.", "It is shown posts before or after their time."),
    ],
    ids=len,
)
async def test_a_content_token_that_sees_too_much_is_refused_with_what_it_sees(
    tmp_path: Path, excess: tuple[str, ...]
) -> None:
    found = await result(CHECK_RELAY, relaying(tmp_path, *excess))
    assert found.state == FAILED
    assert all(one in found.found for one in excess)
    assert "Nothing is told in any room." in found.found
    assert exit_of([found]) != Exit.DONE


async def test_a_content_token_with_more_functions_or_no_time_zone_is_a_warning(tmp_path: Path) -> None:
    found = await result(CHECK_RELAY, relaying(tmp_path, also=frozenset({"core_user_update_users"})))
    assert found.state == WARNING and "core_user_update_users" in found.found
    found = await result(CHECK_RELAY, relaying(tmp_path, zone=""))
    assert found.state == WARNING and "told in UTC" in found.found


async def test_the_code_of_the_whole_is_that_of_the_worst() -> None:
    async def held(_: None) -> str:
        raise PermanentFailure("held")

    async def lost(_: None) -> str:
        raise Unreachable("lost")

    checks = [
        Check("held", "", held, "", code=Exit.HELD),
        Check("wrong", "", held, "", code=Exit.CONFIGURATION),
        Check("lost", "", lost, ""),
    ]
    for number, code in ((1, Exit.HELD), (2, Exit.CONFIGURATION), (3, Exit.UNREACHABLE)):
        assert exit_of(await examine(checks[:number], None)) == code
