"""The digest of a course's facts: it changes with whatever could change the plan, and with nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from moodle_appservice.domain.digest import digest
from moodle_appservice.domain.identity import fingerprint
from moodle_appservice.domain.model import (
    Category,
    CategoryId,
    Course,
    CourseFacts,
    CourseId,
    Enrolment,
    Group,
    GroupId,
    MoodleUserId,
    Person,
    Role,
)
from moodle_appservice.domain.snapshot import hash_people
from tests.domain import values

CATEGORY = values.category({"id": 3, "path": [1, 3]})
FACTS = CourseFacts(
    values.course({"id": 42, "custom_fields": {"matrix_room_name": "x"}}),
    (
        Enrolment(MoodleUserId(7), frozenset({Role("teacher")})),
        Enrolment(MoodleUserId(8), frozenset({Role("student")}), frozenset({GroupId(5)})),
    ),
    {MoodleUserId(7): values.person(7), MoodleUserId(8): values.person(8)},
    (Group(GroupId(5), "Monday"),),
    read_at=1.0,
)
OTHER: dict[str, Any] = {
    "id": 999,
    "category_id": CategoryId(9),
    "visible": False,
    "start": 5.0,
    "end": 6.0,
    "group_mode": 2,
    "custom_fields": {"matrix_room_name": "y"},
    "suspended": True,
    "confirmed": False,
    "auth": "nologin",
    "profile_fields": {"matrix": "@x:uni.test"},
    "roles": frozenset({Role("student"), Role("teacher")}),
    "groups": frozenset({GroupId(6)}),
    "user_id": MoodleUserId(9),
    "path": (CategoryId(2), CategoryId(3)),
}
DECIDE_NOTHING = {
    Course: {"sort_order", "custom_field_types"},
    Category: {"id", "parent", "sort_order", "visible", "idnumber"},
    Person: {"picture"},
}


def variants(value: Any) -> list[Any]:
    """`value` with each of its fields changed, one at a time."""
    skipped = DECIDE_NOTHING.get(type(value), set())
    names = [one.name for one in fields(value) if one.name not in skipped]
    return [pytest.param({name: OTHER.get(name, "something else")}, id=name) for name in names]


@pytest.mark.parametrize("change", variants(FACTS.course))
def test_everything_of_the_course_counts(change: dict[str, Any]) -> None:
    assert digest(replace(FACTS, course=replace(FACTS.course, **change)), CATEGORY) != digest(FACTS, CATEGORY)


@pytest.mark.parametrize("change", variants(FACTS.people[MoodleUserId(8)]))
def test_everything_of_a_person_counts(change: dict[str, Any]) -> None:
    people = {**FACTS.people, MoodleUserId(8): replace(FACTS.people[MoodleUserId(8)], **change)}
    assert digest(replace(FACTS, people=people), CATEGORY) != digest(FACTS, CATEGORY)


@pytest.mark.parametrize("change", variants(FACTS.enrolments[1]))
def test_everything_of_an_enrolment_counts(change: dict[str, Any]) -> None:
    changed = (FACTS.enrolments[0], replace(FACTS.enrolments[1], **change))
    assert digest(replace(FACTS, enrolments=changed), CATEGORY) != digest(FACTS, CATEGORY)


@pytest.mark.parametrize("change", variants(FACTS.groups[0]))
def test_everything_of_a_group_counts(change: dict[str, Any]) -> None:
    assert digest(replace(FACTS, groups=(replace(FACTS.groups[0], **change),)), CATEGORY) != digest(
        FACTS, CATEGORY
    )


@pytest.mark.parametrize("change", variants(CATEGORY))
def test_name_and_place_of_the_category_count(change: dict[str, Any]) -> None:
    assert digest(FACTS, replace(CATEGORY, **change)) != digest(FACTS, CATEGORY)
    assert digest(FACTS, None) != digest(FACTS, CATEGORY)


def test_who_comes_goes_or_is_hidden_counts() -> None:
    one_less = replace(FACTS, enrolments=FACTS.enrolments[:1])
    hidden = replace(FACTS, people={MoodleUserId(7): values.person(7)})
    assert (
        len({digest(facts, CATEGORY) for facts in (FACTS, one_less, hidden, replace(FACTS, groups=()))}) == 4
    )


def test_who_holds_a_role_from_above_counts() -> None:
    held = [
        {},
        {MoodleUserId(7): frozenset({Role("manager")})},
        {MoodleUserId(8): frozenset({Role("manager")})},
    ]
    assert len({digest(replace(FACTS, inherited=one), CATEGORY) for one in held}) == 3


def test_order_and_time_do_not_count() -> None:
    turned = replace(
        FACTS,
        enrolments=FACTS.enrolments[::-1],
        people=dict(list(FACTS.people.items())[::-1]),
        read_at=9.0,
    )
    assert digest(turned, CATEGORY) == digest(FACTS, CATEGORY)


def test_every_field_of_the_facts_was_thought_of() -> None:
    assert {one.name for one in fields(CourseFacts)} == {
        "course",
        "enrolments",
        "people",
        "groups",
        "read_at",
        "inherited",
    }
    assert isinstance(FACTS.people[MoodleUserId(7)], Person) and FACTS.course.id == CourseId(42)


@pytest.mark.parametrize("picture", ["", "100/user/icon/f3?rev=1"])
def test_a_person_s_picture_decides_nothing_in_a_room_and_something_about_the_account(picture: str) -> None:
    person = FACTS.people[MoodleUserId(8)]
    changed = replace(person, picture=picture)
    facts = replace(FACTS, people={**FACTS.people, person.id: changed})
    assert digest(facts, CATEGORY) == digest(FACTS, CATEGORY)
    assert hash_people(facts.people) == hash_people(FACTS.people)
    assert fingerprint(changed) != fingerprint(person)
