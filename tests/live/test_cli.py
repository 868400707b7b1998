"""The program as an administrator runs it: commands, exit codes, the control socket, secrets in no output."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest

from moodle_appservice.demo.sandbox import Fault
from moodle_appservice.domain.model import RoomId, UserId
from tests.live.house import House, until
from tests.live.town import Town
from tests.nursery import Run, nursery


async def program(*words: str, cwd: Path) -> tuple[int, str]:
    """Run the program to its end; returns its exit code and what it printed, errors included."""
    with TemporaryDirectory() as folder:
        log = Path(folder) / "output"
        run = await asyncio.to_thread(lambda: nursery().begin(words, cwd=cwd, log=log))
        try:
            return await asyncio.to_thread(run.wait), log.read_text(encoding="utf-8")
        finally:
            await asyncio.to_thread(run.kill)


async def ask(house: House, *words: str) -> tuple[int, str]:
    """Run the program on this house; no output ever holds a secret."""
    code, out = await program("-c", str(house.config()), *words, cwd=house.folder)
    for secret in (house.moodle.token, house.seat.as_token, house.seat.hs_token):
        assert secret not in out
    return code, out


@asynccontextmanager
async def running(house: House, *words: str) -> AsyncIterator[Run]:
    """The service as its own process, told to stop at the end."""
    log = house.folder / "service.log"
    log.unlink(missing_ok=True)
    process = await asyncio.to_thread(
        lambda: nursery().begin(["-c", str(house.config()), *words], cwd=house.folder, log=log)
    )

    async def ready() -> bool:
        assert process.running, log.read_text()
        return (house.folder / "control.sock").exists()

    try:
        await until(ready, "the service is ready")
        yield process
    finally:
        await asyncio.to_thread(process.end, 60.0)


async def test_generate_in_an_empty_folder_leads_to_a_registration(tmp_path: Path) -> None:
    code, out = await program("-g", cwd=tmp_path)
    assert (code, (tmp_path / "config.yaml").exists()) == (0, True)
    assert "moodle.url" in out


async def test_init_makes_an_installation_that_lacks_nothing_but_the_restart_of_the_homeserver(
    house: House, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(house.moodle.token)
    token.chmod(0o600)
    where = ("--moodle-url", str(house.moodle.url), "--homeserver-url", house.synapse.url)
    which = ("--site", "fresh", "--domain", house.synapse.server_name, "--moodle-token-file", str(token))
    code, out = await program("init", *where, *which, cwd=tmp_path)
    assert code == 0, out
    assert house.moodle.token not in out
    assert "✓ Moodle lists its courses: 2 courses" in out
    assert [line for line in out.splitlines() if line.startswith("✗")] == [
        line for line in out.splitlines() if line.startswith("✗ The homeserver knows us: ")
    ]
    assert f"app_service_config_files:\n         - {tmp_path / 'registration.yaml'}" in out
    code, out = await program("init", *where, *which, cwd=tmp_path)
    assert (code, "was left as it is" in out) == (1, True)


async def test_a_wrong_configuration_ends_with_2_and_names_the_line(house: House) -> None:
    path = house.config()
    path.write_text(path.read_text().replace('"interval"', '"intervall"'))
    code, out = await program("-c", str(path), "plan", cwd=house.folder)
    assert code == 2
    assert "moodle.intervall" in out
    assert "config.yaml:" in out


async def test_the_plan_of_a_new_installation_shows_rooms_and_invites_and_changes_nothing(
    house: House,
) -> None:
    mark = house.synapse.mark()
    code, out = await ask(house, "plan", "--json")
    assert code == 0, out
    plan = json.loads(out)
    kinds = [action["kind"] for action in plan["courses"][0]["actions"]]
    assert kinds == ["CreateRoom", "Invite", "Invite", "Invite", "Invite"]
    assert plan["actions"] == 10
    # In a database that is new it is looked for rooms of an older one.
    assert {(one.method, one.path) for one in house.sent_since(mark)} <= {
        ("GET", "/_matrix/client/v3/joined_rooms")
    }
    code, out = await ask(house, "plan", "--course", "2")
    assert "make the room “C1: Course number 1”" in out


async def test_sync_without_a_running_service_does_the_work_and_ends_with_0(house: House) -> None:
    code, out = await ask(house, "sync")
    assert (code, "Everything is as it should be." in out) == (0, True), out
    assert set((await house.members(2)).values()) == {"invite"}
    code, out = await ask(house, "plan")
    assert (code, "all as it should be" in out) == (0, True)
    room = await house.room_of(2)
    rules = f"/_matrix/client/v3/rooms/{room}/state/m.room.join_rules/"
    await house.ask("PUT", rules, body={"join_rule": "public"})
    code, out = await ask(house, "plan", "--course", "2", "--audit")
    assert (code, "differed: course 2 main: m.room.join_rules" in out) == (0, True), out
    assert (await house.state(2))["m.room.join_rules", ""] == {"join_rule": "public"}, (
        "a plan changes nothing"
    )


async def test_sync_with_a_running_service_goes_through_its_socket(house: House) -> None:
    async with running(house):
        assert (house.folder / "control.sock").stat().st_mode & 0o777 == 0o600
        code, out = await ask(house, "sync", "--course", "2")
        assert (code, "Everything is as it should be." in out) == (0, True), out
        code, out = await ask(house, "doctor")
        assert "in use by the running service" in out
        code, out = await ask(house, "sync", "--course", "99")
        assert (code, "lists no course 99" in out) == (1, True)


async def test_rooms_are_adopted_found_and_upgraded_from_the_command_line(house: House) -> None:
    made = await house.ask("POST", "/_matrix/client/v3/createRoom", body={"name": "Ours since long"})
    room = made["room_id"]
    code, out = await ask(house, "adopt", "2")
    assert (code, "name a course and a room, or --find" in out) == (2, True), out
    code, out = await ask(house, "adopt", "2", room)
    assert "The room was not adopted; nothing was changed." in out, (code, out)
    code, out = await ask(house, "adopt", "2", room, "--yes")
    assert (code, "Ours since long" in out) == (0, True), out
    code, out = await ask(house, "plan", "--json")
    assert (
        next(course["room_id"] for course in json.loads(out)["courses"] if course["course"] == 2) == room
    ), out
    async with running(house):
        code, out = await ask(house, "adopt", "2", room, "--yes")
        assert "Nothing was changed" in out, (code, out)
        code, out = await ask(house, "adopt", "--find", "--json")
        assert (code, type(json.loads(out))) == (0, dict), out
        code, out = await ask(house, "doctor", "--upgrade-rooms")
        assert (code, out.strip()) == (0, "Every room has the configured version, or a newer one.")


async def test_a_link_to_register_is_made_with_and_without_a_running_service(house: House) -> None:
    house.overrides["web"] = {"public_url": "https://chat.uni.test"}
    code, out = await ask(house, "lti", "invite")
    assert code == 0, out
    assert "https://chat.uni.test/lti/register/" in out
    async with running(house):
        code, out = await ask(house, "lti", "invite")
        assert (code, "https://chat.uni.test/lti/register/" in out) == (0, True), out
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{house.seat.port}/me") as page,
        ):
            assert (page.status, "Open the chat from your course in Moodle" in await page.text()) == (
                401,
                True,
            )


async def test_without_a_public_address_there_are_no_pages_and_no_links(house: House) -> None:
    code, out = await ask(house, "lti", "invite")
    assert (code, "web.public_url is empty" in out) == (1, True), out
    async with running(house), aiohttp.ClientSession() as session:
        for path in ("/me", "/c/2", "/lti/jwks.json", "/static/style.css"):
            async with session.get(f"http://127.0.0.1:{house.seat.port}{path}") as page:
                assert page.status == 404


async def test_a_second_service_on_the_same_database_refuses_to_start(house: House) -> None:
    async with running(house):
        house.top["control_socket"] = "other.sock"
        code, out = await ask(house, "run")
        assert (code, "Another process of this service uses the same database" in out) == (1, True), out


async def test_what_safety_holds_ends_with_4_and_passes_when_confirmed(house: House) -> None:
    university = house.moodle.university
    for number in range(8):
        university.enrol(university.add_person(f"x{number}", "X", str(number)).id, 2, "student")
    await ask(house, "sync")
    for person in list(university.people.values()):
        if person.username.startswith("x"):
            university.unenrol(person.id, 2)
    code, out = await ask(house, "sync")
    assert (code, "course 2: 8 people." in out) == (4, True), out
    code, out = await ask(house, "plan")
    assert (code, "    @x0:uni.test" in out) == (4, True), out
    code, out = await ask(house, "sync", "--confirm")
    assert code == 0, out
    assert list((await house.members(2)).values()).count("leave") == 8


async def test_a_server_that_can_not_be_reached_ends_with_3_and_a_hint(house: House) -> None:
    await house.moodle.stop()
    house.overrides["moodle"] = {"url": "http://127.0.0.1:9", "token": house.moodle.token}
    code, out = await ask(house, "doctor")
    assert (code, "✗ Moodle answers" in out) == (3, True), out
    code, out = await ask(house, "plan")
    assert code == 3, out


async def test_doctor_finds_everything_in_order_and_changes_nothing(house: House) -> None:
    mark = house.synapse.mark()
    code, out = await ask(house, "doctor", "--json")
    result = json.loads(out)
    assert (code, result["ok"]) == (0, True), out
    states = {check["name"]: check["state"] for check in result["checks"]}
    assert states["The homeserver reaches us"] == "ok"
    assert {request.method for request in house.sent_since(mark)} <= {"GET", "POST"}


@pytest.mark.parametrize(
    "right",
    [
        "moodle/user:viewdetails",
        "moodle/user:viewalldetails",
        "moodle/course:view",
        "moodle/course:enrolreview",
    ],
)
async def test_doctor_names_the_right_that_is_missing(house: House, right: str) -> None:
    house.moodle.rights.revoke(right)
    code, out = await ask(house, "doctor")
    assert code == 1, out
    assert right in out


async def test_doctor_says_what_the_rights_over_accounts_do_not_reach_and_how_to_get_them(
    house: House,
) -> None:
    town = Town(house.synapse, house.seat)
    await town.desk().accounts.register_virtual(UserId(house.seat.sender))
    code, out = await ask(house, "doctor")
    assert code == 0, out
    assert f"! Rights over accounts: The bot {house.seat.sender} is no server administrator." in out
    assert "no accounts are made" in out and "homeserver.admin_token" in out
    await town.make_bot_admin()
    await town.desks[0].close()
    code, out = await ask(house, "doctor")
    assert code == 0, out
    assert "✓ Rights over accounts: Accounts can be looked up" in out


async def test_doctor_names_the_sign_in_methods_from_which_no_id_is_derived(house: House) -> None:
    university = house.moodle.university
    for number, auth in enumerate(["oauth2", "oauth2", "email"]):
        person = university.add_person(f"guest{number}", "Gue", "St", auth=auth)
        university.enrol(person.id, 2, "student")
    code, out = await ask(house, "doctor")
    assert code == 0, out
    assert (
        "! How people sign in: For people who sign in to Moodle with these methods no id is derived: " in out
    )
    assert "email (1), oauth2 (2)." in out and "identity.same_directory_auth" in out


async def test_a_moodle_in_maintenance_is_a_clear_error_and_nothing_is_lost(house: House) -> None:
    await ask(house, "sync")
    before = await house.members(2)
    house.moodle.faults.fail(Fault.MAINTENANCE, times=None)
    async with running(house):
        log = house.folder / "service.log"

        async def said() -> bool:
            return "maintenance" in log.read_text()

        await until(said, "the log says that Moodle is in maintenance")
    assert await house.members(2) == before


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "not running"])
async def test_doctor_sees_rooms_that_somebody_spoiled_beside_a_running_service_and_without_one(
    house: House, is_running: bool
) -> None:
    service = await house.start()
    await house.sync()
    room = await house.room_of(2)
    encryption = f"/_matrix/client/v3/rooms/{room}/state/m.room.encryption/"
    await house.ask("PUT", encryption, body={"algorithm": "m.megolm.v1.aes-sha2"})
    stray = (await house.ask("POST", "/_matrix/client/v3/createRoom", body={"name": "left behind"}))[
        "room_id"
    ]
    await house.sync()

    async def pushed() -> bool:
        found = await service.store.mirror.room(RoomId(room))
        return found is not None and ("m.room.encryption", "") in found.state

    await until(pushed, "the encryption is known")
    if not is_running:
        await house.stop()
    code, out = await ask(house, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert len(checks) >= 30
    assert room in checks["Encrypted rooms"]["found"], out
    assert stray in checks["Orphans"]["found"], out
    assert checks["Power of the bot"]["found"] == "The bot has all power in 2 rooms."
    assert checks["Room version"]["state"] == checks["Account of the bot"]["state"] == "ok"
    assert checks["Looks at the whole site"]["found"].startswith("The last look at the whole site ended")
    assert code == 0, out
