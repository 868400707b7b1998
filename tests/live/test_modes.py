"""Where accounts come from, mode by mode, and attempts to take over somebody else's, at a real Synapse."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from moodle_appservice.demo.sandbox.files import FILES
from moodle_appservice.demo.sandbox.records import MailDisplay
from moodle_appservice.domain.identity import resolve
from moodle_appservice.domain.model import MoodleUserId, Resolution, Standing, Trust, UserId
from moodle_appservice.engine.people import REFUSED
from moodle_appservice.ports import AccountKind, AccountRow, AccountState
from tests.domain import values
from tests.live.homeserver import People, SynapseFactory
from tests.live.house import House
from tests.live.town import PNG


async def as_admin(house: House, method: str, path: str, content: Any = None) -> tuple[int, dict[str, Any]]:
    """A request of the homeserver's administrator: status and answer."""
    headers = {"Authorization": f"Bearer {house.synapse.admin_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, house.synapse.url + path, json=content) as answer,
    ):
        return answer.status, await answer.json()


async def stored(house: House, user_id: str) -> dict[str, Any]:
    """An account as the admin API shows it; empty where there is none."""
    status, told = await as_admin(house, "GET", f"/_synapse/admin/v2/users/{quote(user_id, safe='')}")
    return told if status == 200 else {}


def use(house: House, *, admin: bool, identity: dict[str, Any] | None = None, **accounts: Any) -> None:
    """The mode, with names that no other test has; as administrator or not."""
    house.overrides["accounts"] = accounts
    house.overrides["identity"] = {
        "template": f"@{house.seat.site}-{{username}}:{{domain}}",
        **(identity or {}),
    }
    if admin:
        house.overrides["homeserver"] = {"admin_token": house.synapse.admin_token}


def id_of(house: House, username: str) -> UserId:
    return UserId(house.mxid(f"{house.seat.site}-{username}"))


async def found(house: House, username: str) -> Resolution:
    assert house.running is not None
    person = next(one for one in house.moodle.university.people.values() if one.username == username)
    user_id = MoodleUserId(person.id)
    return (await house.running.store.people.look_up([user_id]))[user_id].resolution


async def refusals(house: House, username: str) -> list[str]:
    assert house.running is not None
    user_id = (await found(house, username)).user_id
    lines = await house.running.store.journal.audit(person=user_id)
    return [line.why for line in lines if line.kind == REFUSED]


# Names


def awkward_names() -> list[str]:
    """200 user names: odd ones that people have had, and odd ones that nobody has had yet."""
    dice = random.Random(4)
    alphabet = "abz019._-@+/=!'\"#$%&*?^`{|}~ ,;:<>()[]\\äßéçñøłžаяשעش中文日本ｘ😀\u0301\u200d"
    given = [
        *(
            "a@b",
            "a.b",
            "a+b",
            "a=b",
            "a=40b",
            "o'brien",
            "_sam",
            "__",
            "=",
            "==",
            "-",
            ".",
            "..",
            "/",
            "a/b",
        ),
        *(
            "sam@uni.example",
            "müller",
            "straße",
            "žофи",
            "山田太郎",
            "محمد",
            "שלום",
            "😀",
            "a b",
            "a\tb",
            "%20",
        ),
        *(
            "../x",
            "?x=y",
            "#room",
            "!x",
            "$x",
            "&amp;",
            "<b>",
            '"',
            "\\",
            "a:b",
            "@a:b",
            "null",
            "true",
            "0x",
            "1e5",
        ),
        *("a" * 100, "ä" * 40, "x" * 200, "i̇", "ﬁ", "ǆ", "ς", "ⅷ", "e\u0301", "é", "a\u200db", "🧑‍🎓"),
    ]
    names = list(dict.fromkeys(name.lower() for name in given))
    while len(names) < 200:
        name = "".join(dice.choice(alphabet) for _ in range(dice.randint(1, 24))).lower()
        if name not in names and not name.isdigit():
            names.append(name)
    return names


