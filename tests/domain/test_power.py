"""Power levels for every room version: the whole table, and what holds whatever is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.model import UserId
from moodle_appservice.domain.power import (
    MOST_BYTES,
    creator_is_above,
    creators_of,
    fitting,
    power_levels,
    same_power,
)
from moodle_appservice.domain.rules import DEFAULT_LEVELS
from tests.domain import casefiles, values

RULES = values.rules({})
TABLE = casefiles.read(casefiles.FOLDER / "power" / "levels.yaml")
TESS = UserId("@tess:uni.test")
VERSIONS = st.sampled_from(["1", "10", "11", "12", "13", "org.example.experiment"])
USERS = st.sampled_from([UserId(f"@p{number}:uni.test") for number in range(5)] + [RULES.bot])
LEVELS = st.integers(-10, 200)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("version", TABLE)
def test_the_table_of_a_version_is_whole(version: str) -> None:
    assert power_levels(version, RULES, {TESS: 60}) == TABLE[version]


def test_the_levels_of_roles_are_those_of_the_table() -> None:
    assert dict(DEFAULT_LEVELS) == {"manager": 60, "editingteacher": 60, "teacher": 50, "student": 0}


@pytest.mark.parametrize(("calls", "level"), [("all", 0), ("staff", 50), ("off", 100)])
def test_who_may_start_a_call_is_the_institution_s_choice(calls: str, level: int) -> None:
    events = power_levels("12", values.rules({"calls": calls}), {})["events"]
    assert (events["org.matrix.msc3401.call.member"], events["m.call.member"]) == (level, level)
    table = TABLE["12"]["events"]
    assert {**events, "org.matrix.msc3401.call.member": 0, "m.call.member": 0} == table


@pytest.mark.parametrize(("moderators", "level"), [("staff", 50), ("teachers", 60)])
def test_who_moderates_is_the_institution_s_choice(moderators: str, level: int) -> None:
    content = power_levels("12", values.rules({"moderators": moderators}), {})
    assert (content["ban"], content["kick"], content["redact"]) == (level, level, level)
    assert content["events"] == power_levels("12", values.rules({}), {})["events"]


@given(
    VERSIONS,
    st.dictionaries(USERS, LEVELS),
    st.dictionaries(USERS, LEVELS),
    st.frozensets(USERS),
)
def test_the_creator_is_never_among_the_levels_from_12_on_and_alone_has_100_before(
    version: str, wanted: dict[UserId, int], current: dict[UserId, int], managed: frozenset[UserId]
) -> None:
    current = {user: min(level, 99) for user, level in current.items()}
    users = power_levels(version, RULES, wanted, current={"users": current}, managed=managed)["users"]
    if creator_is_above(version):
        assert RULES.bot not in users
        assert all(level < 100 for level in users.values())
    else:
        assert {user for user, level in users.items() if level >= 100} == {RULES.bot}
        assert users[RULES.bot] == 100
    others = {user: level for user, level in users.items() if user != RULES.bot}
    for user, level in wanted.items():
        if user != RULES.bot:
            assert others.get(user, 0) == min(level, 99)
    for user, level in current.items():
        if user not in wanted and user not in managed and user != RULES.bot:
            assert others[user] == level


@given(VERSIONS, st.dictionaries(USERS, LEVELS), ANYTHING)
def test_whatever_stands_in_the_room_the_result_is_complete_and_stable(
    version: str, wanted: dict[UserId, int], current: Any
) -> None:
    room = (
        current
        if isinstance(current, dict)
        else {"users": current, "events": current, "notifications": current}
    )
    content = power_levels(version, RULES, wanted, current=room)
    fresh = power_levels(version, RULES, {})
    assert {key: content[key] for key in fresh if not isinstance(fresh[key], dict)} == {
        key: value for key, value in fresh.items() if not isinstance(value, dict)
    }
    for key in ("events", "notifications"):
        assert {name: content[key][name] for name in fresh[key]} == fresh[key]
    assert set(room) <= set(content)
    again = power_levels(version, RULES, wanted, current=content)
    assert same_power(again, content)


KNOWN = ("ban", "kick", "redact", "invite", "state_default", "events_default", "users_default")
OF_EVENTS = ("m.room.tombstone", "m.room.name", "m.call.member", "m.other")


@given(
    VERSIONS,
    st.integers(100, 150),
    st.dictionaries(st.sampled_from(KNOWN), LEVELS),
    st.dictionaries(st.sampled_from(OF_EVENTS), LEVELS),
    st.dictionaries(st.just("room"), LEVELS),
)
def test_in_a_room_that_somebody_else_made_no_level_above_the_bot_is_touched(
    version: str, own: int, known: dict[str, int], events: dict[str, int], notifications: dict[str, int]
) -> None:
    ann = UserId("@ann:uni.test")
    current = {**known, "users": {RULES.bot: own}, "events": events, "notifications": notifications}
    content = power_levels(version, RULES, {TESS: 60}, current=current, maker=ann)
    assert content["users"] == {RULES.bot: own, TESS: 60}
    for before, after in (
        (known, content),
        (events, content["events"]),
        (notifications, content["notifications"]),
    ):
        for key in after:
            if isinstance(after[key], int) and max(before.get(key, 0), after[key]) > own:
                assert after[key] == before[key], key
    assert same_power(power_levels(version, RULES, {TESS: 60}, current=content, maker=ann), content)


def test_what_a_room_has_is_not_changed_in_place() -> None:
    current: dict[str, Any] = {"users": {TESS: 60}, "events": {"m.other": 10}}
    power_levels("12", RULES, {}, current=current, managed=frozenset({TESS}))
    assert current == {"users": {TESS: 60}, "events": {"m.other": 10}}


def test_an_event_that_would_be_too_large_keeps_those_with_the_highest_levels() -> None:
    crowd = {UserId(f"@{'x' * 200}{number:04}:uni.test"): 50 for number in range(400)}
    content = power_levels("12", RULES, {**crowd, TESS: 60})
    fit, left_out = fitting(content)
    size = len(json.dumps(fit, separators=(",", ":")).encode())
    assert MOST_BYTES - 300 < size <= MOST_BYTES
    assert fit["users"][TESS] == 60
    assert len(fit["users"]) + left_out == 401
    assert fitting(fit) == (fit, 0)


def test_an_event_of_a_room_as_large_as_any_is_kept_whole() -> None:
    content = power_levels("12", RULES, {UserId(f"@p{number:05}:uni.test"): 50 for number in range(1500)})
    assert fitting(content) == (content, 0)


def test_who_was_made_a_creator_too_never_stands_among_the_levels() -> None:
    anna = UserId("@anna:uni.test")
    creators = creators_of({"additional_creators": [anna, 5]})
    users = power_levels("12", RULES, {anna: 60, TESS: 60}, current={"users": {anna: 50}}, creators=creators)[
        "users"
    ]
    assert users == {TESS: 60}
    assert power_levels("11", RULES, {anna: 60}, creators=creators)["users"][anna] == 60


@pytest.mark.parametrize(
    "content", [{}, {"additional_creators": None}, {"additional_creators": "@anna:uni.test"}]
)
def test_odd_creators_are_none(content: dict[str, Any]) -> None:
    assert creators_of(content) == frozenset()
