"""What the pages are made from: held plans by cause, searches, charts, addresses of rooms, the masked configuration."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from ruamel.yaml import YAML

from moodle_appservice.config import Settings, keys
from moodle_appservice.config.keys import Kind
from moodle_appservice.domain.model import CourseId, MoodleUserId, Resolution, RoomId, Trust, UserId
from moodle_appservice.engine.held import HeldPlans
from moodle_appservice.engine.sampling import EVERY, KEPT, Sampler
from moodle_appservice.errors import Refused
from moodle_appservice.masked import MASK, masked
from moodle_appservice.ports import AuditFilter
from moodle_appservice.web.charts import DAY, WIDTH, charts
from moodle_appservice.web.links import MATRIX_TO, Links
from tests.domain.values import person
from tests.web.campus import Campus

ROOM = RoomId("!room")


@pytest.mark.parametrize(
    ("client", "room", "who"),
    [
        (
            MATRIX_TO,
            "https://matrix.to/#/!abc:uni.test?via=uni.test:8448",
            "https://matrix.to/#/@anna:uni.test",
        ),
        (
            "https://app.element.io",
            "https://app.element.io/#/room/!abc:uni.test?via=uni.test:8448",
            "https://app.element.io/#/user/@anna:uni.test",
        ),
    ],
)
def test_rooms_and_people_open_in_the_chosen_app(client: str, room: str, who: str) -> None:
    links = Links(client, "uni.test:8448")
    assert links.room(RoomId("!abc:uni.test")) == room
    assert links.person(UserId("@anna:uni.test")) == who


def test_an_id_of_a_room_without_a_server_still_names_one() -> None:
    assert (
        Links(MATRIX_TO, "uni.test").room(RoomId('!a"b/c')) == "https://matrix.to/#/!a%22b%2Fc?via=uni.test"
    )


def test_charts_run_from_a_day_ago_to_now() -> None:
    now = 10_000_000.0
    samples = {"joined": [(int(now) - DAY, 2.0), (int(now), 4.0)], "expected": [(int(now), 8.0)]}
    first, second, *_ = charts(samples, now=now)
    assert (first.points, first.others) == (f"0.0,45.0 {WIDTH:.1f},30.0", f"{WIDTH:.1f},0.0")
    assert (first.last, first.highest) == (4.0, 8.0)
    assert (second.points, second.last, second.highest) == ("", None, 0.0)


async def test_samples_are_taken_on_the_grid_and_for_a_day(campus: Campus) -> None:
    sampler = Sampler(campus.figures, campus.store.samples, campus.clock)
    campus.clock.time = 1_000_000.0 - 1_000_000.0 % EVERY + 7
    for _ in range(2):
        await sampler.take()
    campus.clock.advance(EVERY)
    await sampler.take()
    assert [at % EVERY for at, _ in (await sampler.last_day())["queue"]] == [0, 0]
    campus.clock.advance(KEPT)
    await sampler.take()
    rows = await campus.store.samples.since(0)
    assert len(rows["queue"]) == 1


async def hold(campus: Campus, course: int, reason: str, *users: str) -> None:
    room = RoomId(f"!{course}")
    await campus.store.journal.hold(
        CourseId(course), room, frozenset(map(UserId, users)), reason, at=float(course)
    )


async def test_held_plans_of_one_cause_are_one_group(campus: Campus) -> None:
    held = HeldPlans(campus.store, campus.operations, campus.clock)
    await hold(campus, 42, "12 of 30 members would be removed.", "@a:x.y", "@b:x.y")
    await hold(campus, 43, "7 of 20 members would be removed.", "@a:x.y")
    (group,) = await held.groups()
    assert group.cause == "Rooms that would lose many people"
    assert ([one.course_id for one in group.courses], group.number, group.since) == ([42, 43], 3, 42.0)
    assert group.courses[0].reason == "12 of 30 members would be removed."
    assert group.courses[1].people == ("@a:x.y",)


async def test_a_group_is_approved_as_it_was_shown_or_not_at_all(campus: Campus) -> None:
    held = HeldPlans(campus.store, campus.operations, campus.clock)
    course = campus.facts.add_course(42)
    campus.facts.enrol(course, 1)
    await campus.operations.sync()
    await hold(campus, 42, "Many would go.", "@a:x.y")
    (group,) = await held.groups()
    await hold(campus, 42, "Many would go.", "@a:x.y", "@b:x.y")
    with pytest.raises(Refused, match="changed"):
        await held.approve(group.mark, person=None)
    assert [row.confirmed for row in await campus.store.journal.held()] == [False]
    (group,) = await held.groups()
    await held.approve(group.mark, person=MoodleUserId(1))
    assert await held.groups() == []
    lines, _ = await campus.store.search.audit(AuditFilter(kind="Confirmed"), limit=9, offset=0)
    assert MoodleUserId(1) in [line.person for line in lines]


async def know(campus: Campus, number: int, name: str, account: str | None, reason: str = "") -> None:
    matrix_id = None if account is None else UserId(account)
    found = Resolution(MoodleUserId(number), matrix_id, Trust.DERIVED, reason)
    await campus.store.people.save(person(number, full_name=name, username=f"user_{number}"), found, at=1.0)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", [7, 8, 9, 10]),
        ("ANNA", [7]),
        ("user_9", [9]),
        ("user%9", []),
        ("@bob", [8]),
        ("9", [9]),
        ("50%", [9]),
        ("_", [7, 8, 9, 10]),
        ("nobody", []),
        ("özil", [10]),
        ("MESUT Ö", [10]),
        ("Ωμέγα", [10]),
    ],
)
async def test_people_are_found_by_what_stands_there(campus: Campus, words: str, found: list[int]) -> None:
    await know(campus, 7, "Anna Albers", "@anna:uni.test")
    await know(campus, 8, "Bob", "@bob:uni.test")
    await know(campus, 9, "Cem 50%", None, "Has no account.")
    await know(campus, 10, "Mesut Özil ΩΜΈΓΑ", "@mesut:uni.test")
    rows, number = await campus.store.search.people(words, trouble=False, limit=10, offset=0)
    assert ([row.user_id for row in rows], number) == (found, len(found))
    rows, number = await campus.store.search.people("", trouble=True, limit=10, offset=0)
    assert ([row.user_id for row in rows], number) == ([9], 1)
    rows, number = await campus.store.search.people("", trouble=False, limit=1, offset=1)
    assert ([row.user_id for row in rows], number) == ([8], 4)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AuditFilter(), ["Other", "Invite", "Invite"]),
        (AuditFilter(course_id=CourseId(42)), ["Invite"]),
        (AuditFilter(person=MoodleUserId(7)), ["Invite"]),
        (AuditFilter(kind="Other"), ["Other"]),
        (AuditFilter(result="failed"), ["Other"]),
        (AuditFilter(result="done"), ["Invite", "Invite"]),
        (AuditFilter(words="ABC123"), ["Other"]),
        (AuditFilter(words="abc123"), ["Other"]),
        (AuditFilter(words="because"), ["Invite", "Invite"]),
        (AuditFilter(kind="Other", course_id=CourseId(42)), []),
    ],
)
async def test_lines_of_the_audit_log_are_filtered(
    campus: Campus, wanted: AuditFilter, found: list[str]
) -> None:
    await know(campus, 7, "Anna", None)
    journal = campus.store.journal
    await journal.note("Invite", at=1.0, why="Because of 100 %.", person=MoodleUserId(7))
    await journal.note("Invite", at=2.0, why="Because.", course_id=CourseId(42))
    await journal.note("Other", at=3.0, why="It failed.", result="No.", reference="abc123")
    rows, number = await campus.store.search.audit(wanted, limit=10, offset=0)
    assert ([row.kind for row in rows], number) == (found, len(found))
    assert await campus.store.search.kinds() == ["Invite", "Other"]


def test_the_configuration_is_shown_whole_and_without_a_secret() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    settings = Settings.model_validate(
        {
            "site": "uni",
            "database": f"postgres://chat:{secret}@localhost/chat",
            "moodle": {"url": "https://moodle.uni.test", "token": secret},
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": "uni.test", "admin_token": secret},
            "web": {"hooks": {"secret": secret}, "metrics": {"token": secret}},
        }
    )
    text = masked(settings)
    assert secret not in text
    shown = YAML(typ="safe").load(text)
    for key in keys():
        value = shown
        for name in key.place:
            value = value[name]
        if key.kind is Kind.SECRET and key.name != "database":
            assert value in (MASK, ""), key.name
    assert shown["moodle"]["token"] == shown["web"]["hooks"]["secret"] == MASK
    assert shown["web"]["provisioning"]["secret"] == ""
    assert shown["database"] == "postgres://chat:***@localhost/chat"
    assert not any(isinstance(value, SecretStr) for value in shown.values())