async def test_a_real_synapse_accepts_every_id_that_is_made_of_an_awkward_name(
    synapse_factory: SynapseFactory,
) -> None:
    synapse = await synapse_factory()
    rules = values.rules({"domain": synapse.server_name, "bot": f"@moodle:{synapse.server_name}"})
    names = awkward_names()
    resolutions = [
        resolve(values.person(number, username=name), rules) for number, name in enumerate(names, start=5)
    ]
    ids = [one.matrix_id for one in resolutions if one.matrix_id is not None]
    assert len(names) == 200 and len(ids) >= 195 and len(set(ids)) == len(ids)
    assert all(one.reason for one in resolutions if one.matrix_id is None)
    headers = {"Authorization": f"Bearer {synapse.admin_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for matrix_id in ids:
            address = f"{synapse.url}/_synapse/admin/v2/users/{quote(matrix_id, safe='')}"
            async with session.put(address, json={}) as answer:
                told = await answer.json()
                assert (answer.status, told["name"]) == (201, matrix_id), told


# The modes


@pytest.mark.parametrize("admin", [True, False], ids=["with admin rights", "without"])
async def test_map_only_invites_who_has_an_account_and_the_others_when_theirs_appears(
    house: House, admin: bool
) -> None:
    use(house, admin=admin, mode="map-only")
    await house.synapse.register(f"{house.seat.site}-t1", "secret", "Tea")
    await house.start()
    await house.sync()
    assert set(await house.members(2)) == {id_of(house, "t1")}
    waiting = await found(house, "s1")
    assert (waiting.standing, waiting.matrix_id) == (Standing.WAITING, id_of(house, "s1"))
    await house.synapse.register(f"{house.seat.site}-s1", "secret", "Stu")
    await house.sync()
    await house.running.queue.idle()  # type: ignore[union-attr]
    assert set(await house.members(2)) == {id_of(house, "t1"), id_of(house, "s1")}


async def test_expect_sso_invites_at_once_and_waits_where_it_is_told_to(house: House) -> None:
    use(house, admin=False, mode="expect-sso")
    await house.start()
    await house.sync()
    assert len(await house.members(2)) == 4
    await house.stop()
    use(house, admin=False, mode="expect-sso", wait_for_account=True)
    house.moodle.university.enrol(
        house.moodle.university.add_person("late", "Late", "Comer").id, 2, "student"
    )
    await house.start()
    await house.sync()
    assert id_of(house, "late") not in await house.members(2)
    assert (await found(house, "late")).standing is Standing.WAITING


async def test_create_makes_accounts_that_sign_in_by_sso_and_touches_no_other(house: House) -> None:
    use(
        house,
        admin=True,
        mode="create",
        identity={"sso": {"provider": "oidc", "external_id": f"{house.seat.site}|{{username}}"}},
    )
    await house.synapse.register(f"{house.seat.site}-s2", "secret", "Somebody else")
    untouched = await stored(house, id_of(house, "s2"))
    await house.start()
    await house.sync()
    account = await stored(house, id_of(house, "s1"))
    assert account["displayname"] == "Stu Dent 1"
    assert account["external_ids"] == [{"auth_provider": "oidc", "external_id": f"{house.seat.site}|s1"}]
    assert set(await house.members(2)) == {id_of(house, name) for name in ("t1", "s1", "s3")}
    refused = await found(house, "s2")
    assert (refused.matrix_id, refused.wanted) == (None, id_of(house, "s2"))
    assert len(await refusals(house, "s2")) == 1
    assert await stored(house, id_of(house, "s2")) == untouched
    mark = house.synapse.mark()
    await house.sync()
    assert [one for one in house.sent_since(mark) if one.method != "GET"] == []


async def test_after_a_crash_only_an_account_of_that_moment_is_taken_for_ours(house: House) -> None:
    use(
        house,
        admin=True,
        mode="create",
        identity={"sso": {"provider": "oidc", "external_id": f"{house.seat.site}|{{username}}"}},
    )
    service = await house.start()
    people = {person.username: person.id for person in house.moodle.university.people.values()}
    # As if the service had died after its first request, now and an hour ago; the second was somebody else's.
    for name, ago in (("s1", 0.0), ("s2", 3600.0)):
        intended_at = service.clock.now() - ago
        row = AccountRow(
            id_of(house, name),
            MoodleUserId(people[name]),
            AccountKind.REAL,
            AccountState.INTENDED,
            intended_at,
        )
        await service.store.accounts.put(row)
        path = quote(id_of(house, name), safe="")
        assert (await as_admin(house, "PUT", f"/_synapse/admin/v2/users/{path}", {}))[0] == 201
    await house.sync()
    members = await house.members(2)
    assert id_of(house, "s1") in members and id_of(house, "s2") not in members
    assert (await stored(house, id_of(house, "s1")))["external_ids"] != []
    assert (await stored(house, id_of(house, "s2")))["external_ids"] == []
    assert (await found(house, "s2")).wanted == id_of(house, "s2")


async def test_create_with_a_password_login_sets_the_address_and_no_password(house: House) -> None:
    for person in house.moodle.university.people.values():
        person.email = f"{person.username}.{house.seat.site}@uni.example"
        person.maildisplay = MailDisplay.EVERYONE
    use(house, admin=True, mode="create", login="password")
    await house.start()
    await house.sync()
    assert (await found(house, "s1")).reason == ""
    account = await stored(house, id_of(house, "s1"))
    assert [(one["medium"], one["address"]) for one in account["threepids"]] == [
        ("email", f"s1.{house.seat.site}@uni.example")
    ]
    assert len(await house.members(2)) == 4


async def test_virtual_users_hold_the_places_and_are_swapped_for_real_accounts(house: House) -> None:
    use(house, admin=True, mode="virtual")
    await house.synapse.register(f"{house.seat.site}-t1", "secret", "Tea")
    await house.start()
    await house.sync()
    student = await found(house, "s1")
    assert student.virtual_id == house.mxid(f"{house.seat.prefix}{student.user_id}")
    assert (await stored(house, student.virtual_id))["displayname"] == "Stu Dent 1"
    members = await house.members(2)
    assert members[id_of(house, "t1")] == "invite"
    assert members[student.virtual_id] == "join"
    await house.synapse.register(f"{house.seat.site}-s1", "secret", "Stu")
    await house.sync()
    await house.running.queue.idle()  # type: ignore[union-attr]
    members = await house.members(2)
    assert members[id_of(house, "s1")] == "invite"
    assert members[student.virtual_id] == "leave"


@pytest.mark.parametrize(
    ("mode", "source"),
    [("create", "courses"), ("virtual", "courses"), ("create", "reports"), ("virtual", "reports")],
)
async def test_avatars_follow_pictures_and_the_same_picture_sends_nothing(
    house: House, mode: str, source: str
) -> None:
    house.moodle.site.service.downloadfiles = 1
    house.overrides["moodle"] = {
        "url": house.moodle.url,
        "token": house.moodle.token,
        "interval": 3600,
        "source": source,
    }
    sam = next(one for one in house.moodle.university.people.values() if one.username == "s1")
    sam.set_picture(PNG)
    identity = {"sso": {"provider": f"oidc-{source}"}} if mode == "create" else None
    use(house, admin=True, identity=identity, mode=mode, follow_avatar=True)
    service = await house.start()

    async def avatar() -> str | None:
        await house.sync()
        await service.queue.idle()
        resolution = await found(house, "s1")
        account = await stored(house, resolution.invitable or resolution.virtual_id or "")
        url: str | None = account["avatar_url"]
        return url

    if source == "reports":
        assert not await avatar(), "reports tell no pictures, and the first pass had nobody to ask about"
    first = await avatar()
    assert first and first.startswith("mxc://")
    mark, downloads = house.synapse.mark(), house.moodle.counts[FILES]
    assert (await avatar(), house.moodle.counts[FILES], downloads) == (first, 1, 1)
    assert [one.path for one in house.sent_since(mark) if one.method != "GET"] == []
    sam.set_picture(PNG + b"\0")
    second = await avatar()
    assert second and second != first
    sam.set_picture(None)
    assert not await avatar()


# Attempts to take over an account


async def test_a_moodle_user_named_like_an_administrator_or_a_stranger_does_not_get_the_account(
    house: House,
) -> None:
    use(house, admin=True, mode="map-only", identity={"sso": {"provider": "oidc"}})
    university = house.moodle.university
    for name in ("admin2", "stranger"):
        university.enrol(university.add_person(name, "Evil", "User").id, 2, "student")
    await house.synapse.register(f"{house.seat.site}-admin2", "secret", "Root", admin=True)
    await house.synapse.register(f"{house.seat.site}-stranger", "secret", "Somebody")
    before = [await stored(house, id_of(house, name)) for name in ("admin2", "stranger")]
    await house.start()
    await house.sync()
    assert not {id_of(house, name) for name in ("admin2", "stranger")} & set(await house.members(2))
    assert "server administrator" in (await found(house, "admin2")).reason
    assert "does not sign in by oidc" in (await found(house, "stranger")).reason
    assert [len(await refusals(house, name)) for name in ("admin2", "stranger")] == [1, 1]
    assert [await stored(house, id_of(house, name)) for name in ("admin2", "stranger")] == before


@pytest.mark.parametrize("state", ["deactivated", "locked", "suspended"])
async def test_an_account_that_is_switched_off_is_not_invited(house: House, state: str) -> None:
    use(house, admin=True, mode="map-only")
    await house.synapse.register(f"{house.seat.site}-s1", "secret", "Stu")
    path = quote(id_of(house, "s1"), safe="")
    if state == "suspended":
        status, told = await as_admin(house, "PUT", f"/_synapse/admin/v1/suspend/{path}", {"suspend": True})
    else:
        status, told = await as_admin(house, "PUT", f"/_synapse/admin/v2/users/{path}", {state: True})
    assert status == 200, told
    await house.start()
    await house.sync()
    assert id_of(house, "s1") not in await house.members(2)
    assert f"that account is {state}" in (await found(house, "s1")).reason
    mark = house.synapse.mark()
    await house.running.queue.idle()  # type: ignore[union-attr]
    assert house.sent_since(mark) == []


async def test_who_registered_at_moodle_with_a_professors_name_is_not_taken_for_the_professor(
    house: House, people: People
) -> None:
    professor = await people.register(house.synapse, "professor")
    university = house.moodle.university
    person = university.add_person(professor.localpart, "Evil", "User", auth="email")
    university.enrol(person.id, 2, "editingteacher")
    await house.start()
    await house.sync()
    assert professor.user_id not in await house.members(2)
    assert "may choose their user name" in (await found(house, professor.localpart)).reason


async def test_a_profile_field_that_names_a_stranger_is_not_believed(house: House, people: People) -> None:
    professor = await people.register(house.synapse, "professor")
    university = house.moodle.university
    person = university.add_person("student", "Evil", "User")
    person.profile["matrixid"] = professor.user_id
    university.enrol(person.id, 2, "student")
    house.overrides["identity"] = {"profile_field": "matrixid"}
    await house.start()
    await house.sync()
    members = await house.members(2)
    assert professor.user_id not in members and house.mxid("student") in members
    resolution = await found(house, "student")
    assert resolution.trust is Trust.DERIVED and "is not believed" in resolution.reason
